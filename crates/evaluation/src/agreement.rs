//! Agreement between annotators ("readers") who labelled the same sentences.

use crate::Task;
use crate::error::{InputError, InputProblem, Place, Result};
use crate::metrics::{Coincidences, Confusion, SEED, estimates};
use crate::report::Figure;
use serde::{Deserialize, Serialize};
use standpoint_core::label::{Label, Role, Stance};
use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

/// A line of a reading: one reader's labels for a sentence.
#[derive(Deserialize)]
struct Reading {
    #[serde(alias = "doc")]
    id: String,
    index: usize,
    role: Option<Role>,
    stance: Option<Stance>,
}

/// The agreement on one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    pub task: Task,
    /// The number of sentences that at least two readers labelled.
    pub sentences: usize,
    pub documents: usize,
    pub readers: usize,
    /// The share of pairs of labels of a sentence that are equal.
    pub observed: Figure,
    /// Cohen's kappa. Without a value unless there are two readers.
    pub kappa: Figure,
    /// Krippendorff's alpha for nominal labels.
    pub alpha: Figure,
    /// One entry for each label.
    pub labels: Vec<LabelAgreement>,
}

/// The agreement on one label against the rest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelAgreement {
    pub label: String,
    pub kappa: Figure,
    pub alpha: Figure,
}

/// The label of each reader, by document id and sentence index.
type Table = BTreeMap<String, BTreeMap<usize, Vec<Option<usize>>>>;

/// Reads one file for each reader, and measures the agreement on each task that at least two of them labelled.
///
/// # Errors
/// If a file cannot be read, a line is not a reading, or a file has a sentence twice.
pub fn agreement(files: &[PathBuf]) -> Result<Vec<Agreement>> {
    let (mut roles, mut stances) = (Table::new(), Table::new());
    for (reader, path) in files.iter().enumerate() {
        for reading in read(path)? {
            let put = |table: &mut Table, label: Option<usize>| {
                let sentence = table.entry(reading.id.clone()).or_default().entry(reading.index);
                sentence.or_insert_with(|| vec![None; files.len()])[reader] = label;
            };
            put(&mut roles, reading.role.map(Label::index));
            put(&mut stances, reading.stance.map(Label::index));
        }
    }
    let tasks = [(Task::Role, roles), (Task::Stance, stances)];
    Ok(tasks.into_iter().filter_map(|(task, table)| measure(task, &table, files.len())).collect())
}

/// The agreement on one task. `None` if no sentence has two labels.
fn measure(task: Task, table: &Table, readers: usize) -> Option<Agreement> {
    let labels = task.labels().len();
    let nothing = (Coincidences::new(labels), Confusion::new(labels));
    let mut sentences = 0;
    let documents: Vec<(Coincidences, Confusion)> = table
        .values()
        .map(|document| {
            let mut counts = nothing.clone();
            for readings in document.values() {
                if readings.iter().flatten().count() < 2 {
                    continue;
                }
                sentences += 1;
                counts.0.add(readings);
                if let [Some(one), Some(other)] = readings[..] {
                    counts.1.add(one, other);
                }
            }
            counts
        })
        .collect();
    if sentences == 0 {
        return None;
    }
    let figures = |(coincidences, confusion): &(Coincidences, Confusion)| {
        let mut figures = vec![coincidences.observed_agreement(), coincidences.alpha(), confusion.kappa()];
        for label in 0..labels {
            figures.extend([confusion.label_kappa(label), coincidences.label_alpha(label)]);
        }
        figures
    };
    let found: Vec<Figure> =
        estimates(&documents, &nothing, SEED, figures).into_iter().map(Figure::from).collect();
    let labelled = task.labels().iter().zip(found[3..].chunks(2));
    Some(Agreement {
        task,
        sentences,
        documents: table.len(),
        readers,
        observed: found[0],
        alpha: found[1],
        kappa: found[2],
        labels: labelled
            .map(|(label, figures)| LabelAgreement {
                label: (*label).to_owned(),
                kappa: figures[0],
                alpha: figures[1],
            })
            .collect(),
    })
}

/// Reads the file of one reader.
fn read(path: &Path) -> Result<Vec<Reading>> {
    let error = |line: Option<usize>, problem| InputError {
        place: Place { file: path.display().to_string(), line },
        problem,
    };
    let file = std::fs::File::open(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => error(None, InputProblem::NotFound),
        _ => error(None, InputProblem::Read(source)),
    })?;
    let mut readings: Vec<Reading> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (index, line) in io::BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|source| error(Some(index + 1), InputProblem::Read(source)))?;
        if line.trim().is_empty() {
            continue;
        }
        let expected = "a reading (id, index, role, stance)";
        let reading: Reading = serde_json::from_str(&line)
            .map_err(|source| error(Some(index + 1), InputProblem::NotGold { expected, source }))?;
        if !seen.insert((reading.id.clone(), reading.index)) {
            let problem = InputProblem::Field {
                name: "index".into(),
                problem: "repeats a sentence",
                expected: "each sentence once",
            };
            Err(error(Some(index + 1), problem))?;
        }
        readings.push(reading);
    }
    if readings.is_empty() {
        Err(error(None, InputProblem::Empty))?;
    }
    Ok(readings)
}
