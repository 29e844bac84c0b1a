//! What ends a command: every error there is, how to mend it with this program's flags, and the exit code it becomes.

use standpoint::error::{ModelNameError, ModelProblem, TargetError};
use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// Something could not be read, written or run.
const FAILED: u8 = 1;
/// The command makes no sense.
const USAGE: u8 = 2;
/// An evaluation found a figure below its floor.
pub(crate) const BELOW_FLOOR: u8 = 3;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Flags or arguments that cannot be meant.
    Usage(String),
    /// Standard output could not be written to.
    Stdout(io::Error),
    /// What was asked for is not done, lest something be lost.
    Refused(String),
    /// The system gives no further thread.
    Thread(io::Error),
    /// Another program could not be run.
    Start {
        program: PathBuf,
        source: io::Error,
    },
    Core(standpoint::error::Error),
    Input(standpoint::error::InputError),
    Evaluation(standpoint::evaluation::error::Error),
    Training(standpoint::training::error::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The one place where an error becomes an exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            // Whoever reads our output has had enough of it, as `head` has: nothing failed.
            Self::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Usage(_) => USAGE,
            _ if self.find::<TargetError>().is_some() || self.find::<ModelNameError>().is_some() => USAGE,
            _ => FAILED,
        })
    }

    /// Whether there is something to say of it.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Stdout(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// How to mend it, where that takes a flag.
    fn remedy(&self) -> Option<&'static str> {
        if let Some(ModelProblem::NotCached { .. }) = self.find() {
            return Some("run once without --offline and HF_HUB_OFFLINE, or give a folder with --model");
        }
        match self.find()? {
            TargetError::Empty => Some("give one as in --target \"withdrawal of foreign troops\""),
            _ => None,
        }
    }

    fn inner(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Usage(_) | Self::Refused(_) => None,
            Self::Stdout(source) | Self::Thread(source) | Self::Start { source, .. } => Some(source),
            Self::Core(error) => Some(error),
            Self::Input(error) => Some(error),
            Self::Evaluation(error) => Some(error),
            Self::Training(error) => Some(error),
        }
    }

    /// The error of a type that this one is, or comes from.
    fn find<E: Error + 'static>(&self) -> Option<&E> {
        std::iter::successors(self.inner(), |error| (*error).source()).find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Refused(message) => f.write_str(message)?,
            Self::Stdout(source) => write!(f, "standard output: could not be written: {source}")?,
            Self::Thread(source) => write!(f, "a thread could not be started: {source}")?,
            Self::Start { program, source } => write!(f, "{} could not be run: {source}", program.display())?,
            Self::Core(error) => write!(f, "{error}")?,
            Self::Input(error) => write!(f, "{error}")?,
            Self::Evaluation(error) => write!(f, "{error}")?,
            Self::Training(error) => write!(f, "{error}")?,
        }
        match self.remedy() {
            Some(remedy) => write!(f, ": {remedy}"),
            None => Ok(()),
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error.into())
            }
        })*
    };
}

from! {
    Core(standpoint::error::Error),
    Core(standpoint::error::ModelError),
    Core(ModelNameError),
    Core(TargetError),
    Input(standpoint::error::InputError),
    Evaluation(standpoint::evaluation::error::Error),
    Training(standpoint::training::error::Error),
}
