//! JSON Lines: one document a line, as `{"id", "text"}`, as `{"id", "sentences": [...]}`, or with both.
//!
//! A file is read line by line, never whole. A bad line is an error of that line; only a file that is no
//! UTF-8 text at all ends at the first error.

use super::plain;
use crate::error::InputProblem;
use crate::text::{Document, Span};
use serde_json::{Map, Value};
use std::io::{self, BufRead, Read};

/// The longest line that is read, in bytes.
pub const LINE_LIMIT: u64 = 64 << 20;

/// Whether a text's first line is a record.
pub(super) fn looks_like(text: &str) -> bool {
    let first = text.trim_start().lines().next().unwrap_or_default();
    first.starts_with('{')
        && serde_json::from_str::<Map<String, Value>>(first)
            .is_ok_and(|fields| fields.contains_key("text") || fields.contains_key("sentences"))
}

/// The records of one file, each with its line number, counted from 1.
pub struct Records<R> {
    name: String,
    reader: R,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Records<R> {
    /// `name` is what a document without `id` is called, with its line number.
    pub fn new(name: impl Into<String>, reader: R) -> Self {
        Self { name: name.into(), reader, line: 0, ended: false }
    }

    /// The next line without its end, or nothing at the end of the file.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, InputProblem> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LINE_LIMIT + 1).read_until(b'\n', &mut bytes);
        if read.map_err(InputProblem::Read)? == 0 {
            return Ok(None);
        }
        self.line += 1;
        if bytes.len() as u64 > LINE_LIMIT && !bytes.ends_with(b"\n") {
            self.reader.skip_until(b'\n').map_err(InputProblem::Read)?;
            return Err(InputProblem::TooLarge { limit: LINE_LIMIT });
        }
        if self.line == 1 {
            if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
                self.ended = true;
                return Err(InputProblem::NotUtf8);
            }
            if bytes.starts_with("\u{feff}".as_bytes()) {
                bytes.drain(..'\u{feff}'.len_utf8());
            }
        }
        if bytes.contains(&0) {
            self.ended = true;
            return Err(InputProblem::Binary { why: "it holds NUL bytes" });
        }
        Ok(Some(bytes))
    }

    fn document(&self, line: &[u8]) -> Result<Document, InputProblem> {
        let line = str::from_utf8(line).map_err(|_| InputProblem::NotUtf8)?;
        let record: Value = serde_json::from_str(line).map_err(InputProblem::Json)?;
        let Value::Object(mut fields) = record else {
            return Err(field(
                "text",
                "is missing",
                "one JSON object a line, with \"text\" or \"sentences\"",
            ));
        };
        let id = match fields.shift_remove("id") {
            None => format!("{}:{}", self.name, self.line),
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            Some(_) => return Err(field("id", "is of another type", "a string or a number")),
        };
        let text = match fields.shift_remove("text") {
            None => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => return Err(field("text", "is of another type", "a string")),
        };
        let document = match (text, sentences(&mut fields)?) {
            (Some(text), None) => plain::cut(&id, text)?,
            (None, Some(sentences)) => Document::from_sentences(id, &sentences),
            (Some(text), Some(sentences)) => {
                let spans = locate(&text, &sentences)?;
                Document::new(id, text, spans)
            }
            (None, None) => return Err(field("text", "is missing", "\"text\" or \"sentences\"")),
        };
        Ok(document.with_fields(fields))
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = (usize, Result<Document, InputProblem>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.next_line() {
                Ok(None) => self.ended = true,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some((self.line, self.document(&line))),
                Err(problem) => {
                    // A reader that fails would fail for ever.
                    self.ended |= matches!(&problem, InputProblem::Read(error) if error.kind() != io::ErrorKind::Interrupted);
                    return Some((self.line.max(1), Err(problem)));
                }
            }
        }
        None
    }
}

fn field(name: &'static str, problem: &'static str, expected: &'static str) -> InputProblem {
    InputProblem::Field { name, problem, expected }
}

/// Takes the sentences out of a record, as they stand.
fn sentences(fields: &mut Map<String, Value>) -> Result<Option<Vec<String>>, InputProblem> {
    const EXPECTED: &str = "a list of strings";
    let values = match fields.shift_remove("sentences") {
        None => return Ok(None),
        Some(Value::Array(values)) => values,
        Some(_) => return Err(field("sentences", "is of another type", EXPECTED)),
    };
    if values.is_empty() {
        return Err(InputProblem::Empty);
    }
    let strings = values.into_iter().map(|value| match value {
        Value::String(sentence) => Ok(sentence),
        _ => Err(field("sentences", "holds something else than strings", EXPECTED)),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

/// Where the sentences stand in the text, each after the one before.
fn locate(text: &str, sentences: &[String]) -> Result<Vec<Span>, InputProblem> {
    let mut reached = 0;
    let mut spans = Vec::with_capacity(sentences.len());
    for (index, sentence) in sentences.iter().enumerate() {
        let Some(offset) = text[reached..].find(sentence.as_str()) else {
            return Err(InputProblem::SentenceNotInText { index });
        };
        let start = reached + offset;
        reached = start + sentence.len();
        spans.push(Span::new(start, reached));
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<Document, InputProblem>)> {
        Records::new("f.jsonl", text.as_bytes()).collect()
    }

    fn only(text: &str) -> Result<Document, InputProblem> {
        let mut records = read(text);
        assert_eq!(records.len(), 1);
        records.remove(0).1
    }

    #[test]
    fn sentences_are_taken_as_they_stand_and_other_fields_travel_along() {
        let document = only(r#"{"z":1,"id":7,"sentences":["One. Two",""," x "],"a":[null]}"#).unwrap();
        assert_eq!(document.id(), "7");
        let read: Vec<&str> = (0..3).map(|index| document.sentence(index)).collect();
        assert_eq!(read, ["One. Two", "", " x "]);
        assert_eq!(serde_json::to_string(document.fields()).unwrap(), r#"{"z":1,"a":[null]}"#);
    }

    #[test]
    fn sentences_are_located_in_the_text_in_order() {
        let document = only(r#"{"text":"Go. Stay. Go.","sentences":["Stay.","Go."]}"#).unwrap();
        assert_eq!(document.id(), "f.jsonl:1");
        assert_eq!(document.sentences(), [Span::new(4, 9), Span::new(10, 13)]);
        let problem = only(r#"{"text":"Go. Stay.","sentences":["Stay.","Go."]}"#).unwrap_err();
        assert!(matches!(problem, InputProblem::SentenceNotInText { index: 1 }));
    }

    #[test]
    fn a_bad_line_does_not_stop_the_rest() {
        let records = read(
            "\u{feff}{\"text\":\"Go.\"}\r\n\r\n{\"text\":\n[1]\n{\"text\":5}\n{\"id\":null,\"text\":\"a\"}\n{}\n\
             {\"sentences\":[]}\n{\"sentences\":[1]}\n{\"text\":\" \"}\n{\"text\":\"Stay.\"}",
        );
        let good: Vec<usize> = records.iter().filter(|(_, r)| r.is_ok()).map(|(line, _)| *line).collect();
        assert_eq!(good, [1, 11]);
        assert_eq!(records.len(), 10);
    }

    #[test]
    fn a_file_that_is_no_text_is_one_error() {
        let not_text = |bytes: &[u8]| {
            Records::new("f", bytes).map(|(_, record)| record.unwrap_err()).collect::<Vec<_>>()
        };
        assert!(matches!(not_text(b"\xff\xfe{\0}\0\n\0")[..], [InputProblem::NotUtf8]));
        assert!(matches!(not_text(b"a\0\n\n\n\0\n")[..], [InputProblem::Binary { .. }]));
        assert!(matches!(not_text(b"{\"text\":\"\xe9\"}\n")[..], [InputProblem::NotUtf8]));
    }
}
