//! What can go wrong, sorted by who can mend it: the person at the command line ([`UsageError`]), whoever
//! made the input ([`InputError`]), whoever made the model ([`ModelError`]), or whoever wrote the
//! training configuration ([`TrainError`]). Each says what is wrong, where, and how to mend it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Any error of the library.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Usage(#[from] UsageError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("{}: could not be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} could not be run: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// The tensor library failed on input that passed every check: a bug of ours or of its.
    #[error("the encoder failed: {0}")]
    Encoder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// The process's exit code: 2 for usage, 1 for all that fails while running.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A flag or argument that cannot be meant.
#[derive(Debug, Error)]
pub enum UsageError {
    #[error("unknown label \"{found}\": expected {}", Alternatives(known))]
    UnknownLabel { found: String, known: &'static [&'static str] },
    #[error("unknown format \"{found}\": expected {}", Alternatives(known))]
    UnknownFormat { found: String, known: &'static [&'static str] },
    #[error("the target is empty: name a policy, as in --target \"withdrawal of foreign troops\"")]
    EmptyTarget,
    #[error("the target has {bytes} bytes, more than {limit}: use a short noun phrase")]
    LongTarget { bytes: usize, limit: usize },
    #[error("the target holds a line break or another control character: give one line")]
    ControlInTarget,
    #[error(
        "target \"{target}\" is {tokens} tokens long for this model, more than {limit}: use a shorter noun phrase"
    )]
    TargetTokens { target: String, tokens: usize, limit: usize },
    #[error(
        "unknown part \"{found}\": expected a share of the documents, as \"1 of 5\" or \"all but 1 of 5\""
    )]
    Part { found: String },
    #[error(
        "{flag} needs a model that answers {what}, which \"{model}\" does not: name another with --model"
    )]
    NotAnswered { flag: &'static str, what: &'static str, model: String },
    #[error("{0}")]
    Other(String),
}

/// Where in the input something stands: a file, and a line where it has one.
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
    Field { name: &'static str, problem: &'static str, expected: &'static str },
    #[error(
        "sentence {} of \"sentences\" does not follow in \"text\": leave \"text\" out, or give sentences that it holds, in order",
        index + 1
    )]
    SentenceNotInText { index: usize },
    #[error("is a folder without any .txt, .text, .jsonl or .ndjson file")]
    EmptyFolder,
    #[error(transparent)]
    Gold(Box<GoldProblem>),
    /// Of files whose records do not stand on lines of their own.
    #[error("record {record}: {problem}")]
    InRecord { record: usize, problem: Box<InputProblem> },
}

impl From<GoldProblem> for InputProblem {
    fn from(problem: GoldProblem) -> Self {
        Self::Gold(Box::new(problem))
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

/// A model that cannot be used.
#[derive(Debug, Error)]
#[error("model {origin}: {problem}")]
pub struct ModelError {
    /// A folder, a hub id, or "bundled".
    pub origin: String,
    #[source]
    pub problem: ModelProblem,
}

#[derive(Debug, Error)]
pub enum ModelProblem {
    #[error("no such folder, and not a hub id (owner/name)")]
    NotFound,
    #[cfg(not(feature = "hub"))]
    #[error("no such folder, and this program was built without access to a hub")]
    NoHub,
    #[error(
        "lacks {file}: a model folder holds config.json, tokenizer.json, standpoint.toml, and model.safetensors or pieces of it with their index"
    )]
    MissingFile { file: &'static str },
    #[error("{file} could not be read: {source}")]
    Read { file: &'static str, source: io::Error },
    #[error("{name}, a piece of model.safetensors, could not be read: {source}")]
    Piece { name: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{file} is not valid: {source}")]
    Parse { file: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("config.json: {field} is {found}, but this version supports {supported}")]
    Unsupported { field: &'static str, found: String, supported: &'static str },
    #[error("model.safetensors has no tensor \"{name}\": was the file made by another tool?")]
    MissingTensor { name: String },
    #[error(
        "model.safetensors: tensor \"{name}\" has shape {found:?}, but config.json asks for {expected:?}"
    )]
    Shape { name: String, expected: Vec<usize>, found: Vec<usize> },
    #[error(
        "model.safetensors: tensor \"{name}\" is stored as {found}; f32, f16, bf16, and int8 with scales in f32 can be read"
    )]
    Dtype { name: String, found: String },
    #[error(
        "model.safetensors: tensor \"{name}\" holds a value that is not a finite number: the file is corrupt"
    )]
    NotFinite { name: String },
    #[error("standpoint.toml: labels of {head} are {found:?}, but must be {expected:?}, in this order")]
    Labels { head: &'static str, expected: Vec<&'static str>, found: Vec<String> },
    #[error("standpoint.toml: {field} is {found}, but must be {expected}")]
    Setting { field: String, found: String, expected: &'static str },
    #[error("tokenizer.json has no token {token}: it does not belong to a BERT model")]
    MissingToken { token: &'static str },
    #[error(
        "tokenizer.json knows {tokens} tokens, but the model has embeddings for {embeddings}: they do not belong together"
    )]
    Vocabulary { tokens: usize, embeddings: usize },
    #[error(
        "is not in the local cache ({cache}) and {file} must not be fetched (--offline or HF_HUB_OFFLINE): run once without, or give a folder"
    )]
    NotCached { file: &'static str, cache: String },
    #[error("{file} could not be fetched from {endpoint}: {source}")]
    Hub { file: &'static str, endpoint: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// A training run that cannot start or go on.
#[derive(Debug, Error)]
pub enum TrainError {
    #[error("{}: {source}", path.display())]
    Config { path: PathBuf, source: TomlError },
    #[error("{}: {problem}", path.display())]
    Setting { path: PathBuf, problem: String },
    #[error("{}: {problem}", path.display())]
    Checkpoint { path: PathBuf, problem: String },
    #[error("the loss is not a finite number at step {step}: lower the learning rate")]
    Diverged { step: usize },
}

/// An evaluation set that cannot be used.
#[derive(Debug, Error)]
pub enum EvalError {
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

/// An error of the TOML parser in one line; its own takes five.
#[derive(Debug, Error)]
#[error("line {line}: {message}")]
pub struct TomlError {
    line: usize,
    message: String,
}

impl TomlError {
    /// `text` is what was parsed.
    pub fn new(error: &toml::de::Error, text: &str) -> Self {
        let offset = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.as_bytes()[..offset].iter().filter(|&&byte| byte == b'\n').count();
        Self { line, message: error.message().replace('\n', ", ") }
    }
}

/// "a, b or c"
struct Alternatives<'a>(&'a [&'a str]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}{name}")?;
        }
        Ok(())
    }
}
