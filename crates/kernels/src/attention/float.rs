//! Attention in f32.
//!
//! ```text
//! keys    [panels, size, width]     transposed: a panel is `width` keys side by side
//! values  [tokens, size]            copied together, so that they stay in cache
//! scores  [ROWS, panels × width]    of the queries of one register tile; then their powers of 2
//! ```

use super::{HeadShape, PositionBias, store_rows};
use crate::Isa;
use crate::aligned::Aligned;
use crate::math::EXP2;
use crate::microkernel::{F32, multiply_tile, tile_rows};
use crate::simd::{Kernel, Simd, TiledKernel};
use std::ops::Range;

/// Memory for the work on one head.
#[derive(Default)]
pub struct Scratch {
    /// `[panels, size, width]`
    keys: Aligned<f32>,
    /// `[tokens, size]`
    values: Aligned<f32>,
    /// `[ROWS, panels * width]`
    scores: Aligned<f32>,
}

/// `context = softmax(Q K^T + bias) V` for each window and head.
///
/// `qkv` is `[tokens, 3 * heads * size]`: all queries, all keys, all values. `context` is `[tokens, heads * size]`; `windows` are ranges of tokens.
///
/// # Panics
/// If the processor lacks the instruction set, or a slice is too short for the windows.
pub fn attend(
    isa: Isa,
    shape: HeadShape,
    bias: Option<&PositionBias>,
    windows: &[Range<usize>],
    qkv: &[f32],
    scratch: &mut Scratch,
    context: &mut [f32],
) {
    isa.run(Attention { shape, bias, windows, qkv, scratch, context });
}

struct Attention<'a> {
    shape: HeadShape,
    bias: Option<&'a PositionBias>,
    windows: &'a [Range<usize>],
    /// `[tokens, 3 * heads * size]`: all queries, all keys, all values.
    qkv: &'a [f32],
    scratch: &'a mut Scratch,
    /// `[tokens, heads * size]`
    context: &'a mut [f32],
}

impl Kernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        simd.with_register_tile(self);
    }
}

impl TiledKernel for Attention<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { shape: HeadShape { heads, size }, bias, windows, qkv, scratch, context } = self;
        let hidden = heads * size;
        for window in windows {
            let qkv = &qkv[window.start * 3 * hidden..window.end * 3 * hidden];
            let context = &mut context[window.start * hidden..window.end * hidden];
            for (head, column) in (0..hidden).step_by(size).enumerate() {
                let of_query = |query| bias.map(|bias| bias.of_query(head, query));
                let [queries, keys, values] = [0, 1, 2].map(|which| &qkv[which * hidden + column..]);
                let head = HeadView { queries, keys, values, length: window.len(), stride: 3 * hidden, size };
                let context = &mut context[column..];
                head.attend::<S, ROWS, VECTORS>(simd, scratch, of_query, context, hidden);
            }
        }
    }
}

/// One head of one window. Rows start `stride` numbers apart.
struct HeadView<'a> {
    queries: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    /// Tokens of the window.
    length: usize,
    stride: usize,
    size: usize,
}

impl HeadView<'_> {
    /// Writes the head's columns of `context`, whose rows start `hidden` numbers apart.
    #[inline(always)]
    fn attend<'b, S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        bias: impl Fn(usize) -> Option<&'b [f32]>,
        context: &mut [f32],
        hidden: usize,
    ) {
        let &Self { queries, length, stride, size, .. } = self;
        let width = VECTORS * S::LANES;
        let reach = length.div_ceil(width) * width;
        scratch.keys.resize(size * reach);
        scratch.scores.resize(ROWS * reach);
        self.transpose_keys(width, &mut scratch.keys);
        scratch.values.resize(length * size);
        for (to, values) in scratch.values.chunks_exact_mut(size).zip(self.values.chunks(stride)) {
            for (to, values) in to.chunks_exact_mut(S::LANES).zip(values.chunks_exact(S::LANES)) {
                simd.store(simd.load(values), to);
            }
        }
        // Scores of whole vectors only.
        let used = length.next_multiple_of(S::LANES);
        for first in (0..length).step_by(ROWS) {
            let queries = tile_rows::<ROWS>(bytemuck::cast_slice(queries), first, length, stride, size);
            for (index, panel) in scratch.keys.chunks_exact(size * width).enumerate() {
                let columns = bytemuck::cast_slice(panel).chunks_exact(VECTORS * S::LANES);
                let scores = &mut scratch.scores[index * width..];
                // The last panel may be almost empty.
                if used - index * width <= S::LANES {
                    store_rows(
                        simd,
                        multiply_tile::<S, F32, ROWS, 1>(simd, [simd.splat(0.0)], queries, columns),
                        scores,
                        reach,
                    );
                } else {
                    store_rows(
                        simd,
                        multiply_tile::<S, F32, ROWS, VECTORS>(
                            simd,
                            [simd.splat(0.0); VECTORS],
                            queries,
                            columns,
                        ),
                        scores,
                        reach,
                    );
                }
            }
            let mut totals = [0.0; ROWS];
            let of_rows = totals.iter_mut().zip(scratch.scores.chunks_exact_mut(reach));
            for (row, (total, scores)) in of_rows.enumerate() {
                let scores = &mut scores[..used];
                let query = (first + row).min(length - 1);
                let highest = simd.splat(highest(simd, scores, length, bias(query)));
                let mut sum = simd.splat(0.0);
                for scores in scores.chunks_exact_mut(S::LANES) {
                    let weights = simd.exp2(simd.sub(simd.load(scores), highest), EXP2);
                    sum = simd.add(sum, weights);
                    simd.store(weights, scores);
                }
                *total = simd.reduce_sum(sum);
            }
            let weights = tile_rows::<ROWS>(bytemuck::cast_slice(&scratch.scores), 0, ROWS, reach, length);
            let mut column = 0;
            // Two vectors at a time, and one that may be left over.
            while column < size {
                let values: &[i32] = bytemuck::cast_slice(&scratch.values[column..]);
                let context = &mut context[first * hidden + column..];
                if column + 2 * S::LANES <= size {
                    let blended = multiply_tile::<S, F32, ROWS, 2>(
                        simd,
                        [simd.splat(0.0); 2],
                        weights,
                        values.chunks(size),
                    );
                    store_rows(simd, scaled(simd, blended, totals), context, hidden);
                } else {
                    let blended = multiply_tile::<S, F32, ROWS, 1>(
                        simd,
                        [simd.splat(0.0)],
                        weights,
                        values.chunks(size),
                    );
                    store_rows(simd, scaled(simd, blended, totals), context, hidden);
                }
                column += 2 * S::LANES;
            }
        }
    }

    /// Copies keys into panels of `width`, `[panels, size, width]`; the padding of the last panel is 0.
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

/// A score so low that 2 to its power is lost in any sum.
const MASKED: f32 = -1e30;

/// Adds the bias to a query's scores, masks those behind the window's `length` keys, and returns the highest.
#[inline(always)]
fn highest<S: Simd>(simd: S, scores: &mut [f32], length: usize, bias: Option<&[f32]>) -> f32 {
    if let Some(bias) = bias {
        for (scores, bias) in scores.chunks_exact_mut(S::LANES).zip(bias.chunks_exact(S::LANES)) {
            simd.store(simd.add(simd.load(scores), simd.load(bias)), scores);
        }
    }
    scores[length..].fill(MASKED);
    let mut highest = [simd.splat(MASKED); 2];
    let (pairs, last) = scores.split_at(scores.len() / (2 * S::LANES) * (2 * S::LANES));
    for pair in pairs.chunks_exact(2 * S::LANES) {
        highest[0] = simd.max(highest[0], simd.load(pair));
        highest[1] = simd.max(highest[1], simd.load(&pair[S::LANES..]));
    }
    for last in last.chunks_exact(S::LANES) {
        highest[0] = simd.max(highest[0], simd.load(last));
    }
    simd.reduce_max(simd.max(highest[0], highest[1]))
}

/// Each row of a register tile divided by its total.
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
