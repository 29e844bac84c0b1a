//! Weights that bytes hold exactly. A trained model is brought to them before it is calibrated and saved: int8 then
//! loses nothing of the weights, and every other encoder computes with the same ones.

use crate::model::{BertConfig, Weights};
use std::iter;

/// A matrix that bytes can hold, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    pub name: String,
    /// The layer norm that its inputs come from, if from one alone: the encoder multiplies its weights into the matrix.
    norm: Option<String>,
}

impl Matrix {
    /// The weights of the layer norm, if it has one; where one is 0, there is nothing to multiply with, and 1 stands for it.
    pub(super) fn factors(&self, weights: &Weights) -> Option<Vec<f32>> {
        let norm = self.norm.as_ref()?;
        let of_norm = weights.values(&format!("{norm}.weight")).iter();
        Some(of_norm.map(|&factor| if factor == 0.0 { 1.0 } else { factor }).collect())
    }
}

/// The word embeddings, and the weights of every linear layer.
pub(super) fn matrices(config: &BertConfig) -> impl Iterator<Item = Matrix> {
    let words = Matrix { name: "embeddings.word_embeddings.weight".to_owned(), norm: None };
    iter::once(words).chain(linear(config))
}

fn linear(config: &BertConfig) -> impl Iterator<Item = Matrix> {
    let names = config.kind().names();
    (0..config.num_hidden_layers).flat_map(move |layer| {
        let name = move |part: &str| format!("encoder.layer.{layer}.{part}");
        let before = match layer.checked_sub(1) {
            Some(before) => format!("encoder.layer.{before}.output.LayerNorm"),
            None => "embeddings.LayerNorm".to_owned(),
        };
        let attention_norm = name(names.attention_norm);
        [
            (names.query, Some(before.clone())),
            (names.key, Some(before.clone())),
            (names.value, Some(before)),
            (names.attention_output, None),
            ("intermediate.dense", Some(attention_norm)),
            ("output.dense", None),
        ]
        .map(|(part, norm)| Matrix { name: format!("{}.weight", name(part)), norm })
    })
}

/// What a byte of 1 stands for.
pub(super) fn scale(row: &[f32]) -> f32 {
    row.iter().fold(0.0, |highest: f32, value| highest.max(value.abs())) / 127.0
}

/// Moves each weight of the linear layers to the nearest that int8 has, as the packed encoder quantizes them: with one
/// scale for each row, and after the weights of the layer norm before it, if its input comes from one.
///
/// # Panics
/// If a parameter of [`crate::model::encoder_parameters`] is missing.
pub fn round_to_bytes(config: &BertConfig, weights: &mut Weights) {
    for matrix in linear(config) {
        let factors = matrix.factors(weights);
        let mut tensor = weights.remove(&matrix.name).expect("the parameters are all there");
        let factors = factors.unwrap_or_else(|| vec![1.0; tensor.shape[1]]);
        for row in tensor.values.chunks_exact_mut(factors.len()) {
            row.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
            let scale = scale(row);
            for (value, factor) in row.iter_mut().zip(&factors) {
                let rounded = if scale > 0.0 { (*value / scale).round_ties_even() * scale } else { 0.0 };
                *value = rounded / factor;
            }
        }
        weights.insert(matrix.name, tensor);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Tensor, WeightFormat, encoder_parameters};
    use crate::random::SplitMix;

    /// A small encoder of random weights.
    pub fn small() -> (BertConfig, Weights) {
        let config = BertConfig {
            hidden_size: 24,
            intermediate_size: 40,
            num_attention_heads: 2,
            num_hidden_layers: 2,
            ..serde_json::from_str(include_str!("../../models/small/config.json")).unwrap()
        };
        let mut random = SplitMix::new(6);
        let mut weights = Weights::default();
        for parameter in encoder_parameters(&config) {
            let values = (0..parameter.len()).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
            weights.insert(parameter.name, Tensor { shape: parameter.shape, values });
        }
        (config, weights)
    }

    #[test]
    fn what_is_on_the_grid_stays_there_also_in_f16() {
        let (config, before) = small();
        let mut weights = before.clone();
        round_to_bytes(&config, &mut weights);
        let stored = weights.rounded(&config, WeightFormat::F16).unwrap();
        let mut again = stored.clone();
        round_to_bytes(&config, &mut again);
        let name = "encoder.layer.1.intermediate.dense.weight";
        assert_ne!(before.values(name), weights.values(name));
        for (stored, again) in stored.values(name).iter().zip(again.values(name)) {
            assert!((stored - again).abs() <= 1e-3 * stored.abs(), "{stored} moves to {again}");
        }
        assert_eq!(before.values("embeddings.LayerNorm.bias"), weights.values("embeddings.LayerNorm.bias"));
    }
}
