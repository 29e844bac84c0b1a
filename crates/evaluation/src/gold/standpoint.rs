//! Our own JSON Lines: whole documents, single sentences between their neighbours, and pairs of a text and a
//! target. Which of them a line is, its fields tell.

use super::collect::{Collector, Draft};
use super::file::{self, At};
use super::offsets::{self, Offsets, Parts, Unit};
use super::{GoldLabels, GoldSource};
use crate::error::{GoldProblem, InputProblem, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::Digest;
use standpoint_core::label::{Attribution, Role, Stance};
use standpoint_core::text::Span;

pub(super) fn read(source: &GoldSource, digest: &mut Digest, collector: &mut Collector<'_>) -> Result<()> {
    file::lines(&source.path, digest, |at, line| {
        let row: Value = serde_json::from_str(line).map_err(InputProblem::Json)?;
        let has = |field| row.get(field).is_some();
        match (has("text") && has("sentences"), has("sentences"), has("doc_id") || has("role")) {
            (true, _, _) => TextRow::read(row, at, collector),
            (_, true, _) => DocumentRow::read(row, at, collector),
            (_, _, true) => SentenceRow::read(row, collector),
            _ => PairRow::read(row, at, collector),
        }
    })
}

/// What any kind of row may say beside its own fields.
#[derive(Deserialize)]
struct Common {
    doc_id: Option<String>,
    id: Option<String>,
    target: Option<String>,
    split: Option<String>,
    attributions: Option<Vec<Parts>>,
}

impl Common {
    /// The document's id, where a row has one of its own beside it.
    fn id(&mut self) -> Result<String, InputProblem> {
        let id = self.doc_id.take().or(self.id.take());
        id.ok_or(InputProblem::Field { name: "id", problem: "is missing", expected: "a string" })
    }

    /// The attributions of a text that begins at byte `base` of the document.
    fn attributions(
        &self,
        offsets: &Offsets<'_>,
        base: usize,
    ) -> Result<Option<Vec<Attribution>>, InputProblem> {
        let parts = self.attributions.as_deref();
        parts.map(|parts| offsets::attributions(parts, offsets, base)).transpose()
    }
}

/// A sentence's holder: its words, or where they stand in the document.
#[derive(Deserialize)]
#[serde(untagged)]
enum Holder {
    Words(String),
    Offsets([usize; 2]),
}

/// A document of sentences, or of a text and the places of its sentences.
#[derive(Deserialize)]
struct DocumentRow {
    #[serde(flatten)]
    common: Common,
    sentences: Vec<LabelledText>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
struct LabelledText {
    text: String,
    role: Role,
    stance: Stance,
    holder: Option<Holder>,
    checkworthy: Option<bool>,
}

#[derive(Deserialize)]
struct TextRow {
    #[serde(flatten)]
    common: Common,
    text: String,
    sentences: Vec<Placed>,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A sentence of a text: where it stands, or what it says, or both.
#[derive(Deserialize)]
struct Placed {
    start: Option<usize>,
    end: Option<usize>,
    text: Option<String>,
    role: Option<Role>,
    stance: Option<Stance>,
    holder: Option<Holder>,
    checkworthy: Option<bool>,
}

/// A sentence between its neighbours, which are there as context.
#[derive(Deserialize)]
struct SentenceRow {
    #[serde(flatten)]
    common: Common,
    #[serde(default)]
    before: String,
    #[serde(flatten)]
    sentence: LabelledText,
    #[serde(default)]
    after: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// A text and the target its stance is toward.
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

const DOCUMENT: &str = "a gold document (doc_id, target, sentences with text, role, stance)";
const TEXT: &str = "a gold document (id, target, text, sentences with start, end, role, stance)";
const SENTENCE: &str = "a gold sentence (doc_id, target, text, role, stance)";
pub(super) const PAIR: &str = "a stance pair (id, target, text, stance)";

impl DocumentRow {
    fn read(row: Value, at: At, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, sentences, fields } = file::parse(row, DOCUMENT)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let (sentences, holders): (Vec<_>, Vec<_>) =
            sentences.into_iter().map(LabelledText::labelled).unzip();
        let mut draft = Draft::of_sentences(common.id()?, common.target.take(), sentences);
        set_holders(&mut draft, holders)?;
        let offsets = Offsets::new(&draft.text, Unit::Bytes);
        draft.attributions = common.attributions(&offsets, 0)?;
        collector.add(at, draft.with_fields(fields))
    }
}

impl TextRow {
    fn read(row: Value, at: At, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, text, sentences, fields } = file::parse(row, TEXT)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let offsets = Offsets::new(&text, Unit::Bytes);
        let mut reached = 0;
        let mut placed = Vec::with_capacity(sentences.len());
        let mut holders = Vec::with_capacity(sentences.len());
        for (index, sentence) in sentences.into_iter().enumerate() {
            let span = sentence.span(index, &offsets, reached)?;
            reached = span.end();
            let Placed { role, stance, checkworthy, holder, .. } = sentence;
            placed.push((span, GoldLabels { role, stance, checkworthy, ..GoldLabels::default() }));
            holders.push(holder);
        }
        let attributions = common.attributions(&offsets, 0)?;
        let (id, target) = (common.id()?, common.target);
        let mut draft = Draft { id, target, text, sentences: placed, attributions, fields };
        set_holders(&mut draft, holders)?;
        collector.add(at, draft)
    }
}

impl Placed {
    /// Where the sentence stands; one that gives only its words follows byte `reached`.
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
        let context = |text: String| (!text.trim().is_empty()).then(|| ((text, GoldLabels::default()), None));
        let before = context(before);
        let own = usize::from(before.is_some());
        let rows = [before, Some(sentence.labelled()), context(after)];
        let (sentences, holders): (Vec<_>, Vec<_>) = rows.into_iter().flatten().unzip();
        let mut draft = Draft::of_sentences(common.id()?, common.target.take(), sentences);
        set_holders(&mut draft, holders)?;
        let (span, _) = draft.sentences[own];
        let offsets = Offsets::new(span.slice(&draft.text), Unit::Bytes);
        draft.attributions = common.attributions(&offsets, span.start())?;
        collector.add_part(draft.with_fields(fields))
    }
}

impl PairRow {
    pub fn read(row: Value, at: At, collector: &mut Collector<'_>) -> Result<(), InputProblem> {
        let Self { mut common, text, stance, holder, checkworthy, fields } = file::parse(row, PAIR)?;
        if !collector.wants(common.split.as_deref()) {
            return Ok(());
        }
        let offsets = Offsets::new(&text, Unit::Bytes);
        let attributions = common.attributions(&offsets, 0)?;
        let labels = GoldLabels { stance: Some(stance), checkworthy, ..GoldLabels::default() };
        let mut draft = Draft::whole(common.id()?, common.target, text, labels).with_fields(fields);
        set_holders(&mut draft, vec![holder])?;
        collector.add(at, Draft { attributions, ..draft })
    }
}

impl LabelledText {
    fn labelled(self) -> ((String, GoldLabels), Option<Holder>) {
        let Self { text, role, stance, holder, checkworthy } = self;
        let labels =
            GoldLabels { role: Some(role), stance: Some(stance), checkworthy, ..GoldLabels::default() };
        ((text, labels), holder)
    }
}

/// Finds each sentence's holder in it.
fn set_holders(draft: &mut Draft, holders: Vec<Option<Holder>>) -> Result<(), InputProblem> {
    let offsets = Offsets::new(&draft.text, Unit::Bytes);
    for (index, ((sentence, labels), holder)) in draft.sentences.iter_mut().zip(holders).enumerate() {
        labels.holder = match holder {
            None => None,
            Some(Holder::Words(words)) if words.trim().is_empty() => None,
            Some(Holder::Words(words)) => {
                let start = find_words(sentence.slice(&draft.text), &words)
                    .ok_or_else(|| GoldProblem::Holder { holder: words.clone(), index })?;
                let start = sentence.start() + start;
                Some(Span::new(start, start + words.len()))
            }
            Some(Holder::Offsets([start, end])) => {
                let span = offsets.span("holder", start, end)?;
                if span.start() < sentence.start() || span.end() > sentence.end() {
                    let holder = span.slice(&draft.text).to_owned();
                    return Err(GoldProblem::Holder { holder, index }.into());
                }
                Some(span)
            }
        };
    }
    Ok(())
}

/// Where words stand in a sentence: whole words if it has them so, "He" before the "he" of "the".
fn find_words(sentence: &str, words: &str) -> Option<usize> {
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
