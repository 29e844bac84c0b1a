//! The encoder a second time, for tests: plain loops in f64, one scalar after the other, written from the definition of
//! BERT and MPNet and not from the trainer's code.
//!
//! Tests compare the trainer's states with it, and the trainer's gradients with finite differences of it. A finite difference
//! of an f32 function has an error of about one rounding of the function's value, divided by the step. That error depends on
//! the order of sums, and so on the processor. In f64 it is a billion times smaller than any gradient here.

use super::{AFTER_EMBEDDINGS, Batch, Layout, PassDropout};
use crate::differentiable::layer::{AFTER_ATTENTION, AFTER_FEED_FORWARD};
use standpoint_core::model::{EncoderTensors, Parameter, WeightAndBias};
use standpoint_kernels::training::dropout::Dropout;
use std::ops::Range;

/// `[rows][columns]`
pub(crate) type Rows = Vec<Vec<f64>>;

/// An encoder's parameters in f64, with the layout that says where each tensor is.
#[derive(Clone, Copy)]
pub(crate) struct Twin<'a> {
    pub layout: &'a Layout,
    pub parameters: &'a [f64],
}

impl Twin<'_> {
    /// The values of a tensor; empty if the encoder does not have it.
    pub fn tensor(&self, name: &str) -> &[f64] {
        let segment = self.layout.tensors().iter().find(|segment| segment.name == name);
        segment.map_or(&[], |segment| &self.parameters[segment.range.clone()])
    }

    /// The states of all rows of readings after the last layer, `[rows][hidden]`. Dropout drops what it drops in the trainer.
    pub fn states(&self, batch: &Batch, dropout: Option<PassDropout>) -> Rows {
        let dimensions = self.layout.dimensions;
        let (hidden, tensors) = (dimensions.hidden, EncoderTensors::new(&dimensions));
        let hidden_mask = |layer, half| mask(dropout.map(|dropout| dropout.hidden_at(layer, half)));
        let mut states = self.norm(&self.embeddings(&tensors, batch), &tensors.embedding_norm);
        states = times(&states, &hidden_mask(0, AFTER_EMBEDDINGS)(states.len() * hidden));
        let mut windows: Vec<Range<usize>> =
            batch.sequences().iter().map(|sequence| sequence.rows.clone()).collect();
        for (layer, parts) in tensors.layers.iter().enumerate() {
            if layer == self.layout.text_layers {
                states = batch.lower_rows().iter().map(|&row| states[row].clone()).collect();
                windows = batch.readings().iter().map(|reading| reading.rows.clone()).collect();
            }
            let [query, key, value] =
                [&parts.query, &parts.key, &parts.value].map(|part| self.linear(&states, part));
            let biases = self.optional(tensors.relative_position_bias.as_ref());
            let context = self.attention(&windows, [&query, &key, &value], biases, layer, dropout);
            let attended = self.linear(&context, &parts.attention_output);
            let kept = times(&attended, &hidden_mask(layer, AFTER_ATTENTION)(attended.len() * hidden));
            let middle = self.norm(&plus(&states, &kept), &parts.attention_norm);

            let mut up = self.linear(&middle, &parts.up);
            up.iter_mut().flatten().for_each(|x| *x *= 0.5 * (1.0 + erf(*x / 2.0_f64.sqrt())));
            let down = self.linear(&up, &parts.down);
            let kept = times(&down, &hidden_mask(layer, AFTER_FEED_FORWARD)(down.len() * hidden));
            states = self.norm(&plus(&middle, &kept), &parts.output_norm);
        }
        states
    }

    /// The values of a tensor that some architectures lack; empty for them.
    fn optional(&self, parameter: Option<&Parameter>) -> &[f64] {
        parameter.map_or(&[], |parameter| self.tensor(&parameter.name))
    }

    fn embeddings(&self, tensors: &EncoderTensors, batch: &Batch) -> Rows {
        let hidden = self.layout.dimensions.hidden;
        let (words, positions) = (self.tensor(&tensors.words.name), self.tensor(&tensors.positions.name));
        let types = self.optional(tensors.token_types.as_ref());
        let first = self.layout.dimensions.architecture.first_position();
        let mut rows = Rows::new();
        for sequence in batch.sequences() {
            for (position, token) in sequence.rows.clone().enumerate() {
                let row = |table: &[f64], row: usize, column| {
                    if table.is_empty() { 0.0 } else { table[row * hidden + column] }
                };
                let sum = |column| {
                    row(words, batch.tokens()[token] as usize, column)
                        + row(positions, position + first, column)
                        + row(types, usize::from(position >= sequence.opening_tokens), column)
                };
                rows.push((0..hidden).map(sum).collect());
            }
        }
        rows
    }

    /// `softmax(Q K^T / sqrt(width) + bias) V` for each window, a sequence or a reading, and head.
    fn attention(
        &self,
        windows: &[Range<usize>],
        [query, key, value]: [&Rows; 3],
        biases: &[f64],
        layer: usize,
        dropout: Option<PassDropout>,
    ) -> Rows {
        let dimensions = self.layout.dimensions;
        let width = dimensions.hidden / dimensions.heads;
        let mut context = vec![vec![0.0; dimensions.hidden]; query.len()];
        // The trainer numbers the masks by where the probabilities begin in its buffer.
        let mut site = 0;
        for window in windows {
            for head in 0..dimensions.heads {
                let columns = head * width..(head + 1) * width;
                let length = window.len();
                let keeps =
                    mask(dropout.map(|dropout| dropout.attention_at(layer).at(site)))(length * length);
                site += (length * length) as u64;
                for (row, q) in window.clone().enumerate() {
                    let scores = window.clone().enumerate().map(|(column, k)| {
                        let product: f64 = columns.clone().map(|c| query[q][c] * key[k][c]).sum();
                        let distance = column as isize - row as isize;
                        let bias = match biases.is_empty() {
                            true => 0.0,
                            false => {
                                let bucket = dimensions.architecture.relative_position_bucket(distance);
                                biases[bucket * dimensions.heads + head]
                            }
                        };
                        product / (width as f64).sqrt() + bias
                    });
                    let probabilities = softmax(&scores.collect::<Vec<f64>>());
                    for (column, k) in window.clone().enumerate() {
                        let share = probabilities[column] * keeps[row * length + column];
                        columns.clone().for_each(|c| context[q][c] += share * value[k][c]);
                    }
                }
            }
        }
        context
    }

    /// `rows * weight^T + bias`
    fn linear(&self, rows: &Rows, tensors: &WeightAndBias) -> Rows {
        let (weight, bias) = (self.tensor(&tensors.weight.name), self.tensor(&tensors.bias.name));
        rows.iter().map(|row| linear(row, weight, bias)).collect()
    }

    fn norm(&self, rows: &Rows, tensors: &WeightAndBias) -> Rows {
        let (weight, bias) = (self.tensor(&tensors.weight.name), self.tensor(&tensors.bias.name));
        let epsilon = f64::from(self.layout.dimensions.layer_norm_epsilon);
        let norm = |row: &Vec<f64>| {
            let width = row.len() as f64;
            let mean = row.iter().sum::<f64>() / width;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
            let normalized = row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt());
            normalized.zip(weight.iter().zip(bias)).map(|(x, (weight, bias))| x * weight + bias).collect()
        };
        rows.iter().map(norm).collect()
    }
}

/// `weight * x + bias`, `weight` of shape `[bias.len(), x.len()]`.
pub(crate) fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let product = |row: &[f64]| row.iter().zip(x).map(|(weight, x)| weight * x).sum::<f64>();
    weight.chunks_exact(x.len()).zip(bias).map(|(row, bias)| product(row) + bias).collect()
}

pub(crate) fn softmax(scores: &[f64]) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
    scores.iter().map(|score| (score - highest).exp() / sum).collect()
}

/// The factors that the trainer's dropout multiplies the first values of a place by.
pub(crate) fn mask(dropout: Option<Dropout>) -> impl Fn(usize) -> Vec<f64> {
    move |length| {
        let mut factors = vec![1.0_f32; length];
        if let Some(dropout) = dropout {
            dropout.apply(standpoint_kernels::Isa::Portable, &mut factors);
        }
        factors.into_iter().map(f64::from).collect()
    }
}

fn times(rows: &Rows, factors: &[f64]) -> Rows {
    let width = rows.first().map_or(1, Vec::len);
    let product = |(row, factors): (&Vec<f64>, &[f64])| row.iter().zip(factors).map(|(x, f)| x * f).collect();
    rows.iter().zip(factors.chunks_exact(width)).map(product).collect()
}

fn plus(rows: &Rows, others: &Rows) -> Rows {
    let sum = |(row, other): (&Vec<f64>, &Vec<f64>)| row.iter().zip(other).map(|(a, b)| a + b).collect();
    rows.iter().zip(others).map(sum).collect()
}

/// The error function, by its series of positive terms: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.6.
fn erf(x: f64) -> f64 {
    // From here on it is 1 to the last bit.
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-18 * sum.abs() {
        n += 1.0;
        term *= 2.0 * x * x / (2.0 * n + 1.0);
        sum += term;
    }
    std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum
}

/// The gradient of a loss by its parameters, from central differences.
pub(crate) fn finite_differences(parameters: &[f32], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    // The formula is off by about h^2, and rounding by 1e-16 of the loss over h: both below 1e-8 of a loss of 100.
    const H: f64 = 1e-5;
    let mut moved: Vec<f64> = parameters.iter().map(|&x| f64::from(x)).collect();
    let mut at = |index: usize, value: f64| {
        let before = std::mem::replace(&mut moved[index], value);
        let loss = loss(&moved);
        moved[index] = before;
        loss
    };
    let difference = |(index, &x): (usize, &f32)| {
        let x = f64::from(x);
        (at(index, x + H) - at(index, x - H)) / (2.0 * H)
    };
    parameters.iter().enumerate().map(difference).collect()
}

/// Asserts that the trainer's gradients are the expected ones, but for rounding. `zero` says for which tensors the true
/// gradient is 0.
///
/// The tolerance holds on every processor, in whichever order it sums. A value on its way forward and back through two layers
/// is rounded about a hundred times, by at most 6e-8 of itself: 6e-6 in the worst case, and about 6e-7 if the roundings are
/// independent. A tensor whose gradient is the small rest of large terms is off by as much as those, so a millionth of the
/// whole gradient is allowed too. A wrong formula is off by a hundredth or more.
pub(crate) fn assert_gradients_agree(
    layout: &Layout,
    found: &[f32],
    expected: &[f64],
    zero: impl Fn(&str) -> bool,
) {
    let norm = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>().sqrt();
    let whole = norm(expected);
    for segment in layout.tensors() {
        let (name, range) = (&segment.name, segment.range.clone());
        let expected = &expected[range.clone()];
        let off: Vec<f64> =
            found[range].iter().zip(expected).map(|(&found, expected)| f64::from(found) - expected).collect();
        let (off, size) = (norm(&off), norm(expected));
        assert!(off < 1e-5 * size + 1e-6 * whole, "{name}: off by {off:e} of {size:e}, {whole:e} in all");
        if zero(name) {
            assert!(size < 1e-7 * whole, "{name}: the true gradient is not 0, but {size:e}");
        } else {
            assert!(size > 1e-4 * whole, "{name}: no gradient reaches it, {size:e} of {whole:e}");
        }
    }
}

#[test]
fn the_error_function_is_that_of_tables() {
    for (x, expected) in [
        (0.0, 0.0),
        (0.5, 0.520_499_877_813_046_5),
        (-1.0, -0.842_700_792_949_714_9),
        (3.5, 0.999_999_256_901_627_7),
        (7.0, 1.0),
    ] {
        assert!((erf(x) - expected).abs() < 1e-14, "erf({x}) is {}", erf(x));
    }
}
