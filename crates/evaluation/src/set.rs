//! An evaluation set: a small TOML file that names labelled files with their hashes, the tasks, and the floors that figures
//! must reach. `docs/evaluation.md` explains every key.

use super::floor;
use super::sample::Task;
use crate::error::{Result, SetError, TomlError};
use crate::gold::{Fold, GoldDocument, GoldFormat, GoldSource, Unit, read};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::sha256;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For tasks that do not allow all of their labels: the labels that a model may answer.
pub type AllowedLabels = BTreeMap<Task, Vec<String>>;

/// A named and versioned evaluation set.
#[derive(Clone, Debug)]
pub struct EvalSet {
    pub name: String,
    pub version: u32,
    pub description: String,
    /// The SHA-256 of the set's own file.
    pub sha256: String,
    pub tasks: Vec<Task>,
    /// For data that were annotated with only some of a task's labels.
    pub labels: AllowedLabels,
    pub sentences: Sentences,
    /// The document fields to slice figures by.
    pub slices: Vec<String>,
    /// The document field that both sides of a minimal pair share.
    pub pairs: Option<String>,
    /// The lowest allowed values, by task and metric.
    pub floors: BTreeMap<Task, BTreeMap<String, f64>>,
    folder: PathBuf,
    data: Vec<DataEntry>,
    train: Vec<DataEntry>,
}

/// Which sentences the model labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sentences {
    /// Those of the data.
    #[default]
    Gold,
    /// Those of standpoint's own segmentation. Missed gold sentences and invented sentences are errors.
    Predicted,
}

/// The contents of the TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetFile {
    name: String,
    version: u32,
    description: String,
    tasks: Vec<Task>,
    #[serde(default)]
    labels: AllowedLabels,
    #[serde(default)]
    sentences: Sentences,
    #[serde(default)]
    slices: Vec<String>,
    pairs: Option<String>,
    #[serde(default)]
    floors: BTreeMap<Task, BTreeMap<String, f64>>,
    data: Vec<DataEntry>,
    /// Training data for the TF-IDF baseline.
    #[serde(default)]
    train: Vec<DataEntry>,
}

/// An entry of `[[data]]` or `[[train]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataEntry {
    /// Relative to the set's own file.
    path: PathBuf,
    sha256: String,
    #[serde(default)]
    format: GoldFormat,
    /// The second file, for formats with two.
    companion: Option<PathBuf>,
    /// The split to read.
    split: Option<String>,
    /// The target for rows that name none.
    target: Option<String>,
    /// A share of the documents, such as "1 of 5" or "all but 1 of 5".
    #[serde(rename = "part")]
    fold: Option<Fold>,
    /// What offsets count, for formats that leave it open.
    offsets: Option<Unit>,
    /// Metadata that the documents lack, such as a genre.
    #[serde(default)]
    fields: Map<String, Value>,
}

/// The documents of one data entry.
pub struct SetData {
    /// The file's name, without its folder.
    pub name: String,
    pub documents: Vec<GoldDocument>,
}

impl EvalSet {
    /// Reads and checks a set's file. The data are not read yet.
    ///
    /// # Errors
    /// If the file cannot be read, has other keys than a set, or asks for nothing.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| SetError::Unreadable {
            path: path.to_owned(),
            problem: format!("could not be read: {error}"),
        })?;
        let file: SetFile = toml::from_str(&text).map_err(|error| SetError::Set {
            path: path.to_owned(),
            source: TomlError::new(&error, &text),
        })?;
        let unusable = |problem: String| SetError::Unreadable { path: path.to_owned(), problem };
        if file.data.is_empty() || file.tasks.is_empty() {
            Err(unusable("names no data or no tasks: name at least one of each".to_owned()))?;
        }
        for (task, labels) in &file.labels {
            check_labels(&file.tasks, *task, labels).map_err(unusable)?;
        }
        for (task, floors) in &file.floors {
            if !file.tasks.contains(task) {
                Err(unusable(format!("has a floor for {task}, which is not among its tasks")))?;
            }
            for metric in floors.keys() {
                floor::check(*task, metric).map_err(unusable)?;
            }
        }
        Ok(Self {
            name: file.name,
            version: file.version,
            description: file.description,
            sha256: sha256([text.as_bytes()]),
            tasks: file.tasks,
            labels: file.labels,
            sentences: file.sentences,
            slices: file.slices,
            pairs: file.pairs,
            floors: file.floors,
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            data: file.data,
            train: file.train,
        })
    }

    /// Reads the data files and checks their hashes.
    ///
    /// # Errors
    /// If a file cannot be read, is not of its format, or has another hash.
    pub fn data(&self) -> Result<Vec<SetData>> {
        self.data.iter().map(|entry| self.read(entry)).collect()
    }

    /// Reads the training data of the baselines. Empty if the set names none.
    ///
    /// # Errors
    /// As [`EvalSet::data`].
    pub fn train(&self) -> Result<Vec<SetData>> {
        self.train.iter().map(|entry| self.read(entry)).collect()
    }

    fn read(&self, entry: &DataEntry) -> Result<SetData> {
        let path = self.folder.join(&entry.path);
        let mut file = read(&GoldSource {
            path: path.clone(),
            companion: entry.companion.as_ref().map(|companion| self.folder.join(companion)),
            format: entry.format,
            split: entry.split.clone(),
            target: entry.target.clone(),
            fold: entry.fold,
            offsets: entry.offsets,
        })?;
        if file.sha256 != entry.sha256 {
            let (expected, found) = (entry.sha256.clone(), file.sha256);
            Err(SetError::Hash { path, expected, found })?;
        }
        if !entry.fields.is_empty() {
            file.documents.iter_mut().for_each(|gold| gold.complete_fields(&entry.fields));
        }
        Ok(SetData { name: entry.name(), documents: file.documents })
    }

    /// The SHA-256 of each data file, by its name.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.data.iter().map(|entry| (entry.name(), entry.sha256.clone())).collect()
    }
}

/// Checks the allowed labels of a task. The error completes a sentence whose subject is the set.
fn check_labels(tasks: &[Task], task: Task, labels: &[String]) -> Result<(), String> {
    let known = task.labels();
    if !tasks.contains(&task) {
        return Err(format!("names labels of {task}, which is not among its tasks"));
    }
    if known.is_empty() {
        return Err(format!("names labels of {task}, which marks spans and has no labels"));
    }
    if let Some(label) = labels.iter().find(|label| !known.contains(&label.as_str())) {
        let known = known.join(", ");
        return Err(format!(
            "names the label {label:?} of {task}, which does not exist: expected one of {known}"
        ));
    }
    if known.iter().filter(|label| labels.iter().any(|allowed| allowed == *label)).count() < 2 {
        return Err(format!(
            "names fewer than two labels of {task}: with one label, every answer would be right"
        ));
    }
    Ok(())
}

impl DataEntry {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
