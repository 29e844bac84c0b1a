//! Weights that int8 holds exactly. The trainer rounds a model to them before it calibrates and saves it: the int8 encoder
//! then loses nothing of the weights, and every other encoder computes with the same ones.

use crate::model::tensors::{EncoderTensors, Parameter, WeightAndBias};
use crate::model::{BertConfig, Weights};
use half::f16;
use rayon::prelude::*;

/// A matrix that int8 can hold, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matrix {
    pub parameter: Parameter,
    /// The weight of the layer norm whose output the matrix is multiplied with. The packed encoder multiplies this weight
    /// into the matrix before it quantizes.
    norm_weight: Option<Parameter>,
}

impl Matrix {
    pub(super) fn name(&self) -> &str {
        &self.parameter.name
    }

    /// The weight of the layer norm, rounded to f16, as it is stored.
    fn factors(&self, weights: &Weights) -> Option<Vec<f32>> {
        let norm = weights.values(&self.norm_weight.as_ref()?.name).iter();
        Some(norm.map(|&factor| f16::from_f32(factor).to_f32()).collect())
    }

    /// The matrix in int8.
    ///
    /// # Panics
    /// If the matrix or the weight of its layer norm is missing.
    pub(super) fn quantized(&self, weights: &Weights) -> QuantizedMatrix {
        let factors = self.factors(weights);
        let tensor = weights.get(self.name()).expect("the parameters are all there");
        let width = tensor.shape[1];
        let (mut values, mut row_scales) =
            (Vec::with_capacity(tensor.values.len()), Vec::with_capacity(tensor.shape[0]));
        for row in tensor.values.chunks_exact(width) {
            let mut folded = row.to_vec();
            if let Some(factors) = &factors {
                folded.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            }
            let highest = folded.iter().fold(0.0, |highest: f32, value| highest.max(value.abs()));
            let scale = highest / 127.0;
            let round = |value: f32| if scale > 0.0 { (value / scale).round_ties_even() as i8 } else { 0 };
            values.extend(folded.into_iter().map(round));
            row_scales.push(scale);
        }
        // A norm weight of 0 loses its column for good.
        let reciprocal = |factor: &f32| if *factor == 0.0 { 0.0 } else { factor.recip() };
        let column_scales = factors.map(|factors| factors.iter().map(reciprocal).collect());
        QuantizedMatrix { values, row_scales, column_scales }
    }
}

/// A matrix in int8: a weight is its value times the scales of its row and its column.
pub(super) struct QuantizedMatrix {
    /// `[outputs, inputs]`
    pub values: Vec<i8>,
    /// `[outputs]`
    pub row_scales: Vec<f32>,
    /// `[inputs]`, where the inputs come from a layer norm; otherwise all are 1.
    pub column_scales: Option<Vec<f32>>,
}

/// The word embeddings, and the weights of every linear layer.
pub(super) fn matrices(config: &BertConfig) -> Vec<Matrix> {
    let tensors = EncoderTensors::new(&config.into());
    let words = Matrix { parameter: tensors.words.clone(), norm_weight: None };
    let mut matrices = vec![words];
    matrices.extend(linear(&tensors));
    matrices
}

/// The weights of every linear layer.
fn linear(tensors: &EncoderTensors) -> Vec<Matrix> {
    let matrix = |(linear, norm): (&WeightAndBias, Option<&WeightAndBias>)| Matrix {
        parameter: linear.weight.clone(),
        norm_weight: norm.map(|norm| norm.weight.clone()),
    };
    tensors.layers.iter().flat_map(|layer| layer.linear_layers().map(matrix)).collect()
}

/// Moves each weight of the linear layers to the nearest that int8 has, quantized as the packed encoder does it: with one
/// scale for each row, after multiplication with the weight of the layer norm that the input comes from. Columns whose norm
/// weight is 0 stay as they are.
///
/// # Panics
/// If a parameter of [`crate::model::encoder_parameters`] is missing.
pub fn round_to_int8(config: &BertConfig, weights: &mut Weights) {
    for matrix in linear(&EncoderTensors::new(&config.into())) {
        let QuantizedMatrix { values, row_scales, column_scales } = matrix.quantized(weights);
        let mut tensor = weights.remove(matrix.name()).expect("the parameters are all there");
        let width = tensor.shape[1];
        let columns = column_scales.unwrap_or_else(|| vec![1.0; width]);
        let rows = tensor.values.chunks_exact_mut(width).zip(values.chunks_exact(width)).zip(&row_scales);
        for ((row, quantized), scale) in rows {
            for (value, (quantized, column)) in row.iter_mut().zip(quantized.iter().zip(&columns)) {
                if *column != 0.0 {
                    *value = f32::from(*quantized) * scale * column;
                }
            }
        }
        weights.insert(matrix.parameter.name, tensor);
    }
}

impl Weights {
    /// Whether int8 holds all linear layers exactly, up to the rounding of f32: true of [`round_to_int8`]'s weights if their
    /// layer norms were rounded to f16 afterwards, and the matrices were not.
    ///
    /// # Panics
    /// If a parameter of [`crate::model::encoder_parameters`] is missing.
    pub fn are_int8(&self, config: &BertConfig) -> bool {
        /// Four products and quotients when a weight was written, and four now, each off by half a unit.
        const ROUNDING: f32 = 8.0 * f32::EPSILON / 2.0;
        let is_f16 = |value: &f32| f16::from_f32(*value).to_f32() == *value;
        let is_rounded = |norm: &Parameter| self.values(&norm.name).iter().all(is_f16);
        linear(&EncoderTensors::new(&config.into())).par_iter().all(|matrix| {
            if !matrix.norm_weight.iter().all(is_rounded) {
                return false;
            }
            let weights = self.values(matrix.name());
            let QuantizedMatrix { values, row_scales, column_scales } = matrix.quantized(self);
            let width = values.len() / row_scales.len().max(1);
            let columns = column_scales.unwrap_or_else(|| vec![1.0; width]);
            let rows = weights.chunks_exact(width).zip(values.chunks_exact(width)).zip(row_scales);
            rows.into_iter().all(|((weights, quantized), row)| {
                weights.iter().zip(quantized).zip(&columns).all(|((weight, quantized), column)| {
                    // Weights whose norm weight is 0 make no difference.
                    *column == 0.0
                        || (weight - f32::from(*quantized) * row * column).abs() <= ROUNDING * weight.abs()
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
    fn int8_weights_stay_where_they_are_also_in_f16() {
        let (config, before) = small();
        let mut weights = before.clone();
        round_to_int8(&config, &mut weights);
        let stored = weights.rounded(&config, WeightFormat::F16).unwrap();
        let mut again = stored.clone();
        round_to_int8(&config, &mut again);
        let name = "encoder.layer.1.intermediate.dense.weight";
        assert_ne!(before.values(name), weights.values(name));
        assert!(!before.are_int8(&config) && !weights.are_int8(&config) && !stored.are_int8(&config));
        let in_int8 = weights.rounded(&config, WeightFormat::Int8).unwrap();
        assert!(in_int8.are_int8(&config));
        for (stored, again) in stored.values(name).iter().zip(again.values(name)) {
            assert!((stored - again).abs() <= 1e-3 * stored.abs(), "{stored} moves to {again}");
        }
        assert_eq!(before.values("embeddings.LayerNorm.bias"), weights.values("embeddings.LayerNorm.bias"));
    }
}
