//! What a reader made of a file, for tests.

use super::DocumentReader;
use super::notes::Notes;
use super::open::Opened;
use std::fmt;
use std::io::Cursor;

/// A file that comes from a pipe.
pub(super) fn opened(name: &str, bytes: impl Into<Vec<u8>>) -> Opened {
    let bytes = bytes.into();
    let head = bytes[..bytes.len().min(1 << 10)].to_vec();
    Opened { name: name.to_owned(), path: None, head, bytes: Box::new(Cursor::new(bytes)) }
}

/// A document or a problem with its line or row, or a warning.
#[derive(PartialEq, Eq)]
pub(super) struct Outcome(String);

impl Outcome {
    pub fn is_error(&self) -> bool {
        self.0.contains(": error: ")
    }

    pub fn is_warning(&self) -> bool {
        self.0.starts_with("warning: ")
    }
}

impl PartialEq<&str> for Outcome {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that a reader gives.
pub(super) fn outcomes(mut reader: impl DocumentReader) -> Vec<Outcome> {
    let mut notes = Notes::default();
    let mut outcomes = Vec::new();
    while let Some((number, document)) = reader.next(&mut notes) {
        let number = number.map_or("-".to_owned(), |number| number.to_string());
        outcomes.push(Outcome(match document {
            Ok(document) => {
                let fields = serde_json::Value::Object(document.fields().values());
                format!("{number}: {:?} {:?} {fields}", document.id(), document.text())
            }
            Err(problem) => format!("{number}: error: {problem}"),
        }));
    }
    outcomes.extend(notes.take().into_iter().map(|warning| Outcome(format!("warning: {warning}"))));
    outcomes
}
