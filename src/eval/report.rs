//! What an evaluation found, as data: to be printed, written as JSON, compared.

use crate::error::Result;
use crate::eval::EvalSet;
use crate::label::Label;
use crate::metrics::{HeadScore, RESAMPLES};
use crate::model::Model;
use serde::Serialize;
use std::collections::BTreeMap;

/// The figures of one model on one set, and all that is needed to find them again.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub set: String,
    pub set_version: u32,
    pub data_sha256: BTreeMap<String, String>,
    pub model: ModelIdentity,
    pub program: String,
    /// In UTC.
    pub date: String,
    pub machine: String,
    pub resamples: usize,
    /// The whole set first, then file by file.
    pub sections: Vec<Section>,
}

/// Which model it was.
#[derive(Clone, Debug, Serialize)]
pub struct ModelIdentity {
    pub name: String,
    pub version: String,
    /// Of its weights.
    pub sha256: String,
}

impl ModelIdentity {
    /// # Errors
    /// If the weights can no longer be read.
    pub fn of(model: &Model) -> Result<Self> {
        let settings = model.settings();
        Ok(Self {
            name: settings.name.clone(),
            version: settings.version.clone(),
            sha256: model.fingerprint()?,
        })
    }
}

/// The figures on some of the sentences.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    pub name: String,
    /// Absent where no sentence has a gold role.
    pub role: Option<HeadFigures>,
    pub stance: Option<HeadFigures>,
}

#[derive(Clone, Debug, Serialize)]
pub struct HeadFigures {
    pub sentences: u64,
    pub documents: usize,
    pub macro_f1: Option<f64>,
    /// 95%, by bootstrap over documents.
    pub macro_f1_interval: Option<[f64; 2]>,
    pub accuracy: Option<f64>,
    pub calibration_error: Option<f64>,
    pub labels: Vec<LabelFigures>,
    /// `[gold][predicted]`, in the order of `labels`.
    pub confusion: [[u64; 3]; 3],
}

#[derive(Clone, Debug, Serialize)]
pub struct LabelFigures {
    pub label: &'static str,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Option<f64>,
    pub support: u64,
}

impl<L: Label> From<&HeadScore<L>> for HeadFigures {
    fn from(score: &HeadScore<L>) -> Self {
        let labels = L::ALL
            .iter()
            .map(|&label| {
                let of_label = score.confusion.score(label);
                LabelFigures {
                    label: label.as_str(),
                    precision: of_label.precision,
                    recall: of_label.recall,
                    f1: of_label.f1,
                    support: of_label.support,
                }
            })
            .collect();
        Self {
            sentences: score.confusion.total(),
            documents: score.documents,
            macro_f1: score.confusion.macro_f1(),
            macro_f1_interval: score.interval.map(|interval| [interval.low, interval.high]),
            accuracy: score.confusion.accuracy(),
            calibration_error: score.calibration_error,
            labels,
            confusion: score.confusion.counts(),
        }
    }
}

impl Report {
    pub(super) fn new(set: &EvalSet, model: ModelIdentity, sections: Vec<Section>) -> Self {
        Self {
            set: set.name.clone(),
            set_version: set.version,
            data_sha256: set.hashes().map(|(name, hash)| (name, hash.to_owned())).collect(),
            model,
            program: concat!("standpoint ", env!("CARGO_PKG_VERSION")).to_owned(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            machine: machine(),
            resamples: RESAMPLES,
            sections,
        }
    }
}

/// The processor's name, where the system tells it, and the number of cores.
fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or(std::env::consts::ARCH, |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}
