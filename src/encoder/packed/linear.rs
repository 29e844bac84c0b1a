//! Linear layers: weights packed once into panels of columns as wide as a tile, multiplied with rows of activations.
//! In int8 each column of weights has a scale, and each row of activations a range of its own.

use super::Dtype;
use super::aligned::Aligned;
use super::math;
use super::quantize::Rows;
use super::simd::{Isa, Kernel, Simd, TiledProduct};
use super::tile::{Arithmetic, Bytes, Floats, Halves, rows, tile};
use half::bf16;

/// `y = x W^T + b`, or `gelu` of it.
pub(super) struct Linear {
    dtype: Dtype,
    activation: Activation,
    /// Words in a row of `x`, all of them with columns that are only there to fill up.
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
}

/// The weight and the bias of the layer norm that inputs come from.
pub(super) type FromNorm<'a> = Option<(&'a [f32], &'a [f32])>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Gelu,
}

/// Rows that a layer reads: bytes in int8, where they come from a layer norm without its weight and bias; else numbers.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    Floats(&'a [f32]),
    Bytes(Rows<'a>),
}

struct PanelWidth;

impl Kernel for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        simd.multiply(self)
    }
}

impl TiledProduct for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, _: S) -> usize {
        VECTORS * S::LANES
    }
}

impl Linear {
    /// Packs weights: `weights` gives for each column of `y` its row of `W`, which may be empty for a column that
    /// only fills up, and its bias. Rows are filled up to `inputs` with zeros; both sizes are [`padded`].
    pub(super) fn new<'a>(
        isa: Isa,
        dtype: Dtype,
        activation: Activation,
        inputs: usize,
        from: FromNorm<'_>,
        weights: impl Iterator<Item = (&'a [f32], f32)>,
    ) -> Self {
        let from = from.filter(|_| dtype == Dtype::Int8);
        let mut folded = Vec::new();
        let (width, pairs) = (isa.run(PanelWidth), isa.has_pairs());
        let words = inputs / dtype.per_word();
        let (mut panels, mut bias, mut scales, mut sums) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut row = vec![0; words];
        let mut columns = 0;
        for (values, offset) in weights {
            if columns % width == 0 {
                panels.resize(panels.len() + words * width, 0);
                for all in [&mut bias, &mut scales, &mut sums] {
                    all.resize(columns + width, 0.0);
                }
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
            (scales[columns], sums[columns]) = pack_row(dtype, pairs, values, &mut row);
            let panel = &mut panels[columns / width * words * width..];
            for (at, word) in row.iter().enumerate() {
                panel[at * width + columns % width] = *word;
            }
            columns += 1;
        }
        Self {
            dtype,
            activation,
            words,
            columns,
            width,
            panels: panels.into_iter().collect(),
            bias,
            scales,
            sums,
        }
    }

    /// Columns of `y`.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// `x` has whole rows as wide as the weights; `y` gets as many, of [`Linear::columns`].
    ///
    /// # Panics
    /// If `x` is not what the layer's [`Dtype`] reads.
    pub(super) fn forward(&self, isa: Isa, x: Input<'_>, y: &mut [f32]) {
        isa.run(Forward { layer: self, x, y });
    }
}

/// The scale of a row of `W` in int8.
///
/// Where products are summed in pairs, the weights of a pair of the same sign must not exceed 128 together, so that
/// with activations of 255 they fit into 16 bits: the few pairs of two large weights coarsen the others a little.
pub(super) fn scale(pairs: bool, values: &[f32]) -> f32 {
    let highest = values.iter().fold(0.0, |highest: f32, value| highest.max(value.abs()));
    if !pairs {
        return highest / 127.0;
    }
    let pair = values.chunks(2).fold(0.0, |highest: f32, pair| highest.max(pair.iter().sum::<f32>().abs()));
    // Each of the pair may be rounded up by a half.
    (highest / 127.0).max(pair / 126.0)
}

/// Writes a row of `W` as words, and returns its scale and the sum of its quantized weights.
fn pack_row(dtype: Dtype, pairs: bool, values: &[f32], words: &mut [i32]) -> (f32, f32) {
    words.fill(0);
    match dtype {
        Dtype::F32 => bytemuck::cast_slice_mut(words)[..values.len()].copy_from_slice(values),
        Dtype::Bf16 => {
            let halves: &mut [u16] = bytemuck::cast_slice_mut(words);
            for (half, value) in halves.iter_mut().zip(values) {
                *half = bf16::from_f32(*value).to_bits();
            }
        }
        Dtype::Int8 => {
            let scale = scale(pairs, values);
            if scale > 0.0 {
                let bytes: &mut [i8] = bytemuck::cast_slice_mut(words);
                let mut sum = 0;
                for (byte, value) in bytes.iter_mut().zip(values) {
                    // Added to so large a number, what is behind the point is rounded off, and the whole stands in the
                    // last bits: without a call for each weight.
                    *byte = (value / scale + 12_582_912.0).to_bits() as i8;
                    sum += i32::from(*byte);
                }
                return (scale, scale * sum as f32);
            }
        }
    }
    (0.0, 0.0)
}

struct Forward<'a> {
    layer: &'a Linear,
    x: Input<'a>,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { layer, x, y } = self;
        match (layer.dtype, x) {
            (Dtype::F32, Input::Floats(x)) => {
                simd.multiply(Product::<Floats>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            // Columns alone are halved: a dot product of bf16, where a processor has it, is not faster everywhere.
            (Dtype::Bf16, Input::Floats(x)) => {
                simd.multiply(Product::<Halves>::new(layer, bytemuck::cast_slice(x), &[], y));
            }
            (Dtype::Int8, Input::Bytes(Rows { words, ranges })) => {
                simd.multiply(Product::<Bytes>::new(layer, words, ranges, y));
            }
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

/// From the sums of a tile to numbers.
trait Finish: Arithmetic {
    /// Of a vector of columns from `at` on, and a row with that range.
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: Self::Sum<S>, at: usize, range: [f32; 2])
    -> S::F;

    /// The range of a row, if it has one.
    #[inline(always)]
    fn range(_: &[[f32; 2]], _: usize) -> [f32; 2] {
        [0.0; 2]
    }

    /// As exact as the products.
    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        math::gelu(simd, x)
    }
}

impl Finish for Floats {
    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::F, at: usize, _: [f32; 2]) -> S::F {
        simd.add(sum, simd.load(&columns.bias[at..]))
    }
}

impl Finish for Halves {
    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::F, at: usize, _: [f32; 2]) -> S::F {
        simd.add(sum, simd.load(&columns.bias[at..]))
    }
}

impl Finish for Bytes {
    #[inline(always)]
    fn finish<S: Simd>(simd: S, columns: &Columns<'_>, sum: S::I, at: usize, [step, low]: [f32; 2]) -> S::F {
        let (bias, scales) = (simd.load(&columns.bias[at..]), simd.load(&columns.scales[at..]));
        let sums = simd.load(&columns.sums[at..]);
        let offset = simd.mul_add(simd.splat(low), sums, bias);
        simd.mul_add(simd.to_floats(sum), simd.mul(scales, simd.splat(step)), offset)
    }

    #[inline(always)]
    fn range(ranges: &[[f32; 2]], row: usize) -> [f32; 2] {
        ranges[row]
    }

    #[inline(always)]
    fn gelu<S: Simd>(simd: S, x: S::F) -> S::F {
        simd.gelu_of_bytes(x)
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
        let start = [A::zero(simd); VECTORS];
        for (index, panel) in layer.panels.chunks_exact(words * width).enumerate() {
            let left = index * width;
            let finish = Columns {
                bias: &layer.bias[left..][..VECTORS * S::LANES],
                scales: &layer.scales[left..][..VECTORS * S::LANES],
                sums: &layer.sums[left..][..VECTORS * S::LANES],
                activation: layer.activation,
            };
            // The last panel may be wider than what is left.
            let whole = left + width <= columns;
            for first in (0..count).step_by(ROWS) {
                let rows = rows::<ROWS>(matrix, first, count, words * A::PARTS, words * A::PARTS);
                let sums =
                    tile::<S, A, ROWS, VECTORS>(simd, start, rows, panel.chunks_exact(VECTORS * S::LANES));
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

/// What is known of a panel's columns.
struct Columns<'a> {
    bias: &'a [f32],
    scales: &'a [f32],
    sums: &'a [f32],
    activation: Activation,
}

impl Columns<'_> {
    /// From the sums of a vector of columns, and of a row with that range, to `y`.
    #[inline(always)]
    fn value<S: Simd, A: Finish>(&self, simd: S, sums: A::Sum<S>, vector: usize, range: [f32; 2]) -> S::F {
        let value = A::finish(simd, self, sums, vector * S::LANES, range);
        match self.activation {
            Activation::None => value,
            Activation::Gelu => A::gelu(simd, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::padded;
    use super::super::quantize::{Quantize, Quantized};
    use super::*;
    use crate::random::SplitMix;

    fn random(length: usize, seed: u64) -> Vec<f32> {
        let mut random = SplitMix::new(seed);
        (0..length).map(|_| random.unit() as f32 * 2.0 - 1.0).collect()
    }

    /// Sizes that fit no tile: one row, one column, a few more than a panel.
    const SHAPES: [(usize, usize, usize); 7] =
        [(1, 1, 1), (1, 384, 48), (7, 33, 50), (8, 16, 16), (13, 100, 97), (65, 48, 129), (512, 20, 10)];

    fn layer(isa: Isa, dtype: Dtype, activation: Activation, weights: &[f32], bias: &[f32]) -> Linear {
        let inputs = weights.len() / bias.len();
        let fill = padded(bias.len()) - bias.len();
        let real = weights.chunks_exact(inputs).zip(bias.iter().copied());
        Linear::new(isa, dtype, activation, padded(inputs), None, real.chain(vec![(&[][..], 0.0); fill]))
    }

    /// The rows, each filled up with zeros.
    fn pad(rows: &[f32], width: usize) -> Vec<f32> {
        let mut all = vec![0.0; rows.len() / width * padded(width)];
        for (to, from) in all.chunks_exact_mut(padded(width)).zip(rows.chunks_exact(width)) {
            to[..width].copy_from_slice(from);
        }
        all
    }

    fn forward(isa: Isa, layer: &Linear, x: &[f32], rows: usize) -> Vec<f32> {
        let mut y = vec![f32::NAN; rows * layer.columns()];
        let mut quantized = Quantized::default();
        let x = if layer.dtype == Dtype::Int8 {
            quantized.resize(rows, x.len() / rows);
            isa.run(Quantize { values: x, to: quantized.rows_mut(0, rows) });
            Input::Bytes(quantized.rows(0, rows))
        } else {
            Input::Floats(x)
        };
        layer.forward(isa, x, &mut y);
        y
    }

    #[test]
    fn every_instruction_set_multiplies() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for (rows, inputs, outputs) in SHAPES {
                let (x, w, b) = (random(rows * inputs, 1), random(inputs * outputs, 2), random(outputs, 3));
                let expected = |row: usize, column: usize| -> f32 {
                    let x = &x[row * inputs..][..inputs];
                    let w = &w[column * inputs..][..inputs];
                    x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>() + b[column]
                };
                for (dtype, tolerance) in [(Dtype::F32, 1e-5), (Dtype::Bf16, 0.02), (Dtype::Int8, 0.05)] {
                    let layer = layer(isa, dtype, Activation::None, &w, &b);
                    let y = forward(isa, &layer, &pad(&x, inputs), rows);
                    for row in 0..rows {
                        for column in 0..padded(outputs) {
                            let found = y[row * padded(outputs) + column];
                            let expected = if column < outputs { expected(row, column) } else { 0.0 };
                            let near = tolerance * (inputs as f32).sqrt().max(1.0);
                            assert!(
                                (found - expected).abs() < near,
                                "{isa} {dtype:?}: {found}, not {expected}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_are_multiplied_exactly_alike_by_all_that_have_eight_bits() {
        let eight_bits = [Isa::Avx512Vnni, Isa::Avx2Vnni];
        for isa in eight_bits.into_iter().filter(|isa| isa.is_available()) {
            for (rows, inputs, outputs) in SHAPES {
                let (x, w, b) = (random(rows * inputs, 4), random(inputs * outputs, 5), vec![0.0; outputs]);
                let of = |isa| {
                    forward(isa, &layer(isa, Dtype::Int8, Activation::None, &w, &b), &pad(&x, inputs), rows)
                };
                for (found, expected) in of(isa).into_iter().zip(of(Isa::Portable)) {
                    // But for the rounding of the last product and sum.
                    assert!((found - expected).abs() < 1e-5, "{isa}: {found}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            for dtype in Dtype::ALL {
                let (x, w, b) = (random(13 * 48, 6), random(48 * 64, 7), random(64, 8));
                let layer = layer(isa, dtype, Activation::Gelu, &w, &b);
                let all = forward(isa, &layer, &x, 13);
                for (row, values) in x.chunks_exact(48).enumerate() {
                    assert_eq!(forward(isa, &layer, values, 1), all[row * 64..][..64], "{isa} {dtype:?}");
                }
            }
        }
    }

    #[test]
    fn weights_and_rows_at_the_limits_do_not_overflow() {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            let x: Vec<f32> = (0..1536).map(|at| if at == 0 { -1.0 } else { 1.0 }).collect();
            let layer = layer(isa, Dtype::Int8, Activation::None, &vec![1.0; 1536 * 16], &[0.0; 16]);
            let y = forward(isa, &layer, &x, 1);
            assert!(y.iter().all(|&y| (y - 1534.0).abs() < 0.1), "{isa}: {y:?}");
            assert_eq!(forward(isa, &layer, &[0.0; 1536], 1), [0.0; 16], "{isa}");
        }
    }
}
