//! Vectors: the operations that kernels need ([`Simd`]), implemented once for each instruction set. Kernels are written
//! once, over [`Simd`], in safe code; what is unsafe about vector instructions stays in the files of this folder.
//!
//! ```text
//! S::F    ┌  f32  ┬  f32  ┬ ... ┐   LANES lanes of 32 bits: 16 (AVX-512), 8 (AVX2, portable), 4 (NEON)
//! S::I    ┌  i32  ┬  i32  ┬ ... ┐   the same register as whole numbers:
//!         ┌ i16 i16 ┬ ...           two int16 in a lane, or two bf16
//!         ┌ i8 i8 i8 i8 ┬ ...       or four int8
//! ```

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "x86_64")]
mod gelu_table;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;
#[cfg(test)]
mod tests;

use crate::math;
use half::bf16;

/// At least as many as [`Simd::LANES`] of any instruction set.
pub(crate) const MAX_LANES: usize = 16;

/// Added to a whole number, the lowest three bytes are its digits to the base of 256, each plus 128.
const INT8X3_OFFSET: i32 = 0x80_80_80;

/// The bf16 whose sum an f32 is.
const BF16X3: usize = 3;

/// What a kernel may do with vectors. A value of an implementing type is the proof that the processor has the
/// instructions: [`Isa::run`](crate::Isa::run) alone makes one. Loads and stores read and write whole vectors at the start
/// of a slice, and panic if the slice is shorter.
pub(crate) trait Simd: Copy {
    /// How many 32-bit lanes a vector has.
    const LANES: usize;
    /// Whether [`Simd::dot_int8`] sums pairs of products in 16 bits. Weights must then be packed so that they fit.
    const INT16_PAIRS: bool;
    /// A vector of f32.
    type F: Copy;
    /// A vector of 32-bit words.
    type I: Copy;

    // f32

    fn splat(self, value: f32) -> Self::F;
    fn load(self, from: &[f32]) -> Self::F;
    fn store(self, vector: Self::F, to: &mut [f32]);
    /// Hints that the cell `at` of the slice will be needed soon. It may lie behind the end.
    #[inline(always)]
    #[cfg_attr(not(feature = "training"), allow(dead_code, reason = "only the trainer asks for it"))]
    fn prefetch(self, _cells: &[f32], _at: usize) {}

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// 1 divided by positive numbers, to about a unit in the last place.
    fn reciprocal(self, a: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, fused where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a`, which must not be negative, with the signs of `b`.
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// Each `a` times 2 to the power of a whole number, which is in the last bits of `whole`, as after adding it to
    /// 1.5 * 2^23.
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F;
    /// 2 to the power of `x`, by a polynomial for powers from 0 to 1. Numbers below -126 may give 2^-126.
    #[inline(always)]
    fn exp2<const TERMS: usize>(self, x: Self::F, polynomial: [f32; TERMS]) -> Self::F {
        /// Adding it rounds a small number to a whole one, which is then in the last bits.
        const LARGE: f32 = 12_582_912.0;
        let x = self.max(x, self.splat(-126.0));
        let whole = self.add(self.sub(x, self.splat(0.5)), self.splat(LARGE));
        let rest = self.sub(x, self.sub(whole, self.splat(LARGE)));
        self.add_to_exponent(self.polynomial(rest, polynomial), whole)
    }
    /// `terms[0] + terms[1] * x + ...`
    #[inline(always)]
    fn polynomial<const TERMS: usize>(self, x: Self::F, terms: [f32; TERMS]) -> Self::F {
        let mut sum = self.splat(terms[TERMS - 1]);
        for &term in terms[..TERMS - 1].iter().rev() {
            sum = self.mul_add(sum, x, self.splat(term));
        }
        sum
    }
    /// GELU for results that are quantised to int8: by a polynomial, or by a table where there is an instruction for that.
    #[inline(always)]
    fn gelu_int8(self, x: Self::F) -> Self::F {
        math::gelu_int8(self, x)
    }

    // Over all lanes

    fn reduce_sum(self, a: Self::F) -> f32;
    fn reduce_min(self, a: Self::F) -> f32;
    fn reduce_max(self, a: Self::F) -> f32;
    /// The sums of four vectors, which are cheaper together. Each is computed in the same order.
    #[inline(always)]
    fn reduce_sum_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.reduce_sum(a), self.reduce_sum(b), self.reduce_sum(c), self.reduce_sum(d)]
    }
    #[inline(always)]
    fn reduce_min_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.reduce_min(a), self.reduce_min(b), self.reduce_min(c), self.reduce_min(d)]
    }
    #[inline(always)]
    fn reduce_max_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.reduce_max(a), self.reduce_max(b), self.reduce_max(c), self.reduce_max(d)]
    }

    // 32-bit words

    fn splat_i32(self, word: i32) -> Self::I;
    fn zero_i32(self) -> Self::I;
    fn load_i32(self, from: &[i32]) -> Self::I;
    fn store_i32(self, words: Self::I, to: &mut [i32]);
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I;
    fn and_i32(self, a: Self::I, b: Self::I) -> Self::I;
    /// The same bits as f32.
    fn bits_to_f32(self, words: Self::I) -> Self::F;
    /// The same whole numbers as f32.
    fn i32_to_f32(self, words: Self::I) -> Self::F;

    // int8, four in a word

    /// One byte for each lane.
    fn load_u8(self, from: &[u8]) -> Self::I;
    /// Joins four words whose low byte alone is not 0: the first becomes the lowest byte.
    fn join_u8(self, words: [Self::I; 4]) -> Self::I;
    /// Each lane of `sums` plus the products of its four bytes in `a` (unsigned) and `b` (signed). With
    /// [`Simd::INT16_PAIRS`], 255 times the sum of two neighbours in `b` of the same sign must not exceed 32,767.
    fn dot_int8(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Writes numbers from -128 to 255 as bytes, one for each lane, rounded to nearest, ties to even; negative ones as
    /// signed bytes.
    fn store_int8(self, vector: Self::F, to: &mut [u8]);
    /// The same of four vectors: numbers from 0 to 255, or `SIGNED` ones from -128 to 127.
    #[inline(always)]
    fn store_int8_of_4<const SIGNED: bool>(self, vectors: [Self::F; 4], to: &mut [u8]) {
        for (vector, to) in vectors.into_iter().zip(to[..4 * Self::LANES].chunks_exact_mut(Self::LANES)) {
            self.store_int8(vector, to);
        }
    }
    /// Writes numbers of a magnitude up to 8,355,711, rounded to nearest, ties to even, as three digits to the base of 256
    /// from -128 to 127, each plus 128: the highest digits, one for each lane, the next ones `stride` bytes behind, and so
    /// on.
    #[inline(always)]
    fn store_int8x3(self, vector: Self::F, to: &mut [u8], stride: usize) {
        let mut numbers = [0.0; MAX_LANES];
        self.store(vector, &mut numbers);
        for (lane, number) in numbers[..Self::LANES].iter().enumerate() {
            let whole = (number.round_ties_even() as i32).wrapping_add(INT8X3_OFFSET);
            for digit in 0..3 {
                to[digit * stride + lane] = (whole >> (16 - 8 * digit)) as u8;
            }
        }
    }

    // int16, two in a word

    /// The numbers of two vectors, rounded to int16, saturated, in an order that is the instruction set's own.
    fn to_int16(self, a: Self::F, b: Self::F) -> Self::I;
    #[inline(always)]
    fn splat_int16(self, value: u16) -> Self::I {
        self.splat_i32((u32::from(value) * 0x1_0001) as i32)
    }
    fn add_int16(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_int16(self, a: Self::I, b: Self::I) -> Self::I;
    /// The upper 16 bits of the products of unsigned numbers.
    fn mul_high_u16(self, a: Self::I, b: Self::I) -> Self::I;
    /// The products of numbers below 2^15, divided by 2^15 and rounded to nearest.
    fn mul_q15(self, a: Self::I, b: Self::I) -> Self::I;
    fn shift_left_u16<const BITS: i32>(self, a: Self::I) -> Self::I;
    fn shift_right_u16<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// Numbers below 2^15, each shifted by its own number of bits, from 1 to 63, and rounded to nearest: what is cut off
    /// many small ones is not lost.
    fn shift_right_each_u16(self, a: Self::I, bits: Self::I) -> Self::I;
    /// Each lane of `sums` plus the products of its two signed int16 in `a` and `b`.
    fn dot_int16(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Each lane of `sums` plus its two int16 in `a`, which must be below 2^15.
    #[inline(always)]
    fn add_int16_pairs(self, sums: Self::I, a: Self::I) -> Self::I {
        self.dot_int16(sums, a, self.splat_int16(1))
    }
    /// Writes numbers up to 255, of four vectors that [`Simd::to_int16`] has joined in twos, as bytes in the vectors' order.
    fn store_int16_as_u8(self, a: Self::I, b: Self::I, to: &mut [u8]);

    // bf16, two in a word

    /// The bf16 in each word's low half, as f32.
    fn low_bf16(self, words: Self::I) -> Self::F;
    /// The bf16 in each word's high half, as f32.
    fn high_bf16(self, words: Self::I) -> Self::F;
    /// Writes the numbers of two vectors, `a` before `b`, as the three bf16 whose sum each is: a vector of the largest
    /// ones, two in a word, and `stride` words behind it the next ones, and so on.
    #[inline(always)]
    fn store_bf16x3(self, a: Self::F, b: Self::F, to: &mut [i32], stride: usize) {
        for (vector, number) in [a, b].into_iter().enumerate() {
            let mut numbers = [0.0; MAX_LANES];
            self.store(number, &mut numbers);
            for (lane, &number) in numbers[..Self::LANES].iter().enumerate() {
                let (mut rest, at) = (number, vector * Self::LANES + lane);
                for to in to.chunks_mut(stride).take(BF16X3) {
                    let rounded = bf16::from_f32(rest);
                    rest -= rounded.to_f32();
                    bytemuck::cast_slice_mut(to)[at] = rounded.to_bits();
                }
            }
        }
    }

    // Kernels

    /// Whether linear layers are multiplied by tiles of [`crate::amx`].
    #[inline(always)]
    fn has_amx(self) -> bool {
        false
    }
    /// Runs a kernel with the register tile that suits the number of registers.
    fn with_register_tile<K: TiledKernel>(self, kernel: K) -> K::Output;
}

/// A kernel whose products are cut into register tiles of `ROWS` rows by `VECTORS` vectors of columns.
pub(crate) trait TiledKernel {
    type Output;
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) -> Self::Output;
}

/// Something to do with vectors. `run` and what it calls must be `#[inline(always)]`, and hot loops must be plain ones:
/// only what is inlined into [`Isa::run`](crate::Isa::run) is compiled for the instruction set, and a closure that is
/// handed to an iterator or to `array::from_fn` need not be.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}
