//! The files that a configuration names, read.

use crate::card::DataFile;
use crate::config::DataConfig;
use crate::error::Result;
use crate::teacher::read_unlabelled;
use standpoint_core::hash::sha256;
use standpoint_evaluation::gold::{
    self, GoldDocument, GoldFile, GoldFormat, GoldLabels, GoldSource, read_gold,
};
use std::collections::HashSet;
use std::path::Path;

/// All that a run reads. `auxiliary` stands in the order of the configuration.
pub struct TrainingData {
    pub gold: Vec<GoldDocument>,
    pub dev: Vec<GoldDocument>,
    pub further_dev: Vec<GoldDocument>,
    pub auxiliary: Vec<Vec<GoldDocument>>,
    /// What a teacher is asked about, in the order of the configuration.
    pub unlabelled: Vec<Vec<GoldDocument>>,
    pub files: Vec<DataFile>,
}

/// Which of the heads that not every model has can be trained.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trained {
    pub checkworthy: bool,
    pub attribution: bool,
    pub holder: bool,
}

impl TrainingData {
    /// # Errors
    /// If a file cannot be read, or is not of its format.
    pub fn read(config: &DataConfig, target: &str) -> Result<Self> {
        let mut files = Vec::new();
        let mut keep = |path: &Path, use_, file: GoldFile| {
            files.push(DataFile::new(path, use_, &file));
            file.documents
        };
        let mut gold = Vec::new();
        for path in &config.train {
            gold.extend(share(keep(path, "train", read_gold(path)?), config.share));
        }
        let mut dev = Vec::new();
        for path in &config.dev {
            dev.extend(keep(path, "dev", read_gold(path)?));
        }
        let mut further_dev = Vec::new();
        for file in &config.further_dev {
            let source = source(&file.path, file.format, "dev");
            further_dev.extend(keep(&file.path, "further dev", gold::read(&source)?));
        }
        let mut auxiliary = Vec::new();
        for file in &config.auxiliary {
            let source = GoldSource { part: file.part, ..source(&file.path, file.format, "train") };
            auxiliary.push(share(keep(&file.path, "auxiliary", gold::read(&source)?), config.share));
        }
        // Texts that dev is made of are not learnt from, whoever labels them.
        let in_dev: HashSet<&str> = dev.iter().chain(&further_dev).map(|gold| gold.document.id()).collect();
        let mut unlabelled = Vec::new();
        for file in config.teacher.iter().flat_map(|teacher| &teacher.text) {
            let read = match file.format {
                Some(format) => without_labels(gold::read(&source(&file.path, format, "train"))?, &in_dev),
                None => read_unlabelled(&file.path, target, &in_dev)?,
            };
            unlabelled.push(share(keep(&file.path, "taught", read), config.share));
        }
        Ok(Self { gold, dev, further_dev, auxiliary, unlabelled, files })
    }

    /// Which heads there are labels for.
    pub fn trained(&self) -> Trained {
        let documents = || self.gold.iter().chain(self.auxiliary.iter().flatten());
        let any = |has: fn(&GoldLabels) -> bool| documents().flat_map(|gold| &gold.labels).any(has);
        Trained {
            checkworthy: any(|labels| labels.checkworthy.is_some()),
            attribution: documents().any(|gold| gold.attributions.is_some()),
            holder: any(|labels| labels.holder.is_some()),
        }
    }
}

/// The documents of a share, which are the same in every file and run: which they are follows from their ids.
fn share(mut documents: Vec<GoldDocument>, share: f64) -> Vec<GoldDocument> {
    const DIGITS: usize = 12;
    documents.retain(|gold| {
        let hash = sha256([gold.document.id().as_bytes()]);
        let number = u64::from_str_radix(&hash[..DIGITS], 16).expect("a hash is hexadecimal");
        number as f64 <= share * 16_f64.powi(DIGITS as i32)
    });
    documents
}

/// The texts and targets of a labelled file, but for the documents that `left_out` names.
fn without_labels(mut file: GoldFile, left_out: &HashSet<&str>) -> GoldFile {
    file.documents.retain(|gold| !left_out.contains(gold.document.id()));
    for gold in &mut file.documents {
        gold.labels.fill(GoldLabels::default());
        gold.attributions = None;
    }
    file
}

fn source(path: &Path, format: GoldFormat, split: &str) -> GoldSource {
    GoldSource { split: Some(split.to_owned()), ..GoldSource::new(path, format) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standpoint_core::text::Document;

    #[test]
    fn a_smaller_share_is_part_of_a_larger_one() {
        let documents = || -> Vec<GoldDocument> {
            (0..400)
                .map(|number| GoldDocument {
                    document: Document::from_sentences(format!("d{number}"), &["Text."]),
                    target: String::new(),
                    labels: vec![GoldLabels::default()],
                    attributions: None,
                })
                .collect()
        };
        let ids = |part: f64| -> Vec<String> {
            share(documents(), part).iter().map(|gold| gold.document.id().to_owned()).collect()
        };
        let (quarter, half) = (ids(0.25), ids(0.5));
        assert!((70..=130).contains(&quarter.len()) && (160..=240).contains(&half.len()));
        assert!(quarter.iter().all(|id| half.contains(id)));
        assert_eq!(ids(1.0).len(), 400);
    }
}
