//! Weights to words: the formats of packed columns, one for each kind of multiplication.

use crate::amx::{self, Bf16Split};
use crate::simd::{Kernel, Simd, TiledKernel};
use crate::{ComputeFormat, Isa};
use half::bf16;

/// What the words of a column hold. See the diagram of [`crate::linear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackedFormat {
    /// One f32.
    F32,
    /// Two bf16.
    Bf16,
    /// Four int8. `pairs_in_int16` is [`Simd::INT16_PAIRS`].
    Int8 { pairs_in_int16: bool },
    /// Steps of [`amx`].
    Amx(AmxOperands),
}

/// What AMX tiles multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AmxOperands {
    Int8,
    /// Bf16 whose sums the numbers are.
    Bf16(Bf16Split),
}

/// Decides about the format, and the width of a panel.
struct Choice(ComputeFormat);

impl Kernel for Choice {
    type Output = (PackedFormat, usize);

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> (PackedFormat, usize) {
        if !simd.has_amx() {
            return simd.with_register_tile(self);
        }
        let operands = match self.0 {
            ComputeFormat::Int8 | ComputeFormat::Int8x3 => AmxOperands::Int8,
            ComputeFormat::Bf16 => AmxOperands::Bf16(Bf16Split::ThreeByOne),
            ComputeFormat::F32 => AmxOperands::Bf16(Bf16Split::ThreeByThree),
        };
        (PackedFormat::Amx(operands), amx::BLOCK)
    }
}

impl TiledKernel for Choice {
    type Output = (PackedFormat, usize);

    #[inline(always)]
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, _: S) -> (PackedFormat, usize) {
        let format = match self.0 {
            ComputeFormat::Int8 | ComputeFormat::Int8x3 => {
                PackedFormat::Int8 { pairs_in_int16: S::INT16_PAIRS }
            }
            ComputeFormat::Bf16 => PackedFormat::Bf16,
            ComputeFormat::F32 => PackedFormat::F32,
        };
        (format, VECTORS * S::LANES)
    }
}

impl PackedFormat {
    /// The format for an instruction set, and the columns of a panel.
    pub fn new(isa: Isa, format: ComputeFormat) -> (Self, usize) {
        isa.run(Choice(format))
    }

    /// Words in a column of `inputs` weights.
    pub fn words(self, inputs: usize) -> usize {
        match self {
            Self::F32 => inputs,
            Self::Bf16 => inputs / 2,
            Self::Int8 { .. } => inputs / 4,
            Self::Amx(AmxOperands::Int8) => (inputs / 4).next_multiple_of(amx::STEP_WORDS),
            Self::Amx(AmxOperands::Bf16(split)) => {
                inputs.div_ceil(2 * amx::STEP_WORDS) * split.columns() * amx::STEP_WORDS
            }
        }
    }

    /// Writes a row of `W` as words, and returns its scale and the sum of its int8 weights; both are 0 in the other
    /// formats.
    pub fn pack(self, values: &[f32], words: &mut [i32]) -> (f32, i32) {
        words.fill(0);
        match self {
            Self::F32 => bytemuck::cast_slice_mut(words)[..values.len()].copy_from_slice(values),
            Self::Bf16 => {
                let to: &mut [u16] = bytemuck::cast_slice_mut(words);
                for (to, value) in to.iter_mut().zip(values) {
                    *to = bf16::from_f32(*value).to_bits();
                }
            }
            Self::Amx(AmxOperands::Bf16(split)) => {
                let steps = words.chunks_exact_mut(split.columns() * amx::STEP_WORDS);
                for (to, values) in steps.zip(values.chunks(2 * amx::STEP_WORDS)) {
                    let mut rest = [0.0; 2 * amx::STEP_WORDS];
                    rest[..values.len()].copy_from_slice(values);
                    for to in to.chunks_exact_mut(amx::STEP_WORDS) {
                        let to: &mut [u16] = bytemuck::cast_slice_mut(to);
                        for (to, rest) in to.iter_mut().zip(&mut rest) {
                            let rounded = bf16::from_f32(*rest);
                            *rest -= rounded.to_f32();
                            *to = rounded.to_bits();
                        }
                    }
                }
            }
            Self::Int8 { pairs_in_int16 } => return pack_int8(pairs_in_int16, values, words),
            Self::Amx(AmxOperands::Int8) => return pack_int8(false, values, words),
        }
        (0.0, 0)
    }
}

fn pack_int8(pairs_in_int16: bool, values: &[f32], words: &mut [i32]) -> (f32, i32) {
    let scale = scale(pairs_in_int16, values);
    let mut sum = 0;
    if scale > 0.0 {
        let bytes: &mut [i8] = bytemuck::cast_slice_mut(words);
        for (byte, value) in bytes.iter_mut().zip(values) {
            // Adding 1.5 * 2^23 rounds to a whole number, which is then in the last bits: without a call for each weight.
            *byte = (value / scale + 12_582_912.0).to_bits() as i8;
            sum += i32::from(*byte);
        }
    }
    (scale, sum)
}

/// The scale of a row of `W` in int8.
///
/// Where products are summed in pairs in 16 bits, two neighbouring weights of the same sign must not exceed 128 together,
/// so that with activations of 255 they fit. The few pairs of two large weights make the row's steps a little larger.
fn scale(pairs_in_int16: bool, values: &[f32]) -> f32 {
    let highest = values.iter().fold(0.0, |highest: f32, value| highest.max(value.abs()));
    if !pairs_in_int16 {
        return highest / 127.0;
    }
    let pair = values.chunks(2).fold(0.0, |highest: f32, pair| highest.max(pair.iter().sum::<f32>().abs()));
    // Each of the pair may be rounded up by a half.
    (highest / 127.0).max(pair / 126.0)
}
