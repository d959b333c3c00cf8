//! Arrays, for every processor: the definition of what the others must give.

use half::f16;

use super::Lanes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kernels) struct Plain;

#[inline(always)]
fn map(a: [f32; 16], f: impl Fn(f32) -> f32) -> [f32; 16] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(a: [f32; 16], b: [f32; 16], f: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Plain {
    type F = [f32; 16];
    type I = [i32; 16];
    type B = [u8; 64];
    const FLOAT_TOKENS: usize = 1;
    const CENTRED: bool = true;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 16] {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[f32; 16]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: [f32; 16]) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 16]>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> [f32; 16] {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        std::array::from_fn(|i| f16::from_bits(bits[i]).to_f32())
    }
    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16, value: [f32; 16]) {
        let bits: [u16; 16] = std::array::from_fn(|i| f16::from_f32(value[i]).to_bits());
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u16; 16]>().write_unaligned(bits) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> [f32; 16] {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; 16]>().read_unaligned() };
        std::array::from_fn(|i| f32::from_bits(u32::from(bits[i]) << 16))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> [u8; 64] {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<[u8; 64]>().read_unaligned() }
    }
    #[inline(always)]
    fn prefetch(self, _at: *const u8) {}

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 16] {
        [value; 16]
    }
    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    // The comparisons are x86's: the second operand where they are equal or one is no number.
    #[inline(always)]
    fn max(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: [f32; 16]) -> [f32; 16] {
        map(a, f32::abs)
    }
    #[inline(always)]
    fn round(self, a: [f32; 16]) -> [f32; 16] {
        map(a, f32::round_ties_even)
    }
    #[inline(always)]
    fn pow2(self, a: [f32; 16]) -> [f32; 16] {
        map(a, |n| f32::from_bits(((n as i32).wrapping_add(127) << 23).cast_unsigned()))
    }
    #[inline(always)]
    fn within(self, a: [f32; 16], from: usize, to: usize, other: f32) -> [f32; 16] {
        std::array::from_fn(|i| if i >= from && i < to { a[i] } else { other })
    }
    #[inline(always)]
    fn lanes(self, a: [f32; 16]) -> [f32; 16] {
        a
    }
    #[inline(always)]
    fn bytes(self, a: [f32; 16]) -> [i8; 16] {
        std::array::from_fn(|i| a[i] as i8)
    }

    #[inline(always)]
    fn splat_integer(self, value: i32) -> [i32; 16] {
        [value; 16]
    }
    #[inline(always)]
    fn add_integer(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn float(self, a: [i32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| a[i] as f32)
    }
    #[inline(always)]
    fn low(self, a: [u8; 64]) -> [u8; 64] {
        std::array::from_fn(|i| a[i] & 15)
    }
    #[inline(always)]
    fn high(self, a: [u8; 64]) -> [u8; 64] {
        std::array::from_fn(|i| a[i] >> 4)
    }
    #[inline(always)]
    fn dot_nibbles(self, sum: [i32; 16], a: [u8; 64], four: i32) -> [i32; 16] {
        let x = four.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        std::array::from_fn(|i| {
            let of = |k: usize| i32::from(a[4 * i + k]) * x[k];
            sum[i].wrapping_add(of(0) + of(1) + of(2) + of(3))
        })
    }
    #[inline(always)]
    fn dot_bytes(self, sum: [i32; 16], a: [u8; 64], four: i32) -> [i32; 16] {
        let x = four.to_le_bytes().map(|byte| i32::from(byte.cast_signed()));
        std::array::from_fn(|i| {
            let of = |k: usize| (i32::from(a[4 * i + k]) - 128) * x[k];
            sum[i].wrapping_add(of(0) + of(1) + of(2) + of(3))
        })
    }
}
