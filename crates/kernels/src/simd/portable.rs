//! Plain Rust: what every processor runs, and the twin that tests compare all other instruction sets with.

use super::{Simd, TiledKernel};

const LANES: usize = 8;

#[derive(Clone, Copy)]
pub struct Portable;

#[inline(always)]
fn zip<T: Copy, R>(a: [T; LANES], b: [T; LANES], join: impl Fn(T, T) -> R) -> [R; LANES] {
    std::array::from_fn(|lane| join(a[lane], b[lane]))
}

/// The two int16 of a word, the lower one first.
#[inline(always)]
fn int16(word: i32) -> [u16; 2] {
    [word as u16, (word >> 16) as u16]
}

#[inline(always)]
fn zip_int16(a: [i32; LANES], b: [i32; LANES], join: impl Fn(u16, u16) -> u16) -> [i32; LANES] {
    zip(a, b, |a, b| {
        let ([a, c], [b, d]) = (int16(a), int16(b));
        i32::from(join(a, b)) | i32::from(join(c, d)) << 16
    })
}

impl Simd for Portable {
    const LANES: usize = LANES;
    const INT16_PAIRS: bool = false;
    type F = [f32; LANES];
    type I = [i32; LANES];

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        std::array::from_fn(|lane| from[lane])
    }

    #[inline(always)]
    fn store(self, vector: Self::F, to: &mut [f32]) {
        to[..LANES].copy_from_slice(&vector);
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F) -> Self::F {
        a.map(|a| 1.0 / a)
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, f32::min)
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, f32::max)
    }

    /// Rounded twice: without an instruction for it, a fused multiply-add is a call of a slow function.
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        std::array::from_fn(|lane| a[lane] * b[lane] + c[lane])
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, f32::copysign)
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        a.map(f32::abs)
    }

    #[inline(always)]
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F {
        zip(a, whole, |a, whole| f32::from_bits(a.to_bits().wrapping_add(whole.to_bits() << 23)))
    }

    #[inline(always)]
    fn reduce_sum(self, a: Self::F) -> f32 {
        a.iter().sum()
    }

    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        a.into_iter().fold(f32::INFINITY, f32::min)
    }

    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn splat_i32(self, word: i32) -> Self::I {
        [word; LANES]
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> Self::I {
        std::array::from_fn(|lane| from[lane])
    }

    #[inline(always)]
    fn store_i32(self, words: Self::I, to: &mut [i32]) {
        to[..LANES].copy_from_slice(&words);
    }

    #[inline(always)]
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_add)
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> Self::I {
        std::array::from_fn(|lane| i32::from(from[lane]))
    }

    #[inline(always)]
    fn join_u8(self, [a, b, c, d]: [Self::I; 4]) -> Self::I {
        std::array::from_fn(|lane| a[lane] | b[lane] << 8 | c[lane] << 16 | d[lane] << 24)
    }

    #[inline(always)]
    fn zero_i32(self) -> Self::I {
        [0; LANES]
    }

    #[inline(always)]
    fn bits_to_f32(self, words: Self::I) -> Self::F {
        words.map(|word| f32::from_bits(word as u32))
    }

    #[inline(always)]
    fn i32_to_f32(self, words: Self::I) -> Self::F {
        words.map(|word| word as f32)
    }

    #[inline(always)]
    fn low_bf16(self, words: Self::I) -> Self::F {
        words.map(|word| f32::from_bits((word << 16) as u32))
    }

    #[inline(always)]
    fn high_bf16(self, words: Self::I) -> Self::F {
        words.map(|word| f32::from_bits(word as u32 & 0xffff_0000))
    }

    #[inline(always)]
    fn dot_int8(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| {
            let products = a[lane].to_ne_bytes().into_iter().zip(b[lane].to_ne_bytes());
            products.fold(sums[lane], |sum, (a, b)| sum + i32::from(a) * i32::from(b as i8))
        })
    }

    #[inline(always)]
    fn store_int8(self, vector: Self::F, to: &mut [u8]) {
        for (byte, value) in to[..LANES].iter_mut().zip(vector) {
            // Adding 1.5 * 2^23 rounds to a whole number, which is then in the last bits.
            *byte = (value + 12_582_912.0).to_bits() as u8;
        }
    }

    #[inline(always)]
    fn to_int16(self, a: Self::F, b: Self::F) -> Self::I {
        let rounded = |at: usize| {
            let value = if at < LANES { a[at] } else { b[at - LANES] };
            // As in `store_int8`.
            (value.clamp(-32_768.0, 32_767.0) + 12_582_912.0).to_bits() as u16
        };
        std::array::from_fn(|lane| i32::from(rounded(2 * lane)) | i32::from(rounded(2 * lane + 1)) << 16)
    }

    #[inline(always)]
    fn add_int16(self, a: Self::I, b: Self::I) -> Self::I {
        zip_int16(a, b, u16::wrapping_add)
    }

    #[inline(always)]
    fn sub_int16(self, a: Self::I, b: Self::I) -> Self::I {
        zip_int16(a, b, u16::wrapping_sub)
    }

    #[inline(always)]
    fn mul_high_u16(self, a: Self::I, b: Self::I) -> Self::I {
        zip_int16(a, b, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16)
    }

    #[inline(always)]
    fn shift_left_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        zip_int16(a, a, |a, _| a << BITS)
    }

    #[inline(always)]
    fn shift_right_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        zip_int16(a, a, |a, _| a >> BITS)
    }

    #[inline(always)]
    fn shift_right_each_u16(self, a: Self::I, bits: Self::I) -> Self::I {
        zip_int16(a, bits, |a, bits| (((u64::from(a) << 1 >> bits) + 1) >> 1) as u16)
    }

    #[inline(always)]
    fn mul_q15(self, a: Self::I, b: Self::I) -> Self::I {
        zip_int16(a, b, |a, b| ((u32::from(a) * u32::from(b) + 0x4000) >> 15) as u16)
    }

    #[inline(always)]
    fn and_i32(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a & b)
    }

    #[inline(always)]
    fn dot_int16(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        std::array::from_fn(|lane| {
            let pairs = int16(a[lane]).into_iter().zip(int16(b[lane]));
            pairs.fold(sums[lane], |sum, (a, b)| sum + i32::from(a as i16) * i32::from(b as i16))
        })
    }

    #[inline(always)]
    fn store_int16_as_u8(self, a: Self::I, b: Self::I, to: &mut [u8]) {
        for (bytes, word) in to[..4 * LANES].chunks_exact_mut(2).zip(a.into_iter().chain(b)) {
            let [first, second] = int16(word);
            (bytes[0], bytes[1]) = (first as u8, second as u8);
        }
    }

    #[inline(always)]
    fn with_register_tile<K: TiledKernel>(self, kernel: K) -> K::Output {
        kernel.run::<Self, 4, 1>(self)
    }
}
