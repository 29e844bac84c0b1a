//! The inner loop of all matrix products: some rows times some vectors of columns, with all sums in registers.
//!
//! Columns are words of 32 bits: an f32 each, two bf16, or four bytes, as [`Arithmetic`] says. Each sum is made in the
//! order of its terms, so that a row's result does not depend on the rows beside it.

use crate::simd::Simd;

/// What a word of the columns holds, and how it is multiplied with the rows.
pub trait Arithmetic {
    /// Words of a row for each word of the columns.
    const PARTS: usize;
    type Sum<S: Simd>: Copy;
    fn zero<S: Simd>(simd: S) -> Self::Sum<S>;
    /// `row` is the word of the row that belongs to `part` of the columns' words.
    fn multiply_add<S: Simd>(
        simd: S,
        sum: Self::Sum<S>,
        row: S::I,
        columns: S::I,
        part: usize,
    ) -> Self::Sum<S>;
}

/// An f32 in each word.
pub struct Floats;

/// Two bf16 in each word of the columns, and f32 in the rows.
pub struct Halves;

/// Four bytes in each word: unsigned ones in the rows, signed ones in the columns.
pub struct Bytes;

impl Arithmetic for Floats {
    const PARTS: usize = 1;
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::F, row: S::I, columns: S::I, _: usize) -> S::F {
        simd.mul_add(simd.as_floats(row), simd.as_floats(columns), sum)
    }
}

impl Arithmetic for Halves {
    const PARTS: usize = 2;
    type Sum<S: Simd> = S::F;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::F {
        simd.splat(0.0)
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::F, row: S::I, columns: S::I, part: usize) -> S::F {
        let columns = if part == 0 { simd.low_half(columns) } else { simd.high_half(columns) };
        simd.mul_add(simd.as_floats(row), columns, sum)
    }
}

impl Arithmetic for Bytes {
    const PARTS: usize = 1;
    type Sum<S: Simd> = S::I;

    #[inline(always)]
    fn zero<S: Simd>(simd: S) -> S::I {
        simd.zero_words()
    }

    #[inline(always)]
    fn multiply_add<S: Simd>(simd: S, sum: S::I, row: S::I, columns: S::I, _: usize) -> S::I {
        simd.dot_bytes(sum, row, columns)
    }
}

/// `ROWS` rows of words, from `first` on, of a matrix of `count` rows that stand `stride` words apart. Beyond the last
/// row there is the last row again: its results are not to be used.
#[inline(always)]
pub fn rows<const ROWS: usize>(
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
pub fn tile<'a, S: Simd, A: Arithmetic, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    start: [A::Sum<S>; VECTORS],
    rows: [&[i32]; ROWS],
    columns: impl ExactSizeIterator<Item = &'a [i32]>,
) -> [[A::Sum<S>; VECTORS]; ROWS] {
    let mut sums = [start; ROWS];
    let words = columns.len();
    assert!(rows.iter().all(|row| row.len() >= words * A::PARTS), "rows must be as long as columns");
    let rows = rows.map(<[i32]>::as_ptr);
    for (word, columns) in columns.enumerate().take(words) {
        let mut vectors = [simd.zero_words(); VECTORS];
        // Cut to a known length, the vectors need one check and not one each.
        let columns = &columns[..VECTORS * S::LANES];
        for (vector, columns) in vectors.iter_mut().zip(columns.chunks_exact(S::LANES)) {
            *vector = simd.load_words(columns);
        }
        for part in 0..A::PARTS {
            for (sums, row) in sums.iter_mut().zip(rows) {
                // SAFETY: `word` is below `words`, and no row is shorter than all their parts, as was asserted. With
                // the check in here the loop takes a sixth longer.
                let value = simd.splat_word(unsafe { *row.add(word * A::PARTS + part) });
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = A::multiply_add(simd, *sum, value, vector, part);
                }
            }
        }
    }
    sums
}
