//! A layer's weights, brought into the form in which they are multiplied.

use crate::model::{BertConfig, Weights};
use standpoint_kernels::linear::{Activation, Linear};
use standpoint_kernels::norm::LayerNorm;
use standpoint_kernels::{ComputeFormat, Isa, padded};

pub(super) struct Layer {
    pub(super) qkv: Linear,
    pub(super) output: Linear,
    pub(super) attention_norm: LayerNorm,
    pub(super) widen: Linear,
    pub(super) narrow: Linear,
    pub(super) output_norm: LayerNorm,
}

impl Layer {
    pub(super) fn new(
        config: &BertConfig,
        weights: &Weights,
        layer: usize,
        format: ComputeFormat,
        isa: Isa,
    ) -> Self {
        let (hidden, wide, size) = (config.hidden_size, config.intermediate_size, config.head_size());
        let (heads, filled) = (config.num_attention_heads, padded(size));
        let names = config.kind().names();
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let values = |part: &str, kind: &str| weights.values(&name(&format!("{part}.{kind}")));
        let nothing: (&[f32], f32) = (&[], 0.0);
        let plain = |part: &str, inputs: usize, activation, from| {
            let (weight, bias) = (values(part, "weight"), values(part, "bias"));
            let rows = weight.chunks_exact(inputs).zip(bias.iter().copied());
            let padding = std::iter::repeat_n(nothing, padded(bias.len()) - bias.len());
            Linear::new(isa, format, activation, padded(inputs), from, rows.chain(padding))
        };

        // Queries are divided by the root of the head's size here, once and for all, and by ln 2, as attention wants it.
        let scale = std::f32::consts::LOG2_E / (size as f32).sqrt();
        let scaled =
            |kind| -> Vec<f32> { values(names.query, kind).iter().map(|value| value * scale).collect() };
        let (query, query_bias) = (scaled("weight"), scaled("bias"));
        let of = |part: &str| (values(part, "weight"), values(part, "bias"));
        // A key's bias adds the same to all scores of a query, and a value's the same to every context: the one is lost
        // in the softmax, the other made part of the output's bias. Left out, both are quantized more finely.
        let none = vec![0.0; hidden];
        let (key, value) = (values(names.key, "weight"), values(names.value, "weight"));
        let parts = [(&query[..], &query_bias[..]), (key, &none[..]), (value, &none[..])];
        // Each head's columns are padded.
        let columns = parts.into_iter().flat_map(|(weight, bias)| {
            (0..heads * filled).map(move |column| {
                let (head, at) = (column / filled, column % filled);
                let row = head * size + at;
                if at < size { (&weight[row * hidden..][..hidden], bias[row]) } else { nothing }
            })
        });
        let before = match layer.checked_sub(1) {
            None => "embeddings.LayerNorm".to_owned(),
            Some(before) => format!("encoder.layer.{before}.output.LayerNorm"),
        };
        let from_norm = |name: &str| {
            Some((weights.values(&format!("{name}.weight")), weights.values(&format!("{name}.bias"))))
        };
        let qkv = Linear::new(isa, format, Activation::None, padded(hidden), from_norm(&before), columns);

        // Rows with zeros where the heads' columns are padded.
        let spread = |row: &[f32]| -> Vec<f32> {
            let mut wide = vec![0.0; heads * filled];
            for (to, from) in wide.chunks_exact_mut(filled).zip(row.chunks_exact(size)) {
                to[..size].copy_from_slice(from);
            }
            wide
        };
        let (weight, bias) = of(names.attention_output);
        let value_bias = values(names.value, "bias");
        let bias = weight.chunks_exact(hidden).zip(bias).map(|(row, bias)| {
            bias + row.iter().zip(value_bias).map(|(weight, value)| weight * value).sum::<f32>()
        });
        let weight: Vec<Vec<f32>> = weight.chunks_exact(hidden).map(spread).collect();
        let padding = std::iter::repeat_n(nothing, padded(hidden) - hidden);
        let columns = weight.iter().map(Vec::as_slice).zip(bias).chain(padding);
        let output = Linear::new(isa, format, Activation::None, heads * filled, None, columns);

        Self {
            qkv,
            output,
            attention_norm: norm(weights, &name(names.attention_norm), config),
            widen: plain(
                "intermediate.dense",
                hidden,
                Activation::Gelu,
                from_norm(&name(names.attention_norm)),
            ),
            narrow: plain("output.dense", wide, Activation::None, None),
            output_norm: norm(weights, &name("output.LayerNorm"), config),
        }
    }
}

pub(super) fn norm(weights: &Weights, name: &str, config: &BertConfig) -> LayerNorm {
    let values = |kind| weights.values(&format!("{name}.{kind}"));
    LayerNorm::new(values("weight"), values("bias"), config.layer_norm_eps as f32)
}
