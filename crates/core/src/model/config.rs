//! The sizes of an encoder, BERT or MPNet, as its `config.json` gives them. They are checked here once, so that the rest can
//! rely on them. Knows nothing of weights, or of where the file came from.

use crate::error::ModelProblem;
use crate::model::architecture::Architecture;
use serde::{Deserialize, Serialize};

/// The fields of a `config.json` that standpoint reads. All others are kept as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BertConfig {
    pub model_type: String,
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub hidden_act: String,
    #[serde(default)]
    pub hidden_dropout_prob: f64,
    #[serde(default)]
    pub attention_probs_dropout_prob: f64,
    pub max_position_embeddings: usize,
    /// 0 for MPNet, which has no token types.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub type_vocab_size: usize,
    /// `None` for BERT, which has no relative position bias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_attention_num_buckets: Option<usize>,
    pub layer_norm_eps: f64,
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn absolute() -> String {
    "absolute".to_owned()
}

impl BertConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// If it is not JSON of the right fields, or describes a model that standpoint does not run.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ModelProblem> {
        let config: Self = serde_json::from_slice(bytes)
            .map_err(|source| ModelProblem::Parse { file: "config.json", source: Box::new(source) })?;
        config.check()?;
        Ok(config)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// If a field has a value that standpoint does not support.
    pub fn check(&self) -> Result<(), ModelProblem> {
        let Self { vocab_size, hidden_size, num_attention_heads, .. } = *self;
        let model_type = self.model_type.as_str();
        let known = matches!(model_type, "bert" | "mpnet");
        supported("model_type", model_type, "\"bert\" or \"mpnet\"", known)?;
        supported("hidden_act", &self.hidden_act, "\"gelu\"", self.hidden_act == "gelu")?;
        let positions = &self.position_embedding_type;
        supported("position_embedding_type", positions, "\"absolute\"", positions == "absolute")?;
        // The upper limits are far above any BERT. They keep a corrupt file from asking for all memory.
        supported("vocab_size", vocab_size, "4 to 1000000", (4..=1_000_000).contains(&vocab_size))?;
        supported("hidden_size", hidden_size, "1 to 4096", (1..=4096).contains(&hidden_size))?;
        let layers = self.num_hidden_layers;
        supported("num_hidden_layers", layers, "1 to 48", (1..=48).contains(&layers))?;
        let divides = num_attention_heads > 0 && hidden_size.is_multiple_of(num_attention_heads);
        supported("num_attention_heads", num_attention_heads, "a divisor of hidden_size", divides)?;
        let width = self.intermediate_size;
        supported("intermediate_size", width, "1 to 16384", (1..=16_384).contains(&width))?;
        let reach = self.max_position_embeddings;
        supported("max_position_embeddings", reach, "16 to 8192", (16..=8192).contains(&reach))?;
        let types = self.type_vocab_size;
        match self.architecture() {
            Architecture::Bert => supported("type_vocab_size", types, "2 to 16", (2..=16).contains(&types))?,
            Architecture::Mpnet { buckets } => {
                supported("type_vocab_size", types, "0", types == 0)?;
                let even = (4..=256).contains(&buckets) && buckets.is_multiple_of(2);
                supported("relative_attention_num_buckets", buckets, "an even number from 4 to 256", even)?;
            }
        }
        let eps = self.layer_norm_eps;
        supported("layer_norm_eps", eps, "above 0 and below 1", eps > 0.0 && eps < 1.0)?;
        let dropout = self.hidden_dropout_prob;
        supported("hidden_dropout_prob", dropout, "0 or more, below 1", (0.0..1.0).contains(&dropout))?;
        let dropout = self.attention_probs_dropout_prob;
        supported(
            "attention_probs_dropout_prob",
            dropout,
            "0 or more, below 1",
            (0.0..1.0).contains(&dropout),
        )
    }

    /// What kind of transformer the encoder is.
    pub fn architecture(&self) -> Architecture {
        match self.model_type.as_str() {
            "mpnet" => Architecture::Mpnet { buckets: self.relative_attention_num_buckets.unwrap_or(32) },
            _ => Architecture::Bert,
        }
    }

    /// The most tokens that a window can have: the positions, less those that MPNet reserves for padding.
    pub fn longest_window(&self) -> usize {
        self.max_position_embeddings - self.architecture().first_position()
    }

    /// The width of one attention head: `hidden_size / num_attention_heads`.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

fn supported(
    field: &'static str,
    found: impl ToString,
    supported: &'static str,
    holds: bool,
) -> Result<(), ModelProblem> {
    if holds { Ok(()) } else { Err(ModelProblem::Unsupported { field, found: found.to_string(), supported }) }
}
