//! The report of an evaluation as data, which `render` presents and `--compare` reads. Everything in it can be computed
//! again from the logged samples. A field's name is its key in JSON.

pub use crate::identity::{ModelIdentity, RunIdentity, SetIdentity};

use crate::error::{Result, SetError};
use crate::json;
use crate::sample::Task;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The version of the report's JSON. It rises when a field changes its meaning, not when a field is added.
pub const SCHEMA: u32 = 1;

/// The figures of one model on one set, and what is needed to measure them again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub schema: u32,
    pub set: SetIdentity,
    pub model: ModelIdentity,
    pub run: RunIdentity,
    /// One entry for each task of the set that the model answers.
    pub tasks: Vec<TaskReport>,
    /// Remarks for the reader, in sentences.
    pub notes: Vec<String>,
    /// Each answer with its gold label, without texts, so that another run can be compared with this one. Empty if only
    /// the figures were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerRow>,
}

/// The gold label of a sentence and the model's answer. File, document, offsets and target identify the sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnswerRow {
    pub task: Task,
    pub file: String,
    pub doc: String,
    /// Half-open byte offsets into the document's text.
    pub start: usize,
    pub end: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    pub gold: String,
    pub predicted: String,
}

/// A figure with its 95% interval, by bootstrap over documents. There is no value if there is nothing to measure, and no
/// interval for fewer than two documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
}

/// The figures of one task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskReport {
    /// `role`, `stance`, `attributed`, `checkworthy`, `spans`, `holder`.
    pub task: String,
    pub sentences: usize,
    pub documents: usize,
    pub classes: Option<ClassReport>,
    pub calibration: Option<CalibrationReport>,
    /// For tasks with a positive label.
    pub ranking: Option<RankingReport>,
    /// For tasks that mark spans: one entry for each kind.
    pub spans: Vec<SpanReport>,
    /// If sentences were predicted: how well they match the gold sentences.
    pub segmentation: Option<SegmentationReport>,
    /// For sets of minimal pairs: one entry for each kind of pair.
    pub pairs: Vec<PairReport>,
    pub slices: Vec<Slice>,
    /// The comparison with each baseline.
    pub baselines: Vec<Comparison>,
    /// The comparison with another run.
    pub comparison: Option<Comparison>,
    /// The most confident wrong answers, the most confident first.
    pub errors: Vec<ErrorSample>,
    pub floors: Vec<FloorReport>,
}

/// The figures of a task that gives each sentence one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// In the order of `confusion`.
    pub labels: Vec<LabelReport>,
    pub macro_f1: Figure,
    pub micro_f1: Option<f64>,
    pub weighted_f1: Option<f64>,
    pub accuracy: Figure,
    /// Matthews correlation coefficient.
    pub matthews: Figure,
    /// `[gold][predicted]`, for the sentences that are both in gold and in the prediction.
    pub confusion: Vec<Vec<u64>>,
}

/// The figures of one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelReport {
    pub label: String,
    pub precision: Option<f64>,
    pub recall: Option<f64>,
    pub f1: Figure,
    pub support: u64,
    /// The figures of this label against the rest.
    pub average_precision: Option<f64>,
    /// Recall and precision, from the highest threshold to the lowest; at most 200 points. Empty if only the figures were
    /// written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curve: Vec<[f64; 2]>,
}

/// How well confidence matches accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Expected calibration error of the predicted label.
    pub error: Figure,
    /// Brier score: the mean squared distance of the probabilities from the truth, summed over labels; from 0 to 2.
    pub brier: Figure,
    pub bins: Vec<CalibrationBin>,
    /// Accuracy when the least confident answers are dropped. Empty if only the figures were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub abstention: Vec<AbstentionPoint>,
}

/// The answers whose confidence lies between two bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    pub low: f64,
    pub high: f64,
    pub count: u64,
    /// Mean confidence. `None` for an empty bin, as is `accuracy`.
    pub confidence: Option<f64>,
    pub accuracy: Option<f64>,
}

/// The figures if the model abstains below a threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbstentionPoint {
    /// Answers with less confidence are dropped.
    pub threshold: f64,
    /// The share of sentences that are answered.
    pub coverage: f64,
    pub accuracy: f64,
    pub macro_f1: Option<f64>,
}

/// The measures of CheckThat! for a ranking by the score of the positive label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingReport {
    pub average_precision: Figure,
    pub reciprocal_rank: Option<f64>,
    pub r_precision: Option<f64>,
    /// Pairs of `k` and the precision among the first `k`.
    pub precision_at: Vec<(usize, Option<f64>)>,
    /// F1 of the positive label at the model's own threshold.
    pub positive_f1: Figure,
}

/// The figures of one kind of span: source, cue, content or holder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanReport {
    pub kind: String,
    pub gold: u64,
    pub predicted: u64,
    pub exact_precision: Option<f64>,
    pub exact_recall: Option<f64>,
    pub exact_f1: Figure,
    /// Each span counts by the share of its bytes that the other side marks.
    pub overlap_precision: Option<f64>,
    pub overlap_recall: Option<f64>,
    pub overlap_f1: Figure,
}

/// How well predicted sentences match gold sentences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentationReport {
    pub gold: u64,
    pub predicted: u64,
    /// Sentences with the same start and end in both.
    pub matched: u64,
    pub f1: Option<f64>,
}

/// Minimal pairs of one kind. A pair is right only if both sides are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairReport {
    /// What the sides differ in, or `all`.
    pub kind: String,
    pub pairs: usize,
    /// The share of right pairs. Its interval is by bootstrap over pairs.
    pub accuracy: Figure,
}

/// The figures of the sentences that share a property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The property: `quotes`, `length` and so on, or a field of the data.
    pub by: String,
    pub value: String,
    pub sentences: usize,
    pub macro_f1: Figure,
    pub accuracy: Figure,
}

/// Other answers to the same sentences, of a baseline or of another run, compared with this run's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Whose answers they are.
    pub name: String,
    /// Their macro-F1.
    pub macro_f1: Figure,
    /// This run's macro-F1 minus theirs, with the interval of a paired bootstrap.
    pub difference: Figure,
    /// The share of paired resamples in which they are at least as good.
    pub p_bootstrap: Option<f64>,
    pub mcnemar: Option<McNemarReport>,
}

/// McNemar's exact test, from the sentences that only one of the two answered right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemarReport {
    pub only_this_right: u64,
    /// The key in JSON keeps its first name, because reports of schema 1 have it.
    #[serde(rename = "only_rival_right")]
    pub only_other_right: u64,
    pub p: f64,
}

/// A wrong answer, with the sentence and its neighbours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorSample {
    pub doc: String,
    /// The sentence's index in its document, from 0.
    pub index: usize,
    pub target: Option<String>,
    pub before: Option<String>,
    pub text: String,
    pub after: Option<String>,
    pub gold: String,
    pub predicted: String,
    pub confidence: f64,
}

/// A figure and the lowest value that the set allows for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FloorReport {
    /// Such as `macro_f1`, `accuracy` or `f1.against`.
    pub metric: String,
    pub floor: f64,
    pub figure: Figure,
    /// Whether the value reaches the floor. The exit code depends on it.
    pub holds: bool,
}

impl Report {
    /// The report without answers, texts and curves: what is worth committing.
    pub fn figures(&self) -> Self {
        let mut report = Self { answers: Vec::new(), ..self.clone() };
        for task in &mut report.tasks {
            task.errors.clear();
            task.classes
                .iter_mut()
                .flat_map(|classes| &mut classes.labels)
                .for_each(|label| label.curve.clear());
            task.calibration.iter_mut().for_each(|calibration| calibration.abstention.clear());
        }
        report
    }

    /// The report as JSON, with short lists on one line.
    pub fn to_json(&self) -> String {
        json::to_lines(&serde_json::to_value(self).expect("a report consists of numbers and strings"))
    }

    /// Reads a report with its answers, to compare with.
    ///
    /// # Errors
    /// If the file cannot be read, is not a report of this version, or has no answers.
    pub fn load(path: &Path) -> Result<Self> {
        let unusable = |problem: String| SetError::Unreadable { path: path.to_owned(), problem };
        let text =
            std::fs::read_to_string(path).map_err(|error| unusable(format!("could not be read: {error}")))?;
        let report: Self = serde_json::from_str(&text).map_err(|error| {
            unusable(format!("is not a report that `standpoint eval --report` wrote: {error}"))
        })?;
        if report.schema != SCHEMA {
            let problem =
                format!("is a report of version {}, but this program reads version {SCHEMA}", report.schema);
            Err(unusable(problem))?;
        }
        if report.answers.is_empty() {
            let problem = "has figures but no answers: give the .json that --report wrote";
            Err(unusable(problem.to_owned()))?;
        }
        Ok(report)
    }
}
