//! The inner loop of all matrix products of inference: a register tile of some rows times some vectors of columns, with
//! all accumulators in registers.
//!
//! ```text
//!                     columns: VECTORS vectors for each word
//!                     ┌──────────┬──────────┬──────────┐
//!            word k   │ LANES    │ LANES    │ LANES    │   loaded once for all rows
//!                     └──────────┴──────────┴──────────┘
//!           ┌───┐     ┌──────────┬──────────┬──────────┐
//!    row 0  │ k │     │ acc 0,0  │ acc 0,1  │ acc 0,2  │   acc += splat(row word) × vector
//!    row 1  │ k │     │ acc 1,0  │ acc 1,1  │ acc 1,2  │
//!     ...   └───┘     └──────────┴──────────┴──────────┘
//! ```
//!
//! Columns are words of 32 bits: one f32, two bf16, or four int8, as [`Arithmetic`] says. Each sum is computed in the
//! order of its terms, so that a row's result does not depend on the rows beside it.

use crate::simd::Simd;

/// What a word of the columns holds, and how it is multiplied with the rows.
pub(crate) trait Arithmetic {
    /// Words of a row for each word of the columns.
    const ROW_WORDS: usize;
    /// A vector of accumulators.
    type Sum<S: Simd>: Copy;
    fn zero<S: Simd>(simd: S) -> Self::Sum<S>;
    /// `row` is, in each lane, the word `index` of the row's [`Arithmetic::ROW_WORDS`] that belong to `columns`.
    fn multiply_add<S: Simd>(
        simd: S,
        sum: Self::Sum<S>,
        row: S::I,
        columns: S::I,
        index: usize,
    ) -> Self::Sum<S>;
}

/// One f32 in each word.
pub(crate) struct F32;

/// Two bf16 in each word of the columns, and f32 in the rows.
pub(crate) struct Bf16;

/// Four int8 in each word: unsigned ones in the rows, signed ones in the columns.
pub(crate) struct Int8;

impl Arithmetic for F32 {
    const ROW_WORDS: usize = 1;
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::F, row: S::I, columns: S::I, _: usize) -> S::F {
        simd.mul_add(simd.bits_to_f32(row), simd.bits_to_f32(columns), sum)
    }
}

impl Arithmetic for Bf16 {
    const ROW_WORDS: usize = 2;
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::F, row: S::I, columns: S::I, index: usize) -> S::F {
        let columns = if index == 0 { simd.low_bf16(columns) } else { simd.high_bf16(columns) };
        simd.mul_add(simd.bits_to_f32(row), columns, sum)
    }
}

impl Arithmetic for Int8 {
    const ROW_WORDS: usize = 1;
    type Sum<S: Simd> = S::I;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::I {
        simd.zero_i32()
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::I, row: S::I, columns: S::I, _: usize) -> S::I {
        simd.dot_int8(sum, row, columns)
    }
}

/// The `words` first words of `ROWS` rows, from `first` on, of a matrix of `count` rows whose starts are `stride` words
/// apart. Behind the last row comes the last row again: its results are not to be used.
#[inline(always)]
pub(crate) fn tile_rows<const ROWS: usize>(
    matrix: &[i32],
    first: usize,
    count: usize,
    stride: usize,
    words: usize,
) -> [&[i32]; ROWS] {
    let mut rows: [&[i32]; ROWS] = [&[]; ROWS];
    for (index, row) in rows.iter_mut().enumerate() {
        *row = &matrix[(first + index).min(count - 1) * stride..][..words];
    }
    rows
}

/// The products of `rows` with `columns`, which gives `VECTORS` vectors for each word of the rows, added to `start`.
///
/// # Panics
/// If a row has fewer words than there are columns.
#[inline(always)]
pub(crate) fn multiply_tile<'a, S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    start: [A::Sum<S>; VECTORS],
    rows: [&[i32]; ROWS],
    columns: impl ExactSizeIterator<Item = &'a [i32]>,
) -> [[A::Sum<S>; VECTORS]; ROWS] {
    let mut sums = [start; ROWS];
    let words = columns.len();
    assert!(rows.iter().all(|row| row.len() >= words * A::ROW_WORDS), "rows must be as long as columns");
    let rows = rows.map(<[i32]>::as_ptr);
    for (word, columns) in columns.enumerate().take(words) {
        let mut vectors = [simd.zero_i32(); VECTORS];
        // Cut to a known length, the vectors need one check and not one each.
        let columns = &columns[..VECTORS * S::LANES];
        for (vector, columns) in vectors.iter_mut().zip(columns.chunks_exact(S::LANES)) {
            *vector = simd.load_i32(columns);
        }
        for index in 0..A::ROW_WORDS {
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: `word` is below `words`, and no row is shorter than `words * A::ROW_WORDS`, as was asserted. With
                // the check in here the loop takes a sixth longer.
                let value = simd.splat_i32(unsafe { *row.add(word * A::ROW_WORDS + index) });
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = A::multiply_add(simd, *sum, value, vector, index);
                }
            }
        }
    }
    sums
}
