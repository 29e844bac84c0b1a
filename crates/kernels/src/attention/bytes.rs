//! Attention in int8, on queries, keys and values of [`Heads`].

use crate::Isa;
use crate::simd::{Kernel, Simd, TiledProduct};
use crate::tile::{Bytes, rows, tile};
use super::heads::Heads;
use super::weights::{SCALE, UNIT, factors, lowest_of_rows, sums_of_rows, weigh};
use super::{Bias, Shape, store_rows};
use crate::aligned::Aligned;
use std::ops::Range;

/// So far from the highest score that nothing is left of its power.
const FAR: f32 = 1e30;

/// Memory for the work on one head.
#[derive(Default)]
pub struct Scratch {
    /// Keys, transposed into panels: `[panels, size / 4, width]`.
    keys: Aligned<i32>,
    /// For each key -128 times the sum of its bytes, which makes up for queries' zero.
    starts: Vec<i32>,
    /// What a step of each key stands for, negative, up to the end of the last panel, as is the next.
    key_steps: Vec<f32>,
    /// What is added to the distances of each key: nothing, or so much that what fills up the last panel has no weight.
    key_offsets: Vec<f32>,
    /// `[tokens / 4, size]`: each word holds a column's bytes of four tokens.
    values: Aligned<i32>,
    /// What a step of each token's values stands for, relative to the highest, up to a multiple of four vectors.
    value_steps: Vec<f32>,
    /// The same, as [`factors`] gives them.
    factors: Aligned<i32>,
    /// A tile's distances, `[vectors of keys, rows, lanes]`, up to a multiple of four vectors.
    distances: Aligned<f32>,
    /// Its weights as bytes, `[rows, bytes of distances]`.
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
    shape: Shape,
    bias: Option<&Bias>,
    windows: &[Range<usize>],
    heads: &Heads,
    scratch: &mut Scratch,
    context: &mut [f32],
) {
    isa.run(Attention { shape, bias, windows, heads, scratch, context });
}

struct Attention<'a> {
    shape: Shape,
    bias: Option<&'a Bias>,
    windows: &'a [Range<usize>],
    heads: &'a Heads,
    scratch: &'a mut Scratch,
    /// `[tokens, heads * size]`
    context: &'a mut [f32],
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
        let (hidden, tokens) = (shape.heads * shape.size, heads.steps.len() / (3 * shape.heads));
        for window in windows {
            let words = &heads.words[window.start * 3 * hidden / 4..window.end * 3 * hidden / 4];
            let context = &mut context[window.start * hidden..window.end * hidden];
            for head in 0..shape.heads {
                let steps = [0, 1, 2].map(|part| {
                    &heads.steps[(part * shape.heads + head) * tokens + window.start..][..window.len()]
                });
                let head = Head { shape, head, words, steps, length: window.len() };
                let highest = head.prepare::<S, VECTORS>(simd, scratch);
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
    /// Of the head's queries, keys and values.
    steps: [&'a [f32]; 3],
    /// Tokens of the window.
    length: usize,
}

impl Head<'_> {
    /// Where the words of a part (0: queries, 1: keys, 2: values) of this head stand in a row.
    #[inline(always)]
    fn column(&self, part: usize) -> usize {
        (part * self.shape.heads + self.head) * self.shape.size / 4
    }

    /// From one token's words to the next one's.
    #[inline(always)]
    fn stride(&self) -> usize {
        3 * self.shape.heads * self.shape.size / 4
    }

    /// Brings keys and values into the order in which they are multiplied. Returns the highest step of values.
    #[inline(always)]
    fn prepare<S: Simd, const VECTORS: usize>(&self, simd: S, scratch: &mut Scratch) -> f32 {
        let &Self { shape: Shape { size, .. }, words, steps: [_, key_steps, value_steps], length, .. } = self;
        let (stride, width) = (self.stride(), VECTORS * S::LANES);
        let reach = length.div_ceil(width) * width;
        let Scratch { keys, starts, key_offsets, values, factors: to, .. } = scratch;

        keys.resize(size / 4 * reach);
        starts.resize(reach, 0);
        for (index, panel) in keys.chunks_exact_mut(size / 4 * width).enumerate() {
            for key in (0..width).step_by(4) {
                let keys = rows::<4>(&words[self.column(1)..], index * width + key, length, stride, size / 4);
                transpose(keys, &mut panel[key..], width);
            }
            for vector in (0..width).step_by(S::LANES) {
                let mut sum = simd.zero_words();
                let zeros = simd.splat_word(0x8080_8080_u32 as i32);
                for words in panel.chunks_exact(width) {
                    sum = simd.dot_bytes(sum, zeros, simd.load_words(&words[vector..]));
                }
                simd.store_words(sum, &mut starts[index * width + vector..]);
            }
        }
        starts.iter_mut().for_each(|start| *start = -*start);
        scratch.key_steps.clear();
        scratch.key_steps.extend(key_steps.iter().map(|step| -step));
        scratch.key_steps.resize(reach, 0.0);
        key_offsets.clear();
        key_offsets.resize(length, 0.0);
        key_offsets.resize(reach, FAR);

        let bytes: &[u8] = bytemuck::cast_slice(words);
        values.resize(length.div_ceil(4) * size);
        for (group, to) in values.chunks_exact_mut(size).enumerate() {
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
        scratch.value_steps.clear();
        scratch.value_steps.extend_from_slice(value_steps);
        scratch.value_steps.resize(length.next_multiple_of(4 * S::LANES), 0.0);
        let mut highest = simd.splat(f32::MIN_POSITIVE);
        for steps in scratch.value_steps.chunks_exact(S::LANES) {
            highest = simd.max(highest, simd.load(steps));
        }
        let highest = simd.highest(highest);
        factors(simd, &scratch.value_steps, highest, to);
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
        let &Self { shape: Shape { heads, size }, head, words, steps: [steps, ..], length } = self;
        let (hidden, width) = (heads * size, VECTORS * S::LANES);
        // Whole vectors only, and of weights four at a time.
        let (used, reach) = (length.div_ceil(S::LANES), length.next_multiple_of(4 * S::LANES));
        scratch.distances.resize(ROWS * reach);
        scratch.distances[ROWS * used * S::LANES..].fill(FAR);
        scratch.weights.resize(ROWS * reach / 4);
        let Scratch { keys, starts, key_steps, key_offsets, values, factors, distances, weights, .. } =
            scratch;
        let keys = Keys { panels: keys, starts, steps: key_steps, offsets: key_offsets };
        for first in (0..length).step_by(ROWS) {
            let query = |row: usize| (first + row).min(length - 1);
            let queries = rows::<ROWS>(&words[self.column(0)..], first, length, self.stride(), size / 4);
            let mut lowest = [simd.splat(FAR); ROWS];
            let panels = distances[..ROWS * used * S::LANES].chunks_mut(ROWS * width).enumerate();
            for (panel, to) in panels {
                let left = panel * width;
                // The last panel may be almost empty.
                match used - panel * VECTORS {
                    1 => measure::<S, ROWS, VECTORS, 1>(simd, queries, &keys, left, to, &mut lowest),
                    2 if VECTORS > 2 => {
                        measure::<S, ROWS, VECTORS, 2>(simd, queries, &keys, left, to, &mut lowest);
                    }
                    _ => measure::<S, ROWS, VECTORS, VECTORS>(simd, queries, &keys, left, to, &mut lowest),
                }
            }
            if let Some(bias) = bias {
                for row in 0..ROWS {
                    let (step, bias) = (steps[query(row)], bias.of_query(head, query(row)));
                    let distances = distances[row * S::LANES..].chunks_mut(ROWS * S::LANES);
                    lowest[row] = subtract(simd, distances.take(used), step, bias);
                }
            }
            let lowest = lowest_of_rows(simd, lowest);

            let mut totals = [simd.zero_words(); ROWS];
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(weights);
            for (row, bytes) in bytes.chunks_exact_mut(reach).enumerate().take(ROWS) {
                // With a bias the steps are already in.
                let unit = if bias.is_some() { UNIT } else { steps[query(row)] * UNIT };
                let distances = &distances[row * S::LANES..];
                totals[row] = weigh(simd, [unit, lowest[row]], distances, ROWS * S::LANES, factors, bytes);
            }
            let mut shares = [0.0; ROWS];
            for (share, total) in shares.iter_mut().zip(sums_of_rows(simd, totals)) {
                *share = value_step * SCALE / total;
            }

            let weights = rows::<ROWS>(weights, 0, ROWS, reach / 4, length.div_ceil(4));
            let mut column = 0;
            // Two vectors at a time, and one that may be left over.
            while column < size {
                let values = values[column..].chunks(size);
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

/// What [`Scratch`] holds of keys.
struct Keys<'a> {
    panels: &'a [i32],
    starts: &'a [i32],
    steps: &'a [f32],
    offsets: &'a [f32],
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

/// Writes how far the first `USED` vectors of a panel, whose keys are those from `left` on, are from the queries:
/// scores, but negative, and divided by the step of each query. Brings `lowest` down to them.
#[inline(always)]
fn measure<S: Simd, const ROWS: usize, const VECTORS: usize, const USED: usize>(
    simd: S,
    queries: [&[i32]; ROWS],
    keys: &Keys<'_>,
    left: usize,
    to: &mut [f32],
    lowest: &mut [S::F; ROWS],
) {
    let size = queries[0].len();
    let mut start = [simd.zero_words(); USED];
    for (vector, start) in start.iter_mut().enumerate() {
        *start = simd.load_words(&keys.starts[left + vector * S::LANES..]);
    }
    let columns = keys.panels[left * size..].chunks_exact(VECTORS * S::LANES).take(size);
    let sums = tile::<S, Bytes, ROWS, USED>(simd, start, queries, columns);
    let to = &mut to[..USED * S::LANES * ROWS];
    let (mut steps, mut offsets) = ([simd.splat(0.0); USED], [simd.splat(0.0); USED]);
    for vector in 0..USED {
        let key = left + vector * S::LANES;
        (steps[vector], offsets[vector]) = (simd.load(&keys.steps[key..]), simd.load(&keys.offsets[key..]));
    }
    // Loops of known lengths are unrolled, and sums stay in registers.
    for row in 0..ROWS {
        let mut nearest = lowest[row];
        for vector in 0..USED {
            let distance = simd.mul_add(simd.to_floats(sums[row][vector]), steps[vector], offsets[vector]);
            nearest = simd.min(nearest, distance);
            simd.store(distance, &mut to[(vector * ROWS + row) * S::LANES..]);
        }
        lowest[row] = nearest;
    }
}

/// Multiplies a row's distances with the query's step, subtracts the bias, and returns the lowest of each lane.
#[inline(always)]
fn subtract<'a, S: Simd>(
    simd: S,
    distances: impl Iterator<Item = &'a mut [f32]>,
    step: f32,
    bias: &[f32],
) -> S::F {
    let (step, mut lowest) = (simd.splat(step), simd.splat(FAR));
    for (distances, bias) in distances.zip(bias.chunks_exact(S::LANES)) {
        let distance = simd.sub(simd.mul(simd.load(distances), step), simd.load(bias));
        lowest = simd.min(lowest, distance);
        simd.store(distance, distances);
    }
    lowest
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
