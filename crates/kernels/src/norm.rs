//! A residual and its layer norm in one pass over memory, with the quantised rows that the next layer reads.
//!
//! ```text
//! rows   [tokens, padded(width)]  ─┐
//!                                  ├─ sum ─► normalised ─┬─ × weight + bias ─► rows, f32
//! others [tokens, padded(width)]  ─┘                     └─ quantised ───────► int8 rows for the next linear layer
//! ```

use crate::Isa;
use crate::padded;
use crate::quantize::{QuantizedSliceMut, Quantizer, RowScale};
use crate::simd::{Kernel, Simd};

/// A layer norm over the true width of padded rows.
pub struct LayerNorm {
    width: usize,
    epsilon: f32,
    /// `[padded(width)]`, as the next two. Zeros in the padding keep it 0.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 1 in true columns, 0 in the padding.
    mask: Vec<f32>,
}

impl LayerNorm {
    /// `weight` and `bias` have one number for each column, without padding.
    pub fn new(weight: &[f32], bias: &[f32], epsilon: f32) -> Self {
        let fill = |values: &[f32]| {
            let mut filled = values.to_vec();
            filled.resize(padded(values.len()), 0.0);
            filled
        };
        let mask = fill(&vec![1.0; weight.len()]);
        Self { width: weight.len(), epsilon, weight: fill(weight), bias: fill(bias), mask }
    }
}

/// `rows = norm(rows + others)`, both `[rows, padded(width)]`.
///
/// The quantised rows are those before the norm's weight and bias, which the layers that read them have made part of their
/// own (see [`FoldedNorm`](crate::linear::FoldedNorm)): a few columns with large weights or biases would widen the range of
/// every row, and all others would be rounded more coarsely.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn add_norm(
    isa: Isa,
    norm: &LayerNorm,
    rows: &mut [f32],
    others: &[f32],
    quantized: Option<QuantizedSliceMut<'_>>,
) {
    isa.run(AddNorm { norm, rows, others, quantized });
}

struct AddNorm<'a> {
    norm: &'a LayerNorm,
    rows: &'a mut [f32],
    others: &'a [f32],
    quantized: Option<QuantizedSliceMut<'a>>,
}

/// Rows that are normalised together: reducing four vectors costs little more than reducing one.
const TOGETHER: usize = 4;

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let norm = self.norm;
        let stride = norm.weight.len();
        let mut quantized = self.quantized.map(|QuantizedSliceMut { bytes, scales, format }| {
            (bytes.chunks_exact_mut(format.bytes() * stride), scales.iter_mut(), format)
        });
        let together = self.rows.chunks_mut(TOGETHER * stride).zip(self.others.chunks(TOGETHER * stride));
        for (rows, others) in together {
            let moments = norm.add(simd, rows, others);
            for (row, moments) in rows.chunks_exact_mut(stride).zip(moments) {
                if let Some((bytes, scales, format)) = &mut quantized
                    && let (Some(bytes), Some(scale)) = (bytes.next(), scales.next())
                {
                    let quantizer = Quantizer::new(*format, moments.mean, [moments.low, moments.high]);
                    quantizer.store(simd, row, bytes);
                    // The bytes are those of the sum; the scale makes them stand for the normalised row.
                    *scale = RowScale {
                        scale: quantizer.scale.scale * moments.scale,
                        zero: (quantizer.scale.zero - moments.mean) * moments.scale,
                    };
                }
                norm.finish(simd, row, &moments);
            }
        }
    }
}

/// What a row is normalised by.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f32,
    /// 1 divided by the standard deviation.
    scale: f32,
    low: f32,
    high: f32,
}

impl LayerNorm {
    /// Adds `others` to up to [`TOGETHER`] rows, and returns their moments.
    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, rows: &mut [f32], others: &[f32]) -> [Moments; TOGETHER] {
        let stride = self.weight.len();
        let zero = [simd.splat(0.0); TOGETHER];
        let (mut sums, mut squares, mut lows, mut highs) = (zero, zero, zero, zero);
        let mut pivots = [0.0; TOGETHER];
        for (at, (row, other)) in rows.chunks_exact_mut(stride).zip(others.chunks_exact(stride)).enumerate() {
            // Squares of numbers far from 0 would drown those of the differences to the mean. So a number of the row is
            // subtracted first: it is at most the root of the row's width in standard deviations from the mean.
            pivots[at] = row[0] + other[0];
            let pivot = simd.splat(pivots[at]);
            // Two sums at once, because an addition waits for the one before it.
            let mut sum = [simd.splat(0.0); 2];
            let (mut square, mut low, mut high) = (sum, [pivot; 2], [pivot; 2]);
            let pairs = row.chunks_mut(2 * S::LANES).zip(other.chunks(2 * S::LANES));
            for ((row, other), mask) in pairs.zip(self.mask.chunks(2 * S::LANES)) {
                let vectors = row.chunks_exact_mut(S::LANES).zip(other.chunks_exact(S::LANES));
                for (part, ((row, other), mask)) in vectors.zip(mask.chunks_exact(S::LANES)).enumerate() {
                    let value = simd.add(simd.load(row), simd.load(other));
                    simd.store(value, row);
                    let apart = simd.mul(simd.sub(value, pivot), simd.load(mask));
                    sum[part] = simd.add(sum[part], apart);
                    square[part] = simd.mul_add(apart, apart, square[part]);
                    low[part] = simd.min(low[part], value);
                    high[part] = simd.max(high[part], value);
                }
            }
            sums[at] = simd.add(sum[0], sum[1]);
            squares[at] = simd.add(square[0], square[1]);
            (lows[at], highs[at]) = (simd.min(low[0], low[1]), simd.max(high[0], high[1]));
        }
        let (sums, squares) = (simd.reduce_sum_of_4(sums), simd.reduce_sum_of_4(squares));
        let (lows, highs) = (simd.reduce_min_of_4(lows), simd.reduce_max_of_4(highs));
        let mut moments = [Moments::default(); TOGETHER];
        for at in 0..TOGETHER {
            let apart = sums[at] / self.width as f32;
            let variance = (squares[at] / self.width as f32 - apart * apart).max(0.0);
            moments[at] = Moments {
                mean: pivots[at] + apart,
                scale: 1.0 / (variance + self.epsilon).sqrt(),
                low: lows[at],
                high: highs[at],
            };
        }
        moments
    }

    /// Normalises a row.
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, row: &mut [f32], moments: &Moments) {
        let (scale, shift) = (simd.splat(moments.scale), simd.splat(-moments.mean * moments.scale));
        let parameters = self.weight.chunks_exact(S::LANES).zip(self.bias.chunks_exact(S::LANES));
        for (row, (weight, bias)) in row.chunks_exact_mut(S::LANES).zip(parameters) {
            let value = simd.mul_add(simd.load(row), scale, shift);
            simd.store(simd.mul_add(value, simd.load(weight), simd.load(bias)), row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;

    #[test]
    fn every_instruction_set_normalises() {
        for isa in instruction_sets() {
            for width in [1, 5, 16, 33, 384] {
                let weight: Vec<f32> = (0..width).map(|at| 1.0 + at as f32 / 10.0).collect();
                let norm = LayerNorm::new(&weight, &vec![0.5; width], 1e-12);
                let value = |row: usize, at: usize| ((row * 31 + at * 7) % 11) as f32;
                let mut rows = vec![0.0; 3 * padded(width)];
                for (index, row) in rows.chunks_exact_mut(padded(width)).enumerate() {
                    (0..width).for_each(|at| row[at] = value(index, at) - 2.0);
                }
                let mut others = vec![0.0; rows.len()];
                others.chunks_exact_mut(padded(width)).for_each(|row| row[..width].fill(2.0));
                add_norm(isa, &norm, &mut rows, &others, None);
                for (index, row) in rows.chunks_exact(padded(width)).enumerate() {
                    let values: Vec<f64> = (0..width).map(|at| f64::from(value(index, at))).collect();
                    let mean = values.iter().sum::<f64>() / width as f64;
                    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
                    for (at, found) in row.iter().enumerate() {
                        let expected = match values.get(at) {
                            Some(v) => (v - mean) / (variance + 1e-12).sqrt() * f64::from(weight[at]) + 0.5,
                            None => 0.0,
                        };
                        assert!(
                            (f64::from(*found) - expected).abs() < 1e-3,
                            "{isa}: {found}, not {expected}"
                        );
                    }
                }
            }
        }
    }
}
