//! JSON Lines: one document a line, as `{"id", "text"}`, as `{"id", "sentences": [...]}`, or with both.
//!
//! A file is read line by line, never whole. A bad line is an error of that line; only a file that is no
//! UTF-8 text at all ends at the first error.

use super::notes::Notes;
use super::record::Record;
use super::{DocumentReader, InputOptions};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;

/// The longest line that is read, in bytes.
pub const LINE_LIMIT: u64 = 64 << 20;

/// A line longer than this is parsed as it is read, so that it is not held beside its text.
const LONG_LINE: u64 = 1 << 20;

/// The records of one file, each with its line number, counted from 1.
pub(super) struct Records<R> {
    name: String,
    reader: R,
    options: Arc<InputOptions>,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Records<R> {
    /// `name` is what a document without `id` is called, with its line number.
    pub fn new(name: impl Into<String>, reader: R, options: &Arc<InputOptions>) -> Self {
        Self { name: name.into(), reader, options: Arc::clone(options), line: 0, ended: false }
    }

    /// The document of the next line; nothing at the end of the file, and a blank document for a blank line.
    fn next_record(&mut self) -> Result<Option<Line>, InputProblem> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(LONG_LINE).read_until(b'\n', &mut bytes);
        if read.map_err(InputProblem::Read)? == 0 {
            return Ok(None);
        }
        self.line += 1;
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
        let name = || format!("{}:{}", self.name, self.line);
        if bytes.len() as u64 >= LONG_LINE - 3 && !bytes.ends_with(b"\n") {
            let mut rest = Rest { reader: &mut self.reader, left: LINE_LIMIT - LONG_LINE + 1, ended: false };
            let parsed = Record::parse_from(BufReader::new(bytes.as_slice().chain(&mut rest)), &self.options);
            let is_too_large = rest.left == 0 && !rest.ended;
            if !rest.ended {
                self.reader.skip_until(b'\n').map_err(InputProblem::Read)?;
            }
            return match is_too_large {
                true => Err(InputProblem::TooLarge { limit: LINE_LIMIT }),
                false => parsed?.document(name).map(|document| Some(Line::Document(document))),
            };
        }
        if bytes.trim_ascii().is_empty() {
            return Ok(Some(Line::Blank));
        }
        let line = str::from_utf8(&bytes).map_err(|_| InputProblem::NotUtf8)?;
        let record = Record::parse(line, &self.options)?;
        drop(bytes);
        record.document(name).map(|document| Some(Line::Document(document)))
    }
}

enum Line {
    Blank,
    Document(Document),
}

/// The rest of a line, without its end.
struct Rest<'a, R> {
    reader: &'a mut R,
    /// Bytes that it may still have.
    left: u64,
    ended: bool,
}

impl<R: BufRead> Read for Rest<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || self.left == 0 {
            return Ok(0);
        }
        let available = self.reader.fill_buf()?;
        let reach = available.len().min(buffer.len()).min(self.left as usize);
        let line_end = available[..reach].iter().position(|&byte| byte == b'\n');
        let length = line_end.unwrap_or(reach);
        buffer[..length].copy_from_slice(&available[..length]);
        self.ended = available.is_empty() || line_end.is_some();
        self.reader.consume(length + usize::from(line_end.is_some()));
        self.left -= length as u64;
        Ok(length)
    }
}

impl<R: BufRead + Send> DocumentReader for Records<R> {
    fn next(&mut self, _: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        while !self.ended {
            match self.next_record() {
                Ok(None) => self.ended = true,
                Ok(Some(Line::Blank)) => {}
                Ok(Some(Line::Document(document))) => return Some((Some(self.line), Ok(document))),
                Err(problem) => {
                    // A reader that fails would fail for ever.
                    self.ended |= matches!(&problem, InputProblem::Read(error) if error.kind() != io::ErrorKind::Interrupted);
                    return Some((Some(self.line.max(1)), Err(problem)));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::text::Span;

    fn read(bytes: impl AsRef<[u8]>) -> Vec<(usize, Result<Document, InputProblem>)> {
        let mut records = Records::new("f.jsonl", bytes.as_ref(), &Arc::default());
        let mut notes = Notes::default();
        let next = || records.next(&mut notes).map(|(line, record)| (line.unwrap(), record));
        std::iter::from_fn(next).collect()
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
        assert_eq!(good, [1, 6, 11]);
        assert_eq!(records.len(), 10);
    }

    #[test]
    fn a_file_that_is_no_text_is_one_error() {
        let not_text =
            |bytes: &[u8]| read(bytes).into_iter().map(|(_, record)| record.unwrap_err()).collect::<Vec<_>>();
        assert!(matches!(not_text(b"\xff\xfe{\0}\0\n\0")[..], [InputProblem::NotUtf8]));
        assert!(matches!(not_text(b"a\0\n\n\n\0\n")[..], [InputProblem::Binary { .. }]));
        assert!(matches!(not_text(b"{\"text\":\"\xe9\"}\n")[..], [InputProblem::NotUtf8]));
    }

    #[test]
    fn a_long_line_is_read_like_a_short_one() {
        let text = |length: usize| "go. ".repeat(length / 4);
        let line = |length: usize| serde_json::json!({"id": length, "text": text(length)}).to_string();
        let sizes = [LONG_LINE as usize - 64, LONG_LINE as usize, 1 << 16, 5 << 20];
        let mut lines: Vec<String> = sizes.iter().map(|&size| line(size)).collect();
        lines.insert(2, format!("{{\"text\": [\"{}", text(2 << 20)));
        lines.push(format!("{{\"text\": \"{}", text(64 << 20)));
        lines.push(line(100));
        let records = read(&lines.join("\n"));
        let found: Vec<(usize, Option<usize>)> = records
            .iter()
            .map(|(line, record)| (*line, record.as_ref().ok().map(|document| document.text().len())))
            .collect();
        let [a, b, c, d] = sizes;
        let expected =
            [(1, Some(a)), (2, Some(b)), (3, None), (4, Some(c)), (5, Some(d)), (6, None), (7, Some(100))];
        assert_eq!(found, expected);
        assert!(matches!(records[2].1, Err(InputProblem::Field { ref name, .. }) if name == "text"));
        assert!(matches!(records[5].1, Err(InputProblem::TooLarge { .. })));
    }
}
