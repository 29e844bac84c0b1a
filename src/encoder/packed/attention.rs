//! Self-attention over packed windows: one window and one head at a time, so that keys and scores stay in cache.
//! In f32 whatever the linear layers compute in.

use super::math::exp;
use super::simd::{Kernel, Simd, TiledProduct};
use super::tile::{Floats, rows, tile};
use std::ops::Range;

/// Where queries, keys and values of a head stand in the rows of a `[tokens, 3 * heads * size]` matrix: all queries,
/// all keys, all values. Queries are already divided by the root of the head's true size.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) heads: usize,
    /// Of a head, filled up.
    pub(super) size: usize,
}

/// Memory for the work on one head.
#[derive(Default)]
pub(super) struct Scratch {
    /// Keys, transposed into panels: `[panels, size, width]`.
    keys: Vec<f32>,
    /// `[tokens, size]`: side by side, they stay in cache.
    values: Vec<f32>,
    /// A tile's rows of scores, `[rows, panels * width]`.
    scores: Vec<f32>,
}

/// `context = softmax(Q K^T) V` for each window and head.
pub(super) struct Attention<'a> {
    pub(super) shape: Shape,
    pub(super) windows: &'a [Range<usize>],
    /// `[tokens, 3 * heads * size]`
    pub(super) qkv: &'a [f32],
    pub(super) scratch: &'a mut Scratch,
    /// `[tokens, heads * size]`
    pub(super) context: &'a mut [f32],
}

impl Kernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        simd.multiply(self);
    }
}

impl TiledProduct for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { shape: Shape { heads, size }, windows, qkv, scratch, context } = self;
        let hidden = heads * size;
        for window in windows {
            let qkv = &qkv[window.start * 3 * hidden..window.end * 3 * hidden];
            let context = &mut context[window.start * hidden..window.end * hidden];
            for column in (0..hidden).step_by(size) {
                let [queries, keys, values] = [0, 1, 2].map(|part| &qkv[part * hidden + column..]);
                let head = Head { queries, keys, values, length: window.len(), stride: 3 * hidden, size };
                let context = &mut context[column..];
                head.attend::<S, ROWS, VECTORS>(simd, scratch, context, hidden);
            }
        }
    }
}

/// One head of one window. Rows stand `stride` numbers apart.
struct Head<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    /// Tokens of the window.
    length: usize,
    stride: usize,
    size: usize,
}

impl Head<'_> {
    /// Writes into the head's columns of `context`, whose rows stand `hidden` numbers apart.
    #[inline(always)]
    fn attend<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        context: &mut [f32],
        hidden: usize,
    ) {
        let &Self { queries, length, stride, size, .. } = self;
        let width = VECTORS * S::LANES;
        let reach = length.div_ceil(width) * width;
        scratch.keys.resize(size * reach, 0.0);
        scratch.scores.resize(ROWS * reach, 0.0);
        self.transpose_keys(width, &mut scratch.keys);
        scratch.values.resize(length * size, 0.0);
        for (to, values) in scratch.values.chunks_exact_mut(size).zip(self.values.chunks(stride)) {
            for (to, values) in to.chunks_exact_mut(S::LANES).zip(values.chunks_exact(S::LANES)) {
                simd.store(simd.load(values), to);
            }
        }
        // Scores of whole vectors only.
        let used = length.next_multiple_of(S::LANES);
        for first in (0..length).step_by(ROWS) {
            let queries = rows::<ROWS>(bytemuck::cast_slice(queries), first, length, stride, size);
            for (index, panel) in scratch.keys.chunks_exact(size * width).enumerate() {
                let columns = bytemuck::cast_slice(panel).chunks_exact(VECTORS * S::LANES);
                let scores = &mut scratch.scores[index * width..];
                // The last panel may be almost empty.
                if used - index * width <= S::LANES {
                    store_rows(simd, tile::<S, Floats, ROWS, 1>(simd, queries, columns), scores, reach);
                } else {
                    store_rows(simd, tile::<S, Floats, ROWS, VECTORS>(simd, queries, columns), scores, reach);
                }
            }
            let mut totals = [0.0; ROWS];
            for (total, scores) in totals.iter_mut().zip(scratch.scores.chunks_exact_mut(reach)) {
                *total = weights_of_scores(simd, &mut scores[..used], length);
            }
            let weights = rows::<ROWS>(bytemuck::cast_slice(&scratch.scores), 0, ROWS, reach, length);
            let mut column = 0;
            // Two vectors at a time, and one that may be left over.
            while column < size {
                let values: &[i32] = bytemuck::cast_slice(&scratch.values[column..]);
                let context = &mut context[first * hidden + column..];
                if column + 2 * S::LANES <= size {
                    let blended = tile::<S, Floats, ROWS, 2>(simd, weights, values.chunks(size));
                    store_rows(simd, scaled(simd, blended, totals), context, hidden);
                } else {
                    let blended = tile::<S, Floats, ROWS, 1>(simd, weights, values.chunks(size));
                    store_rows(simd, scaled(simd, blended, totals), context, hidden);
                }
                column += 2 * S::LANES;
            }
        }
    }

    /// Into panels of `width` keys, `[panels, size, width]`; what fills up the last panel is 0.
    #[inline(always)]
    fn transpose_keys(&self, width: usize, panels: &mut [f32]) {
        for (index, panel) in panels.chunks_exact_mut(self.size * width).enumerate() {
            for key in 0..width {
                let token = index * width + key;
                if token < self.length {
                    let values = &self.keys[token * self.stride..][..self.size];
                    for (value, to) in values.iter().zip(panel[key..].iter_mut().step_by(width)) {
                        *to = *value;
                    }
                } else {
                    panel[key..].iter_mut().step_by(width).for_each(|to| *to = 0.0);
                }
            }
        }
    }
}

/// Each row of a tile divided by its total.
#[inline(always)]
fn scaled<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    mut tile: [[S::F; VECTORS]; ROWS],
    totals: [f32; ROWS],
) -> [[S::F; VECTORS]; ROWS] {
    for (vectors, total) in tile.iter_mut().zip(totals) {
        let share = simd.splat(1.0 / total);
        for vector in vectors {
            *vector = simd.mul(*vector, share);
        }
    }
    tile
}

/// Writes the vectors of a tile, row by row.
#[inline(always)]
fn store_rows<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: [[S::F; VECTORS]; ROWS],
    to: &mut [f32],
    stride: usize,
) {
    for (vectors, to) in tile.into_iter().zip(to.chunks_mut(stride)) {
        for (vector, to) in vectors.into_iter().zip(to.chunks_exact_mut(S::LANES)) {
            simd.store(vector, to);
        }
    }
}

/// Turns a row's scores into their exponentials, relative to the highest, and returns the sum of these. Only the first
/// `length` scores are of tokens.
#[inline(always)]
fn weights_of_scores<S: Simd>(simd: S, scores: &mut [f32], length: usize) -> f32 {
    // So low that its exponential is lost in the sum.
    scores[length..].fill(-1e30);
    let mut highest = simd.splat(-1e30);
    for scores in scores.chunks_exact(S::LANES) {
        highest = simd.max(highest, simd.load(scores));
    }
    let highest = simd.splat(simd.highest(highest));
    let mut total = simd.splat(0.0);
    for scores in scores.chunks_exact_mut(S::LANES) {
        let weights = exp(simd, simd.sub(simd.load(scores), highest));
        total = simd.add(total, weights);
        simd.store(weights, scores);
    }
    simd.sum(total)
}

#[cfg(test)]
mod tests {
    use super::super::simd::Isa;
    use super::*;
    use crate::random::SplitMix;

    /// By the definition, in f64.
    fn expected(shape: Shape, windows: &[Range<usize>], qkv: &[f32]) -> Vec<f64> {
        let hidden = shape.heads * shape.size;
        let at = |part: usize, token: usize, column: usize| {
            f64::from(qkv[token * 3 * hidden + part * hidden + column])
        };
        let mut context = vec![0.0; qkv.len() / 3];
        for window in windows {
            for (token, column) in window.clone().flat_map(|t| (0..hidden).map(move |c| (t, c))) {
                let head = column / shape.size * shape.size;
                let score = |other: usize| -> f64 {
                    (head..head + shape.size).map(|c| at(0, token, c) * at(1, other, c)).sum()
                };
                let weights: Vec<f64> = window.clone().map(|other| score(other).exp()).collect();
                let sum: f64 =
                    window.clone().zip(&weights).map(|(t, weight)| weight * at(2, t, column)).sum();
                context[token * hidden + column] = sum / weights.iter().sum::<f64>();
            }
        }
        context
    }

    #[test]
    fn every_instruction_set_attends() {
        let cases: [(usize, usize, &[usize]); 5] =
            [(1, 16, &[1]), (2, 32, &[7, 1, 33]), (3, 48, &[50, 49, 48]), (1, 64, &[512]), (12, 32, &[65])];
        for (heads, size, lengths) in cases {
            let shape = Shape { heads, size };
            let mut windows = Vec::new();
            for &length in lengths {
                let start = windows.last().map_or(0, |window: &Range<usize>| window.end);
                windows.push(start..start + length);
            }
            let tokens: usize = lengths.iter().sum();
            let mut random = SplitMix::new(9);
            let qkv: Vec<f32> =
                (0..tokens * 3 * heads * size).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
            let expected = expected(shape, &windows, &qkv);
            for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                let mut context = vec![f32::NAN; tokens * heads * size];
                let scratch = &mut Scratch::default();
                isa.run(Attention { shape, windows: &windows, qkv: &qkv, scratch, context: &mut context });
                for (found, expected) in context.iter().zip(&expected) {
                    assert!((f64::from(*found) - expected).abs() < 2e-5, "{isa}: {found}, not {expected}");
                }
            }
        }
    }
}
