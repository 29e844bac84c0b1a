//! The log of a run: a line that says what was run, then every answer beside gold. A report can be made again from
//! it, without a model.

use super::report::{ModelIdentity, RunIdentity, SCHEMA, SetIdentity};
use super::sample::Sample;
use crate::error::{InputError, InputProblem, Place, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// The first line of a log: what cannot be found in the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub schema: u32,
    pub set: SetIdentity,
    pub model: ModelIdentity,
    pub run: RunIdentity,
    /// What the set asked for.
    pub slices: Vec<String>,
    pub pairs: Option<String>,
    /// Absent in logs of older versions.
    #[serde(default)]
    pub labels: super::Choices,
    pub floors: BTreeMap<super::Task, BTreeMap<String, f64>>,
    pub notes: Vec<String>,
}

/// Writes a log as JSON Lines.
///
/// # Errors
/// If the writer fails.
pub fn write(writer: &mut dyn Write, header: &Header, samples: &[Sample]) -> io::Result<()> {
    serde_json::to_writer(&mut *writer, header)?;
    writeln!(writer)?;
    for sample in samples {
        serde_json::to_writer(&mut *writer, sample)?;
        writeln!(writer)?;
    }
    Ok(())
}

/// Reads a log.
///
/// # Errors
/// If the file cannot be read, or a line is not what it should be: that line is named.
pub fn read(path: &Path) -> Result<(Header, Vec<Sample>)> {
    let name = path.display().to_string();
    let error =
        |line: Option<usize>, problem| InputError { place: Place { file: name.clone(), line }, problem };
    let file = std::fs::File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => error(None, InputProblem::NotFound),
        _ => error(None, InputProblem::Read(source)),
    })?;
    let mut lines = io::BufReader::new(file).lines().enumerate();
    let mut header: Option<Header> = None;
    let mut samples = Vec::new();
    for (index, line) in &mut lines {
        let line = line.map_err(|source| error(Some(index + 1), InputProblem::Read(source)))?;
        let not = |expected| move |source| InputProblem::NotGold { expected, source };
        if header.is_none() {
            let expected = "the first line of a log (schema, set, model, run), as `standpoint eval --log-samples` writes it";
            let found: Header =
                serde_json::from_str(&line).map_err(not(expected)).map_err(|p| error(Some(1), p))?;
            if found.schema != SCHEMA {
                let problem = InputProblem::Field {
                    name: "schema",
                    problem: "is of another version",
                    expected: "a log of this version of standpoint",
                };
                Err(error(Some(1), problem))?;
            }
            header = Some(found);
        } else if !line.trim().is_empty() {
            let sample = serde_json::from_str(&line).map_err(not("a logged sample"));
            samples.push(sample.map_err(|problem| error(Some(index + 1), problem))?);
        }
    }
    let header = header.ok_or_else(|| error(None, InputProblem::Empty))?;
    Ok((header, samples))
}
