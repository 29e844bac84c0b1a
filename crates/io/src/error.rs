//! What can go wrong with input. The rest of a batch goes on.

use std::fmt;
use std::io;
use thiserror::Error;

/// Where in the input something stands: a file, and a line where it has one, or a row in a format without lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// Counted from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A file or record that cannot be read. The rest of the batch goes on.
#[derive(Debug, Error)]
#[error("{place}: {problem}")]
pub struct InputError {
    pub place: Place,
    #[source]
    pub problem: InputProblem,
}

#[derive(Debug, Error)]
pub enum InputProblem {
    #[error("no such file or folder")]
    NotFound,
    #[error("could not be read: {0}")]
    Read(#[source] io::Error),
    #[error("is empty: there is nothing to label")]
    Empty,
    #[error("looks like a binary file ({why}): give plain text or JSON Lines")]
    Binary { why: &'static str },
    #[error("is larger than the limit of {} MiB: split it", limit >> 20)]
    TooLarge { limit: u64 },
    #[error("has more than {limit} sentences: split it")]
    TooManySentences { limit: usize },
    #[error("is not UTF-8, as this format must be: convert it, as with iconv -t UTF-8")]
    NotUtf8,
    #[error("is not {expected}: {source}")]
    NotGold { expected: &'static str, source: serde_json::Error },
    #[error("is not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("field \"{name}\" {problem}: expected {expected}")]
    Field { name: String, problem: &'static str, expected: &'static str },
    #[error(
        "sentence {} of \"sentences\" does not follow in \"text\": leave \"text\" out, or give sentences that it holds, in order",
        index + 1
    )]
    SentenceNotInText { index: usize },
    #[error("is a folder without any .txt, .text, .jsonl or .ndjson file")]
    EmptyFolder,
    /// A problem of a format that another crate reads.
    #[error(transparent)]
    Format(Box<dyn std::error::Error + Send + Sync>),
    /// A problem of one record, in a file whose records are not on lines of their own.
    #[error("record {record}: {problem}")]
    InRecord { record: usize, problem: Box<InputProblem> },
}
