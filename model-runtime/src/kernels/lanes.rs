//! Sixteen numbers at a time.
#![expect(
    unsafe_code,
    reason = "vector instructions; each kind is made only where the processor was seen to have it"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;

use self::plain::Plain;

/// Operations on sixteen lanes. A value of the type is the proof that the processor has them.
///
/// Pointers need no alignment. All floating-point operations round once, as IEEE 754 says, so that implementations agree to the bit.
pub(super) trait Lanes: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32.
    type I: Copy;
    /// 64 bytes, four per lane.
    type B: Copy;
    /// Tokens whose four partial float sums fit.
    const FLOAT_TOKENS: usize;

    /// # Safety
    /// Sixteen numbers must be readable.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// # Safety
    /// Sixteen numbers must be writable.
    unsafe fn store(self, to: *mut f32, value: Self::F);
    /// # Safety
    /// Sixteen numbers must be readable.
    unsafe fn load_f16(self, from: *const u16) -> Self::F;
    /// # Safety
    /// Sixteen numbers must be writable.
    unsafe fn store_f16(self, to: *mut u16, value: Self::F);
    /// # Safety
    /// Sixteen numbers must be readable.
    unsafe fn load_bf16(self, from: *const u16) -> Self::F;
    /// # Safety
    /// 64 bytes must be readable.
    unsafe fn load_bytes(self, from: *const u8) -> Self::B;
    /// Asks for the cache line at `at`, which may be any address.
    fn prefetch(self, at: *const u8);

    fn splat(self, value: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;
    /// To the nearest whole number, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// 2 to the power of whole numbers from -126 to 127.
    fn pow2(self, a: Self::F) -> Self::F;
    /// Lanes `from..to` as they are, the others `other`.
    fn within(self, a: Self::F, from: usize, to: usize, other: f32) -> Self::F;
    /// All lanes, in lane order.
    fn lanes(self, a: Self::F) -> [f32; 16];
    /// Whole numbers from -128 to 127 as bytes.
    fn bytes(self, a: Self::F) -> [i8; 16];

    fn splat_integer(self, value: i32) -> Self::I;
    fn add_integer(self, a: Self::I, b: Self::I) -> Self::I;
    /// The nearest f32 of each.
    fn float(self, a: Self::I) -> Self::F;
    /// The lower halves of the bytes.
    fn low(self, a: Self::B) -> Self::B;
    /// The upper halves of the bytes.
    fn high(self, a: Self::B) -> Self::B;
    /// Adds to every lane the products of its four bytes (0 to 15, unsigned) with the four signed bytes of `four`.
    fn dot_nibbles(self, sum: Self::I, a: Self::B, four: i32) -> Self::I;
    /// Adds to every lane the products of its four bytes (unsigned, standing for themselves less 128) with the four signed bytes (-127 to
    /// 127) of `four`, **or** the products of the bytes as they stand: which of the two, says [`Lanes::CENTRED`].
    fn dot_bytes(self, sum: Self::I, a: Self::B, four: i32) -> Self::I;
    /// Whether [`Lanes::dot_bytes`] has subtracted 128 already.
    const CENTRED: bool;
}

/// Sum of the lanes, as a tree.
#[inline(always)]
pub(super) fn sum<L: Lanes>(l: L, a: L::F) -> f32 {
    let mut lanes = l.lanes(a);
    let mut width = 8;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest lane.
#[inline(always)]
pub(super) fn largest<L: Lanes>(l: L, a: L::F) -> f32 {
    l.lanes(a).into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// `exp(x)`, off by at most two units in the last place; 0 becomes 1, anything below -87 becomes e^-87. The polynomial is Cephes'.
#[inline(always)]
pub(super) fn exp<L: Lanes>(l: L, x: L::F) -> L::F {
    let x = l.min(l.max(x, l.splat(-87.0)), l.splat(88.0));
    let n = l.round(l.mul(x, l.splat(std::f32::consts::LOG2_E)));
    let r = l.fma(n, l.splat(-0.693_359_4), x);
    let r = l.fma(n, l.splat(2.121_944_4e-4), r);
    let mut p = l.splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = l.fma(p, r, l.splat(c));
    }
    let p = l.fma(p, l.mul(r, r), r);
    l.mul(l.add(p, l.splat(1.0)), l.pow2(n))
}

/// A computation over lanes of any kind.
pub(super) trait Kernel {
    type Output;
    /// Must be `#[inline(always)]`, so that it is compiled with the caller's instructions.
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// The instructions kernels are run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512(avx512::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(avx2::Avx2),
    #[cfg(target_arch = "aarch64")]
    Sdot(neon::Neon<true>),
    #[cfg(target_arch = "aarch64")]
    Neon(neon::Neon<false>),
    Plain,
}

impl Isa {
    /// The best this processor has.
    #[must_use]
    pub fn detect() -> Self {
        Self::all()[0]
    }

    /// All that this processor has, best first; the plain form is always there.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(avx512::Avx512::detect().map(|l| Self(Kind::Avx512(l))));
            all.extend(avx2::Avx2::detect().map(|l| Self(Kind::Avx2(l))));
        }
        #[cfg(target_arch = "aarch64")]
        {
            all.extend(neon::Neon::detect().map(|l| Self(Kind::Sdot(l))));
            all.extend(neon::Neon::detect().map(|l| Self(Kind::Neon(l))));
        }
        all.push(Self(Kind::Plain));
        all
    }

    /// For people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Sdot(_) => "NEON SDOT",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon(_) => "NEON",
            Kind::Plain => "plain",
        }
    }

    #[inline]
    pub(super) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the value is the proof that the processor has the instructions.
            Kind::Avx512(lanes) => unsafe { avx512::run(kernel, lanes) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2(lanes) => unsafe { avx2::run(kernel, lanes) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Kind::Sdot(lanes) => unsafe { neon::run(kernel, lanes) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Kind::Neon(lanes) => unsafe { neon::run(kernel, lanes) },
            Kind::Plain => kernel.run(Plain),
        }
    }
}
