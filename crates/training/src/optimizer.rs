//! AdamW (Loshchilov and Hutter, Decoupled weight decay regularization, 2019), fused: one sweep in place over parameters, moments
//! and gradients. In the word embeddings, only the rows that a step has touched are updated, with their moments.

use crate::differentiable::{Gradients, Layout};
use rayon::prelude::*;
use standpoint_kernels::Isa;
use standpoint_kernels::training::elementwise::{self, AdamWStep};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The number of parameters that a thread updates at a time: enough to be worth a thread, few enough to stay in cache.
const PIECE: usize = 1 << 14;

/// The first and second moments of every gradient.
pub struct AdamW {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The settings of one step.
#[derive(Clone, Copy, Debug)]
pub struct StepRates {
    /// The learning rate of the encoder.
    pub encoder: f64,
    /// The learning rate of the heads.
    pub heads: f64,
    pub weight_decay: f64,
    pub clip_norm: f64,
    /// Counted from 1.
    pub step: usize,
}

impl AdamW {
    pub fn new(layout: &Layout) -> Self {
        Self { first: vec![0.0; layout.len()], second: vec![0.0; layout.len()] }
    }

    /// Updates the parameters and returns the norm of the gradients before clipping. The result does not depend on the number of
    /// threads.
    pub fn step(
        &mut self,
        layout: &Layout,
        parameters: &mut [f32],
        gradients: &Gradients,
        rates: StepRates,
    ) -> f64 {
        let isa = Isa::default();
        let norm = norm(isa, layout, gradients);
        let gradient_scale = (rates.clip_norm / norm.max(f64::MIN_POSITIVE)).min(1.0) as f32;
        let first_correction = 1.0 / (1.0 - f64::from(BETA1).powi(rates.step as i32));
        let second_correction = 1.0 / (1.0 - f64::from(BETA2).powi(rates.step as i32));
        for segment in layout.tensors() {
            let rate = if segment.name.starts_with("heads.") { rates.heads } else { rates.encoder };
            let step = AdamWStep {
                beta1: BETA1,
                beta2: BETA2,
                epsilon: EPSILON,
                gradient_scale,
                rate: (rate * first_correction) as f32,
                second_correction: second_correction as f32,
                decay: if segment.decays() { (rate * rates.weight_decay) as f32 } else { 0.0 },
            };
            let range = segment.range.clone();
            let parameters = &mut parameters[range.clone()];
            let first = &mut self.first[range.clone()];
            let second = &mut self.second[range.clone()];
            let values = &gradients.values[range.clone()];
            if range == layout.words() {
                let hidden = layout.dimensions.hidden;
                for &word in &gradients.touched {
                    let row = word as usize * hidden..(word as usize + 1) * hidden;
                    elementwise::adamw(
                        isa,
                        step,
                        &mut parameters[row.clone()],
                        &mut first[row.clone()],
                        &mut second[row.clone()],
                        &values[row],
                    );
                }
            } else {
                parameters
                    .par_chunks_mut(PIECE)
                    .zip(first.par_chunks_mut(PIECE))
                    .zip(second.par_chunks_mut(PIECE))
                    .zip(values.par_chunks(PIECE))
                    .for_each(|(((parameters, first), second), values)| {
                        elementwise::adamw(isa, step, parameters, first, second, values);
                    });
            }
        }
        norm
    }
}

/// The Euclidean norm of all gradients, summed in an order that does not depend on threads.
fn norm(isa: Isa, layout: &Layout, gradients: &Gradients) -> f64 {
    let squares = |values: &[f32]| elementwise::sum_of_squares(isa, values);
    let hidden = layout.dimensions.hidden;
    let words: f64 = gradients
        .touched
        .iter()
        .map(|&word| squares(&gradients.values[word as usize * hidden..(word as usize + 1) * hidden]))
        .sum();
    let pieces: Vec<f64> = gradients.values[layout.words().end..].par_chunks(PIECE).map(squares).collect();
    (words + pieces.iter().sum::<f64>()).sqrt()
}

/// The share of the highest learning rate at a step, counted from 1: up over the first `warmup` of all
/// steps, then down to 0, both linear.
pub fn rate_share(step: usize, steps: usize, warmup: f64) -> f64 {
    let (step, steps) = (step as f64, steps as f64);
    let rising = steps * warmup;
    if step < rising { step / rising } else { ((steps - step) / (steps - rising)).max(0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differentiable::Dimensions;

    const TINY: Dimensions = Dimensions {
        vocabulary: 5,
        positions: 4,
        token_types: 2,
        hidden: 2,
        layers: 1,
        heads: 1,
        intermediate: 3,
        layer_norm_epsilon: 1e-5,
        architecture: standpoint_core::model::Architecture::Bert,
    };

    #[test]
    fn the_rate_rises_and_falls() {
        assert_eq!(rate_share(5, 100, 0.1), 0.5);
        assert_eq!(rate_share(10, 100, 0.1), 1.0);
        assert!((rate_share(55, 100, 0.1) - 0.5).abs() < 1e-12);
        assert_eq!(rate_share(100, 100, 0.1), 0.0);
        assert_eq!(rate_share(1, 4, 0.0), 0.75);
    }

    #[test]
    fn two_steps_are_those_of_the_paper() {
        let layout = Layout::new(TINY, &[standpoint_core::model::ROLE]);
        let mut parameters = vec![0.5_f32; layout.len()];
        let mut gradients = Gradients::new(&layout);
        gradients.values.fill(0.01);
        gradients.touched = vec![1];
        let mut optimizer = AdamW::new(&layout);
        let rates = StepRates { encoder: 0.1, heads: 0.2, weight_decay: 0.5, clip_norm: 1e9, step: 1 };
        optimizer.step(&layout, &mut parameters, &gradients, rates);
        gradients.values.fill(-0.02);
        optimizer.step(&layout, &mut parameters, &gradients, StepRates { step: 2, ..rates });

        // Algorithm 2 of the paper in f64. Its decoupled decay is multiplied by the learning rate.
        let expected = |rate: f64, decay: f64| {
            let (mut theta, mut m, mut v) = (0.5, 0.0, 0.0);
            for (t, g) in [(1, 0.01), (2, -0.02)] {
                m = 0.9 * m + 0.1 * g;
                v = 0.999 * v + 0.001 * g * g;
                let (m_hat, v_hat) = (m / (1.0 - 0.9_f64.powi(t)), v / (1.0 - 0.999_f64.powi(t)));
                theta -= rate * (m_hat / (v_hat.sqrt() + 1e-8) + decay * theta);
            }
            theta as f32
        };
        let first_of = |name: &str| {
            let segment = layout.tensors().iter().find(|segment| segment.name == name).unwrap();
            parameters[segment.range.start]
        };
        let close =
            |found: f32, expected: f32| assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        close(first_of("encoder.layer.0.output.dense.weight"), expected(0.1, 0.5));
        close(first_of("encoder.layer.0.output.dense.bias"), expected(0.1, 0.0));
        close(first_of("heads.role.weight"), expected(0.2, 0.5));
        close(parameters[TINY.hidden], expected(0.1, 0.5));
        assert_eq!(parameters[0], 0.5, "a word that the step did not touch does not change");
    }
}
