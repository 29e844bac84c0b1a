//! Texts with the labels and spans of an annotation tool. Decides what each label means, which spans are sentences, and
//! which sources, cues and contents form one attribution. Shared by the readers of Label Studio, doccano, Prodigy and brat.

use super::collector::UncheckedDocument;
use super::{GoldLabels, unknown};
use crate::error::{GoldProblem, InputProblem};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::segment;
use standpoint_core::text::Span;
use std::collections::BTreeMap;

/// A span with the label that an annotator gave it.
pub(super) struct LabelledSpan {
    pub span: Span,
    /// Its other pieces, if it has several.
    pub more: Vec<Span>,
    pub label: String,
}

impl LabelledSpan {
    pub fn new(span: Span, label: String) -> Self {
        Self { span, more: Vec::new(), label }
    }
}

/// A text with everything that was annotated in it.
pub(super) struct AnnotatedText {
    pub id: String,
    pub target: Option<String>,
    pub text: String,
    /// Labels of the whole text. A text with such labels is one sentence.
    pub labels: Vec<String>,
    pub spans: Vec<LabelledSpan>,
    /// Pairs of related spans, as indices into `spans`.
    pub relations: Vec<(usize, usize)>,
    pub fields: Map<String, Value>,
}

/// A record's id, as the tools write it.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Number(i64),
}

impl Id {
    pub fn into_string(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// What a label means.
#[derive(Clone, Copy)]
enum Meaning {
    Role(Role),
    Stance(Stance),
    Checkworthy(bool),
    /// Marks a sentence without labelling it.
    Sentence,
    Holder,
    Source,
    Cue,
    Content,
}

impl Meaning {
    const KNOWN: &[&str] = &[
        "claim",
        "attributed",
        "background",
        "favor",
        "against",
        "none",
        "checkworthy",
        "not checkworthy",
        "sentence",
        "holder",
        "source",
        "cue",
        "content",
    ];

    fn of(label: &str) -> Result<Self, InputProblem> {
        Ok(match label.trim().to_lowercase().replace(['_', '-'], " ").as_str() {
            "claim" => Self::Role(Role::Claim),
            "attributed" => Self::Role(Role::Attributed),
            "background" => Self::Role(Role::Background),
            "favor" => Self::Stance(Stance::Favor),
            "against" => Self::Stance(Stance::Against),
            "none" => Self::Stance(Stance::None),
            "checkworthy" => Self::Checkworthy(true),
            "not checkworthy" => Self::Checkworthy(false),
            "sentence" => Self::Sentence,
            "holder" => Self::Holder,
            "source" => Self::Source,
            "cue" => Self::Cue,
            "content" => Self::Content,
            _ => return Err(unknown("label", label, Self::KNOWN)),
        })
    }

    fn is_of_sentence(self) -> bool {
        matches!(self, Self::Role(_) | Self::Stance(_) | Self::Checkworthy(_) | Self::Sentence)
    }

    fn is_of_attribution(self) -> bool {
        matches!(self, Self::Source | Self::Cue | Self::Content)
    }

    /// Adds a label of a sentence to `labels`.
    ///
    /// # Errors
    /// [`GoldProblem::TwoLabels`] if the sentence has another label of the same kind.
    fn label(self, labels: &mut GoldLabels) -> Result<(), InputProblem> {
        fn set<T: Copy + PartialEq + ToString>(slot: &mut Option<T>, value: T) -> Result<(), InputProblem> {
            match slot.replace(value) {
                Some(first) if first != value => {
                    let (first, second) = (first.to_string(), value.to_string());
                    Err(GoldProblem::TwoLabels { first, second }.into())
                }
                _ => Ok(()),
            }
        }
        match self {
            Self::Role(role) => set(&mut labels.role, role),
            Self::Stance(stance) => set(&mut labels.stance, stance),
            Self::Checkworthy(checkworthy) => set(&mut labels.checkworthy, checkworthy),
            _ => Ok(()),
        }
    }
}

impl AnnotatedText {
    /// The document, with every label turned into ours.
    pub fn into_document(self) -> Result<UncheckedDocument, InputProblem> {
        let meanings = self.spans.iter().map(|labelled| Meaning::of(&labelled.label));
        let meanings = meanings.collect::<Result<Vec<_>, _>>()?;
        let mut labelled = self.spans.iter().zip(&meanings);
        if let Some((span, _)) = labelled.find(|(span, of)| !span.more.is_empty() && !of.is_of_attribution())
        {
            return Err(GoldProblem::Pieces { label: span.label.clone() }.into());
        }
        let mut sentences = self.sentences(&meanings)?;
        let attributions = self.attributions(&meanings, &sentences);
        for (labelled, meaning) in self.spans.iter().zip(&meanings) {
            if matches!(meaning, Meaning::Holder) {
                let index = sentence_of(labelled.span, &sentences);
                let slot = index.map(|index| &mut sentences[index].1.holder);
                match slot {
                    Some(slot @ None) => *slot = Some(labelled.span),
                    _ => {
                        let holder = labelled.span.slice(&self.text).to_owned();
                        return Err(GoldProblem::StrayHolder { holder }.into());
                    }
                }
            }
        }
        let Self { id, target, text, fields, .. } = self;
        Ok(UncheckedDocument { id, target, text, sentences, attributions, fields })
    }

    /// Every span with a sentence label is a sentence, once, with all its labels. The text between these is segmented
    /// into sentences without labels, as context.
    fn sentences(&self, meanings: &[Meaning]) -> Result<Vec<(Span, GoldLabels)>, InputProblem> {
        let mut sentence_labels: BTreeMap<Span, GoldLabels> = BTreeMap::new();
        for label in &self.labels {
            let meaning = Meaning::of(label)?;
            meaning.label(sentence_labels.entry(Span::new(0, self.text.len())).or_default())?;
        }
        for (labelled, meaning) in
            self.spans.iter().zip(meanings).filter(|(_, meaning)| meaning.is_of_sentence())
        {
            meaning.label(sentence_labels.entry(labelled.span).or_default())?;
        }
        let mut sentences = Vec::with_capacity(sentence_labels.len());
        let mut reached = 0;
        let fill = |sentences: &mut Vec<(Span, GoldLabels)>, from: usize, to: usize| {
            let gap = self.text.get(from..to).unwrap_or_default();
            let shift = |span: Span| Span::new(from + span.start(), from + span.end());
            sentences
                .extend(segment::sentences(gap).into_iter().map(|span| (shift(span), GoldLabels::default())));
        };
        for (span, labels) in sentence_labels {
            fill(&mut sentences, reached, span.start());
            sentences.push((span, labels));
            reached = reached.max(span.end());
        }
        fill(&mut sentences, reached, self.text.len());
        Ok(sentences)
    }

    /// Sources, cues and contents that relations connect form one attribution. So do the unconnected ones of a sentence.
    /// `None` if there are none.
    fn attributions(
        &self,
        meanings: &[Meaning],
        sentences: &[(Span, GoldLabels)],
    ) -> Option<Vec<Attribution>> {
        let is_part = |index: usize| meanings[index].is_of_attribution();
        let mut group: Vec<usize> = (0..self.spans.len()).collect();
        let mut join = |one: usize, other: usize| {
            let (kept, gone) = (group[one], group[other]);
            group.iter_mut().filter(|group| **group == gone).for_each(|group| *group = kept);
        };
        let mut connected = vec![false; self.spans.len()];
        for &(one, other) in self.relations.iter().filter(|&&(one, other)| is_part(one) && is_part(other)) {
            join(one, other);
            (connected[one], connected[other]) = (true, true);
        }
        let mut alone: BTreeMap<Option<usize>, usize> = BTreeMap::new();
        for index in (0..self.spans.len()).filter(|&index| is_part(index) && !connected[index]) {
            let first = *alone.entry(sentence_of(self.spans[index].span, sentences)).or_insert(index);
            join(first, index);
        }
        let mut attributions: BTreeMap<usize, Attribution> = BTreeMap::new();
        let mut order: Vec<usize> = (0..self.spans.len()).filter(|&index| is_part(index)).collect();
        order.sort_by_key(|&index| self.spans[index].span);
        for index in order {
            let attribution = attributions.entry(group[index]).or_default();
            let part = match meanings[index] {
                Meaning::Source => &mut attribution.source,
                Meaning::Cue => &mut attribution.cue,
                _ => &mut attribution.content,
            };
            part.push(self.spans[index].span);
            part.extend(&self.spans[index].more);
        }
        let mut attributions: Vec<Attribution> = attributions.into_values().collect();
        let first = |of: &Attribution| of.source.iter().chain(&of.cue).chain(&of.content).min().copied();
        attributions.sort_by_key(first);
        (!attributions.is_empty()).then_some(attributions)
    }
}

/// The sentence in which a span begins.
fn sentence_of(span: Span, sentences: &[(Span, GoldLabels)]) -> Option<usize> {
    sentences.iter().position(|(sentence, _)| sentence.range().contains(&span.start()))
}
