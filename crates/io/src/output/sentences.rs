//! The sentences of a document, before any model has read them: as text for people, as JSON Lines for programs.

use super::jsonl::{serialize_sentence, write_line};
use super::offsets::{OffsetTable, OffsetUnit};
use super::one_line;
use super::table::{clock, harmless};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use standpoint_core::text::Document;
use std::io::{self, Write};

/// Writes a sentence a line, behind its bytes in the text, and the document's id before them.
///
/// # Errors
/// If the writer fails.
pub fn write_text(writer: &mut dyn Write, document: &Document) -> io::Result<()> {
    writeln!(writer, "{}", harmless(document.id()))?;
    let width = document.sentences().last().map_or(0, |last| last.end().to_string().len());
    for (index, span) in document.sentences().iter().enumerate() {
        let (start, end) = (span.start(), span.end());
        write!(writer, "{start:>width$}..{end:<width$}  ")?;
        if let Some(turn) = document.turn(index) {
            if let Some(time) = turn.time {
                write!(writer, "{:>7}  ", clock(time.start))?;
            }
            write!(writer, "{:<16}  ", harmless(turn.speaker.as_deref().unwrap_or_default()))?;
        }
        writeln!(writer, "{}", harmless(document.sentence(index)))?;
    }
    writeln!(writer)
}

/// Writes a JSON object for each sentence: what `classify` writes of it, without labels.
///
/// # Errors
/// If the writer fails.
pub fn write_jsonl(writer: &mut dyn Write, document: &Document) -> io::Result<()> {
    for index in 0..document.sentences().len() {
        let body = one_line::to_string(&Body { document, index });
        write_line(writer, document.metadata(), &body)?;
    }
    Ok(())
}

struct Body<'a> {
    document: &'a Document,
    index: usize,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut line = serializer.serialize_map(None)?;
        let bytes = OffsetTable::new("", OffsetUnit::Bytes);
        serialize_sentence(&mut line, self.document, self.index, &bytes)?;
        line.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(write: impl Fn(&mut dyn Write, &Document) -> io::Result<()>) -> String {
        let document = Document::from_sentences("d.txt", &["They\tleft.", "Nobody \x1b[2Jstayed."]);
        let fields = json!({"outlet": "x", "text": 1}).as_object().unwrap().clone();
        let mut bytes = Vec::new();
        write(&mut bytes, &document.with_fields(fields)).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_has_a_sentence_a_line() {
        assert_eq!(written(write_text), "d.txt\n 0..10  They left.\n11..29  Nobody \u{fffd}[2Jstayed.\n\n");
    }

    #[test]
    fn json_lines_have_the_keys_of_classify() {
        assert_eq!(
            written(write_jsonl).lines().next(),
            Some(
                r#"{"doc":"d.txt","index":0,"start":0,"end":10,"text":"They\tleft.","outlet":"x","input_text":1}"#
            )
        );
    }
}
