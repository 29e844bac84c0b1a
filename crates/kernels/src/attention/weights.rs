//! The softmax's weights as bytes, in 16 bits: twice as many at once as in 32, and a byte needs no more.

use crate::simd::Simd;
use crate::aligned::Aligned;

/// What 1 is in distances, of which weights are powers: 2 to the power of minus the distance.
pub const UNIT: f32 = 1024.0;

/// Bits behind a distance's point.
const FRACTION: i32 = 10;

/// The bits behind a byte's point while a weight is made.
const BEHIND: i32 = 6;

/// The highest weight: with what is carried over to it, it still is a byte.
const MOST: f32 = 254.0;

/// What all weights together are in numbers of [`weigh`], of which each total is a sum, over the same of their bytes.
pub const SCALE: f32 = 16_384.0 / MOST;

/// Of a polynomial for 2 to the power of `-x`, `x` from 0 to 1, in steps of 1 / 32,768, to a relative error of 1.7e-3:
/// the least possible of its degree. Both the weights and their total are made of it.
const POWER: [u16; 3] = [32_767, 21_861, 5_534];

/// Writes what the weights of keys are multiplied with before they become bytes, in the order of [`Simd::to_halves`]:
/// numbers from 0 to `highest`, of which there is a multiple of four vectors, over that.
#[inline(always)]
pub fn factors<S: Simd>(simd: S, numbers: &[f32], highest: f32, to: &mut Aligned<i32>) {
    to.resize(numbers.len() / 2);
    let most = simd.splat(2.0 * MOST * (1 << BEHIND) as f32 / highest);
    for (numbers, to) in numbers.chunks_exact(2 * S::LANES).zip(to.chunks_exact_mut(S::LANES)) {
        let (first, second) = (simd.load(numbers), simd.load(&numbers[S::LANES..]));
        let halves = simd.to_halves(simd.mul(first, most), simd.mul(second, most));
        simd.store_words(halves, to);
    }
}

/// Writes a row of weights as bytes, and returns their total, in each lane a part: as whole numbers.
///
/// Vectors of `distances` stand `stride` apart, and their lowest one is given; times `unit` they are in [`UNIT`]s.
///
/// What rounding takes from a weight is given to the next one in its lane: beside one large weight hundreds of small
/// ones would else all become 0.
#[inline(always)]
pub fn weigh<S: Simd>(
    simd: S,
    [unit, lowest]: [f32; 2],
    distances: &[f32],
    stride: usize,
    factors: &[i32],
    to: &mut [u8],
) -> S::I {
    // Powers start at a half, for their bits are shifted by at least one; the lowest distance must not become less by a
    // rounding.
    let nearest = lowest * unit;
    let shift = simd.splat(UNIT + 0.25 - nearest + nearest.abs() * 2e-7);
    let unit = simd.splat(unit);
    let terms = POWER.map(|term| simd.splat_halves(term));
    let behind = simd.splat_halves((1 << BEHIND) - 1);
    let mut total = simd.zero_words();
    // A half, so that what is left at the end is as often too much as too little.
    let mut carried = simd.splat_halves(1 << (BEHIND - 1));
    let fours = factors.chunks_exact(2 * S::LANES).zip(to.chunks_exact_mut(4 * S::LANES));
    for ((factors, to), distances) in fours.zip(distances.chunks(4 * stride)) {
        let mut bytes = [simd.zero_words(); 2];
        for (pair, bytes) in bytes.iter_mut().enumerate() {
            let distances = &distances[2 * pair * stride..];
            let first = simd.mul_add(simd.load(distances), unit, shift);
            let second = simd.mul_add(simd.load(&distances[stride..]), unit, shift);
            let distance = simd.to_halves(first, second);
            let behind_point = simd.shift_halves_left::<{ 16 - FRACTION }>(distance);
            let slope = simd.sub_halves(terms[1], simd.mul_halves(behind_point, terms[2]));
            let power = simd.sub_halves(terms[0], simd.mul_halves(behind_point, slope));
            let power = simd.shift_each_half_right(power, simd.shift_halves_right::<FRACTION>(distance));
            total = simd.add_pairs(total, power);
            let factor = simd.load_words(&factors[pair * S::LANES..]);
            let wanted = simd.add_halves(simd.scale_halves(power, factor), carried);
            carried = simd.and_words(wanted, behind);
            *bytes = simd.shift_halves_right::<BEHIND>(wanted);
        }
        simd.store_halves_as_bytes(bytes[0], bytes[1], to);
    }
    total
}

/// The lowest lane of each row's vector.
#[inline(always)]
pub fn lowest_of_rows<S: Simd, const ROWS: usize>(simd: S, vectors: [S::F; ROWS]) -> [f32; ROWS] {
    let mut of_rows = [0.0; ROWS];
    for first in (0..ROWS).step_by(4) {
        let of_four = simd.lowest_each(four(vectors, first));
        of_rows[first..].iter_mut().zip(of_four).for_each(|(to, of_row)| *to = of_row);
    }
    of_rows
}

/// The sum of the whole numbers in each row's vector.
#[inline(always)]
pub fn sums_of_rows<S: Simd, const ROWS: usize>(simd: S, vectors: [S::I; ROWS]) -> [f32; ROWS] {
    let mut numbers = [simd.splat(0.0); ROWS];
    for (number, vector) in numbers.iter_mut().zip(vectors) {
        *number = simd.to_floats(vector);
    }
    let mut of_rows = [0.0; ROWS];
    for first in (0..ROWS).step_by(4) {
        let of_four = simd.sum_each(four(numbers, first));
        of_rows[first..].iter_mut().zip(of_four).for_each(|(to, of_row)| *to = of_row);
    }
    of_rows
}

/// Four vectors from `first` on; beyond the last one there is the last one again.
#[inline(always)]
fn four<F: Copy, const ROWS: usize>(vectors: [F; ROWS], first: usize) -> [F; 4] {
    let at = |index: usize| vectors[(first + index).min(ROWS - 1)];
    [at(0), at(1), at(2), at(3)]
}
