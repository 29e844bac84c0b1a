//! Queries, keys and values as bytes, head by head, each with a scale of its own in every row.

use crate::Isa;
use crate::simd::{Kernel, Simd};
use super::Shape;

/// All queries, all keys, all values of a batch.
#[derive(Default)]
pub struct Heads {
    /// `[tokens, 3, heads, size]`, four in a word. Queries are unsigned bytes, 128 standing for 0, the others signed.
    pub(super) words: Vec<i32>,
    /// `[3, heads, tokens]`: what one step stands for.
    pub(super) steps: Vec<f32>,
}

impl Heads {
    pub fn resize(&mut self, shape: Shape, tokens: usize) {
        self.words.resize(tokens * 3 * shape.heads * shape.size / 4, 0);
        self.steps.resize(tokens * 3 * shape.heads, 0.0);
    }

    /// Turns rows of `[3, heads, size]` numbers into bytes, row `first` and those that follow.
    ///
    /// # Panics
    /// If the processor lacks the instruction set, or there are fewer rows than [`Heads::resize`] was told of.
    pub fn quantize(&mut self, isa: Isa, shape: Shape, qkv: &[f32], first: usize) {
        isa.run(Split { shape, qkv, first, heads: self });
    }
}

struct Split<'a> {
    shape: Shape,
    qkv: &'a [f32],
    first: usize,
    heads: &'a mut Heads,
}

impl Kernel for Split<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape: Shape { heads, size }, qkv, first, heads: to } = self;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut to.words);
        let tokens = to.steps.len() / (3 * heads);
        let parts = qkv.chunks_exact(heads * size);
        let parts = parts.zip(bytes[first * 3 * heads * size..].chunks_exact_mut(heads * size));
        for (index, (values, bytes)) in parts.enumerate() {
            let (token, part) = (first + index / 3, index % 3);
            let mut steps = to.steps[part * heads * tokens + token..].iter_mut().step_by(tokens);
            for (values, bytes) in values.chunks(4 * size).zip(bytes.chunks_mut(4 * size)) {
                let highest = highest(simd, values, size);
                // Beyond the last head there is the last one again.
                for (highest, step) in highest[..values.len() / size].iter().zip(&mut steps) {
                    *step = highest * (1.0 / 127.0);
                }
                let factors = highest.map(|highest| 127.0 / highest);
                if part == 0 {
                    split::<S, false>(simd, values, size, factors, bytes);
                } else {
                    split::<S, true>(simd, values, size, factors, bytes);
                }
            }
        }
    }
}

/// The highest number without its sign of each of up to four heads.
#[inline(always)]
fn highest<S: Simd>(simd: S, values: &[f32], size: usize) -> [f32; 4] {
    let heads = values.len() / size;
    let mut highest = [simd.splat(0.0); 4];
    // A loop of known length, so that all four stay in registers.
    for (head, highest) in highest.iter_mut().enumerate() {
        let values = &values[head.min(heads - 1) * size..][..size];
        for values in values.chunks_exact(S::LANES) {
            *highest = simd.max(*highest, simd.abs(simd.load(values)));
        }
    }
    // Where all are 0 any step will do, if only the farthest distance times it is still far.
    simd.highest_each(highest).map(|highest| highest.max(1e-20))
}

/// Writes up to four heads as bytes.
#[inline(always)]
fn split<S: Simd, const SIGNED: bool>(
    simd: S,
    values: &[f32],
    size: usize,
    factors: [f32; 4],
    bytes: &mut [u8],
) {
    let zero = simd.splat(if SIGNED { 0.0 } else { 128.0 });
    let four = 4 * S::LANES;
    // Where a head has two vectors, two heads at a time.
    if size == 2 * S::LANES && values.len() == 2 * four {
        for two in 0..2 {
            let values = &values[two * four..][..four];
            let (first, second) = (simd.splat(factors[2 * two]), simd.splat(factors[2 * two + 1]));
            let vectors = [
                simd.mul_add(simd.load(values), first, zero),
                simd.mul_add(simd.load(&values[S::LANES..]), first, zero),
                simd.mul_add(simd.load(&values[2 * S::LANES..]), second, zero),
                simd.mul_add(simd.load(&values[3 * S::LANES..]), second, zero),
            ];
            simd.store_four_bytes::<SIGNED>(vectors, &mut bytes[two * four..]);
        }
        return;
    }
    let heads = values.chunks_exact(size).zip(bytes.chunks_exact_mut(size));
    for ((values, bytes), factor) in heads.zip(factors) {
        let factor = simd.splat(factor);
        let (fours, rest) = values.split_at(size / four * four);
        let (bytes_of_fours, bytes_of_rest) = bytes.split_at_mut(fours.len());
        for (values, bytes) in fours.chunks_exact(four).zip(bytes_of_fours.chunks_exact_mut(four)) {
            let mut vectors = [factor; 4];
            for (vector, values) in vectors.iter_mut().zip(values.chunks_exact(S::LANES)) {
                *vector = simd.mul_add(simd.load(values), factor, zero);
            }
            simd.store_four_bytes::<SIGNED>(vectors, bytes);
        }
        for (values, bytes) in rest.chunks_exact(S::LANES).zip(bytes_of_rest.chunks_exact_mut(S::LANES)) {
            simd.store_bytes(simd.mul_add(simd.load(values), factor, zero), bytes);
        }
    }
}
