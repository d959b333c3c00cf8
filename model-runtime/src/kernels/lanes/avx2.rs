//! AVX2 with FMA: two registers hold sixteen lanes, and products of bytes are summed in pairs of 16 bits first.

use std::arch::x86_64::*;

use super::{Kernel, Lanes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        all.then_some(Self(()))
    }
}

/// # Safety
/// The processor must have the instructions, which `lanes` proves.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run<K: Kernel>(kernel: K, lanes: Avx2) -> K::Output {
    kernel.run(lanes)
}

/// Calls an instruction. Sound because an `Avx2` exists only where [`Avx2::detect`] saw the processor have it.
macro_rules! op {
    ($instruction:expr) => {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe { $instruction }
    };
}

type F = [__m256; 2];
type I = [__m256i; 2];

macro_rules! both {
    ($a:ident, $instruction:ident) => {
        [op!($instruction($a[0])), op!($instruction($a[1]))]
    };
    ($a:ident, $b:ident, $instruction:ident) => {
        [op!($instruction($a[0], $b[0])), op!($instruction($a[1], $b[1]))]
    };
}

impl Lanes for Avx2 {
    type F = F;
    type I = I;
    type B = I;
    const FLOAT_TOKENS: usize = 1;
    const CENTRED: bool = true;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> F {
        op!([_mm256_loadu_ps(from), _mm256_loadu_ps(from.wrapping_add(8))])
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: F) {
        op!({
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.wrapping_add(8), value[1]);
        })
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> F {
        op!([
            _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(from.wrapping_add(8).cast()))
        ])
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, value: F) {
        op!({
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value[0]));
            let upper = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value[1]);
            _mm_storeu_si128(to.wrapping_add(8).cast(), upper);
        })
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> F {
        op!({
            let half = |from: *const u16| {
                let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
            };
            [half(from), half(from.wrapping_add(8))]
        })
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> I {
        op!([_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.wrapping_add(32).cast())])
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        op!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
    }

    #[inline(always)]
    fn splat(self, value: f32) -> F {
        [op!(_mm256_set1_ps(value)); 2]
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        both!(a, b, _mm256_add_ps)
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        both!(a, b, _mm256_sub_ps)
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        both!(a, b, _mm256_mul_ps)
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        both!(a, b, _mm256_div_ps)
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        [op!(_mm256_fmadd_ps(a[0], b[0], c[0])), op!(_mm256_fmadd_ps(a[1], b[1], c[1]))]
    }
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        both!(a, b, _mm256_max_ps)
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        both!(a, b, _mm256_min_ps)
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        let sign = [op!(_mm256_set1_ps(-0.0)); 2];
        both!(sign, a, _mm256_andnot_ps)
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        [op!(_mm256_round_ps::<NEAREST>(a[0])), op!(_mm256_round_ps::<NEAREST>(a[1]))]
    }
    #[inline(always)]
    fn pow2(self, a: F) -> F {
        let bias = op!(_mm256_set1_epi32(127));
        let exponent = |a| {
            op!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_cvttps_epi32(a), bias))))
        };
        [exponent(a[0]), exponent(a[1])]
    }
    #[inline(always)]
    fn within(self, a: F, from: usize, to: usize, other: f32) -> F {
        let lanes = self.lanes(a);
        let kept: [f32; 16] = std::array::from_fn(|i| if i >= from && i < to { lanes[i] } else { other });
        // SAFETY: sixteen numbers are there.
        unsafe { self.load(kept.as_ptr()) }
    }
    #[inline(always)]
    fn lanes(self, a: F) -> [f32; 16] {
        let mut out = [0.0; 16];
        // SAFETY: sixteen numbers are there.
        unsafe { self.store(out.as_mut_ptr(), a) };
        out
    }
    #[inline(always)]
    fn bytes(self, a: F) -> [i8; 16] {
        self.lanes(a).map(|value| value as i8)
    }

    #[inline(always)]
    fn splat_integer(self, value: i32) -> I {
        [op!(_mm256_set1_epi32(value)); 2]
    }
    #[inline(always)]
    fn add_integer(self, a: I, b: I) -> I {
        both!(a, b, _mm256_add_epi32)
    }
    #[inline(always)]
    fn float(self, a: I) -> F {
        both!(a, _mm256_cvtepi32_ps)
    }
    #[inline(always)]
    fn low(self, a: I) -> I {
        let mask = [op!(_mm256_set1_epi8(15)); 2];
        both!(a, mask, _mm256_and_si256)
    }
    #[inline(always)]
    fn high(self, a: I) -> I {
        let shifted = [op!(_mm256_srli_epi16::<4>(a[0])), op!(_mm256_srli_epi16::<4>(a[1]))];
        self.low(shifted)
    }
    /// Pairs of products are at most 2 * 15 * 127, which 16 bits hold.
    #[inline(always)]
    fn dot_nibbles(self, sum: I, a: I, four: i32) -> I {
        op!({
            let (x, ones) = (_mm256_set1_epi32(four), _mm256_set1_epi16(1));
            let dot = |sum, a| _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, x), ones));
            [dot(sum[0], a[0]), dot(sum[1], a[1])]
        })
    }
    /// The sign moves from the weight to the activation, so that pairs are at most 2 * 128 * 127, which 16 bits hold.
    #[inline(always)]
    fn dot_bytes(self, sum: I, a: I, four: i32) -> I {
        op!({
            let (x, ones) = (_mm256_set1_epi32(four), _mm256_set1_epi16(1));
            let dot = |sum, a| {
                let signed = _mm256_xor_si256(a, _mm256_set1_epi8(-128));
                let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(signed), _mm256_sign_epi8(x, signed));
                _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones))
            };
            [dot(sum[0], a[0]), dot(sum[1], a[1])]
        })
    }
}
