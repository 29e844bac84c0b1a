//! Matrix products of bf16, with sums in f32, by AMX tiles (`amx`). A number is off by at most 1/256 of itself.
//! Knows matrices, not layers.
//!
//! ```text
//! left   [row blocks, steps, 32 rows, 16 words]           a word is two bf16: terms 2k and 2k + 1
//! right  [column blocks, steps, 16 words, 32 columns]     a step is 32 terms
//! ```

use super::{Init, vectorized};
use crate::Isa;
use crate::aligned::Aligned;
use crate::amx::{Accumulators, Amx, BLOCK, Bf16Split, OPERAND_WORDS, STEP_WORDS};
use std::ops::Range;

/// The terms of a step.
const TERMS: usize = 2 * STEP_WORDS;

/// The words of a cache block: rows that stay in the second level of cache while all columns are multiplied with them.
const CHUNK: usize = 1 << 18;

/// The left side of a product.
#[derive(Default)]
pub struct LeftOperand {
    terms: usize,
    words: Aligned<u32>,
}

/// The right side of a product.
#[derive(Default)]
pub struct RightOperand {
    terms: usize,
    columns: usize,
    words: Aligned<u32>,
}

/// The bits of the nearest bf16, with zeros behind them; what is not finite stays so.
#[inline(always)]
fn nearest(x: f32) -> u32 {
    // Veltkamp's way to round to eight bits. Numbers below the smallest normal one keep more bits.
    let far = x * 65_537.0;
    (far - (far - x)).to_bits() & 0xffff_0000
}

/// The numbers, and zeros behind them.
#[cold]
fn fill<const LENGTH: usize>(numbers: &[f32]) -> [f32; LENGTH] {
    let mut filled = [0.0; LENGTH];
    filled[..numbers.len()].copy_from_slice(numbers);
    filled
}

/// Writes the words of terms that are side by side, up to a step of them.
#[inline(always)]
fn pack_run(terms: &[f32], to: &mut [u32]) {
    // A copy of unknown length is a call.
    let filled = match <&[f32; TERMS]>::try_from(terms) {
        Ok(all) => *all,
        Err(_) => fill(terms),
    };
    // Two neighbours are a word, because all processors with AMX are little-endian.
    for (x, half) in filled.iter().zip(bytemuck::cast_slice_mut::<u32, u16>(to)) {
        *half = (nearest(*x) >> 16) as u16;
    }
}

/// Writes the words of up to [`BLOCK`] columns, from two terms of each; the second one may be missing.
#[inline(always)]
fn pack_pairs(terms: [&[f32]; 2], to: &mut [u32; BLOCK]) {
    let [a, b] = match terms.map(<&[f32; BLOCK]>::try_from) {
        [Ok(a), Ok(b)] => [*a, *b],
        _ => terms.map(fill),
    };
    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
        *to = (nearest(a) >> 16) | nearest(b);
    }
}

impl LeftOperand {
    /// Packs `matrix`, which is row-major, `[rows, terms]`.
    pub fn pack(&mut self, isa: Isa, matrix: &[f32], terms: usize) {
        self.terms = terms;
        let steps = terms.div_ceil(TERMS);
        self.words.resize((matrix.len() / terms).div_ceil(BLOCK) * steps * OPERAND_WORDS);
        vectorized!(isa, || {
            for (row, terms) in matrix.chunks_exact(terms).enumerate() {
                let block = &mut self.words[row / BLOCK * steps * OPERAND_WORDS..];
                let steps = block.chunks_exact_mut(OPERAND_WORDS).zip(terms.chunks(TERMS));
                for (step, terms) in steps {
                    let line = row % BLOCK * STEP_WORDS..(row % BLOCK + 1) * STEP_WORDS;
                    pack_run(terms, &mut step[line]);
                }
            }
        });
    }

    /// Packs the transpose of `matrix`, which is row-major, `[terms, rows]`.
    pub fn pack_transposed(&mut self, isa: Isa, matrix: &[f32], rows: usize) {
        self.terms = matrix.len() / rows;
        let steps = self.terms.div_ceil(TERMS);
        self.words.resize(rows.div_ceil(BLOCK) * steps * OPERAND_WORDS);
        let mut lines = [0; OPERAND_WORDS];
        vectorized!(isa, || {
            for (step, terms) in matrix.chunks(TERMS * rows).enumerate() {
                for block in 0..rows.div_ceil(BLOCK) {
                    pack_step(terms, rows, block, &mut lines);
                    let to = &mut self.words[(block * steps + step) * OPERAND_WORDS..][..OPERAND_WORDS];
                    transpose::<STEP_WORDS, BLOCK>(&lines, to);
                }
            }
        });
    }
}

impl RightOperand {
    /// Packs `matrix`, which is row-major, `[terms, columns]`.
    pub fn pack(&mut self, isa: Isa, matrix: &[f32], columns: usize) {
        (self.terms, self.columns) = (matrix.len() / columns, columns);
        let steps = self.terms.div_ceil(TERMS);
        self.words.resize(columns.div_ceil(BLOCK) * steps * OPERAND_WORDS);
        vectorized!(isa, || {
            for (step, terms) in matrix.chunks(TERMS * columns).enumerate() {
                for block in 0..columns.div_ceil(BLOCK) {
                    let to = &mut self.words[(block * steps + step) * OPERAND_WORDS..][..OPERAND_WORDS];
                    pack_step(terms, columns, block, to);
                }
            }
        });
    }

    /// Packs the transpose of `matrix`, which is row-major, `[columns, terms]`.
    pub fn pack_transposed(&mut self, isa: Isa, matrix: &[f32], terms: usize) {
        (self.terms, self.columns) = (terms, matrix.len() / terms);
        let steps = terms.div_ceil(TERMS);
        self.words.resize(self.columns.div_ceil(BLOCK) * steps * OPERAND_WORDS);
        let mut lines = [0; OPERAND_WORDS];
        vectorized!(isa, || {
            for (block, columns) in matrix.chunks(BLOCK * terms).enumerate() {
                for step in 0..steps {
                    for (column, row) in columns.chunks_exact(terms).enumerate() {
                        let terms = &row[step * TERMS..terms.min((step + 1) * TERMS)];
                        let line = column * STEP_WORDS..(column + 1) * STEP_WORDS;
                        pack_run(terms, &mut lines[line]);
                    }
                    let to = &mut self.words[(block * steps + step) * OPERAND_WORDS..][..OPERAND_WORDS];
                    transpose::<BLOCK, STEP_WORDS>(&lines, to);
                }
            }
        });
    }
}

/// Writes a step of a block of columns, from the row-major rows of its terms.
#[inline(always)]
fn pack_step(terms: &[f32], columns: usize, block: usize, to: &mut [u32]) {
    let used = block * BLOCK..columns.min((block + 1) * BLOCK);
    let mut pairs = terms.chunks(2 * columns);
    for line in to.as_chunks_mut().0 {
        // The padding of the last step is 0.
        let (a, b) = pairs.next().unwrap_or_default().split_at_checked(columns).unwrap_or_default();
        let of_block = |terms: &'_ [f32]| if terms.is_empty() { 0..0 } else { used.clone() };
        pack_pairs([&a[of_block(a)], &b[of_block(b)]], line);
    }
}

/// `from` has `ROWS` rows of `COLUMNS` words.
#[inline(always)]
fn transpose<const ROWS: usize, const COLUMNS: usize>(from: &[u32], to: &mut [u32]) {
    let (from, to) = (&from[..ROWS * COLUMNS], &mut to[..ROWS * COLUMNS]);
    for row in 0..ROWS {
        for column in 0..COLUMNS {
            to[column * ROWS + row] = from[row * COLUMNS + column];
        }
    }
}

/// `destination = init + left * right`, row-major.
///
/// # Panics
/// If the shapes do not fit each other, or the processor lacks AMX or the instruction set.
pub fn multiply(isa: Isa, destination: &mut [f32], init: Init<'_>, left: &LeftOperand, right: &RightOperand) {
    assert_eq!(left.terms, right.terms, "inner dimensions");
    let columns = right.columns;
    assert!(destination.len().is_multiple_of(columns), "outer dimensions");
    let rows = destination.len() / columns;
    let words = left.terms.div_ceil(TERMS) * OPERAND_WORDS;
    assert!(rows.div_ceil(BLOCK) * words == left.words.len(), "outer dimensions");
    vectorized!(isa, || multiply_blocks(destination, init, left, right, words));
}

/// Computes the destination block by block, each from `words` words of both operands.
#[inline(always)]
fn multiply_blocks(
    destination: &mut [f32],
    init: Init<'_>,
    left: &LeftOperand,
    right: &RightOperand,
    words: usize,
) {
    let chunk = (CHUNK / words).max(1);
    let mut amx = Amx::new();
    let mut sums = [Accumulators::default(), Accumulators::default()];
    // The row block and the column block of the sums that are not yet added.
    let mut before = None;
    let mut turn = 0;
    let chunks = left.words.chunks(chunk * words).enumerate();
    for (first, rows) in chunks.map(|(at, rows)| (at * chunk, rows)) {
        for (panel, columns) in right.words.chunks_exact(words).enumerate() {
            for (block, rows) in rows.chunks_exact(words).enumerate() {
                amx.clear();
                let steps = words / OPERAND_WORDS;
                let pairs = rows.chunks_exact(OPERAND_WORDS).zip(columns.chunks_exact(OPERAND_WORDS));
                for (step, (rows, columns)) in pairs.enumerate() {
                    let (rows, columns) = (bytemuck::cast_slice(rows), bytemuck::cast_slice(columns));
                    amx.add_bf16(Bf16Split::OneByOne, rows, columns);
                    // While the tiles are at work, vectors add the sums of the block before.
                    if let Some(at) = before {
                        let rows = step * BLOCK / steps..(step + 1) * BLOCK / steps;
                        add(destination, right.columns, at, rows, init, &sums[1 - turn]);
                    }
                }
                amx.store(&mut sums[turn]);
                before = Some((first + block, panel));
                turn = 1 - turn;
            }
        }
    }
    if let Some(at) = before {
        add(destination, right.columns, at, 0..BLOCK, init, &sums[1 - turn]);
    }
}

/// Adds the sums of some rows of a block.
#[inline(always)]
fn add(
    destination: &mut [f32],
    columns: usize,
    (block, panel): (usize, usize),
    rows: Range<usize>,
    init: Init<'_>,
    sums: &Accumulators,
) {
    let (left, width) = (panel * BLOCK, BLOCK.min(columns - panel * BLOCK));
    let sums: &[f32] = bytemuck::cast_slice(&sums.0);
    let used = rows.start.min(destination.len() / columns - block * BLOCK)
        ..rows.end.min(destination.len() / columns - block * BLOCK);
    for row in used {
        let cells = &mut destination[(block * BLOCK + row) * columns + left..][..width];
        let sums = &sums[row * BLOCK..][..BLOCK];
        let bias = match init {
            Init::Bias(bias) => Some(&bias[left..][..width]),
            _ => None,
        };
        let existing = matches!(init, Init::Existing);
        // The loop over a slice of known length is vectorised.
        match <&mut [f32; BLOCK]>::try_from(&mut *cells) {
            Ok(cells) => add_row(cells, sums, bias, existing),
            Err(_) => add_row(cells, sums, bias, existing),
        }
    }
}

#[inline(always)]
fn add_row(cells: &mut [f32], sums: &[f32], bias: Option<&[f32]>, existing: bool) {
    match bias {
        Some(bias) => {
            for ((cell, sum), bias) in cells.iter_mut().zip(sums).zip(bias) {
                *cell = bias + sum;
            }
        }
        None if existing => {
            for (cell, sum) in cells.iter_mut().zip(sums) {
                *cell += sum;
            }
        }
        None => {
            for (cell, sum) in cells.iter_mut().zip(sums) {
                *cell = *sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instruction_sets, with_amx};
    use half::bf16;
    use proptest::prelude::*;

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5) - 1.0).collect()
    }

    fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
        let rows = matrix.len() / columns;
        (0..matrix.len()).map(|at| matrix[at % rows * columns + at / rows]).collect()
    }

    #[test]
    fn numbers_become_the_nearest_bf16() {
        for x in numbers(2000, 1).into_iter().chain([0.0, -0.0, 1e30, -3e-30, 1.0, 1.003_906_3]) {
            assert_eq!(nearest(x), bf16::from_f32(x).to_f32().to_bits(), "{x}");
        }
        for x in [1e-45, 3e-41, -1e-39, 1e-38] {
            let found = f32::from_bits(nearest(x));
            assert!(nearest(x) & 0xffff == 0 && (found - x).abs() <= f32::MIN_POSITIVE, "{x}: {found}");
        }
        for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(!f32::from_bits(nearest(x)).is_finite(), "{x}");
        }
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn products_are_those_of_three_loops_but_for_rounding(
            (m, k, n) in (1usize..100, 1usize..300, 1usize..110),
            seed in 0usize..1000,
        ) {
            let Some(isa) = with_amx() else { return Ok(()) };
            let (left, right, bias) = (numbers(m * k, seed), numbers(k * n, seed + 1), numbers(n, seed + 2));
            let (mut rows, mut columns) = (LeftOperand::default(), RightOperand::default());
            rows.pack(isa, &left, k);
            columns.pack(isa, &right, n);
            let mut found = vec![7.0; m * n];
            multiply(isa, &mut found, Init::Bias(&bias), &rows, &columns);
            for (i, found) in found.iter().enumerate() {
                let products =
                    (0..k).map(|t| f64::from(left[i / n * k + t]) * f64::from(right[t * n + i % n]));
                let expected = products.clone().sum::<f64>() + f64::from(bias[i % n]);
                // Both numbers are off by that much, and sums by less.
                let bound = products.map(f64::abs).sum::<f64>() * 2.1 / 256.0 + 1e-6;
                prop_assert!((f64::from(*found) - expected).abs() < bound, "{found}, not {expected}");
            }

            // The same from the transposes of both.
            rows.pack_transposed(isa, &transposed(&left, k), m);
            columns.pack_transposed(isa, &transposed(&right, n), k);
            let mut again = vec![1.0; m * n];
            multiply(isa, &mut again, Init::Zero, &rows, &columns);
            multiply(isa, &mut again, Init::Existing, &rows, &columns);
            for (i, again) in again.iter().enumerate() {
                let found = 2.0 * (found[i] - bias[i % n]);
                prop_assert!((again - found).abs() < 1e-4, "{again}, not {found}");
            }
        }
    }

    #[test]
    fn infinities_and_nans_do_not_become_numbers() {
        let Some(isa) = with_amx() else { return };
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut left = numbers(3 * 130, 1);
            left[131] = odd;
            let (mut rows, mut columns) = (LeftOperand::default(), RightOperand::default());
            rows.pack(isa, &left, 130);
            columns.pack(isa, &numbers(130 * 5, 2), 5);
            let mut found = vec![0.0; 3 * 5];
            multiply(isa, &mut found, Init::Zero, &rows, &columns);
            assert!(found[..5].iter().all(|x| x.is_finite()));
            assert!(found[5..10].iter().all(|x| !x.is_finite()), "{found:?}");
            assert!(found[10..].iter().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn every_instruction_set_packs_the_same_words() {
        let numbers = numbers(70 * 45, 5);
        let packed = |isa| {
            let (mut left, mut right) = (LeftOperand::default(), RightOperand::default());
            let mut words = Vec::new();
            left.pack(isa, &numbers, 45);
            words.extend_from_slice(&left.words);
            left.pack_transposed(isa, &numbers, 45);
            words.extend_from_slice(&left.words);
            right.pack(isa, &numbers, 45);
            words.extend_from_slice(&right.words);
            right.pack_transposed(isa, &numbers, 45);
            words.extend_from_slice(&right.words);
            words
        };
        let expected = packed(Isa::Portable);
        for isa in instruction_sets() {
            assert!(packed(isa) == expected, "{isa}");
        }
    }
}
