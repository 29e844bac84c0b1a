//! Where labels are written: standard output, a file that appears whole or not at all, or one that grows over several runs.

use crate::failure::{Failure, Result};
use crate::resume::Part;
use standpoint::atomic::AtomicFile;
use standpoint::error::Error;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

pub(crate) enum Destination {
    Stdout(BufWriter<io::Stdout>),
    File(AtomicFile),
    /// A file that a later run can go on with.
    Part(Part),
}

impl Destination {
    /// # Errors
    /// If a file cannot be written there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(match is_stdout(path) {
            true => Self::Stdout(BufWriter::new(io::stdout())),
            false => Self::File(AtomicFile::create(path)?),
        })
    }

    /// Leaves nothing behind of a run that had nothing to write.
    pub(crate) fn abandon(self) {
        if let Self::Part(part) = self {
            part.abandon();
        }
    }

    /// Puts a file in its place.
    pub(crate) fn commit(self) -> Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => Ok(file.commit()?),
            Self::Part(part) => part.commit(),
        }
    }
}

/// Whether a path given by the user stands for standard output.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether output goes to a terminal.
pub(crate) fn is_terminal(path: &Path) -> bool {
    is_stdout(path) && io::stdout().is_terminal()
}

/// What it means that `path` cannot be written.
pub(crate) fn failure(path: &Path, source: io::Error) -> Failure {
    match is_stdout(path) {
        true => Failure::Stdout(source),
        false => Failure::Core(Error::Write { path: path.to_owned(), source }),
    }
}

/// Says that a file cannot be written before a model has been loaded, or hours have passed.
///
/// # Errors
/// If the folder is missing, or there is a folder in the file's place.
pub(crate) fn check(path: &Path) -> Result<()> {
    if is_stdout(path) {
        return Ok(());
    }
    // Whether it may be written to is known only once it is tried. Nothing is left of this.
    AtomicFile::create(path).map(drop).map_err(Failure::from)
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::File(file) => file.write(bytes),
            Self::Part(part) => part.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::File(file) => file.flush(),
            Self::Part(part) => part.flush(),
        }
    }
}
