//! AVX-512 with VNNI: one register holds sixteen lanes, one instruction the four products of each.

use std::arch::x86_64::*;

use super::{Kernel, Lanes};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Avx512(());

impl Avx512 {
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        all.then_some(Self(()))
    }
}

/// # Safety
/// The processor must have the instructions, which `lanes` proves.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma,f16c")]
pub(super) unsafe fn run<K: Kernel>(kernel: K, lanes: Avx512) -> K::Output {
    kernel.run(lanes)
}

/// Calls an instruction. Sound because an `Avx512` exists only where [`Avx512::detect`] saw the processor have it.
macro_rules! op {
    ($instruction:expr) => {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe { $instruction }
    };
}

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    type B = __m512i;
    const FLOAT_TOKENS: usize = 4;
    const CENTRED: bool = false;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        op!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: __m512) {
        op!(_mm512_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m512 {
        op!(_mm512_cvtph_ps(_mm256_loadu_si256(from.cast())))
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, value: __m512) {
        op!(_mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(value)))
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m512 {
        op!({
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        })
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m512i {
        op!(_mm512_loadu_si512(from.cast()))
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        op!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        op!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        op!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        op!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        op!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        op!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn pow2(self, a: __m512) -> __m512 {
        op!({
            let exponent = _mm512_add_epi32(_mm512_cvttps_epi32(a), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        })
    }
    #[inline(always)]
    fn within(self, a: __m512, from: usize, to: usize, other: f32) -> __m512 {
        let below = |lane: usize| (1_u32 << lane.min(16)).wrapping_sub(1);
        let mask = (below(to) & !below(from)) as u16;
        op!(_mm512_mask_blend_ps(mask, _mm512_set1_ps(other), a))
    }
    #[inline(always)]
    fn lanes(self, a: __m512) -> [f32; 16] {
        let mut out = [0.0; 16];
        op!(_mm512_storeu_ps(out.as_mut_ptr(), a));
        out
    }
    #[inline(always)]
    fn bytes(self, a: __m512) -> [i8; 16] {
        let mut out = [0; 16];
        op!(_mm_storeu_si128(out.as_mut_ptr().cast(), _mm512_cvtsepi32_epi8(_mm512_cvttps_epi32(a))));
        out
    }

    #[inline(always)]
    fn splat_integer(self, value: i32) -> __m512i {
        op!(_mm512_set1_epi32(value))
    }
    #[inline(always)]
    fn add_integer(self, a: __m512i, b: __m512i) -> __m512i {
        op!(_mm512_add_epi32(a, b))
    }
    #[inline(always)]
    fn float(self, a: __m512i) -> __m512 {
        op!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn low(self, a: __m512i) -> __m512i {
        op!(_mm512_and_si512(a, _mm512_set1_epi8(15)))
    }
    #[inline(always)]
    fn high(self, a: __m512i) -> __m512i {
        op!(_mm512_and_si512(_mm512_srli_epi16::<4>(a), _mm512_set1_epi8(15)))
    }
    #[inline(always)]
    fn dot_nibbles(self, sum: __m512i, a: __m512i, four: i32) -> __m512i {
        op!(_mm512_dpbusd_epi32(sum, a, _mm512_set1_epi32(four)))
    }
    #[inline(always)]
    fn dot_bytes(self, sum: __m512i, a: __m512i, four: i32) -> __m512i {
        op!(_mm512_dpbusd_epi32(sum, a, _mm512_set1_epi32(four)))
    }
}
