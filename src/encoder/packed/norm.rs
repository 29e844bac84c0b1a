//! Sums of two matrices, normalized row by row, in one sweep.

use super::padded;
use super::quantize::{RowsMut, Steps};
use super::simd::{Kernel, Simd};

/// A layer norm over the true width of rows that are filled up.
pub(super) struct Norm {
    width: usize,
    epsilon: f32,
    /// Filled up with zeros, so that the columns that fill up stay 0.
    weight: Vec<f32>,
    bias: Vec<f32>,
    /// 1 for true columns, 0 for those that fill up.
    mask: Vec<f32>,
}

impl Norm {
    pub(super) fn new(weight: &[f32], bias: &[f32], epsilon: f32) -> Self {
        let fill = |values: &[f32]| {
            let mut filled = values.to_vec();
            filled.resize(padded(values.len()), 0.0);
            filled
        };
        let mask = fill(&vec![1.0; weight.len()]);
        Self { width: weight.len(), epsilon, weight: fill(weight), bias: fill(bias), mask }
    }

    /// `row = row * scale * weight + bias`
    #[inline(always)]
    fn finish<S: Simd>(&self, simd: S, row: &mut [f32], scale: S::F) {
        let parameters = self.weight.chunks_exact(S::LANES).zip(self.bias.chunks_exact(S::LANES));
        for (row, (weight, bias)) in row.chunks_exact_mut(S::LANES).zip(parameters) {
            let value = simd.mul(simd.load(row), scale);
            simd.store(simd.mul_add(value, simd.load(weight), simd.load(bias)), row);
        }
    }
}

/// `rows = norm(rows + others)`, both `[rows, width]`, filled up.
///
/// As bytes the rows are written before they get the norm's weight and bias, which the layers that read them have made
/// part of their own: a few columns with large weights or biases would widen the range of every row, and all others
/// would be rounded more coarsely.
pub(super) struct AddNorm<'a> {
    pub(super) norm: &'a Norm,
    pub(super) rows: &'a mut [f32],
    pub(super) others: &'a [f32],
    pub(super) quantized: Option<RowsMut<'a>>,
}

impl Kernel for AddNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let norm = self.norm;
        let stride = norm.weight.len();
        let mut quantized = self
            .quantized
            .map(|RowsMut { bytes, ranges }| (bytes.chunks_exact_mut(stride), ranges.iter_mut()));
        for (row, other) in self.rows.chunks_exact_mut(stride).zip(self.others.chunks_exact(stride)) {
            // Four sums at once, for each has to wait for its last term.
            let mut sums = [simd.splat(0.0); 4];
            for (row, other) in row.chunks_mut(4 * S::LANES).zip(other.chunks(4 * S::LANES)) {
                let vectors = row.chunks_exact_mut(S::LANES).zip(other.chunks_exact(S::LANES));
                for (sum, (row, other)) in sums.iter_mut().zip(vectors) {
                    let value = simd.add(simd.load(row), simd.load(other));
                    *sum = simd.add(*sum, value);
                    simd.store(value, row);
                }
            }
            let mean = simd.splat(total(simd, sums) / norm.width as f32);
            let mut squares = [simd.splat(0.0); 4];
            let (mut low, mut high) = (simd.splat(0.0), simd.splat(0.0));
            for (row, mask) in row.chunks_mut(4 * S::LANES).zip(norm.mask.chunks(4 * S::LANES)) {
                let vectors = row.chunks_exact_mut(S::LANES).zip(mask.chunks_exact(S::LANES));
                for (square, (row, mask)) in squares.iter_mut().zip(vectors) {
                    let centred = simd.mul(simd.sub(simd.load(row), mean), simd.load(mask));
                    *square = simd.mul_add(centred, centred, *square);
                    (low, high) = (simd.min(low, centred), simd.max(high, centred));
                    simd.store(centred, row);
                }
            }
            let variance = total(simd, squares) / norm.width as f32;
            let scale = simd.splat(1.0 / (variance + norm.epsilon).sqrt());
            if let Some((bytes, ranges)) = &mut quantized
                && let (Some(bytes), Some(range)) = (bytes.next(), ranges.next())
            {
                let steps = Steps::new(simd, simd.mul(low, scale), simd.mul(high, scale));
                for (row, bytes) in row.chunks_exact_mut(S::LANES).zip(bytes.chunks_exact_mut(S::LANES)) {
                    let value = simd.mul(simd.load(row), scale);
                    steps.store(simd, value, bytes);
                    simd.store(value, row);
                }
                *range = [steps.step, steps.low];
                norm.finish(simd, row, simd.splat(1.0));
            } else {
                norm.finish(simd, row, scale);
            }
        }
    }
}

#[inline(always)]
fn total<S: Simd>(simd: S, [a, b, c, d]: [S::F; 4]) -> f32 {
    simd.sum(simd.add(simd.add(a, b), simd.add(c, d)))
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
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
                isa.run(AddNorm { norm: &norm, rows: &mut rows, others: &others, quantized: None });
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
