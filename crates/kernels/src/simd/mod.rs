//! Instruction sets: a small vocabulary of vector operations ([`Simd`]), an implementation of it for each set, and
//! the choice of one at run time. Kernels are written once, over [`Simd`], in safe code; what is unsafe about vector
//! instructions stays in the files of this folder.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;

use crate::math;
use half::bf16;

/// At least as many as [`Simd::LANES`] of any instruction set.
const MOST_LANES: usize = 16;

/// Added to a whole number, its bytes are its digits to the base of 256, with 128 added to each.
const TO_DIGITS: i32 = 0x80_80_80;

/// Of bf16, whose sum an f32 is.
const PARTS: usize = 3;

/// What a kernel may do with vectors. A value of an implementing type is the proof that the processor has the
/// instructions: each is made only in [`Isa::run`].
pub trait Simd: Copy {
    /// How many 32-bit lanes a vector has.
    const LANES: usize;
    /// Whether [`Simd::dot_bytes`] sums pairs of products in 16 bits, which they must fit.
    const PAIRS: bool;
    /// [`Simd::LANES`] numbers.
    type F: Copy;
    /// [`Simd::LANES`] 32-bit words.
    type I: Copy;

    fn splat(self, value: f32) -> Self::F;
    /// The first lanes of a slice.
    ///
    /// # Panics
    /// Like all loads and stores here, if the slice is shorter than a vector.
    fn load(self, from: &[f32]) -> Self::F;
    fn store(self, vector: Self::F, to: &mut [f32]);

    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// 1 divided by positive numbers, to about a unit in the last place.
    fn reciprocal(self, a: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a` with the signs of `b`; `a` must not be negative.
    fn with_sign(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// Each `a` times 2 to the power of a whole number, which is added to its exponent: the whole number that stands in
    /// the last bits of `whole`, as when it was added to 1.5 * 2^23.
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F;
    /// 2 to the power of `x`, by the polynomial for powers from 0 to 1. Numbers below -126 may give 2^-126.
    #[inline(always)]
    fn exp2<const TERMS: usize>(self, x: Self::F, polynomial: [f32; TERMS]) -> Self::F {
        /// Added to it, a small number is rounded to a whole one, which stands in the sum's last bits.
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
    /// GELU for what becomes a byte: by a polynomial, or in pieces where an instruction finds their terms.
    #[inline(always)]
    fn gelu_of_bytes(self, x: Self::F) -> Self::F {
        math::gelu_of_bytes(self, x)
    }
    /// Over all lanes.
    fn sum(self, a: Self::F) -> f32;
    fn lowest(self, a: Self::F) -> f32;
    fn highest(self, a: Self::F) -> f32;
    /// The sum over all lanes of each vector: of four at once it is cheaper, and each is made in the same order.
    #[inline(always)]
    fn sum_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.sum(a), self.sum(b), self.sum(c), self.sum(d)]
    }
    #[inline(always)]
    fn lowest_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.lowest(a), self.lowest(b), self.lowest(c), self.lowest(d)]
    }
    #[inline(always)]
    fn highest_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        [self.highest(a), self.highest(b), self.highest(c), self.highest(d)]
    }

    fn splat_word(self, word: i32) -> Self::I;
    fn load_words(self, from: &[i32]) -> Self::I;
    fn zero_words(self) -> Self::I;
    /// The words' bits as numbers.
    fn as_floats(self, words: Self::I) -> Self::F;
    /// Whole numbers as numbers.
    fn to_floats(self, words: Self::I) -> Self::F;
    fn store_words(self, words: Self::I, to: &mut [i32]);
    fn add_words(self, a: Self::I, b: Self::I) -> Self::I;
    /// The first bytes of a slice, one for each lane.
    fn load_bytes(self, from: &[u8]) -> Self::I;
    /// Words of the low bytes of four, the first one lowest; all other bits of them are 0.
    fn join_bytes(self, words: [Self::I; 4]) -> Self::I;
    /// Each lane of `sums` plus the product of the four bytes of `a` (unsigned) with the four of `b` (signed). Where
    /// there are [`Simd::PAIRS`], 255 times two neighbours in `b` of the same sign must not exceed 32,767.
    fn dot_bytes(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// The bf16 in each word's low half.
    fn low_half(self, words: Self::I) -> Self::F;
    /// The bf16 in each word's high half.
    fn high_half(self, words: Self::I) -> Self::F;
    /// Writes numbers from -128 to 255 as bytes, one for each lane, rounded to nearest, halves to even; negative ones
    /// as signed bytes.
    fn store_bytes(self, vector: Self::F, to: &mut [u8]);
    /// The same of four vectors, one behind the other: numbers from 0 to 255, or `SIGNED` ones from -128 to 127.
    #[inline(always)]
    fn store_four_bytes<const SIGNED: bool>(self, vectors: [Self::F; 4], to: &mut [u8]) {
        for (vector, to) in vectors.into_iter().zip(to[..4 * Self::LANES].chunks_exact_mut(Self::LANES)) {
            self.store_bytes(vector, to);
        }
    }

    /// Writes numbers up to 8,355,711 without their sign, rounded to nearest, halves to even, as three digits to the base of 256, from
    /// -128 to 127, to each of which 128 is added: the highest digits, one for each lane, `stride` bytes behind them the
    /// next ones, and so on.
    #[inline(always)]
    fn store_digits(self, vector: Self::F, to: &mut [u8], stride: usize) {
        let mut numbers = [0.0; MOST_LANES];
        self.store(vector, &mut numbers);
        for (lane, number) in numbers[..Self::LANES].iter().enumerate() {
            let whole = (number.round_ties_even() as i32).wrapping_add(TO_DIGITS);
            for digit in 0..3 {
                to[digit * stride + lane] = (whole >> (16 - 8 * digit)) as u8;
            }
        }
    }

    /// Two vectors of numbers rounded to halves of 16 bits, in an order that is the instruction set's own. Numbers that
    /// are too large become 32,767 or 32,768.
    fn to_halves(self, a: Self::F, b: Self::F) -> Self::I;
    #[inline(always)]
    fn splat_halves(self, half: u16) -> Self::I {
        self.splat_word((u32::from(half) * 0x1_0001) as i32)
    }
    fn add_halves(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_halves(self, a: Self::I, b: Self::I) -> Self::I;
    /// The upper halves of the products of unsigned ones.
    fn mul_halves(self, a: Self::I, b: Self::I) -> Self::I;
    fn shift_halves_left<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// Of unsigned ones, as is the next.
    fn shift_halves_right<const BITS: i32>(self, a: Self::I) -> Self::I;
    /// Halves of `a`, which must be below 2^15, each shifted by its own number of bits, from 1 to 63, and rounded to
    /// nearest: what is cut off of many small ones is not lost.
    fn shift_each_half_right(self, a: Self::I, bits: Self::I) -> Self::I;
    /// The products of halves below 2^15, divided by 2^15 and rounded to nearest.
    fn scale_halves(self, a: Self::I, b: Self::I) -> Self::I;
    fn and_words(self, a: Self::I, b: Self::I) -> Self::I;
    /// Each lane of `sums` plus both halves of `a`, which must be below 2^15.
    fn add_pairs(self, sums: Self::I, a: Self::I) -> Self::I;
    /// Writes halves up to 255, of four vectors that [`Simd::to_halves`] has put into two, as bytes in the vectors' order.
    fn store_halves_as_bytes(self, a: Self::I, b: Self::I, to: &mut [u8]);

    /// Whether linear layers are multiplied by tiles of [`amx`].
    #[inline(always)]
    fn has_tiles(self) -> bool {
        false
    }
    /// Writes the numbers of two vectors, one behind the other, as three parts of bf16 each, whose sum they are: a vector
    /// of first parts, two in a word, and `stride` words behind it one of second and one of third parts.
    #[inline(always)]
    fn store_parts(self, a: Self::F, b: Self::F, to: &mut [i32], stride: usize) {
        for (vector, number) in [a, b].into_iter().enumerate() {
            let mut numbers = [0.0; MOST_LANES];
            self.store(number, &mut numbers);
            for (lane, &number) in numbers[..Self::LANES].iter().enumerate() {
                let (mut rest, at) = (number, vector * Self::LANES + lane);
                for to in to.chunks_mut(stride).take(PARTS) {
                    let part = bf16::from_f32(rest);
                    rest -= part.to_f32();
                    bytemuck::cast_slice_mut(to)[at] = part.to_bits();
                }
            }
        }
    }

    /// Runs the kernel's matrix products with the tile that suits the number of registers.
    fn multiply<M: TiledProduct>(self, product: M) -> M::Output;
}

/// A matrix product, cut into tiles of `ROWS` rows by `VECTORS` vectors of columns.
pub trait TiledProduct {
    type Output;
    fn run<S: Simd, const ROWS: usize, const VECTORS: usize>(self, simd: S) -> Self::Output;
}

/// Something to do with whatever instructions there are. `run` and what it calls must be `#[inline(always)]`, and hot
/// loops plain ones: only what is inlined into [`Isa::run`] is compiled for the instruction set, which a closure that
/// is handed to an iterator or to `array::from_fn` need not be.
pub trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Isa, amx};

    /// The parts of each number, as f32.
    struct Parts<'a>(&'a [f32]);

    impl Kernel for Parts<'_> {
        type Output = Vec<[f32; PARTS]>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let mut parts = vec![[0.0; PARTS]; self.0.len()];
            let numbers = self.0.chunks_exact(2 * S::LANES).zip(parts.chunks_exact_mut(2 * S::LANES));
            for (numbers, parts) in numbers {
                // More room than there need be, to see that nothing else is written.
                let stride = S::LANES + 3;
                let mut words = vec![7; PARTS * stride];
                simd.store_parts(simd.load(numbers), simd.load(&numbers[S::LANES..]), &mut words, stride);
                for (part, words) in words.chunks_exact(stride).enumerate() {
                    assert_eq!(words[S::LANES..], [7; 3]);
                    let halves: &[u16] = bytemuck::cast_slice(&words[..S::LANES]);
                    for (parts, half) in parts.iter_mut().zip(halves) {
                        parts[part] = f32::from_bits(u32::from(*half) << 16);
                    }
                }
            }
            parts
        }
    }

    /// The digits of each number, joined again.
    struct InDigits<'a>(&'a [f32]);

    impl Kernel for InDigits<'_> {
        type Output = Vec<i32>;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> Self::Output {
            let mut joined = Vec::new();
            for numbers in self.0.chunks_exact(S::LANES) {
                // More room than there need be, to see that nothing else is written.
                let stride = S::LANES + 3;
                let mut bytes = vec![7; 3 * stride];
                simd.store_digits(simd.load(numbers), &mut bytes, stride);
                assert!(bytes.chunks_exact(stride).all(|digits| digits[S::LANES..] == [7; 3]));
                joined.extend((0..S::LANES).map(|lane| {
                    let digit = |at: usize| i32::from(bytes[at * stride + lane]) - 128;
                    (digit(0) * 256 + digit(1)) * 256 + digit(2)
                }));
            }
            joined
        }
    }

    #[test]
    fn a_whole_number_is_its_digits() {
        let mut random = crate::random::SplitMix::new(4);
        let mut numbers: Vec<f32> = (0..256).map(|_| (random.unit() as f32 - 0.5) * 16_711_000.0).collect();
        numbers[..10].copy_from_slice(&[
            0.0,
            0.5,
            1.5,
            -0.5,
            127.0,
            128.0,
            -128.0,
            -129.0,
            8_355_711.0,
            -8_355_711.0,
        ]);
        let expected: Vec<i32> = numbers.iter().map(|number| number.round_ties_even() as i32).collect();
        for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
            assert_eq!(isa.run(InDigits(&numbers)), expected, "{isa}");
        }
    }

    #[test]
    fn a_number_is_the_sum_of_its_parts() {
        let mut random = crate::random::SplitMix::new(3);
        let mut numbers: Vec<f32> =
            (0..1024).map(|at| (random.unit() as f32 - 0.5) * 10_f32.powi(at % 40 - 20)).collect();
        numbers[..4].copy_from_slice(&[0.0, -0.0, 1.0, f32::MAX / 2.0]);
        let expected = Isa::Portable.run(Parts(&numbers));
        for (number, parts) in numbers.iter().zip(&expected) {
            let sum: f64 = parts.iter().copied().map(f64::from).sum();
            assert_eq!(sum, f64::from(*number));
        }
        if amx::can_be_tested() {
            assert_eq!(Isa::Avx512Amx.run(Parts(&numbers)), expected);
        }
    }
}
