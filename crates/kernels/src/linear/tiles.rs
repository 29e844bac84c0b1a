//! Linear layers by tiles of [`amx`](crate::amx).

use crate::quantize::DIGITS;
use crate::quantize::Rows;
use crate::simd::Simd;
use crate::tile::{Bytes, Floats};
use super::{Columns, Digits, Finish, Input, Linear};
use crate::aligned::Aligned;
use crate::amx::{Amx, BLOCK, Parts, STEP, Sums};
use std::ops::Range;

/// Memory for a layer's rows and sums.
#[derive(Default)]
pub struct Space {
    /// Block by block, step by step, as [`Amx`] reads them. What fills up the last block may be anything.
    rows: Aligned<i32>,
    /// Of a block that is computed, and of the one before, which becomes numbers meanwhile. See [`Finish::BLOCKS`].
    sums: [[Sums; DIGITS]; 2],
}

/// `y` gets the products of `x` with the layer's weights.
#[inline(always)]
pub fn multiply<S: Simd>(
    simd: S,
    layer: &Linear,
    parts: Option<Parts>,
    x: Input<'_>,
    y: &mut [f32],
    space: &mut Space,
) {
    let count = y.len() / layer.columns;
    match (parts, x) {
        (None, Input::Bytes(Rows { words, ranges, digits })) => {
            let width = words.len() / count / digits;
            let steps = width.div_ceil(STEP);
            space.rows.resize(count.div_ceil(BLOCK) * digits * steps * BLOCK * STEP);
            for (index, words) in words.chunks_exact(width).enumerate() {
                let (row, digit) = (index / digits, index % digits);
                let block = row / BLOCK * digits + digit;
                let to = &mut space.rows[(block * steps * BLOCK + row % BLOCK) * STEP..];
                for (words, to) in words.chunks(STEP).zip(to.chunks_mut(BLOCK * STEP)) {
                    if words.len() == STEP {
                        // A copy of unknown length would be a call.
                        simd.store_words(simd.load_words(words), to);
                    } else {
                        to[..STEP].fill(0);
                        to[..words.len()].copy_from_slice(words);
                    }
                }
            }
            let add = Amx::add_bytes;
            if digits == 1 {
                blocks::<S, Bytes>(simd, layer, ranges, y, space, steps, add);
            } else {
                blocks::<S, Digits>(simd, layer, ranges, y, space, steps, add);
            }
        }
        (Some(parts), Input::Floats(x)) => {
            let width = x.len() / count;
            let steps = width.div_ceil(2 * STEP);
            space.rows.resize(count.div_ceil(BLOCK) * steps * parts.of_rows() * BLOCK * STEP);
            for (row, numbers) in x.chunks_exact(width).enumerate() {
                let first = (row / BLOCK * steps * parts.of_rows() * BLOCK + row % BLOCK) * STEP;
                let steps = space.rows[first..].chunks_mut(parts.of_rows() * BLOCK * STEP);
                for (numbers, to) in numbers.chunks(2 * STEP).zip(steps) {
                    let second =
                        if numbers.len() > STEP { simd.load(&numbers[STEP..]) } else { simd.splat(0.0) };
                    simd.store_parts(simd.load(numbers), second, to, BLOCK * STEP);
                }
            }
            blocks::<S, Floats>(simd, layer, &[], y, space, steps, |amx, rows, columns| {
                amx.add_halves(parts, rows, columns);
            });
        }
        _ => panic!("a layer of bytes reads bytes, and the others numbers"),
    }
}

/// Computes `y` from `space.rows`, block by block, which have so many steps: `add` does one.
#[inline(always)]
fn blocks<S: Simd, A: Finish>(
    simd: S,
    layer: &Linear,
    ranges: &[[f32; 2]],
    y: &mut [f32],
    space: &mut Space,
    steps: usize,
    add: impl Fn(&mut Amx, &[i32], &[i32]),
) {
    let &Linear { words, columns, .. } = layer;
    let Space { rows, sums } = space;
    let count = y.len() / columns;
    let of_panel = count.div_ceil(BLOCK);
    let (words_of_rows, words_of_panel) = (rows.len() / of_panel, words * BLOCK);
    let of_block = words_of_rows / A::BLOCKS;
    let blocks = layer.panels.len() / words_of_panel * of_panel;
    let mut amx = Amx::new();
    for block in 0..=blocks {
        let rows = &rows[block % of_panel * words_of_rows..][..words_of_rows];
        let panel = block / of_panel * words_of_panel;
        let panel = layer.panels.get(panel..panel + words_of_panel).unwrap_or_default();
        let [even, odd] = &mut *sums;
        let (sums, sums_before) = if block % 2 == 0 { (even, odd) } else { (odd, even) };
        // While the tiles are at work, vectors make numbers of the block before.
        let before = block.checked_sub(1).map(|block| Before {
            layer,
            left: block / of_panel * BLOCK,
            first: block % of_panel * BLOCK,
            sums: &sums_before[..],
        });
        let mut step = 0;
        for (rows, sums) in rows.chunks_exact(of_block).zip(sums) {
            amx.clear();
            let mut panel = panel.chunks_exact(words_of_panel / steps);
            for rows in rows.chunks_exact(of_block / steps) {
                if let Some(columns) = panel.next() {
                    add(&mut amx, rows, columns);
                }
                if let Some(before) = &before {
                    let (rows, steps) = (BLOCK.min(count - before.first), steps * A::BLOCKS);
                    before.finish::<S, A>(simd, step * rows / steps..(step + 1) * rows / steps, ranges, y);
                }
                step += 1;
            }
            amx.store(sums);
        }
    }
}

/// A block whose sums are known.
struct Before<'a> {
    layer: &'a Linear,
    left: usize,
    first: usize,
    /// One for each of [`Finish::BLOCKS`].
    sums: &'a [Sums],
}

impl Before<'_> {
    /// Makes numbers of some rows.
    #[inline(always)]
    fn finish<S: Simd, A: Finish>(&self, simd: S, rows: Range<usize>, ranges: &[[f32; 2]], y: &mut [f32]) {
        let &Self { layer, left, first, sums } = self;
        let finish = Columns::of(layer, left, BLOCK);
        // The last panel may be wider than what is left.
        let used = BLOCK.min(layer.columns - left);
        for row in rows {
            let range = A::range(ranges, first + row);
            let to = &mut y[(first + row) * layer.columns + left..][..used];
            if used == BLOCK {
                // A loop of known length is unrolled.
                for vector in 0..BLOCK / S::LANES {
                    let (column, at) = (vector * S::LANES, row * BLOCK + vector * S::LANES);
                    let sum = A::of_tiles(simd, &finish, column, sums, at);
                    let value = finish.value::<S, A>(simd, sum, vector, range);
                    simd.store(value, &mut to[vector * S::LANES..]);
                }
                continue;
            }
            for vector in 0..used / S::LANES {
                let (column, at) = (vector * S::LANES, row * BLOCK + vector * S::LANES);
                let sum = A::of_tiles(simd, &finish, column, sums, at);
                let value = finish.value::<S, A>(simd, sum, vector, range);
                simd.store(value, &mut to[vector * S::LANES..]);
            }
        }
    }
}
