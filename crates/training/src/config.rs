//! The training configuration: one TOML file from which a model can be made again.

use crate::differentiable::Arithmetic;
use crate::error::{Error, Result, TomlError, TrainError};
use serde::Deserialize;
use standpoint_core::label::Target;
use standpoint_core::model::WeightFormat;
use standpoint_evaluation::gold::{GoldFormat, Part};
use std::path::{Path, PathBuf};

/// A training configuration. Paths are relative to the working directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The model's name and version, as its `standpoint.toml` will give them.
    pub name: String,
    pub version: String,
    /// The model that training starts from: a hub id, or a folder.
    pub base: String,
    /// The base's revision on the hub.
    pub base_revision: Option<String>,
    /// How many of the base's layers to keep, from the first on; all, if it does not say.
    pub base_layers: Option<usize>,
    /// The folder of a finished run, or of a model, to start from, heads and all, instead of the base's weights.
    pub start: Option<PathBuf>,
    /// Folders of other finished runs, or of models, of the same shape: the model is made of the mean of their parameters and
    /// this run's.
    #[serde(default)]
    pub blend: Vec<PathBuf>,
    /// Where the finished model goes.
    pub output: PathBuf,
    /// How its weights are written there.
    #[serde(default)]
    pub weights: WeightFormat,
    /// Where checkpoints go.
    pub run: PathBuf,
    pub seed: u64,
    /// The longest window, in tokens.
    pub max_tokens: usize,
    #[serde(default = "default_target")]
    pub default_target: String,
    pub data: DataConfig,
    #[serde(default)]
    pub schedule: ScheduleConfig,
    #[serde(default)]
    pub dropout: DropoutConfig,
    #[serde(default)]
    pub loss: LossConfig,
}

fn default_target() -> String {
    Target::DEFAULT.to_owned()
}

/// What is trained on and what decides.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Gold files, of which every row is read in each epoch.
    pub train: Vec<PathBuf>,
    /// Gold files that choose the best epoch and fit the temperatures; never trained on.
    pub dev: Vec<PathBuf>,
    /// Other files to fit temperatures on; never trained on, and without a say in which epoch is best.
    #[serde(default)]
    pub further_dev: Vec<FurtherDevConfig>,
    /// The share of single sentences (gold rows with their neighbours) that are joined with others into long
    /// windows, and of documents that are cut into short ones, anew in each epoch. Otherwise the length of a
    /// window tells which file it is from, and with it which labels are likely.
    #[serde(default)]
    pub mixed: f64,
    /// The share of gold rows that are read with the names of countries, forces and politicians exchanged for
    /// others, anew in each epoch.
    #[serde(default)]
    pub renamed: f64,
    /// The share of the documents of each file that is trained on, and of each sample: for learning curves. A smaller
    /// share is part of a larger one.
    #[serde(default = "everything")]
    pub share: f64,
    /// Other files, of which each epoch reads a random sample.
    #[serde(default)]
    pub auxiliary: Vec<AuxiliaryConfig>,
    pub teacher: Option<TeacherConfig>,
}

fn everything() -> f64 {
    1.0
}

/// Other labelled text: pairs of texts and targets that teach the stance head to follow the target, attributions, or
/// sentences that are worth checking.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryConfig {
    pub path: PathBuf,
    #[serde(default = "default_format")]
    pub format: GoldFormat,
    /// The share of the file that is read, such as "all but 1 of 5", where the rest is kept to measure on.
    pub part: Option<Part>,
    /// Rows drawn in each epoch; all of them, if the file has fewer.
    pub sample: usize,
    /// The share of rows that are read with the target of another file, and have no stance toward it.
    #[serde(default)]
    pub unrelated: f64,
    /// Other targets to read the rows with, one drawn for each.
    #[serde(default)]
    pub targets: Vec<OtherTarget>,
}

/// A trained model, and text on which its judgement is learnt.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// Its folder or hub id.
    pub model: String,
    pub text: Vec<TaughtTextConfig>,
}

/// A file that the teacher reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaughtTextConfig {
    pub path: PathBuf,
    /// Of a labelled file: each row is judged toward its own target, and its labels are not looked at. Without, it is a
    /// file that `classify` could read, and is judged toward the default target.
    pub format: Option<GoldFormat>,
    /// Documents drawn in each epoch; all of them, if the file has fewer.
    pub sample: usize,
    /// Whether to learn the attributions that the teacher finds, too.
    #[serde(default)]
    pub attributions: bool,
}

/// Another way to name a file's target, or its opposite.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherTarget {
    pub phrase: Target,
    /// Whoever is in favor of one is against the other.
    #[serde(default)]
    pub reversed: bool,
}

/// Labelled text on which the heads that gold files have no labels for are calibrated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherDevConfig {
    pub path: PathBuf,
    #[serde(default = "default_format")]
    pub format: GoldFormat,
}

fn default_format() -> GoldFormat {
    GoldFormat::Standpoint
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    pub epochs: usize,
    /// The highest learning rate of the encoder; with 0 it stays as it is, and only the heads are trained.
    pub learning_rate: f64,
    /// The highest learning rate of the heads, which start from random weights.
    pub head_learning_rate: f64,
    pub weight_decay: f64,
    /// The share of steps over which the learning rate rises; it falls linearly to 0 after that.
    pub warmup: f64,
    /// Gradients with a larger norm are scaled down to it.
    pub clip_norm: f64,
    /// Tokens for one optimizer step.
    pub step_tokens: usize,
    /// Tokens for one forward and backward pass; the passes of a step are accumulated. Less needs less memory.
    pub pass_tokens: usize,
    /// Parts into which each step is cut, to be worked on side by side. Part of the configuration, not of the
    /// machine, because sums depend on it in their last bits.
    pub shards: usize,
    /// How the products of the linear layers are computed.
    pub arithmetic: ArithmeticConfig,
    /// How much of the weight of a step is left one step later, in the average of the parameters that dev scores
    /// and the model are made of; 0 for the last parameters themselves.
    pub average: f64,
    /// The epoch whose parameters become the model.
    pub keep: Keep,
    /// Minutes between checkpoints; there is one at the end of each epoch besides.
    pub checkpoint_minutes: f64,
}

/// How products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArithmeticConfig {
    /// What is fastest on the processor.
    Fastest,
    /// In bf16, with sums in f32, which needs AMX.
    Bf16,
    /// In block fixed point.
    FixedPoint,
    F32,
}

impl ArithmeticConfig {
    /// What weights are packed for, if they are.
    pub fn packed(self) -> Option<Arithmetic> {
        match self {
            Self::Fastest => Arithmetic::fastest(),
            Self::Bf16 => Some(Arithmetic::Bf16),
            Self::FixedPoint => Some(Arithmetic::FixedPoint),
            Self::F32 => None,
        }
    }
}

/// Which epoch a model is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The one with the highest mean of both macro-F1 on dev.
    Best,
    /// The last one, at which the learning rate has fallen to nothing.
    Last,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            epochs: 4,
            learning_rate: 1e-4,
            head_learning_rate: 1e-3,
            weight_decay: 0.01,
            warmup: 0.06,
            clip_norm: 1.0,
            step_tokens: 4096,
            pass_tokens: 1024,
            shards: 2,
            arithmetic: ArithmeticConfig::Fastest,
            average: 0.0,
            keep: Keep::Best,
            checkpoint_minutes: 5.0,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropoutConfig {
    pub hidden: f32,
    pub attention: f32,
    /// On sentence vectors, before the heads.
    pub heads: f32,
}

impl Default for DropoutConfig {
    fn default() -> Self {
        Self { hidden: 0.1, attention: 0.1, heads: 0.1 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Weight of each role in its cross-entropy, in the order claim, attributed, background.
    pub role_weights: [f64; 3],
    /// Weight of each stance, in the order favor, against, none.
    pub stance_weights: [f64; 3],
    /// The stance loss is multiplied by this before it is added to the role loss, and so are the others by theirs.
    pub stance: f64,
    /// Of sentences that are known only to be attributed or not, beside those whose role is known.
    pub attributed: f64,
    pub checkworthy: f64,
    /// Of the tokens' three tags, for source, cue and content.
    pub attribution: f64,
    pub holder: f64,
    /// Of what a teacher judges, its roles and its stances each.
    pub taught: f64,
    /// The share of probability that training spreads over all labels.
    pub label_smoothing: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            role_weights: [1.0; 3],
            stance_weights: [1.0; 3],
            stance: 1.0,
            attributed: 0.3,
            checkworthy: 0.3,
            attribution: 3.0,
            holder: 0.3,
            taught: 1.0,
            label_smoothing: 0.0,
        }
    }
}

impl TrainConfig {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// If it cannot be read, is not TOML of these fields, or holds a value out of range.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| TrainError::Setting {
            path: path.to_owned(),
            problem: format!("could not be read: {error}"),
        })?;
        let config: Self = toml::from_str(&text).map_err(|error| TrainError::Config {
            path: path.to_owned(),
            source: TomlError::new(&error, &text),
        })?;
        match config.problem() {
            Some(problem) => {
                Err(Error::from(TrainError::Setting { path: path.to_owned(), problem: problem.to_owned() }))
            }
            None => Ok(config),
        }
    }

    fn problem(&self) -> Option<&'static str> {
        let schedule = &self.schedule;
        let rate = |value: f32| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let weights = |weights: &[f64; 3]| weights.iter().copied().all(positive);
        [
            (Target::new(&self.default_target).is_ok(), "default_target must be a short phrase of one line"),
            (self.base_layers != Some(0), "base_layers must be 1 or more"),
            (self.max_tokens >= 32, "max_tokens must be 32 or more"),
            (!self.data.train.is_empty(), "data.train must name at least one file"),
            (!self.data.dev.is_empty(), "data.dev must name at least one file"),
            ((0.0..=1.0).contains(&self.data.mixed), "data.mixed must be from 0 to 1"),
            ((0.0..=1.0).contains(&self.data.renamed), "data.renamed must be from 0 to 1"),
            (self.data.share > 0.0 && self.data.share <= 1.0, "data.share must be above 0, and 1 at most"),
            (
                self.data.auxiliary.iter().all(|aux| (0.0..=1.0).contains(&aux.unrelated)),
                "data.auxiliary.unrelated must be from 0 to 1",
            ),
            (self.data.auxiliary.iter().all(|aux| aux.sample > 0), "data.auxiliary.sample must be 1 or more"),
            (
                self.data.teacher.iter().flat_map(|teacher| &teacher.text).all(|text| text.sample > 0),
                "data.teacher.text.sample must be 1 or more",
            ),
            (schedule.epochs > 0, "schedule.epochs must be 1 or more"),
            (schedule.shards > 0 && schedule.shards <= 64, "schedule.shards must be from 1 to 64"),
            (
                schedule.learning_rate.is_finite() && schedule.learning_rate >= 0.0,
                "schedule.learning_rate must not be negative",
            ),
            (positive(schedule.head_learning_rate), "schedule.head_learning_rate must be above 0"),
            (
                schedule.weight_decay.is_finite() && schedule.weight_decay >= 0.0,
                "schedule.weight_decay must not be negative",
            ),
            ((0.0..1.0).contains(&schedule.warmup), "schedule.warmup must be from 0 to below 1"),
            (
                schedule.arithmetic.packed().is_none_or(Arithmetic::is_available),
                "schedule.arithmetic cannot be \"bf16\" here, for this processor lacks AMX",
            ),
            (positive(schedule.clip_norm), "schedule.clip_norm must be above 0"),
            ((0.0..1.0).contains(&schedule.average), "schedule.average must be from 0 to below 1"),
            (schedule.step_tokens >= self.max_tokens, "schedule.step_tokens must be at least max_tokens"),
            (schedule.pass_tokens >= self.max_tokens, "schedule.pass_tokens must be at least max_tokens"),
            (positive(schedule.checkpoint_minutes), "schedule.checkpoint_minutes must be above 0"),
            (
                [self.dropout.hidden, self.dropout.attention, self.dropout.heads].into_iter().all(rate),
                "dropout rates must be from 0 to below 1",
            ),
            (weights(&self.loss.role_weights), "loss.role_weights must be above 0"),
            (weights(&self.loss.stance_weights), "loss.stance_weights must be above 0"),
            (positive(self.loss.stance), "loss.stance must be above 0"),
            (
                [
                    self.loss.attributed,
                    self.loss.checkworthy,
                    self.loss.attribution,
                    self.loss.holder,
                    self.loss.taught,
                ]
                .into_iter()
                .all(|weight| weight.is_finite() && weight >= 0.0),
                "loss.attributed, checkworthy, attribution, holder and taught must not be negative",
            ),
            (
                (0.0..1.0).contains(&self.loss.label_smoothing),
                "loss.label_smoothing must be from 0 to below 1",
            ),
        ]
        .into_iter()
        .find_map(|(holds, problem)| (!holds).then_some(problem))
    }
}
