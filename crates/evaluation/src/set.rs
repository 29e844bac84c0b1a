//! An evaluation set: a small TOML file that names labelled files and their hashes, what is asked of a model on
//! them, and the floors that it must not fall below.

use super::floor;
use super::sample::Task;
use crate::error::{Result, SetError, TomlError};
use crate::gold::{GoldDocument, GoldFormat, GoldSource, Part, read};
use serde::Deserialize;
use serde_json::{Map, Value};
use standpoint_core::hash::sha256;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The labels among which the answers to a task are chosen, of tasks that do not allow all.
pub type Choices = BTreeMap<Task, Vec<String>>;

/// A named, versioned set of labelled files.
#[derive(Clone, Debug)]
pub struct EvalSet {
    pub name: String,
    pub version: u32,
    pub description: String,
    /// The SHA-256 of the set's own file.
    pub sha256: String,
    pub tasks: Vec<Task>,
    /// Where the data know only some of a task's labels.
    pub labels: Choices,
    pub sentences: Sentences,
    /// The fields of the data by whose values figures are sliced.
    pub slices: Vec<String>,
    /// The field whose value documents of one minimal pair share.
    pub pairs: Option<String>,
    /// The least that a figure may be, by task and metric.
    pub floors: BTreeMap<Task, BTreeMap<String, f64>>,
    folder: PathBuf,
    data: Vec<DataEntry>,
    train: Vec<DataEntry>,
}

/// Where the sentences to be labelled come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sentences {
    /// From the data.
    #[default]
    Gold,
    /// From standpoint's own segmentation: a gold sentence that it does not find, and one that it makes up, are
    /// errors.
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
    labels: Choices,
    #[serde(default)]
    sentences: Sentences,
    #[serde(default)]
    slices: Vec<String>,
    pairs: Option<String>,
    #[serde(default)]
    floors: BTreeMap<Task, BTreeMap<String, f64>>,
    data: Vec<DataEntry>,
    /// What the TF-IDF baseline is trained on.
    #[serde(default)]
    train: Vec<DataEntry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DataEntry {
    /// Relative to the set's own file.
    path: PathBuf,
    sha256: String,
    #[serde(default)]
    format: GoldFormat,
    /// A second file, of formats that need one.
    companion: Option<PathBuf>,
    /// Only the rows of this split.
    split: Option<String>,
    /// The target of rows that name none.
    target: Option<String>,
    /// A share of the documents, as "1 of 5" or "all but 1 of 5".
    part: Option<Part>,
    /// What the data do not say of their documents themselves, such as a genre.
    #[serde(default)]
    fields: Map<String, Value>,
}

/// One labelled file of a set.
pub struct SetData {
    /// The file's name, without its folder.
    pub name: String,
    pub documents: Vec<GoldDocument>,
}

impl EvalSet {
    /// # Errors
    /// If the file cannot be read, is not TOML of the right fields, or asks for nothing.
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
            Err(unusable("names no data or no tasks: give at least one of each".to_owned()))?;
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

    /// Reads the labelled files, each checked against its hash.
    ///
    /// # Errors
    /// If a file cannot be read, is not labelled text, or is not the one that the set means.
    pub fn data(&self) -> Result<Vec<SetData>> {
        self.data.iter().map(|entry| self.read(entry)).collect()
    }

    /// The same for what baselines are trained on; empty where the set names nothing.
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
            part: entry.part,
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

    /// The SHA-256 of each labelled file, by its name.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        self.data.iter().map(|entry| (entry.name(), entry.sha256.clone())).collect()
    }
}

/// Says what is wrong with a choice of labels, if anything.
fn check_labels(tasks: &[Task], task: Task, labels: &[String]) -> Result<(), String> {
    let known = task.labels();
    if !tasks.contains(&task) {
        return Err(format!("chooses labels of {task}, which is not among its tasks"));
    }
    if known.is_empty() {
        return Err(format!("chooses labels of {task}, which marks spans and has none"));
    }
    if let Some(label) = labels.iter().find(|label| !known.contains(&label.as_str())) {
        let known = known.join(", ");
        return Err(format!(
            "chooses the label {label:?} of {task}, which has none of that name: known are {known}"
        ));
    }
    if known.iter().filter(|label| labels.iter().any(|chosen| chosen == *label)).count() < 2 {
        return Err(format!("chooses fewer than two labels of {task}: there would be nothing to answer"));
    }
    Ok(())
}

impl DataEntry {
    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}
