//! Documents, and the spans that point into them.
//!
//! Every later stage points into a text with a [`Span`]: half-open, in bytes, on character boundaries.
//! `span.slice(document.text())` is always the text that was meant.

use crate::fields::Fields;
use crate::target::Target;
use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A half-open range of bytes, `start..end`, with `start <= end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// # Panics
    /// If `start > end`: such a span is a bug of the caller, never a property of the input.
    pub fn new(start: usize, end: usize) -> Self {
        assert!(start <= end, "a span must not end before it starts: {start}..{end}");
        Self { start, end }
    }

    pub fn start(self) -> usize {
        self.start
    }

    pub fn end(self) -> usize {
        self.end
    }

    pub fn len(self) -> usize {
        self.end - self.start
    }

    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// The same span of a text that begins `offset` bytes earlier.
    pub fn moved(self, offset: usize) -> Self {
        Self { start: self.start + offset, end: self.end + offset }
    }

    /// The text that the span covers.
    ///
    /// # Panics
    /// If the span reaches past the text or cuts a character in two.
    pub fn slice(self, text: &str) -> &str {
        &text[self.range()]
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Span", 2)?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("end", &self.end)?;
        fields.end()
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            start: usize,
            end: usize,
        }
        let Fields { start, end } = Fields::deserialize(deserializer)?;
        match start <= end {
            true => Ok(Self { start, end }),
            false => Err(D::Error::custom(format!("a span must not end before it starts: {start}..{end}"))),
        }
    }
}

/// Who says a sentence, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// As the transcript writes it; `None` if nobody is named, or nobody speaks.
    pub speaker: Option<Arc<str>>,
    pub time: Option<TimeSpan>,
    /// How many bytes at the sentence's beginning are not said: those of the speaker's label, or of a note such as
    /// `[CROSSTALK]`.
    pub unspoken: usize,
}

/// From when to when something is said, counted from the beginning of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpan {
    pub start: Duration,
    pub end: Duration,
}

/// What a document is called, and the fields that travel with it from input to output.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub id: String,
    /// Whatever the input carried beside the text, in its order.
    pub fields: Fields,
    /// Targets of the document's own, in place of those of the run. Mostly there are none.
    pub targets: Vec<Target>,
}

/// A text, its sentences, and its metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Shared, so that it can outlive the text: a ranking over an archive keeps it for every sentence it holds.
    metadata: Arc<Metadata>,
    text: String,
    sentences: Vec<Span>,
    /// One for each sentence, or none at all.
    turns: Vec<Turn>,
}

impl Document {
    /// A document whose sentences are already known.
    ///
    /// # Panics
    /// If the spans are not in order, overlap, reach past the text, or cut a character.
    pub fn new(id: impl Into<String>, text: impl Into<String>, sentences: Vec<Span>) -> Self {
        let text = text.into();
        let mut reached = 0;
        for span in &sentences {
            assert!(span.start() >= reached, "sentences must be in order and apart");
            assert!(text.get(span.range()).is_some(), "a sentence must lie within its text");
            reached = span.end();
        }
        let metadata = Metadata { id: id.into(), fields: Fields::default(), targets: Vec::new() };
        Self { metadata: Arc::new(metadata), text, sentences, turns: Vec::new() }
    }

    /// A document made of sentences that are taken as they stand; the text is the sentences, a
    /// newline between each two.
    pub fn from_sentences<S: AsRef<str>>(id: impl Into<String>, sentences: &[S]) -> Self {
        let mut text = String::new();
        let mut spans = Vec::with_capacity(sentences.len());
        for (index, sentence) in sentences.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            let start = text.len();
            text.push_str(sentence.as_ref());
            spans.push(Span::new(start, text.len()));
        }
        Self::new(id, text, spans)
    }

    /// The same document, with fields that travel with it from input to output.
    pub fn with_fields(mut self, fields: impl Into<Fields>) -> Self {
        Arc::make_mut(&mut self.metadata).fields = fields.into();
        self
    }

    /// The same document, with targets of its own.
    pub fn with_targets(mut self, targets: Vec<Target>) -> Self {
        Arc::make_mut(&mut self.metadata).targets = targets;
        self
    }

    /// The same document, with who says each of its sentences.
    ///
    /// # Panics
    /// If there is not one turn for each sentence, or one does not lie within its sentence.
    pub fn with_turns(mut self, turns: Vec<Turn>) -> Self {
        assert_eq!(turns.len(), self.sentences.len(), "each sentence must have its turn");
        self.turns = turns;
        for index in 0..self.sentences.len() {
            let spoken = self.spoken(index);
            assert!(self.text.get(spoken.range()).is_some(), "a turn must lie within its sentence");
        }
        self
    }

    pub fn id(&self) -> &str {
        &self.metadata.id
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The spans of the sentences, in order.
    pub fn sentences(&self) -> &[Span] {
        &self.sentences
    }

    /// The text of sentence `index`.
    ///
    /// # Panics
    /// If there is no such sentence.
    pub fn sentence(&self, index: usize) -> &str {
        self.sentences[index].slice(&self.text)
    }

    /// Who says sentence `index`, if the document is a transcript or its speaker is known.
    pub fn turn(&self, index: usize) -> Option<&Turn> {
        self.turns.get(index)
    }

    /// Who says each sentence; empty if that is not known of any.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// What is said in sentence `index`: all of it but for the label of a speaker.
    ///
    /// # Panics
    /// If there is no such sentence.
    pub fn spoken(&self, index: usize) -> Span {
        let sentence = self.sentences[index];
        let unspoken = self.turn(index).map_or(0, |turn| turn.unspoken);
        Span::new(sentence.start() + unspoken, sentence.end())
    }

    /// Fields that the input carried beside the text, passed through to the output.
    pub fn fields(&self) -> &Fields {
        &self.metadata.fields
    }

    /// What the document takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.text.len()
            + size_of_val(&*self.sentences)
            + size_of_val(&*self.turns)
            + self.metadata.id.len()
            + self.metadata.fields.bytes()
    }

    /// The targets that are asked of this document in place of those of the run, if there are any.
    pub fn targets(&self) -> &[Target] {
        &self.metadata.targets
    }

    /// Id, fields and targets, without the text.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_taken_as_they_stand_slice_back_to_themselves() {
        let given = ["“Go,” he said.", "", "Then: naïve?", " spaced "];
        let document = Document::from_sentences("d", &given);
        let read: Vec<&str> = (0..given.len()).map(|i| document.sentence(i)).collect();
        assert_eq!(read, given);
    }

    #[test]
    fn the_label_of_a_speaker_is_not_said() {
        let turn = |unspoken| Turn { speaker: Some("ROE".into()), unspoken, ..Turn::default() };
        let document = Document::from_sentences("d", &["ROE: Go.", "Now."]);
        assert_eq!((document.turn(0), document.spoken(0)), (None, Span::new(0, 8)));
        let document = document.with_turns(vec![turn(5), turn(0)]);
        assert_eq!(document.spoken(0).slice(document.text()), "Go.");
        assert_eq!(document.spoken(1).slice(document.text()), "Now.");
    }

    #[test]
    #[should_panic(expected = "each sentence must have its turn")]
    fn turns_are_those_of_the_sentences() {
        Document::from_sentences("d", &["Go.", "Now."]).with_turns(vec![Turn::default()]);
    }

    #[test]
    #[should_panic(expected = "must not end before it starts")]
    fn a_span_cannot_run_backwards() {
        Span::new(2, 1);
    }

    #[test]
    #[should_panic(expected = "in order and apart")]
    fn overlapping_sentences_are_refused() {
        Document::new("d", "abcdef", vec![Span::new(0, 4), Span::new(3, 6)]);
    }
}
