//! Rows of activations as bytes. Each has a scale and a lowest value of its own, so that it becomes the same bytes
//! whatever stands beside it.

use super::simd::{Kernel, Simd};

/// The highest byte.
const MOST: f32 = 255.0;

/// Rows of bytes, four in each word.
#[derive(Default)]
pub(super) struct Quantized {
    words: Vec<i32>,
    /// For each row what one step stands for, and what 0 does.
    ranges: Vec<[f32; 2]>,
}

/// Some rows of [`Quantized`].
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) words: &'a [i32],
    pub(super) ranges: &'a [[f32; 2]],
}

/// Some rows of [`Quantized`], to be written.
pub(super) struct RowsMut<'a> {
    pub(super) bytes: &'a mut [u8],
    pub(super) ranges: &'a mut [[f32; 2]],
}

impl Quantized {
    /// Makes room for `rows` rows of `width` bytes.
    pub(super) fn resize(&mut self, rows: usize, width: usize) {
        self.words.resize(rows * width / 4, 0);
        self.ranges.resize(rows, [0.0; 2]);
    }

    /// `count` rows, from `first` on.
    pub(super) fn rows(&self, first: usize, count: usize) -> Rows<'_> {
        let width = self.words.len() / self.ranges.len().max(1);
        Rows { words: &self.words[first * width..][..count * width], ranges: &self.ranges[first..][..count] }
    }

    pub(super) fn rows_mut(&mut self, first: usize, count: usize) -> RowsMut<'_> {
        let width = self.words.len() / self.ranges.len().max(1);
        RowsMut {
            bytes: bytemuck::cast_slice_mut(&mut self.words[first * width..][..count * width]),
            ranges: &mut self.ranges[first..][..count],
        }
    }
}

/// Turns rows into bytes.
pub(super) struct Quantize<'a> {
    pub(super) values: &'a [f32],
    pub(super) to: RowsMut<'a>,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let RowsMut { bytes, ranges } = self.to;
        let width = bytes.len() / ranges.len().max(1);
        let rows = self.values.chunks_exact(width).zip(bytes.chunks_exact_mut(width));
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
            let steps = Steps::new(low, simd.highest(simd.max(highs[0], highs[1])));
            steps.store(simd, values, bytes);
            *range = [steps.step, steps.low];
        }
    }
}

/// How the values of a row become bytes.
pub(super) struct Steps {
    /// What one step stands for.
    pub(super) step: f32,
    /// What 0 stands for.
    pub(super) low: f32,
    /// Times it and with the offset added, a value is a byte.
    pub(super) factor: f32,
    pub(super) offset: f32,
}

impl Steps {
    /// For values from `low` to `high`.
    #[inline(always)]
    pub(super) fn new(low: f32, high: f32) -> Self {
        // A row of equal values has no range; any will do.
        let range = (high - low).max(f32::MIN_POSITIVE * 1e6);
        let factor = MOST / range;
        Self { step: range / MOST, low, factor, offset: -low * factor }
    }

    /// Writes whole vectors of values as bytes.
    #[inline(always)]
    pub(super) fn store<S: Simd>(&self, simd: S, values: &[f32], bytes: &mut [u8]) {
        let (factor, offset) = (simd.splat(self.factor), simd.splat(self.offset));
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
