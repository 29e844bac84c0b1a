//! A JSON file that holds its records in one array, or is one record. It is read one record after the other, never whole. A
//! bad record is an error of the line on which it begins.

use super::encoding::{self, likely_encoding};
use super::notes::Notes;
use super::open::Opened;
use super::record::Record;
use super::{DocumentReader, InputOptions};
use crate::error::InputProblem;
use standpoint_core::text::Document;
use std::io::{self, BufRead};
use std::sync::Arc;

/// The longest record, in bytes.
const LIMIT: usize = 64 << 20;

/// The records of one file.
pub(super) struct Records<R> {
    name: String,
    bytes: R,
    options: Arc<InputOptions>,
    /// The line that is being read, from 1.
    line: usize,
    place: Place,
    has_records: bool,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The byte order mark, the bracket of the array, or the first record.
    Start,
    /// Behind the bracket, or behind a comma.
    Element,
    /// Behind a record of the array.
    Separator,
    /// Behind records that stand in no array.
    Bare,
    /// Behind the array.
    Ended,
    /// Nothing more is read.
    Done,
}

/// The records of a file. In another encoding than UTF-8 it is read if that one is known, or marked as UTF-16.
pub(super) fn reader(file: Opened, options: &Arc<InputOptions>) -> impl DocumentReader + use<> {
    let file = encoding::utf8(file, options.encoding);
    Records::new(file.name, file.bytes, options)
}

impl<R: BufRead> Records<R> {
    pub fn new(name: impl Into<String>, bytes: R, options: &Arc<InputOptions>) -> Self {
        Self {
            name: name.into(),
            bytes,
            options: Arc::clone(options),
            line: 1,
            place: Place::Start,
            has_records: false,
        }
    }

    /// Where the next record begins, the byte itself being left. `None` at the end of the file.
    fn seek(&mut self) -> Result<Option<()>, InputProblem> {
        loop {
            let Some(byte) = self.peek()? else {
                return match self.place {
                    Place::Start => Err(InputProblem::Empty),
                    Place::Element | Place::Separator => Err(InputProblem::CutShort { what: "its array" }),
                    Place::Ended if !self.has_records => Err(InputProblem::Empty),
                    Place::Bare | Place::Ended | Place::Done => Ok(None),
                };
            };
            match (self.place, byte) {
                (_, b'\n') => self.line += 1,
                (_, b' ' | b'\t' | b'\r') => {}
                (Place::Start, 0xef | 0xbb | 0xbf) if self.line == 1 => {}
                (Place::Start, b'[') => self.place = Place::Element,
                (Place::Start | Place::Bare, b'{') => {
                    self.place = Place::Bare;
                    return Ok(Some(()));
                }
                (Place::Element | Place::Separator, b']') => self.place = Place::Ended,
                (Place::Separator, b',') => self.place = Place::Element,
                (Place::Element, _) => {
                    self.place = Place::Separator;
                    return Ok(Some(()));
                }
                _ => return Err(InputProblem::NotRecords),
            }
            self.bytes.consume(1);
        }
    }

    fn peek(&mut self) -> Result<Option<u8>, InputProblem> {
        loop {
            match self.bytes.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(InputProblem::Read(error)),
            }
        }
    }

    /// The bytes of a record: up to the end of its brackets, or up to a comma or bracket if it has none.
    fn take_record(&mut self) -> Result<Vec<u8>, InputProblem> {
        let (mut record, mut length) = (Vec::new(), 0);
        let mut nesting = Nesting::default();
        loop {
            let buffer = match self.bytes.fill_buf() {
                Ok([]) if nesting.is_done => return Ok(record),
                Ok([]) => return Err(InputProblem::CutShort { what: "a record" }),
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(InputProblem::Read(error)),
            };
            let end = buffer.iter().position(|&byte| nesting.ends_at(byte));
            let taken = &buffer[..end.unwrap_or(buffer.len())];
            length += taken.len();
            if length <= LIMIT {
                record.extend_from_slice(taken);
            }
            self.line += taken.iter().filter(|&&byte| byte == b'\n').count();
            let taken = taken.len();
            self.bytes.consume(taken);
            if end.is_some() {
                return match length > LIMIT {
                    true => Err(InputProblem::TooLarge { limit: LIMIT as u64 }),
                    false => Ok(record),
                };
            }
        }
    }

    fn document(&mut self, line: usize) -> Result<Document, InputProblem> {
        let record = self.take_record()?;
        let not_utf8 = |_| InputProblem::RecordNotUtf8 { likely: likely_encoding(&record) };
        let text = str::from_utf8(&record).map_err(not_utf8)?;
        let parsed = Record::parse(text, &self.options)?;
        drop(record);
        parsed.document(|| format!("{}:{line}", self.name))
    }
}

/// How deep in a record its reader stands.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    is_done: bool,
}

impl Nesting {
    /// Whether a byte stands behind the record.
    fn ends_at(&mut self, byte: u8) -> bool {
        if self.is_done {
            return true;
        }
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_string => self.is_escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' | b',' if self.depth == 0 => return true,
            b'}' | b']' => {
                self.depth -= 1;
                self.is_done = self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

impl<R: BufRead + Send> DocumentReader for Records<R> {
    fn next(&mut self, _: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)> {
        if self.place == Place::Done {
            return None;
        }
        let (line, document) = match self.seek() {
            Ok(None) => return None,
            Ok(Some(())) => {
                self.has_records = true;
                (Some(self.line), self.document(self.line))
            }
            Err(problem) => {
                ((!matches!(self.place, Place::Start | Place::Done)).then_some(self.line), Err(problem))
            }
        };
        // Where the next record begins is unknown then.
        if let Err(
            InputProblem::CutShort { .. }
            | InputProblem::NotRecords
            | InputProblem::Empty
            | InputProblem::Read(_),
        ) = document
        {
            self.place = Place::Done;
        }
        Some((line, document))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::test::{Outcome, opened, outcomes};

    fn read(bytes: impl AsRef<[u8]>) -> Vec<Outcome> {
        outcomes(Records::new("f.json", bytes.as_ref(), &Arc::default()))
    }

    #[test]
    fn an_array_holds_a_record_in_each_element() {
        let array = "\u{feff}\n[\n  {\"id\": 1, \"text\": \"Go. \\\"[{\\\\\"},\n {\n  \"text\": \"Stay.\",\n \"a\": [[1], {}]}\n]\n";
        let expected = [r#"3: "1" "Go. \"[{\\" {}"#, r#"4: "f.json:4" "Stay." {"a":[[1],{}]}"#];
        assert_eq!(read(array), expected);
        assert_eq!(read("[ ]"), ["1: error: is empty: there is nothing to label"]);
    }

    #[test]
    fn a_file_may_be_one_record_or_some() {
        let records = "{\n \"text\": \"Go.\"\n}\n\n{\"text\":\"Stay.\"}";
        assert_eq!(read(records), [r#"1: "f.json:1" "Go." {}"#, r#"5: "f.json:5" "Stay." {}"#]);
    }

    #[test]
    fn another_encoding_is_read() {
        let array = "[{\"text\": \"“Go.”\"}]";
        let utf16: Vec<u8> = format!("\u{feff}{array}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(
            outcomes(reader(opened("f.json", utf16), &Arc::default())),
            [r#"1: "f.json:1" "“Go.”" {}"#]
        );
        let legacy = encoding_rs::WINDOWS_1252.encode(array).0.into_owned();
        let options = InputOptions { encoding: Some(encoding_rs::WINDOWS_1252), ..InputOptions::default() };
        assert_eq!(
            outcomes(reader(opened("f.json", legacy), &Arc::new(options))),
            [r#"1: "f.json:1" "“Go.”" {}"#]
        );
    }

    #[test]
    fn a_bad_record_does_not_stop_the_rest() {
        let array = r#"[{"text": 5}, 7, "a", null, {"text": "a", "b": }, {"text": "Stay."}, [[]]]"#;
        let good: Vec<bool> = read(array).iter().map(|outcome| !outcome.is_error()).collect();
        assert_eq!(good, [false, false, false, false, false, true, false]);
    }

    #[test]
    fn what_is_no_array_of_records_ends_in_one_error() {
        let bad: [(&[u8], &str); 9] = [
            (b"", "-: error: is empty: there is nothing to label"),
            (b" \n", "-: error: is empty: there is nothing to label"),
            (b"7", "-: error: is neither an array of JSON records, with commas between them, nor one record"),
            (
                b"\"text\"",
                "-: error: is neither an array of JSON records, with commas between them, nor one record",
            ),
            (b"[{\"text\":\"Go.\"}", "1: error: ends within its array: it is not whole"),
            (b"[{\"text\":\"Go", "1: error: ends within a record: it is not whole"),
            (
                b"[{\"text\":\"Go.\"}\n{}]",
                "2: error: is neither an array of JSON records, with commas between them, nor one record",
            ),
            (
                b"[]\n[]",
                "2: error: is neither an array of JSON records, with commas between them, nor one record",
            ),
            (b"[{\"text\":\"\xe9\"}]", "1: error: is not UTF-8: give --encoding windows-1252 if it is that"),
        ];
        for (bytes, expected) in bad {
            assert_eq!(*read(bytes).last().unwrap(), expected);
        }
    }

    #[test]
    fn a_record_has_a_limit_and_nesting_too() {
        let long = format!("[{{\"text\":\"{}\"}},{{\"text\":\"Go.\"}}]", "a".repeat(LIMIT));
        let outcomes = read(long);
        assert_eq!(outcomes[0], "1: error: is larger than the limit of 64 MiB: split it");
        assert_eq!(outcomes[1..], [r#"1: "f.json:1" "Go." {}"#]);
        let deep = format!("[{}{},{{\"text\":\"Go.\"}}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        let good: Vec<bool> = read(deep).iter().map(|outcome| !outcome.is_error()).collect();
        assert_eq!(good, [false, true]);
        let deep = format!("[{{\"a\":{}{},\"text\":\"Go.\"}}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(!read(deep)[0].is_error(), "it is passed on as it is written");
    }
}
