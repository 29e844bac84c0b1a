//! Sums of two matrices, normalized row by row, in one sweep.

use crate::padded;
use crate::quantize::{RowsMut, Steps};
use crate::Isa;
use crate::simd::{Kernel, Simd};

/// A layer norm over the true width of rows that are filled up.
pub struct Norm {
    width: usize,
    epsilon: f32,
    /// Filled up with zeros, so that the columns that fill up stay 0.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 1 for true columns, 0 for those that fill up.
    mask: Vec<f32>,
}

impl Norm {
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

/// `rows = norm(rows + others)`, both `[rows, width]`, filled up.
///
/// As bytes the rows are written before they get the norm's weight and bias, which the layers that read them have made
/// part of their own: a few columns with large weights or biases would widen the range of every row, and all others
/// would be rounded more coarsely.
///
/// # Panics
/// If the processor lacks the instruction set.
pub fn add_norm(isa: Isa, norm: &Norm, rows: &mut [f32], others: &[f32], quantized: Option<RowsMut<'_>>) {
    isa.run(AddNorm { norm, rows, others, quantized });
}

struct AddNorm<'a> {
    norm: &'a Norm,
    rows: &'a mut [f32],
    others: &'a [f32],
    quantized: Option<RowsMut<'a>>,
}

/// Rows that are normalized together: sums over the lanes of four vectors cost little more than of one.
const TOGETHER: usize = 4;

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let norm = self.norm;
        let stride = norm.weight.len();
        let mut quantized = self.quantized.map(|RowsMut { bytes, ranges, digits }| {
            (bytes.chunks_exact_mut(digits * stride), ranges.iter_mut(), digits)
        });
        let together = self.rows.chunks_mut(TOGETHER * stride).zip(self.others.chunks(TOGETHER * stride));
        for (rows, others) in together {
            let of_rows = norm.add(simd, rows, others);
            for (row, moments) in rows.chunks_exact_mut(stride).zip(of_rows) {
                if let Some((bytes, ranges, digits)) = &mut quantized
                    && let (Some(bytes), Some(range)) = (bytes.next(), ranges.next())
                {
                    let steps = Steps::new(*digits, moments.mean, [moments.low, moments.high]);
                    steps.store(simd, row, bytes);
                    // The bytes hold what is normalized.
                    *range = [steps.step * moments.scale, (steps.zero - moments.mean) * moments.scale];
                }
                norm.finish(simd, row, &moments);
            }
        }
    }
}

/// What a row is normalized by.
#[derive(Clone, Copy, Default)]
struct Moments {
    mean: f32,
    /// 1 divided by the standard deviation.
    scale: f32,
    low: f32,
    high: f32,
}

impl Norm {
    /// Adds `others` to up to [`TOGETHER`] rows.
    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, rows: &mut [f32], others: &[f32]) -> [Moments; TOGETHER] {
        let stride = self.weight.len();
        let zero = [simd.splat(0.0); TOGETHER];
        let (mut sums, mut squares, mut lows, mut highs) = (zero, zero, zero, zero);
        let mut pivots = [0.0; TOGETHER];
        for (at, (row, other)) in rows.chunks_exact_mut(stride).zip(others.chunks_exact(stride)).enumerate() {
            // Squares of what is far from 0 would drown those of the differences to the mean. The first number is at
            // most as many standard deviations from the mean as the root of the row's width.
            pivots[at] = row[0] + other[0];
            let pivot = simd.splat(pivots[at]);
            // Two sums at once, for each has to wait for its last term.
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
        let (sums, squares) = (simd.sum_each(sums), simd.sum_each(squares));
        let (lows, highs) = (simd.lowest_each(lows), simd.highest_each(highs));
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

    /// Normalizes a row.
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
    use crate::Isa;
    use super::*;

    #[test]
    fn every_instruction_set_normalizes() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for width in [1, 5, 16, 33, 384] {
                let weight: Vec<f32> = (0..width).map(|at| 1.0 + at as f32 / 10.0).collect();
                let norm = Norm::new(&weight, &vec![0.5; width], 1e-12);
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
