//! From products to numbers.

use crate::math;
use crate::quantize::DIGITS;
use crate::simd::Simd;
use crate::tile::{Arithmetic, Bytes, Floats, Halves, rows, tile};
use super::{Activation, Linear};
use crate::amx::Sums;

/// What is known of a panel's columns.
pub struct Columns<'a> {
    bias: &'a [f32],
    scales: &'a [f32],
    sums: &'a [f32],
    offsets: &'a [i32],
    activation: Activation,
}

impl<'a> Columns<'a> {
    /// Of `width` columns from `left` on.
    #[inline(always)]
    pub fn of(layer: &'a Linear, left: usize, width: usize) -> Self {
        Self {
            bias: &layer.bias[left..][..width],
            scales: &layer.scales[left..][..width],
            sums: &layer.sums[left..][..width],
            offsets: &layer.offsets[left..][..width],
            activation: layer.activation,
        }
    }

    /// From the sums of a vector of columns, and of a row with that range, to `y`.
    #[inline(always)]
    pub fn value<S: Simd, A: Finish>(
        &self,
        simd: S,
        sums: A::Sum<S>,
        vector: usize,
        range: [f32; 2],
    ) -> S::F {
        let value = A::finish(simd, self, sums, vector * S::LANES, range);
        match self.activation {
            Activation::None => value,
            Activation::Gelu => A::gelu(simd, value),
        }
    }
}

/// Rows of words that are multiplied together: `first` and those that follow, of `count`.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    pub matrix: &'a [i32],
    pub first: usize,
    pub count: usize,
}

/// How sums are made, and numbers of them.
pub trait Finish {
    type Sum<S: Simd>: Copy;
    /// The blocks of sums that tiles make for one block of numbers.
    const BLOCKS: usize = 1;

    /// The sums of rows and a panel.
    fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        columns: &Columns<'_>,
        rows: Block<'_>,
        panel: &[i32],
    ) -> [[Self::Sum<S>; VECTORS]; ROWS];

    /// A vector of sums that tiles have made: of columns from `column` on, the word `at` in each of [`Self::BLOCKS`].
    fn of_tiles<S: Simd>(
        simd: S,
        columns: &Columns<'_>,
        column: usize,
        blocks: &[Sums],
        at: usize,
    ) -> Self::Sum<S>;

    /// Of a vector of columns from `at` on, and a row with that range.
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: Self::Sum<S>, at: usize, range: [f32; 2])
    -> S::F;

    /// The range of a row, if it has one.
    #[inline(always)]
    fn range(_: &[[f32; 2]], _: usize) -> [f32; 2] {
        [0.0; 2]
    }

    /// As exact as the products.
    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        math::gelu(simd, x)
    }
}

/// Products of rows of words.
#[inline(always)]
fn products<S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    Block { matrix, first, count }: Block<'_>,
    panel: &[i32],
) -> [[A::Sum<S>; VECTORS]; ROWS] {
    let words = panel.len() / (VECTORS * S::LANES) * A::PARTS;
    let rows = rows::<ROWS>(matrix, first, count, words, words);
    tile::<S, A, ROWS, VECTORS>(simd, [A::zero(simd); VECTORS], rows, panel.chunks_exact(VECTORS * S::LANES))
}

impl Finish for Floats {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &Columns<'_>,
        rows: Block<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn of_tiles<S: Simd>(simd: S, _: &Columns<'_>, _: usize, blocks: &[Sums], at: usize) -> S::F {
        simd.as_floats(simd.load_words(&blocks[0].0[at..]))
    }

    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::F, at: usize, _: [f32; 2]) -> S::F {
        simd.add(sum, simd.load(&columns.bias[at..]))
    }
}

impl Finish for Halves {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &Columns<'_>,
        rows: Block<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn of_tiles<S: Simd>(simd: S, columns: &Columns<'_>, column: usize, blocks: &[Sums], at: usize) -> S::F {
        Floats::of_tiles(simd, columns, column, blocks, at)
    }

    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::F, at: usize, range: [f32; 2]) -> S::F {
        Floats::finish(simd, columns, sum, at, range)
    }
}

impl Finish for Bytes {
    type Sum<S: Simd> = S::I;

    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &Columns<'_>,
        rows: Block<'_>,
        panel: &[i32],
    ) -> [[S::I; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn of_tiles<S: Simd>(simd: S, _: &Columns<'_>, _: usize, blocks: &[Sums], at: usize) -> S::I {
        simd.load_words(&blocks[0].0[at..])
    }

    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::I, at: usize, [step, low]: [f32; 2]) -> S::F {
        let (bias, scales) = (simd.load(&columns.bias[at..]), simd.load(&columns.scales[at..]));
        let sums = simd.load(&columns.sums[at..]);
        let offset = simd.mul_add(simd.splat(low), sums, bias);
        simd.mul_add(simd.to_floats(sum), simd.mul(scales, simd.splat(step)), offset)
    }

    #[inline(always)]
    fn range(ranges: &[[f32; 2]], row: usize) -> [f32; 2] {
        ranges[row]
    }

    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        simd.gelu_of_bytes(x)
    }
}

/// Several bytes in the rows for one in the columns. The sums of each digit are whole numbers, without any error; joined
/// they are as exact as an f32.
pub struct Digits;

impl Digits {
    /// The sums of the higher digits, and of the next one.
    #[inline(always)]
    fn join<S: Simd>(simd: S, higher: S::F, sums: S::I) -> S::F {
        simd.mul_add(higher, simd.splat(256.0), simd.to_floats(sums))
    }
}

impl Finish for Digits {
    type Sum<S: Simd> = S::F;
    const BLOCKS: usize = DIGITS;

    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        columns: &Columns<'_>,
        Block { matrix, first, count }: Block<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        let words = panel.len() / (VECTORS * S::LANES);
        let mut start = [simd.zero_words(); VECTORS];
        for (vector, start) in start.iter_mut().enumerate() {
            *start = simd.load_words(&columns.offsets[vector * S::LANES..]);
        }
        let mut joined = [[simd.splat(0.0); VECTORS]; ROWS];
        for digit in 0..DIGITS {
            let rows = rows::<ROWS>(&matrix[digit * words..], first, count, DIGITS * words, words);
            let sums =
                tile::<S, Bytes, ROWS, VECTORS>(simd, start, rows, panel.chunks_exact(VECTORS * S::LANES));
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    joined[row][vector] = Self::join(simd, joined[row][vector], sums[row][vector]);
                }
            }
        }
        joined
    }

    #[inline(always)]
    fn of_tiles<S: Simd>(simd: S, columns: &Columns<'_>, column: usize, blocks: &[Sums], at: usize) -> S::F {
        let offset = simd.load_words(&columns.offsets[column..]);
        let mut joined = simd.splat(0.0);
        for block in &blocks[..DIGITS] {
            joined = Self::join(simd, joined, simd.add_words(simd.load_words(&block.0[at..]), offset));
        }
        joined
    }

    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::F, at: usize, [step, _]: [f32; 2]) -> S::F {
        let (bias, scales) = (simd.load(&columns.bias[at..]), simd.load(&columns.scales[at..]));
        simd.mul_add(sum, simd.mul(scales, simd.splat(step)), bias)
    }

    #[inline(always)]
    fn range(ranges: &[[f32; 2]], row: usize) -> [f32; 2] {
        ranges[row]
    }
}
