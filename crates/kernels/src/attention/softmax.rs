//! The softmax of a row of scores as uint8 weights, in 16-bit fixed point: twice as many at once as in 32 bits, and a
//! uint8 needs no more.

use crate::aligned::Aligned;
use crate::simd::Simd;

/// What 1 is in negated scores in fixed point: a weight is 2 to the power of minus the negated score.
pub const UNIT: f32 = 1024.0;

/// Fraction bits of a negated score.
const SCORE_FRACTION: i32 = 10;

/// Fraction bits of a weight before it becomes a uint8.
const WEIGHT_FRACTION: i32 = 6;

/// The highest weight: with the carried rounding error it still is a uint8.
const MAX_WEIGHT: f32 = 254.0;

/// The weights' sum as [`softmax_row`] returns it, divided by the sum of their uint8.
pub const SCALE: f32 = 16_384.0 / MAX_WEIGHT;

/// The terms of a polynomial for 2 to the power of `-x`, `x` from 0 to 1, in units of 1 / 32,768, to a relative error of
/// 1.7e-3, the least possible of its degree. Both the weights and their sum are computed with it.
const POWER: [u16; 3] = [32_767, 21_861, 5_534];

/// Writes what weights are multiplied with before they become uint8, in the order of [`Simd::to_int16`]: the scales of the
/// values, which are from 0 to `highest`, divided by that. There is a multiple of four vectors of them.
#[inline(always)]
pub fn value_factors<S: Simd>(simd: S, scales: &[f32], highest: f32, to: &mut Aligned<i32>) {
    to.resize(scales.len() / 2);
    let max = simd.splat(2.0 * MAX_WEIGHT * (1 << WEIGHT_FRACTION) as f32 / highest);
    for (scales, to) in scales.chunks_exact(2 * S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
        let (first, second) = (simd.load(scales), simd.load(&scales[S::LANES..]));
        let factors = simd.to_int16(simd.mul(first, max), simd.mul(second, max));
        simd.store_i32(factors, to);
    }
}

/// Writes a row of weights as uint8, and returns their sum before they are multiplied with `factors`: whole numbers whose
/// sum over all lanes it is.
///
/// Vectors of `negated_scores` start `stride` apart; times `unit` they are in [`UNIT`]s. `min` is the lowest of them.
///
/// The rounding error of a weight is carried over to the next one in its lane: beside one large weight hundreds of small
/// ones would otherwise all become 0.
#[inline(always)]
pub fn softmax_row<S: Simd>(
    simd: S,
    [unit, min]: [f32; 2],
    negated_scores: &[f32],
    stride: usize,
    factors: &[i32],
    to: &mut [u8],
) -> S::I {
    // Weights start at a half, because they are shifted by at least one bit; rounding must not make the lowest negated
    // score negative.
    let nearest = min * unit;
    let shift = simd.splat(UNIT + 0.25 - nearest + nearest.abs() * 2e-7);
    let unit = simd.splat(unit);
    let terms = POWER.map(|term| simd.splat_int16(term));
    let fraction = simd.splat_int16((1 << WEIGHT_FRACTION) - 1);
    let mut total = simd.zero_i32();
    // A half, so that the error of the last weight is as often above 0 as below.
    let mut carried = simd.splat_int16(1 << (WEIGHT_FRACTION - 1));
    let fours = factors.chunks_exact(2 * S::LANES).zip(to.chunks_exact_mut(4 * S::LANES));
    for ((factors, to), negated_scores) in fours.zip(negated_scores.chunks(4 * stride)) {
        let mut bytes = [simd.zero_i32(); 2];
        for (pair, bytes) in bytes.iter_mut().enumerate() {
            let negated_scores = &negated_scores[2 * pair * stride..];
            let first = simd.mul_add(simd.load(negated_scores), unit, shift);
            let second = simd.mul_add(simd.load(&negated_scores[stride..]), unit, shift);
            let score = simd.to_int16(first, second);
            let fraction_of_score = simd.shift_left_u16::<{ 16 - SCORE_FRACTION }>(score);
            let slope = simd.sub_int16(terms[1], simd.mul_high_u16(fraction_of_score, terms[2]));
            let weight = simd.sub_int16(terms[0], simd.mul_high_u16(fraction_of_score, slope));
            let weight = simd.shift_right_each_u16(weight, simd.shift_right_u16::<SCORE_FRACTION>(score));
            total = simd.add_int16_pairs(total, weight);
            let factor = simd.load_i32(&factors[pair * S::LANES..]);
            let wanted = simd.add_int16(simd.mul_q15(weight, factor), carried);
            carried = simd.and_i32(wanted, fraction);
            *bytes = simd.shift_right_u16::<WEIGHT_FRACTION>(wanted);
        }
        simd.store_int16_as_u8(bytes[0], bytes[1], to);
    }
    total
}

/// The lowest lane of each row's vector.
#[inline(always)]
pub fn min_of_rows<S: Simd, const ROWS: usize>(simd: S, vectors: [S::F; ROWS]) -> [f32; ROWS] {
    let mut of_rows = [0.0; ROWS];
    for first in (0..ROWS).step_by(4) {
        let of_four = simd.reduce_min_of_4(four(vectors, first));
        of_rows[first..].iter_mut().zip(of_four).for_each(|(to, of_row)| *to = of_row);
    }
    of_rows
}

/// The sum of the whole numbers in each row's vector.
#[inline(always)]
pub fn sums_of_rows<S: Simd, const ROWS: usize>(simd: S, vectors: [S::I; ROWS]) -> [f32; ROWS] {
    let mut numbers = [simd.splat(0.0); ROWS];
    for (number, vector) in numbers.iter_mut().zip(vectors) {
        *number = simd.i32_to_f32(vector);
    }
    let mut of_rows = [0.0; ROWS];
    for first in (0..ROWS).step_by(4) {
        let of_four = simd.reduce_sum_of_4(four(numbers, first));
        of_rows[first..].iter_mut().zip(of_four).for_each(|(to, of_row)| *to = of_row);
    }
    of_rows
}

/// Four vectors from `first` on; behind the last one comes the last one again.
#[inline(always)]
fn four<F: Copy, const ROWS: usize>(vectors: [F; ROWS], first: usize) -> [F; 4] {
    let at = |index: usize| vectors[(first + index).min(ROWS - 1)];
    [at(0), at(1), at(2), at(3)]
}
