//! Matrix products in block fixed point: whole numbers of 13 bits with a scale for each run of [`BLOCK`] terms,
//! multiplied and summed exactly in 32-bit integers, then added up in f32.
//!
//! Processors multiply 16-bit integers twice as fast as f32. A number is off by at most 1/8190 of the largest one
//! beside it, which is less than what rounding to bf16 costs; parameters, sums over blocks, gradients and the optimizer
//! stay f32. As the sums within a block are exact, every processor gets the same bits.

mod pack;
mod tile;

pub use pack::{Across, Rows};
pub use tile::is_fast;

use super::Start;
use pack::Columns;

/// Terms that share a scale, and whose products are summed as integers.
const BLOCK: usize = 128;
/// Two terms stand in one word.
const WORDS: usize = BLOCK / 2;
/// The largest whole number: a block of its squares just fits into 31 bits.
const LARGEST: f32 = 4095.0;
/// Rows and columns of a tile: what one call of the inner loop computes.
const TILE_ROWS: usize = 8;
const TILE_COLS: usize = 48;

/// Rows that go by all columns of a panel before the next ones do: what they add to then stays in the second cache.
const CHUNK: usize = 128;

/// The right side of a product: what its columns are.
pub type Panels = Columns<TILE_COLS>;

/// The left side of a product.
pub trait Left {
    fn terms(&self) -> usize;
    /// The words of up to [`TILE_ROWS`] rows from `row` on (a multiple of them) and of a block: word `w` of row `r`
    /// stands at `r * row_stride + w * word_stride`.
    fn tile(&self, block: usize, row: usize) -> &[u32];
    /// Of the words in a tile.
    const ROW_STRIDE: usize;
    const WORD_STRIDE: usize;
    /// A scale for each row of the tile.
    fn scales(&self, block: usize, row: usize) -> &[f32];
}

/// `destination = start + left * right`, row-major.
///
/// # Panics
/// If the shapes do not fit each other.
pub fn multiply<L: Left>(destination: &mut [f32], start: Start<'_>, left: &L, right: &Panels) {
    assert_eq!(left.terms(), right.terms(), "inner dimensions");
    let cols = right.columns();
    assert!(destination.len().is_multiple_of(cols), "outer dimensions");
    let rows = destination.len() / cols;
    for (panel, first_col) in (0..cols).step_by(TILE_COLS).enumerate() {
        let width = TILE_COLS.min(cols - first_col);
        for first_row in (0..rows).step_by(CHUNK) {
            let chunk = CHUNK.min(rows - first_row);
            // The columns of one block stay in the first cache while the rows go by.
            for block in 0..left.terms().div_ceil(BLOCK) {
                let words = (left.terms() - block * BLOCK).min(BLOCK).div_ceil(2);
                let columns = &right.block(panel, block)[..words * TILE_COLS];
                let start = match start {
                    _ if block > 0 => Start::Kept,
                    Start::Bias(bias) => Start::Bias(&bias[first_col..first_col + width]),
                    other => other,
                };
                for row in (first_row..first_row + chunk).step_by(TILE_ROWS) {
                    let height = TILE_ROWS.min(rows - row);
                    let from = row * cols + first_col;
                    tile::add_product::<L>(
                        &mut destination[from..from + (height - 1) * cols + width],
                        (height, width, cols),
                        start,
                        (left.tile(block, row), left.scales(block, row)),
                        (columns, right.scales(panel, block)),
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5) - 1.0).collect()
    }

    /// The products of all rows with all columns, in f64, and those of their magnitudes.
    fn plainly(
        left: impl Fn(usize, usize) -> f32,
        right: impl Fn(usize, usize) -> f32,
        (m, k, n): (usize, usize, usize),
    ) -> Vec<f32> {
        (0..m * n)
            .map(|i| {
                (0..k).map(|t| f64::from(left(i / n, t)) * f64::from(right(t, i % n))).sum::<f64>() as f32
            })
            .collect()
    }

    proptest! {
        #[test]
        fn products_are_those_of_three_loops_but_for_rounding(
            (m, k, n) in (1usize..40, 1usize..300, 1usize..110),
            seed in 0usize..1000,
        ) {
            let left = numbers(m * k, seed);
            let right = numbers(k * n, seed + 1);
            let bias = numbers(n, seed + 2);
            // A number is off by up to half a step of its block, 1 / 8190 of the largest.
            let bound = 2.2 / 8190.0 * k as f32;

            let expected = plainly(|r, t| left[r * k + t], |t, c| right[t * n + c], (m, k, n));
            let (mut rows, mut panels) = (Rows::default(), Panels::default());
            rows.pack(&left, k);
            panels.pack(&right, n);
            let mut found = vec![7.0; m * n];
            multiply(&mut found, Start::Bias(&bias), &rows, &panels);
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                prop_assert!((found - expected - bias[i % n]).abs() < bound, "{found} against {expected}");
            }

            // The same rows as columns of the transpose, and the same columns as rows of theirs.
            let transposed: Vec<f32> = (0..k * m).map(|i| left[i % m * k + i / m]).collect();
            let mut columns = Across::default();
            columns.pack(&transposed, m);
            let right_rows: Vec<f32> = (0..n * k).map(|i| right[i % k * n + i / k]).collect();
            panels.pack_transposed(&right_rows, k);
            let mut again = vec![1.0; m * n];
            multiply(&mut again, Start::Kept, &columns, &panels);
            multiply(&mut found, Start::Zero, &rows, &panels);
            for (again, found) in again.iter().zip(&found) {
                prop_assert!((again - found - 1.0).abs() < 1e-4, "{again} against {found}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_none() {
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut left = numbers(3 * 130, 1);
            left[131] = odd;
            let (mut rows, mut panels) = (Rows::default(), Panels::default());
            rows.pack(&left, 130);
            panels.pack(&numbers(130 * 5, 2), 5);
            let mut found = vec![0.0; 3 * 5];
            multiply(&mut found, Start::Zero, &rows, &panels);
            assert!(found[..5].iter().all(|x| x.is_finite()));
            assert!(found[5..10].iter().all(|x| !x.is_finite()), "{found:?}");
            assert!(found[10..].iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn zeros_and_the_smallest_numbers_do_no_harm() {
        let (mut rows, mut panels) = (Rows::default(), Panels::default());
        rows.pack(&[0.0, 0.0, 1e-40, -1e-38, 1e30, -1e30], 2);
        panels.pack(&[1.0, 1.0], 1);
        let mut found = vec![0.0; 3];
        multiply(&mut found, Start::Zero, &rows, &panels);
        assert_eq!(found, [0.0, 0.0, 0.0]);
    }
}
