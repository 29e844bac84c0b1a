//! Matrix tiles of x86-64 (AMX): instructions that multiply 16 rows of 64 bytes with 16 columns of as many, bytes exactly,
//! and bf16 with sums in f32. A core multiplies bytes eight times as fast with them as with vectors.
//!
//! A number of 24 bits is the sum of three bf16, its parts. Six of the nine products of two numbers' parts, summed from
//! the smallest on, are as exact as the product of two f32 ([`Parts`]), and take less time all the same. (Henry, Tang
//! and Heinecke: Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations, 2019.)

#[cfg(all(target_arch = "x86_64", target_os = "linux", not(miri)))]
mod instructions;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux", not(miri))))]
#[path = "absent.rs"]
mod instructions;

use std::cell::Cell;
use std::marker::PhantomData;

pub use instructions::is_available;

/// Rows and columns of a block of sums: two tiles by two.
pub const BLOCK: usize = 32;

/// Words of a row that one step multiplies: the 64 bytes of a tile.
pub const STEP: usize = 16;

/// In a step of a block's rows, or of its columns.
pub const WORDS: usize = BLOCK * STEP;

/// How many bf16 the numbers of a product are sums of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Three in rows and in columns. Products of parts that stay below the last bit of an f32 are left out.
    ThreeByThree,
    /// Three in rows, one in columns.
    ThreeByOne,
    /// One: they are bf16.
    OneByOne,
}

impl Parts {
    pub fn of_rows(self) -> usize {
        match self {
            Self::ThreeByThree | Self::ThreeByOne => 3,
            Self::OneByOne => 1,
        }
    }

    pub fn of_columns(self) -> usize {
        match self {
            Self::ThreeByThree => 3,
            Self::ThreeByOne | Self::OneByOne => 1,
        }
    }
}

/// The sums of a block, row by row: whole numbers, or the bits of f32.
#[repr(C, align(64))]
pub struct Sums(pub [i32; BLOCK * BLOCK]);

impl Default for Sums {
    fn default() -> Self {
        Self([0; BLOCK * BLOCK])
    }
}

/// The tile registers of this thread, made ready; given back when it is dropped.
pub struct Amx {
    /// Every thread has registers of its own.
    of_thread: PhantomData<*const ()>,
}

thread_local! {
    /// Whether there is an [`Amx`] of this thread: given back, its tiles would be lost to another one.
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

impl Amx {
    /// # Panics
    /// Where there are no tiles, and where this thread has one already.
    pub fn new() -> Self {
        assert!(is_available(), "this processor lacks AMX");
        assert!(!IN_USE.replace(true), "the tiles of this thread are in use");
        // SAFETY: there are tiles.
        unsafe { instructions::configure() };
        Self { of_thread: PhantomData }
    }

    /// Makes all sums 0.
    #[inline]
    pub fn clear(&mut self) {
        // SAFETY: tiles are ready as long as `self` lives, here and below.
        unsafe { instructions::clear() };
    }

    #[inline]
    pub fn store(&mut self, sums: &mut Sums) {
        // SAFETY: as above.
        unsafe { instructions::store(sums) };
    }

    /// Adds the products of [`BLOCK`] rows of unsigned bytes with as many columns of signed ones, [`STEP`] words of each:
    /// of rows one after the other, of columns their first words, then their second ones, and so on.
    ///
    /// # Panics
    /// If there are not as many words.
    #[inline]
    pub fn add_bytes(&mut self, rows: &[i32], columns: &[i32]) {
        assert!(rows.len() == WORDS && columns.len() == WORDS, "a step of rows and columns");
        // SAFETY: there are as many words as are read.
        unsafe { instructions::bytes(rows.as_ptr(), columns.as_ptr()) };
    }

    /// The same of numbers. In a word there are two bf16: first come all words of the numbers' first parts, then those of
    /// their second ones, then of the third, as far as there are such parts.
    ///
    /// # Panics
    /// Like [`Amx::add_bytes`].
    #[inline]
    pub fn add_halves(&mut self, parts: Parts, rows: &[i32], columns: &[i32]) {
        let words = (WORDS * parts.of_rows(), WORDS * parts.of_columns());
        assert!((rows.len(), columns.len()) == words, "a step of rows and columns");
        // SAFETY: as above.
        unsafe { instructions::halves(parts, rows.as_ptr(), columns.as_ptr()) };
    }
}

impl Drop for Amx {
    fn drop(&mut self) {
        // SAFETY: there are tiles, or there would be no `self`.
        unsafe { instructions::release() };
        IN_USE.set(false);
    }
}

/// Whether tests of tiles can run; where they cannot, it says so.
#[cfg(test)]
pub fn can_be_tested() -> bool {
    use std::io::Write;
    if !is_available() {
        let _ = writeln!(std::io::stderr(), "skipped: this processor lacks AMX");
    }
    is_available()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix;
    use half::bf16;

    fn words(length: usize, seed: u64) -> Vec<i32> {
        let mut random = SplitMix::new(seed);
        (0..length).map(|_| (random.unit() * 4_294_967_296.0) as u32 as i32).collect()
    }

    /// A word of a row, and one of a column, that belong together, for every sum: `rows` and `columns` parts of them.
    fn pairs(steps: usize, rows: usize, columns: usize, sum: usize) -> impl Iterator<Item = (usize, usize)> {
        let (row, column) = (sum / BLOCK, sum % BLOCK);
        (0..steps).flat_map(move |step| {
            let parts = (0..rows).flat_map(move |a| (0..columns).map(move |b| (a, b)));
            parts.filter(move |(a, b)| a + b < rows).flat_map(move |(a, b)| {
                (0..STEP).map(move |word| {
                    let of_row = ((step * rows + a) * BLOCK + row) * STEP + word;
                    (of_row, ((step * columns + b) * STEP + word) * BLOCK + column)
                })
            })
        })
    }

    #[test]
    fn bytes_are_multiplied_as_by_loops() {
        if !can_be_tested() {
            return;
        }
        let mut sums = Sums::default();
        for steps in [1, 3, 24] {
            let (rows, columns) = (words(BLOCK * steps * STEP, 1), words(BLOCK * steps * STEP, 2));
            let mut amx = Amx::new();
            amx.clear();
            for (rows, columns) in rows.chunks(WORDS).zip(columns.chunks(WORDS)) {
                amx.add_bytes(rows, columns);
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
    fn parts_of_numbers_are_multiplied_as_by_loops() {
        if !can_be_tested() {
            return;
        }
        // Small whole numbers in every part: sums are exact in any order.
        let small = |length, seed| -> Vec<i32> {
            let half = |bits: i32| u32::from(bf16::from_f32((bits.rem_euclid(17) - 8) as f32).to_bits());
            words(length, seed).into_iter().map(|word| (half(word) | half(word >> 8) << 16) as i32).collect()
        };
        let number = |word: i32, half: usize| f32::from_bits((word as u32) >> (16 * half) << 16);
        let mut sums = Sums::default();
        for (parts, steps) in
            [(Parts::ThreeByThree, 1), (Parts::ThreeByThree, 5), (Parts::ThreeByOne, 4), (Parts::OneByOne, 3)]
        {
            let rows = small(BLOCK * steps * STEP * parts.of_rows(), 3);
            let columns = small(BLOCK * steps * STEP * parts.of_columns(), 4);
            let mut amx = Amx::new();
            amx.clear();
            let columns_of_steps = columns.chunks(WORDS * parts.of_columns());
            for (rows, columns) in rows.chunks(WORDS * parts.of_rows()).zip(columns_of_steps) {
                amx.add_halves(parts, rows, columns);
            }
            amx.store(&mut sums);
            for (at, &found) in sums.0.iter().enumerate() {
                let expected: f32 = pairs(steps, parts.of_rows(), parts.of_columns(), at)
                    .map(|(row, column)| {
                        let (row, column) = (rows[row], columns[column]);
                        number(row, 0) * number(column, 0) + number(row, 1) * number(column, 1)
                    })
                    .sum();
                assert_eq!(f32::from_bits(found as u32), expected, "{parts:?}, {steps} steps, sum {at}");
            }
        }
    }

    #[test]
    fn less_than_a_step_is_refused() {
        if !can_be_tested() {
            return;
        }
        let refused = |rows: usize, columns: usize| {
            std::panic::catch_unwind(|| Amx::new().add_bytes(&vec![0; rows], &vec![0; columns])).is_err()
        };
        assert!(refused(WORDS - 1, WORDS) && refused(WORDS, WORDS - 1) && !refused(WORDS, WORDS));
        // And so are tiles that are in use.
        let amx = Amx::new();
        assert!(std::panic::catch_unwind(Amx::new).is_err());
        drop(amx);
        drop(Amx::new());
    }
}
