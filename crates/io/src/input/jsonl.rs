//! JSON Lines: one document a line, as `{"id", "text"}`, as `{"id", "sentences": [...]}`, or with both.
//!
//! A file is read line by line, never whole. A bad line is an error of that line; only a file that is no
//! UTF-8 text at all ends at the first error.

use super::encoding::{self, likely_encoding};
use super::notes::Notes;
use super::open::Opened;
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

/// The records of a file. In another encoding than UTF-8 it is read if that one is known, or marked as UTF-16.
pub(super) fn reader(file: Opened, options: &Arc<InputOptions>) -> impl DocumentReader + use<> {
    let file = encoding::utf8(file, options.encoding);
    Records::new(file.name, file.bytes, options)
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
        if self.line == 1 && bytes.starts_with("\u{feff}".as_bytes()) {
            bytes.drain(..'\u{feff}'.len_utf8());
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
        if bytes.contains(&0) {
            // A file that begins so has no lines; one damaged line does not cost the others.
            self.ended = self.line == 1;
            return Err(InputProblem::Binary { why: "it holds NUL bytes" });
        }
        let not_utf8 = |_| InputProblem::RecordNotUtf8 { likely: likely_encoding(&bytes) };
        let line = str::from_utf8(&bytes).map_err(not_utf8)?;
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
        let document = only(r#"{"z":1,"id":7,"sentences":["One. Two","a"," x "],"a":[null]}"#).unwrap();
        assert_eq!(document.id(), "7");
        let read: Vec<&str> = (0..3).map(|index| document.sentence(index)).collect();
        assert_eq!(read, ["One. Two", "a", " x "]);
        assert_eq!(document.fields().json().collect::<Vec<_>>(), [("z", "1"), ("a", "[null]")]);
    }

    fn problem(line: &str, options: InputOptions) -> String {
        let mut records = Records::new("f.jsonl", line.as_bytes(), &Arc::new(options));
        records.next(&mut Notes::default()).unwrap().1.unwrap_err().to_string()
    }

    #[test]
    fn a_record_without_text_says_where_it_may_be() {
        let default = InputOptions::default;
        assert_eq!(
            problem(r#"{"url":"x","MainText":"Go."}"#, default()),
            "has no field \"text\" or \"sentences\", but \"MainText\": give --text-field MainText if that is its text"
        );
        assert_eq!(
            problem(r#"{"n":1,"a":"Go.","b":"x"}"#, default()),
            "has no field \"text\" or \"sentences\", but \"a\", \"b\": name the one that is its text with --text-field"
        );
        assert_eq!(
            problem("{}", default()),
            "has no field \"text\" or \"sentences\", nor another one that holds text"
        );
        let body = || InputOptions { text_field: Some("body".into()), ..default() };
        assert_eq!(
            problem(r#"{"text":"Go."}"#, body()),
            "has no field \"body\", but \"text\": name the one that is its text with --text-field"
        );
        assert_eq!(problem(r#"{"body":null}"#, body()), "field \"body\" is null: expected a string");
    }

    #[test]
    fn fields_are_those_that_were_named() {
        let options = InputOptions {
            text_field: Some("body".into()),
            id_field: Some("url".into()),
            target_field: Some("policy".into()),
            ..InputOptions::default()
        };
        let line =
            r#"{"id":1,"url":"u","body":"Go.","policy":["a ban","a ban"," "],"text":"other","sentences":3}"#;
        let mut records = Records::new("f", line.as_bytes(), &Arc::new(options));
        let document = records.next(&mut Notes::default()).unwrap().1.unwrap();
        assert_eq!((document.id(), document.text()), ("u", "Go."));
        assert_eq!(document.targets().iter().map(|target| target.as_str()).collect::<Vec<_>>(), ["a ban"]);
        let fields: Vec<(&str, &str)> = document.fields().json().collect();
        assert_eq!(fields, [("id", "1"), ("text", "\"other\""), ("sentences", "3")]);
    }

    #[test]
    fn what_could_mean_two_things_is_refused() {
        let problem = |line| problem(line, InputOptions::default());
        assert_eq!(
            problem(r#"{"text":"Go.","text":"Stay."}"#),
            "field \"text\" stands there twice: expected each field once"
        );
        assert_eq!(
            problem(r#"{"id":1,"text":"Go.","id":2}"#),
            "field \"id\" stands there twice: expected each field once"
        );
        assert_eq!(
            problem(r#"{"sentences":["Go."," \n"]}"#),
            "sentence 2 of \"sentences\" is blank: leave it out"
        );
        let document = only(r#"{"text":"Go.","sentences":null,"a":1,"a":2}"#).unwrap();
        assert_eq!(document.fields().json().collect::<Vec<_>>(), [("a", "2")]);
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
        assert!(matches!(not_text(b"a\0\n\n\n\0\n")[..], [InputProblem::Binary { .. }]));
        assert!(matches!(not_text(b"{\"text\":\"\xe9\"}\n")[..], [InputProblem::RecordNotUtf8 { .. }]));
        let records = read(b"{\"text\":\"Go.\"}\n{\"text\":\"G\0o.\"}\n{\"text\":\"Stay.\"}\n");
        let good: Vec<usize> =
            records.iter().filter(|(_, record)| record.is_ok()).map(|(line, _)| *line).collect();
        assert_eq!((good, records.len()), (vec![1, 3], 3), "one damaged line costs no other");
    }

    #[test]
    fn ids_and_numbers_stay_as_they_are_written() {
        let id = |json: &str| only(&format!("{{\"id\":{json},\"text\":\"Go.\"}}")).unwrap().id().to_owned();
        for number in ["7", "6.0", "-1e3", "123456789012345678901", "0.10"] {
            assert_eq!(id(number), number);
        }
        assert_eq!(id("\"x\\u00e9\""), "xé");
        assert_eq!((id("null"), id("\"\"")), ("f.jsonl:1".to_owned(), "f.jsonl:1".to_owned()));
        for wrong in ["true", "[1]", "{}"] {
            let problem = only(&format!("{{\"id\":{wrong},\"text\":\"Go.\"}}")).unwrap_err();
            assert!(matches!(problem, InputProblem::Field { name, .. } if name == "id"));
        }
        let document = only(r#"{"text":"Go.","n":12345678901234567890123,"m":[1e400, 1.0]}"#).unwrap();
        let fields: Vec<(&str, &str)> = document.fields().json().collect();
        assert_eq!(fields, [("n", "12345678901234567890123"), ("m", "[1e400, 1.0]")]);
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
        let records = read(lines.join("\n"));
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
