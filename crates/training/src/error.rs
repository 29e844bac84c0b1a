//! What can go wrong in a training run.

pub use standpoint_core::error::{ModelError, TomlError};
pub use standpoint_io::error::{InputError, InputProblem, Place};

use std::path::PathBuf;
use thiserror::Error;

/// Any error of this crate.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Core(#[from] standpoint_core::error::Error),
    #[error(transparent)]
    Evaluation(#[from] standpoint_evaluation::error::Error),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Train(#[from] TrainError),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<standpoint_core::error::TargetError> for Error {
    fn from(error: standpoint_core::error::TargetError) -> Self {
        Self::Core(error.into())
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Self {
        Self::Core(error.into())
    }
}

impl From<standpoint_core::error::ModelNameError> for Error {
    fn from(error: standpoint_core::error::ModelNameError) -> Self {
        Self::Core(error.into())
    }
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
    #[error("{0}")]
    Teacher(String),
    #[error("the loss is not a finite number at step {step}: lower the learning rate")]
    Diverged { step: usize },
}
