//! AVX-512: 16 lanes, 32 registers. With VNNI, dot products of int8 and int16 are one instruction.

use super::gelu_table::{GELU, GELU_WIDTH};
use super::{BF16X3, INT8X3_OFFSET, Kernel, Simd, TiledKernel};
use std::arch::asm;
use std::arch::x86_64::*;

const LANES: usize = 16;

/// The proof that the processor has AVX-512 F, BW, DQ and VL; and VNNI, where the parameter says so.
#[derive(Clone, Copy)]
pub struct Avx512<const VNNI: bool> {
    /// Whether it also has AMX, and AVX-512 BF16. Not a parameter: the kernels of vectors are the same.
    amx: bool,
}

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false> { amx: false })
}

/// # Safety
/// The processor must have the features that are enabled here, and with `amx` AMX and AVX-512 BF16.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub unsafe fn run_vnni<K: Kernel>(kernel: K, amx: bool) -> K::Output {
    kernel.run(Avx512::<true> { amx })
}

/// What `_mm512_cvtne2ps_pbh` means: the numbers of `a`, then those of `b`, rounded to bf16. The compiler would inline
/// that function only where everything is compiled for BF16.
///
/// # Safety
/// The processor must have BF16.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn to_bf16(a: __m512, b: __m512) -> __m512i {
    let rounded;
    // SAFETY: the instruction reads and writes registers only, and the processor has it, as the caller has made sure.
    unsafe {
        asm!(
            "vcvtne2ps2bf16 {}, {}, {}",
            out(zmm_reg) rounded, in(zmm_reg) b, in(zmm_reg) a,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    rounded
}

/// What [`_mm512_srlv_epi16`] means. The compiler would make three instructions of that, because it knows where `bits`
/// come from and adds a comparison with 16.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shift_right_logical(a: __m512i, bits: __m512i) -> __m512i {
    let shifted;
    // SAFETY: the instruction reads and writes registers only, and the processor has it.
    unsafe {
        asm!(
            "vpsrlvw {}, {}, {}",
            out(zmm_reg) shifted, in(zmm_reg) a, in(zmm_reg) bits,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    shifted
}

/// Calls of intrinsics.
macro_rules! intrinsics {
    ($call:expr) => {{
        // SAFETY: a value of `Avx512` exists only within `run` and `run_vnni`, whose callers have made sure
        // of the features; pointers come from slices that were cut to the length that is read or written.
        unsafe { $call }
    }};
}

/// Reduces each of four vectors by one operation, which is given for each length of vectors.
macro_rules! join_each {
    ([$a:ident, $b:ident, $c:ident, $d:ident], $join:ident, $of_256:ident, $of_128:ident) => {
        intrinsics!({
            let first = $join(_mm512_unpacklo_ps($a, $b), _mm512_unpackhi_ps($a, $b));
            let second = $join(_mm512_unpacklo_ps($c, $d), _mm512_unpackhi_ps($c, $d));
            let (first, second) = (_mm512_castps_pd(first), _mm512_castps_pd(second));
            let (low, high) = (_mm512_unpacklo_pd(first, second), _mm512_unpackhi_pd(first, second));
            let all = $join(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            let half = $of_256(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all));
            let quarter = $of_128(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
            let mut each = [0.0; 4];
            _mm_storeu_ps(each.as_mut_ptr(), quarter);
            each
        })
    };
}

impl<const VNNI: bool> Simd for Avx512<VNNI> {
    const LANES: usize = LANES;
    const INT16_PAIRS: bool = !VNNI;
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
    fn prefetch(self, cells: &[f32], at: usize) {
        // A hint, which may name any address.
        intrinsics!(_mm_prefetch::<_MM_HINT_T0>(cells.as_ptr().wrapping_add(at).cast()));
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

    /// An estimate of 14 bits, and a step of Newton's method: faster than a division.
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
    fn copysign(self, a: Self::F, b: Self::F) -> Self::F {
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

    /// There are instructions for the fraction of a number, and for 2 to the power of its whole part.
    #[inline(always)]
    fn exp2<const TERMS: usize>(self, x: Self::F, polynomial: [f32; TERMS]) -> Self::F {
        let rest = intrinsics!(_mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF }>(x));
        let sum = self.polynomial(rest, polynomial);
        intrinsics!(_mm512_scalef_ps(sum, x))
    }

    /// Five instructions, and three that look terms up; a polynomial takes ten.
    #[inline(always)]
    fn gelu_int8(self, x: Self::F) -> Self::F {
        /// In the outermost pieces.
        const OUTERMOST: f32 = 7.5 * GELU_WIDTH;
        /// Adding it rounds to a whole number, which is then in the last bits: 8 for the first piece above 0.
        const EIGHT: f32 = 12_582_912.0 + 8.0;
        /// Downwards.
        const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
        /// The number of the smaller magnitude, with the sign of the first.
        const NEARER: i32 = 0b0010;
        intrinsics!({
            let near = _mm512_range_ps::<NEARER>(x, _mm512_set1_ps(OUTERMOST));
            let piece =
                _mm512_fmadd_round_ps::<FLOOR>(near, _mm512_set1_ps(1.0 / GELU_WIDTH), _mm512_set1_ps(EIGHT));
            let [a, b, c] = &GELU;
            let a = _mm512_permutexvar_ps(_mm512_castps_si512(piece), _mm512_loadu_ps(a.as_ptr()));
            let b = _mm512_permutexvar_ps(_mm512_castps_si512(piece), _mm512_loadu_ps(b.as_ptr()));
            let c = _mm512_permutexvar_ps(_mm512_castps_si512(piece), _mm512_loadu_ps(c.as_ptr()));
            _mm512_fmadd_ps(_mm512_fmadd_ps(c, x, b), x, a)
        })
    }

    #[inline(always)]
    fn reduce_sum(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_add_ps(a))
    }

    #[inline(always)]
    fn reduce_min(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_min_ps(a))
    }

    #[inline(always)]
    fn reduce_max(self, a: Self::F) -> f32 {
        intrinsics!(_mm512_reduce_max_ps(a))
    }

    #[inline(always)]
    fn reduce_sum_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_add_ps, _mm256_add_ps, _mm_add_ps)
    }

    #[inline(always)]
    fn reduce_min_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_min_ps, _mm256_min_ps, _mm_min_ps)
    }

    #[inline(always)]
    fn reduce_max_of_4(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_max_ps, _mm256_max_ps, _mm_max_ps)
    }

    #[inline(always)]
    fn splat_i32(self, word: i32) -> Self::I {
        intrinsics!(_mm512_set1_epi32(word))
    }

    #[inline(always)]
    fn load_i32(self, from: &[i32]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm512_loadu_si512(from.as_ptr().cast()))
    }

    #[inline(always)]
    fn store_i32(self, words: Self::I, to: &mut [i32]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm512_storeu_si512(to.as_mut_ptr().cast(), words))
    }

    #[inline(always)]
    fn add_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn load_u8(self, from: &[u8]) -> Self::I {
        let from = &from[..LANES];
        intrinsics!(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast())))
    }

    #[inline(always)]
    fn join_u8(self, [a, b, c, d]: [Self::I; 4]) -> Self::I {
        intrinsics!({
            let low = _mm512_or_si512(a, _mm512_slli_epi32::<8>(b));
            let high = _mm512_or_si512(_mm512_slli_epi32::<16>(c), _mm512_slli_epi32::<24>(d));
            _mm512_or_si512(low, high)
        })
    }

    #[inline(always)]
    fn zero_i32(self) -> Self::I {
        intrinsics!(_mm512_setzero_si512())
    }

    #[inline(always)]
    fn bits_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_castsi512_ps(words))
    }

    #[inline(always)]
    fn i32_to_f32(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_cvtepi32_ps(words))
    }

    #[inline(always)]
    fn low_bf16(self, words: Self::I) -> Self::F {
        intrinsics!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(words)))
    }

    #[inline(always)]
    fn high_bf16(self, words: Self::I) -> Self::F {
        let top = self.splat_i32(0xffff_0000_u32 as i32);
        intrinsics!(_mm512_castsi512_ps(_mm512_and_si512(words, top)))
    }

    #[inline(always)]
    fn dot_int8(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        if VNNI {
            intrinsics!(_mm512_dpbusd_epi32(sums, a, b))
        } else {
            // The sums of two products fit into 16 bits: see `INT16_PAIRS`.
            intrinsics!({
                let pairs = _mm512_maddubs_epi16(a, b);
                _mm512_add_epi32(sums, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
            })
        }
    }

    #[inline(always)]
    fn store_int8(self, vector: Self::F, to: &mut [u8]) {
        let to = &mut to[..LANES];
        intrinsics!(_mm_storeu_si128(
            to.as_mut_ptr().cast(),
            _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(vector))
        ))
    }

    /// The instructions pack within 128 bits, so that the order must be corrected.
    #[inline(always)]
    fn store_int8_of_4<const SIGNED: bool>(self, [a, b, c, d]: [Self::F; 4], to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let low = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
            let high = _mm512_packs_epi32(_mm512_cvtps_epi32(c), _mm512_cvtps_epi32(d));
            let bytes = if SIGNED { _mm512_packs_epi16(low, high) } else { _mm512_packus_epi16(low, high) };
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_storeu_si512(to.as_mut_ptr().cast(), _mm512_permutexvar_epi32(order, bytes))
        })
    }

    #[inline(always)]
    fn store_int8x3(self, vector: Self::F, to: &mut [u8], stride: usize) {
        intrinsics!({
            let whole = _mm512_add_epi32(_mm512_cvtps_epi32(vector), _mm512_set1_epi32(INT8X3_OFFSET));
            let digits = [_mm512_srli_epi32::<16>(whole), _mm512_srli_epi32::<8>(whole), whole];
            for (digit, words) in digits.into_iter().enumerate() {
                let to = &mut to[digit * stride..][..LANES];
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(words));
            }
        });
    }

    #[inline(always)]
    fn to_int16(self, a: Self::F, b: Self::F) -> Self::I {
        intrinsics!(_mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b)))
    }

    #[inline(always)]
    fn add_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_add_epi16(a, b))
    }

    #[inline(always)]
    fn sub_int16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_sub_epi16(a, b))
    }

    #[inline(always)]
    fn mul_high_u16(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhi_epu16(a, b))
    }

    #[inline(always)]
    fn shift_left_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm512_sll_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    #[inline(always)]
    fn shift_right_u16<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm512_srl_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    /// A product with a power of 2, which is rounded.
    #[inline(always)]
    fn shift_right_each_u16(self, a: Self::I, bits: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhrs_epi16(a, shift_right_logical(_mm512_set1_epi16(i16::MIN), bits)))
    }

    #[inline(always)]
    fn mul_q15(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhrs_epi16(a, b))
    }

    #[inline(always)]
    fn and_i32(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn dot_int16(self, sums: Self::I, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(if VNNI {
            _mm512_dpwssd_epi32(sums, a, b)
        } else {
            _mm512_add_epi32(sums, _mm512_madd_epi16(a, b))
        })
    }

    /// [`Simd::to_int16`] joins two vectors 128 bits at a time.
    #[inline(always)]
    fn store_int16_as_u8(self, a: Self::I, b: Self::I, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), bytes)
        })
    }

    #[inline(always)]
    fn has_amx(self) -> bool {
        self.amx
    }

    #[inline(always)]
    fn store_bf16x3(self, mut a: Self::F, mut b: Self::F, to: &mut [i32], stride: usize) {
        assert!(self.amx, "the instruction for it comes with AMX");
        for which in 0..BF16X3 {
            let to = &mut to[which * stride..];
            // A processor with AMX has BF16, as `Isa::is_available` checks.
            let rounded = intrinsics!(to_bf16(a, b));
            self.store_i32(rounded, to);
            intrinsics!({
                let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(rounded));
                let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(rounded));
                a = _mm512_sub_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(low)));
                b = _mm512_sub_ps(b, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(high)));
            });
        }
    }

    /// 24 accumulators, three vectors of weights and one of activations: 28 of the 32 registers.
    #[inline(always)]
    fn with_register_tile<K: TiledKernel>(self, kernel: K) -> K::Output {
        kernel.run::<Self, 8, 3>(self)
    }
}
