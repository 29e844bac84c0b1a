//! The classification heads: a sentence's vector in, calibrated probabilities out. A sentence's vector is the
//! mean of its tokens' states. Plain f32 on whatever encoder made the states.

use crate::encoder::States;
use crate::label::{Prediction, Role, Stance};
use crate::model::{BertConfig, HeadSettings, Settings, Weights};
use crate::window::WindowSentence;
use std::ops::Range;

/// The tokens whose mean state stands for a sentence: its own, or, for a sentence without any (it is empty,
/// or holds only what the tokenizer drops), the `[SEP]` that ends it.
pub fn sentence_tokens(sentence: &WindowSentence) -> Range<usize> {
    let Range { start, end } = sentence.tokens;
    start..end.max(start + 1)
}

/// What the heads say before calibration, in the order of [`crate::label::Label::ALL`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logits {
    pub role: [f32; 3],
    pub stance: [f32; 3],
}

/// The role and the stance head of a model.
#[derive(Clone, Debug)]
pub struct Heads {
    role: Head,
    stance: Head,
}

#[derive(Clone, Debug)]
struct Head {
    /// `[3, hidden]`
    weight: Vec<f32>,
    bias: [f32; 3],
    temperature: f32,
    hidden: usize,
}

impl Heads {
    /// The heads of checked weights.
    ///
    /// # Panics
    /// If the weights lack [`crate::model::head_parameters`]; those of a [`crate::model::Model`] do not.
    pub fn new(config: &BertConfig, settings: &Settings, weights: &Weights) -> Self {
        let head = |name: &str, settings: &HeadSettings| {
            let bias = weights.values(&format!("heads.{name}.bias"));
            Head {
                weight: weights.values(&format!("heads.{name}.weight")).to_vec(),
                bias: [bias[0], bias[1], bias[2]],
                temperature: settings.temperature,
                hidden: config.hidden_size,
            }
        };
        Self { role: head("role", &settings.role), stance: head("stance", &settings.stance) }
    }

    /// The logits of one sentence of the window that `states` are of.
    ///
    /// # Panics
    /// If the sentence does not lie in the window.
    pub fn logits(&self, states: &States, sentence: &WindowSentence) -> Logits {
        let tokens = sentence_tokens(sentence);
        let mut mean = vec![0.0; states.hidden_size()];
        for row in states.rows(tokens.clone()) {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let count = tokens.len() as f32;
        mean.iter_mut().for_each(|sum| *sum /= count);
        Logits { role: self.role.apply(&mean), stance: self.stance.apply(&mean) }
    }

    /// Calibrated probabilities of logits.
    pub fn predict(&self, logits: &Logits) -> (Prediction<Role>, Prediction<Stance>) {
        (
            Prediction::new(softmax(logits.role, self.role.temperature)),
            Prediction::new(softmax(logits.stance, self.stance.temperature)),
        )
    }
}

impl Head {
    fn apply(&self, vector: &[f32]) -> [f32; 3] {
        let mut logits = self.bias;
        for (logit, row) in logits.iter_mut().zip(self.weight.chunks_exact(self.hidden)) {
            *logit += row.iter().zip(vector).map(|(weight, value)| weight * value).sum::<f32>();
        }
        logits
    }
}

/// The probabilities of logits divided by a temperature: 1 leaves them as they are, more makes them milder.
pub fn softmax(logits: [f32; 3], temperature: f32) -> [f32; 3] {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = logits.map(|logit| ((logit - highest) / temperature).exp());
    let sum: f32 = powers.iter().sum();
    powers.map(|power| power / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softmax_sums_to_one_and_keeps_the_order() {
        for logits in [[0.0, 1.0, -2.0], [1e30, -1e30, 0.0], [5.0; 3]] {
            for temperature in [0.01, 1.0, 20.0] {
                let probabilities = softmax(logits, temperature);
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
                assert_eq!(probabilities[0] > probabilities[1], logits[0] > logits[1]);
            }
        }
    }

    #[test]
    fn a_higher_temperature_is_less_sure() {
        assert!(softmax([2.0, 0.0, 0.0], 2.0)[0] < softmax([2.0, 0.0, 0.0], 1.0)[0]);
    }

    #[test]
    fn a_sentence_is_its_tokens_or_the_separator_after_it() {
        let sentence = |tokens| WindowSentence { index: 0, tokens, answered: true, truncated: false };
        assert_eq!(sentence_tokens(&sentence(4..9)), 4..9);
        assert_eq!(sentence_tokens(&sentence(4..4)), 4..5);
    }
}
