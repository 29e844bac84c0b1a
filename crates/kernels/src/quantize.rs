//! Rows of activations as bytes. Each has a scale of its own, so that it becomes the same bytes whatever stands beside it.
//!
//! In int8 an activation is a byte, from the row's lowest number to its highest. As exact as f32 are [`DIGITS`] bytes: to
//! the base of 256 a whole number of 24 bits, of which the row's largest activation takes all.

use crate::Isa;
use crate::simd::{Kernel, Simd};

/// Of a number that is as exact as f32. Each digit is from -128 to 127, and 128 is added to it.
pub const DIGITS: usize = 3;

/// The highest byte.
const MOST: f32 = 255.0;

/// The highest whole number of three digits is 8,355,711; a little room is left for rounding.
const MOST_OF_DIGITS: f32 = 8_355_000.0;

/// Rows of bytes, four in each word.
#[derive(Default)]
pub struct Quantized {
    /// `[rows, digits, width]`, the highest digits first.
    words: Vec<i32>,
    /// For each row what one step stands for, and what 0 does.
    ranges: Vec<[f32; 2]>,
    digits: usize,
}

/// Some rows of [`Quantized`].
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    pub words: &'a [i32],
    pub ranges: &'a [[f32; 2]],
    pub digits: usize,
}

/// Some rows of [`Quantized`], to be written.
pub struct RowsMut<'a> {
    pub bytes: &'a mut [u8],
    pub ranges: &'a mut [[f32; 2]],
    pub digits: usize,
}

impl Quantized {
    /// Makes room for `rows` rows of `width` activations, of so many digits.
    pub fn resize(&mut self, rows: usize, width: usize, digits: usize) {
        self.words.resize(rows * digits * width / 4, 0);
        self.ranges.resize(rows, [0.0; 2]);
        self.digits = digits;
    }

    /// `count` rows, from `first` on.
    pub fn rows(&self, first: usize, count: usize) -> Rows<'_> {
        let width = self.words.len() / self.ranges.len().max(1);
        let (words, ranges) = (&self.words[first * width..][..count * width], &self.ranges[first..][..count]);
        Rows { words, ranges, digits: self.digits }
    }

    pub fn rows_mut(&mut self, first: usize, count: usize) -> RowsMut<'_> {
        let width = self.words.len() / self.ranges.len().max(1);
        RowsMut {
            bytes: bytemuck::cast_slice_mut(&mut self.words[first * width..][..count * width]),
            ranges: &mut self.ranges[first..][..count],
            digits: self.digits,
        }
    }
}

/// Turns rows of f32 activations into bytes.
///
/// `values` is `[rows, width]`; `to` has as many rows of that width.
///
/// # Panics
/// If the processor lacks the instruction set, or `values` has too few rows.
pub fn quantize(isa: Isa, values: &[f32], to: RowsMut<'_>) {
    isa.run(Quantize { values, to });
}

struct Quantize<'a> {
    values: &'a [f32],
    to: RowsMut<'a>,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let RowsMut { bytes, ranges, digits } = self.to;
        let width = bytes.len() / ranges.len().max(1);
        let rows = self.values.chunks_exact(width / digits).zip(bytes.chunks_exact_mut(width));
        for ((values, bytes), range) in rows.zip(ranges) {
            // Two of each, for a vector has to wait for the one before it.
            let mut lows = [simd.load(values); 2];
            let mut highs = lows;
            for pair in values.chunks(2 * S::LANES) {
                let pair = pair.chunks_exact(S::LANES).zip(lows.iter_mut().zip(&mut highs));
                for (values, (low, high)) in pair {
                    let vector = simd.load(values);
                    (*low, *high) = (simd.min(*low, vector), simd.max(*high, vector));
                }
            }
            let low = simd.lowest(simd.min(lows[0], lows[1]));
            let steps = Steps::new(digits, 0.0, [low, simd.highest(simd.max(highs[0], highs[1]))]);
            steps.store(simd, values, bytes);
            *range = [steps.step, steps.zero];
        }
    }
}

/// How the values of a row become bytes.
pub(crate) struct Steps {
    digits: usize,
    /// What one step stands for.
    pub step: f32,
    /// What 0 stands for.
    pub zero: f32,
    /// Times it and with the offset added, a value is a whole number of steps when it is rounded.
    factor: f32,
    offset: f32,
}

impl Steps {
    /// For values between two. In one byte the lower one is 0; of several, the middle is.
    #[inline(always)]
    pub fn new(digits: usize, middle: f32, [low, high]: [f32; 2]) -> Self {
        let (zero, range, most) = match digits {
            1 => (low, high - low, MOST),
            _ => (middle, (high - middle).max(middle - low), MOST_OF_DIGITS),
        };
        // A row of equal values has no range; any will do.
        let range = range.max(1e-30);
        let factor = most / range;
        Self { digits, step: range / most, zero, factor, offset: -zero * factor }
    }

    /// Writes whole vectors of values as bytes.
    #[inline(always)]
    pub fn store<S: Simd>(&self, simd: S, values: &[f32], bytes: &mut [u8]) {
        let (factor, offset) = (simd.splat(self.factor), simd.splat(self.offset));
        if self.digits == DIGITS {
            let width = values.len();
            for (at, values) in values.chunks_exact(S::LANES).enumerate() {
                let vector = simd.mul_add(simd.load(values), factor, offset);
                simd.store_digits(vector, &mut bytes[at * S::LANES..], width);
            }
            return;
        }
        let (fours, rest) = values.split_at(values.len() / (4 * S::LANES) * (4 * S::LANES));
        let (bytes_of_fours, bytes_of_rest) = bytes.split_at_mut(fours.len());
        let fours = fours.chunks_exact(4 * S::LANES).zip(bytes_of_fours.chunks_exact_mut(4 * S::LANES));
        for (values, bytes) in fours {
            let mut vectors = [factor; 4];
            for (vector, values) in vectors.iter_mut().zip(values.chunks_exact(S::LANES)) {
                *vector = simd.mul_add(simd.load(values), factor, offset);
            }
            simd.store_four_bytes::<false>(vectors, bytes);
        }
        for (values, bytes) in rest.chunks_exact(S::LANES).zip(bytes_of_rest.chunks_exact_mut(S::LANES)) {
            simd.store_bytes(simd.mul_add(simd.load(values), factor, offset), bytes);
        }
    }
}
