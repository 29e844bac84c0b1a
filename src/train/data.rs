//! The files that a configuration names, read.

use crate::error::Result;
use crate::gold::{self, GoldDocument, GoldFile, GoldFormat, GoldLabels, GoldSource, read_gold};
use crate::train::card::DataFile;
use crate::train::config::DataConfig;
use std::path::Path;

/// All that a run reads. `auxiliary` stands in the order of the configuration.
pub struct TrainingData {
    pub gold: Vec<GoldDocument>,
    pub dev: Vec<GoldDocument>,
    pub further_dev: Vec<GoldDocument>,
    pub auxiliary: Vec<Vec<GoldDocument>>,
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
    pub fn read(config: &DataConfig) -> Result<Self> {
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
            auxiliary.push(keep(&file.path, "auxiliary", gold::read(&source)?));
        }
        Ok(Self { gold, dev, further_dev, auxiliary, files })
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

fn source(path: &Path, format: GoldFormat, split: &str) -> GoldSource {
    GoldSource { split: Some(split.to_owned()), ..GoldSource::new(path, format) }
}
