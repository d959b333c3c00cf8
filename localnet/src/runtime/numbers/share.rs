//! `SafeFloat`: how the chain stores shares of a stake pool, `mantissa * 10^exponent`.
//!
//! A non-zero number is normalised so that its mantissa has 21 to 22 digits, enough that one rao more or less in a pool
//! always changes its shares.

use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::U256;

/// Largest mantissa of a normalised number.
const MANTISSA_MAX: u128 = 1_000_000_000_000_000_000_000;
/// Digits beyond which a shift leaves nothing.
const SHIFT_DIGITS_MAX: usize = 76;

/// A non-negative decimal floating point number with integer parts.
#[derive(
    Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct SafeFloat {
    mantissa: u128,
    exponent: i64,
}

impl SafeFloat {
    /// Nothing.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };

    /// A whole number.
    pub fn from_int(whole: u64) -> Self {
        Self::normalised(U256::from(whole), 0)
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Sum.
    #[expect(clippy::should_implement_trait, reason = "an operator would hide that this rounds")]
    pub fn add(self, other: Self) -> Self {
        let exponent = self.common_exponent(other);
        Self::normalised(self.at(exponent) + other.at(exponent), exponent)
    }

    /// Difference, stopping at zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        let exponent = self.common_exponent(other);
        Self::normalised(self.at(exponent).saturating_sub(other.at(exponent)), exponent)
    }

    /// `self * factor / divisor`; zero when the divisor is.
    pub fn mul_div(self, factor: u64, divisor: u64) -> Self {
        if divisor == 0 {
            return Self::ZERO;
        }
        // Scaled up first, so that a small quotient keeps its digits.
        let scale = U256::exp10(20);
        let product = U256::from(self.mantissa) * U256::from(factor) * scale;
        Self::normalised(product / U256::from(divisor), self.exponent - 20)
    }

    /// `amount * self / whole`, rounded down; zero when `whole` is.
    pub fn share_of(self, whole: Self, amount: u64) -> u64 {
        if whole.is_zero() || self.is_zero() {
            return 0;
        }
        let exponent = self.common_exponent(whole);
        let part = self.at(exponent) * U256::from(amount) / whole.at(exponent);
        u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// The smaller exponent of two numbers, but not so small that the larger number would not fit beside it.
    fn common_exponent(self, other: Self) -> i64 {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => 0,
            (true, false) => other.exponent,
            (false, true) => self.exponent,
            (false, false) => self.exponent.min(other.exponent).max(self.exponent.max(other.exponent) - 30),
        }
    }

    /// The mantissa this number has with another exponent.
    fn at(self, exponent: i64) -> U256 {
        shifted(U256::from(self.mantissa), self.exponent - exponent)
    }

    fn normalised(mut mantissa: U256, mut exponent: i64) -> Self {
        if mantissa.is_zero() {
            return Self::ZERO;
        }
        let (ten, max) = (U256::from(10), U256::from(MANTISSA_MAX));
        while mantissa > max {
            mantissa /= ten;
            exponent += 1;
        }
        while mantissa <= max / ten {
            mantissa *= ten;
            exponent -= 1;
        }
        Self { mantissa: mantissa.as_u128(), exponent }
    }
}

fn shifted(mantissa: U256, by: i64) -> U256 {
    match usize::try_from(by.unsigned_abs()) {
        Ok(digits) if digits <= SHIFT_DIGITS_MAX && by >= 0 => mantissa.saturating_mul(U256::exp10(digits)),
        Ok(digits) if digits <= SHIFT_DIGITS_MAX => mantissa / U256::exp10(digits),
        _ => U256::zero(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_a_pool_is_exact_to_the_rao() {
        let (mine, yours) = (SafeFloat::from_int(1), SafeFloat::from_int(2_999_999_999_999));
        let all = mine.add(yours);
        assert_eq!(mine.share_of(all, 3_000_000_000_000), 1);
        assert_eq!(yours.share_of(all, 3_000_000_000_000), 2_999_999_999_999);
        assert_eq!(all.saturating_sub(yours).share_of(all, 3_000_000_000_000), 1);
    }

    #[test]
    fn shares_scale_with_the_amount_added() {
        let all = SafeFloat::from_int(1_000);
        assert_eq!(all.mul_div(500, 1_000), SafeFloat::from_int(500));
        assert_eq!(all.mul_div(1, 0), SafeFloat::ZERO);
        assert_eq!(SafeFloat::ZERO.share_of(all, 7), 0);
    }
}
