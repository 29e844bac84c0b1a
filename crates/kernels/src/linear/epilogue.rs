//! From accumulators to results: scales, zero points, bias and GELU, on a register tile or a block of AMX tiles.

use super::{Activation, Linear};
use crate::amx::Accumulators;
use crate::math;
use crate::microkernel::{Arithmetic, Bf16, F32, Int8, multiply_tile, tile_rows};
use crate::quantize::{DIGITS, RowScale};
use crate::simd::Simd;

/// What a layer knows of a panel's columns.
pub(super) struct ColumnParameters<'a> {
    bias: &'a [f32],
    scales: &'a [f32],
    weight_sums: &'a [f32],
    digit_offsets: &'a [i32],
    activation: Activation,
}

impl<'a> ColumnParameters<'a> {
    /// Those of `width` columns from `left` on.
    #[inline(always)]
    pub fn new(layer: &'a Linear, left: usize, width: usize) -> Self {
        Self {
            bias: &layer.bias[left..][..width],
            scales: &layer.scales[left..][..width],
            weight_sums: &layer.weight_sums[left..][..width],
            digit_offsets: &layer.digit_offsets[left..][..width],
            activation: layer.activation,
        }
    }

    /// From the sums of a row with that scale and a vector of columns to `y`.
    #[inline(always)]
    pub fn apply<S: Simd, A: Epilogue>(
        &self,
        simd: S,
        sums: A::Sum<S>,
        vector: usize,
        scale: RowScale,
    ) -> S::F {
        let value = A::dequantize(simd, self, sums, vector * S::LANES, scale);
        match self.activation {
            Activation::None => value,
            Activation::Gelu => A::gelu(simd, value),
        }
    }
}

/// Rows of words that a register tile multiplies: `first` and those behind it, of the `count` rows of a matrix.
#[derive(Clone, Copy)]
pub(super) struct RowTile<'a> {
    pub matrix: &'a [i32],
    pub first: usize,
    pub count: usize,
}

/// How sums of products are computed, and how they become results.
pub(super) trait Epilogue {
    type Sum<S: Simd>: Copy;
    /// The blocks of accumulators that AMX computes for one block of results.
    const BLOCKS: usize = 1;

    /// The sums of a register tile.
    fn products<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        rows: RowTile<'_>,
        panel: &[i32],
    ) -> [[Self::Sum<S>; VECTORS]; ROWS];

    /// The sums of a vector of columns from `column` on, which AMX has computed: the words from `at` on in each of
    /// [`Self::BLOCKS`].
    fn from_amx<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        column: usize,
        blocks: &[Accumulators],
        at: usize,
    ) -> Self::Sum<S>;

    /// The results of a vector of columns from `at` on, in a row with that scale.
    fn dequantize<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        sum: Self::Sum<S>,
        at: usize,
        scale: RowScale,
    ) -> S::F;

    /// The scale of a row, if it has one.
    #[inline(always)]
    fn row_scale(_: &[RowScale], _: usize) -> RowScale {
        RowScale::default()
    }

    /// As exact as the products.
    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        math::gelu(simd, x)
    }
}

/// The sums of a register tile in one arithmetic.
#[inline(always)]
fn products<S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    RowTile { matrix, first, count }: RowTile<'_>,
    panel: &[i32],
) -> [[A::Sum<S>; VECTORS]; ROWS] {
    let words = panel.len() / (VECTORS * S::LANES) * A::ROW_WORDS;
    let rows = tile_rows::<ROWS>(matrix, first, count, words, words);
    let columns = panel.chunks_exact(VECTORS * S::LANES);
    multiply_tile::<S, A, ROWS, VECTORS>(simd, [A::zero(simd); VECTORS], rows, columns)
}

impl Epilogue for F32 {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn products<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &ColumnParameters<'_>,
        rows: RowTile<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn from_amx<S: Simd>(
        simd: S,
        _: &ColumnParameters<'_>,
        _: usize,
        blocks: &[Accumulators],
        at: usize,
    ) -> S::F {
        simd.bits_to_f32(simd.load_i32(&blocks[0].0[at..]))
    }

    #[inline(always)]
    fn dequantize<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        sum: S::F,
        at: usize,
        _: RowScale,
    ) -> S::F {
        simd.add(sum, simd.load(&parameters.bias[at..]))
    }
}

impl Epilogue for Bf16 {
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn products<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &ColumnParameters<'_>,
        rows: RowTile<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn from_amx<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        column: usize,
        blocks: &[Accumulators],
        at: usize,
    ) -> S::F {
        F32::from_amx(simd, parameters, column, blocks, at)
    }

    #[inline(always)]
    fn dequantize<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        sum: S::F,
        at: usize,
        scale: RowScale,
    ) -> S::F {
        F32::dequantize(simd, parameters, sum, at, scale)
    }
}

impl Epilogue for Int8 {
    type Sum<S: Simd> = S::I;

    #[inline(always)]
    fn products<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        _: &ColumnParameters<'_>,
        rows: RowTile<'_>,
        panel: &[i32],
    ) -> [[S::I; VECTORS]; ROWS] {
        products::<S, Self, ROWS, VECTORS>(simd, rows, panel)
    }

    #[inline(always)]
    fn from_amx<S: Simd>(
        simd: S,
        _: &ColumnParameters<'_>,
        _: usize,
        blocks: &[Accumulators],
        at: usize,
    ) -> S::I {
        simd.load_i32(&blocks[0].0[at..])
    }

    #[inline(always)]
    fn dequantize<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        sum: S::I,
        at: usize,
        row: RowScale,
    ) -> S::F {
        let (bias, scales) = (simd.load(&parameters.bias[at..]), simd.load(&parameters.scales[at..]));
        let weight_sums = simd.load(&parameters.weight_sums[at..]);
        let offset = simd.mul_add(simd.splat(row.zero), weight_sums, bias);
        simd.mul_add(simd.i32_to_f32(sum), simd.mul(scales, simd.splat(row.scale)), offset)
    }

    #[inline(always)]
    fn row_scale(scales: &[RowScale], row: usize) -> RowScale {
        scales[row]
    }

    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        simd.gelu_int8(x)
    }
}

/// An f32 activation as three int8 digits, multiplied with int8 weights. The sums of each digit are exact; joined they
/// are as exact as an f32.
pub(super) struct Int8x3;

impl Int8x3 {
    /// The sums of the higher digits, joined with those of the next digit.
    #[inline(always)]
    fn join<S: Simd>(simd: S, higher: S::F, sums: S::I) -> S::F {
        simd.mul_add(higher, simd.splat(256.0), simd.i32_to_f32(sums))
    }
}

impl Epilogue for Int8x3 {
    type Sum<S: Simd> = S::F;
    const BLOCKS: usize = DIGITS;

    #[inline(always)]
    fn products<S: Simd, const ROWS: usize, const VECTORS: usize>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        RowTile { matrix, first, count }: RowTile<'_>,
        panel: &[i32],
    ) -> [[S::F; VECTORS]; ROWS] {
        let words = panel.len() / (VECTORS * S::LANES);
        let mut start = [simd.zero_i32(); VECTORS];
        for (vector, start) in start.iter_mut().enumerate() {
            *start = simd.load_i32(&parameters.digit_offsets[vector * S::LANES..]);
        }
        let mut joined = [[simd.splat(0.0); VECTORS]; ROWS];
        for digit in 0..DIGITS {
            let rows = tile_rows::<ROWS>(&matrix[digit * words..], first, count, DIGITS * words, words);
            let columns = panel.chunks_exact(VECTORS * S::LANES);
            let sums = multiply_tile::<S, Int8, ROWS, VECTORS>(simd, start, rows, columns);
            for row in 0..ROWS {
                for vector in 0..VECTORS {
                    joined[row][vector] = Self::join(simd, joined[row][vector], sums[row][vector]);
                }
            }
        }
        joined
    }

    #[inline(always)]
    fn from_amx<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        column: usize,
        blocks: &[Accumulators],
        at: usize,
    ) -> S::F {
        let offset = simd.load_i32(&parameters.digit_offsets[column..]);
        let mut joined = simd.splat(0.0);
        for block in &blocks[..DIGITS] {
            joined = Self::join(simd, joined, simd.add_i32(simd.load_i32(&block.0[at..]), offset));
        }
        joined
    }

    #[inline(always)]
    fn dequantize<S: Simd>(
        simd: S,
        parameters: &ColumnParameters<'_>,
        sum: S::F,
        at: usize,
        row: RowScale,
    ) -> S::F {
        let (bias, scales) = (simd.load(&parameters.bias[at..]), simd.load(&parameters.scales[at..]));
        simd.mul_add(sum, simd.mul(scales, simd.splat(row.scale)), bias)
    }

    #[inline(always)]
    fn row_scale(scales: &[RowScale], row: usize) -> RowScale {
        scales[row]
    }
}
