//! From paths to documents: files, folders and standard input, as text or JSON Lines. Whatever cannot be read is an error
//! in its place, and the next document follows. Knows no model.

pub mod encoding;
pub mod jsonl;
pub mod plain;
mod record;

use crate::error::{InputError, InputProblem, Place};
use standpoint_core::text::Document;
use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TEXT_EXTENSIONS: [&str; 2] = ["txt", "text"];
const JSONL_EXTENSIONS: [&str; 2] = ["jsonl", "ndjson"];

/// How the files are to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputFormat {
    /// `.jsonl` and `.ndjson` as JSON Lines; anything else, and standard input, as text.
    #[default]
    Auto,
    /// Each file one document.
    Text,
    /// Each line one document.
    Jsonl,
}

impl InputFormat {
    fn is_jsonl(self, path: &Path) -> bool {
        match self {
            Self::Auto => has_extension(path, &JSONL_EXTENSIONS),
            Self::Text => false,
            Self::Jsonl => true,
        }
    }
}

/// Something that the reader of the output should know about a document that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputWarning {
    pub place: Place,
    pub kind: InputWarningKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputWarningKind {
    /// The text was taken to be in this encoding.
    AssumedEncoding(&'static str),
    /// What was read as text could be meant as JSON Lines.
    LooksLikeJsonl,
}

impl fmt::Display for InputWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match self.kind {
            InputWarningKind::AssumedEncoding(encoding) => write!(
                f,
                "is not plain UTF-8, read as {encoding}; start and end count the text as decoded to UTF-8"
            ),
            InputWarningKind::LooksLikeJsonl => {
                f.write_str("was read as text but looks like JSON Lines: give --input-format jsonl if it is")
            }
        }
    }
}

/// The documents of a list of paths, in order. A folder stands for the `.txt`, `.text`, `.jsonl` and
/// `.ndjson` files in it and below it, sorted by path; `-` for standard input.
///
/// A text file's document is called as its path, a record of JSON Lines by its `id` or by `path:line`.
pub struct Documents {
    sources: VecDeque<Result<PathBuf, InputError>>,
    format: InputFormat,
    records: Option<(String, jsonl::Records<BufReader<Counted>>)>,
    warnings: Vec<InputWarning>,
    total_bytes: Option<u64>,
    bytes_read: Arc<AtomicU64>,
}

impl Documents {
    pub fn new<P: AsRef<Path>>(paths: &[P], format: InputFormat) -> Self {
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
        Self { sources, format, records: None, warnings: Vec::new(), total_bytes, bytes_read: Arc::default() }
    }

    /// The warnings since the last call.
    pub fn take_warnings(&mut self) -> Vec<InputWarning> {
        std::mem::take(&mut self.warnings)
    }

    /// The size of all files together, unless standard input is among them.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total_bytes
    }

    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    fn open(&self, path: &Path) -> Result<Counted, InputProblem> {
        let inner: Box<dyn Read + Send> = if is_stdin(path) {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(unreadable)?)
        };
        Ok(Counted { inner, bytes: Arc::clone(&self.bytes_read) })
    }

    fn read_text(&mut self, path: &Path) -> Result<Document, InputProblem> {
        let id = path.display().to_string();
        let (document, assumed) = plain::read(&id, self.open(path)?)?;
        let assumed = assumed.map(InputWarningKind::AssumedEncoding);
        let looks = (self.format == InputFormat::Auto && jsonl::looks_like(document.text()))
            .then_some(InputWarningKind::LooksLikeJsonl);
        let warning = |kind| InputWarning { place: Place { file: id.clone(), line: None }, kind };
        self.warnings.extend(assumed.into_iter().chain(looks).map(warning));
        Ok(document)
    }
}

impl Iterator for Documents {
    type Item = Result<Document, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((file, records)) = &mut self.records {
                if let Some((line, record)) = records.next() {
                    let place = Place { file: file.clone(), line: Some(line) };
                    return Some(record.map_err(|problem| InputError { place, problem }));
                }
                self.records = None;
            }
            let path = match self.sources.pop_front()? {
                Ok(path) => path,
                Err(error) => return Some(Err(error)),
            };
            if !self.format.is_jsonl(&path) {
                return Some(self.read_text(&path).map_err(|problem| at(&path, problem)));
            }
            match self.open(&path) {
                Ok(file) => {
                    let name = path.display().to_string();
                    self.records = Some((name.clone(), jsonl::Records::new(name, BufReader::new(file))));
                }
                Err(problem) => return Some(Err(at(&path, problem))),
            }
        }
    }
}

/// A file or standard input that counts what is read of it, for the progress shown.
struct Counted {
    inner: Box<dyn Read + Send>,
    bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| extensions.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn at(path: &Path, problem: InputProblem) -> InputError {
    InputError { place: Place { file: path.display().to_string(), line: None }, problem }
}

fn unreadable(error: io::Error) -> InputProblem {
    match error.kind() {
        io::ErrorKind::NotFound => InputProblem::NotFound,
        _ => InputProblem::Read(error),
    }
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
        } else if !path.is_dir()
            && (has_extension(&path, &TEXT_EXTENSIONS) || has_extension(&path, &JSONL_EXTENSIONS))
        {
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

        let mut documents = Documents::new(&[folder.path()], InputFormat::Auto);
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
        let problems: Vec<InputProblem> = Documents::new(&[missing, empty, nothing], InputFormat::Auto)
            .map(|item| item.unwrap_err().problem)
            .collect();
        assert!(matches!(
            problems[..],
            [InputProblem::NotFound, InputProblem::Empty, InputProblem::EmptyFolder]
        ));
    }
}
