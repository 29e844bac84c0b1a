//! Linear layers: weights packed once into panels of columns as wide as a tile, multiplied with rows of activations.
//! In bytes each column of weights has a scale, and each row of activations a range of its own.

mod finish;
mod pack;
#[cfg(test)]
mod tests;
mod tiles;

pub use tiles::Space;

use crate::numbers::Numbers;
use crate::quantize::Rows;
use crate::Isa;
use crate::simd::{Kernel, Simd, TiledProduct};
use crate::tile::{Bytes, Floats, Halves};
use crate::aligned::Aligned;
use finish::{Block, Columns, Digits, Finish};
use pack::Format;

/// `y = x W^T + b`, or `gelu` of it.
pub struct Linear {
    format: Format,
    activation: Activation,
    /// Words of a column.
    words: usize,
    /// Columns of `y`, with those that fill up.
    columns: usize,
    /// Columns of a panel.
    width: usize,
    /// `[panels, words, width]`
    panels: Aligned<i32>,
    /// Of each column, to the end of the last panel, as are the next two.
    bias: Vec<f32>,
    /// What a quantized weight of 1 stands for.
    scales: Vec<f32>,
    /// The sum of the column's weights: what each row's lowest value is multiplied with.
    sums: Vec<f32>,
    /// What is to be added to the products of digits, for 128 was added to each.
    offsets: Vec<i32>,
}

/// The weight and the bias of the layer norm that inputs come from.
pub type FromNorm<'a> = Option<(&'a [f32], &'a [f32])>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    Gelu,
}

/// Rows that a layer reads: bytes, which come from a layer norm without its weight and bias; or numbers.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    Floats(&'a [f32]),
    Bytes(Rows<'a>),
}

impl Linear {
    /// Packs weights: `weights` gives for each column of `y` its row of `W`, which may be empty for a column that
    /// only fills up, and its bias. Rows are filled up to `inputs` with zeros; both sizes are [`padded`].
    pub fn new<'a>(
        isa: Isa,
        numbers: Numbers,
        activation: Activation,
        inputs: usize,
        from: FromNorm<'_>,
        weights: impl Iterator<Item = (&'a [f32], f32)>,
    ) -> Self {
        let from = from.filter(|_| numbers.digits().is_some());
        let mut folded = Vec::new();
        let (format, width) = Format::of(isa, numbers);
        let words = format.words(inputs);
        let (mut panels, mut bias, mut scales) = (Vec::new(), Vec::new(), Vec::new());
        let (mut sums, mut offsets) = (Vec::new(), Vec::new());
        let mut row = vec![0; words];
        let mut columns = 0;
        for (values, offset) in weights {
            if columns % width == 0 {
                panels.resize(panels.len() + words * width, 0);
                for all in [&mut bias, &mut scales, &mut sums] {
                    all.resize(columns + width, 0.0);
                }
                offsets.resize(columns + width, 0);
            }
            bias[columns] = offset;
            let values = match from {
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
            (scales[columns], sums[columns], offsets[columns]) = (scale, scale * sum as f32, -128 * sum);
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
            sums,
            offsets,
        }
    }

    /// Columns of `y`.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// `x` has whole rows as wide as the weights; `y` gets as many, of [`Linear::columns`].
    ///
    /// # Panics
    /// If `x` is not what the layer's [`Numbers`] read.
    pub fn forward(&self, isa: Isa, x: Input<'_>, y: &mut [f32], space: &mut Space) {
        isa.run(Forward { layer: self, x, y, space });
    }
}

struct Forward<'a> {
    layer: &'a Linear,
    x: Input<'a>,
    y: &'a mut [f32],
    space: &'a mut Space,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, x, y, space } = self;
        match (layer.format, x) {
            (Format::Floats, Input::Floats(x)) => {
                simd.multiply(Product::<Floats>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            // Columns alone are halved: a dot product of bf16, where a processor has it, is not faster everywhere.
            (Format::Halves, Input::Floats(x)) => {
                simd.multiply(Product::<Halves>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            (Format::Bytes { .. }, Input::Bytes(Rows { words, ranges, digits: 1 })) => {
                simd.multiply(Product::<Bytes>::new(layer, words, ranges, y));
            }
            (Format::Bytes { .. }, Input::Bytes(Rows { words, ranges, .. })) => {
                simd.multiply(Product::<Digits>::new(layer, words, ranges, y));
            }
            (Format::Tiles(parts), x) => tiles::multiply(simd, layer, parts, x, y, space),
            _ => panic!("a layer of bytes reads bytes, and the others numbers"),
        }
    }
}

/// Rows of words times a layer's panels.
struct Product<'a, A> {
    layer: &'a Linear,
    rows: &'a [i32],
    ranges: &'a [[f32; 2]],
    y: &'a mut [f32],
    arithmetic: std::marker::PhantomData<A>,
}

impl<'a, A> Product<'a, A> {
    #[inline(always)]
    fn new(layer: &'a Linear, rows: &'a [i32], ranges: &'a [[f32; 2]], y: &'a mut [f32]) -> Self {
        Self { layer, rows, ranges, y, arithmetic: std::marker::PhantomData }
    }
}

impl<A: Finish> TiledProduct for Product<'_, A> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) {
        let Self { layer, rows: matrix, ranges, y, .. } = self;
        let &Linear { words, columns, width, .. } = layer;
        debug_assert_eq!(width, VECTORS * S::LANES);
        let count = y.len() / columns;
        for (index, panel) in layer.panels.chunks_exact(words * width).enumerate() {
            let left = index * width;
            let finish = Columns::of(layer, left, VECTORS * S::LANES);
            // The last panel may be wider than what is left.
            let whole = left + width <= columns;
            for first in (0..count).step_by(ROWS) {
                let rows = Block { matrix, first, count };
                let sums = A::sums::<S, ROWS, VECTORS>(simd, &finish, rows, panel);
                let to = &mut y[first * columns + left..];
                if whole && first + ROWS <= count {
                    // Loops of known lengths are unrolled, and sums stay in registers.
                    for row in 0..ROWS {
                        let range = A::range(ranges, first + row);
                        let to = &mut to[row * columns..][..VECTORS * S::LANES];
                        for vector in 0..VECTORS {
                            let value = finish.value::<S, A>(simd, sums[row][vector], vector, range);
                            simd.store(value, &mut to[vector * S::LANES..]);
                        }
                    }
                    continue;
                }
                for (row, sums) in sums.into_iter().enumerate().take(count - first) {
                    let range = A::range(ranges, first + row);
                    let used = columns - left;
                    for (vector, sum) in sums.into_iter().enumerate().take(used.div_ceil(S::LANES)) {
                        let value = finish.value::<S, A>(simd, sum, vector, range);
                        simd.store(value, &mut to[row * columns + vector * S::LANES..]);
                    }
                }
            }
        }
    }
}
