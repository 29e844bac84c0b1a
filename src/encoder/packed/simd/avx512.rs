//! AVX-512: 16 lanes, 32 registers.

use super::{Kernel, Simd, TiledProduct};
use std::arch::x86_64::*;

const LANES: usize = 16;

/// The proof that the processor has AVX-512 F, BW, DQ and VL; and VNNI, where the parameter says so.
#[derive(Clone, Copy)]
pub(super) struct Avx512<const VNNI: bool>(());

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false>(()))
}

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub(super) unsafe fn run_vnni<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<true>(()))
}

/// Calls of intrinsics.
macro_rules! intrinsics {
    ($call:expr) => {{
        // SAFETY: a value of `Avx512` exists only within `run` and `run_vnni`, whose callers have made sure
        // of the features; pointers come from slices that were cut to the length that is read or written.
        unsafe { $call }
    }};
}

impl<const VNNI: bool> Simd for Avx512<VNNI> {
    const LANES: usize = LANES;
    const PAIRS: bool = !VNNI;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        intrinsics!(_mm512_set1_ps(value))
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..LANES];
        intrinsics!(_mm512_loadu_ps(from.as_ptr()))
    }

    #[inline(always)]
    fn store(self, vector: Self::F, to: &mut [f32]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm512_storeu_ps(to.as_mut_ptr(), vector))
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_mul_ps(a, b))
    }

    /// An estimate of 14 bits, and a step of Newton's method: faster than to divide.
    #[inline(always)]
    fn reciprocal(self, a: Self::F) -> Self::F {
        intrinsics!({
            let estimate = _mm512_rcp14_ps(a);
            let rest = _mm512_fnmadd_ps(a, estimate, _mm512_set1_ps(1.0));
            _mm512_fmadd_ps(estimate, rest, estimate)
        })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsics!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn with_sign(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm512_or_ps(a, _mm512_and_ps(b, _mm512_set1_ps(-0.0))))
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        intrinsics!(_mm512_abs_ps(a))
    }

    #[inline(always)]
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F {
        intrinsics!({
            let exponents = _mm512_slli_epi32::<23>(_mm512_castps_si512(whole));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), exponents))
        })
    }

    /// There are instructions for what is behind the point, and for powers of what is before it.
    #[inline(always)]
    fn exp2<const TERMS: usize>(self, x: Self::F, polynomial: [f32; TERMS]) -> Self::F {
        let rest = intrinsics!(_mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(x));
        let sum = self.polynomial(rest, polynomial);
        intrinsics!(_mm512_scalef_ps(sum, x))
    }

    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_add_ps(a))
    }

    #[inline(always)]
    fn lowest(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_min_ps(a))
    }

    #[inline(always)]
    fn highest(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_max_ps(a))
    }

    #[inline(always)]
    fn splat_word(self, word: i32) -> Self::I {
        intrinsics!(_mm512_set1_epi32(word))
    }

    #[inline(always)]
    fn load_words(self, from: &[i32]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn store_words(self, words: Self::I, to: &mut [i32]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm512_storeu_si512(to.as_mut_ptr().cast(), words))
    }

    #[inline(always)]
    fn load_bytes(self, from: &[u8]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn join_bytes(self, [a, b, c, d]: [Self::I; 4]) -> Self::I {
        intrinsics!({
            let low = _mm512_or_si512(a, _mm512_slli_epi32::<8>(b));
            let high = _mm512_or_si512(_mm512_slli_epi32::<16>(c), _mm512_slli_epi32::<24>(d));
            _mm512_or_si512(low, high)
        })
    }

    #[inline(always)]
    fn zero_words(self) -> Self::I {
        intrinsics!(_mm512_setzero_si512())
    }

    #[inline(always)]
    fn as_floats(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_castsi512_ps(words))
    }

    #[inline(always)]
    fn to_floats(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_cvtepi32_ps(words))
    }

    #[inline(always)]
    fn low_half(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)))
    }

    #[inline(always)]
    fn high_half(self, words: Self::I) -> Self::F {
        let top = self.splat_word(0xffff_0000_u32 as i32);
        intrinsics!(_mm512_castsi512_ps(_mm512_and_si512(words, top)))
    }

    #[inline(always)]
    fn dot_bytes(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        if VNNI {
            intrinsics!(_mm512_dpbusd_epi32(sums, a, b))
        } else {
            // The sums of two products fit into 16 bits: see `PAIRS`.
            intrinsics!({
                let pairs = _mm512_maddubs_epi16(a, b);
                _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
            })
        }
    }

    #[inline(always)]
    fn store_bytes(self, vector: Self::F, to: &mut [u8]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm_storeu_si128(
            to.as_mut_ptr().cast(),
            _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(vector))
        ))
    }

    /// 24 sums, three vectors of weights and one of activations: 28 of the 32 registers.
    #[inline(always)]
    fn multiply<M: TiledProduct>(self, product: M) -> M::Output {
        product.run::<Self, 8, 3>(self)
    }
}
