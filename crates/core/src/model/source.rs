//! Where a model comes from (compiled into the program, a folder, or the Hugging Face Hub), and how its files are read. Finds
//! and reads bytes; the other files of this module know what they mean.

use crate::error::{ModelError, ModelNameError, ModelProblem};
#[cfg(feature = "hub")]
use crate::model::hub;
use crate::model::safetensors::{self, NamedFile};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The files of a plain encoder.
pub(super) const BASE_FILES: &[&str] = &["config.json", "tokenizer.json", safetensors::WHOLE];

/// The files of a standpoint model.
pub(super) const MODEL_FILES: &[&str] =
    &["config.json", "tokenizer.json", safetensors::WHOLE, "standpoint.toml"];

/// Where to take a model from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelSource {
    /// Compiled into the program.
    Embedded(EmbeddedModel),
    Folder(PathBuf),
    Hub {
        /// `owner/name`.
        id: String,
        /// A branch, tag or commit; `None` means `main`.
        revision: Option<String>,
        /// Take the model from the local cache or fail. `HF_HUB_OFFLINE` asks for the same.
        offline: bool,
    },
}

/// The files of a model, as `include_bytes!` gives them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct EmbeddedModel {
    /// `config.json`
    pub config: &'static [u8],
    /// `tokenizer.json`
    pub tokenizer: &'static [u8],
    /// `model.safetensors`
    pub weights: &'static [u8],
    /// `standpoint.toml`
    pub settings: &'static [u8],
}

impl fmt::Debug for EmbeddedModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmbeddedModel({} bytes of weights)", self.weights.len())
    }
}

impl ModelSource {
    /// Understands what a user calls a model: `owner/name` is a hub id, unless it is a path; everything else is a folder.
    ///
    /// # Errors
    /// If `revision` is given for a folder, or cannot be the name of a revision.
    pub fn parse(model: &str, revision: Option<&str>, offline: bool) -> Result<Self, ModelNameError> {
        let source = match is_hub_id(model) && !is_path(model) {
            true => Self::Hub { id: model.to_owned(), revision: revision.map(str::to_owned), offline },
            false => Self::Folder(PathBuf::from(model)),
        };
        match (&source, revision) {
            // A revision becomes a part of a path in the cache.
            (Self::Hub { .. }, Some(revision)) if !is_revision(revision) => {
                Err(ModelNameError::Revision { revision: revision.to_owned() })
            }
            (Self::Embedded(_) | Self::Folder(_), Some(_)) => {
                Err(ModelNameError::RevisionOfFolder { model: source.to_string() })
            }
            _ => Ok(source),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(_) => f.write_str("bundled"),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Hub { id, revision: None, .. } => f.write_str(id),
            Self::Hub { id, revision: Some(revision), .. } => write!(f, "{id}@{revision}"),
        }
    }
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 100 && text.chars().all(allowed) && !text.starts_with('.')
}

fn is_hub_id(text: &str) -> bool {
    text.split_once('/').is_some_and(|(owner, name)| is_name(owner) && is_name(name))
}

/// Whether a name of two parts is meant as a path: one that is there, or at least its folder is. Nothing is asked of the hub
/// because of a typing mistake.
fn is_path(model: &str) -> bool {
    let folder = model.split_once('/').map_or(model, |(folder, _)| folder);
    folder == "models" || Path::new(folder).is_dir() || Path::new(model).exists()
}

fn is_revision(text: &str) -> bool {
    text.split('/').all(is_name)
}

/// The files of one model, found but not yet read.
#[derive(Debug)]
pub(super) struct ModelFiles {
    origin: String,
    location: Location,
}

#[derive(Debug)]
enum Location {
    Memory(EmbeddedModel),
    Folder(PathBuf),
}

impl ModelFiles {
    /// Makes sure that the files are on this machine; fetches them if the source is the hub.
    pub(super) fn find(source: &ModelSource, files: &[&'static str]) -> Result<Self, ModelError> {
        let location = match source {
            ModelSource::Embedded(model) => Ok(Location::Memory(*model)),
            ModelSource::Folder(folder) if folder.is_dir() => Ok(Location::Folder(folder.clone())),
            ModelSource::Folder(_) => Err(ModelProblem::NotFound),
            #[cfg(feature = "hub")]
            ModelSource::Hub { id, revision, offline } => {
                hub::snapshot(id, revision.as_deref(), *offline, files).map(Location::Folder)
            }
            #[cfg(not(feature = "hub"))]
            ModelSource::Hub { .. } => {
                let _ = files;
                Err(ModelProblem::NoHub)
            }
        };
        let origin = source.to_string();
        match location {
            Ok(location) => Ok(Self { origin, location }),
            Err(problem) => Err(ModelError { origin, problem }),
        }
    }

    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The names and contents of the files that hold the weights: one file, or all of its shards.
    pub(super) fn weights(&self) -> Result<Vec<NamedFile<Cow<'static, [u8]>>>, ModelProblem> {
        let whole = self.read(safetensors::WHOLE);
        let missing = matches!(whole, Err(ModelProblem::MissingFile { .. }));
        match &self.location {
            Location::Folder(folder) if missing && folder.join(safetensors::INDEX).exists() => {
                let read = |name: String| match std::fs::read(folder.join(&name)) {
                    Ok(bytes) => Ok((name, Cow::Owned(bytes))),
                    Err(error) => Err(ModelProblem::Piece { name, source: error.into() }),
                };
                safetensors::shards(&self.read(safetensors::INDEX)?)?.into_iter().map(read).collect()
            }
            _ => Ok(vec![(safetensors::WHOLE.to_owned(), whole?)]),
        }
    }

    pub(super) fn read(&self, file: &'static str) -> Result<Cow<'static, [u8]>, ModelProblem> {
        match &self.location {
            Location::Memory(model) => match file {
                "config.json" => Ok(model.config.into()),
                "tokenizer.json" => Ok(model.tokenizer.into()),
                safetensors::WHOLE => Ok(model.weights.into()),
                "standpoint.toml" => Ok(model.settings.into()),
                _ => Err(ModelProblem::MissingFile { file }),
            },
            Location::Folder(folder) => match std::fs::read(folder.join(file)) {
                Ok(bytes) => Ok(Cow::Owned(bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Err(ModelProblem::MissingFile { file })
                }
                Err(source) => Err(ModelProblem::Read { file, source }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_folder_or_a_hub_id() {
        let parse = |model, revision| ModelSource::parse(model, revision, false);
        for folder in ["./models/small", "/models", "models", "a/b/c", "~/models", "a\\b", "../x", ""] {
            assert_eq!(parse(folder, None).unwrap(), ModelSource::Folder(folder.into()), "{folder}");
        }
        let hub = parse("some-owner/some.name_2", Some("refs/pr/1")).unwrap();
        assert_eq!(hub.to_string(), "some-owner/some.name_2@refs/pr/1");
    }

    #[test]
    fn an_existing_folder_wins_over_a_hub_id() {
        assert_eq!(
            ModelSource::parse("src/model", None, false).unwrap(),
            ModelSource::Folder("src/model".into())
        );
    }

    #[test]
    fn a_mistake_in_a_path_is_no_hub_id() {
        for missing in ["src/modle", "models/bsae"] {
            assert_eq!(
                ModelSource::parse(missing, None, false).unwrap(),
                ModelSource::Folder(missing.into())
            );
        }
    }

    #[test]
    fn a_revision_needs_a_hub_id_and_a_sane_name() {
        for (model, revision) in [("./m", "main"), ("a/b", "../../x"), ("a/b", "")] {
            assert!(ModelSource::parse(model, Some(revision), false).is_err(), "{model} {revision}");
        }
    }
}
