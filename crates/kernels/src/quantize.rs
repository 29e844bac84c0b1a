//! Rows of activations in int8. Each row has a scale and a zero point of its own, so that it becomes the same bytes
//! whatever rows are beside it.
//!
//! ```text
//! Int8      row r   ┌ a0 a1 a2 a3 ┬ a4 a5 a6 a7 ┬ ... ┐                      uint8, four in a word
//!                   value = scale × a + zero
//!
//! Int8x3    row r   ┌ high a0 .. a(w-1) ┬ middle a0 .. a(w-1) ┬ low a0 .. a(w-1) ┐
//!                   value = scale × (65536 (high - 128) + 256 (middle - 128) + (low - 128)) + zero
//! ```
//!
//! In `Int8` the zero point is the row's lowest number, and the scale takes the highest to 255. `Int8x3` is as exact as
//! f32: its three digits are a whole number of 24 bits, of which the row's largest number takes all.

use crate::Isa;
use crate::simd::{Kernel, Simd};

/// The digits of an f32 activation in [`ActivationFormat::Int8x3`].
pub const DIGITS: usize = 3;

/// The highest uint8.
const MAX_INT8: f32 = 255.0;

/// The highest whole number of three digits is 8,355,711; a little room is left for rounding.
const MAX_INT8X3: f32 = 8_355_000.0;

/// How an activation is quantised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ActivationFormat {
    /// One uint8.
    #[default]
    Int8,
    /// Three digits to the base of 256, each from -128 to 127, plus 128.
    Int8x3,
}

impl ActivationFormat {
    /// The bytes of an activation.
    pub fn bytes(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int8x3 => DIGITS,
        }
    }
}

/// How the bytes of a row stand for numbers: `scale * whole number + zero`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowScale {
    pub scale: f32,
    pub zero: f32,
}

/// Rows of quantised activations.
#[derive(Default)]
pub struct QuantizedRows {
    /// `[rows, bytes of the format, width]`, four bytes in each word.
    words: Vec<i32>,
    /// `[rows]`
    scales: Vec<RowScale>,
    format: ActivationFormat,
}

/// Some of the rows.
#[derive(Clone, Copy)]
pub struct QuantizedSlice<'a> {
    pub(crate) words: &'a [i32],
    pub(crate) scales: &'a [RowScale],
    pub(crate) format: ActivationFormat,
}

/// Some of the rows, to be written.
pub struct QuantizedSliceMut<'a> {
    pub(crate) bytes: &'a mut [u8],
    pub(crate) scales: &'a mut [RowScale],
    pub(crate) format: ActivationFormat,
}

impl QuantizedRows {
    /// Makes room for `rows` rows of `width` activations; `width` is [`padded`](crate::padded).
    pub fn resize(&mut self, rows: usize, width: usize, format: ActivationFormat) {
        self.words.resize(rows * format.bytes() * width / 4, 0);
        self.scales.resize(rows, RowScale::default());
        self.format = format;
    }

    /// `count` rows, from `first` on.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn rows(&self, first: usize, count: usize) -> QuantizedSlice<'_> {
        let width = self.words.len() / self.scales.len().max(1);
        let (words, scales) = (&self.words[first * width..][..count * width], &self.scales[first..][..count]);
        QuantizedSlice { words, scales, format: self.format }
    }

    /// `count` rows, from `first` on, to be written.
    ///
    /// # Panics
    /// If there are not as many rows.
    pub fn rows_mut(&mut self, first: usize, count: usize) -> QuantizedSliceMut<'_> {
        let width = self.words.len() / self.scales.len().max(1);
        QuantizedSliceMut {
            bytes: bytemuck::cast_slice_mut(&mut self.words[first * width..][..count * width]),
            scales: &mut self.scales[first..][..count],
            format: self.format,
        }
    }
}

impl QuantizedRows {
    /// Takes over rows of another matrix, one after the other.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn gather(&mut self, from: &Self, rows: &[usize]) {
        let width = from.words.len() / from.scales.len().max(1);
        self.format = from.format;
        self.words.clear();
        self.scales.clear();
        for &row in rows {
            self.words.extend_from_slice(&from.words[row * width..][..width]);
            self.scales.push(from.scales[row]);
        }
    }
}

/// Quantises rows of f32 activations. `values` is `[rows, width]`; `to` has as many rows of that width.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn quantize(isa: Isa, values: &[f32], to: QuantizedSliceMut<'_>) {
    isa.run(Quantize { values, to });
}

struct Quantize<'a> {
    values: &'a [f32],
    to: QuantizedSliceMut<'a>,
}

impl Kernel for Quantize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let QuantizedSliceMut { bytes, scales, format } = self.to;
        let width = bytes.len() / scales.len().max(1);
        let rows = self.values.chunks_exact(width / format.bytes()).zip(bytes.chunks_exact_mut(width));
        for ((values, bytes), scale) in rows.zip(scales) {
            // Two of each, because a minimum waits for the one before it.
            let mut lows = [simd.load(values); 2];
            let mut highs = lows;
            for pair in values.chunks(2 * S::LANES) {
                let pair = pair.chunks_exact(S::LANES).zip(lows.iter_mut().zip(&mut highs));
                for (values, (low, high)) in pair {
                    let vector = simd.load(values);
                    (*low, *high) = (simd.min(*low, vector), simd.max(*high, vector));
                }
            }
            let low = simd.reduce_min(simd.min(lows[0], lows[1]));
            let high = simd.reduce_max(simd.max(highs[0], highs[1]));
            let quantizer = Quantizer::new(format, 0.0, [low, high]);
            quantizer.store(simd, values, bytes);
            *scale = quantizer.scale;
        }
    }
}

/// How the values of one row become bytes.
pub(crate) struct Quantizer {
    format: ActivationFormat,
    pub scale: RowScale,
    /// A value times the factor, plus the offset, is a whole number when it is rounded.
    factor: f32,
    offset: f32,
}

impl Quantizer {
    /// For values from `low` to `high`. The zero point is `low` in `Int8`, and `middle` in `Int8x3`.
    #[inline(always)]
    pub fn new(format: ActivationFormat, middle: f32, [low, high]: [f32; 2]) -> Self {
        let (zero, range, max) = match format {
            ActivationFormat::Int8 => (low, high - low, MAX_INT8),
            ActivationFormat::Int8x3 => (middle, (high - middle).max(middle - low), MAX_INT8X3),
        };
        // A row of equal values has no range; any will do.
        let range = range.max(1e-30);
        let factor = max / range;
        Self { format, scale: RowScale { scale: range / max, zero }, factor, offset: -zero * factor }
    }

    /// Writes whole vectors of values as bytes.
    #[inline(always)]
    pub fn store<S: Simd>(&self, simd: S, values: &[f32], bytes: &mut [u8]) {
        let (factor, offset) = (simd.splat(self.factor), simd.splat(self.offset));
        if self.format == ActivationFormat::Int8x3 {
            let width = values.len();
            for (at, values) in values.chunks_exact(S::LANES).enumerate() {
                let vector = simd.mul_add(simd.load(values), factor, offset);
                simd.store_int8x3(vector, &mut bytes[at * S::LANES..], width);
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
            simd.store_int8_of_4::<false>(vectors, bytes);
        }
        for (values, bytes) in rest.chunks_exact(S::LANES).zip(bytes_of_rest.chunks_exact_mut(S::LANES)) {
            simd.store_int8(simd.mul_add(simd.load(values), factor, offset), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix;
    use crate::testing::instruction_sets;

    #[test]
    fn every_instruction_set_quantises_to_within_half_a_step() {
        let (rows, width) = (5, 80);
        let mut random = SplitMix::new(5);
        let mut values: Vec<f32> = (0..rows * width)
            .map(|at| (random.unit() as f32 - 0.3) * 10_f32.powi((at / width) as i32 - 2))
            .collect();
        // A row without a range.
        values[..width].fill(0.25);
        for isa in instruction_sets() {
            for format in [ActivationFormat::Int8, ActivationFormat::Int8x3] {
                let mut quantized = QuantizedRows::default();
                quantized.resize(rows, width, format);
                quantize(isa, &values, quantized.rows_mut(0, rows));
                let QuantizedSlice { words, scales, .. } = quantized.rows(0, rows);
                let bytes: &[u8] = bytemuck::cast_slice(words);
                for (at, value) in values.iter().enumerate() {
                    let (row, column) = (at / width, at % width);
                    let digit =
                        |digit: usize| f64::from(bytes[(row * format.bytes() + digit) * width + column]);
                    let whole = match format {
                        ActivationFormat::Int8 => digit(0),
                        ActivationFormat::Int8x3 => {
                            65_536.0 * (digit(0) - 128.0) + 256.0 * (digit(1) - 128.0) + digit(2) - 128.0
                        }
                    };
                    let RowScale { scale, zero } = scales[row];
                    let error = f64::from(scale) * whole + f64::from(zero) - f64::from(*value);
                    // Half a step, and the rounding of the f32 operations on a number of that size.
                    let bound = f64::from(scale) * 0.51 + f64::from(value.abs()) * 1e-6;
                    assert!(error.abs() <= bound, "{isa}, {format:?}: {value} is off by {error}");
                }
            }
        }
    }
}
