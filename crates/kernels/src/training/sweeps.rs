//! Element-wise and row-wise operations, forward and backward, each in one sweep over memory.
//!
//! Plain safe loops, compiled for every instruction set and picked at run time (`pulp`). Sums run over a
//! fixed number of lanes and no multiply-add is fused, so that results are the same on all of them.

use crate::random::scramble;
use crate::training::vectorized::vectorized;

/// Sums are kept in this many lanes, whatever the width of the processor's registers.
const LANES: usize = 16;

/// e^x to about 2e-7 relative: `2^n` times a polynomial on the remainder, without a branch.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 leaves the rounded integer in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts: the first is short enough for `n * LN2_HIGH` to be exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // The Taylor series to r^7, |r| <= ln 2 / 2.
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    let power = (shifted.to_bits().wrapping_sub(ROUND.to_bits())).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

/// The normal distribution's cumulative probability and density at `x`: all that GELU and its derivative
/// need, for one exponential. Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: the
/// absolute error of erf is below 1.5e-7.
#[inline(always)]
fn normal(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let e = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let upper_tail = 0.5 * series * e;
    let cumulative = if x < 0.0 { upper_tail } else { 1.0 - upper_tail };
    (cumulative, e * 0.398_942_3)
}

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

/// `rows[r] += bias` for every row.
pub fn add_bias(rows: &mut [f32], bias: &[f32]) {
    vectorized!(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    });
}

/// `sums += sum of all rows`: the gradient of a bias.
pub fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    vectorized!(|| {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
}

/// `a += b`
pub fn add(a: &mut [f32], b: &[f32]) {
    vectorized!(|| {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
    });
}

/// `after = GELU(before)`; leaves `GELU'(before)` in `before`, which costs next to nothing here and would cost the backward
/// pass as much again.
pub fn gelu(before: &mut [f32], after: &mut [f32]) {
    vectorized!(|| {
        for (x, out) in before.iter_mut().zip(after.iter_mut()) {
            let (cumulative, density) = normal(*x);
            *out = *x * cumulative;
            *x = cumulative + *x * density;
        }
    });
}

/// `a *= b`
pub fn multiply(a: &mut [f32], b: &[f32]) {
    vectorized!(|| {
        for (a, b) in a.iter_mut().zip(b) {
            *a *= b;
        }
    });
}

/// What a layer norm keeps for its backward pass.
#[derive(Default)]
pub struct Normalized {
    /// `[rows, width]`: the input less its mean, over its deviation.
    pub values: Vec<f32>,
    /// `[rows]`: one over the deviation.
    pub inverse_deviation: Vec<f32>,
}

/// `out = LayerNorm(x) * weight + bias` for every row of `x`.
pub fn layer_norm(
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
    vectorized!(|| {
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

/// Turns the gradient of a layer norm's output into that of its input, in place, and adds those of its weight
/// and bias.
pub fn layer_norm_backward(
    gradient: &mut [f32],
    kept: &Normalized,
    weight: &[f32],
    weight_gradient: &mut [f32],
    bias_gradient: &mut [f32],
) {
    let width = weight.len();
    vectorized!(|| {
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

/// Softmax of every row of `width`, in place, and what dropout leaves of it in `used`. Of the probabilities that are
/// dropped the sign is set, so that the backward pass need not draw them again.
pub fn softmax(rows: &mut [f32], width: usize, dropout: Option<Dropout>, used: &mut Vec<f32>) {
    used.resize(rows.len(), 0.0);
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    vectorized!(|| {
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

/// What dropout has left of probabilities, from those that [`softmax`] has marked.
pub fn used_again(probabilities: &[f32], dropout: Option<Dropout>, used: &mut Vec<f32>) {
    let scale = dropout.map_or(Draw::NOTHING, Dropout::draw).scale;
    used.resize(probabilities.len(), 0.0);
    vectorized!(|| {
        for (used, &probability) in used.iter_mut().zip(probabilities) {
            *used = if probability > 0.0 { probability * scale } else { 0.0 };
        }
    });
}

/// Turns the gradient of `used`, what dropout has left of a softmax's output, into that of the softmax's input, in place.
pub fn softmax_backward(probabilities: &[f32], used: &[f32], gradient: &mut [f32], width: usize) {
    vectorized!(|| {
        let rows = probabilities.chunks_exact(width).zip(used.chunks_exact(width));
        for ((probabilities, used), gradient) in rows.zip(gradient.chunks_exact_mut(width)) {
            let mean = sum_pairs(used, gradient, |used, gradient| used * gradient);
            for ((gradient, used), probability) in gradient.iter_mut().zip(used).zip(probabilities) {
                *gradient = used * *gradient - probability.abs() * mean;
            }
        }
    });
}

/// Inverted dropout whose mask is a function of its key and place alone: nothing is stored, backward passes
/// make the same mask again, and a resumed run continues with the masks it would have had.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The share of values dropped, from 0 to below 1.
    pub rate: f32,
    pub key: u64,
}

impl Dropout {
    /// The mask for another place of the network.
    pub fn at(self, site: u64) -> Self {
        Self { key: scramble(self.key ^ site.wrapping_mul(0x9E37_79B9_7F4A_7C15)), ..self }
    }

    fn draw(self) -> Draw {
        if self.rate <= 0.0 {
            return Draw::NOTHING;
        }
        Draw {
            dropped: (f64::from(self.rate) * 2f64.powi(32)) as u32,
            scale: 1.0 / (1.0 - self.rate),
            key: (self.key as u32, (self.key >> 32) as u32),
        }
    }

    /// Multiplies by the mask: forward on values, backward on gradients.
    pub fn apply(self, values: &mut [f32]) {
        let draw = self.draw();
        vectorized!(|| {
            for (index, value) in values.iter_mut().enumerate() {
                *value *= draw.factor(index as u32);
            }
        });
    }
}

/// What a mask is drawn with.
#[derive(Clone, Copy)]
struct Draw {
    dropped: u32,
    scale: f32,
    key: (u32, u32),
}

impl Draw {
    const NOTHING: Self = Self { dropped: 0, scale: 1.0, key: (0, 0) };

    /// Whether the value at a place stays: by multiplying and shifting, which is cheap and vectorized.
    #[inline(always)]
    fn keeps(self, index: u32) -> bool {
        let mut hash = (index ^ self.key.0).wrapping_mul(0x9E37_79B1);
        hash = (hash ^ (hash >> 15) ^ self.key.1).wrapping_mul(0x85EB_CA77);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xC2B2_AE3D);
        hash ^ (hash >> 16) >= self.dropped
    }

    #[inline(always)]
    fn factor(self, index: u32) -> f32 {
        if self.keeps(index) { self.scale } else { 0.0 }
    }
}

/// `masked = dropout(values)`
pub fn masked(values: &[f32], dropout: Option<Dropout>, masked: &mut Vec<f32>) {
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    masked.resize(values.len(), 0.0);
    vectorized!(|| {
        for (index, (masked, value)) in masked.iter_mut().zip(values).enumerate() {
            *masked = value * draw.factor(index as u32);
        }
    });
}

/// `sum = kept + dropout(sum)`
pub fn add_residual(sum: &mut [f32], dropout: Option<Dropout>, kept: &[f32]) {
    let draw = dropout.map_or(Draw::NOTHING, Dropout::draw);
    vectorized!(|| {
        for (index, (sum, kept)) in sum.iter_mut().zip(kept).enumerate() {
            *sum = kept + *sum * draw.factor(index as u32);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_exact_to_a_few_units_in_the_last_place() {
        for i in -8000..=8000 {
            let x = i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(error < 1e-6, "exp({x}): relative error {error}");
        }
    }

    #[test]
    fn gelu_and_its_derivative_match_known_values() {
        // x, GELU(x), GELU'(x), computed with 30 digits.
        for (x, value, slope) in [
            (-3.0_f32, -0.004_049_694_f32, -0.011_945_647_f32),
            (-0.5, -0.154_268_77, 0.132_504_88),
            (0.0, 0.0, 0.5),
            (1.0, 0.841_344_7, 1.083_315_5),
            (2.5, 2.484_475_8, 1.037_611_1),
        ] {
            let (mut gradient, mut after) = ([x], [0.0]);
            gelu(&mut gradient, &mut after);
            assert!((after[0] - value).abs() < 1e-6, "GELU({x}) = {}, not {value}", after[0]);
            assert!((gradient[0] - slope).abs() < 1e-6, "GELU'({x}) = {}, not {slope}", gradient[0]);
        }
    }

    #[test]
    fn dropout_keeps_the_mean_and_repeats_itself() {
        let dropout = Dropout { rate: 0.1, key: 42 }.at(7);
        let mut values = vec![1.0; 100_000];
        dropout.apply(&mut values);
        let dropped = values.iter().filter(|&&v| v == 0.0).count();
        assert!((9_500..10_500).contains(&dropped), "{dropped} of 100,000 dropped at rate 0.1");
        let mut again = vec![1.0; 100_000];
        dropout.apply(&mut again);
        assert_eq!(values, again);
        let mut elsewhere = vec![1.0; 100_000];
        dropout.at(1).apply(&mut elsewhere);
        assert_ne!(values, elsewhere);
    }

    #[test]
    fn softmax_rows_sum_to_one_whatever_their_size() {
        let mut rows: Vec<f32> = (0..3 * 37).map(|i| ((i * 31) % 17) as f32 * 10.0 - 80.0).collect();
        softmax(&mut rows, 37, None, &mut Vec::new());
        for row in rows.chunks(37) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            assert!(row.iter().all(|p| (0.0..=1.0).contains(p)));
        }
    }
}
