//! MPNet in candle's tensor operations, for inference. [`super::ReferenceEncoder`] runs it, because candle has no MPNet. It is
//! plain rather than fast.

use crate::model::{
    Architecture, BertConfig, EncoderTensors, LayerTensors, Parameter, WeightAndBias, Weights,
};
use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops::softmax;

/// The weight of a linear layer, transposed, and its bias; or the weight and bias of a layer norm.
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
    up: Pair,
    down: Pair,
    output_norm: Pair,
}

pub(super) struct Mpnet {
    architecture: Architecture,
    heads: usize,
    hidden: usize,
    epsilon: f64,
    words: Tensor,
    positions: Tensor,
    embedding_norm: Pair,
    /// `[buckets, heads]`
    relative_position_bias: Vec<f32>,
    layers: Vec<Layer>,
    /// How many of the layers read each sequence alone.
    text_layers: usize,
}

impl Mpnet {
    /// # Errors
    /// If candle cannot make a tensor.
    ///
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing, or the architecture is not MPNet.
    pub(super) fn new(config: &BertConfig, weights: &Weights, text_layers: usize) -> Result<Self> {
        let tensor = |parameter: &Parameter| {
            let values = weights.values(&parameter.name);
            Tensor::from_slice(values, parameter.shape.as_slice(), &Device::Cpu)
        };
        let norm = |tensors: &WeightAndBias| -> Result<Pair> {
            Ok(Pair { weight: tensor(&tensors.weight)?, bias: tensor(&tensors.bias)? })
        };
        let linear = |tensors: &WeightAndBias| -> Result<Pair> {
            let Pair { weight, bias } = norm(tensors)?;
            Ok(Pair { weight: weight.t()?.contiguous()?, bias })
        };
        let layer = |tensors: &LayerTensors| -> Result<Layer> {
            Ok(Layer {
                query: linear(&tensors.query)?,
                key: linear(&tensors.key)?,
                value: linear(&tensors.value)?,
                output: linear(&tensors.attention_output)?,
                attention_norm: norm(&tensors.attention_norm)?,
                up: linear(&tensors.up)?,
                down: linear(&tensors.down)?,
                output_norm: norm(&tensors.output_norm)?,
            })
        };
        let tensors = EncoderTensors::new(&config.into());
        let bias = tensors.relative_position_bias.as_ref().expect("MPNet has a relative position bias");
        Ok(Self {
            architecture: config.architecture(),
            heads: config.num_attention_heads,
            hidden: config.hidden_size,
            epsilon: config.layer_norm_eps,
            words: tensor(&tensors.words)?,
            positions: tensor(&tensors.positions)?,
            embedding_norm: norm(&tensors.embedding_norm)?,
            relative_position_bias: weights.values(&bias.name).to_vec(),
            layers: tensors.layers.iter().map(layer).collect::<Result<_>>()?,
            text_layers,
        })
    }

    /// What the lower layers make of a sequence, `[tokens, hidden]`.
    pub(super) fn sequence(&self, tokens: &[u32]) -> Result<Tensor> {
        let words = self.words.embedding(&Tensor::new(tokens, &Device::Cpu)?)?;
        let positions = self.positions.narrow(0, self.architecture.first_position(), tokens.len())?;
        let states = self.embedding_norm.norm(&(words + positions)?, self.epsilon)?;
        self.run(&self.layers[..self.text_layers], states)
    }

    /// What the upper layers make of the lower states of a reading, `[tokens, hidden]`.
    pub(super) fn reading(&self, states: &Tensor) -> Result<Tensor> {
        self.run(&self.layers[self.text_layers..], states.clone())
    }

    fn run(&self, layers: &[Layer], mut states: Tensor) -> Result<Tensor> {
        let bias = self.bias(states.dim(0)?)?;
        for layer in layers {
            let attended = (layer.output.linear(&self.attend(layer, &states, &bias)?)? + &states)?;
            let attended = layer.attention_norm.norm(&attended, self.epsilon)?;
            let inner = layer.up.linear(&attended)?.gelu_erf()?;
            states = (layer.down.linear(&inner)? + &attended)?;
            states = layer.output_norm.norm(&states, self.epsilon)?;
        }
        Ok(states)
    }

    /// What is added to the score of each query and key, `[heads, length, length]`.
    fn bias(&self, length: usize) -> Result<Tensor> {
        let (table, heads) = (&self.relative_position_bias, self.heads);
        let mut bias = Vec::with_capacity(heads * length * length);
        for head in 0..heads {
            for query in 0..length as isize {
                let buckets =
                    (0..length as isize).map(|key| self.architecture.relative_position_bucket(key - query));
                bias.extend(buckets.map(|bucket| table[bucket * heads + head]));
            }
        }
        Tensor::from_vec(bias, (heads, length, length), &Device::Cpu)
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
