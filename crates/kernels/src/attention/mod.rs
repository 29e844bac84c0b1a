//! Self-attention over packed windows: one window and one head at a time, so that keys and scores stay in cache. In
//! [`bytes`] where the linear layers compute in int8 and the processor has dot products of bytes, else in [`floats`].
//!
//! Queries are already divided by the root of the head's true size, and by ln 2: weights are powers of 2.

pub mod bytes;
pub mod floats;
pub mod heads;
mod weights;

use crate::simd::Simd;

#[derive(Clone, Copy)]
pub struct Shape {
    pub heads: usize,
    /// Of a head, filled up.
    pub size: usize,
}

/// What is added to scores by the distance from query to key.
pub struct Bias {
    /// `[heads, stride]`: distances from `1 - longest` to `longest - 1`, and room to load whole panels.
    values: Vec<f32>,
    stride: usize,
    longest: usize,
}

/// At least as wide as a panel of keys on every instruction set.
const PANEL: usize = 64;

impl Bias {
    /// From a table `[heads, 2 * longest - 1]`; keys `longest - 1` before the query come first.
    pub fn new(table: &[f32], heads: usize, longest: usize) -> Self {
        let width = 2 * longest - 1;
        assert_eq!(table.len(), heads * width, "there must be a bias for each head and distance");
        let stride = width + PANEL;
        let mut values = vec![0.0; heads * stride];
        for (to, from) in values.chunks_exact_mut(stride).zip(table.chunks_exact(width)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = from * std::f32::consts::LOG2_E);
        }
        Self { values, stride, longest }
    }

    /// What is added to a query's scores, from the window's first key on.
    #[inline(always)]
    fn of_query(&self, head: usize, query: usize) -> &[f32] {
        &self.values[head * self.stride + self.longest - 1 - query..]
    }
}

/// So low that its power is lost in any sum.
const LOWEST: f32 = -1e30;

/// Adds what belongs to a query's scores, takes out those behind the window's `length` keys, and returns the highest.
#[inline(always)]
fn highest<S: Simd>(simd: S, scores: &mut [f32], length: usize, scale: f32, bias: Option<&[f32]>) -> f32 {
    if let Some(bias) = bias {
        let scale = simd.splat(scale);
        for (scores, bias) in scores.chunks_exact_mut(S::LANES).zip(bias.chunks_exact(S::LANES)) {
            simd.store(simd.mul_add(simd.load(scores), scale, simd.load(bias)), scores);
        }
    }
    scores[length..].fill(LOWEST);
    let mut highest = [simd.splat(LOWEST); 2];
    let (pairs, last) = scores.split_at(scores.len() / (2 * S::LANES) * (2 * S::LANES));
    for pair in pairs.chunks_exact(2 * S::LANES) {
        highest[0] = simd.max(highest[0], simd.load(pair));
        highest[1] = simd.max(highest[1], simd.load(&pair[S::LANES..]));
    }
    for last in last.chunks_exact(S::LANES) {
        highest[0] = simd.max(highest[0], simd.load(last));
    }
    simd.highest(simd.max(highest[0], highest[1]))
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

#[cfg(test)]
mod tests {
    use crate::Isa;
    use super::*;
    use crate::random::SplitMix;
    use std::ops::Range;
    use std::slice;

    /// By the definition, in f64.
    fn expected(shape: Shape, windows: &[Range<usize>], qkv: &[f32], table: Option<&[f32]>) -> Vec<f64> {
        let hidden = shape.heads * shape.size;
        let at = |part: usize, token: usize, column: usize| {
            f64::from(qkv[token * 3 * hidden + part * hidden + column])
        };
        let mut context = vec![0.0; qkv.len() / 3];
        for window in windows {
            for (token, column) in window.clone().flat_map(|t| (0..hidden).map(move |c| (t, c))) {
                let head = column / shape.size;
                let columns = head * shape.size..(head + 1) * shape.size;
                let score = |other: usize| -> f64 {
                    let bias = table.map_or(0.0, |table| table[head * 1023 + 511 + other - token]);
                    columns.clone().map(|c| at(0, token, c) * at(1, other, c)).sum::<f64>()
                        + f64::from(bias) * std::f64::consts::LOG2_E
                };
                let weights: Vec<f64> = window.clone().map(|other| score(other).exp2()).collect();
                let sum: f64 =
                    window.clone().zip(&weights).map(|(t, weight)| weight * at(2, t, column)).sum();
                context[token * hidden + column] = sum / weights.iter().sum::<f64>();
            }
        }
        context
    }

    fn random(length: usize) -> Vec<f32> {
        let mut random = SplitMix::new(9);
        (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
    }

    /// The root of the mean square, and the most.
    fn errors(found: &[f32], expected: &[f64]) -> (f64, f64) {
        assert_eq!(found.len(), expected.len());
        let errors =
            || found.iter().zip(expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
        let squares: f64 = errors().map(|error| error * error).sum();
        // Not with `max`, which would lose what is not a number.
        let most = errors().fold(0.0, |most, error| if error <= most { most } else { error });
        ((squares / expected.len() as f64).sqrt(), most)
    }

    fn in_floats(
        isa: Isa,
        shape: Shape,
        windows: &[Range<usize>],
        qkv: &[f32],
        bias: Option<&Bias>,
    ) -> Vec<f32> {
        let mut context = vec![f32::NAN; qkv.len() / 3];
        let scratch = &mut floats::Scratch::default();
        floats::attend(isa, shape, bias, windows, qkv, scratch, &mut context);
        context
    }

    fn in_bytes(
        isa: Isa,
        shape: Shape,
        windows: &[Range<usize>],
        qkv: &[f32],
        bias: Option<&Bias>,
    ) -> Vec<f32> {
        let mut context = vec![f32::NAN; qkv.len() / 3];
        let scratch = &mut bytes::Scratch::default();
        let heads = &mut heads::Heads::default();
        heads.resize(shape, qkv.len() / (3 * shape.heads * shape.size));
        // In two parts, as blocks of rows come.
        let (first, rest) = qkv.split_at(3 * shape.heads * shape.size);
        heads.quantize(isa, shape, first, 0);
        heads.quantize(isa, shape, rest, 1);
        bytes::attend(isa, shape, bias, windows, heads, scratch, &mut context);
        context
    }

    #[test]
    fn every_instruction_set_attends() {
        let cases: [(usize, usize, &[usize]); 6] = [
            (1, 16, &[1]),
            (2, 32, &[7, 1, 33]),
            (3, 48, &[50, 49, 48]),
            (1, 64, &[512]),
            (12, 32, &[65]),
            (1, 80, &[15, 16, 17, 2]),
        ];
        for (heads, size, lengths) in cases {
            let shape = Shape { heads, size };
            let mut windows = Vec::new();
            for &length in lengths {
                let start = windows.last().map_or(0, |window: &Range<usize>| window.end);
                windows.push(start..start + length);
            }
            let tokens: usize = lengths.iter().sum();
            let qkv = random(tokens * 3 * heads * size);
            let table: Vec<f32> = random(heads * 1023).iter().map(|value| 3.0 * value).collect();
            for table in [None, Some(&table[..])] {
                let expected = expected(shape, &windows, &qkv, table);
                let bias = table.map(|table| Bias::new(table, heads, 512));
                for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
                    let found = in_floats(isa, shape, &windows, &qkv, bias.as_ref());
                    let (mean, most) = errors(&found, &expected);
                    assert!(mean < 1e-5 && most < 2e-5, "{isa}, {size}: off by {mean}, at most {most}");
                    if !isa.has_pairs() {
                        let found = in_bytes(isa, shape, &windows, &qkv, bias.as_ref());
                        let (mean, most) = errors(&found, &expected);
                        assert!(mean < 5e-3 && most < 0.04, "{isa}, {size}: off by {mean}, at most {most}");
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_attend_alike_on_every_instruction_set() {
        let shape = Shape { heads: 2, size: 32 };
        let windows = [0..1, 1..40, 40..200];
        let qkv = random(200 * 3 * 64);
        let expected = in_bytes(Isa::Portable, shape, &windows, &qkv, None);
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available() && !isa.has_pairs()) {
            let found = in_bytes(isa, shape, &windows, &qkv, None);
            let expected: Vec<f64> = expected.iter().map(|&value| value.into()).collect();
            // What is rounded off is carried along other lanes: each may be as far from the truth on another side.
            let (mean, most) = errors(&found, &expected);
            assert!(mean < 3e-3 && most < 0.04, "{isa}: off by {mean}, at most {most}");
        }
    }

    #[test]
    fn small_weights_count_beside_a_large_one() {
        // All attend to the first token, which says nothing, and a little to all others, which say the same.
        let (shape, length) = (Shape { heads: 1, size: 16 }, 200);
        let mut qkv = vec![0.0; length * 48];
        for (token, row) in qkv.chunks_exact_mut(48).enumerate() {
            (row[0], row[16]) = (1.0, if token == 0 { 9.0 } else { 0.0 });
            row[32..].fill(if token == 0 { 0.0 } else { 1.0 });
        }
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available() && !isa.has_pairs()) {
            let expected = in_floats(isa, shape, slice::from_ref(&(0..length)), &qkv, None)[0];
            let found = in_bytes(isa, shape, slice::from_ref(&(0..length)), &qkv, None)[0];
            assert!((found / expected - 1.0).abs() < 0.1, "{isa}: {found}, not {expected}");
        }
    }

    #[test]
    fn queries_and_keys_of_zeros_attend_to_all_alike() {
        let shape = Shape { heads: 1, size: 16 };
        let row: Vec<f32> = (0..48).map(|at| if at < 32 { 0.0 } else { 1.0 }).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available() && !isa.has_pairs()) {
            let context = in_bytes(isa, shape, slice::from_ref(&(0..3)), &row.repeat(3), None);
            assert!(context.iter().all(|found| (found - 1.0).abs() < 1e-3), "{isa}: {context:?}");
            assert_eq!(
                in_bytes(isa, shape, slice::from_ref(&(0..3)), &[0.0; 3 * 48], None),
                [0.0; 48],
                "{isa}"
            );
        }
    }
}
