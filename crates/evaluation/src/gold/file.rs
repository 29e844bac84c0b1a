//! Files read in one pass: by lines, by the elements of a JSON array, or whole where they are small. What is
//! read is hashed on the way, a byte order mark is taken off, and an error says where it stands.

use crate::error::{InputError, InputProblem, Place, Result};
use serde::de::{DeserializeOwned, Deserializer, Error, SeqAccess, Visitor};
use serde_json::Value;
use standpoint_core::hash::{Digest, Hashing};
use standpoint_io::input::jsonl::LINE_LIMIT;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Where in a file something stands, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    Line(usize),
    /// An element of a JSON array, or a document of a folder.
    Record(usize),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Record(record) => write!(f, "record {record}"),
        }
    }
}

impl At {
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

/// An error of a whole file.
pub(super) fn at(path: &Path, problem: impl Into<InputProblem>) -> InputError {
    InputError { place: Place { file: path.display().to_string(), line: None }, problem: problem.into() }
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> InputError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => InputProblem::NotFound,
        io::ErrorKind::InvalidData => InputProblem::NotUtf8,
        _ => InputProblem::Read(error),
    };
    at(path, problem)
}

/// Whether a path's name says that it holds one JSON object a line.
pub(super) fn is_jsonl(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["jsonl", "ndjson"].iter().any(|known| extension == *known))
}

/// A file behind its byte order mark.
pub(super) fn open<'d>(
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

/// Reads a small file whole.
pub(super) fn whole(path: &Path, digest: &mut Digest) -> Result<String, InputError> {
    let mut text = String::new();
    open(path, digest)?.read_to_string(&mut text).map_err(|error| unreadable(path, error))?;
    Ok(text)
}

/// Gives each line that holds more than white space, without its end.
pub(super) fn lines(
    path: &Path,
    digest: &mut Digest,
    mut take: impl FnMut(At, &str) -> Result<(), InputProblem>,
) -> Result<()> {
    let mut reader = open(path, digest)?;
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes);
        if read.map_err(|error| unreadable(path, error))? == 0 {
            break;
        }
        let at = At::Line(number);
        let result = match str::from_utf8(&bytes) {
            _ if bytes.len() as u64 == LINE_LIMIT => Err(InputProblem::TooLarge { limit: LINE_LIMIT }),
            Err(_) => Err(InputProblem::NotUtf8),
            Ok(line) if line.trim().is_empty() => Ok(()),
            Ok(line) => take(at, line.trim_end_matches(['\r', '\n'])),
        };
        result.map_err(|problem| at.error(path, problem))?;
    }
    Ok(())
}

/// Gives each line of JSON Lines as what it is expected to be.
pub(super) fn json_lines<T: DeserializeOwned>(
    path: &Path,
    digest: &mut Digest,
    expected: &'static str,
    mut take: impl FnMut(At, T) -> Result<(), InputProblem>,
) -> Result<()> {
    lines(path, digest, |at, line| {
        take(at, parse(serde_json::from_str(line).map_err(InputProblem::Json)?, expected)?)
    })
}

/// Gives each element of a JSON array as what it is expected to be; the array itself is never held.
pub(super) fn json_array<T: DeserializeOwned>(
    path: &Path,
    digest: &mut Digest,
    expected: &'static str,
    mut take: impl FnMut(At, T) -> Result<(), InputProblem>,
) -> Result<()> {
    let mut failure = None;
    let mut json = serde_json::Deserializer::from_reader(open(path, digest)?);
    let elements = Elements {
        take: |record, element| {
            let at = At::Record(record);
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

pub(super) fn parse<T: DeserializeOwned>(value: Value, expected: &'static str) -> Result<T, InputProblem> {
    serde_json::from_value(value).map_err(|source| InputProblem::NotGold { expected, source })
}

/// Takes the elements of a JSON array one by one, until one is not wanted.
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
