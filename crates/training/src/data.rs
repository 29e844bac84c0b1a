//! Reads the files that a configuration names.

use crate::card::DataFile;
use crate::config::DataConfig;
use crate::dev::DevFile;
use crate::error::Result;
use crate::teacher::read_unlabelled;
use standpoint_core::model::{ATTRIBUTION, CHECKWORTHY, HEADS, HOLDER, Head, SPEAKER};
use standpoint_evaluation::gold::{
    self, GoldDocument, GoldFile, GoldFormat, GoldLabels, GoldSource, read_gold,
};
use std::collections::HashSet;
use std::path::Path;

/// The documents of all files of a run.
pub struct TrainingData {
    pub gold: Vec<GoldDocument>,
    pub dev: Vec<DevFile>,
    pub further_dev: Vec<DevFile>,
    /// One list for each file, in the order of the configuration.
    pub auxiliary: Vec<Vec<GoldDocument>>,
    /// The text that a teacher labels: one list for each file, in the order of the configuration.
    pub unlabelled: Vec<Vec<GoldDocument>>,
    pub files: Vec<DataFile>,
}

/// Says whether a document has labels for a head.
type HasLabels = fn(&GoldDocument) -> bool;

/// The heads that a run trains only if it has labels for them. It trains all others.
const OPTIONAL: [(Head, HasLabels); 4] = [
    (CHECKWORTHY, |gold| gold.labels.iter().any(|labels| labels.checkworthy.is_some())),
    (ATTRIBUTION, |gold| gold.attributions.is_some()),
    (HOLDER, |gold| gold.labels.iter().any(|labels| labels.holder.is_some())),
    (SPEAKER, GoldDocument::has_speakers),
];

impl TrainingData {
    /// Reads all files. `target` is the target of unlabelled text.
    ///
    /// # Errors
    /// If a file cannot be read, is not of its format, or has no rows of its split.
    pub fn read(config: &DataConfig, target: &str) -> Result<Self> {
        let mut files = Vec::new();
        let mut keep = |path: &Path, use_, file: GoldFile| {
            files.push(DataFile::new(path, use_, &file));
            file.documents
        };
        let mut gold = Vec::new();
        for path in &config.train {
            gold.extend(keep(path, "train", read_gold(path)?));
        }
        let mut dev = Vec::new();
        for path in &config.dev {
            let source = source(path, GoldFormat::Standpoint, "dev");
            dev.push(DevFile { name: name(path), documents: keep(path, "dev", gold::read(&source)?) });
        }
        let mut further_dev = Vec::new();
        for file in &config.further_dev {
            let source = source(&file.path, file.format, "dev");
            let documents = keep(&file.path, "further dev", gold::read(&source)?);
            further_dev.push(DevFile { name: name(&file.path), documents });
        }
        let mut auxiliary = Vec::new();
        for file in &config.auxiliary {
            let source = GoldSource { fold: file.part, ..source(&file.path, file.format, "train") };
            auxiliary.push(keep(&file.path, "auxiliary", gold::read(&source)?));
        }
        // Texts of dev are not learned from, whoever labels them.
        let documents = dev.iter().chain(&further_dev).flat_map(|file: &DevFile| &file.documents);
        let in_dev: HashSet<&str> = documents.map(|gold| gold.document.id()).collect();
        let mut unlabelled = Vec::new();
        for file in config.teacher.iter().flat_map(|teacher| &teacher.text) {
            let read = match file.format {
                Some(format) => without_labels(gold::read(&source(&file.path, format, "train"))?, &in_dev),
                None => read_unlabelled(&file.path, target, &in_dev)?,
            };
            unlabelled.push(keep(&file.path, "taught", read));
        }
        Ok(Self { gold, dev, further_dev, auxiliary, unlabelled, files })
    }

    /// The heads that a run trains on these files.
    pub fn trained_heads(&self) -> Vec<Head> {
        let documents = self.gold.iter().chain(self.auxiliary.iter().flatten());
        let is_trained = |head: &Head| {
            let optional = OPTIONAL.iter().find(|(optional, _)| optional == head);
            optional.is_none_or(|(_, has_labels)| documents.clone().any(has_labels))
        };
        HEADS.into_iter().filter(is_trained).collect()
    }
}

/// What a file is called in reports: its path without the folders above its own.
fn name(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    parts[parts.len().saturating_sub(2)..].join("/")
}

/// The texts and targets of a labelled file, without the documents whose ids are in `left_out`.
fn without_labels(mut file: GoldFile, left_out: &HashSet<&str>) -> GoldFile {
    file.documents.retain(|gold| !left_out.contains(gold.document.id()));
    for gold in &mut file.documents {
        gold.labels.fill(GoldLabels::default());
        gold.attributions = None;
    }
    file
}

/// All of a file, of rows that name a split those of `split`.
fn source(path: &Path, format: GoldFormat, split: &str) -> GoldSource {
    GoldSource { split: Some(split.to_owned()), ..GoldSource::new(path, format) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dev_rows_are_those_of_dev_or_of_no_split() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, rows: &[(&str, &str)]| {
            let row = |(id, split): &(&str, &str)| {
                format!(r#"{{"id": "{id}", "target": "a ban", "text": "Yes.", "stance": "favor"{split}}}"#)
            };
            let path = folder.path().join(name);
            std::fs::write(&path, rows.iter().map(row).collect::<Vec<_>>().join("\n")).unwrap();
            path
        };
        let rows = [("a", ""), ("b", r#", "split": "dev""#), ("c", r#", "split": "train""#)];
        let config = DataConfig {
            train: vec![write("train.jsonl", &rows)],
            dev: vec![write("dev.jsonl", &rows)],
            further_dev: Vec::new(),
            mixed: 0.0,
            unrelated: 0.0,
            auxiliary: Vec::new(),
            teacher: None,
        };
        let data = TrainingData::read(&config, "a target").unwrap();
        let ids = |documents: &[GoldDocument]| -> Vec<String> {
            documents.iter().map(|gold| gold.document.id().to_owned()).collect()
        };
        assert_eq!(ids(&data.gold), ["a", "c"]);
        assert_eq!(ids(&data.dev[0].documents), ["a", "b"]);

        let config = DataConfig { dev: vec![write("other.jsonl", &rows[2..])], ..config };
        let error = TrainingData::read(&config, "a target").err().unwrap().to_string();
        assert!(error.contains("other.jsonl") && error.contains("dev"), "{error}");
    }
}
