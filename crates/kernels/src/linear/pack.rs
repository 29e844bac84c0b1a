//! How weights stand in words.

use crate::numbers::Numbers;
use crate::Isa;
use crate::simd::{Kernel, Simd, TiledProduct};
use crate::amx::{self, Parts};
use half::bf16;

/// What the words of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// An f32 in each.
    Floats,
    /// Two bf16.
    Halves,
    /// Four bytes. Where there are `pairs`, two of them are summed in 16 bits: see [`Simd::PAIRS`].
    Bytes { pairs: bool },
    /// Steps of [`amx`]: of bytes, or of bf16 that numbers are sums of.
    Tiles(Option<Parts>),
}

/// What decides about the format, and the width of a panel.
struct Of(Numbers);

impl Kernel for Of {
    type Output = (Format, usize);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (Format, usize) {
        if !simd.has_tiles() {
            return simd.multiply(self);
        }
        let parts = match self.0 {
            Numbers::Bytes { .. } => None,
            Numbers::Halves => Some(Parts::ThreeByOne),
            Numbers::Floats => Some(Parts::ThreeByThree),
        };
        (Format::Tiles(parts), amx::BLOCK)
    }
}

impl TiledProduct for Of {
    type Output = (Format, usize);

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, _: S) -> (Format, usize) {
        let format = match self.0 {
            Numbers::Bytes { .. } => Format::Bytes { pairs: S::PAIRS },
            Numbers::Halves => Format::Halves,
            Numbers::Floats => Format::Floats,
        };
        (format, VECTORS * S::LANES)
    }
}

impl Format {
    /// The format for an instruction set, and the columns of a panel.
    pub fn of(isa: Isa, numbers: Numbers) -> (Self, usize) {
        isa.run(Of(numbers))
    }

    /// Words in a column of `inputs` weights.
    pub fn words(self, inputs: usize) -> usize {
        match self {
            Self::Floats => inputs,
            Self::Halves => inputs / 2,
            Self::Bytes { .. } => inputs / 4,
            Self::Tiles(None) => (inputs / 4).next_multiple_of(amx::STEP),
            Self::Tiles(Some(parts)) => inputs.div_ceil(2 * amx::STEP) * parts.of_columns() * amx::STEP,
        }
    }

    /// Writes a row of `W` as words, and returns its scale and the sum of its quantized weights.
    pub fn pack(self, values: &[f32], words: &mut [i32]) -> (f32, i32) {
        words.fill(0);
        match self {
            Self::Floats => bytemuck::cast_slice_mut(words)[..values.len()].copy_from_slice(values),
            Self::Halves => {
                let halves: &mut [u16] = bytemuck::cast_slice_mut(words);
                for (half, value) in halves.iter_mut().zip(values) {
                    *half = bf16::from_f32(*value).to_bits();
                }
            }
            Self::Tiles(Some(parts)) => {
                let steps = words.chunks_exact_mut(parts.of_columns() * amx::STEP);
                for (to, values) in steps.zip(values.chunks(2 * amx::STEP)) {
                    let mut rest = [0.0; 2 * amx::STEP];
                    rest[..values.len()].copy_from_slice(values);
                    for half in to.chunks_exact_mut(amx::STEP) {
                        let halves: &mut [u16] = bytemuck::cast_slice_mut(half);
                        for (half, rest) in halves.iter_mut().zip(&mut rest) {
                            let part = bf16::from_f32(*rest);
                            *rest -= part.to_f32();
                            *half = part.to_bits();
                        }
                    }
                }
            }
            Self::Bytes { pairs } => return pack_bytes(pairs, values, words),
            Self::Tiles(None) => return pack_bytes(false, values, words),
        }
        (0.0, 0)
    }
}

fn pack_bytes(pairs: bool, values: &[f32], words: &mut [i32]) -> (f32, i32) {
    let scale = scale(pairs, values);
    let mut sum = 0;
    if scale > 0.0 {
        let bytes: &mut [i8] = bytemuck::cast_slice_mut(words);
        for (byte, value) in bytes.iter_mut().zip(values) {
            // Added to so large a number, what is behind the point is rounded off, and the whole stands in the
            // last bits: without a call for each weight.
            *byte = (value / scale + 12_582_912.0).to_bits() as i8;
            sum += i32::from(*byte);
        }
    }
    (scale, sum)
}

/// The scale of a row of `W` in int8.
///
/// Where products are summed in pairs, the weights of a pair of the same sign must not exceed 128 together, so that
/// with activations of 255 they fit into 16 bits: the few pairs of two large weights coarsen the others a little.
pub fn scale(pairs: bool, values: &[f32]) -> f32 {
    let highest = values.iter().fold(0.0, |highest: f32, value| highest.max(value.abs()));
    if !pairs {
        return highest / 127.0;
    }
    let pair = values.chunks(2).fold(0.0, |highest: f32, pair| highest.max(pair.iter().sum::<f32>().abs()));
    // Each of the pair may be rounded up by a half.
    (highest / 127.0).max(pair / 126.0)
}
