//! The inner loop: some rows times some columns, with all sums in registers. With AVX-512's dot products of 16-bit
//! integers, or in plain Rust: both give the same bits.

use super::super::Start;
use super::{Left, TILE_COLS};

/// Whether the processor has dot products of 16-bit integers.
pub fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Adds the product of a block to a tile of the destination, whose rows stand `stride` apart.
#[inline]
pub fn add_product<L: Left>(
    destination: &mut [f32],
    (height, width, stride): (usize, usize, usize),
    start: Start<'_>,
    left: (&[u32], &[f32]),
    right: (&[u32], &[f32]),
) {
    #[cfg(target_arch = "x86_64")]
    if is_fast() {
        // SAFETY: the processor has the features that the function is compiled for, as was just asked.
        unsafe { avx512::add_product::<L>(destination, (height, width, stride), start, left, right) };
        return;
    }
    portable::<L>(destination, (height, width, stride), start, left, right);
}

/// The twin for every processor.
fn portable<L: Left>(
    destination: &mut [f32],
    (height, width, stride): (usize, usize, usize),
    start: Start<'_>,
    (rows, row_scales): (&[u32], &[f32]),
    (columns, column_scales): (&[u32], &[f32]),
) {
    let halves = |word: u32| (i32::from(word as u16 as i16), (word as i32) >> 16);
    for row in 0..height {
        let mut sums = [0_i32; TILE_COLS];
        for (index, columns) in columns.as_chunks::<TILE_COLS>().0.iter().enumerate() {
            let (low, high) = halves(rows[row * L::ROW_STRIDE + index * L::WORD_STRIDE]);
            for (sum, &word) in sums.iter_mut().zip(columns) {
                let (first, second) = halves(word);
                *sum += low * first + high * second;
            }
        }
        let cells = &mut destination[row * stride..][..width];
        for (column, (cell, sum)) in cells.iter_mut().zip(sums).enumerate() {
            let before = match start {
                Start::Zero => 0.0,
                Start::Bias(bias) => bias[column],
                Start::Kept => *cell,
            };
            *cell = before + sum as f32 * column_scales[column] * row_scales[row];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::super::TILE_ROWS;
    use super::{Left, Start, TILE_COLS};
    use std::arch::x86_64::*;

    const LANES: usize = 16;
    const VECTORS: usize = TILE_COLS / LANES;

    /// 24 sums, three vectors of columns and one of a row: 28 of the 32 registers.
    ///
    /// # Panics
    /// If a slice is too short for the tile.
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn add_product<L: Left>(
        destination: &mut [f32],
        (height, width, stride): (usize, usize, usize),
        start: Start<'_>,
        (rows, row_scales): (&[u32], &[f32]),
        (columns, column_scales): (&[u32], &[f32]),
    ) {
        let words = columns.len() / TILE_COLS;
        assert!((1..=TILE_ROWS).contains(&height) && (1..=TILE_COLS).contains(&width) && words > 0);
        assert!(destination.len() >= (height - 1) * stride + width, "the destination is too short");
        assert!(
            rows.len() > (TILE_ROWS - 1) * L::ROW_STRIDE + (words - 1) * L::WORD_STRIDE,
            "rows must be as long as columns"
        );
        assert!(row_scales.len() >= TILE_ROWS && column_scales.len() >= TILE_COLS, "too few scales");
        if let Start::Bias(bias) = start {
            assert!(bias.len() >= width, "the bias is too short");
        }
        let mut masks = [0; VECTORS];
        for (vector, mask) in masks.iter_mut().enumerate() {
            let lanes = width.saturating_sub(vector * LANES).min(LANES);
            *mask = ((1_u32 << lanes) - 1) as __mmask16;
        }
        let to = destination.as_mut_ptr();
        for row in 0..height {
            for vector in 0..VECTORS {
                // A hint, which may name any address.
                _mm_prefetch::<_MM_HINT_T0>(to.wrapping_add(row * stride + vector * LANES).cast());
            }
        }

        let mut sums = [[_mm512_setzero_si512(); VECTORS]; TILE_ROWS];
        let (rows, columns) = (rows.as_ptr(), columns.as_ptr());
        for word in 0..words {
            let mut vectors = [_mm512_setzero_si512(); VECTORS];
            for (index, vector) in vectors.iter_mut().enumerate() {
                // SAFETY: `word < words`, and `columns` holds `words * TILE_COLS` numbers.
                *vector = unsafe { _mm512_loadu_si512(columns.add(word * TILE_COLS + index * LANES).cast()) };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the last row's last word lies within `rows`, as was asserted, and none lies behind it.
                let value = unsafe { *rows.add(row * L::ROW_STRIDE + word * L::WORD_STRIDE) };
                let value = _mm512_set1_epi32(value as i32);
                for (sum, vector) in sums.iter_mut().zip(vectors) {
                    *sum = _mm512_dpwssd_epi32(*sum, value, vector);
                }
            }
        }

        for (row, sums) in sums.iter().enumerate().take(height) {
            let row_scale = _mm512_set1_ps(row_scales[row]);
            for vector in 0..VECTORS {
                let (mask, first) = (masks[vector], vector * LANES);
                // SAFETY: `column_scales` holds `TILE_COLS` numbers, `bias` and a row of the destination `width`, as was
                // asserted, and masked lanes are neither read nor written.
                unsafe {
                    let cell = to.wrapping_add(row * stride + first);
                    let before = match start {
                        Start::Zero => _mm512_setzero_ps(),
                        Start::Bias(bias) => _mm512_maskz_loadu_ps(mask, bias.as_ptr().wrapping_add(first)),
                        Start::Kept => _mm512_maskz_loadu_ps(mask, cell),
                    };
                    let scale = _mm512_loadu_ps(column_scales.as_ptr().add(first));
                    let product =
                        _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[vector]), scale), row_scale);
                    _mm512_mask_storeu_ps(cell, mask, _mm512_add_ps(before, product));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::{Across, Rows};
    use super::super::{Panels, WORDS};
    use super::*;
    use crate::random::SplitMix;

    fn twins_agree<L: Left>(left: &L, right: &Panels, seed: u64) {
        let mut random = SplitMix::new(seed);
        for (height, width) in [(8, 48), (8, 40), (3, 48), (1, 1), (5, 17)] {
            let stride = 50;
            let before: Vec<f32> = (0..7 * stride + 48).map(|_| random.unit() as f32).collect();
            let bias = &before[..48];
            for start in [Start::Zero, Start::Kept, Start::Bias(bias)] {
                let [mut fast, mut plain] = [before.clone(), before.clone()];
                let shape = (height, width, stride);
                let left = (left.tile(0, 0), left.scales(0, 0));
                let right = (&right.block(0, 0)[..WORDS * TILE_COLS], right.scales(0, 0));
                add_product::<L>(&mut fast, shape, start, left, right);
                portable::<L>(&mut plain, shape, start, left, right);
                assert_eq!(fast, plain, "{height} x {width}");
            }
        }
    }

    #[test]
    fn both_twins_give_the_same_bits() {
        let mut random = SplitMix::new(7);
        let mut numbers =
            |count| -> Vec<f32> { (0..count).map(|_| random.unit() as f32 * 2.0 - 1.0).collect() };
        let (mut rows, mut across, mut panels) = (Rows::default(), Across::default(), Panels::default());
        rows.pack(&numbers(8 * 128), 128);
        across.pack(&numbers(128 * 8), 8);
        panels.pack(&numbers(128 * 48), 48);
        twins_agree(&rows, &panels, 1);
        twins_agree(&across, &panels, 2);
        // The largest sum that can be.
        rows.pack(&[1.0; 8 * 128], 128);
        panels.pack(&[-1.0; 128 * 48], 48);
        twins_agree(&rows, &panels, 3);
    }
}
