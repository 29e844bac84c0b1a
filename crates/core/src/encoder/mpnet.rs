//! MPNet in candle's tensor operations, for inference alone: what [`super::ReferenceEncoder`] runs where the model is
//! one, for candle has none of its own. Plain rather than fast.

use crate::model::{BertConfig, Kind, Weights};
use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::softmax;

/// A linear layer's weight, transposed, and its bias; or a layer norm's weight and bias.
struct Pair {
    weight: Tensor,
    bias: Tensor,
}

impl Pair {
    fn linear(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight)?.broadcast_add(&self.bias)
    }

    fn norm(&self, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let deviation = (x.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?;
        x.broadcast_div(&deviation)?.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)
    }
}

struct Layer {
    query: Pair,
    key: Pair,
    value: Pair,
    output: Pair,
    attention_norm: Pair,
    widen: Pair,
    narrow: Pair,
    output_norm: Pair,
}

pub(super) struct Mpnet {
    kind: Kind,
    heads: usize,
    hidden: usize,
    epsilon: f64,
    words: Tensor,
    positions: Tensor,
    embedding_norm: Pair,
    /// `[buckets, heads]`
    distances: Vec<f32>,
    layers: Vec<Layer>,
}

impl Mpnet {
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing.
    pub(super) fn new(config: &BertConfig, weights: &Weights) -> Result<Self> {
        let tensor = |name: &str| {
            let tensor = weights.get(name).expect("the parameters were checked");
            Tensor::from_slice(&tensor.values, tensor.shape.as_slice(), &Device::Cpu)
        };
        let norm = |name: &str| -> Result<Pair> {
            Ok(Pair { weight: tensor(&format!("{name}.weight"))?, bias: tensor(&format!("{name}.bias"))? })
        };
        let linear = |name: &str| -> Result<Pair> {
            let Pair { weight, bias } = norm(name)?;
            Ok(Pair { weight: weight.t()?.contiguous()?, bias })
        };
        let layer = |layer: usize| -> Result<Layer> {
            let names = config.kind().names();
            let linear = |part: &str| linear(&format!("encoder.layer.{layer}.{part}"));
            let norm = |part: &str| norm(&format!("encoder.layer.{layer}.{part}"));
            Ok(Layer {
                query: linear(names.query)?,
                key: linear(names.key)?,
                value: linear(names.value)?,
                output: linear(names.attention_output)?,
                attention_norm: norm(names.attention_norm)?,
                widen: linear("intermediate.dense")?,
                narrow: linear("output.dense")?,
                output_norm: norm("output.LayerNorm")?,
            })
        };
        Ok(Self {
            kind: config.kind(),
            heads: config.num_attention_heads,
            hidden: config.hidden_size,
            epsilon: config.layer_norm_eps,
            words: tensor("embeddings.word_embeddings.weight")?,
            positions: tensor("embeddings.position_embeddings.weight")?,
            embedding_norm: norm("embeddings.LayerNorm")?,
            distances: weights.values(Kind::DISTANCES).to_vec(),
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The states of a window's tokens, `[tokens, hidden]`.
    pub(super) fn forward(&self, tokens: &[u32]) -> Result<Tensor> {
        let length = tokens.len();
        let words = self.words.embedding(&Tensor::new(tokens, &Device::Cpu)?)?;
        let positions = self.positions.narrow(0, self.kind.first_position(), length)?;
        let bias = self.bias(length)?;
        let mut states = self.embedding_norm.norm(&(words + positions)?, self.epsilon)?;
        for layer in &self.layers {
            let attended = (layer.output.linear(&self.attend(layer, &states, &bias)?)? + &states)?;
            let attended = layer.attention_norm.norm(&attended, self.epsilon)?;
            let inner = layer.widen.linear(&attended)?.gelu_erf()?;
            states = (layer.narrow.linear(&inner)? + &attended)?;
            states = layer.output_norm.norm(&states, self.epsilon)?;
        }
        Ok(states)
    }

    /// `[heads, length, length]`: what is added to the score of each query and key.
    fn bias(&self, length: usize) -> Result<Tensor> {
        let mut bias = Vec::with_capacity(self.heads * length * length);
        for head in 0..self.heads {
            for query in 0..length as isize {
                let buckets = (0..length as isize).map(|key| self.kind.bucket(key - query));
                bias.extend(buckets.map(|bucket| self.distances[bucket * self.heads + head]));
            }
        }
        Tensor::from_vec(bias, (self.heads, length, length), &Device::Cpu)
    }

    fn attend(&self, layer: &Layer, states: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let (length, size) = (states.dim(0)?, self.hidden / self.heads);
        let split = |x: Tensor| x.reshape((length, self.heads, size))?.transpose(0, 1)?.contiguous();
        let query = (split(layer.query.linear(states)?)? / (size as f64).sqrt())?;
        let key = split(layer.key.linear(states)?)?;
        let value = split(layer.value.linear(states)?)?;
        let scores = (query.matmul(&key.t()?)? + bias)?;
        let context = softmax(&scores, D::Minus1)?.matmul(&value)?;
        context.transpose(0, 1)?.contiguous()?.reshape((length, self.hidden))
    }
}
