//! AVX2 with FMA: 8 lanes, 16 registers. With AVX-VNNI, dot products of int8 and int16 are one instruction.

use super::{INT8X3_OFFSET, Kernel, Simd, TiledKernel};
use std::arch::x86_64::*;

const LANES: usize = 8;

/// The proof that the processor has AVX2 and FMA; and AVX-VNNI, where the parameter says so.
#[derive(Clone, Copy)]
pub struct Avx2<const VNNI: bool>(());

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2::<false>(()))
}

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,avxvnni")]
pub unsafe fn run_vnni<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2::<true>(()))
}

/// Calls of intrinsics.
macro_rules! intrinsics {
    ($call:expr) => {{
        // SAFETY: a value of `Avx2` exists only within `run` and `run_vnni`, whose callers have made sure of the
        // features; pointers come from slices that were cut to the length that is read or written.
        unsafe { $call }
    }};
}

/// Reduces each of four vectors by one operation, which is given for each length of vectors.
macro_rules! join_each {
    ([$a:ident, $b:ident, $c:ident, $d:ident], $join:ident, $of_128:ident) => {
        intrinsics!({
            let first = $join(_mm256_unpacklo_ps($a, $b), _mm256_unpackhi_ps($a, $b));
            let second = $join(_mm256_unpacklo_ps($c, $d), _mm256_unpackhi_ps($c, $d));
            let (first, second) = (_mm256_castps_pd(first), _mm256_castps_pd(second));
            let (low, high) = (_mm256_unpacklo_pd(first, second), _mm256_unpackhi_pd(first, second));
            let all = $join(_mm256_castpd_ps(low), _mm256_castpd_ps(high));
            let half = $of_128(_mm256_castps256_ps128(all), _mm256_extractf128_ps::<1>(all));
            let mut each = [0.0; 4];
            _mm_storeu_ps(each.as_mut_ptr(), half);
            each
        })
    };
}

impl<const VNNI: bool> Simd for Avx2<VNNI> {
    const LANES: usize = LANES;
    const INT16_PAIRS: bool = !VNNI;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::F {
        intrinsics!(_mm256_set1_ps(value))
    }

    #[inline(always)]
    fn load(self, from: &[f32]) -> Self::F {
        let from = &from[..LANES];
        intrinsics!(_mm256_loadu_ps(from.as_ptr()))
    }

    #[inline(always)]
    fn store(self, vector: Self::F, to: &mut [f32]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm256_storeu_ps(to.as_mut_ptr(), vector))
    }

    #[inline(always)]
    fn prefetch(self, cells: &[f32], at: usize) {
        // A hint, which may name any address.
        intrinsics!(_mm_prefetch::<_MM_HINT_T0>(cells.as_ptr().wrapping_add(at).cast()));
    }

    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_mul_ps(a, b))
    }

    /// An estimate of 12 bits, and a step of Newton's method: faster than a division.
    #[inline(always)]
    fn reciprocal(self, a: Self::F) -> Self::F {
        intrinsics!({
            let estimate = _mm256_rcp_ps(a);
            let rest = _mm256_fnmadd_ps(a, estimate, _mm256_set1_ps(1.0));
            _mm256_fmadd_ps(estimate, rest, estimate)
        })
    }

    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        intrinsics!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
        intrinsics!(_mm256_or_ps(a, _mm256_and_ps(b, _mm256_set1_ps(-0.0))))
    }

    #[inline(always)]
    fn abs(self, a: Self::F) -> Self::F {
        intrinsics!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }

    #[inline(always)]
    fn add_to_exponent(self, a: Self::F, whole: Self::F) -> Self::F {
        intrinsics!({
            let exponents = _mm256_slli_epi32::<23>(_mm256_castps_si256(whole));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), exponents))
        })
    }

    #[inline(always)]
    fn reduce_sum(self, a: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(a, &mut lanes);
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(a, &mut lanes);
        lanes.into_iter().fold(f32::INFINITY, f32::min)
    }

    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        let mut lanes = [0.0; LANES];
        self.store(a, &mut lanes);
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn reduce_sum_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm256_add_ps, _mm_add_ps)
    }

    #[inline(always)]
    fn reduce_min_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm256_min_ps, _mm_min_ps)
    }

    #[inline(always)]
    fn reduce_max_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm256_max_ps, _mm_max_ps)
    }

    #[inline(always)]
    fn splat_i32(self, word: i32) -> Self::I {
        intrinsics!(_mm256_set1_epi32(word))
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm256_loadu_si256(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn store_i32(self, words: Self::I, to: &mut [i32]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm256_storeu_si256(to.as_mut_ptr().cast(), words))
    }

    #[inline(always)]
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn join_u8(self, [a, b, c, d]: [Self::I; 4]) -> Self::I {
        intrinsics!({
            let low = _mm256_or_si256(a, _mm256_slli_epi32::<8>(b));
            let high = _mm256_or_si256(_mm256_slli_epi32::<16>(c), _mm256_slli_epi32::<24>(d));
            _mm256_or_si256(low, high)
        })
    }

    #[inline(always)]
    fn zero_i32(self) -> Self::I {
        intrinsics!(_mm256_setzero_si256())
    }

    #[inline(always)]
    fn bits_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(_mm256_castsi256_ps(words))
    }

    #[inline(always)]
    fn i32_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(_mm256_cvtepi32_ps(words))
    }

    #[inline(always)]
    fn low_bf16(self, words: Self::I) -> Self::F {
        intrinsics!(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)))
    }

    #[inline(always)]
    fn high_bf16(self, words: Self::I) -> Self::F {
        let top = self.splat_i32(0xffff_0000_u32 as i32);
        intrinsics!(_mm256_castsi256_ps(_mm256_and_si256(words, top)))
    }

    #[inline(always)]
    fn dot_int8(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        if VNNI {
            intrinsics!(_mm256_dpbusd_avx_epi32(sums, a, b))
        } else {
            // The sums of two products fit into 16 bits: see `INT16_PAIRS`.
            intrinsics!({
                let pairs = _mm256_maddubs_epi16(a, b);
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
            })
        }
    }

    #[inline(always)]
    fn store_int8(self, vector: Self::F, to: &mut [u8]) {
        let to = &mut to[..LANES];
        intrinsics!({
            let words = _mm256_and_si256(_mm256_cvtps_epi32(vector), _mm256_set1_epi32(255));
            let int16 = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storel_epi64(to.as_mut_ptr().cast(), _mm_packus_epi16(int16, int16))
        })
    }

    /// The instructions pack within 128 bits, so that the order must be corrected.
    #[inline(always)]
    fn store_int8_of_4<const SIGNED: bool>(self, [a, b, c, d]: [Self::F; 4], to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let low = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
            let high = _mm256_packs_epi32(_mm256_cvtps_epi32(c), _mm256_cvtps_epi32(d));
            let bytes = if SIGNED { _mm256_packs_epi16(low, high) } else { _mm256_packus_epi16(low, high) };
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), _mm256_permutevar8x32_epi32(bytes, order))
        })
    }

    #[inline(always)]
    fn store_int8x3(self, vector: Self::F, to: &mut [u8], stride: usize) {
        intrinsics!({
            let whole = _mm256_add_epi32(_mm256_cvtps_epi32(vector), _mm256_set1_epi32(INT8X3_OFFSET));
            // In each half of the vector, the four bytes of a digit come together.
            let order = _mm256_setr_epi8(
                2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, -1, -1, -1, -1, //
                2, 6, 10, 14, 1, 5, 9, 13, 0, 4, 8, 12, -1, -1, -1, -1,
            );
            let fours = _mm256_shuffle_epi8(whole, order);
            let (low, high) = (_mm256_castsi256_si128(fours), _mm256_extracti128_si256::<1>(fours));
            let (first, last) = (_mm_unpacklo_epi32(low, high), _mm_unpackhi_epi32(low, high));
            _mm_storel_epi64(to[..LANES].as_mut_ptr().cast(), first);
            _mm_storel_epi64(to[stride..][..LANES].as_mut_ptr().cast(), _mm_unpackhi_epi64(first, first));
            _mm_storel_epi64(to[2 * stride..][..LANES].as_mut_ptr().cast(), last);
        });
    }

    #[inline(always)]
    fn to_int16(self, a: Self::F, b: Self::F) -> Self::I {
        intrinsics!(_mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b)))
    }

    #[inline(always)]
    fn add_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_add_epi16(a, b))
    }

    #[inline(always)]
    fn sub_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_sub_epi16(a, b))
    }

    #[inline(always)]
    fn mul_high_u16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_mulhi_epu16(a, b))
    }

    #[inline(always)]
    fn shift_left_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm256_sll_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    #[inline(always)]
    fn shift_right_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm256_srl_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    /// A product with a power of 2, whose two bytes are looked up. The table holds 2^(15 - `bits`): its high byte is at
    /// `bits` + 8 and its low byte at `bits`. A byte is 0 where its index has the highest bit, for which 7 * 16 is added.
    #[inline(always)]
    fn shift_right_each_u16(self, a: Self::I, bits: Self::I) -> Self::I {
        intrinsics!({
            let powers = _mm256_setr_epi8(
                0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1, //
                0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1,
            );
            let indices = _mm256_mullo_epi16(bits, _mm256_set1_epi16(0x0101));
            let indices = _mm256_add_epi16(indices, _mm256_set1_epi16(0x7870));
            _mm256_mulhrs_epi16(a, _mm256_shuffle_epi8(powers, indices))
        })
    }

    #[inline(always)]
    fn mul_q15(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_mulhrs_epi16(a, b))
    }

    #[inline(always)]
    fn and_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm256_and_si256(a, b))
    }

    #[inline(always)]
    fn dot_int16(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(if VNNI {
            _mm256_dpwssd_avx_epi32(sums, a, b)
        } else {
            _mm256_add_epi32(sums, _mm256_madd_epi16(a, b))
        })
    }

    /// [`Simd::to_int16`] joins two vectors 128 bits at a time.
    #[inline(always)]
    fn store_int16_as_u8(self, a: Self::I, b: Self::I, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            let bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), order);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), bytes)
        })
    }

    /// 12 accumulators, two vectors of weights and one of activations: 15 of the 16 registers.
    #[inline(always)]
    fn with_register_tile<K: TiledKernel>(self, kernel: K) -> K::Output {
        kernel.run::<Self, 6, 2>(self)
    }
}
