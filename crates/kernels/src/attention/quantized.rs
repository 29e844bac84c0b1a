//! Queries, keys and values in int8: each head of each token has a scale of its own.
//!
//! ```text
//! words  [tokens, 3, heads, size]     four int8 in a word; queries unsigned plus 128, keys and values signed
//! scales [3, heads, tokens]           so that one head's are side by side
//! ```

use super::HeadShape;
use crate::Isa;
use crate::simd::{Kernel, Simd};

/// All queries, all keys, all values of a batch in int8.
#[derive(Default)]
pub struct QuantizedQkv {
    /// `[tokens, 3, heads, size]`
    pub(super) words: Vec<i32>,
    /// `[3, heads, tokens]`
    pub(super) scales: Vec<f32>,
}

impl QuantizedQkv {
    /// Makes room for a batch.
    pub fn resize(&mut self, shape: HeadShape, tokens: usize) {
        self.words.resize(tokens * 3 * shape.heads * shape.size / 4, 0);
        self.scales.resize(tokens * 3 * shape.heads, 0.0);
    }

    /// Quantises the rows of `qkv`, `[rows, 3, heads, size]`, as those from `first` on.
    ///
    /// # Panics
    /// If the processor lacks the instruction set, or there are fewer rows than [`QuantizedQkv::resize`] was told of.
    pub fn quantize(&mut self, isa: Isa, shape: HeadShape, qkv: &[f32], first: usize) {
        isa.run(QuantizeQkv { shape, qkv, first, to: self });
    }
}

struct QuantizeQkv<'a> {
    shape: HeadShape,
    qkv: &'a [f32],
    first: usize,
    to: &'a mut QuantizedQkv,
}

impl Kernel for QuantizeQkv<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { shape: HeadShape { heads, size }, qkv, first, to } = self;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut to.words);
        let tokens = to.scales.len() / (3 * heads);
        let sides = qkv.chunks_exact(heads * size);
        let sides = sides.zip(bytes[first * 3 * heads * size..].chunks_exact_mut(heads * size));
        for (index, (values, bytes)) in sides.enumerate() {
            // Queries, keys, values.
            let (token, which) = (first + index / 3, index % 3);
            let mut scales = to.scales[which * heads * tokens + token..].iter_mut().step_by(tokens);
            for (values, bytes) in values.chunks(4 * size).zip(bytes.chunks_mut(4 * size)) {
                let highest = highest(simd, values, size);
                // Behind the last head comes the last one again.
                for (highest, scale) in highest[..values.len() / size].iter().zip(&mut scales) {
                    *scale = highest * (1.0 / 127.0);
                }
                let factors = highest.map(|highest| 127.0 / highest);
                if which == 0 {
                    store_heads::<S, false>(simd, values, size, factors, bytes);
                } else {
                    store_heads::<S, true>(simd, values, size, factors, bytes);
                }
            }
        }
    }
}

/// The largest magnitude in each of up to four heads.
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
    // Where all are 0 any scale will do with which a masked score stays far.
    simd.reduce_max_of_4(highest).map(|highest| highest.max(1e-20))
}

/// Writes up to four heads as int8.
#[inline(always)]
fn store_heads<S: Simd, const SIGNED: bool>(
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
            simd.store_int8_of_4::<SIGNED>(vectors, &mut bytes[two * four..]);
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
            simd.store_int8_of_4::<SIGNED>(vectors, bytes);
        }
        for (values, bytes) in rest.chunks_exact(S::LANES).zip(bytes_of_rest.chunks_exact_mut(S::LANES)) {
            simd.store_int8(simd.mul_add(simd.load(values), factor, zero), bytes);
        }
    }
}
