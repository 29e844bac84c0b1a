//! Layer norm and softmax, forward and backward, row by row. Plain loops over slices, each in one pass over memory.
//!
//! Sums run over a fixed number of lanes and no multiply-add is fused, so that results are the same on every
//! instruction set.

use super::dropout::{Draw, Dropout};
use super::elementwise::exp;
use super::vectorized;
use crate::Isa;

/// Sums are kept in this many lanes, whatever the width of the processor's registers.
const LANES: usize = 16;

#[inline(always)]
fn lane_sum(values: impl Iterator<Item = [f32; LANES]>, rest: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0; LANES];
    for chunk in values {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

/// The sum of `f(a, b)` over two rows of one length.
#[inline(always)]
fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32 + Copy) -> f32 {
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    lane_sum(
        a_chunks.iter().zip(b_chunks).map(|(a, b)| std::array::from_fn(|lane| f(a[lane], b[lane]))),
        a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b)),
    )
}

/// What a layer norm keeps for its backward pass.
#[derive(Default)]
pub struct Normalized {
    /// `[rows, width]`: the input minus its mean, divided by its standard deviation.
    pub values: Vec<f32>,
    /// `[rows]`: 1 divided by the standard deviation.
    pub inverse_deviation: Vec<f32>,
}

/// `out = LayerNorm(x) * weight + bias` for every row of `x`, `[rows, width]`; keeps what the backward pass needs.
pub fn layer_norm(
    isa: Isa,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    kept: &mut Normalized,
    out: &mut [f32],
) {
    let width = weight.len();
    kept.values.resize(x.len(), 0.0);
    kept.inverse_deviation.resize(x.len() / width, 0.0);
    vectorized!(isa, || {
        let rows = x.chunks_exact(width).zip(kept.values.chunks_exact_mut(width));
        for (((x, kept), out), inverse) in
            rows.zip(out.chunks_exact_mut(width)).zip(&mut kept.inverse_deviation)
        {
            let mean = sum_pairs(x, x, |x, _| x) / width as f32;
            let variance = sum_pairs(x, x, |x, _| (x - mean) * (x - mean)) / width as f32;
            *inverse = 1.0 / (variance + epsilon).sqrt();
            for i in 0..width {
                kept[i] = (x[i] - mean) * *inverse;
                out[i] = kept[i] * weight[i] + bias[i];
            }
        }
    });
}

/// Turns the gradient of a layer norm's output, `[rows, width]`, into that of its input, in place, and adds those of its
/// weight and bias.
pub fn layer_norm_backward(
    isa: Isa,
    gradient: &mut [f32],
    kept: &Normalized,
    weight: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
) {
    let width = weight.len();
    vectorized!(isa, || {
        let rows = gradient.chunks_exact_mut(width).zip(kept.values.chunks_exact(width));
        for ((gradient, normalized), &inverse) in rows.zip(&kept.inverse_deviation) {
            for i in 0..width {
                weight_gradient[i] += gradient[i] * normalized[i];
                bias_gradient[i] += gradient[i];
                gradient[i] *= weight[i];
            }
            let mean = sum_pairs(gradient, normalized, |g, _| g) / width as f32;
            let slope = sum_pairs(gradient, normalized, |g, n| g * n) / width as f32;
            for i in 0..width {
                gradient[i] = (gradient[i] - mean - normalized[i] * slope) * inverse;
            }
        }
    });
}

/// Softmax of every row of `width`, in place, and what dropout leaves of it in `used`. Dropped probabilities get a minus
/// sign, so that the backward pass need not compute the mask again.
pub fn softmax(isa: Isa, rows: &mut [f32], width: usize, dropout: Option<Dropout>, used: &mut Vec<f32>) {
    used.resize(rows.len(), 0.0);
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    vectorized!(isa, || {
        for (index, (row, used)) in rows.chunks_exact_mut(width).zip(used.chunks_exact_mut(width)).enumerate()
        {
            let mut largest = [f32::NEG_INFINITY; LANES];
            let (chunks, rest) = row.as_chunks::<LANES>();
            for chunk in chunks {
                for lane in 0..LANES {
                    largest[lane] = if chunk[lane] > largest[lane] { chunk[lane] } else { largest[lane] };
                }
            }
            let largest = largest.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            for value in row.iter_mut() {
                *value = exp(*value - largest);
            }
            let scale = 1.0 / sum_pairs(row, row, |x, _| x);
            let first = (index * width) as u32;
            for (column, (value, used)) in row.iter_mut().zip(used).enumerate() {
                let probability = *value * scale;
                let keeps = draw.keeps(first + column as u32);
                *value = if keeps { probability } else { -probability };
                *used = if keeps { probability * draw.scale } else { 0.0 };
            }
        }
    });
}

/// Turns the gradient of `used`, which is what dropout left of a softmax's output, into that of the softmax's input, in
/// place.
pub fn softmax_backward(isa: Isa, probabilities: &[f32], used: &[f32], gradient: &mut [f32], width: usize) {
    vectorized!(isa, || {
        let rows = probabilities.chunks_exact(width).zip(used.chunks_exact(width));
        for ((probabilities, used), gradient) in rows.zip(gradient.chunks_exact_mut(width)) {
            let mean = sum_pairs(used, gradient, |used, gradient| used * gradient);
            for ((gradient, used), probability) in gradient.iter_mut().zip(used).zip(probabilities) {
                *gradient = used * *gradient - probability.abs() * mean;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[test]
    fn softmax_rows_sum_to_one_whatever_their_size() {
        for isa in instruction_sets() {
            let mut rows: Vec<f32> = (0..3 * 37).map(|i| ((i * 31) % 17) as f32 * 10.0 - 80.0).collect();
            softmax(isa, &mut rows, 37, None, &mut Vec::new());
            for row in rows.chunks(37) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{isa}");
                assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{isa}");
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let (rows, width) = (5, 37);
        let numbers: Vec<f32> = (0..rows * width).map(|i| ((i * 7919) % 2003) as f32 / 300.0 - 3.0).collect();
        let dropout = Some(Dropout { rate: 0.2, key: 5 });
        let all = |isa: Isa| {
            let (weight, bias) = (&numbers[..width], &numbers[width..2 * width]);
            let (mut kept, mut out) = (Normalized::default(), numbers.clone());
            layer_norm(isa, &numbers, weight, bias, 1e-5, &mut kept, &mut out);
            let (mut gradient, mut of_weight, mut of_bias) =
                (numbers.clone(), weight.to_vec(), bias.to_vec());
            layer_norm_backward(isa, &mut gradient, &kept, weight, &mut of_weight, &mut of_bias);
            let (mut probabilities, mut used) = (numbers.clone(), Vec::new());
            softmax(isa, &mut probabilities, width, dropout, &mut used);
            let mut of_scores = numbers.clone();
            softmax_backward(isa, &probabilities, &used, &mut of_scores, width);
            let all = [
                kept.values,
                kept.inverse_deviation,
                out,
                gradient,
                of_weight,
                of_bias,
                probabilities,
                used,
                of_scores,
            ];
            all.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<u32>>())
        };
        let expected = all(Isa::Portable);
        for isa in instruction_sets() {
            assert!(all(isa) == expected, "{isa}");
        }
    }
}
