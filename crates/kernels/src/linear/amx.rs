//! Linear layers by AMX tiles ([`crate::amx`]): rows are laid out in blocks of 32, a block of 32 by 32 results is computed
//! at a time, and while the tiles multiply, vectors bring the block before into its final form.
//!
//! ```text
//! rows:  [row blocks, digits, steps, 32 rows, 16 words]     int8; one digit, or three
//!        [row blocks, steps, 3 bf16, 32 rows, 16 words]     bf16, two in a word
//!
//! panel: [steps, 16 words, 32 columns]                      int8
//!        [steps, 1 or 3 bf16, 16 words, 32 columns]         bf16
//! ```

use super::pack::AmxOperands;
use super::{ColumnParameters, Epilogue, Input, Int8x3, Linear};
use crate::aligned::Aligned;
use crate::amx::{Accumulators, Amx, BLOCK, STEP_WORDS};
use crate::microkernel::{F32, Int8};
use crate::quantize::{ActivationFormat, DIGITS, QuantizedSlice, RowScale};
use crate::simd::Simd;
use std::ops::Range;

/// Memory for a layer's rows and accumulators.
#[derive(Default)]
pub struct Scratch {
    /// As [`Amx`] reads them: see the module's diagram. The padding of the last block may be anything.
    rows: Aligned<i32>,
    /// The sums of the block that is computed, and those of the block before. [`Epilogue::BLOCKS`] of each are used.
    accumulators: [[Accumulators; DIGITS]; 2],
}

/// Computes `y` from `x` and the layer's weights.
#[inline(always)]
pub(super) fn gemm<S: Simd>(
    simd: S,
    layer: &Linear,
    operands: AmxOperands,
    x: Input<'_>,
    y: &mut [f32],
    scratch: &mut Scratch,
) {
    let count = y.len() / layer.columns;
    match (operands, x) {
        (AmxOperands::Int8, Input::Quantized(QuantizedSlice { words, scales, format })) => {
            let digits = format.bytes();
            let width = words.len() / count / digits;
            let steps = width.div_ceil(STEP_WORDS);
            scratch.rows.resize(count.div_ceil(BLOCK) * digits * steps * BLOCK * STEP_WORDS);
            for (index, words) in words.chunks_exact(width).enumerate() {
                let (row, digit) = (index / digits, index % digits);
                let block = row / BLOCK * digits + digit;
                let to = &mut scratch.rows[(block * steps * BLOCK + row % BLOCK) * STEP_WORDS..];
                for (words, to) in words.chunks(STEP_WORDS).zip(to.chunks_mut(BLOCK * STEP_WORDS)) {
                    if words.len() == STEP_WORDS {
                        // A copy of unknown length would be a call.
                        simd.store_i32(simd.load_i32(words), to);
                    } else {
                        to[..STEP_WORDS].fill(0);
                        to[..words.len()].copy_from_slice(words);
                    }
                }
            }
            let add = Amx::add_int8;
            match format {
                ActivationFormat::Int8 => {
                    multiply_blocks::<S, Int8>(simd, layer, scales, y, scratch, steps, add);
                }
                ActivationFormat::Int8x3 => {
                    multiply_blocks::<S, Int8x3>(simd, layer, scales, y, scratch, steps, add);
                }
            }
        }
        (AmxOperands::Bf16(split), Input::F32(x)) => {
            let width = x.len() / count;
            let steps = width.div_ceil(2 * STEP_WORDS);
            scratch.rows.resize(count.div_ceil(BLOCK) * steps * split.rows() * BLOCK * STEP_WORDS);
            for (row, numbers) in x.chunks_exact(width).enumerate() {
                let first = (row / BLOCK * steps * split.rows() * BLOCK + row % BLOCK) * STEP_WORDS;
                let steps = scratch.rows[first..].chunks_mut(split.rows() * BLOCK * STEP_WORDS);
                for (numbers, to) in numbers.chunks(2 * STEP_WORDS).zip(steps) {
                    let second = if numbers.len() > STEP_WORDS {
                        simd.load(&numbers[STEP_WORDS..])
                    } else {
                        simd.splat(0.0)
                    };
                    simd.store_bf16x3(simd.load(numbers), second, to, BLOCK * STEP_WORDS);
                }
            }
            multiply_blocks::<S, F32>(simd, layer, &[], y, scratch, steps, |amx, rows, columns| {
                amx.add_bf16(split, rows, columns);
            });
        }
        _ => panic!("a layer in int8 reads quantised rows, and the others f32"),
    }
}

/// Computes `y` from `scratch.rows`, block by block, in so many steps each: `add` multiplies the operands of one.
#[inline(always)]
fn multiply_blocks<S: Simd, A: Epilogue>(
    simd: S,
    layer: &Linear,
    scales: &[RowScale],
    y: &mut [f32],
    scratch: &mut Scratch,
    steps: usize,
    add: impl Fn(&mut Amx, &[i32], &[i32]),
) {
    let &Linear { words, columns, .. } = layer;
    let Scratch { rows, accumulators } = scratch;
    let count = y.len() / columns;
    let row_blocks = count.div_ceil(BLOCK);
    let (words_of_rows, words_of_panel) = (rows.len() / row_blocks, words * BLOCK);
    let words_of_accumulator = words_of_rows / A::BLOCKS;
    let blocks = layer.panels.len() / words_of_panel * row_blocks;
    let mut amx = Amx::new();
    for block in 0..=blocks {
        let rows = &rows[block % row_blocks * words_of_rows..][..words_of_rows];
        let panel = block / row_blocks * words_of_panel;
        let panel = layer.panels.get(panel..panel + words_of_panel).unwrap_or_default();
        let [even, odd] = &mut *accumulators;
        let (now, before) = if block % 2 == 0 { (even, odd) } else { (odd, even) };
        let finished = block.checked_sub(1).map(|block| FinishedBlock {
            layer,
            left: block / row_blocks * BLOCK,
            first: block % row_blocks * BLOCK,
            accumulators: &before[..],
        });
        let mut step = 0;
        for (rows, accumulators) in rows.chunks_exact(words_of_accumulator).zip(now) {
            amx.clear();
            let mut panel = panel.chunks_exact(words_of_panel / steps);
            for rows in rows.chunks_exact(words_of_accumulator / steps) {
                if let Some(columns) = panel.next() {
                    add(&mut amx, rows, columns);
                }
                // While the tiles are at work, vectors turn the block before into results.
                if let Some(finished) = &finished {
                    let (rows, steps) = (BLOCK.min(count - finished.first), steps * A::BLOCKS);
                    let rows = step * rows / steps..(step + 1) * rows / steps;
                    finished.write::<S, A>(simd, rows, scales, y);
                }
                step += 1;
            }
            amx.store(accumulators);
        }
    }
}

/// A block whose sums are computed, but not yet results.
struct FinishedBlock<'a> {
    layer: &'a Linear,
    /// Its first column.
    left: usize,
    /// Its first row.
    first: usize,
    /// One for each of [`Epilogue::BLOCKS`].
    accumulators: &'a [Accumulators],
}

impl FinishedBlock<'_> {
    /// Writes the results of some rows.
    #[inline(always)]
    fn write<S: Simd, A: Epilogue>(&self, simd: S, rows: Range<usize>, scales: &[RowScale], y: &mut [f32]) {
        let &Self { layer, left, first, accumulators } = self;
        let parameters = ColumnParameters::new(layer, left, BLOCK);
        // The last panel may be wider than the columns that are left.
        let used = BLOCK.min(layer.columns - left);
        for row in rows {
            let scale = A::row_scale(scales, first + row);
            let to = &mut y[(first + row) * layer.columns + left..][..used];
            if used == BLOCK {
                // A loop of known length is unrolled.
                for vector in 0..BLOCK / S::LANES {
                    let (column, at) = (vector * S::LANES, row * BLOCK + vector * S::LANES);
                    let sum = A::from_amx(simd, &parameters, column, accumulators, at);
                    let value = parameters.apply::<S, A>(simd, sum, vector, scale);
                    simd.store(value, &mut to[vector * S::LANES..]);
                }
                continue;
            }
            for vector in 0..used / S::LANES {
                let (column, at) = (vector * S::LANES, row * BLOCK + vector * S::LANES);
                let sum = A::from_amx(simd, &parameters, column, accumulators, at);
                let value = parameters.apply::<S, A>(simd, sum, vector, scale);
                simd.store(value, &mut to[vector * S::LANES..]);
            }
        }
    }
}
