//! Fixed point numbers as the chain stores them (`{ bits }`), and the saturating arithmetic the epoch is written in.
//!
//! Products and quotients are truncated towards zero and every operation saturates, so the same inputs give the same
//! bits everywhere. There is no floating point in the runtime.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::{Path, Type, TypeInfo, build::Fields};
use serde::{Deserialize, Serialize};

/// A fixed point type whose metadata is a struct with one field `bits`.
macro_rules! fixed {
	($(#[$doc:meta])* $name:ident($bits:ty), $fraction_bits:literal, $path:literal, $bits_name:literal) => {
		$(#[$doc])*
		#[derive(
			Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Deserialize, Encode, Eq, MaxEncodedLen, Ord, PartialEq,
			PartialOrd, Serialize,
		)]
		pub struct $name {
			/// The number times two to the power of the fraction's bits.
			pub bits: $bits,
		}

		impl $name {
			/// Bits after the point.
			pub const FRACTION_BITS: u32 = $fraction_bits;
			/// Nothing.
			pub const ZERO: Self = Self { bits: 0 };
			/// One.
			pub const ONE: Self = Self { bits: 1 << $fraction_bits };

			/// The number with these bits.
			pub const fn from_bits(bits: $bits) -> Self {
				Self { bits }
			}
		}

		impl TypeInfo for $name {
			type Identity = Self;

			fn type_info() -> Type {
				Type::builder()
					.path(Path::new($path, "substrate_fixed"))
					.composite(Fields::named().field(|field| field.ty::<$bits>().name("bits").type_name($bits_name)))
			}
		}
	};
}

fixed!(
    /// Unsigned, 64 bits before and after the point.
    U64F64(u128), 64, "FixedU128", "u128"
);
fixed!(
    /// Unsigned, 96 bits before the point and 32 after.
    U96F32(u128), 32, "FixedU128", "u128"
);
fixed!(
    /// Signed, 96 bits before the point and 32 after.
    I96F32(i128), 32, "FixedI128", "i128"
);
fixed!(
    /// Signed, 32 bits before and after the point: the epoch's number.
    I32F32(i64), 32, "FixedI64", "i64"
);

fixed!(
    /// Signed, 64 bits before and after the point.
    I64F64(i128), 64, "FixedI128", "i128"
);

/// Largest exponent of [`I32F32::exp`].
const EXPONENT_MAX: i64 = 20;
/// The logarithm of two and one, with 60 bits after the point.
const LN_2: i128 = 799_144_290_325_165_978;
const ONE_IN_60_BITS: i128 = 1 << 60;

impl U64F64 {
    /// Product with a whole number, rounded down, stopping at the largest.
    pub fn saturating_mul_int(self, whole: u64) -> u64 {
        let product = sp_core::U256::from(self.bits) * sp_core::U256::from(whole);
        u64::try_from(product >> Self::FRACTION_BITS).unwrap_or(u64::MAX)
    }

    /// A whole number by this, rounded down, stopping at the largest; zero when this is zero.
    pub fn saturating_div_int(self, whole: u64) -> u64 {
        let dividend = sp_core::U256::from(whole) << Self::FRACTION_BITS;
        let quotient = dividend.checked_div(sp_core::U256::from(self.bits)).unwrap_or_default();
        u64::try_from(quotient).unwrap_or(u64::MAX)
    }
}

impl I32F32 {
    /// A whole number, saturated.
    pub fn from_int(whole: i64) -> Self {
        Self::saturate(i128::from(whole) << Self::FRACTION_BITS)
    }

    /// `numerator / denominator`, truncated; zero when the denominator is.
    pub fn from_ratio(numerator: u128, denominator: u128) -> Self {
        if denominator == 0 {
            return Self::ZERO;
        }
        let bits = (sp_core::U256::from(numerator) << Self::FRACTION_BITS) / sp_core::U256::from(denominator);
        Self::saturate(i128::try_from(bits).unwrap_or(i128::MAX))
    }

    /// A share of 65535.
    pub fn from_u16_proportion(share: u16) -> Self {
        Self::from_ratio(share.into(), u16::MAX.into())
    }

    /// Share of 65535, truncated, clamped to 0..=65535.
    pub fn to_u16_proportion(self) -> u16 {
        let scaled = (i128::from(self.bits) * i128::from(u16::MAX)) >> Self::FRACTION_BITS;
        u16::try_from(scaled.clamp(0, u16::MAX.into())).unwrap_or(u16::MAX)
    }

    /// The nearest whole number, a half away from zero, clamped to 0..=65535.
    pub fn rounded_to_u16(self) -> u16 {
        let rounded = (i128::from(self.bits) + (1 << (Self::FRACTION_BITS - 1))) >> Self::FRACTION_BITS;
        u16::try_from(rounded.clamp(0, u16::MAX.into())).unwrap_or(u16::MAX)
    }

    /// This share of a whole amount, truncated; zero when negative.
    pub fn of(self, amount: u64) -> u64 {
        let product = (i128::from(self.bits.max(0)) * i128::from(amount)) >> Self::FRACTION_BITS;
        u64::try_from(product).unwrap_or(u64::MAX)
    }

    /// Sum.
    pub const fn add(self, other: Self) -> Self {
        Self { bits: self.bits.saturating_add(other.bits) }
    }

    /// Difference.
    pub const fn sub(self, other: Self) -> Self {
        Self { bits: self.bits.saturating_sub(other.bits) }
    }

    /// Product.
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that this saturates")]
    pub fn mul(self, other: Self) -> Self {
        Self::saturate((i128::from(self.bits) * i128::from(other.bits)) >> Self::FRACTION_BITS)
    }

    /// Quotient; zero when the divisor is.
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that this saturates")]
    pub fn div(self, other: Self) -> Self {
        if other.bits == 0 {
            return Self::ZERO;
        }
        Self::saturate((i128::from(self.bits) << Self::FRACTION_BITS) / i128::from(other.bits))
    }

    /// The number between two others, or the nearer of them.
    pub fn clamp(self, low: Self, high: Self) -> Self {
        Self { bits: self.bits.clamp(low.bits, high.bits) }
    }

    /// The exponential function, of no more than 20 either way; exact to the last bits, though these may differ from those of
    /// the real chain's series.
    pub fn exp(self) -> Self {
        let limit = Self::from_int(EXPONENT_MAX);
        let exponent =
            i128::from(self.clamp(Self::ZERO.sub(limit), limit).bits) << (60 - Self::FRACTION_BITS);
        // e^x = 2^n e^r with r below the logarithm of two.
        let (doublings, rest) = (exponent.div_euclid(LN_2), exponent.rem_euclid(LN_2));
        let (mut sum, mut term) = (ONE_IN_60_BITS, ONE_IN_60_BITS);
        for n in 1.. {
            term = ((term * rest) >> 60) / n;
            if term == 0 {
                break;
            }
            sum += term;
        }
        let scaled = if doublings >= 0 { sum << doublings } else { sum >> -doublings };
        Self::saturate(scaled >> (60 - Self::FRACTION_BITS))
    }

    /// Sum of many.
    pub fn sum(numbers: impl IntoIterator<Item = Self>) -> Self {
        numbers.into_iter().fold(Self::ZERO, Self::add)
    }

    fn saturate(bits: i128) -> Self {
        Self { bits: i64::try_from(bits).unwrap_or(if bits < 0 { i64::MIN } else { i64::MAX }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_and_proportions_truncate() {
        let third = I32F32::from_ratio(1, 3);
        assert_eq!(third.bits, (1 << 32) / 3);
        assert_eq!(third.to_u16_proportion(), 21844);
        assert_eq!(I32F32::ONE.to_u16_proportion(), u16::MAX);
        assert_eq!(third.of(3_000_000_000), 999_999_999);
    }

    #[test]
    fn the_exponential_function_is_exact_to_the_last_bits() {
        assert_eq!(I32F32::ZERO.exp(), I32F32::ONE);
        for (exponent, expected) in [(1, 11_674_931_554), (-1, 1_580_030_168), (5, 637_429_664_641), (-20, 8)]
        {
            assert!(I32F32::from_int(exponent).exp().bits.abs_diff(expected) <= 1, "e^{exponent}");
        }
        assert_eq!(I32F32::from_int(90).exp(), I32F32::from_int(20).exp());
        assert_eq!(I32F32::from_int(-90).exp(), I32F32::from_int(-20).exp());
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        let huge = I32F32::from_int(i64::MAX);
        assert_eq!(huge.add(huge).bits, i64::MAX);
        assert_eq!(huge.mul(huge).bits, i64::MAX);
        assert_eq!(I32F32::ONE.div(I32F32::ZERO), I32F32::ZERO);
        assert_eq!(U64F64::from_bits(u128::MAX).saturating_mul_int(u64::MAX), u64::MAX);
    }
}
