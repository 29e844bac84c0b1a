//! What an evaluation found, as data: printed, written as JSON, Markdown or a page, compared with another run.
//! Everything here can be computed anew from the samples that are logged beside it.

use super::sample::Task;
use crate::error::{Result, SetError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of the report's JSON. A field that is added does not raise it; one that changes its meaning does.
pub const SCHEMA: u32 = 1;

/// The figures of one model on one set, and all that is needed to find them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub set: SetIdentity,
    pub model: ModelIdentity,
    pub run: RunIdentity,
    /// One entry for each task that the set asks for and the model answers.
    pub tasks: Vec<TaskReport>,
    /// What a reader of the figures should know, in sentences.
    pub notes: Vec<String>,
    /// Each answer beside gold, without the texts: what another run is compared with. Absent in a summary.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerRow>,
}

/// A sentence, by its place in the data, and what was said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerRow {
    pub task: Task,
    pub file: String,
    pub doc: String,
    /// Bytes of the document's text.
    pub start: usize,
    pub end: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub gold: String,
    pub predicted: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetIdentity {
    pub name: String,
    pub version: u32,
    pub description: String,
    /// The SHA-256 of the set's own file.
    pub sha256: String,
    /// The SHA-256 of each data file, by its name.
    pub data_sha256: BTreeMap<String, String>,
}

/// Which model it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelIdentity {
    pub name: String,
    pub version: String,
    /// Of its weights.
    pub sha256: String,
    /// Of its settings: label order, temperatures, window length.
    pub settings_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunIdentity {
    /// The program with its version.
    pub program: String,
    /// Of the program's source, where it was built from a checkout.
    pub commit: Option<String>,
    /// In UTC.
    pub date: String,
    pub machine: String,
    /// The encoder, what it computes in, and its instruction set. Empty in reports of older versions.
    #[serde(default)]
    pub encoder: String,
    pub threads: usize,
    /// How long labelling and scoring took.
    pub seconds: f64,
    /// Of every interval and of the random baseline.
    pub seed: u64,
    pub resamples: usize,
}

/// A figure with its 95% interval, by bootstrap over documents. Without a value where there is nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
}

/// One task on all its sentences.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// `role`, `stance`, `attributed`, `checkworthy`, `spans`, `holder`.
    pub task: String,
    pub sentences: usize,
    pub documents: usize,
    pub classes: Option<ClassReport>,
    pub calibration: Option<CalibrationReport>,
    /// Of tasks with a positive class.
    pub ranking: Option<RankingReport>,
    pub spans: Vec<SpanReport>,
    /// Where sentences were predicted and not given: how well they were cut.
    pub segmentation: Option<SegmentationReport>,
    /// Of sets of minimal pairs.
    pub pairs: Vec<PairReport>,
    pub slices: Vec<Slice>,
    pub baselines: Vec<Rival>,
    /// The run that this one was compared with.
    pub comparison: Option<Rival>,
    /// The most confident errors, the surest first.
    pub errors: Vec<ErrorSample>,
    pub floors: Vec<FloorReport>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// In the order of `confusion`.
    pub labels: Vec<LabelReport>,
    pub macro_f1: Figure,
    pub micro_f1: Option<f64>,
    pub weighted_f1: Option<f64>,
    pub accuracy: Figure,
    /// Matthews's correlation coefficient.
    pub matthews: Figure,
    /// `[gold][predicted]`, of the sentences that both sides have.
    pub confusion: Vec<Vec<u64>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelReport {
    pub label: String,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Figure,
    pub support: u64,
    /// One against the rest.
    pub average_precision: Option<f64>,
    /// Recall and precision, from the highest threshold to the lowest; thinned to at most 200 points.
    pub curve: Vec<[f64; 2]>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Expected calibration error of the label given.
    pub error: Figure,
    /// Mean squared distance of the probabilities from the truth, summed over labels.
    pub brier: Figure,
    pub bins: Vec<CalibrationBin>,
    /// What is right among the surest share of the answers.
    pub abstention: Vec<AbstentionPoint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    pub low: f64,
    pub high: f64,
    pub count: u64,
    /// None of an empty bin.
    pub confidence: Option<f64>,
    pub accuracy: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbstentionPoint {
    /// Answers below this confidence are left out.
    pub threshold: f64,
    /// The share of sentences that is still answered.
    pub coverage: f64,
    pub accuracy: f64,
    pub macro_f1: Option<f64>,
}

/// The measures of CheckThat! for a ranking by the positive class's score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingReport {
    pub average_precision: Figure,
    pub reciprocal_rank: Option<f64>,
    pub r_precision: Option<f64>,
    /// `k` and the precision among the first `k`.
    pub precision_at: Vec<(usize, Option<f64>)>,
    /// F1 of the positive class at the model's own threshold.
    pub positive_f1: Figure,
}

/// One kind of span: source, cue, content, holder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanReport {
    pub kind: String,
    pub gold: u64,
    pub predicted: u64,
    pub exact_precision: Option<f64>,
    pub exact_recall: Option<f64>,
    pub exact_f1: Figure,
    /// A span counts by the share of it that a span of the other side covers.
    pub overlap_precision: Option<f64>,
    pub overlap_recall: Option<f64>,
    pub overlap_f1: Figure,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationReport {
    pub gold: u64,
    pub predicted: u64,
    /// Sentences with the same start and end on both sides.
    pub matched: u64,
    pub f1: Option<f64>,
}

/// Pairs that differ in one small thing: only both sides right counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairReport {
    /// What the sides differ in; `all` for all pairs.
    pub kind: String,
    pub pairs: usize,
    /// The interval is by bootstrap over pairs.
    pub accuracy: Figure,
}

/// The figures on the sentences that share a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The property, as `quotes`, `length` or a field of the data.
    pub by: String,
    pub value: String,
    pub sentences: usize,
    pub macro_f1: Figure,
    pub accuracy: Figure,
}

/// Another set of answers to the same sentences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    pub name: String,
    pub macro_f1: Figure,
    /// This run's macro-F1 less the rival's, with the interval of a paired bootstrap.
    pub difference: Figure,
    /// The share of paired resamples in which the rival is at least as good.
    pub p_bootstrap: Option<f64>,
    pub mcnemar: Option<McNemarReport>,
}

/// McNemar's exact test: of the sentences on which only one is right, how many are this run's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemarReport {
    pub only_this_right: u64,
    pub only_rival_right: u64,
    pub p: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorSample {
    pub doc: String,
    pub index: usize,
    pub target: Option<String>,
    pub before: Option<String>,
    pub text: String,
    pub after: Option<String>,
    pub gold: String,
    pub predicted: String,
    pub confidence: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorReport {
    /// As `macro_f1`, `accuracy` or `f1.against`.
    pub metric: String,
    pub floor: f64,
    pub figure: Figure,
    /// Whether the value is at least the floor: what decides the exit code.
    pub holds: bool,
}

impl Report {
    /// The same without anything of the data: no answers, no texts.
    pub fn figures(&self) -> Self {
        let mut report = Self { answers: Vec::new(), ..self.clone() };
        report.tasks.iter_mut().for_each(|task| task.errors.clear());
        report
    }

    /// Reads a report that was written with its answers.
    ///
    /// # Errors
    /// If the file cannot be read, is no report of this version, or holds no answers.
    pub fn load(path: &Path) -> Result<Self> {
        let unusable = |problem: String| SetError::Unreadable { path: path.to_owned(), problem };
        let text =
            std::fs::read_to_string(path).map_err(|error| unusable(format!("could not be read: {error}")))?;
        let report: Self = serde_json::from_str(&text).map_err(|error| {
            unusable(format!("is not a report, as `standpoint eval --report` writes it: {error}"))
        })?;
        if report.schema != SCHEMA {
            let problem =
                format!("is a report of version {}, but this program reads {SCHEMA}", report.schema);
            Err(unusable(problem))?;
        }
        if report.answers.is_empty() {
            let problem = "holds figures without answers: give the .json that --report wrote";
            Err(unusable(problem.to_owned()))?;
        }
        Ok(report)
    }
}
