//! f32 to int16 words with scales, in the order in which the inner loop reads them: two neighbouring terms in a word, one
//! block of terms behind the other.
//!
//! ```text
//! LeftRows          words [blocks, rows, 64]             scales [blocks, rows]
//! LeftTransposed    words [panels, blocks, 64, 16]       scales [panels, blocks, 16]     two tiles of 8 rows in a panel
//! RightPanels       words [panels, blocks, 64, 48]       scales [panels, blocks, 48]
//! ```

use super::{BLOCK, LARGEST, LeftOperand, TILE_ROWS, WORDS};
use crate::Isa;
use crate::training::vectorized;

/// A scale and its inverse from the largest magnitude of a block, given as bits.
#[inline(always)]
fn scale(largest: u32) -> (f32, f32) {
    let largest = f32::from_bits(largest);
    // The inverse of a smaller number would overflow; such a block is as good as zero.
    if largest < 1e-30 { (0.0, 0.0) } else { (largest / LARGEST, LARGEST / largest) }
}

/// The bits of a number's magnitude: as integers they have the order of the magnitudes, with NaN above all.
#[inline(always)]
fn magnitude(x: f32) -> u32 {
    x.to_bits() & 0x7fff_ffff
}

/// `x` times the inverse of the scale, rounded to the nearest whole number, in the low 16 bits.
#[inline(always)]
fn whole(x: f32, inverse: f32) -> u32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which is then in the last bits.
    (x * inverse + 12_582_912.0).to_bits().wrapping_sub(12_582_912_f32.to_bits())
}

/// Two whole numbers in a word.
#[inline(always)]
fn word(first: u32, second: u32) -> u32 {
    (first & 0xffff) | (second << 16)
}

/// Writes the words of up to a block of terms that are side by side, and returns their scale.
#[inline(always)]
fn pack_run(terms: &[f32], words: &mut [u32]) -> f32 {
    let largest = terms.iter().fold(0, |largest, &x| largest.max(magnitude(x)));
    let (scale, inverse) = scale(largest);
    // Two neighbours are a word, on little-endian processors; others are not supported.
    let whole_numbers: &mut [u16] = bytemuck::cast_slice_mut(words);
    for (to, &x) in whole_numbers.iter_mut().zip(terms) {
        *to = whole(x, inverse) as u16;
    }
    if let Some(to) = whole_numbers.get_mut(terms.len()) {
        *to = 0;
    }
    scale
}

/// The left side of a product, from row-major rows.
#[derive(Default)]
pub struct LeftRows {
    terms: usize,
    /// Padded to whole tiles.
    rows: usize,
    /// `[blocks, rows, WORDS]`
    words: Vec<u32>,
    /// `[blocks, rows]`
    scales: Vec<f32>,
}

impl LeftRows {
    /// Packs `matrix`, which is row-major, `[rows, terms]`.
    pub fn pack(&mut self, isa: Isa, matrix: &[f32], terms: usize) {
        let blocks = terms.div_ceil(BLOCK);
        self.terms = terms;
        self.rows = (matrix.len() / terms).next_multiple_of(TILE_ROWS);
        self.words.resize(blocks * self.rows * WORDS, 0);
        self.scales.resize(blocks * self.rows, 0.0);
        vectorized!(isa, || {
            for (index, row) in matrix.chunks_exact(terms).enumerate() {
                for (block, run) in row.chunks(BLOCK).enumerate() {
                    let at = block * self.rows + index;
                    let words = &mut self.words[at * WORDS..(at + 1) * WORDS];
                    self.scales[at] = match known::<BLOCK>(run) {
                        Some(run) => pack_run(run, words),
                        None => pack_run(run, words),
                    };
                }
            }
        });
    }
}

impl LeftOperand for LeftRows {
    const ROW_STRIDE: usize = WORDS;
    const WORD_STRIDE: usize = 1;

    fn terms(&self) -> usize {
        self.terms
    }

    #[inline]
    fn tile(&self, block: usize, row: usize) -> &[u32] {
        &self.words[(block * self.rows + row) * WORDS..][..TILE_ROWS * WORDS]
    }

    #[inline]
    fn scales(&self, block: usize, row: usize) -> &[f32] {
        &self.scales[block * self.rows + row..][..TILE_ROWS]
    }
}

/// Two tiles of rows are side by side, because packing then writes full vectors.
const TRANSPOSED_WIDTH: usize = 2 * TILE_ROWS;

/// The left side of a product, from the transpose of row-major rows.
pub type LeftTransposed = Panels<TRANSPOSED_WIDTH>;

/// A matrix whose columns are cut into panels of `WIDTH`: word by word, the columns of a panel are side by side.
#[derive(Default)]
pub struct Panels<const WIDTH: usize> {
    terms: usize,
    columns: usize,
    /// `[panels, blocks, WORDS, WIDTH]`
    words: Vec<u32>,
    /// `[panels, blocks, WIDTH]`
    scales: Vec<f32>,
    largest: Vec<u32>,
    inverses: Vec<f32>,
}

impl<const WIDTH: usize> Panels<WIDTH> {
    /// The terms of each column.
    pub fn terms(&self) -> usize {
        self.terms
    }

    /// How many columns there are, without padding.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The words of a panel and block, `[WORDS, WIDTH]`.
    #[inline]
    pub fn block(&self, panel: usize, block: usize) -> &[u32] {
        &self.words[self.at(panel, block) * WORDS * WIDTH..][..WORDS * WIDTH]
    }

    /// The scales of a panel and block, `[WIDTH]`.
    #[inline]
    pub fn scales(&self, panel: usize, block: usize) -> &[f32] {
        &self.scales[self.at(panel, block) * WIDTH..][..WIDTH]
    }

    #[inline]
    fn at(&self, panel: usize, block: usize) -> usize {
        panel * self.terms.div_ceil(BLOCK) + block
    }

    fn resize(&mut self, terms: usize, columns: usize) {
        (self.terms, self.columns) = (terms, columns);
        let blocks = columns.div_ceil(WIDTH) * terms.div_ceil(BLOCK);
        self.words.resize(blocks * WORDS * WIDTH, 0);
        self.scales.resize(blocks * WIDTH, 0.0);
    }

    /// Packs `matrix`, which is row-major, `[terms, columns]`.
    pub fn pack(&mut self, isa: Isa, matrix: &[f32], columns: usize) {
        self.resize(matrix.len() / columns, columns);
        for (block, rows) in matrix.chunks(BLOCK * columns).enumerate() {
            vectorized!(isa, || self.pack_block(block, rows));
        }
    }

    #[inline(always)]
    fn pack_block(&mut self, block: usize, rows: &[f32]) {
        let columns = self.columns;
        self.largest.clear();
        self.largest.resize(columns, 0);
        for row in rows.chunks_exact(columns) {
            for (largest, &x) in self.largest.iter_mut().zip(row) {
                *largest = (*largest).max(magnitude(x));
            }
        }
        self.inverses.resize(columns, 0.0);
        for (panel, first) in (0..columns).step_by(WIDTH).enumerate() {
            let at = self.at(panel, block) * WIDTH;
            for column in first..columns.min(first + WIDTH) {
                (self.scales[at + column - first], self.inverses[column]) = scale(self.largest[column]);
            }
        }
        for (index, pair) in rows.chunks(2 * columns).enumerate() {
            let (first, second) = pair.split_at(columns);
            // An odd last term is followed by 0.
            let (second, keep) = if second.is_empty() { (first, 0.0) } else { (second, 1.0) };
            for (panel, start) in (0..columns).step_by(WIDTH).enumerate() {
                let at = (self.at(panel, block) * WORDS + index) * WIDTH;
                let to = &mut self.words[at..at + WIDTH];
                let end = columns.min(start + WIDTH);
                let (first, second, inverses) =
                    (&first[start..end], &second[start..end], &self.inverses[start..end]);
                match (known::<WIDTH>(first), known::<WIDTH>(second), known::<WIDTH>(inverses)) {
                    (Some(first), Some(second), Some(inverses)) => {
                        pack_pairs(first, second, keep, inverses, to);
                    }
                    _ => pack_pairs(first, second, keep, inverses, to),
                }
            }
        }
    }

    /// Packs the transpose of `matrix`, which is row-major, `[columns, terms]`.
    pub fn pack_transposed(&mut self, isa: Isa, matrix: &[f32], terms: usize) {
        self.resize(terms, matrix.len() / terms);
        let mut run = [0; WORDS];
        vectorized!(isa, || {
            for (column, row) in matrix.chunks_exact(terms).enumerate() {
                let (panel, lane) = (column / WIDTH, column % WIDTH);
                for (block, terms) in row.chunks(BLOCK).enumerate() {
                    let at = self.at(panel, block);
                    self.scales[at * WIDTH + lane] = match known::<BLOCK>(terms) {
                        Some(terms) => pack_run(terms, &mut run),
                        None => pack_run(terms, &mut run),
                    };
                    let words = &mut self.words[at * WORDS * WIDTH..(at + 1) * WORDS * WIDTH];
                    for (to, word) in words.as_chunks_mut::<WIDTH>().0.iter_mut().zip(&run) {
                        to[lane] = *word;
                    }
                }
            }
        });
    }
}

/// A slice of a known length: loops over it are vectorised without a rest.
#[inline(always)]
fn known<const WIDTH: usize>(slice: &[f32]) -> Option<&[f32; WIDTH]> {
    slice.try_into().ok()
}

#[inline(always)]
fn pack_pairs(first: &[f32], second: &[f32], keep: f32, inverses: &[f32], to: &mut [u32]) {
    for (((to, first), second), inverse) in to.iter_mut().zip(first).zip(second).zip(inverses) {
        *to = word(whole(*first, *inverse), whole(second * keep, *inverse));
    }
}

impl LeftOperand for LeftTransposed {
    const ROW_STRIDE: usize = 1;
    const WORD_STRIDE: usize = TRANSPOSED_WIDTH;

    fn terms(&self) -> usize {
        self.terms
    }

    #[inline]
    fn tile(&self, block: usize, row: usize) -> &[u32] {
        &self.block(row / TRANSPOSED_WIDTH, block)[row % TRANSPOSED_WIDTH..]
    }

    #[inline]
    fn scales(&self, block: usize, row: usize) -> &[f32] {
        &self.scales(row / TRANSPOSED_WIDTH, block)[row % TRANSPOSED_WIDTH..]
    }
}
