//! Attention in int8, on [`QuantizedQkv`]: both products are dot products of int8, and the softmax between them is in 16-bit
//! fixed point.
//!
//! ```text
//! keys     [panels, size / 4, width]     transposed: a word is four columns of one key, a panel `width` keys side by side
//! values   [tokens / 4, size]            transposed in fours: a word is one column of four tokens
//! scores   [vectors, ROWS, LANES]        of the queries of one register tile, negated, and divided by the query's scale
//! weights  [ROWS, tokens / 4]            the softmax as uint8, times the tokens' value scales
//! ```
//!
//! Scores are negated because the softmax needs how far each is below the highest one: the lowest negated one.

use super::quantized::QuantizedQkv;
use super::softmax::{SCALE, UNIT, min_of_rows, softmax_row, sums_of_rows, value_factors};
use super::{HeadShape, PositionBias, store_rows};
use crate::Isa;
use crate::aligned::Aligned;
use crate::microkernel::{Int8, multiply_tile, tile_rows};
use crate::simd::{Kernel, Simd, TiledKernel};
use std::ops::Range;

/// A negated score so high that nothing is left of its weight.
const MASKED: f32 = 1e30;

/// Memory for the work on one head.
#[derive(Default)]
pub struct Scratch {
    /// `[panels, size / 4, width]`
    keys: Aligned<i32>,
    /// For each key -128 times the sum of its bytes, which makes up for the 128 in each byte of a query.
    zero_corrections: Vec<i32>,
    /// The scales of the keys, negated, up to the end of the last panel, as is the next.
    key_scales: Vec<f32>,
    /// What is added to the negated scores: 0, or [`MASKED`] in the padding of the last panel.
    key_mask: Vec<f32>,
    /// `[tokens / 4, size]`
    values: Aligned<i32>,
    /// The scales of the values, up to a multiple of four vectors.
    value_scales: Vec<f32>,
    /// The same, as [`value_factors`] gives them.
    value_factors: Aligned<i32>,
    /// `[vectors, ROWS, LANES]`, up to a multiple of four vectors.
    negated_scores: Aligned<f32>,
    /// `[ROWS, tokens / 4]`, up to four vectors.
    weights: Aligned<i32>,
}

/// `context = softmax(Q K^T + bias) V` for each window and head.
///
/// `context` is `[tokens, heads * size]`; `windows` are ranges of tokens.
///
/// # Panics
/// If the processor lacks the instruction set, or a slice is too short for the windows.
pub fn attend(
    isa: Isa,
    shape: HeadShape,
    bias: Option<&PositionBias>,
    windows: &[Range<usize>],
    qkv: &QuantizedQkv,
    scratch: &mut Scratch,
    context: &mut [f32],
) {
    isa.run(Attention { shape, bias, windows, qkv, scratch, context });
}

struct Attention<'a> {
    shape: HeadShape,
    bias: Option<&'a PositionBias>,
    windows: &'a [Range<usize>],
    qkv: &'a QuantizedQkv,
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
        let Self { shape, bias, windows, qkv, scratch, context } = self;
        let (hidden, tokens) = (shape.heads * shape.size, qkv.scales.len() / (3 * shape.heads));
        for window in windows {
            let words = &qkv.words[window.start * 3 * hidden / 4..window.end * 3 * hidden / 4];
            let context = &mut context[window.start * hidden..window.end * hidden];
            for head in 0..shape.heads {
                let scales = [0, 1, 2].map(|which| {
                    &qkv.scales[(which * shape.heads + head) * tokens + window.start..][..window.len()]
                });
                let head = HeadView { shape, head, words, scales, length: window.len() };
                let highest = head.prepare::<S, VECTORS>(simd, scratch);
                head.attend::<S, ROWS, VECTORS>(simd, scratch, highest, bias, context);
            }
        }
    }
}

/// One head of one window.
struct HeadView<'a> {
    shape: HeadShape,
    head: usize,
    /// Those of the window's tokens, as in [`QuantizedQkv`].
    words: &'a [i32],
    /// Those of the head's queries, keys and values.
    scales: [&'a [f32]; 3],
    /// Tokens of the window.
    length: usize,
}

impl HeadView<'_> {
    /// Where the words of this head start in a row: 0 for queries, 1 for keys, 2 for values.
    #[inline(always)]
    fn column(&self, which: usize) -> usize {
        (which * self.shape.heads + self.head) * self.shape.size / 4
    }

    /// From one token's words to the next one's.
    #[inline(always)]
    fn stride(&self) -> usize {
        3 * self.shape.heads * self.shape.size / 4
    }

    /// Copies keys and values into the order in which they are multiplied. Returns the highest scale of the values.
    #[inline(always)]
    fn prepare<S: Simd, const VECTORS: usize>(&self, simd: S, scratch: &mut Scratch) -> f32 {
        let &Self {
            shape: HeadShape { size, .. }, words, scales: [_, key_scales, value_scales], length, ..
        } = self;
        let (stride, width) = (self.stride(), VECTORS * S::LANES);
        let reach = length.div_ceil(width) * width;
        let Scratch { keys, zero_corrections, key_mask, values, value_factors: to, .. } = scratch;

        keys.resize(size / 4 * reach);
        zero_corrections.resize(reach, 0);
        for (index, panel) in keys.chunks_exact_mut(size / 4 * width).enumerate() {
            for key in (0..width).step_by(4) {
                let keys =
                    tile_rows::<4>(&words[self.column(1)..], index * width + key, length, stride, size / 4);
                transpose(keys, &mut panel[key..], width);
            }
            for vector in (0..width).step_by(S::LANES) {
                let mut sum = simd.zero_i32();
                let zeros = simd.splat_i32(0x8080_8080_u32 as i32);
                for words in panel.chunks_exact(width) {
                    sum = simd.dot_int8(sum, zeros, simd.load_i32(&words[vector..]));
                }
                simd.store_i32(sum, &mut zero_corrections[index * width + vector..]);
            }
        }
        zero_corrections.iter_mut().for_each(|start| *start = -*start);
        scratch.key_scales.clear();
        scratch.key_scales.extend(key_scales.iter().map(|scale| -scale));
        scratch.key_scales.resize(reach, 0.0);
        key_mask.clear();
        key_mask.resize(length, 0.0);
        key_mask.resize(reach, MASKED);

        let bytes: &[u8] = bytemuck::cast_slice(words);
        values.resize(length.div_ceil(4) * size);
        for (group, to) in values.chunks_exact_mut(size).enumerate() {
            for (vector, to) in to.chunks_exact_mut(S::LANES).enumerate() {
                let mut of_tokens = [simd.zero_i32(); 4];
                for (token, of_token) in of_tokens.iter_mut().enumerate() {
                    let token = 4 * group + token;
                    if token < length {
                        let row = &bytes[4 * (token * stride + self.column(2))..];
                        *of_token = simd.load_u8(&row[vector * S::LANES..]);
                    }
                }
                simd.store_i32(simd.join_u8(of_tokens), to);
            }
        }
        scratch.value_scales.clear();
        scratch.value_scales.extend_from_slice(value_scales);
        scratch.value_scales.resize(length.next_multiple_of(4 * S::LANES), 0.0);
        let mut highest = simd.splat(f32::MIN_POSITIVE);
        for scales in scratch.value_scales.chunks_exact(S::LANES) {
            highest = simd.max(highest, simd.load(scales));
        }
        let highest = simd.reduce_max(highest);
        value_factors(simd, &scratch.value_scales, highest, to);
        highest
    }

    /// Writes into the head's columns of `context`.
    #[inline(always)]
    fn attend<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        value_scale: f32,
        bias: Option<&PositionBias>,
        context: &mut [f32],
    ) {
        let &Self { shape: HeadShape { heads, size }, head, words, scales: [scales, ..], length } = self;
        let (hidden, width) = (heads * size, VECTORS * S::LANES);
        // Whole vectors only, and of weights four at a time.
        let (used, reach) = (length.div_ceil(S::LANES), length.next_multiple_of(4 * S::LANES));
        scratch.negated_scores.resize(ROWS * reach);
        scratch.negated_scores[ROWS * used * S::LANES..].fill(MASKED);
        scratch.weights.resize(ROWS * reach / 4);
        let Scratch {
            keys,
            zero_corrections,
            key_scales,
            key_mask,
            values,
            value_factors,
            negated_scores,
            weights,
            ..
        } = scratch;
        let keys = Keys { panels: keys, zero_corrections, scales: key_scales, mask: key_mask };
        for first in (0..length).step_by(ROWS) {
            let query = |row: usize| (first + row).min(length - 1);
            let queries = tile_rows::<ROWS>(&words[self.column(0)..], first, length, self.stride(), size / 4);
            let mut min = [simd.splat(MASKED); ROWS];
            let panels = negated_scores[..ROWS * used * S::LANES].chunks_mut(ROWS * width).enumerate();
            for (panel, to) in panels {
                let left = panel * width;
                // The last panel may be almost empty.
                match used - panel * VECTORS {
                    1 => compute_negated_scores::<S, ROWS, VECTORS, 1>(
                        simd, queries, &keys, left, to, &mut min,
                    ),
                    2 if VECTORS > 2 => {
                        compute_negated_scores::<S, ROWS, VECTORS, 2>(
                            simd, queries, &keys, left, to, &mut min,
                        );
                    }
                    _ => compute_negated_scores::<S, ROWS, VECTORS, VECTORS>(
                        simd, queries, &keys, left, to, &mut min,
                    ),
                }
            }
            if let Some(bias) = bias {
                for row in 0..ROWS {
                    let (scale, bias) = (scales[query(row)], bias.of_query(head, query(row)));
                    let negated_scores = negated_scores[row * S::LANES..].chunks_mut(ROWS * S::LANES);
                    min[row] = subtract_bias(simd, negated_scores.take(used), scale, bias);
                }
            }
            let min = min_of_rows(simd, min);

            let mut totals = [simd.zero_i32(); ROWS];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(weights);
            for (row, bytes) in bytes.chunks_exact_mut(reach).enumerate().take(ROWS) {
                // With a bias the scales are already in.
                let unit = if bias.is_some() { UNIT } else { scales[query(row)] * UNIT };
                let negated_scores = &negated_scores[row * S::LANES..];
                totals[row] = softmax_row(
                    simd,
                    [unit, min[row]],
                    negated_scores,
                    ROWS * S::LANES,
                    value_factors,
                    bytes,
                );
            }
            let mut factors_of_rows = [0.0; ROWS];
            for (factor, total) in factors_of_rows.iter_mut().zip(sums_of_rows(simd, totals)) {
                *factor = value_scale * SCALE / total;
            }

            let weights = tile_rows::<ROWS>(weights, 0, ROWS, reach / 4, length.div_ceil(4));
            let mut column = 0;
            // Two vectors at a time, and one that may be left over.
            while column < size {
                let values = values[column..].chunks(size);
                let context = &mut context[first * hidden + head * size + column..];
                if column + 2 * S::LANES <= size {
                    let blended =
                        multiply_tile::<S, Int8, ROWS, 2>(simd, [simd.zero_i32(); 2], weights, values);
                    store_rows(simd, scaled(simd, blended, factors_of_rows), context, hidden);
                } else {
                    let blended = multiply_tile::<S, Int8, ROWS, 1>(simd, [simd.zero_i32()], weights, values);
                    store_rows(simd, scaled(simd, blended, factors_of_rows), context, hidden);
                }
                column += 2 * S::LANES;
            }
        }
    }
}

/// The keys in [`Scratch`].
struct Keys<'a> {
    panels: &'a [i32],
    zero_corrections: &'a [i32],
    scales: &'a [f32],
    mask: &'a [f32],
}

/// Writes the words of four keys into columns of a panel, `width` columns wide.
#[inline(always)]
fn transpose(keys: [&[i32]; 4], panel: &mut [i32], width: usize) {
    let [a, b, c, d] = keys.map(|key| key.chunks_exact(4));
    let fours = a.zip(b).zip(c.zip(d));
    for (((a, b), (c, d)), to) in fours.zip(panel.chunks_mut(4 * width)) {
        for word in 0..4 {
            to[word * width..][..4].copy_from_slice(&[a[word], b[word], c[word], d[word]]);
        }
    }
}

/// Writes the negated scores of the first `USED` vectors of a panel, whose keys are those from `left` on, divided by the
/// scale of each query. Lowers `min` to them.
#[inline(always)]
fn compute_negated_scores<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    queries: [&[i32]; ROWS],
    keys: &Keys<'_>,
    left: usize,
    to: &mut [f32],
    min: &mut [S::F; ROWS],
) {
    let size = queries[0].len();
    let mut start = [simd.zero_i32(); USED];
    for (vector, start) in start.iter_mut().enumerate() {
        *start = simd.load_i32(&keys.zero_corrections[left + vector * S::LANES..]);
    }
    let columns = keys.panels[left * size..].chunks_exact(VECTORS * S::LANES).take(size);
    let sums = multiply_tile::<S, Int8, ROWS, USED>(simd, start, queries, columns);
    let to = &mut to[..USED * S::LANES * ROWS];
    let (mut scales, mut mask) = ([simd.splat(0.0); USED], [simd.splat(0.0); USED]);
    for vector in 0..USED {
        let key = left + vector * S::LANES;
        (scales[vector], mask[vector]) = (simd.load(&keys.scales[key..]), simd.load(&keys.mask[key..]));
    }
    // Loops of known lengths are unrolled, and sums stay in registers.
    for row in 0..ROWS {
        let mut min_of_row = min[row];
        for vector in 0..USED {
            let negated = simd.mul_add(simd.i32_to_f32(sums[row][vector]), scales[vector], mask[vector]);
            min_of_row = simd.min(min_of_row, negated);
            simd.store(negated, &mut to[(vector * ROWS + row) * S::LANES..]);
        }
        min[row] = min_of_row;
    }
}

/// Multiplies a row's negated scores with the query's scale, subtracts the bias, and returns the lowest of each lane.
#[inline(always)]
fn subtract_bias<'a, S: Simd>(
    simd: S,
    negated_scores: impl Iterator<Item = &'a mut [f32]>,
    scale: f32,
    bias: &[f32],
) -> S::F {
    let (scale, mut min) = (simd.splat(scale), simd.splat(MASKED));
    for (negated_scores, bias) in negated_scores.zip(bias.chunks_exact(S::LANES)) {
        let negated = simd.sub(simd.mul(simd.load(negated_scores), scale), simd.load(bias));
        min = simd.min(min, negated);
        simd.store(negated, negated_scores);
    }
    min
}

/// The sums of a register tile as f32, each row times its factor.
#[inline(always)]
fn scaled<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: [[S::I; VECTORS]; ROWS],
    factors_of_rows: [f32; ROWS],
) -> [[S::F; VECTORS]; ROWS] {
    let mut numbers = [[simd.splat(0.0); VECTORS]; ROWS];
    for ((to, vectors), factor) in numbers.iter_mut().zip(tile).zip(factors_of_rows) {
        for (to, vector) in to.iter_mut().zip(vectors) {
            *to = simd.mul(simd.i32_to_f32(vector), simd.splat(factor));
        }
    }
    numbers
}
