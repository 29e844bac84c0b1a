//! From paths to documents: files, folders and standard input, in each [`InputFormat`]. Whatever cannot be read is an error
//! in its place, and the next document follows. Knows no model.
//!
//! A file is opened and decompressed (`open`, `compression`), its format is found (`kind`), and the reader of that format
//! gives its documents one after the other. Records of all formats become documents in `record`.

mod compression;
pub mod encoding;
pub mod jsonl;
mod kind;
mod notes;
mod open;
mod options;
pub mod plain;
mod record;

pub use notes::{InputWarning, InputWarningKind};
pub use options::{InputFormat, InputOptions};

use crate::error::{InputError, InputProblem, Place};
use notes::Notes;
use open::{Opened, is_stdin, unreadable};
use standpoint_core::text::Document;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Reads the documents of one file, one after the other.
pub(crate) trait DocumentReader: Send {
    /// The next document, and the number of its line, or of its row where a format has no lines; none for a file that is
    /// one document. `None` at the end of the file.
    fn next(&mut self, notes: &mut Notes) -> Option<(Option<usize>, Result<Document, InputProblem>)>;
}

/// What reads a file of a format. A new format has a file beside this one, and a line here.
fn reader(file: Opened, format: InputFormat, options: &Arc<InputOptions>) -> Box<dyn DocumentReader> {
    match format {
        InputFormat::Text => Box::new(plain::Text::new(file, options)),
        InputFormat::Jsonl => Box::new(jsonl::Records::new(file.name, file.bytes, options)),
    }
}

/// The documents of a list of paths, in order. A folder stands for the files in it and below it whose extension is that of
/// a format, sorted by path; `-` for standard input.
///
/// A document without an id is called as its file, with its line or row in a file that has several.
pub struct Documents {
    sources: VecDeque<Result<PathBuf, InputError>>,
    options: Arc<InputOptions>,
    /// The file that is being read.
    open: Option<(PathBuf, Box<dyn DocumentReader>)>,
    notes: Notes,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl Documents {
    pub fn new<P: AsRef<Path>>(paths: &[P], options: InputOptions) -> Self {
        let mut sources = VecDeque::new();
        for path in paths {
            expand(path.as_ref(), &mut sources);
        }
        let length = |source: &Result<PathBuf, InputError>| match source {
            Ok(path) if is_stdin(path) => None,
            Ok(path) => fs::metadata(path).ok().map(|metadata| metadata.len()),
            Err(_) => Some(0),
        };
        let total_bytes = sources.iter().map(length).sum();
        Self {
            sources,
            options: Arc::new(options),
            open: None,
            notes: Notes::default(),
            total_bytes,
            bytes_read: Arc::default(),
        }
    }

    /// The warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<InputWarning> {
        self.notes.take()
    }

    /// The size of all files together as they lie on disk, unless standard input is among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn open(&mut self, path: &Path) -> Result<Box<dyn DocumentReader>, InputProblem> {
        let file = open::open(path, &self.bytes_read)?;
        self.notes.begin(&file.name);
        let format = self.options.format.unwrap_or_else(|| kind::of(path, &file.head));
        Ok(reader(file, format, &self.options))
    }
}

impl Iterator for Documents {
    type Item = Result<Document, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((path, reader)) = &mut self.open {
                if let Some((line, document)) = reader.next(&mut self.notes) {
                    let place = |problem| InputError { place: Place { line, ..place(path) }, problem };
                    return Some(document.map_err(place));
                }
                self.open = None;
            }
            let path = match self.sources.pop_front()? {
                Ok(path) => path,
                Err(error) => return Some(Err(error)),
            };
            match self.open(&path) {
                Ok(reader) => self.open = Some((path, reader)),
                Err(problem) => return Some(Err(at(&path, problem))),
            }
        }
    }
}

fn place(path: &Path) -> Place {
    Place { file: path.display().to_string(), line: None }
}

fn at(path: &Path, problem: InputProblem) -> InputError {
    InputError { place: place(path), problem }
}

/// The files that a path given by the user stands for.
fn expand(path: &Path, sources: &mut VecDeque<Result<PathBuf, InputError>>) {
    if is_stdin(path) || !path.is_dir() {
        sources.push_back(Ok(path.to_owned()));
        return;
    }
    let before = sources.len();
    walk(path, sources);
    if sources.len() == before {
        sources.push_back(Err(at(path, InputProblem::EmptyFolder)));
    }
}

/// The readable files below a folder. Links to folders are not followed: they may lead back.
fn walk(folder: &Path, sources: &mut VecDeque<Result<PathBuf, InputError>>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = match entries {
        Ok(entries) => entries,
        Err(error) => return sources.push_back(Err(at(folder, unreadable(error)))),
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, sources);
        } else if !path.is_dir() && kind::by_name(&path).is_some() {
            sources.push_back(Ok(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_order_and_below() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("c")).unwrap();
        write("b.txt", b"B went.");
        write("a.jsonl", b"{\"id\":\"first\",\"text\":\"A went.\"}\nno\n{\"text\":\"So did she.\"}\n");
        write("c/d.TXT", b"Le pr\xe9sident fran\xe7ais a d\xe9cid\xe9 de rester.");
        write("notes.pdf", b"not read");

        let mut documents = Documents::new(&[folder.path()], InputOptions::default());
        let read: Vec<Result<Document, InputError>> = documents.by_ref().collect();
        let ids: Vec<String> = read
            .iter()
            .map(|item| match item {
                Ok(document) => document.id().replace(&folder.path().display().to_string(), "."),
                Err(error) => format!("line {:?} failed", error.place.line),
            })
            .collect();
        assert_eq!(ids, ["first", "line Some(2) failed", "./a.jsonl:3", "./b.txt", "./c/d.TXT"]);
        let warnings = documents.take_warnings();
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].kind, InputWarningKind::AssumedEncoding("windows-1252"));
        assert_eq!(documents.total_bytes(), Some(documents.bytes_read()));
    }

    #[test]
    fn what_is_missing_or_empty_is_an_error_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.txt");
        fs::write(&empty, "\u{feff} \n").unwrap();
        let missing = folder.path().join("missing.txt");
        let nothing = folder.path().join("nothing");
        fs::create_dir(&nothing).unwrap();
        let problems: Vec<InputProblem> = Documents::new(&[missing, empty, nothing], InputOptions::default())
            .map(|item| item.unwrap_err().problem)
            .collect();
        assert!(matches!(
            problems[..],
            [InputProblem::NotFound, InputProblem::Empty, InputProblem::EmptyFolder]
        ));
    }
}
