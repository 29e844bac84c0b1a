//! One answer beside the truth: what all figures are computed from, and what `--log-samples` writes. A report
//! can be made again from samples alone, without a model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use standpoint_core::model::{ATTRIBUTION, CHECKWORTHY, HOLDER, Head, HeadInput, Metric, ROLE, STANCE};
use standpoint_core::text::Span;
use std::fmt;

/// What is asked of a sentence, or, of spans, of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// claim, attributed or background.
    Role,
    /// favor, against or none, toward the document's target.
    Stance,
    /// attributed or not: what a corpus of attributions says of the role.
    Attributed,
    /// Worth checking or not.
    Checkworthy,
    /// Source, cue and content of each attribution.
    Spans,
    /// Whose stance it is.
    Holder,
}

impl Task {
    pub const ALL: [Self; 6] =
        [Self::Role, Self::Stance, Self::Attributed, Self::Checkworthy, Self::Spans, Self::Holder];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Stance => "stance",
            Self::Attributed => "attributed",
            Self::Checkworthy => "checkworthy",
            Self::Spans => "spans",
            Self::Holder => "holder",
        }
    }

    /// The task with this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.as_str() == name)
    }

    /// The head whose answers the task judges.
    pub fn head(self) -> &'static Head {
        match self {
            Self::Role | Self::Attributed => &ROLE,
            Self::Stance => &STANCE,
            Self::Checkworthy => &CHECKWORTHY,
            Self::Spans => &ATTRIBUTION,
            Self::Holder => &HOLDER,
        }
    }

    /// The labels of a task that gives one to each sentence, in the order of a confusion matrix; none of a task that marks
    /// spans. A positive label comes first.
    pub fn labels(self) -> &'static [&'static str] {
        match (self, self.head().input) {
            (Self::Attributed, _) => &["attributed", "other"],
            (_, HeadInput::Sentence) => self.head().labels,
            (_, HeadInput::Token) => &[],
        }
    }

    /// The kinds of span that a task marks; none of a task that gives labels.
    pub fn parts(self) -> &'static [&'static str] {
        match (self, self.head().input) {
            (Self::Holder, _) => &[Self::HOLDER, Self::HOLDER_ANYWHERE],
            (_, HeadInput::Token) => self.head().layers,
            (_, HeadInput::Sentence) => &[],
        }
    }

    /// The holder in sentences for which gold names one.
    pub const HOLDER: &str = "holder";
    /// The holder in all sentences: it is an error to find one where gold names none.
    pub const HOLDER_ANYWHERE: &str = "holder, any sentence";

    /// The figure by which the task is known.
    pub fn metric(self) -> Metric {
        match self {
            Self::Attributed => Metric::AveragePrecision,
            _ => self.head().metric,
        }
    }

    /// The label that a ranking puts first, of tasks that rank.
    pub fn positive(self) -> Option<&'static str> {
        (self.metric() == Metric::AveragePrecision).then(|| self.labels()[0])
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A sentence, its gold label for one task, and the answer. Of spans it is the whole document, for an attribution may
/// run over sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub task: Task,
    /// The data file's name.
    pub file: String,
    pub doc: String,
    /// Of the sentence in its document, from 0; 0 of a whole document.
    pub index: usize,
    /// How many sentences the document has.
    pub of: usize,
    /// Bytes of the document's text.
    pub start: usize,
    pub end: usize,
    pub text: String,
    /// The neighbours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What else the data say of the document.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    #[serde(flatten)]
    pub answer: Answer,
}

/// Gold and answer of one sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Of tasks that give one label. Probabilities stand in the order of [`Task::labels`].
    Label { gold: String, predicted: String, probs: Vec<f64> },
    /// Of tasks that mark spans.
    Spans { gold_spans: Vec<MarkedSpan>, predicted_spans: Vec<MarkedSpan> },
}

/// A span of the document of some kind: source, cue, content, holder, or holder in any sentence. A part in several pieces is several spans
/// with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MarkedSpan {
    pub kind: String,
    /// Which attribution of the document it belongs to, from 0.
    pub number: usize,
    pub start: usize,
    pub end: usize,
}

impl MarkedSpan {
    pub fn new(kind: &str, number: usize, span: Span) -> Self {
        Self { kind: kind.to_owned(), number, start: span.start(), end: span.end() }
    }

    pub fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }
}
