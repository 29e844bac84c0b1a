//! The product itself, tile by tile of the destination. A tile of 8 rows and 48 columns is computed in register tiles of
//! the instruction set's size: the sums of a block stay in registers.
//!
//! ```text
//! for each panel of 48 columns
//!   for each chunk of 128 rows          what it adds to stays in the second level of cache
//!     for each block of 128 terms       the panel's block stays in the first level
//!       for each 8 rows                 destination[8, 48] += sums of the block × scales
//! ```

use super::super::Init;
use super::{BLOCK, LeftOperand, RightPanels, TILE_COLUMNS, TILE_ROWS};
use crate::simd::{Kernel, MAX_LANES, Simd};

/// Rows that meet all blocks of a panel before the next rows do.
const CHUNK: usize = 128;

pub(super) struct Product<'a, L> {
    pub destination: &'a mut [f32],
    pub init: Init<'a>,
    pub left: &'a L,
    pub right: &'a RightPanels,
}

impl<L: LeftOperand> Kernel for Product<'_, L> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // Register tiles must divide the tile. 24 sums, three vectors of columns and a row's word take 28 of 32 registers,
        // 12 sums 16 of 16.
        match S::LANES {
            8 => self.multiply::<S, 4, 3>(simd),
            _ => self.multiply::<S, 8, 3>(simd),
        }
    }
}

impl<L: LeftOperand> Product<'_, L> {
    #[inline(always)]
    fn multiply<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { destination, init, left, right } = self;
        let (terms, columns) = (right.terms(), right.columns());
        let rows = destination.len() / columns;
        for (panel, left_column) in (0..columns).step_by(TILE_COLUMNS).enumerate() {
            let width = TILE_COLUMNS.min(columns - left_column);
            for first_row in (0..rows).step_by(CHUNK) {
                let last_row = rows.min(first_row + CHUNK);
                for block in 0..terms.div_ceil(BLOCK) {
                    let words = (terms - block * BLOCK).min(BLOCK).div_ceil(2);
                    let init = match init {
                        _ if block > 0 => Init::Existing,
                        Init::Bias(bias) => Init::Bias(&bias[left_column..][..width]),
                        other => other,
                    };
                    let panel_words = &right.block(panel, block)[..words * TILE_COLUMNS];
                    for row in (first_row..last_row).step_by(TILE_ROWS) {
                        let tile = Tile {
                            height: TILE_ROWS.min(rows - row),
                            width,
                            stride: columns,
                            init,
                            rows: left.tile(block, row),
                            row_scales: left.scales(block, row),
                            columns: panel_words,
                            column_scales: right.scales(panel, block),
                        };
                        let cells = &mut destination[row * columns + left_column..];
                        tile.add_product::<S, L, ROWS, VECTORS>(simd, cells);
                    }
                }
            }
        }
    }
}

/// The operands of one tile and block.
struct Tile<'a> {
    /// Rows and columns of the destination that there are.
    height: usize,
    width: usize,
    /// From a row of the destination to the next.
    stride: usize,
    init: Init<'a>,
    rows: &'a [u32],
    row_scales: &'a [f32],
    columns: &'a [u32],
    column_scales: &'a [f32],
}

impl Tile<'_> {
    /// Adds the block's product to the cells, which start with the tile's first.
    #[inline(always)]
    fn add_product<S: Simd, L: LeftOperand, const ROWS: usize, const VECTORS: usize>(
        &self,
        simd: S,
        cells: &mut [f32],
    ) {
        for first_row in (0..self.height).step_by(ROWS) {
            for first_column in (0..self.width).step_by(VECTORS * S::LANES) {
                let height = ROWS.min(self.height - first_row);
                for row in first_row..first_row + height {
                    // The sums take long enough for the cells to arrive.
                    for vector in 0..VECTORS {
                        simd.prefetch(cells, row * self.stride + first_column + vector * S::LANES);
                    }
                }
                let rows = &self.rows[first_row * L::ROW_STRIDE..];
                let sums = sums::<S, L, ROWS, VECTORS>(simd, rows, self.columns, first_column);
                for (row, sums) in sums.into_iter().enumerate().take(height) {
                    let row = first_row + row;
                    let cells = &mut cells[row * self.stride..][..self.width];
                    let row_scale = simd.splat(self.row_scales[row]);
                    for (vector, sums) in sums.into_iter().enumerate() {
                        let column = first_column + vector * S::LANES;
                        let scale = simd.load(&self.column_scales[column..]);
                        let product = simd.mul(simd.mul(simd.i32_to_f32(sums), scale), row_scale);
                        if let Some(cells) = cells.get_mut(column..column + S::LANES) {
                            let before = match self.init {
                                Init::Zero => simd.splat(0.0),
                                Init::Bias(bias) => simd.load(&bias[column..]),
                                Init::Existing => simd.load(cells),
                            };
                            simd.store(simd.add(before, product), cells);
                        } else if let Some(cells) = cells.get_mut(column..) {
                            let mut products = [0.0; MAX_LANES];
                            simd.store(product, &mut products);
                            for (at, (cell, product)) in cells.iter_mut().zip(products).enumerate() {
                                let before = match self.init {
                                    Init::Zero => 0.0,
                                    Init::Bias(bias) => bias[column + at],
                                    Init::Existing => *cell,
                                };
                                *cell = before + product;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The exact sums of a register tile, whose columns start at `first_column` of the panel.
#[inline(always)]
fn sums<S: Simd, L: LeftOperand, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    rows: &[u32],
    columns: &[u32],
    first_column: usize,
) -> [[S::I; VECTORS]; ROWS] {
    let words = columns.len() / TILE_COLUMNS;
    assert!(
        words > 0 && rows.len() > (ROWS - 1) * L::ROW_STRIDE + (words - 1) * L::WORD_STRIDE,
        "rows must be as long as columns"
    );
    let mut sums = [[simd.zero_i32(); VECTORS]; ROWS];
    let rows = rows.as_ptr();
    let columns: &[i32] = bytemuck::cast_slice(columns);
    for (word, columns) in columns.chunks_exact(TILE_COLUMNS).enumerate() {
        // Cut to a known length, the vectors need one check and not one each.
        let columns = &columns[first_column..][..VECTORS * S::LANES];
        let mut vectors = [simd.zero_i32(); VECTORS];
        for (vector, columns) in vectors.iter_mut().zip(columns.chunks_exact(S::LANES)) {
            *vector = simd.load_i32(columns);
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the last word of the last row is within `rows`, as was asserted, and `word < words`.
            let value = unsafe { *rows.add(row * L::ROW_STRIDE + word * L::WORD_STRIDE) };
            let value = simd.splat_i32(value as i32);
            for (sum, vector) in sums.iter_mut().zip(vectors) {
                *sum = simd.dot_int16(*sum, value, vector);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::pack::{LeftRows, LeftTransposed};
    use super::*;
    use crate::Isa;
    use crate::random::SplitMix;
    use crate::testing::instruction_sets;

    /// The portable twin: three loops over the words and scales.
    fn multiply_plainly<L: LeftOperand>(
        destination: &mut [f32],
        init: Init<'_>,
        left: &L,
        right: &RightPanels,
    ) {
        let pair = |word: u32| (i32::from(word as u16 as i16), (word as i32) >> 16);
        let columns = right.columns();
        for (at, cell) in destination.iter_mut().enumerate() {
            let (row, column) = (at / columns, at % columns);
            let (tile, lane) = (row / TILE_ROWS * TILE_ROWS, row % TILE_ROWS);
            *cell = match init {
                Init::Zero => 0.0,
                Init::Bias(bias) => bias[column],
                Init::Existing => *cell,
            };
            for block in 0..left.terms().div_ceil(BLOCK) {
                let words = (left.terms() - block * BLOCK).min(BLOCK).div_ceil(2);
                let mut sum = 0;
                for word in 0..words {
                    let row = left.tile(block, tile)[lane * L::ROW_STRIDE + word * L::WORD_STRIDE];
                    let panel = right.block(column / TILE_COLUMNS, block);
                    let ((a, b), (c, d)) =
                        (pair(row), pair(panel[word * TILE_COLUMNS + column % TILE_COLUMNS]));
                    sum += a * c + b * d;
                }
                let column_scale = right.scales(column / TILE_COLUMNS, block)[column % TILE_COLUMNS];
                *cell += sum as f32 * column_scale * left.scales(block, tile)[lane];
            }
        }
    }

    fn twins_agree<L: LeftOperand>(left: &L, right: &RightPanels, rows: usize) {
        let mut random = SplitMix::new(3);
        let before: Vec<f32> = (0..rows * right.columns()).map(|_| random.unit() as f32).collect();
        let bias = before[..right.columns()].to_vec();
        for init in [Init::Zero, Init::Existing, Init::Bias(&bias)] {
            let mut plain = before.clone();
            multiply_plainly(&mut plain, init, left, right);
            for isa in instruction_sets() {
                let mut fast = before.clone();
                super::super::multiply(isa, &mut fast, init, left, right);
                assert_eq!(fast, plain, "{isa}: {rows} rows, {} columns", right.columns());
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_three_loops() {
        let mut random = SplitMix::new(7);
        let mut numbers =
            |count| -> Vec<f32> { (0..count).map(|_| random.unit() as f32 * 2.0 - 1.0).collect() };
        let isa = Isa::Portable;
        let (mut left, mut transposed) = (LeftRows::default(), LeftTransposed::default());
        let mut right = RightPanels::default();
        for (rows, terms, columns) in
            [(8, 128, 48), (1, 1, 1), (3, 5, 17), (13, 300, 97), (130, 129, 50), (16, 256, 144)]
        {
            left.pack(isa, &numbers(rows * terms), terms);
            transposed.pack(isa, &numbers(terms * rows), rows);
            right.pack(isa, &numbers(terms * columns), columns);
            twins_agree(&left, &right, rows);
            twins_agree(&transposed, &right, rows);
        }
        // The largest sum that can be.
        left.pack(isa, &[1.0; 8 * 128], 128);
        right.pack(isa, &[-1.0; 128 * 48], 48);
        twins_agree(&left, &right, 8);
    }

    #[test]
    fn every_instruction_set_packs_the_same_words() {
        let mut random = SplitMix::new(8);
        let numbers: Vec<f32> = (0..130 * 50).map(|_| random.unit() as f32 * 2.0 - 1.0).collect();
        let packed = |isa: Isa| {
            let (mut left, mut transposed) = (LeftRows::default(), LeftTransposed::default());
            let (mut right, mut from_rows) = (RightPanels::default(), RightPanels::default());
            left.pack(isa, &numbers, 130);
            transposed.pack(isa, &numbers, 50);
            right.pack(isa, &numbers, 50);
            from_rows.pack_transposed(isa, &numbers, 130);
            let mut words = Vec::new();
            for block in 0..2 {
                words.extend_from_slice(left.tile(block, 0));
                words.extend_from_slice(&transposed.tile(block, 0)[..64]);
                words.extend_from_slice(right.block(1, block));
                words.extend_from_slice(from_rows.block(1, block));
            }
            words
        };
        let expected = packed(Isa::Portable);
        for isa in instruction_sets() {
            assert!(packed(isa) == expected, "{isa}");
        }
    }
}
