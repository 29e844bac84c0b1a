//! Attention in int8. Queries, keys and values become bytes head by head, each with a scale of its own in every row.

use super::super::aligned::Aligned;
use super::super::math::EXP2_OF_BYTES;
use super::super::simd::{Kernel, Simd, TiledProduct};
use super::super::tile::{Bytes, rows, tile};
use super::{Bias, LOWEST, Shape, store_rows};
use std::ops::Range;

/// All queries, all keys, all values of a batch.
#[derive(Default)]
pub(in crate::encoder::packed) struct Heads {
    /// `[tokens, 3, heads, size]`, four in a word. Queries are unsigned bytes, 128 standing for 0, the others signed.
    words: Vec<i32>,
    /// `[tokens, 3, heads]`: what one step stands for.
    steps: Vec<f32>,
}

impl Heads {
    pub(in crate::encoder::packed) fn resize(&mut self, shape: Shape, tokens: usize) {
        self.words.resize(tokens * 3 * shape.heads * shape.size / 4, 0);
        self.steps.resize(tokens * 3 * shape.heads, 0.0);
    }
}

/// Turns rows of `[3, heads, size]` numbers into bytes, row `first` and those that follow.
pub(in crate::encoder::packed) struct Split<'a> {
    pub(in crate::encoder::packed) shape: Shape,
    pub(in crate::encoder::packed) qkv: &'a [f32],
    pub(in crate::encoder::packed) first: usize,
    pub(in crate::encoder::packed) heads: &'a mut Heads,
}

impl Kernel for Split<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape: Shape { heads, size }, qkv, first, heads: to } = self;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut to.words);
        let parts = qkv.chunks_exact(heads * size);
        let parts = parts.zip(bytes[first * 3 * heads * size..].chunks_exact_mut(heads * size));
        let parts = parts.zip(to.steps[first * 3 * heads..].chunks_exact_mut(heads));
        for (index, ((values, bytes), steps)) in parts.enumerate() {
            // The first part of each row are queries.
            let zero = simd.splat(if index % 3 == 0 { 128.0 } else { 0.0 });
            let heads = values.chunks_exact(size).zip(bytes.chunks_exact_mut(size));
            for ((values, bytes), step) in heads.zip(steps) {
                let mut highest = simd.splat(0.0);
                for values in values.chunks_exact(S::LANES) {
                    highest = simd.max(highest, simd.abs(simd.load(values)));
                }
                // Where all are 0 any step will do, if only the lowest score times it is still low.
                let highest = simd.highest(highest).max(1e-20);
                *step = highest / 127.0;
                let factor = simd.splat(127.0 / highest);
                for (values, bytes) in values.chunks_exact(S::LANES).zip(bytes.chunks_exact_mut(S::LANES)) {
                    simd.store_bytes(simd.mul_add(simd.load(values), factor, zero), bytes);
                }
            }
        }
    }
}

/// The highest weight: with what is carried over to it, it still is a byte.
const MOST: f32 = 254.0;

/// Memory for the work on one head.
#[derive(Default)]
pub(in crate::encoder::packed) struct Scratch {
    /// Keys, transposed into panels: `[panels, size / 4, width]`.
    keys: Aligned<i32>,
    /// For each key -128 times the sum of its bytes, which makes up for queries' zero.
    starts: Vec<i32>,
    /// What a step of each key stands for, up to the end of the last panel, as is the next.
    key_steps: Vec<f32>,
    /// What is added to the scores of each key: nothing, or so much that what fills up the last panel has no weight.
    key_offsets: Vec<f32>,
    /// `[tokens / 4, size]`: each word holds a column's bytes of four tokens.
    values: Aligned<i32>,
    /// What a step of each token's values stands for, relative to the highest, times [`MOST`].
    value_steps: Vec<f32>,
    /// A tile's scores, `[vectors of keys, rows, lanes]`.
    scores: Aligned<f32>,
    /// Its weights as bytes, `[rows, panels * width]`.
    weights: Aligned<i32>,
}

/// `context = softmax(Q K^T + bias) V` for each window and head.
pub(in crate::encoder::packed) struct Attention<'a> {
    pub(in crate::encoder::packed) shape: Shape,
    pub(in crate::encoder::packed) bias: Option<&'a Bias>,
    pub(in crate::encoder::packed) windows: &'a [Range<usize>],
    pub(in crate::encoder::packed) heads: &'a Heads,
    pub(in crate::encoder::packed) scratch: &'a mut Scratch,
    /// `[tokens, heads * size]`
    pub(in crate::encoder::packed) context: &'a mut [f32],
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
        let Self { shape, bias, windows, heads, scratch, context } = self;
        let hidden = shape.heads * shape.size;
        for window in windows {
            let words = &heads.words[window.start * 3 * hidden / 4..window.end * 3 * hidden / 4];
            let steps = &heads.steps[window.start * 3 * shape.heads..window.end * 3 * shape.heads];
            for head in 0..shape.heads {
                let head = Head { shape, head, words, steps, length: window.len() };
                let highest = head.prepare::<S, VECTORS>(simd, scratch);
                let context = &mut context[window.start * hidden..window.end * hidden];
                head.attend::<S, ROWS, VECTORS>(simd, scratch, highest, bias, context);
            }
        }
    }
}

/// One head of one window.
struct Head<'a> {
    shape: Shape,
    head: usize,
    /// Of the window's tokens, as in [`Heads`].
    words: &'a [i32],
    steps: &'a [f32],
    /// Tokens of the window.
    length: usize,
}

impl Head<'_> {
    /// Where the words of a part (0: queries, 1: keys, 2: values) of this head stand in a row.
    #[inline(always)]
    fn column(&self, part: usize) -> usize {
        (part * self.shape.heads + self.head) * self.shape.size / 4
    }

    /// Brings keys and values into the order in which they are multiplied. Returns the highest step of values.
    #[inline(always)]
    fn prepare<S: Simd, const VECTORS: usize>(&self, simd: S, scratch: &mut Scratch) -> f32 {
        let &Self { shape: Shape { heads, size }, head, words, steps, length } = self;
        let (stride, width) = (3 * heads * size / 4, VECTORS * S::LANES);
        let reach = length.div_ceil(width) * width;

        scratch.keys.resize(size / 4 * reach);
        scratch.starts.resize(reach, 0);
        scratch.key_steps.resize(reach, 0.0);
        let panels = scratch.keys.chunks_exact_mut(size / 4 * width).enumerate();
        for (index, panel) in panels {
            for key in 0..width {
                let token = index * width + key;
                let column = panel[key..].iter_mut().step_by(width);
                if token < length {
                    let key = &words[token * stride + self.column(1)..][..size / 4];
                    column.zip(key).for_each(|(to, word)| *to = *word);
                } else {
                    column.for_each(|to| *to = 0);
                }
            }
            for vector in (0..width).step_by(S::LANES) {
                let mut sum = simd.zero_words();
                for words in panel.chunks_exact(width) {
                    sum = simd.dot_bytes(
                        sum,
                        simd.splat_word(0x8080_8080_u32 as i32),
                        simd.load_words(&words[vector..]),
                    );
                }
                simd.store_words(sum, &mut scratch.starts[index * width + vector..]);
            }
        }
        scratch.starts.iter_mut().for_each(|start| *start = -*start);
        for (to, steps) in scratch.key_steps.iter_mut().zip(steps.chunks_exact(3 * heads)) {
            *to = steps[heads + head];
        }
        scratch.key_offsets.clear();
        scratch.key_offsets.resize(length, 0.0);
        scratch.key_offsets.resize(reach, LOWEST);

        let bytes: &[u8] = bytemuck::cast_slice(words);
        scratch.values.resize(length.div_ceil(4) * size);
        for (group, to) in scratch.values.chunks_exact_mut(size).enumerate() {
            for (vector, to) in to.chunks_exact_mut(S::LANES).enumerate() {
                let mut of_tokens = [simd.zero_words(); 4];
                for (token, of_token) in of_tokens.iter_mut().enumerate() {
                    let token = 4 * group + token;
                    if token < length {
                        let row = &bytes[4 * (token * stride + self.column(2))..];
                        *of_token = simd.load_bytes(&row[vector * S::LANES..]);
                    }
                }
                simd.store_words(simd.join_bytes(of_tokens), to);
            }
        }
        let of_values = || steps.chunks_exact(3 * heads).map(|steps| steps[2 * heads + head]);
        let highest = of_values().fold(f32::MIN_POSITIVE, f32::max);
        scratch.value_steps.clear();
        scratch.value_steps.extend(of_values().map(|step| step / highest * MOST));
        scratch.value_steps.resize(reach, 0.0);
        highest
    }

    /// Writes into the head's columns of `context`.
    #[inline(always)]
    fn attend<S: Simd, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        value_step: f32,
        bias: Option<&Bias>,
        context: &mut [f32],
    ) {
        let &Self { shape: Shape { heads, size }, head, words, steps, length } = self;
        let (stride, hidden, width) = (3 * heads * size / 4, heads * size, VECTORS * S::LANES);
        let reach = length.div_ceil(width) * width;
        scratch.scores.resize(ROWS * reach);
        scratch.weights.resize(ROWS * reach / 4);
        // Of whole vectors only.
        let used = length.next_multiple_of(S::LANES);
        for first in (0..length).step_by(ROWS) {
            let query = |row: usize| (first + row).min(length - 1);
            let mut step = [0.0; ROWS];
            for (row, step) in step.iter_mut().enumerate() {
                *step = steps[query(row) * 3 * heads + head];
            }

            let queries = rows::<ROWS>(&words[self.column(0)..], first, length, stride, size / 4);
            let mut highest = [simd.splat(LOWEST); ROWS];
            for (index, panel) in scratch.keys.chunks_exact(size / 4 * width).enumerate() {
                let mut start = [simd.zero_words(); VECTORS];
                for (vector, start) in start.iter_mut().enumerate() {
                    *start = simd.load_words(&scratch.starts[index * width + vector * S::LANES..]);
                }
                let columns = panel.chunks_exact(VECTORS * S::LANES);
                let sums = tile::<S, Bytes, ROWS, VECTORS>(simd, start, queries, columns);
                let to = &mut scratch.scores[index * width * ROWS..][..VECTORS * S::LANES * ROWS];
                // Loops of known lengths are unrolled, and sums stay in registers.
                for vector in 0..VECTORS {
                    let to = &mut to[vector * S::LANES * ROWS..][..S::LANES * ROWS];
                    let key = index * width + vector * S::LANES;
                    let key_step = simd.load(&scratch.key_steps[key..]);
                    let offset = simd.load(&scratch.key_offsets[key..]);
                    for row in 0..ROWS {
                        let mut score = simd.mul_add(simd.to_floats(sums[row][vector]), key_step, offset);
                        if let Some(bias) = bias {
                            let bias = simd.load(&bias.of_query(head, query(row))[key..]);
                            score = simd.mul_add(score, simd.splat(step[row]), bias);
                        }
                        highest[row] = simd.max(highest[row], score);
                        simd.store(score, &mut to[row * S::LANES..]);
                    }
                }
            }

            // With a bias the steps are already in.
            let step = if bias.is_some() { [1.0; ROWS] } else { step };
            let mut shift = [simd.splat(0.0); ROWS];
            for (shift, (highest, step)) in shift.iter_mut().zip(highest.into_iter().zip(step)) {
                *shift = simd.splat(-simd.highest(highest) * step);
            }
            let mut totals = [simd.splat(0.0); ROWS];
            // What rounding takes from a weight is given to the next one in its lane: beside one large weight hundreds of
            // small ones would else all become 0.
            let mut carried = [simd.splat(0.0); ROWS];
            let large = simd.splat(12_582_912.0);
            let weights: &mut [u8] = bytemuck::cast_slice_mut(&mut scratch.weights);
            let vectors = scratch.scores.chunks_exact(ROWS * S::LANES).take(used / S::LANES);
            for (vector, scores) in vectors.enumerate() {
                let factor = simd.load(&scratch.value_steps[vector * S::LANES..]);
                for row in 0..ROWS {
                    let score = simd.load(&scores[row * S::LANES..]);
                    let power = simd.mul_add(score, simd.splat(step[row]), shift[row]);
                    let power = simd.exp2(power, EXP2_OF_BYTES);
                    totals[row] = simd.add(totals[row], power);
                    // Added to so large a number, what is behind the point is rounded off.
                    let wanted = simd.mul_add(power, factor, carried[row]);
                    let rounded = simd.sub(simd.add(wanted, large), large);
                    carried[row] = simd.sub(wanted, rounded);
                    simd.store_bytes(rounded, &mut weights[row * reach + vector * S::LANES..]);
                }
            }
            let mut shares = [0.0; ROWS];
            for (share, total) in shares.iter_mut().zip(totals) {
                *share = value_step / (MOST * simd.sum(total));
            }

            let weights = rows::<ROWS>(&scratch.weights, 0, ROWS, reach / 4, length.div_ceil(4));
            let mut column = 0;
            // Two vectors at a time, and one that may be left over.
            while column < size {
                let values = scratch.values[column..].chunks(size);
                let context = &mut context[first * hidden + head * size + column..];
                if column + 2 * S::LANES <= size {
                    let blended = tile::<S, Bytes, ROWS, 2>(simd, [simd.zero_words(); 2], weights, values);
                    store_rows(simd, scaled(simd, blended, shares), context, hidden);
                } else {
                    let blended = tile::<S, Bytes, ROWS, 1>(simd, [simd.zero_words()], weights, values);
                    store_rows(simd, scaled(simd, blended, shares), context, hidden);
                }
                column += 2 * S::LANES;
            }
        }
    }
}

/// The numbers that each row of a tile stands for.
#[inline(always)]
fn scaled<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    tile: [[S::I; VECTORS]; ROWS],
    shares: [f32; ROWS],
) -> [[S::F; VECTORS]; ROWS] {
    let mut numbers = [[simd.splat(0.0); VECTORS]; ROWS];
    for ((to, vectors), share) in numbers.iter_mut().zip(tile).zip(shares) {
        for (to, vector) in to.iter_mut().zip(vectors) {
            *to = simd.mul(simd.to_floats(vector), simd.splat(share));
        }
    }
    numbers
}
