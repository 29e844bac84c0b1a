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
            let (mut low, mut high) = (simd.load(values), simd.load(values));
            for values in values.chunks_exact(S::LANES) {
                let vector = simd.load(values);
                (low, high) = (simd.min(low, vector), simd.max(high, vector));
            }
            let steps = Steps::new(simd, low, high);
            for (values, bytes) in values.chunks_exact(S::LANES).zip(bytes.chunks_exact_mut(S::LANES)) {
                steps.store(simd, simd.load(values), bytes);
            }
            *range = [steps.step, steps.low];
        }
    }
}

/// How the values of a row become bytes.
pub(super) struct Steps<S: Simd> {
    /// What one step stands for.
    pub(super) step: f32,
    /// What 0 stands for.
    pub(super) low: f32,
    lows: S::F,
    factor: S::F,
}

impl<S: Simd> Steps<S> {
    /// For values between the lowest lane and the highest.
    #[inline(always)]
    pub(super) fn new(simd: S, low: S::F, high: S::F) -> Self {
        let (low, high) = (simd.lowest(low), simd.highest(high));
        // A row of equal values has no range; any will do.
        let range = (high - low).max(f32::MIN_POSITIVE * 1e6);
        Self { step: range / MOST, low, lows: simd.splat(low), factor: simd.splat(MOST / range) }
    }

    #[inline(always)]
    pub(super) fn store(&self, simd: S, values: S::F, bytes: &mut [u8]) {
        simd.store_bytes(simd.mul(simd.sub(values, self.lows), self.factor), bytes);
    }
}
