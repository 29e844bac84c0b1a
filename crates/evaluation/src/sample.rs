//! A sample: the gold annotation of a sentence for one task, and the model's. All figures are computed from samples, and
//! `--log-samples` writes them, so that a report can be made again without a model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use standpoint_core::model::{
    ATTRIBUTION, CHECKWORTHY, HOLDER, Head, HeadInput, Metric, ROLE, SPEAKER, STANCE,
};
use standpoint_core::text::Span;
use std::fmt;

/// What the model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// The role of a sentence: claim, attributed or background.
    Role,
    /// The stance of a sentence toward the document's target: favor, against or none.
    Stance,
    /// Whether the role of a sentence is attributed. A corpus of attributions says no more about roles.
    Attributed,
    /// Whether a sentence is worth checking.
    Checkworthy,
    /// Source, cue and content of each attribution in a document.
    Spans,
    /// Who holds the stance of a sentence.
    Holder,
    /// Who speaks in an attributed sentence.
    Speaker,
}

impl Task {
    pub const ALL: [Self; 7] = [
        Self::Role,
        Self::Stance,
        Self::Attributed,
        Self::Checkworthy,
        Self::Spans,
        Self::Holder,
        Self::Speaker,
    ];

    /// Its name in evaluation sets and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Stance => "stance",
            Self::Attributed => "attributed",
            Self::Checkworthy => "checkworthy",
            Self::Spans => "spans",
            Self::Holder => "holder",
            Self::Speaker => "speaker",
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
            Self::Speaker => &SPEAKER,
        }
    }

    /// The labels of a task that gives each sentence one, in the order of probabilities and confusion matrices. A positive
    /// label comes first. Empty for tasks that mark spans.
    pub fn labels(self) -> &'static [&'static str] {
        match (self, self.head().input) {
            (Self::Attributed, _) => &["attributed", "other"],
            (_, HeadInput::Sentence) => self.head().labels,
            (_, HeadInput::Token | HeadInput::Mention) => &[],
        }
    }

    /// The kinds of span that a task marks. Empty for tasks that give labels.
    pub fn span_kinds(self) -> &'static [&'static str] {
        match (self, self.head().input) {
            (Self::Holder, _) => &[Self::HOLDER, Self::HOLDER_ANYWHERE],
            (Self::Speaker, _) => &[Self::SPEAKER],
            (_, HeadInput::Token) => self.head().layers,
            (_, HeadInput::Sentence | HeadInput::Mention) => &[],
        }
    }

    /// The kind of span that counts the sentences in which gold names a holder.
    pub const HOLDER: &str = "holder";
    /// The kind of span that counts all sentences. A holder where gold names none is an error.
    pub const HOLDER_ANYWHERE: &str = "holder, any sentence";

    /// The kind of span that stands for a name: the place where the document first gives it.
    pub const SPEAKER: &str = "speaker";

    /// The figure by which the task is known.
    pub fn metric(self) -> Metric {
        match self {
            Self::Attributed => Metric::AveragePrecision,
            _ => self.head().metric,
        }
    }

    /// The positive label of a task that has one: rankings put it first.
    pub fn positive(self) -> Option<&'static str> {
        (self.metric() == Metric::AveragePrecision).then(|| self.labels()[0])
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A sentence with its two annotations for one task, gold and predicted. For [`Task::Spans`] it is a whole document,
/// because an attribution can run over several sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub task: Task,
    /// The data file's name.
    pub file: String,
    pub doc: String,
    /// The sentence's index in its document, from 0. For a whole document, 0.
    pub index: usize,
    /// The number of sentences in the document.
    pub of: usize,
    /// Half-open byte offsets into the document's text.
    pub start: usize,
    pub end: usize,
    pub text: String,
    /// The preceding sentence, and below the following one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The document's metadata.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    #[serde(flatten)]
    pub annotations: Annotations,
}

/// The gold annotation and the predicted one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Annotations {
    /// For tasks that give one label. `probs` has a probability for each of [`Task::labels`], or is empty if there is no
    /// prediction. A label is [`UNMATCHED`](crate::UNMATCHED) if that side does not have the sentence.
    Label { gold: String, predicted: String, probs: Vec<f64> },
    /// For tasks that mark spans.
    Spans { gold_spans: Vec<AnnotatedSpan>, predicted_spans: Vec<AnnotatedSpan> },
}

/// A span of the document, of a kind from [`Task::span_kinds`]. A source, cue or content in several pieces is several spans
/// with the same kind and number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AnnotatedSpan {
    pub kind: String,
    /// The attribution that the span belongs to, counted from 0 in the document.
    pub number: usize,
    /// Half-open byte offsets into the document's text.
    pub start: usize,
    pub end: usize,
}

impl AnnotatedSpan {
    pub fn new(kind: &str, number: usize, span: Span) -> Self {
        Self { kind: kind.to_owned(), number, start: span.start(), end: span.end() }
    }

    pub fn span(&self) -> Span {
        Span::new(self.start, self.end)
    }
}
