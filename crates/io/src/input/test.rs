//! What a reader made of a file, for tests.

use super::DocumentReader;
use super::notes::Notes;
use std::fmt;

/// A document or a problem, with its line or row.
#[derive(PartialEq, Eq)]
pub(super) struct Outcome(String);

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
                let fields = serde_json::Value::Object(document.fields().clone());
                format!("{number}: {:?} {:?} {fields}", document.id(), document.text())
            }
            Err(problem) => format!("{number}: error: {problem}"),
        }));
    }
    let warnings = notes.take().into_iter().map(|warning| Outcome(format!("warning{warning}")));
    outcomes.extend(warnings);
    outcomes
}
