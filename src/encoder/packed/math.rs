//! Functions of vectors, by the operations of [`Simd`].

use super::simd::Simd;
use std::f32::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

/// e to the power of numbers that are not positive, to a relative error of 6e-6. Below -87 it is e^-87, not 0.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::F) -> S::F {
    /// Added to it, a small number is rounded to a whole one, which stands in the sum's last bits.
    const LARGE: f32 = 12_582_912.0;
    /// Taylor's series of e^(rest * ln 2) in rest, which lies between -1/2 and 1/2.
    const TERMS: [f32; 6] = {
        let (mut terms, mut power) = ([1.0; 6], 1);
        while power < 6 {
            terms[power] = terms[power - 1] * LN_2 / power as f32;
            power += 1;
        }
        terms
    };
    let x = simd.max(x, simd.splat(-87.0));
    let whole = simd.mul_add(x, simd.splat(LOG2_E), simd.splat(LARGE));
    let rest = simd.mul_add(x, simd.splat(LOG2_E), simd.sub(simd.splat(LARGE), whole));
    let mut sum = simd.splat(TERMS[5]);
    for &term in TERMS[..5].iter().rev() {
        sum = simd.mul_add(sum, rest, simd.splat(term));
    }
    simd.add_to_exponent(sum, whole)
}

/// x times the normal distribution's share below x, with the error function by formula 7.1.28 of Abramowitz and
/// Stegun, "Handbook of Mathematical Functions", whose error is at most 3e-7.
#[inline(always)]
pub(super) fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
    let one = simd.splat(1.0);
    // From there on the error function is 1, and powers would overflow.
    let z = simd.min(simd.mul(simd.abs(x), simd.splat(FRAC_1_SQRT_2)), simd.splat(6.0));
    let mut sum = simd.splat(0.000_043_063_8);
    for term in [0.000_276_567_2, 0.000_152_014_3, 0.009_270_527, 0.042_282_01, 0.070_523_076, 1.0] {
        sum = simd.mul_add(sum, z, simd.splat(term));
    }
    for _ in 0..4 {
        sum = simd.mul(sum, sum);
    }
    let erf = simd.with_sign(simd.sub(one, simd.reciprocal(sum)), x);
    let half = simd.mul(x, simd.splat(0.5));
    simd.mul_add(half, erf, half)
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Isa, Kernel};
    use super::*;

    struct Map<'a>(&'a mut [f32], bool);

    impl Kernel for Map<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            for values in self.0.chunks_exact_mut(S::LANES) {
                let x = simd.load(values);
                simd.store(if self.1 { gelu(simd, x) } else { exp(simd, x) }, values);
            }
        }
    }

    #[test]
    fn exp_is_exp_on_every_instruction_set() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let inputs: Vec<f32> = (0..16_000).map(|step| -0.0055 * step as f32).collect();
            let mut values = inputs.clone();
            isa.run(Map(&mut values, false));
            for (x, found) in inputs.into_iter().zip(values) {
                let expected = f64::from(x).exp().max((-87.0_f64).exp());
                assert!((f64::from(found) / expected - 1.0).abs() < 1e-5, "{isa}: e^{x} is not {found}");
            }
        }
    }

    #[test]
    fn gelu_is_gelu_on_every_instruction_set() {
        // From tables of the normal distribution.
        let known =
            [(0.0, 0.0), (1.0, 0.841_344_8), (-1.0, -0.158_655_25), (2.0, 1.954_499_7), (-3.0, -0.004_049_7)];
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (x, expected) in known {
                let mut values = [x; 16];
                isa.run(Map(&mut values, true));
                assert!((values[15] - expected).abs() < 1e-6, "{isa}: gelu({x}) is not {}", values[15]);
            }
            let mut values = [-30.0, 30.0, 1e30, -1e30, f32::MIN_POSITIVE, 0.0, -0.0, 88.0].repeat(2);
            isa.run(Map(&mut values, true));
            assert_eq!(values[..4], [0.0, 30.0, 1e30, 0.0], "{isa}");
        }
    }
}
