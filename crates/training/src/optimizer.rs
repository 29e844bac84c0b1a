//! AdamW (Loshchilov and Hutter, Decoupled weight decay regularization, 2019), fused: one sweep in place over
//! parameters, moments and gradients. Of the word embeddings only the rows that a step has touched move;
//! their moments rest in between.

use crate::differentiable::{Gradients, Layout};
use rayon::prelude::*;
use standpoint_kernels::training::vectorized::vectorized;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Work on this many parameters at a time: enough to be worth a thread, few enough to stay in cache.
const PIECE: usize = 1 << 14;

/// The first and second moments of every gradient.
pub struct AdamW {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// What one step is made with.
#[derive(Clone, Copy, Debug)]
pub struct StepRates {
    pub encoder: f64,
    pub heads: f64,
    pub weight_decay: f64,
    pub clip_norm: f64,
    /// Counted from 1.
    pub step: usize,
}

/// A step for parameters that share a learning rate.
#[derive(Clone, Copy)]
struct Update {
    gradient_scale: f32,
    rate: f32,
    second_correction: f32,
    decay: f32,
}

impl Update {
    fn apply(self, parameters: &mut [f32], first: &mut [f32], second: &mut [f32], gradients: &[f32]) {
        vectorized!(|| {
            let moments = first.iter_mut().zip(second.iter_mut());
            for ((parameter, (first, second)), gradient) in parameters.iter_mut().zip(moments).zip(gradients)
            {
                let gradient = gradient * self.gradient_scale;
                *first = BETA1 * *first + (1.0 - BETA1) * gradient;
                *second = BETA2 * *second + (1.0 - BETA2) * gradient * gradient;
                let slope = *first / ((*second * self.second_correction).sqrt() + EPSILON);
                *parameter -= self.rate * slope + self.decay * *parameter;
            }
        });
    }
}

impl AdamW {
    pub fn new(layout: &Layout) -> Self {
        Self { first: vec![0.0; layout.len()], second: vec![0.0; layout.len()] }
    }

    /// Moves the parameters one step and returns the norm that the gradients had before clipping. The result
    /// does not depend on the number of threads.
    pub fn step(
        &mut self,
        layout: &Layout,
        parameters: &mut [f32],
        gradients: &Gradients,
        rates: StepRates,
    ) -> f64 {
        let norm = norm(layout, gradients);
        let gradient_scale = (rates.clip_norm / norm.max(f64::MIN_POSITIVE)).min(1.0) as f32;
        let first_correction = 1.0 / (1.0 - f64::from(BETA1).powi(rates.step as i32));
        let second_correction = 1.0 / (1.0 - f64::from(BETA2).powi(rates.step as i32));
        for segment in layout.segments() {
            let rate = if segment.name.starts_with("heads.") { rates.heads } else { rates.encoder };
            let update = Update {
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
                    update.apply(
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
                        update.apply(parameters, first, second, values);
                    });
            }
        }
        norm
    }
}

/// The Euclidean norm of all gradients, summed in an order that does not depend on threads.
fn norm(layout: &Layout, gradients: &Gradients) -> f64 {
    let hidden = layout.dimensions.hidden;
    let words: f64 = gradients
        .touched
        .iter()
        .map(|&word| squares(&gradients.values[word as usize * hidden..(word as usize + 1) * hidden]))
        .sum();
    let pieces: Vec<f64> = gradients.values[layout.words().end..].par_chunks(PIECE).map(squares).collect();
    (words + pieces.iter().sum::<f64>()).sqrt()
}

/// In several sums, for one would have each addition wait for the last.
fn squares(values: &[f32]) -> f64 {
    const LANES: usize = 32;
    let mut sums = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    vectorized!(|| {
        for chunk in chunks {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
    });
    sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
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

        // Algorithm 2 of the paper in f64, with its decoupled decay multiplied by the learning rate.
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
        let of = |name: &str| {
            let segment = layout.segments().iter().find(|segment| segment.name == name).unwrap();
            parameters[segment.range.start]
        };
        let close =
            |found: f32, expected: f32| assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
        close(of("encoder.layer.0.output.dense.weight"), expected(0.1, 0.5));
        close(of("encoder.layer.0.output.dense.bias"), expected(0.1, 0.0));
        close(of("heads.role.weight"), expected(0.2, 0.5));
        close(parameters[TINY.hidden], expected(0.1, 0.5));
        assert_eq!(parameters[0], 0.5, "a word that was not met does not move");
    }
}
