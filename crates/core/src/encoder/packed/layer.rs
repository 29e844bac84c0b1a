//! A layer's weights, packed into the form in which they are multiplied.

use crate::model::{BertConfig, LayerTensors, WeightAndBias, Weights};
use standpoint_kernels::linear::{Activation, Linear};
use standpoint_kernels::norm::LayerNorm;
use standpoint_kernels::{ComputeFormat, Isa, padded};
use std::iter;

/// Bias and GELU are part of a linear layer; so is the layer norm that its input comes from, where that is so.
pub(super) struct Layer {
    pub(super) qkv: Linear,
    pub(super) output: Linear,
    pub(super) attention_norm: LayerNorm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: LayerNorm,
}

/// A column of padding: no weights, and a bias of 0.
const EMPTY: (&[f32], f32) = (&[], 0.0);

impl Layer {
    /// # Panics
    /// If one of `tensors` is missing, or this processor lacks the instruction set.
    pub(super) fn new(
        config: &BertConfig,
        tensors: &LayerTensors,
        weights: &Weights,
        format: ComputeFormat,
        isa: Isa,
    ) -> Self {
        let (hidden, wide, size) = (config.hidden_size, config.intermediate_size, config.head_size());
        let (heads, padded_size) = (config.num_attention_heads, padded(size));
        let values = |tensors: &WeightAndBias| {
            (weights.values(&tensors.weight.name), weights.values(&tensors.bias.name))
        };
        let plain = |tensors: &WeightAndBias, inputs: usize, activation, norm| {
            let (weight, bias) = values(tensors);
            let rows = weight.chunks_exact(inputs).zip(bias.iter().copied());
            let padding = iter::repeat_n(EMPTY, padded(bias.len()) - bias.len());
            Linear::new(isa, format, activation, padded(inputs), norm, rows.chain(padding))
        };

        // Attention wants queries divided by the root of the head's size and by ln 2. Here that is done once and for all.
        let scale = std::f32::consts::LOG2_E / (size as f32).sqrt();
        let scaled = |values: &[f32]| -> Vec<f32> { values.iter().map(|value| value * scale).collect() };
        let (query, query_bias) = values(&tensors.query);
        let (query, query_bias) = (scaled(query), scaled(query_bias));
        // A key's bias adds the same to all scores of a query, which softmax does not see. A value's bias adds the same to
        // every context, so that it can be part of the output's bias. Without them, keys and values are quantized more finely.
        let (key, _) = values(&tensors.key);
        let (value, value_bias) = values(&tensors.value);
        let no_bias = vec![0.0; hidden];
        let parts = [(&query[..], &query_bias[..]), (key, &no_bias[..]), (value, &no_bias[..])];
        // The columns of each head are padded.
        let columns = parts.into_iter().flat_map(|(weight, bias)| {
            (0..heads * padded_size).map(move |column| {
                let (head, at) = (column / padded_size, column % padded_size);
                let row = head * size + at;
                if at < size { (&weight[row * hidden..][..hidden], bias[row]) } else { EMPTY }
            })
        });
        let input_norm = Some(values(&tensors.input_norm));
        let qkv = Linear::new(isa, format, Activation::None, padded(hidden), input_norm, columns);

        // The rows of the output's weight have zeros where the columns of the heads are padded.
        let spread = |row: &[f32]| -> Vec<f32> {
            let mut wide = vec![0.0; heads * padded_size];
            for (to, from) in wide.chunks_exact_mut(padded_size).zip(row.chunks_exact(size)) {
                to[..size].copy_from_slice(from);
            }
            wide
        };
        let (weight, bias) = values(&tensors.attention_output);
        let bias = weight.chunks_exact(hidden).zip(bias).map(|(row, bias)| {
            bias + row.iter().zip(value_bias).map(|(weight, value)| weight * value).sum::<f32>()
        });
        let weight: Vec<Vec<f32>> = weight.chunks_exact(hidden).map(spread).collect();
        let padding = iter::repeat_n(EMPTY, padded(hidden) - hidden);
        let columns = weight.iter().map(Vec::as_slice).zip(bias).chain(padding);
        let output = Linear::new(isa, format, Activation::None, heads * padded_size, None, columns);

        let attention_norm = Some(values(&tensors.attention_norm));
        Self {
            qkv,
            output,
            attention_norm: norm(weights, &tensors.attention_norm, config),
            up: plain(&tensors.up, hidden, Activation::Gelu, attention_norm),
            down: plain(&tensors.down, wide, Activation::None, None),
            output_norm: norm(weights, &tensors.output_norm, config),
        }
    }
}

/// A layer norm.
///
/// # Panics
/// If one of `tensors` is missing.
pub(super) fn norm(weights: &Weights, tensors: &WeightAndBias, config: &BertConfig) -> LayerNorm {
    let values = |name: &str| weights.values(name);
    LayerNorm::new(values(&tensors.weight.name), values(&tensors.bias.name), config.layer_norm_eps as f32)
}
