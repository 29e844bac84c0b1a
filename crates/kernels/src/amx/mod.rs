//! Matrix tiles of x86-64 (AMX): instructions that multiply 16 rows of 64 bytes with 16 columns of 64 bytes, int8
//! exactly, and bf16 with sums in f32. A core multiplies int8 eight times as fast with them as with vectors.
//!
//! ```text
//! one step, on 8 tile registers of 16 × 64 bytes:
//!
//!                             columns, [16 words, 32 columns]
//!                              ┌── tmm6 ──┬── tmm7 ──┐
//!                              │ 16 cols  │ 16 cols  │      a word: four int8, or two bf16
//!                              └──────────┴──────────┘
//! rows, [32 rows, 16 words]    ┌──────────┬──────────┐
//!  ┌─ tmm4, 16 rows ─┐         │  tmm0    │  tmm1    │      [`Accumulators`], [32, 32]: i32, or f32
//!  ├─ tmm5, 16 rows ─┤         │  tmm2    │  tmm3    │
//!  └─────────────────┘         └──────────┴──────────┘
//! ```
//!
//! An f32 is the sum of three bf16. Six of the nine products of two such sums, added from the smallest on, are as exact as
//! the product of two f32 ([`Bf16Split`]), and still take less time. (Henry, Tang and Heinecke: Leveraging the bfloat16
//! Artificial Intelligence Datatype For Higher-Precision Computations, 2019.)

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod instructions;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
#[path = "unsupported.rs"]
mod instructions;

use std::cell::Cell;
use std::marker::PhantomData;

pub use instructions::is_available;

/// Rows and columns of a block of accumulators: two tiles by two.
pub const BLOCK: usize = 32;

/// Words of a row that one step multiplies: the 64 bytes of a tile's row.
pub const STEP_WORDS: usize = 16;

/// Words of the rows of a step, or of its columns.
pub const OPERAND_WORDS: usize = BLOCK * STEP_WORDS;

/// How many bf16 the numbers of a product are split into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Split {
    /// Rows and columns into three. The three products that stay below the last bit of an f32 are left out.
    ThreeByThree,
    /// Rows into three; columns are bf16.
    ThreeByOne,
    /// None: both are bf16.
    #[cfg_attr(
        not(feature = "training"),
        allow(dead_code, reason = "only the trainer multiplies bf16 alone")
    )]
    OneByOne,
}

impl Bf16Split {
    /// The bf16 of a number in the rows.
    pub fn rows(self) -> usize {
        match self {
            Self::ThreeByThree | Self::ThreeByOne => 3,
            Self::OneByOne => 1,
        }
    }

    /// The bf16 of a number in the columns.
    pub fn columns(self) -> usize {
        match self {
            Self::ThreeByThree => 3,
            Self::ThreeByOne | Self::OneByOne => 1,
        }
    }
}

/// The sums of a block, `[BLOCK, BLOCK]`, row-major: whole numbers, or the bits of f32.
#[repr(C, align(64))]
pub struct Accumulators(pub [i32; BLOCK * BLOCK]);

impl Default for Accumulators {
    fn default() -> Self {
        Self([0; BLOCK * BLOCK])
    }
}

/// The tile registers of this thread: configured as long as this lives, released when it is dropped.
pub struct Amx {
    /// Every thread has registers of its own.
    not_send: PhantomData<*const ()>,
}

thread_local! {
    /// Whether this thread has an [`Amx`]: a second one would release the tiles of the first.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

impl Amx {
    /// Configures the tiles.
    ///
    /// # Panics
    /// If the processor lacks AMX, or this thread has an [`Amx`] already.
    pub fn new() -> Self {
        assert!(is_available(), "this processor lacks AMX");
        assert!(!IN_USE.replace(true), "the tiles of this thread are in use");
        // SAFETY: there are tiles, as was just asserted.
        unsafe { instructions::configure() };
        Self { not_send: PhantomData }
    }

    /// Sets all accumulators to 0.
    #[inline]
    pub fn clear(&mut self) {
        // SAFETY: tiles are configured as long as `self` lives, here and below.
        unsafe { instructions::clear() };
    }

    /// Copies the accumulators to memory.
    #[inline]
    pub fn store(&mut self, to: &mut Accumulators) {
        // SAFETY: as above.
        unsafe { instructions::store(to) };
    }

    /// Adds the products of [`BLOCK`] rows of unsigned int8 with [`BLOCK`] columns of signed int8: a step as in the module's
    /// diagram.
    ///
    /// # Panics
    /// If the slices are not a step.
    #[inline]
    pub fn add_int8(&mut self, rows: &[i32], columns: &[i32]) {
        assert!(rows.len() == OPERAND_WORDS && columns.len() == OPERAND_WORDS, "a step of rows and columns");
        // SAFETY: the slices hold the words that are read.
        unsafe { instructions::multiply_add_int8(rows.as_ptr(), columns.as_ptr()) };
    }

    /// The same of numbers that are split into bf16: `[split, 32 rows, 16 words]` and `[split, 16 words, 32 columns]`, the
    /// largest bf16 of each number first.
    ///
    /// # Panics
    /// Like [`Amx::add_int8`].
    #[inline]
    pub fn add_bf16(&mut self, split: Bf16Split, rows: &[i32], columns: &[i32]) {
        let words = (OPERAND_WORDS * split.rows(), OPERAND_WORDS * split.columns());
        assert!((rows.len(), columns.len()) == words, "a step of rows and columns");
        // SAFETY: as above.
        unsafe { instructions::multiply_add_bf16(split, rows.as_ptr(), columns.as_ptr()) };
    }
}

impl Drop for Amx {
    fn drop(&mut self) {
        // SAFETY: there are tiles, because `new` has asserted it.
        unsafe { instructions::release() };
        IN_USE.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix;
    use crate::testing::with_amx;
    use half::bf16;

    fn words(length: usize, seed: u64) -> Vec<i32> {
        let mut random = SplitMix::new(seed);
        (0..length).map(|_| (random.unit() * 4_294_967_296.0) as u32 as i32).collect()
    }

    /// For one accumulator, the places of the words of rows and columns that it sums: of numbers that are split into `rows`
    /// and `columns` bf16.
    fn pairs(steps: usize, rows: usize, columns: usize, sum: usize) -> impl Iterator<Item = (usize, usize)> {
        let (row, column) = (sum / BLOCK, sum % BLOCK);
        (0..steps).flat_map(move |step| {
            let splits = (0..rows).flat_map(move |a| (0..columns).map(move |b| (a, b)));
            splits.filter(move |(a, b)| a + b < rows).flat_map(move |(a, b)| {
                (0..STEP_WORDS).map(move |word| {
                    let row_word = ((step * rows + a) * BLOCK + row) * STEP_WORDS + word;
                    (row_word, ((step * columns + b) * STEP_WORDS + word) * BLOCK + column)
                })
            })
        })
    }

    #[test]
    fn int8_is_multiplied_as_by_loops() {
        if with_amx().is_none() {
            return;
        }
        let mut sums = Accumulators::default();
        for steps in [1, 3, 24] {
            let (rows, columns) =
                (words(BLOCK * steps * STEP_WORDS, 1), words(BLOCK * steps * STEP_WORDS, 2));
            let mut amx = Amx::new();
            amx.clear();
            for (rows, columns) in rows.chunks(OPERAND_WORDS).zip(columns.chunks(OPERAND_WORDS)) {
                amx.add_int8(rows, columns);
            }
            amx.store(&mut sums);
            for (at, &found) in sums.0.iter().enumerate() {
                let expected: i32 = pairs(steps, 1, 1, at)
                    .flat_map(|(row, column)| {
                        let (row, column) = (rows[row].to_le_bytes(), columns[column].to_le_bytes());
                        row.into_iter().zip(column).map(|(a, b)| i32::from(a) * i32::from(b as i8))
                    })
                    .sum();
                assert_eq!(found, expected, "{steps} steps, sum {at}");
            }
        }
    }

    #[test]
    fn split_numbers_are_multiplied_as_by_loops() {
        if with_amx().is_none() {
            return;
        }
        // Small whole numbers in every bf16: sums are exact in any order.
        let small = |length, seed| -> Vec<i32> {
            let small = |bits: i32| u32::from(bf16::from_f32((bits.rem_euclid(17) - 8) as f32).to_bits());
            words(length, seed)
                .into_iter()
                .map(|word| (small(word) | small(word >> 8) << 16) as i32)
                .collect()
        };
        let number = |word: i32, which: usize| f32::from_bits((word as u32) >> (16 * which) << 16);
        let mut sums = Accumulators::default();
        for (split, steps) in [
            (Bf16Split::ThreeByThree, 1),
            (Bf16Split::ThreeByThree, 5),
            (Bf16Split::ThreeByOne, 4),
            (Bf16Split::OneByOne, 3),
        ] {
            let rows = small(BLOCK * steps * STEP_WORDS * split.rows(), 3);
            let columns = small(BLOCK * steps * STEP_WORDS * split.columns(), 4);
            let mut amx = Amx::new();
            amx.clear();
            let columns_of_steps = columns.chunks(OPERAND_WORDS * split.columns());
            for (rows, columns) in rows.chunks(OPERAND_WORDS * split.rows()).zip(columns_of_steps) {
                amx.add_bf16(split, rows, columns);
            }
            amx.store(&mut sums);
            for (at, &found) in sums.0.iter().enumerate() {
                let expected: f32 = pairs(steps, split.rows(), split.columns(), at)
                    .map(|(row, column)| {
                        let (row, column) = (rows[row], columns[column]);
                        number(row, 0) * number(column, 0) + number(row, 1) * number(column, 1)
                    })
                    .sum();
                assert_eq!(f32::from_bits(found as u32), expected, "{split:?}, {steps} steps, sum {at}");
            }
        }
    }

    #[test]
    fn less_than_a_step_is_refused() {
        if with_amx().is_none() {
            return;
        }
        let refused = |rows: usize, columns: usize| {
            std::panic::catch_unwind(|| Amx::new().add_int8(&vec![0; rows], &vec![0; columns])).is_err()
        };
        assert!(
            refused(OPERAND_WORDS - 1, OPERAND_WORDS)
                && refused(OPERAND_WORDS, OPERAND_WORDS - 1)
                && !refused(OPERAND_WORDS, OPERAND_WORDS)
        );
        // And so are tiles that are in use.
        let amx = Amx::new();
        assert!(std::panic::catch_unwind(Amx::new).is_err());
        drop(amx);
        drop(Amx::new());
    }
}
