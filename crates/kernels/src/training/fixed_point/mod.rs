//! Matrix products in block fixed point: int16 numbers of 13 bits with one scale for each block of `BLOCK` terms,
//! multiplied and summed exactly in 32-bit integers, then added up in f32. Knows matrices, not layers.
//!
//! Processors multiply int16 twice as fast as f32. A number is off by at most 1/8190 of the largest one in its block,
//! which is less than what rounding to bf16 costs; parameters, sums over blocks, gradients and the optimizer stay f32.
//! Sums within a block are exact, so every processor gets the same bits.
//!
//! ```text
//!                left [rows, terms]                         right [terms, columns]
//!            block 0      block 1                        panel 0       panel 1
//!         ┌ 128 terms ┬ 128 terms ┐                   ┌ 48 columns ┬ 48 columns ┐
//! 8 rows  │ 64 words  │ 64 words  │   block 0         │  64 words  │            │
//!         │ × 8 rows  │           │   128 terms       │  × 48      │            │   one scale for each row and block,
//!         ├───────────┼───────────┤                   ├────────────┼────────────┤   and for each column and block
//! 8 rows  │           │           │   block 1         │            │            │
//!         └───────────┴───────────┘                   └────────────┴────────────┘
//!
//! a word:  ┌ term 2k, int16 ┬ term 2k + 1, int16 ┐    both operands; an odd last term is followed by 0
//! a cell:  before + (exact sum of a block) × scale of the column × scale of the row, block after block
//! ```

mod microkernel;
mod pack;

pub use pack::{LeftRows, LeftTransposed};

use super::Init;
use crate::Isa;
use pack::Panels;

/// Terms that share a scale, and whose products are summed as integers.
const BLOCK: usize = 128;
/// Two terms are in one word.
const WORDS: usize = BLOCK / 2;
/// The largest whole number: the sum of a block of its squares just fits into 31 bits.
const LARGEST: f32 = 4095.0;
/// Rows and columns of a tile of the destination.
const TILE_ROWS: usize = 8;
const TILE_COLUMNS: usize = 48;

/// The right side of a product: panels of `TILE_COLUMNS` columns.
pub type RightPanels = Panels<TILE_COLUMNS>;

/// The left side of a product: [`LeftRows`] or [`LeftTransposed`].
pub trait LeftOperand {
    /// How many terms each row has.
    fn terms(&self) -> usize;
    /// The words of a block, of the rows from `row` on, which is a multiple of `TILE_ROWS`: word `w` of row `r` is at
    /// `r * ROW_STRIDE + w * WORD_STRIDE`.
    fn tile(&self, block: usize, row: usize) -> &[u32];
    /// From a row's word to that of the next row.
    const ROW_STRIDE: usize;
    /// From a row's word to its next word.
    const WORD_STRIDE: usize;
    /// The scales of a block, of the rows from `row` on.
    fn scales(&self, block: usize, row: usize) -> &[f32];
}

/// Whether products in block fixed point are faster than f32: where int16 dot products are one instruction on long
/// vectors.
pub fn is_fast(isa: Isa) -> bool {
    matches!(isa, Isa::Avx512Amx | Isa::Avx512Vnni)
}

/// `destination = init + left * right`, row-major, `[rows, columns]`.
///
/// # Panics
/// If the shapes do not fit each other, or the processor lacks the instruction set.
pub fn multiply<L: LeftOperand>(
    isa: Isa,
    destination: &mut [f32],
    init: Init<'_>,
    left: &L,
    right: &RightPanels,
) {
    assert_eq!(left.terms(), right.terms(), "inner dimensions");
    assert!(destination.len().is_multiple_of(right.columns()), "outer dimensions");
    isa.run(microkernel::Product { destination, init, left, right });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::instruction_sets;
    use proptest::prelude::*;

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5) - 1.0).collect()
    }

    /// The products of all rows with all columns, in f64.
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
        #![proptest_config(crate::random_tests::config())]

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
            // Every instruction set gives the same bits, as the test of the microkernel says.
            let isa = Isa::detect();
            let (mut rows, mut panels) = (LeftRows::default(), RightPanels::default());
            rows.pack(isa, &left, k);
            panels.pack(isa, &right, n);
            let mut found = vec![7.0; m * n];
            multiply(isa, &mut found, Init::Bias(&bias), &rows, &panels);
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                prop_assert!((found - expected - bias[i % n]).abs() < bound, "{found} against {expected}");
            }

            // The same from the transposes of both.
            let transposed: Vec<f32> = (0..k * m).map(|i| left[i % m * k + i / m]).collect();
            let mut columns = LeftTransposed::default();
            columns.pack(isa, &transposed, m);
            let right_rows: Vec<f32> = (0..n * k).map(|i| right[i % k * n + i / k]).collect();
            panels.pack_transposed(isa, &right_rows, k);
            let mut again = vec![1.0; m * n];
            multiply(isa, &mut again, Init::Existing, &columns, &panels);
            multiply(isa, &mut found, Init::Zero, &rows, &panels);
            for (again, found) in again.iter().zip(&found) {
                prop_assert!((again - found - 1.0).abs() < 1e-4, "{again} against {found}");
            }
        }
    }

    #[test]
    fn infinities_and_nans_do_not_become_numbers() {
        for (isa, odd) in instruction_sets()
            .flat_map(|isa| [f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|odd| (isa, odd)))
        {
            let mut left = numbers(3 * 130, 1);
            left[131] = odd;
            let (mut rows, mut panels) = (LeftRows::default(), RightPanels::default());
            rows.pack(isa, &left, 130);
            panels.pack(isa, &numbers(130 * 5, 2), 5);
            let mut found = vec![0.0; 3 * 5];
            multiply(isa, &mut found, Init::Zero, &rows, &panels);
            assert!(found[..5].iter().all(|x| x.is_finite()));
            assert!(found[5..10].iter().all(|x| !x.is_finite()), "{found:?}");
            assert!(found[10..].iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn zeros_and_the_smallest_numbers_do_no_harm() {
        let isa = Isa::Portable;
        let (mut rows, mut panels) = (LeftRows::default(), RightPanels::default());
        rows.pack(isa, &[0.0, 0.0, 1e-40, -1e-38, 1e30, -1e30], 2);
        panels.pack(isa, &[1.0, 1.0], 1);
        let mut found = vec![0.0; 3];
        multiply(isa, &mut found, Init::Zero, &rows, &panels);
        assert_eq!(found, [0.0, 0.0, 0.0]);
    }
}
