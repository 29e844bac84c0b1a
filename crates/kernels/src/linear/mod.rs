//! Linear layers, `y = x W^T + b`: weights packed once into panels of columns as wide as a register tile, multiplied with
//! rows of activations. Knows matrices and their number formats, not what they mean.
//!
//! ```text
//! W^T [inputs, outputs], packed:  [panels, words, width]
//!
//!            panel 0        panel 1
//!          ┌ width cols ┬ width cols ┐      word k of a column holds, by format,
//! word 0   │ w w w ...  │            │        F32     ┌      f32 input k       ┐
//! word 1   │ w w w ...  │            │        Bf16    ┌ input 2k ┬ input 2k+1  ┐
//!   ...    │            │            │        Int8    ┌ 4k ┬ 4k+1 ┬ 4k+2 ┬ 4k+3┐   signed, one scale per column
//!          └────────────┴────────────┘        AMX     see `amx.rs`
//!
//! x [rows, words]                             F32 and Bf16: f32;  Int8: uint8, four in a word (see `quantize`)
//!
//!          ┌ word 0 ┬ word 1 ┬ ... ┐          the register tile: ROWS rows × VECTORS vectors of a panel's columns,
//! row r    │        │        │     │          word after word, all accumulators in registers
//!          └────────┴────────┴─────┘
//! ```

mod amx;
mod epilogue;
mod pack;
#[cfg(test)]
mod tests;

pub use amx::Scratch;

use crate::aligned::Aligned;
use crate::microkernel::{Bf16, F32, Int8};
use crate::quantize::{ActivationFormat, QuantizedSlice, RowScale};
use crate::simd::{Kernel, Simd, TiledKernel};
use crate::{ComputeFormat, Isa};
use epilogue::{ColumnParameters, Epilogue, Int8x3, RowTile};
use pack::PackedFormat;
use std::marker::PhantomData;

/// `y = x W^T + b`, or `gelu` of it.
pub struct Linear {
    format: PackedFormat,
    activation: Activation,
    /// Words of a column.
    words: usize,
    /// Columns of `y`, with their padding.
    columns: usize,
    /// Columns of a panel.
    width: usize,
    /// `[panels, words, width]`
    panels: Aligned<i32>,
    /// One for each column, up to the end of the last panel, as are the next three.
    bias: Vec<f32>,
    /// What an int8 weight of 1 stands for.
    scales: Vec<f32>,
    /// The sum of the column's weights: what the zero point of a row is multiplied with.
    weight_sums: Vec<f32>,
    /// What is added to the products of int8 digits, because 128 was added to each digit.
    digit_offsets: Vec<i32>,
}

/// The weight and the bias of the layer norm that inputs come from. Int8 layers make them part of their own weights and
/// bias, because their inputs are quantised before the norm's weight and bias are applied.
pub type FoldedNorm<'a> = Option<(&'a [f32], &'a [f32])>;

/// What is applied to `x W^T + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    Gelu,
}

/// Rows that a layer reads: f32, or quantised rows that come from a layer norm without its weight and bias.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    F32(&'a [f32]),
    Quantized(QuantizedSlice<'a>),
}

impl Linear {
    /// Packs weights: `weights` gives for each column of `y` its row of `W`, which may be empty for a column of padding,
    /// and its bias. Rows are padded to `inputs` with zeros. Both `inputs` and the number of columns are
    /// [`padded`](crate::padded).
    ///
    /// # Panics
    /// If the processor lacks the instruction set.
    pub fn new<'a>(
        isa: Isa,
        format: ComputeFormat,
        activation: Activation,
        inputs: usize,
        norm: FoldedNorm<'_>,
        weights: impl Iterator<Item = (&'a [f32], f32)>,
    ) -> Self {
        let norm = norm.filter(|_| format.activations().is_some());
        let mut folded = Vec::new();
        let (format, width) = PackedFormat::new(isa, format);
        let words = format.words(inputs);
        let (mut panels, mut bias, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        let (mut weight_sums, mut digit_offsets) = (Vec::new(), Vec::new());
        let mut row = vec![0; words];
        let mut columns = 0;
        for (values, offset) in weights {
            if columns % width == 0 {
                panels.resize(panels.len() + words * width, 0);
                for all in [&mut bias, &mut scales, &mut weight_sums] {
                    all.resize(columns + width, 0.0);
                }
                digit_offsets.resize(columns + width, 0);
            }
            bias[columns] = offset;
            let values = match norm {
                Some((weight, offsets)) => {
                    bias[columns] +=
                        values.iter().zip(offsets).map(|(value, offset)| value * offset).sum::<f32>();
                    folded.clear();
                    folded.extend(values.iter().zip(weight).map(|(value, weight)| value * weight));
                    &folded[..]
                }
                None => values,
            };
            let (scale, sum) = format.pack(values, &mut row);
            scales[columns] = scale;
            weight_sums[columns] = scale * sum as f32;
            digit_offsets[columns] = -128 * sum;
            let panel = &mut panels[columns / width * words * width..];
            for (at, word) in row.iter().enumerate() {
                panel[at * width + columns % width] = *word;
            }
            columns += 1;
        }
        Self {
            format,
            activation,
            words,
            columns,
            width,
            panels: panels.into_iter().collect(),
            bias,
            scales,
            weight_sums,
            digit_offsets,
        }
    }

    /// Columns of `y`, with their padding.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Computes `y`, `[rows, columns]`, from as many whole rows of `x`, which are as wide as the weights. `isa` is the one
    /// that the weights were packed for.
    ///
    /// # Panics
    /// If `x` is not in the format of the layer, or the processor lacks the instruction set.
    pub fn forward(&self, isa: Isa, x: Input<'_>, y: &mut [f32], scratch: &mut Scratch) {
        isa.run(Forward { layer: self, x, y, scratch });
    }
}

struct Forward<'a> {
    layer: &'a Linear,
    x: Input<'a>,
    y: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, x, y, scratch } = self;
        match (layer.format, x) {
            (PackedFormat::F32, Input::F32(x)) => {
                simd.with_register_tile(Gemm::<F32>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            // Only weights are bf16: a dot product of bf16, where a processor has it, is not faster everywhere.
            (PackedFormat::Bf16, Input::F32(x)) => {
                simd.with_register_tile(Gemm::<Bf16>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            (PackedFormat::Int8 { .. }, Input::Quantized(QuantizedSlice { words, scales, format })) => {
                match format {
                    ActivationFormat::Int8 => {
                        simd.with_register_tile(Gemm::<Int8>::new(layer, words, scales, y));
                    }
                    ActivationFormat::Int8x3 => {
                        simd.with_register_tile(Gemm::<Int8x3>::new(layer, words, scales, y));
                    }
                }
            }
            (PackedFormat::Amx(operands), x) => amx::gemm(simd, layer, operands, x, y, scratch),
            _ => panic!("a layer in int8 reads quantised rows, and the others f32"),
        }
    }
}

/// Rows of words times a layer's panels.
struct Gemm<'a, A> {
    layer: &'a Linear,
    rows: &'a [i32],
    scales: &'a [RowScale],
    y: &'a mut [f32],
    arithmetic: PhantomData<A>,
}

impl<'a, A> Gemm<'a, A> {
    #[inline(always)]
    fn new(layer: &'a Linear, rows: &'a [i32], scales: &'a [RowScale], y: &'a mut [f32]) -> Self {
        Self { layer, rows, scales, y, arithmetic: PhantomData }
    }
}

impl<A: Epilogue> TiledKernel for Gemm<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { layer, rows: matrix, scales, y, .. } = self;
        let &Linear { words, columns, width, .. } = layer;
        debug_assert_eq!(width, VECTORS * S::LANES);
        let count = y.len() / columns;
        for (index, panel) in layer.panels.chunks_exact(words * width).enumerate() {
            let left = index * width;
            let parameters = ColumnParameters::new(layer, left, VECTORS * S::LANES);
            // The last panel may be wider than the columns that are left.
            let whole = left + width <= columns;
            for first in (0..count).step_by(ROWS) {
                let rows = RowTile { matrix, first, count };
                let sums = A::products::<S, ROWS, VECTORS>(simd, &parameters, rows, panel);
                let to = &mut y[first * columns + left..];
                if whole && first + ROWS <= count {
                    // Loops of known lengths are unrolled, and sums stay in registers.
                    for row in 0..ROWS {
                        let scale = A::row_scale(scales, first + row);
                        let to = &mut to[row * columns..][..VECTORS * S::LANES];
                        for vector in 0..VECTORS {
                            let value = parameters.apply::<S, A>(simd, sums[row][vector], vector, scale);
                            simd.store(value, &mut to[vector * S::LANES..]);
                        }
                    }
                    continue;
                }
                for (row, sums) in sums.into_iter().enumerate().take(count - first) {
                    let scale = A::row_scale(scales, first + row);
                    let used = columns - left;
                    for (vector, sum) in sums.into_iter().enumerate().take(used.div_ceil(S::LANES)) {
                        let value = parameters.apply::<S, A>(simd, sum, vector, scale);
                        simd.store(value, &mut to[row * columns + vector * S::LANES..]);
                    }
                }
            }
        }
    }
}
