//! What can go wrong with input. The rest of a batch goes on.

use crate::input::InputFormat;
use standpoint_core::error::TargetError;
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

impl InputError {
    /// The id of the record that cannot be read, if that much of it could be.
    pub fn id(&self) -> Option<&str> {
        match &self.problem {
            InputProblem::OfRecord { id, .. } => Some(id),
            _ => None,
        }
    }
}

#[derive(Debug, Error)]
pub enum InputProblem {
    /// A problem of a record whose id is known.
    #[error("{problem}")]
    OfRecord { id: String, problem: Box<InputProblem> },
    #[error("no such file or folder")]
    NotFound,
    #[error("could not be read: {0}")]
    Read(#[source] io::Error),
    #[error("is empty: there is nothing to label")]
    Empty,
    #[error("looks like a binary file ({why}): give plain text or JSON Lines")]
    Binary { why: &'static str },
    #[error("looks like UTF-16 without a byte order mark: give --encoding {encoding}")]
    LooksUtf16 { encoding: &'static str },
    #[error("looks like {what}: {remedy}")]
    LooksLike { what: &'static str, remedy: String },
    #[error("is larger than the limit of {} MiB: split it", limit >> 20)]
    TooLarge { limit: u64 },
    #[error("has more than {limit} sentences: split it")]
    TooManySentences { limit: usize },
    #[error("is not UTF-8, as this format must be: convert it, as with iconv -f {} -t UTF-8", likely.to_ascii_uppercase())]
    NotUtf8 { likely: &'static str },
    #[error("is not UTF-8: give --encoding {likely} if it is that")]
    RecordNotUtf8 { likely: &'static str },
    #[error("is not {expected}: {source}")]
    NotGold { expected: &'static str, source: serde_json::Error },
    #[error("is not valid JSON: {0}")]
    Json(#[source] serde_json::Error),
    #[error("field \"{name}\" {problem}: expected {expected}")]
    Field { name: String, problem: &'static str, expected: &'static str },
    #[error(transparent)]
    NoText(NoText),
    #[error("sentence {} of \"sentences\" is blank: leave it out", index + 1)]
    BlankSentence { index: usize },
    #[error("field \"{field}\": {source}")]
    Target { field: String, source: TargetError },
    #[error("has more than {limit} targets: give them in several records")]
    TooManyTargets { limit: usize },
    #[error("ends within {what}: it is not whole")]
    CutShort { what: &'static str },
    #[error("is neither an array of JSON records, with commas between them, nor one record")]
    NotRecords,
    #[error("is not {what} that can be read: {why}")]
    Damaged { what: &'static str, why: String },
    #[error("has a {what} of more than {} MiB: write it in smaller parts", limit >> 20)]
    LargePart { what: &'static str, limit: u64 },
    #[error("has more than {limit} {what}, as no page of text has: take its text out of it first")]
    Overgrown { what: &'static str, limit: usize },
    #[error(
        "has no article that could be found: take its text out of it, or read it as it stands with --input-format text"
    )]
    NoArticle,
    #[error(
        "has no header line: give the number of the column that holds the text, from 1 to {columns}, as with --text-field {columns}"
    )]
    NoHeader { columns: usize },
    #[error("has {found} columns, more than {limit}: leave out what is not needed")]
    TooManyColumns { found: usize, limit: usize },
    #[error(
        "has {found} cells where the header has {expected}: put quotes around a cell that holds a delimiter or a line end"
    )]
    Ragged { found: usize, expected: usize },
    #[error(
        "sentence {} of \"sentences\" does not follow in \"text\": leave \"text\" out, or give sentences that it holds, in order",
        index + 1
    )]
    SentenceNotInText { index: usize },
    #[error("is a folder without a file that is read by its name ({})", Extensions)]
    EmptyFolder,
    #[error("no file matches this pattern")]
    NoMatch,
    #[error("is not a pattern: {why}")]
    Pattern { why: &'static str },
    /// A problem of a format that another crate reads.
    #[error(transparent)]
    Format(Box<dyn std::error::Error + Send + Sync>),
    /// A problem of one record, in a file whose records are not on lines of their own.
    #[error("record {record}: {problem}")]
    InRecord { record: usize, problem: Box<InputProblem> },
}

/// A record, or a table, without a text.
#[derive(Debug, Error)]
pub struct NoText {
    /// The fields that were looked for.
    pub expected: String,
    /// A field that is likely to be the text.
    pub likely: Option<String>,
    /// Fields that may be.
    pub others: Vec<String>,
}

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has no field {}", self.expected)?;
        match (&self.likely, &self.others[..]) {
            (Some(likely), _) => {
                write!(f, ", but \"{likely}\": give --text-field {likely} if that is its text")
            }
            (None, []) => f.write_str(", nor another one that holds text"),
            (None, others) => {
                write!(
                    f,
                    ", but \"{}\": name the one that is its text with --text-field",
                    others.join("\", \"")
                )
            }
        }
    }
}

/// The extensions of the files of a folder that are read.
struct Extensions;

impl fmt::Display for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = InputFormat::ALL.iter().flat_map(|(.., extensions)| extensions.iter());
        for (index, extension) in all.enumerate() {
            write!(f, "{}.{extension}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}
