//! The list of what could not be labelled: a JSON object a line, written as it happens, so that it is there when a feed has
//! no end.

use crate::destination;
use crate::failure::Result;
use serde::Serialize;
use standpoint::error::{Error, InputError};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(super) struct Failures {
    path: PathBuf,
    file: File,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: Option<&'a str>,
    file: &'a str,
    line: Option<usize>,
    reason: String,
}

impl Failures {
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn create(path: &Path) -> Result<Self> {
        destination::check(path)?;
        let file = File::create(path).map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// # Errors
    /// If the file cannot be written.
    pub(super) fn add(&mut self, error: &InputError) -> Result<()> {
        let entry = Entry {
            id: error.id(),
            file: &error.place.file,
            line: error.place.line,
            reason: error.problem.to_string(),
        };
        let mut line = serde_json::to_vec(&entry).expect("it is made of strings and a number");
        line.push(b'\n');
        // At once, so that no line is cut in two by whatever ends the run.
        let failed = |source| Error::Write { path: self.path.clone(), source };
        Ok(self.file.write_all(&line).map_err(failed)?)
    }
}
