//! What can go wrong with labelled data and evaluation sets.

pub use standpoint_core::error::TomlError;
pub use standpoint_io::error::{InputError, InputProblem, Place};

use standpoint_core::error::Alternatives;
use std::path::PathBuf;
use thiserror::Error;

/// Any error of this crate.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Core(#[from] standpoint_core::error::Error),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Set(#[from] SetError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<standpoint_core::error::TargetError> for Error {
    fn from(error: standpoint_core::error::TargetError) -> Self {
        Self::Core(error.into())
    }
}

impl From<standpoint_core::error::ModelError> for Error {
    fn from(error: standpoint_core::error::ModelError) -> Self {
        Self::Core(error.into())
    }
}

/// A name that is no format.
#[derive(Debug, Error)]
#[error("unknown format \"{found}\": expected {}", Alternatives(known))]
pub struct UnknownFormat {
    pub found: String,
    pub known: &'static [&'static str],
}

/// A phrase that is no share of documents.
#[derive(Debug, Error)]
#[error("unknown part \"{found}\": expected a share of the documents, as \"1 of 5\" or \"all but 1 of 5\"")]
pub struct UnknownPart {
    pub found: String,
}

impl From<GoldProblem> for InputProblem {
    fn from(problem: GoldProblem) -> Self {
        Self::Format(Box::new(problem))
    }
}

/// Labelled text that contradicts itself or its format.
#[derive(Debug, Error)]
pub enum GoldProblem {
    #[error("{field} \"{found}\" is not known: expected {}", Alternatives(known))]
    Label { field: String, found: String, known: &'static [&'static str] },
    #[error("has two labels of one kind, \"{first}\" and \"{second}\", for one sentence: keep one of them")]
    TwoLabels { first: String, second: String },
    #[error(
        "has no column {}; its columns are {}: is it the right format, and does the first line name the columns?",
        Alternatives(names),
        found.join(", ")
    )]
    Column { names: &'static [&'static str], found: Vec<String> },
    #[error(
        "has {found} columns, but the first line names {expected}: is a cell broken over lines, or its quotes?"
    )]
    Cells { expected: u64, found: u64 },
    #[error("{what} {start}..{end} does not lie within its text, which has {length} {unit}")]
    OutOfText { what: &'static str, start: usize, end: usize, length: usize, unit: &'static str },
    #[error(
        "its offsets behind an emoji may count characters or UTF-16 units: spans begin and end at words with {}; say which \
         with offsets = \"chars\" or \"utf16\"",
        if *fit_both { "both" } else { "neither" }
    )]
    UnknownUnit { fit_both: bool },
    #[error(
        "{what} {start}..{end} cuts a character in two: offsets count {unit}, and characters must stay whole"
    )]
    CutsCharacter { what: &'static str, start: usize, end: usize, unit: &'static str },
    #[error(
        "{what} {start}..{end} covers \"{covered}\", but is said to be \"{said}\": offsets count {unit}; was the text \
         changed after it was annotated?"
    )]
    OtherText {
        what: &'static str,
        start: usize,
        end: usize,
        covered: String,
        said: String,
        unit: &'static str,
    },
    #[error("sentence {} begins before the one ahead of it ends: give sentences in order and apart", index + 1)]
    Overlap { index: usize },
    #[error("sentence {} has no place: give start and end, or its text", index + 1)]
    NoPlace { index: usize },
    #[error("holder \"{holder}\" does not stand in sentence {}: give words of that sentence", index + 1)]
    Holder { holder: String, index: usize },
    #[error(
        "holder \"{holder}\" stands in no sentence, or in one that has a holder already: mark one in a sentence"
    )]
    StrayHolder { holder: String },
    #[error("id \"{id}\" stands in {first} already: give each document an id of its own")]
    DuplicateId { id: String, first: String },
    #[error("takes a stance, but toward what? Give the record a target, or the data a target for all of it")]
    NoTarget,
    #[error("refers to {what} {id}, which is not there")]
    Dangling { what: &'static str, id: String },
    #[error("must be {expected}, but is \"{found}\"")]
    Line { expected: &'static str, found: String },
    #[error("is a folder, but lacks {expected}")]
    Folder { expected: String },
    #[error("lacks its companion: name {expected} as the data's companion")]
    NoCompanion { expected: &'static str },
    #[error("holds no labelled text{}", of_split(split.as_deref()))]
    Nothing { split: Option<String> },
}

fn of_split(split: Option<&str>) -> String {
    split.map(|split| format!(" of split \"{split}\": is that what the rows call it?")).unwrap_or_default()
}

/// An evaluation set that cannot be used.
#[derive(Debug, Error)]
pub enum SetError {
    #[error("{}: {source}", path.display())]
    Set { path: PathBuf, source: TomlError },
    #[error("{}: {problem}", path.display())]
    Unreadable { path: PathBuf, problem: String },
    #[error(
        "{}: its SHA-256 is {found}, but the set names {expected}: the data are not those that the set was made \
         for; get them, or change the set's version and hash",
        path.display()
    )]
    Hash { path: PathBuf, expected: String, found: String },
}
