//! AVX-512: 16 lanes, 32 registers.

use super::{Kernel, PARTS, Simd, TO_DIGITS, TiledProduct};
use std::arch::asm;
use std::arch::x86_64::*;

/// How wide the pieces of [`GELU`] are.
const GELU_WIDTH: f32 = 3.6 / 7.0;

/// GELU in 16 pieces, the outermost without end, in between [`GELU_WIDTH`] wide, seven on each side of 0: for each the
/// terms of the polynomial with the least error, which is 5.5e-4, and at the edge of the outermost 5.8e-4.
const GELU: [[f32; 16]; 3] = [
    [
        0.0,
        -0.097_180_426,
        -0.238_049_33,
        -0.392_246_2,
        -0.405_629_93,
        -0.228_227_38,
        -0.047_672_2,
        -0.000_275_04,
        -0.000_275_055,
        -0.047_672_2,
        -0.228_227_38,
        -0.405_633_45,
        -0.392_246_2,
        -0.238_049_33,
        -0.097_180_426,
        0.0,
    ],
    [
        0.0,
        -0.052_437_115,
        -0.144_643_28,
        -0.264_524_7,
        -0.273_535,
        -0.035_587_598,
        0.318_809_72,
        0.492_003_02,
        0.507_996_8,
        0.681_190_3,
        1.035_587_5,
        1.273_538_8,
        1.264_524_7,
        1.144_643_3,
        1.052_437_1,
        1.0,
    ],
    [
        0.0,
        -0.007_113_562_4,
        -0.022_209_398,
        -0.045_527_76,
        -0.046_739_638,
        0.033_150_338,
        0.207_905_35,
        0.368_562_64,
        0.368_563_15,
        0.207_905_35,
        0.033_150_338,
        -0.046_740_68,
        -0.045_527_76,
        -0.022_209_398,
        -0.007_113_562_4,
        0.0,
    ],
];

const LANES: usize = 16;

/// The proof that the processor has AVX-512 F, BW, DQ and VL; and VNNI, where the parameter says so.
#[derive(Clone, Copy)]
pub struct Avx512<const VNNI: bool> {
    /// Whether it also has tiles, and BF16. Not a parameter: the kernels of vectors are the same.
    tiles: bool,
}

/// # Safety
/// The processor must have the features that are enabled here.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
pub unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false> { tiles: false })
}

/// # Safety
/// The processor must have the features that are enabled here, and with `tiles` AMX and AVX-512 BF16.
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
pub unsafe fn run_vnni<K: Kernel>(kernel: K, tiles: bool) -> K::Output {
    kernel.run(Avx512::<true> { tiles })
}

/// What `_mm512_cvtne2ps_pbh` means: the numbers of `a`, then those of `b`, rounded to bf16. That function would only be
/// inlined where all is compiled for BF16.
///
/// # Safety
/// The processor must have BF16.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn to_bf16(a: __m512, b: __m512) -> __m512i {
    let halves;
    // SAFETY: the instruction reads and writes registers only, and the processor has it, as the caller has made sure.
    unsafe {
        asm!(
            "vcvtne2ps2bf16 {}, {}, {}",
            out(zmm_reg) halves, in(zmm_reg) b, in(zmm_reg) a,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    halves
}

/// What [`_mm512_srlv_epi16`] means: the compiler makes three instructions of that, for it knows where `bits` come from,
/// and thinks their comparison with 16 cheaper there.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn shift_each_half_right(a: __m512i, bits: __m512i) -> __m512i {
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

/// Joins all lanes of each of four vectors by one operation, given for each length of vectors.
macro_rules! join_each {
    ([$a:ident, $b:ident, $c:ident, $d:ident], $join:ident, $halves:ident, $quarters:ident) => {
        intrinsics!({
            let first = $join(_mm512_unpacklo_ps($a, $b), _mm512_unpackhi_ps($a, $b));
            let second = $join(_mm512_unpacklo_ps($c, $d), _mm512_unpackhi_ps($c, $d));
            let (first, second) = (_mm512_castps_pd(first), _mm512_castps_pd(second));
            let (low, high) = (_mm512_unpacklo_pd(first, second), _mm512_unpackhi_pd(first, second));
            let all = $join(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
            let half = $halves(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all));
            let quarter = $quarters(_mm256_castps256_ps128(half), _mm256_extractf128_ps::<1>(half));
            let mut each = [0.0; 4];
            _mm_storeu_ps(each.as_mut_ptr(), quarter);
            each
        })
    };
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

    /// Five instructions and three that find terms; by a polynomial there are ten.
    #[inline(always)]
    fn gelu_of_bytes(self, x: Self::F) -> Self::F {
        /// In the outermost pieces.
        const OUTERMOST: f32 = 7.5 * GELU_WIDTH;
        /// Added to it, a number is rounded to a whole one, which stands in the sum's last bits: 8 for the first piece
        /// above 0.
        const EIGHT: f32 = 12_582_912.0 + 8.0;
        /// Downwards.
        const FLOOR: i32 = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
        /// The absolute minimum of two numbers, with the sign of the first.
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
    fn sum_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_add_ps, _mm256_add_ps, _mm_add_ps)
    }

    #[inline(always)]
    fn lowest_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_min_ps, _mm256_min_ps, _mm_min_ps)
    }

    #[inline(always)]
    fn highest_each(self, [a, b, c, d]: [Self::F; 4]) -> [f32; 4] {
        join_each!([a, b, c, d], _mm512_max_ps, _mm256_max_ps, _mm_max_ps)
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
    fn add_words(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_add_epi32(a, b))
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

    /// Packs within quarters of vectors, whose order is then put right.
    #[inline(always)]
    fn store_four_bytes<const SIGNED: bool>(self, [a, b, c, d]: [Self::F; 4], to: &mut [u8]) {
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
    fn store_digits(self, vector: Self::F, to: &mut [u8], stride: usize) {
        intrinsics!({
            let whole = _mm512_add_epi32(_mm512_cvtps_epi32(vector), _mm512_set1_epi32(TO_DIGITS));
            let digits = [_mm512_srli_epi32::<16>(whole), _mm512_srli_epi32::<8>(whole), whole];
            for (digit, words) in digits.into_iter().enumerate() {
                let to = &mut to[digit * stride..][..LANES];
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(words));
            }
        });
    }

    #[inline(always)]
    fn to_halves(self, a: Self::F, b: Self::F) -> Self::I {
        intrinsics!(_mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b)))
    }

    #[inline(always)]
    fn add_halves(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_add_epi16(a, b))
    }

    #[inline(always)]
    fn sub_halves(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_sub_epi16(a, b))
    }

    #[inline(always)]
    fn mul_halves(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhi_epu16(a, b))
    }

    #[inline(always)]
    fn shift_halves_left<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm512_sll_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    #[inline(always)]
    fn shift_halves_right<const BITS: i32>(self, a: Self::I) -> Self::I {
        intrinsics!(_mm512_srl_epi16(a, _mm_cvtsi32_si128(BITS)))
    }

    /// By a product with a power of 2, which is rounded.
    #[inline(always)]
    fn shift_each_half_right(self, a: Self::I, bits: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhrs_epi16(a, shift_each_half_right(_mm512_set1_epi16(i16::MIN), bits)))
    }

    #[inline(always)]
    fn scale_halves(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_mulhrs_epi16(a, b))
    }

    #[inline(always)]
    fn and_words(self, a: Self::I, b: Self::I) -> Self::I {
        intrinsics!(_mm512_and_si512(a, b))
    }

    #[inline(always)]
    fn add_pairs(self, sums: Self::I, a: Self::I) -> Self::I {
        intrinsics!(if VNNI {
            _mm512_dpwssd_epi32(sums, a, _mm512_set1_epi16(1))
        } else {
            _mm512_add_epi32(sums, _mm512_madd_epi16(a, _mm512_set1_epi16(1)))
        })
    }

    /// Here [`Simd::to_halves`] takes quarters of vectors in turn.
    #[inline(always)]
    fn store_halves_as_bytes(self, a: Self::I, b: Self::I, to: &mut [u8]) {
        let to = &mut to[..4 * LANES];
        intrinsics!({
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), bytes)
        })
    }

    #[inline(always)]
    fn has_tiles(self) -> bool {
        self.tiles
    }

    #[inline(always)]
    fn store_parts(self, mut a: Self::F, mut b: Self::F, to: &mut [i32], stride: usize) {
        assert!(self.tiles, "there is an instruction for it where there are tiles");
        for part in 0..PARTS {
            let to = &mut to[part * stride..];
            // And it has BF16: it has tiles.
            let part = intrinsics!(to_bf16(a, b));
            self.store_words(part, to);
            intrinsics!({
                let low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(part));
                let high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64::<1>(part));
                a = _mm512_sub_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(low)));
                b = _mm512_sub_ps(b, _mm512_castsi512_ps(_mm512_slli_epi32::<16>(high)));
            });
        }
    }

    /// 24 sums, three vectors of weights and one of activations: 28 of the 32 registers.
    #[inline(always)]
    fn multiply<M: TiledProduct>(self, product: M) -> M::Output {
        product.run::<Self, 8, 3>(self)
    }
}
