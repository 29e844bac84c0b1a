//! The log of a run as JSON Lines: a header, then every sample. A report can be made again from it, without a model.

use crate::error::{InputError, InputProblem, Place, Result};
use crate::report::{ModelIdentity, RunIdentity, SCHEMA, SetIdentity};
use crate::{AllowedLabels, Sample, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// The first line of a log: everything that a report needs besides the samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub schema: u32,
    pub set: SetIdentity,
    pub model: ModelIdentity,
    pub run: RunIdentity,
    /// From the set, as the next three.
    pub slices: Vec<String>,
    pub pairs: Option<String>,
    /// Absent in logs of older versions.
    #[serde(default)]
    pub labels: AllowedLabels,
    pub floors: BTreeMap<Task, BTreeMap<String, f64>>,
    /// Remarks on the run; the report adds its own.
    pub notes: Vec<String>,
}

/// Writes a log.
///
/// # Errors
/// If writing fails.
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
/// If the file cannot be read, or a line is neither header nor sample. The error names the line.
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
            let expected =
                "the first line of a log of `standpoint eval --log-samples` (schema, set, model, run)";
            let found: Header =
                serde_json::from_str(&line).map_err(not(expected)).map_err(|p| error(Some(1), p))?;
            if found.schema != SCHEMA {
                let problem = InputProblem::Field {
                    name: "schema".into(),
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
