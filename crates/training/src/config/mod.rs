//! The training configuration: TOML from which a model can be made again. The names of fields are the keys of the file, and
//! they are part of what identifies a run (`identity.rs`): a field that is renamed keeps its key with `serde(rename)`.

mod check;
mod load;

use crate::differentiable::Arithmetic;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use standpoint_core::label::Target;
use standpoint_core::model::WeightFormat;
use standpoint_core::window::WindowShape;
use standpoint_evaluation::gold::{Fold, GoldFormat};
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;

/// A training configuration. Paths are relative to the working directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The model's name and version, for its `standpoint.toml`.
    pub name: String,
    pub version: String,
    /// The model that training starts from: a hub id, or a folder.
    pub base: String,
    /// The base's revision on the hub.
    pub base_revision: Option<String>,
    /// The folder of a finished run, or of a model. Training starts from its parameters, including the heads, and not from the
    /// base's.
    pub start: Option<PathBuf>,
    /// Folders of other finished runs, or of models, of the same shape. The finished model has the mean of their parameters
    /// and this run's.
    #[serde(default)]
    pub blend: Vec<PathBuf>,
    /// The folder for the finished model.
    pub output: PathBuf,
    /// The storage format of the finished model.
    #[serde(default)]
    pub weights: WeightFormat,
    /// The folder for checkpoints.
    pub run: PathBuf,
    pub seed: u64,
    /// The longest window, in tokens.
    pub max_tokens: usize,
    /// The most tokens of a document's first sentences that its later windows begin with.
    #[serde(default)]
    pub lead_tokens: usize,
    /// How many layers, from the first, read texts and targets each alone.
    #[serde(default)]
    pub text_layers: usize,
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

impl TrainConfig {
    pub(crate) fn window_shape(&self) -> WindowShape {
        WindowShape { max_tokens: self.max_tokens, lead_tokens: self.lead_tokens }
    }
}

/// The files that a run trains on and is measured on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Gold files, read whole in each epoch.
    pub train: Vec<PathBuf>,
    /// Gold files that select the best epoch and calibrate the heads. They are never trained on.
    pub dev: Vec<PathBuf>,
    /// Other files that calibrate heads. They are never trained on and do not affect which epoch is best.
    #[serde(default, deserialize_with = "named_tables")]
    pub further_dev: Vec<FurtherDevConfig>,
    /// The share of single sentences (gold rows with their neighbours) that are joined into long windows, and of documents
    /// that are cut into short ones, anew in each epoch. Otherwise the length of a window reveals its file, and with it the
    /// likely labels.
    #[serde(default)]
    pub mixed: f64,
    /// The share of gold windows that are also read toward the target of another document, toward which they have no stance.
    #[serde(default)]
    pub unrelated: f64,
    /// Other files. Each epoch reads a random sample of each.
    #[serde(default, deserialize_with = "named_tables")]
    pub auxiliary: Vec<AuxiliaryConfig>,
    pub teacher: Option<TeacherConfig>,
}

/// Other labelled text: pairs of texts and targets that teach the stance head to follow the target, attributions, or sentences
/// that are worth checking.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuxiliaryConfig {
    pub path: PathBuf,
    #[serde(default = "default_format")]
    pub format: GoldFormat,
    /// The part of the file that is read, such as "all but 1 of 5", where the rest is kept for measuring.
    pub part: Option<Fold>,
    /// Rows drawn in each epoch; all of them if the file has fewer. With 0 the file is not read.
    pub sample: usize,
    /// The share of rows that are also read with the target of another file, toward which they have no stance.
    #[serde(default)]
    pub unrelated: f64,
    /// Other targets to read the rows with, one drawn for each row.
    #[serde(default)]
    pub targets: Vec<OtherTarget>,
}

/// A trained model, and the text from which its predictions are learned.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherConfig {
    /// Its folder or hub id.
    pub model: String,
    #[serde(deserialize_with = "named_tables")]
    pub text: Vec<TaughtTextConfig>,
}

/// A file that the teacher labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaughtTextConfig {
    pub path: PathBuf,
    /// For a labelled file: the teacher labels each row toward the row's own target, and the file's labels are ignored. Without
    /// a format, the file is one that `classify` can read, and the teacher labels it toward the default target.
    pub format: Option<GoldFormat>,
    /// Documents drawn in each epoch; all of them if the file has fewer. With 0 the file is not read.
    pub sample: usize,
    /// Whether the attributions that the teacher finds are learned, too.
    #[serde(default)]
    pub attributions: bool,
}

/// Another phrase for a file's target, or for its opposite.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherTarget {
    pub phrase: Target,
    /// Whoever favors the file's target is against this one.
    #[serde(default)]
    pub reversed: bool,
}

/// Labelled text on which the heads that gold files have no labels for are calibrated.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherDevConfig {
    pub path: PathBuf,
    #[serde(default = "default_format")]
    pub format: GoldFormat,
}

fn default_format() -> GoldFormat {
    GoldFormat::Standpoint
}

/// Reads a table of tables as a list, in the order of the file. Each has a name so that another configuration can change it;
/// training does not use the name.
fn named_tables<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Values<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("tables with a name each, such as [data.auxiliary.polnear]")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Vec<T>, M::Error> {
            let mut values = Vec::new();
            while let Some((IgnoredAny, value)) = map.next_entry()? {
                values.push(value);
            }
            Ok(values)
        }
    }

    deserializer.deserialize_map(Values(PhantomData))
}

/// Epochs, steps and learning rates.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    pub epochs: usize,
    /// The peak learning rate of the encoder. With 0 the encoder is frozen, and only the heads are trained.
    pub learning_rate: f64,
    /// The peak learning rate of the heads, which start from random weights.
    pub head_learning_rate: f64,
    pub weight_decay: f64,
    /// The share of steps over which the learning rate rises. It falls linearly to 0 after that.
    pub warmup: f64,
    /// Gradients with a larger norm are scaled down to it.
    pub clip_norm: f64,
    /// Tokens for one optimizer step.
    pub step_tokens: usize,
    /// Tokens for one forward and backward pass; gradients are accumulated over the passes of a step. Less needs less memory.
    pub pass_tokens: usize,
    /// The parts of a step that are computed in parallel. The configuration sets this and not the machine, because the last
    /// bits of sums depend on it.
    pub shards: usize,
    /// The compute format of linear layers.
    pub arithmetic: ArithmeticConfig,
    /// The decay, per step, of the moving average of the parameters that dev scores and the model are taken from. With 0 the
    /// parameters themselves are used.
    pub average: f64,
    /// The epoch whose parameters become the model.
    pub keep: Keep,
    /// Minutes between checkpoints. The end of each epoch also saves one.
    pub checkpoint_minutes: f64,
}

/// The compute format of linear layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArithmeticConfig {
    /// Whichever is fastest on the processor.
    Fastest,
    /// bf16, with sums in f32. Needs AMX.
    Bf16,
    /// Block fixed point.
    FixedPoint,
    F32,
}

impl ArithmeticConfig {
    /// The format that weights are packed for; none for f32, which needs no packing.
    pub fn packed(self) -> Option<Arithmetic> {
        match self {
            Self::Fastest => Arithmetic::fastest(),
            Self::Bf16 => Some(Arithmetic::Bf16),
            Self::FixedPoint => Some(Arithmetic::FixedPoint),
            Self::F32 => None,
        }
    }
}

/// The epoch that the model is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The one with the highest mean of both macro-F1 on dev.
    Best,
    /// The last one, at which the learning rate has fallen to 0.
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

/// Shares of values that dropout sets to 0.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DropoutConfig {
    /// In the encoder, as in BERT.
    pub hidden: f32,
    /// On attention probabilities.
    pub attention: f32,
    /// On sentence vectors, before the heads.
    pub heads: f32,
}

impl Default for DropoutConfig {
    fn default() -> Self {
        Self { hidden: 0.1, attention: 0.1, heads: 0.1 }
    }
}

/// The weights of the losses and of their classes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Class weights of claim, attributed and background in the cross-entropy.
    pub role_weights: [f64; 3],
    /// Class weights of favor, against and none.
    pub stance_weights: [f64; 3],
    /// The weight of the stance loss. That of the role loss is 1.
    pub stance: f64,
    /// The weight of sentences that are known only as attributed or not.
    pub attributed: f64,
    pub checkworthy: f64,
    /// The weight of the tags of tokens, for source, cue and content.
    pub attribution: f64,
    pub holder: f64,
    /// That of who speaks.
    pub speaker: f64,
    /// The weight of the teacher's roles, and of its stances.
    pub taught: f64,
    /// The probability that is spread evenly over all labels.
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
            speaker: 0.3,
            taught: 1.0,
            label_smoothing: 0.0,
        }
    }
}
