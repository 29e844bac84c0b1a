//! Functions of vectors: GELU, and the polynomial for powers of 2.

use crate::simd::Simd;
use std::f32::consts::FRAC_1_SQRT_2;

/// The polynomial of [`Simd::exp2`] for f32, to a relative error of 1e-7, the least possible of its degree.
pub(crate) const EXP2: [f32; 6] =
    [0.999_999_93, 0.693_153_1, 0.240_153_6, 0.055_826_32, 0.008_989_34, 0.001_877_576_7];

/// GELU: x times the normal distribution's share below x. The error function is formula 7.1.28 of Abramowitz and Stegun,
/// "Handbook of Mathematical Functions", whose error is at most 3e-7.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    let one = simd.splat(1.0);
    // Beyond 6 the error function is 1, and powers would overflow.
    let z = simd.min(simd.mul(simd.abs(x), simd.splat(FRAC_1_SQRT_2)), simd.splat(6.0));
    let mut sum = simd.splat(0.000_043_063_8);
    for term in [0.000_276_567_2, 0.000_152_014_3, 0.009_270_527, 0.042_282_01, 0.070_523_076, 1.0] {
        sum = simd.mul_add(sum, z, simd.splat(term));
    }
    for _ in 0..4 {
        sum = simd.mul(sum, sum);
    }
    let erf = simd.copysign(simd.sub(one, simd.reciprocal(sum)), x);
    let half = simd.mul(x, simd.splat(0.5));
    simd.mul_add(half, erf, half)
}

/// GELU to an error of 3e-4 between -3.5 and 3.5, and of 3.1e-4 times x beyond: for results that are quantised to int8.
#[inline(always)]
pub(crate) fn gelu_int8<S: Simd>(simd: S, x: S::F) -> S::F {
    /// The polynomial in the square of x for (share below x - 1/2) / x. No other one of its degree has a smaller error of
    /// the result.
    const SHARE: [f32; 6] = [
        0.397_499_56,
        -0.063_899_345,
        0.008_380_271,
        -0.000_709_808_57,
        0.000_034_065_967,
        -0.000_000_695_414_5,
    ];
    let near = simd.max(simd.min(x, simd.splat(3.5)), simd.splat(-3.5));
    let share = simd.polynomial(simd.mul(near, near), SHARE);
    simd.mul(simd.mul_add(near, share, simd.splat(0.5)), x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Kernel;
    use crate::testing::instruction_sets;

    #[derive(Clone, Copy)]
    enum Function {
        Exp2,
        Gelu,
        GeluInt8,
    }

    struct Map<'a>(&'a mut [f32], Function);

    impl Kernel for Map<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for values in self.0.chunks_exact_mut(S::LANES) {
                let x = simd.load(values);
                let y = match self.1 {
                    Function::Exp2 => simd.exp2(x, EXP2),
                    Function::Gelu => gelu(simd, x),
                    Function::GeluInt8 => simd.gelu_int8(x),
                };
                simd.store(y, values);
            }
        }
    }

    #[test]
    fn powers_of_two_are_that_on_every_instruction_set() {
        for isa in instruction_sets() {
            let inputs: Vec<f32> = (0..16_000).map(|step| -0.0078 * step as f32).collect();
            let mut values = inputs.clone();
            isa.run(Map(&mut values, Function::Exp2));
            for (x, found) in inputs.into_iter().zip(values) {
                let expected = f64::from(x).exp2();
                assert!((f64::from(found) / expected - 1.0).abs() < 5e-7, "{isa}: 2^{x} is not {found}");
            }
            let mut values = [-1e30; 16];
            isa.run(Map(&mut values, Function::Exp2));
            assert!(values.iter().all(|&found| (0.0..1e-37).contains(&found)), "{isa}: {values:?}");
        }
    }

    #[test]
    fn gelu_int8_is_close_to_gelu() {
        for isa in instruction_sets() {
            let inputs: Vec<f32> = (-6400..6400).map(|step| 0.00125 * step as f32).collect();
            let (mut exact, mut close) = (inputs.clone(), inputs.clone());
            isa.run(Map(&mut exact, Function::Gelu));
            isa.run(Map(&mut close, Function::GeluInt8));
            for ((x, exact), close) in inputs.into_iter().zip(exact).zip(close) {
                assert!(
                    (exact - close).abs() < f32::max(6e-4, 3.1e-4 * x.abs()),
                    "{isa}: gelu({x}) is not {close}"
                );
            }
        }
    }

    #[test]
    fn gelu_is_gelu_on_every_instruction_set() {
        // From tables of the normal distribution.
        let known =
            [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (2.0, 1.954_499_7), (-3.0, -0.004_049_7)];
        for isa in instruction_sets() {
            for (x, expected) in known {
                let mut values = [x; 16];
                isa.run(Map(&mut values, Function::Gelu));
                assert!((values[15] - expected).abs() < 1e-6, "{isa}: gelu({x}) is not {}", values[15]);
            }
            let mut values = [-30.0, 30.0, 1e30, -1e30, f32::MIN_POSITIVE, 0.0, -0.0, 88.0].repeat(2);
            isa.run(Map(&mut values, Function::Gelu));
            assert_eq!(values[..4], [0.0, 30.0, 1e30, 0.0], "{isa}");
        }
    }
}
