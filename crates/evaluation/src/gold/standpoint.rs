//! This project's own JSON Lines: documents, sentences between their neighbours, and pairs of a text and a target. A
//! line's fields show which of these it is.

use super::collector::{Collector, UncheckedDocument};
use super::file::{self, Location};
use super::offsets::{self, AttributionOffsets, Offsets, Unit};
use super::{GoldLabels, GoldSource};
use crate::error::{GoldProblem, InputProblem, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::text::Span;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    file::lines(&source.path, digest, |at, line| {
        let row: Value = serde_json::from_str(line).map_err(InputProblem::Json)?;
        let has = |field| row.get(field).is_some();
        let is_of_document = ["doc_id", "role", "before", "after"].into_iter().any(has);
        match (has("text") && has("sentences"), has("sentences"), is_of_document) {
            (true, _, _) => TextRow::read(row, at, collector),
            (_, true, _) => DocumentRow::read(row, at, collector),
            (_, _, true) => SentenceRow::read(row, collector),
            _ => PairRow::read(row, at, collector),
        }
    })
}

/// The fields that every kind of row may have.
#[derive(Deserialize)]
struct Common {
    doc_id: Option<String>,
    id: Option<String>,
    target: Option<String>,
    split: Option<String>,
    attributions: Option<Vec<AttributionOffsets>>,
}

impl Common {
    /// Takes the document's id: `doc_id`, or else `id`, which can be the id of a row of the document.
    fn id(&mut self) -> Result<String, InputProblem> {
        let id = self.doc_id.take().or(self.id.take());
        id.ok_or(InputProblem::Field { name: "id".into(), problem: "is missing", expected: "a string" })
    }

    /// The attributions of a text that begins at byte `base` of the document.
    fn attributions(
        &self,
        offsets: &Offsets<'_>,
        base: usize,
    ) -> Result<Option<Vec<Attribution>>, InputProblem> {
        let attributions = self.attributions.as_deref();
        attributions.map(|found| offsets::attributions(found, offsets, base)).transpose()
    }
}

/// A sentence's holder: words of the sentence, or offsets into the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Holder {
    Words(String),
    Offsets([usize; 2]),
}

/// A document as a list of sentences.
#[derive(Deserialize)]
struct DocumentRow {
    #[serde(flatten)]
    common: Common,
    sentences: Vec<OrText<LabelledSentence>>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Default, Deserialize)]
struct LabelledSentence {
    text: String,
    role: Option<Role>,
    stance: Option<Stance>,
    holder: Option<Holder>,
    checkworthy: Option<bool>,
    speaker: Option<String>,
    stance_of: Option<String>,
}

/// A sentence of a list: an object, or its text alone, which is context.
#[derive(Deserialize)]
#[serde(try_from = "Value", bound = "T: From<String> + DeserializeOwned")]
struct OrText<T>(T);

impl<T: From<String> + DeserializeOwned> TryFrom<Value> for OrText<T> {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, serde_json::Error> {
        Ok(Self(match value {
            Value::String(text) => text.into(),
            value => serde_json::from_value(value)?,
        }))
    }
}

impl From<String> for LabelledSentence {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// A document as a text and the spans of its sentences.
#[derive(Deserialize)]
struct TextRow {
    #[serde(flatten)]
    common: Common,
    text: String,
    sentences: Vec<OrText<TextSentence>>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A sentence of a [`TextRow`]: its offsets, its text, or both.
#[derive(Default, Deserialize)]
struct TextSentence {
    start: Option<usize>,
    end: Option<usize>,
    text: Option<String>,
    role: Option<Role>,
    stance: Option<Stance>,
    holder: Option<Holder>,
    checkworthy: Option<bool>,
    speaker: Option<String>,
    stance_of: Option<String>,
}

impl From<String> for TextSentence {
    fn from(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }
}

/// A sentence between its neighbours, which are context.
#[derive(Deserialize)]
struct SentenceRow {
    #[serde(flatten)]
    common: Common,
    #[serde(default)]
    before: String,
    #[serde(flatten)]
    sentence: LabelledSentence,
    #[serde(default)]
    after: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A text and the target of its stance.
#[derive(Deserialize)]
pub(super) struct PairRow {
    #[serde(flatten)]
    common: Common,
    text: String,
    stance: Stance,
    holder: Option<Holder>,
    checkworthy: Option<bool>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

const DOCUMENT: &str = "a gold document (doc_id, target, sentences with text, role or stance)";
const TEXT: &str = "a gold document (id, target, text, sentences with start, end, role or stance)";
const SENTENCE: &str = "a gold sentence (doc_id, target, text, role or stance)";
pub(super) const PAIR: &str = "a stance pair (id, target, text, stance)";

impl DocumentRow {
    fn read(row: Value, at: Location, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, sentences, fields } = file::parse(row, DOCUMENT)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let (sentences, holders): (Vec<_>, Vec<_>) =
            sentences.into_iter().map(|OrText(sentence)| sentence.labelled()).unzip();
        let mut document = UncheckedDocument::of_sentences(common.id()?, common.target.take(), sentences);
        set_holders(&mut document, holders)?;
        let offsets = Offsets::new(&document.text, Unit::Bytes);
        document.attributions = common.attributions(&offsets, 0)?;
        collector.add(at, document.with_fields(fields))
    }
}

impl TextRow {
    fn read(row: Value, at: Location, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, text, sentences, fields } = file::parse(row, TEXT)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let offsets = Offsets::new(&text, Unit::Bytes);
        let mut reached = 0;
        let mut placed = Vec::with_capacity(sentences.len());
        let mut holders = Vec::with_capacity(sentences.len());
        for (index, OrText(sentence)) in sentences.into_iter().enumerate() {
            let span = sentence.span(index, &offsets, reached)?;
            reached = span.end();
            let TextSentence { role, stance, checkworthy, holder, speaker, stance_of, .. } = sentence;
            let labels =
                GoldLabels { role, stance, checkworthy, speaker, stance_of, ..GoldLabels::default() };
            placed.push((span, labels));
            holders.push(holder);
        }
        let attributions = common.attributions(&offsets, 0)?;
        let (id, target) = (common.id()?, common.target);
        let mut document = UncheckedDocument { id, target, text, sentences: placed, attributions, fields };
        set_holders(&mut document, holders)?;
        collector.add(at, document)
    }
}

impl TextSentence {
    /// The sentence's span. A sentence without offsets is searched for from byte `reached`.
    fn span(&self, index: usize, offsets: &Offsets<'_>, reached: usize) -> Result<Span, InputProblem> {
        match (self.start, self.end, &self.text) {
            (Some(start), Some(end), None) => offsets.span("sentence", start, end),
            (Some(start), Some(end), Some(text)) => offsets.span_of("sentence", [start, end], text),
            (None, None, Some(text)) => {
                let found = offsets.text()[reached..].find(text.as_str());
                let start = reached + found.ok_or(InputProblem::SentenceNotInText { index })?;
                Ok(Span::new(start, start + text.len()))
            }
            _ => Err(GoldProblem::NoPlace { index }.into()),
        }
    }
}

impl SentenceRow {
    fn read(row: Value, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, before, sentence, after, fields } = file::parse(row, SENTENCE)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let LabelledSentence { role, stance, checkworthy, .. } = &sentence;
        if role.is_none() && stance.is_none() && checkworthy.is_none() && common.attributions.is_none() {
            return Err(GoldProblem::NoLabel.into());
        }
        let context = |text: String| (!text.trim().is_empty()).then(|| ((text, GoldLabels::default()), None));
        let before = context(before);
        let own = usize::from(before.is_some());
        let rows = [before, Some(sentence.labelled()), context(after)];
        let (sentences, holders): (Vec<_>, Vec<_>) = rows.into_iter().flatten().unzip();
        let mut document = UncheckedDocument::of_sentences(common.id()?, common.target.take(), sentences);
        set_holders(&mut document, holders)?;
        let (span, _) = document.sentences[own];
        let offsets = Offsets::new(span.slice(&document.text), Unit::Bytes);
        document.attributions = common.attributions(&offsets, span.start())?;
        collector.add_piece(document.with_fields(fields))
    }
}

impl PairRow {
    pub fn read(row: Value, at: Location, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, text, stance, holder, checkworthy, fields } = file::parse(row, PAIR)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let offsets = Offsets::new(&text, Unit::Bytes);
        let attributions = common.attributions(&offsets, 0)?;
        let labels = GoldLabels { stance: Some(stance), checkworthy, ..GoldLabels::default() };
        let mut document =
            UncheckedDocument::whole(common.id()?, common.target, text, labels).with_fields(fields);
        set_holders(&mut document, vec![holder])?;
        collector.add(at, UncheckedDocument { attributions, ..document })
    }
}

impl LabelledSentence {
    fn labelled(self) -> ((String, GoldLabels), Option<Holder>) {
        let Self { text, role, stance, holder, checkworthy, speaker, stance_of } = self;
        let labels = GoldLabels { role, stance, checkworthy, speaker, stance_of, ..GoldLabels::default() };
        ((text, labels), holder)
    }
}

/// Sets each sentence's holder, as a span of the document.
fn set_holders(document: &mut UncheckedDocument, holders: Vec<Option<Holder>>) -> Result<(), InputProblem> {
    let offsets = Offsets::new(&document.text, Unit::Bytes);
    for (index, ((sentence, labels), holder)) in document.sentences.iter_mut().zip(holders).enumerate() {
        labels.holder = match holder {
            None => None,
            Some(Holder::Words(words)) if words.trim().is_empty() => None,
            Some(Holder::Words(words)) => {
                let start = find_words(sentence.slice(&document.text), &words)
                    .ok_or_else(|| GoldProblem::Holder { holder: words.clone(), index })?;
                let start = sentence.start() + start;
                Some(Span::new(start, start + words.len()))
            }
            Some(Holder::Offsets([start, end])) => {
                let span = offsets.span("holder", start, end)?;
                if span.start() < sentence.start() || span.end() > sentence.end() {
                    let holder = span.slice(&document.text).to_owned();
                    return Err(GoldProblem::Holder { holder, index }.into());
                }
                Some(span)
            }
        };
    }
    Ok(())
}

/// The byte at which `words` begin in a sentence. Whole words come first: in "the army, he said", "he" is at byte 10.
pub(crate) fn find_words(sentence: &str, words: &str) -> Option<usize> {
    let is_whole = |start: usize| {
        let before = sentence[..start].chars().next_back();
        let after = sentence[start + words.len()..].chars().next();
        !before.into_iter().chain(after).any(char::is_alphanumeric)
    };
    let mut found = sentence.match_indices(words).map(|(start, _)| start);
    found.clone().find(|&start| is_whole(start)).or_else(|| found.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_a_whole_word_where_there_is_one() {
        assert_eq!(find_words("the army, he said", "he"), Some(10));
        assert_eq!(find_words("the army", "he"), Some(1));
        assert_eq!(find_words("the army", "she"), None);
    }
}
