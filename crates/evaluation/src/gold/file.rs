//! Reads a file in one pass: by lines, by the elements of a JSON array, or as a whole. Hashes the bytes on the way, skips a
//! byte order mark, and reports errors with their location.

use crate::error::{InputError, InputProblem, Place, Result};
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use standpoint_core::hash::{Digest, Hashing};
use standpoint_io::input::encoding::likely_encoding;
use standpoint_io::input::jsonl::LINE_LIMIT;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A location in a file, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Location {
    Line(usize),
    /// An element of a JSON array, or a document in a folder.
    Record(usize),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Record(record) => write!(f, "record {record}"),
        }
    }
}

impl Location {
    /// A problem at this location of a file.
    pub fn error(self, path: &Path, problem: InputProblem) -> InputError {
        match self {
            Self::Line(line) => {
                let place = Place { file: path.display().to_string(), line: Some(line) };
                InputError { place, problem }
            }
            Self::Record(record) => at(path, InputProblem::InRecord { record, problem: Box::new(problem) }),
        }
    }
}

/// A problem of a whole file.
pub(crate) fn at(path: &Path, problem: impl Into<InputProblem>) -> InputError {
    InputError { place: Place { file: path.display().to_string(), line: None }, problem: problem.into() }
}

/// A failure to read a file.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> InputError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => InputProblem::NotFound,
        io::ErrorKind::InvalidData => InputProblem::NotUtf8 { likely: "windows-1252" },
        _ => InputProblem::Read(error),
    };
    at(path, problem)
}

/// Whether a file's name ends in `.jsonl` or `.ndjson`.
pub(crate) fn is_jsonl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["jsonl", "ndjson"].iter().any(|known| extension == *known))
}

/// Opens a file and skips its byte order mark.
pub(crate) fn open<'d>(
    path: &Path,
    digest: &'d mut Digest,
) -> Result<BufReader<Hashing<'d, File>>, InputError> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut reader = BufReader::new(Hashing::new(file, digest));
    if reader.fill_buf().map_err(|error| unreadable(path, error))?.starts_with(MARK) {
        reader.consume(MARK.len());
    }
    Ok(reader)
}

/// Reads a small file as a whole.
pub(crate) fn whole(path: &Path, digest: &mut Digest) -> Result<String, InputError> {
    let mut text = String::new();
    open(path, digest)?.read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    Ok(text)
}

/// Calls `take` with each line that is not blank, without its line break.
pub(crate) fn lines(
    path: &Path,
    digest: &mut Digest,
    mut take: impl FnMut(Location, &str) -> Result<(), InputProblem>,
) -> Result<()> {
    let mut reader = open(path, digest)?;
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes);
        if read.map_err(|error| unreadable(path, error))? == 0 {
            break;
        }
        let at = Location::Line(number);
        let result = match str::from_utf8(&bytes) {
            _ if bytes.len() as u64 == LINE_LIMIT => Err(InputProblem::TooLarge { limit: LINE_LIMIT }),
            Err(_) => Err(InputProblem::NotUtf8 { likely: likely_encoding(&bytes) }),
            Ok(line) if line.trim().is_empty() => Ok(()),
            Ok(line) => take(at, line.trim_end_matches(['\r', '\n'])),
        };
        result.map_err(|problem| at.error(path, problem))?;
    }
    Ok(())
}

/// Calls `take` with each line of JSON Lines. `expected` describes a line for the error.
pub(crate) fn json_lines<T: DeserializeOwned>(
    path: &Path,
    digest: &mut Digest,
    expected: &'static str,
    mut take: impl FnMut(Location, T) -> Result<(), InputProblem>,
) -> Result<()> {
    lines(path, digest, |at, line| {
        take(at, parse(serde_json::from_str(line).map_err(InputProblem::Json)?, expected)?)
    })
}

/// Calls `take` with each element of a JSON array, without keeping the array. `expected` describes an element for the
/// error.
pub(crate) fn json_array<T: DeserializeOwned>(
    path: &Path,
    digest: &mut Digest,
    expected: &'static str,
    mut take: impl FnMut(Location, T) -> Result<(), InputProblem>,
) -> Result<()> {
    let mut failure = None;
    let mut json = serde_json::Deserializer::from_reader(open(path, digest)?);
    let elements = Elements {
        take: |record, element| {
            let at = Location::Record(record);
            let taken = parse(element, expected).and_then(|element| take(at, element));
            taken.map_err(|problem| failure = Some(at.error(path, problem))).is_ok()
        },
    };
    let read = json.deserialize_seq(elements).and_then(|()| json.end());
    if let Some(error) = failure {
        return Err(error.into());
    }
    read.map_err(|error| at(path, InputProblem::Json(error)).into())
}

/// Converts a JSON value. `expected` describes it for the error.
pub(crate) fn parse<T: DeserializeOwned>(value: Value, expected: &'static str) -> Result<T, InputProblem> {
    serde_json::from_value(value).map_err(|source| InputProblem::NotGold { expected, source })
}

/// Visits the elements of a JSON array until `take` returns false.
struct Elements<F> {
    take: F,
}

impl<'de, F: FnMut(usize, Value) -> bool> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let mut record = 0;
        while let Some(element) = elements.next_element()? {
            record += 1;
            if !(self.take)(record, element) {
                return Err(A::Error::custom("a record is not of the format"));
            }
        }
        Ok(())
    }
}
