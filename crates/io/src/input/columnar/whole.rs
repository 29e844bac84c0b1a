//! A file whose directory is at its end: on disk where it lies there as it is, held in memory otherwise.

use crate::error::InputProblem;
use crate::input::open::Opened;
use bytes::Bytes;
use parquet::errors::Result;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

/// The largest file that comes from a pipe or compressed, and is held as it is, in bytes.
const HELD: u64 = 256 << 20;

#[derive(Clone)]
pub(super) enum Whole {
    File(Arc<File>),
    Held(Bytes),
}

impl Whole {
    /// # Errors
    /// If it cannot be read, or came from a pipe and is too large.
    pub fn open(file: Opened) -> std::result::Result<Self, InputProblem> {
        Ok(match file.path {
            Some(path) => Self::File(Arc::new(File::open(path).map_err(InputProblem::Read)?)),
            None => Self::Held(Bytes::from(file.read_all(HELD)?)),
        })
    }

    /// Some bytes, if the file has them.
    pub fn slice(&self, start: u64, length: u64) -> Option<Bytes> {
        let end = start.checked_add(length).filter(|&end| end <= self.len())?;
        self.get_bytes(start, usize::try_from(end - start).ok()?).ok()
    }
}

impl Length for Whole {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Held(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Whole {
    type T = Box<dyn Read + Send>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Held(bytes) => Box::new(bytes.get_read(start)?),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Held(bytes) => bytes.get_bytes(start, length),
        }
    }
}
