//! Weights that bytes hold exactly. A trained model is brought to them before it is calibrated and saved: int8 then
//! loses nothing of the weights, and every other encoder computes with the same ones.

use super::linear::scale;
use crate::model::{BertConfig, Weights};

/// Moves each weight of the linear layers to the nearest that int8 has, as the packed encoder quantizes them: with one
/// scale for each row, and after the weights of the layer norm before it, if its input comes from one.
///
/// # Panics
/// If a parameter of [`crate::model::encoder_parameters`] is missing.
pub fn round_to_bytes(config: &BertConfig, weights: &mut Weights) {
    let names = config.kind().names();
    let mut before = "embeddings.LayerNorm".to_owned();
    for layer in 0..config.num_hidden_layers {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let attention_norm = name(names.attention_norm);
        for part in [names.query, names.key, names.value] {
            round(weights, &name(part), Some(&before));
        }
        round(weights, &name(names.attention_output), None);
        round(weights, &name("intermediate.dense"), Some(&attention_norm));
        round(weights, &name("output.dense"), None);
        before = name("output.LayerNorm");
    }
}

fn round(weights: &mut Weights, layer: &str, from_norm: Option<&str>) {
    let norm = from_norm.map(|norm| weights.values(&format!("{norm}.weight")).to_vec());
    let name = format!("{layer}.weight");
    let mut tensor = weights.remove(&name).expect("the parameters are all there");
    let mut folded = vec![0.0; tensor.shape[1]];
    for row in tensor.values.chunks_exact_mut(tensor.shape[1]) {
        let factor = |at: usize| norm.as_ref().map_or(1.0, |norm| norm[at]);
        for (at, (folded, value)) in folded.iter_mut().zip(&*row).enumerate() {
            *folded = value * factor(at);
        }
        let scale = scale(false, &folded);
        for (at, (value, folded)) in row.iter_mut().zip(&folded).enumerate() {
            // What a norm takes away, and a row of zeros, stay as they are.
            if scale > 0.0 && factor(at) != 0.0 {
                *value = (folded / scale).round_ties_even() * scale / factor(at);
            }
        }
    }
    weights.insert(name, tensor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Tensor, encoder_parameters};
    use crate::random::SplitMix;

    #[test]
    fn what_is_on_the_grid_stays_there_also_in_f16() {
        let config = BertConfig {
            hidden_size: 24,
            intermediate_size: 40,
            num_attention_heads: 2,
            num_hidden_layers: 2,
            ..serde_json::from_str(include_str!("../../../models/small/config.json")).unwrap()
        };
        let mut random = SplitMix::new(6);
        let mut weights = Weights::default();
        for parameter in encoder_parameters(&config) {
            let values = (0..parameter.len()).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
            weights.insert(parameter.name, Tensor { shape: parameter.shape, values });
        }
        let before = weights.clone();
        round_to_bytes(&config, &mut weights);
        let mut stored = weights.clone();
        for (name, tensor) in weights.iter() {
            let halves = tensor.values.iter().map(|value| half::f16::from_f32(*value).to_f32()).collect();
            stored.insert(name, Tensor { shape: tensor.shape.clone(), values: halves });
        }
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
