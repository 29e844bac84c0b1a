//! What can go wrong with labelled data and evaluation sets.

pub use standpoint_core::error::TomlError;
pub use standpoint_io::error::{InputError, InputProblem, Place};

use crate::gold::GoldFormat;
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
        "offsets is given, but {format} leaves no doubt what its offsets count: leave the key out, which is for doccano"
    )]
    KnownUnit { format: GoldFormat },
    #[error(
        "region {start}..{end} lies behind an emoji and has no text: whether it counts characters or UTF-16 units cannot be \
         told; export it with its text"
    )]
    UnknownRegion { start: usize, end: usize },
    #[error("\"{label}\" stands in several pieces: only source, cue and content may; mark it as one span")]
    Pieces { label: String },
    #[error(
        "is a relation between parts of attributions, which PolNeAR does not have: read it with format = \"brat\""
    )]
    Relation,
    #[error("gives no label: give a role, a stance or checkworthy, or leave the row out")]
    NoLabel,
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

/// Answers from elsewhere that are not those of the set.
#[derive(Debug, Error)]
pub enum PredictionProblem {
    #[error("answers {what}, which the set does not have: leave it out")]
    Extra { what: String },
    #[error("answers a sentence again that {first} answers: give each sentence once")]
    Doubled { first: String },
    #[error(
        "is of \"{id}\", of which the set has several sentences, or none with a label: give an index (from 0) or the text, too"
    )]
    Several { id: String },
    #[error("does not say which sentence it answers: give id and index, or its text")]
    Nameless,
    #[error("has no stance toward \"{target}\", which is what the set asks: give that target")]
    Target { target: String },
    #[error("has duplicate_of in place of labels: give what classify writes without --unique")]
    Repeat,
    #[error("{what}: begins before its text: offsets count in the text that start counts in")]
    Outside { what: &'static str },
    #[error("field \"checkworthiness\" must be from 0 to 1")]
    Score,
    #[error(
        "field \"{field}\" must give each of {} a probability, and the probabilities must add up to 1",
        Alternatives(labels)
    )]
    Probabilities { field: &'static str, labels: &'static [&'static str] },
    #[error("answers none of the set's tasks: {}", tasks.join(", "))]
    NoTask { tasks: Vec<&'static str> },
    #[error(
        "{} {missing} of {all} labelled sentences of the set, the first being {first}: give a row for each",
        match task { Some(task) => format!("has no answer for {task} to"), None => "lacks".to_owned() }
    )]
    Missing { task: Option<&'static str>, missing: usize, all: usize, first: String },
}

impl From<PredictionProblem> for InputProblem {
    fn from(problem: PredictionProblem) -> Self {
        Self::Format(Box::new(problem))
    }
}

/// Readings that cannot be compared.
#[derive(Debug, Error)]
pub enum ReadingProblem {
    #[error("is one reading: name two, or an export of Label Studio in which several people labelled")]
    Alone,
    #[error("has nothing that another reading labels, too: do they name documents and sentences alike?")]
    Nothing,
    #[error("takes stances toward several targets: give what classify writes for one")]
    Targets,
    #[error("counts offsets in another unit than bytes: give what classify writes without --offsets")]
    Unit,
    #[error("{what} {start}..{end} ends before it begins")]
    Backwards { what: &'static str, start: usize, end: usize },
}

impl From<ReadingProblem> for InputProblem {
    fn from(problem: ReadingProblem) -> Self {
        Self::Format(Box::new(problem))
    }
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
