//! Operations on single elements, and the column sums of a bias's gradient. Plain loops over slices, each in one pass
//! over memory.

use super::vectorized;
use crate::Isa;

/// e^x to about 2e-7 relative: `2^n` times a polynomial on the remainder, without a branch.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which is then in the low bits of the mantissa.
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

/// The normal distribution's cumulative probability and density at `x`: what GELU and its derivative need, for one
/// exponential. Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: the
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

/// `rows[r] += bias` for every row. Rows are as wide as `bias`.
pub fn add_bias(isa: Isa, rows: &mut [f32], bias: &[f32]) {
    vectorized!(isa, || {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    });
}

/// `sums += sum of all rows`: the gradient of a bias. Rows are as wide as `sums`.
pub fn add_column_sums(isa: Isa, rows: &[f32], sums: &mut [f32]) {
    vectorized!(isa, || {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += value;
            }
        }
    });
}

/// `a += b`
pub fn add(isa: Isa, a: &mut [f32], b: &[f32]) {
    vectorized!(isa, || {
        for (a, b) in a.iter_mut().zip(b) {
            *a += b;
        }
    });
}

/// `after = GELU(before)`, and `before` becomes `GELU'(before)`: the slope costs next to nothing here, and as much again in
/// the backward pass.
pub fn gelu(isa: Isa, before: &mut [f32], after: &mut [f32]) {
    vectorized!(isa, || {
        for (x, out) in before.iter_mut().zip(after.iter_mut()) {
            let (cumulative, density) = normal(*x);
            *out = *x * cumulative;
            *x = cumulative + *x * density;
        }
    });
}

/// `a *= b`
pub fn multiply(isa: Isa, a: &mut [f32], b: &[f32]) {
    vectorized!(isa, || {
        for (a, b) in a.iter_mut().zip(b) {
            *a *= b;
        }
    });
}

/// What AdamW does in one step to parameters that share a learning rate.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    pub beta1: f32,
    pub beta2: f32,
    pub epsilon: f32,
    /// What gradients are multiplied with, so that their norm is clipped.
    pub gradient_scale: f32,
    /// The learning rate, corrected for the bias of the first moment.
    pub rate: f32,
    /// What the second moment is multiplied with to correct its bias.
    pub second_correction: f32,
    /// What is taken off a parameter, as a share of it.
    pub decay: f32,
}

/// Moves parameters and their first and second moments by one step of AdamW. All four slices are of one length.
pub fn adamw(
    isa: Isa,
    step: AdamWStep,
    parameters: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    gradients: &[f32],
) {
    let AdamWStep { beta1, beta2, epsilon, .. } = step;
    vectorized!(isa, || {
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((parameter, (first, second)), gradient) in parameters.iter_mut().zip(moments).zip(gradients) {
            let gradient = gradient * step.gradient_scale;
            *first = beta1 * *first + (1.0 - beta1) * gradient;
            *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
            let slope = *first / ((*second * step.second_correction).sqrt() + epsilon);
            *parameter -= step.rate * slope + step.decay * *parameter;
        }
    });
}

/// The sum of the squares, in f64.
pub fn sum_of_squares(isa: Isa, values: &[f32]) -> f64 {
    /// Several sums at a time, because an addition to one sum waits for the addition before it.
    const LANES: usize = 32;
    let mut sums = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    vectorized!(isa, || {
        for chunk in chunks {
            for (sum, &value) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
    });
    sums.iter().sum::<f64>() + rest.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

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
            for isa in instruction_sets() {
                let (mut gradient, mut after) = ([x], [0.0]);
                gelu(isa, &mut gradient, &mut after);
                assert!((after[0] - value).abs() < 1e-6, "{isa}: GELU({x}) = {}, not {value}", after[0]);
                assert!(
                    (gradient[0] - slope).abs() < 1e-6,
                    "{isa}: GELU'({x}) = {}, not {slope}",
                    gradient[0]
                );
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let numbers: Vec<f32> = (0..1003).map(|i| ((i * 7919) % 2003) as f32 / 300.0 - 3.0).collect();
        let others: Vec<f32> = numbers.iter().rev().copied().collect();
        let all = |isa: Isa| {
            let mut results = vec![numbers.clone(); 8];
            let [biased, column_sums, sum, before, after, product, first, second] = &mut results[..] else {
                unreachable!()
            };
            add_bias(isa, biased, &others[..17]);
            add_column_sums(isa, &numbers, &mut column_sums[..17]);
            add(isa, sum, &others);
            gelu(isa, before, after);
            multiply(isa, product, &others);
            second.iter_mut().for_each(|moment| *moment = moment.abs());
            let step = AdamWStep {
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                gradient_scale: 0.7,
                rate: 0.01,
                second_correction: 1.5,
                decay: 0.1,
            };
            let mut parameters = others.clone();
            adamw(isa, step, &mut parameters, first, second, &numbers);
            results.push(parameters);
            (results, sum_of_squares(isa, &numbers).to_bits())
        };
        let expected = all(Isa::Portable);
        for isa in instruction_sets() {
            assert!(all(isa) == expected, "{isa}");
        }
    }
}
