//! NEON: four registers hold sixteen lanes. Where the processor has SDOT, one instruction multiplies and sums four bytes of each lane.
//!
//! The compiler's own names for SDOT and for prefetching are not stable yet (`stdarch_neon_dotprod`, `stdarch_aarch64_prefetch`), so both
//! are written in assembly.

use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};

use super::{Kernel, Lanes};

/// With SDOT, or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Neon<const SDOT: bool>(());

impl<const SDOT: bool> Neon<SDOT> {
    pub(super) fn detect() -> Option<Self> {
        let all = is_aarch64_feature_detected!("neon") && (!SDOT || is_aarch64_feature_detected!("dotprod"));
        all.then_some(Self(()))
    }
}

/// # Safety
/// The processor must have the instructions, which `lanes` proves.
#[target_feature(enable = "neon")]
pub(super) unsafe fn run<K: Kernel, const SDOT: bool>(kernel: K, lanes: Neon<SDOT>) -> K::Output {
    kernel.run(lanes)
}

/// Calls an instruction. Sound because a `Neon` exists only where [`Neon::detect`] saw the processor have it.
macro_rules! op {
    ($instruction:expr) => {
        // SAFETY: `self` proves that the processor has the instruction.
        unsafe { $instruction }
    };
}

type F = [float32x4_t; 4];
type I = [int32x4_t; 4];
type B = [uint8x16_t; 4];

macro_rules! each {
    ($a:ident => $do:expr) => {
        op!({
            let each = $do;
            [each($a[0]), each($a[1]), each($a[2]), each($a[3])]
        })
    };
    ($a:ident, $b:ident => $do:expr) => {
        op!({
            let each = $do;
            [each($a[0], $b[0]), each($a[1], $b[1]), each($a[2], $b[2]), each($a[3], $b[3])]
        })
    };
}

/// Adds to each lane of four the products of its four bytes, both signed.
///
/// # Safety
/// With `SDOT`, the processor must have it.
#[inline(always)]
unsafe fn dot<const SDOT: bool>(sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    // SAFETY: the caller's promise; NEON belongs to every 64-bit ARM this is compiled for.
    unsafe {
        if SDOT {
            let mut sum = sum;
            asm!(
                ".arch_extension dotprod",
                "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
                sum = inout(vreg) sum,
                a = in(vreg) a,
                b = in(vreg) b,
                options(pure, nomem, nostack, preserves_flags),
            );
            sum
        } else {
            // A product is at most 128 * 127, which 16 bits hold; pairs are summed in 32.
            let low = vpaddlq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)));
            let high = vpaddlq_s16(vmull_high_s8(a, b));
            vaddq_s32(sum, vpaddq_s32(low, high))
        }
    }
}

impl<const SDOT: bool> Lanes for Neon<SDOT> {
    type F = F;
    type I = I;
    type B = B;
    const FLOAT_TOKENS: usize = 1;
    const CENTRED: bool = true;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> F {
        op!([0, 4, 8, 12].map(|at| vld1q_f32(from.wrapping_add(at))))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: F) {
        op!({
            vst1q_f32(to, value[0]);
            vst1q_f32(to.wrapping_add(4), value[1]);
            vst1q_f32(to.wrapping_add(8), value[2]);
            vst1q_f32(to.wrapping_add(12), value[3]);
        })
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> F {
        op!([0, 4, 8, 12].map(|at| vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(from.wrapping_add(at))))))
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, value: F) {
        op!({
            for (at, four) in value.into_iter().enumerate() {
                vst1_u16(to.wrapping_add(4 * at), vreinterpret_u16_f16(vcvt_f16_f32(four)));
            }
        })
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> F {
        op!([0, 4, 8, 12]
            .map(|at| { vreinterpretq_f32_u32(vshll_n_u16::<16>(vld1_u16(from.wrapping_add(at)))) }))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> B {
        op!([0, 16, 32, 48].map(|at| vld1q_u8(from.wrapping_add(at))))
    }
    #[inline(always)]
    fn prefetch(self, at: *const u8) {
        // SAFETY: a wish that the processor drops where the address is nobody's.
        unsafe {
            asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(readonly, nostack, preserves_flags));
        }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> F {
        [op!(vdupq_n_f32(value)); 4]
    }
    #[inline(always)]
    fn add(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vdivq_f32(a, b))
    }
    #[inline(always)]
    fn fma(self, a: F, b: F, c: F) -> F {
        op!([
            vfmaq_f32(c[0], a[0], b[0]),
            vfmaq_f32(c[1], a[1], b[1]),
            vfmaq_f32(c[2], a[2], b[2]),
            vfmaq_f32(c[3], a[3], b[3])
        ])
    }
    // ARM's own maximum and minimum differ from x86's where the operands are equal or one is no number.
    #[inline(always)]
    fn max(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vbslq_f32(vcgtq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn min(self, a: F, b: F) -> F {
        each!(a, b => |a, b| vbslq_f32(vcltq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn abs(self, a: F) -> F {
        each!(a => |a| vabsq_f32(a))
    }
    #[inline(always)]
    fn round(self, a: F) -> F {
        each!(a => |a| vrndnq_f32(a))
    }
    #[inline(always)]
    fn pow2(self, a: F) -> F {
        each!(a => |a| {
            let exponent = vaddq_s32(vcvtq_s32_f32(a), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        })
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
        [op!(vdupq_n_s32(value)); 4]
    }
    #[inline(always)]
    fn add_integer(self, a: I, b: I) -> I {
        each!(a, b => |a, b| vaddq_s32(a, b))
    }
    #[inline(always)]
    fn float(self, a: I) -> F {
        each!(a => |a| vcvtq_f32_s32(a))
    }
    #[inline(always)]
    fn low(self, a: B) -> B {
        each!(a => |a| vandq_u8(a, vdupq_n_u8(15)))
    }
    #[inline(always)]
    fn high(self, a: B) -> B {
        each!(a => |a| vshrq_n_u8::<4>(a))
    }
    #[inline(always)]
    fn dot_nibbles(self, sum: I, a: B, four: i32) -> I {
        each!(sum, a => |sum, a| {
            dot::<SDOT>(sum, vreinterpretq_s8_u8(a), vreinterpretq_s8_s32(vdupq_n_s32(four)))
        })
    }
    /// A byte less 128 is the byte with its highest bit turned over, read as signed.
    #[inline(always)]
    fn dot_bytes(self, sum: I, a: B, four: i32) -> I {
        each!(sum, a => |sum, a| {
            let signed = vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(0x80)));
            dot::<SDOT>(sum, signed, vreinterpretq_s8_s32(vdupq_n_s32(four)))
        })
    }
}
