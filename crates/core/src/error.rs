//! What can go wrong. Errors carry facts: what is wrong and where. Flags, remedies and exit codes are the command line's.

use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Any error of this crate.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    ModelName(#[from] ModelNameError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("{}: could not be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: could not be written: there is no folder {}", path.display(), folder.display())]
    MissingFolder { path: PathBuf, folder: PathBuf },
    /// The encoder failed on input that passed every check: weights are too large, or there is a fault in this program.
    #[error("the encoder failed: {0}")]
    Encoder(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A name that is no label.
#[derive(Debug, Error)]
#[error("unknown label \"{found}\": expected {}", Alternatives(known))]
pub struct UnknownLabel {
    pub found: String,
    pub known: &'static [&'static str],
}

/// A phrase that cannot be a target.
#[derive(Debug, Error)]
pub enum TargetError {
    #[error("the target is empty: name a policy, such as \"withdrawal of foreign troops\"")]
    Empty,
    #[error("the target has {bytes} bytes, more than {limit}: use a short noun phrase")]
    TooLong { bytes: usize, limit: usize },
    #[error("the target holds a line break or another control character: give one line")]
    ControlCharacter,
    #[error(
        "target \"{target}\" is {tokens} tokens long for this model, more than {limit}: use a shorter noun phrase"
    )]
    TooManyTokens { target: String, tokens: usize, limit: usize },
}

/// A model's name and revision that do not go together.
#[derive(Debug, Error)]
pub enum ModelNameError {
    #[error("revision {revision:?} is not the name of a branch, tag or commit")]
    Revision { revision: String },
    #[error("a revision goes with a hub id (owner/name), but the model is {model}")]
    RevisionOfFolder { model: String },
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
    #[error("no such folder")]
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
    #[error("{file} is not in the local cache ({cache}), and the network is not to be used")]
    NotCached { file: &'static str, cache: String },
    #[error("{file} could not be fetched from {endpoint}: {source}")]
    Hub { file: &'static str, endpoint: String, source: Box<dyn std::error::Error + Send + Sync> },
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

/// Displays names as "a, b or c".
pub struct Alternatives<'a>(pub &'a [&'a str]);

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
