//! An evaluation set: a small TOML file that names labelled files and their hashes.

use crate::error::{Error, EvalError, Result, TomlError};
use crate::gold::{GoldDocument, read_gold};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A named, versioned set of labelled files.
#[derive(Clone, Debug)]
pub struct EvalSet {
    pub name: String,
    pub version: u32,
    pub description: String,
    folder: PathBuf,
    data: Vec<DataEntry>,
}

/// The contents of the TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    name: String,
    version: u32,
    description: String,
    data: Vec<DataEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataEntry {
    /// Relative to the set's own file.
    path: PathBuf,
    sha256: String,
}

/// One labelled file of a set.
pub struct SetData {
    /// The file's name, without its folder.
    pub name: String,
    pub documents: Vec<GoldDocument>,
}

impl EvalSet {
    /// # Errors
    /// If the file cannot be read, or is not TOML of the right fields.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| EvalError::Unreadable {
            path: path.to_owned(),
            problem: format!("could not be read: {error}"),
        })?;
        let file: SetFile = toml::from_str(&text).map_err(|error| EvalError::Set {
            path: path.to_owned(),
            source: TomlError::new(&error, &text),
        })?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let SetFile { name, version, description, data } = file;
        Ok(Self { name, version, description, folder, data })
    }

    /// Reads the labelled files, each checked against its hash.
    ///
    /// # Errors
    /// If a file cannot be read, is not labelled text, or is not the one that the set means.
    pub fn files(&self) -> Result<Vec<SetData>> {
        self.data
            .iter()
            .map(|entry| {
                let path = self.folder.join(&entry.path);
                let file = read_gold(&path)?;
                if file.sha256 != entry.sha256 {
                    let (expected, found) = (entry.sha256.clone(), file.sha256);
                    return Err(Error::from(EvalError::Hash { path, expected, found }));
                }
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(SetData { name, documents: file.documents })
            })
            .collect()
    }

    /// The SHA-256 of each labelled file, by its name.
    pub fn hashes(&self) -> impl Iterator<Item = (String, &str)> {
        self.data.iter().map(|entry| {
            let name = entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, entry.sha256.as_str())
        })
    }
}
