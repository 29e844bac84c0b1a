//! Weights that bytes hold exactly. A trained model is brought to them before it is calibrated and saved: int8 then
//! loses nothing of the weights, and every other encoder computes with the same ones.

use crate::model::{BertConfig, Weights};
use half::f16;
use rayon::prelude::*;
use std::iter;

/// A matrix that bytes can hold, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    pub name: String,
    /// The layer norm that its inputs come from, if from one alone: the encoder multiplies its weights into the matrix.
    norm: Option<String>,
}

impl Matrix {
    /// The weights of the layer norm, if it has one, as f16 holds them: so they are stored, and multiplied into the matrix.
    fn factors(&self, weights: &Weights) -> Option<Vec<f32>> {
        let norm = self.norm.as_ref()?;
        let of_norm = weights.values(&format!("{norm}.weight")).iter();
        Some(of_norm.map(|&factor| f16::from_f32(factor).to_f32()).collect())
    }

    /// The matrix in bytes.
    pub(super) fn quantized(&self, weights: &Weights) -> Quantized {
        let factors = self.factors(weights);
        let tensor = weights.get(&self.name).expect("the parameters are all there");
        let width = tensor.shape[1];
        let (mut bytes, mut rows) =
            (Vec::with_capacity(tensor.values.len()), Vec::with_capacity(tensor.shape[0]));
        for row in tensor.values.chunks_exact(width) {
            let mut folded = row.to_vec();
            if let Some(factors) = &factors {
                folded.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            }
            let highest = folded.iter().fold(0.0, |highest: f32, value| highest.max(value.abs()));
            let scale = highest / 127.0;
            let byte = |value: f32| if scale > 0.0 { (value / scale).round_ties_even() as i8 } else { 0 };
            bytes.extend(folded.into_iter().map(byte));
            rows.push(scale);
        }
        // What a weight of 0 in the norm takes away, nothing gives back.
        let reciprocal = |factor: &f32| if *factor == 0.0 { 0.0 } else { factor.recip() };
        Quantized { bytes, rows, columns: factors.map(|factors| factors.iter().map(reciprocal).collect()) }
    }
}

/// A weight is its byte times the scales of its row and its column.
pub(super) struct Quantized {
    pub bytes: Vec<i8>,
    pub rows: Vec<f32>,
    /// Where the inputs come from a layer norm.
    pub columns: Option<Vec<f32>>,
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

/// Moves each weight of the linear layers to the nearest that int8 has, as the packed encoder quantizes them: with one
/// scale for each row, and after the weights of the layer norm before it, if its input comes from one. What a norm's weight of
/// 0 takes away stays as it is.
///
/// # Panics
/// If a parameter of [`crate::model::encoder_parameters`] is missing.
pub fn round_to_bytes(config: &BertConfig, weights: &mut Weights) {
    for matrix in linear(config) {
        let Quantized { bytes, rows, columns } = matrix.quantized(weights);
        let mut tensor = weights.remove(&matrix.name).expect("the parameters are all there");
        let width = tensor.shape[1];
        let columns = columns.unwrap_or_else(|| vec![1.0; width]);
        let of_rows = tensor.values.chunks_exact_mut(width).zip(bytes.chunks_exact(width)).zip(&rows);
        for ((row, bytes), scale) in of_rows {
            for (value, (byte, column)) in row.iter_mut().zip(bytes.iter().zip(&columns)) {
                if *column != 0.0 {
                    *value = f32::from(*byte) * scale * column;
                }
            }
        }
        weights.insert(matrix.name, tensor);
    }
}

impl Weights {
    /// Whether bytes hold all linear layers exactly, as far as f32 do: the weights of [`round_to_bytes`] after their layer
    /// norms have been rounded to f16, and unless they have been rounded to it themselves.
    ///
    /// # Panics
    /// Like [`round_to_bytes`].
    pub fn are_bytes(&self, config: &BertConfig) -> bool {
        /// Of a weight: four products and quotients when it was written, and four now, each off by half a unit.
        const ROUNDING: f32 = 8.0 * f32::EPSILON / 2.0;
        let matrices: Vec<Matrix> = linear(config).collect();
        let is_half = |value: &f32| f16::from_f32(*value).to_f32() == *value;
        let is_rounded = |norm: &String| self.values(&format!("{norm}.weight")).iter().all(is_half);
        matrices.par_iter().all(|matrix| {
            if !matrix.norm.iter().all(is_rounded) {
                return false;
            }
            let values = self.values(&matrix.name);
            let Quantized { bytes, rows, columns } = matrix.quantized(self);
            let width = bytes.len() / rows.len().max(1);
            let columns = columns.unwrap_or_else(|| vec![1.0; width]);
            let of_rows = values.chunks_exact(width).zip(bytes.chunks_exact(width)).zip(rows);
            of_rows.into_iter().all(|((values, bytes), row)| {
                values.iter().zip(bytes).zip(&columns).all(|((value, byte), column)| {
                    // What a norm's weight of 0 takes away may be anything.
                    *column == 0.0
                        || (value - f32::from(*byte) * row * column).abs() <= ROUNDING * value.abs()
                })
            })
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::{Tensor, WeightFormat, encoder_parameters};
    use standpoint_kernels::random::SplitMix;

    /// A small encoder of random weights.
    pub fn small() -> (BertConfig, Weights) {
        let config = BertConfig {
            hidden_size: 24,
            intermediate_size: 40,
            num_attention_heads: 2,
            num_hidden_layers: 2,
            ..serde_json::from_str(include_str!("../../../../models/small/config.json")).unwrap()
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
        assert!(!before.are_bytes(&config) && !weights.are_bytes(&config) && !stored.are_bytes(&config));
        let in_bytes = weights.rounded(&config, WeightFormat::Int8).unwrap();
        assert!(in_bytes.are_bytes(&config));
        for (stored, again) in stored.values(name).iter().zip(again.values(name)) {
            assert!((stored - again).abs() <= 1e-3 * stored.abs(), "{stored} moves to {again}");
        }
        assert_eq!(before.values("embeddings.LayerNorm.bias"), weights.values("embeddings.LayerNorm.bias"));
    }
}
