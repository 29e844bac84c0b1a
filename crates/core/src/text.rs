//! Documents, and the spans that point into them.
//!
//! Every later stage points into a text with a [`Span`]: half-open, in bytes, on character boundaries.
//! `span.slice(document.text())` is always the text that was meant.

use serde::de::Error;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ops::Range;
use std::sync::Arc;

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

/// What a document is called, and the fields that travel with it from input to output.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    pub id: String,
    /// Whatever the input carried beside the text, in its order.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A text, its sentences, and its metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Shared, so that it can outlive the text: a ranking over an archive keeps it for every sentence it holds.
    metadata: Arc<Metadata>,
    text: String,
    sentences: Vec<Span>,
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
        let metadata = Metadata { id: id.into(), fields: serde_json::Map::new() };
        Self { metadata: Arc::new(metadata), text, sentences }
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
    pub fn with_fields(mut self, fields: serde_json::Map<String, serde_json::Value>) -> Self {
        self.metadata = Arc::new(Metadata { id: self.metadata.id.clone(), fields });
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

    /// Fields that the input carried beside the text, passed through to the output.
    pub fn fields(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.metadata.fields
    }

    /// Id and fields, without the text.
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
