//! NEON, which every 64-bit Arm processor has: 4 lanes, 32 registers.

use super::{Kernel, Simd, TiledKernel};
use std::arch::aarch64::*;

const LANES: usize = 4;

/// The proof that the processor has NEON.
#[derive(Clone, Copy)]
pub struct Neon(());

/// # Safety
/// The processor must have NEON.
#[target_feature(enable = "neon")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Neon(()))
}

/// Calls of intrinsics.
macro_rules! intrinsics {
    ($call:expr) => {{
        // SAFETY: a value of `Neon` exists only within `run`, whose caller has made sure of the feature; pointers come
        // from slices that were cut to the length that is read or written.
        unsafe { $call }
    }};
}

impl Simd for Neon {
    const LANES: usize = LANES;
    const INT16_PAIRS: bool = false;
    type F = float32x4_t;
    type I = int32x4_t;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        intrinsics!(vdupq_n_f32(value))
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..LANES];
        intrinsics!(vld1q_f32(from.as_ptr()))
    }

    #[inline(always)]
    fn store(self, vector: Self::F, to: &mut [f32]) {
        let to = &mut to[..LANES];
        intrinsics!(vst1q_f32(to.as_mut_ptr(), vector))
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vaddq_f32(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vsubq_f32(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vmulq_f32(a, b))
    }

    #[inline(always)]
    fn reciprocal(self, a: Self::F) -> Self::F {
        intrinsics!(vdivq_f32(vdupq_n_f32(1.0), a))
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vminq_f32(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vmaxq_f32(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsics!(vfmaq_f32(c, a, b))
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(vbslq_f32(vdupq_n_u32(0x8000_0000), b, a))
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        intrinsics!(vabsq_f32(a))
    }

    #[inline(always)]
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F {
        intrinsics!({
            let exponents = vshlq_n_s32::<23>(vreinterpretq_s32_f32(whole));
            vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), exponents))
        })
    }

    #[inline(always)]
    fn reduce_sum(self, a: Self::F) -> f32 {
        intrinsics!(vaddvq_f32(a))
    }

    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        intrinsics!(vminvq_f32(a))
    }

    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        intrinsics!(vmaxvq_f32(a))
    }

    #[inline(always)]
    fn splat_i32(self, word: i32) -> Self::I {
        intrinsics!(vdupq_n_s32(word))
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(vld1q_s32(from.as_ptr()))
    }

    #[inline(always)]
    fn store_i32(self, words: Self::I, to: &mut [i32]) {
        let to = &mut to[..LANES];
        intrinsics!(vst1q_s32(to.as_mut_ptr(), words))
    }

    #[inline(always)]
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(vaddq_s32(a, b))
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> Self::I {
        let mut lanes = [0; LANES];
        for (lane, byte) in lanes.iter_mut().zip(&from[..LANES]) {
            *lane = i32::from(*byte);
        }
        self.load_i32(&lanes)
    }

    #[inline(always)]
    fn join_u8(self, [a, b, c, d]: [Self::I; 4]) -> Self::I {
        intrinsics!({
            let low = vorrq_s32(a, vshlq_n_s32::<8>(b));
            vorrq_s32(low, vorrq_s32(vshlq_n_s32::<16>(c), vshlq_n_s32::<24>(d)))
        })
    }

    #[inline(always)]
    fn zero_i32(self) -> Self::I {
        intrinsics!(vdupq_n_s32(0))
    }

    #[inline(always)]
    fn bits_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(vreinterpretq_f32_s32(words))
    }

    #[inline(always)]
    fn i32_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(vcvtq_f32_s32(words))
    }

    #[inline(always)]
    fn low_bf16(self, words: Self::I) -> Self::F {
        intrinsics!(vreinterpretq_f32_s32(vshlq_n_s32::<16>(words)))
    }

    #[inline(always)]
    fn high_bf16(self, words: Self::I) -> Self::F {
        let top = self.splat_i32(0xffff_0000_u32 as i32);
        intrinsics!(vreinterpretq_f32_s32(vandq_s32(words, top)))
    }

    #[inline(always)]
    fn dot_int8(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!({
            // There is no product of unsigned with signed bytes: 128 is taken off all of `a`, and 128 times the bytes of
            // `b` are added, which the compiler computes once for all rows of a tile.
            let a = vreinterpretq_s8_s32(veorq_s32(a, vdupq_n_s32(0x8080_8080_u32 as i32)));
            let b = vreinterpretq_s8_s32(b);
            let sums = vaddq_s32(sums, vshlq_n_s32::<7>(vpaddlq_s16(vpaddlq_s8(b))));
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            let high = vpaddlq_s16(vmull_high_s8(a, b));
            vaddq_s32(sums, vpaddq_s32(low, high))
        })
    }

    #[inline(always)]
    fn store_int8(self, vector: Self::F, to: &mut [u8]) {
        let mut lanes = [0; LANES];
        intrinsics!(vst1q_s32(lanes.as_mut_ptr(), vcvtnq_s32_f32(vector)));
        for (byte, word) in to[..LANES].iter_mut().zip(lanes) {
            *byte = word as u8;
        }
    }

    #[inline(always)]
    fn to_int16(self, a: Self::F, b: Self::F) -> Self::I {
        intrinsics!({
            let low = vqmovn_s32(vcvtnq_s32_f32(a));
            vreinterpretq_s32_s16(vqmovn_high_s32(low, vcvtnq_s32_f32(b)))
        })
    }

    #[inline(always)]
    fn add_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(vreinterpretq_s32_s16(vaddq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b))))
    }

    #[inline(always)]
    fn sub_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(vreinterpretq_s32_s16(vsubq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b))))
    }

    #[inline(always)]
    fn mul_high_u16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!({
            let (a, b) = (vreinterpretq_u16_s32(a), vreinterpretq_u16_s32(b));
            let low = vreinterpretq_u16_u32(vmull_u16(vget_low_u16(a), vget_low_u16(b)));
            let high = vreinterpretq_u16_u32(vmull_high_u16(a, b));
            vreinterpretq_s32_u16(vuzp2q_u16(low, high))
        })
    }

    #[inline(always)]
    fn shift_left_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        let bits = BITS as i16;
        intrinsics!(vreinterpretq_s32_u16(vshlq_u16(vreinterpretq_u16_s32(a), vdupq_n_s16(bits))))
    }

    #[inline(always)]
    fn shift_right_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        let bits = -BITS as i16;
        intrinsics!(vreinterpretq_s32_u16(vshlq_u16(vreinterpretq_u16_s32(a), vdupq_n_s16(bits))))
    }

    /// A shift to the left by negative numbers.
    #[inline(always)]
    fn shift_right_each_u16(self, a: Self::I, bits: Self::I) -> Self::I {
        intrinsics!({
            let bits = vnegq_s16(vreinterpretq_s16_s32(bits));
            vreinterpretq_s32_u16(vrshlq_u16(vreinterpretq_u16_s32(a), bits))
        })
    }

    #[inline(always)]
    fn mul_q15(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!({
            vreinterpretq_s32_s16(vqrdmulhq_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b)))
        })
    }

    #[inline(always)]
    fn and_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(vandq_s32(a, b))
    }

    #[inline(always)]
    fn dot_int16(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!({
            let (a, b) = (vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
            let low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
            vaddq_s32(sums, vpaddq_s32(low, vmull_high_s16(a, b)))
        })
    }

    #[inline(always)]
    fn add_int16_pairs(self, sums: Self::I, a: Self::I) -> Self::I {
        intrinsics!(vpadalq_s16(sums, vreinterpretq_s16_s32(a)))
    }

    #[inline(always)]
    fn store_int16_as_u8(self, a: Self::I, b: Self::I, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let low = vmovn_u16(vreinterpretq_u16_s32(a));
            vst1q_u8(to.as_mut_ptr(), vmovn_high_u16(low, vreinterpretq_u16_s32(b)))
        })
    }

    /// 24 accumulators, three vectors of weights and one of activations: 28 of the 32 registers.
    #[inline(always)]
    fn with_register_tile<K: TiledKernel>(self, kernel: K) -> K::Output {
        kernel.run::<Self, 8, 3>(self)
    }
}
