//! `NetUid`, `MechId`, `TaoBalance`, `AlphaBalance`: transparent in SCALE, named in the metadata.
//!
//! `TaoBalance` is the balance type of the Balances pallet, so it carries the whole arithmetic FRAME asks of one.

use core::{
    fmt,
    ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Rem, RemAssign, Shl, Shr, Sub, SubAssign},
};

use num_traits::{
    Bounded, CheckedAdd, CheckedDiv, CheckedMul, CheckedNeg, CheckedRem, CheckedShl, CheckedShr, CheckedSub,
    Num, One, Saturating, Unsigned, Zero,
};
use parity_scale_codec::{Compact, CompactAs, Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_arithmetic::{MultiplyRational, Rounding, traits::IntegerSquareRoot};

/// A newtype over an unsigned integer: SCALE, compact SCALE, conversions.
macro_rules! newtype {
	($(#[$doc:meta])* $name:ident($inner:ty)) => {
		$(#[$doc])*
		#[derive(
			Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Deserialize, Encode, Eq, Hash, MaxEncodedLen, Ord,
			PartialEq, PartialOrd, Serialize, TypeInfo,
		)]
		#[serde(transparent)]
		pub struct $name($inner);

		impl $name {
			/// The newtype around a plain number.
			pub const fn new(value: $inner) -> Self {
				Self(value)
			}

			/// The plain number.
			pub const fn get(self) -> $inner {
				self.0
			}
		}

		impl fmt::Display for $name {
			fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
				self.0.fmt(f)
			}
		}

		impl From<$inner> for $name {
			fn from(value: $inner) -> Self {
				Self(value)
			}
		}

		impl From<$name> for $inner {
			fn from(value: $name) -> Self {
				value.0
			}
		}
	};
}

/// Compact SCALE of a newtype is compact SCALE of its number.
macro_rules! compact {
    ($name:ident($inner:ty)) => {
        impl CompactAs for $name {
            type As = $inner;

            fn encode_as(&self) -> &Self::As {
                &self.0
            }

            fn decode_from(value: Self::As) -> Result<Self, parity_scale_codec::Error> {
                Ok(Self(value))
            }
        }

        impl From<Compact<$name>> for $name {
            fn from(compact: Compact<$name>) -> Self {
                compact.0
            }
        }
    };
}

newtype!(
    /// Number of a subnet.
    NetUid(u16)
);
compact!(NetUid(u16));

newtype!(
    /// Number of a mechanism inside a subnet.
    MechId(u8)
);
compact!(MechId(u8));

newtype!(
    /// Key of the rows that exist once per mechanism: `mechanism * 4096 + netuid`.
    NetUidStorageIndex(u16)
);
compact!(NetUidStorageIndex(u16));

newtype!(
    /// An amount of TAO in rao (10^-9 TAO).
    TaoBalance(u64)
);
compact!(TaoBalance(u64));

newtype!(
    /// An amount of a subnet's own token in its smallest unit (10^-9 alpha).
    AlphaBalance(u64)
);
compact!(AlphaBalance(u64));

/// Subnets that fit beside one mechanism number in a storage index.
const SUBNETS_MAX: u16 = 4096;

impl NetUid {
    /// The root network.
    pub const ROOT: Self = Self(0);

    /// Whether this is the root network.
    pub const fn is_root(self) -> bool {
        self.0 == 0
    }

    /// Key of this subnet's rows for one mechanism.
    pub const fn index(self, mechanism: MechId) -> NetUidStorageIndex {
        NetUidStorageIndex(self.0.saturating_add((mechanism.0 as u16).saturating_mul(SUBNETS_MAX)))
    }
}

impl MechId {
    /// The mechanism that every subnet has.
    pub const MAIN: Self = Self(0);
}

impl AlphaBalance {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, stopping at the largest amount.
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference, stopping at zero.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl TaoBalance {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whether this is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// A binary operator and its assigning form, by the same operator on the number inside.
macro_rules! operator {
    ($op:ident $method:ident, $assign:ident $assign_method:ident) => {
        impl $op for TaoBalance {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                Self($op::$method(self.0, other.0))
            }
        }

        impl $assign for TaoBalance {
            fn $assign_method(&mut self, other: Self) {
                $assign::$assign_method(&mut self.0, other.0);
            }
        }
    };
}

operator!(Add add, AddAssign add_assign);
operator!(Sub sub, SubAssign sub_assign);
operator!(Mul mul, MulAssign mul_assign);
operator!(Div div, DivAssign div_assign);
operator!(Rem rem, RemAssign rem_assign);

/// A checked binary operator, by the same operator on the number inside.
macro_rules! checked {
	($($op:ident $method:ident),*) => {$(
		impl $op for TaoBalance {
			fn $method(&self, other: &Self) -> Option<Self> {
				self.0.$method(other.0).map(Self)
			}
		}
	)*};
}

checked!(CheckedAdd checked_add, CheckedSub checked_sub, CheckedMul checked_mul, CheckedDiv checked_div, CheckedRem checked_rem);

impl CheckedNeg for TaoBalance {
    fn checked_neg(&self) -> Option<Self> {
        self.0.checked_neg().map(Self)
    }
}

impl Shl<u32> for TaoBalance {
    type Output = Self;

    fn shl(self, bits: u32) -> Self {
        Self(self.0 << bits)
    }
}

impl Shr<u32> for TaoBalance {
    type Output = Self;

    fn shr(self, bits: u32) -> Self {
        Self(self.0 >> bits)
    }
}

impl CheckedShl for TaoBalance {
    fn checked_shl(&self, bits: u32) -> Option<Self> {
        self.0.checked_shl(bits).map(Self)
    }
}

impl CheckedShr for TaoBalance {
    fn checked_shr(&self, bits: u32) -> Option<Self> {
        self.0.checked_shr(bits).map(Self)
    }
}

impl Saturating for TaoBalance {
    fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Zero for TaoBalance {
    fn zero() -> Self {
        Self::ZERO
    }

    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl One for TaoBalance {
    fn one() -> Self {
        Self(1)
    }
}

impl Num for TaoBalance {
    type FromStrRadixErr = core::num::ParseIntError;

    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        u64::from_str_radix(text, radix).map(Self)
    }
}

impl Unsigned for TaoBalance {}

impl Bounded for TaoBalance {
    fn min_value() -> Self {
        Self(u64::MIN)
    }

    fn max_value() -> Self {
        Self(u64::MAX)
    }
}

impl IntegerSquareRoot for TaoBalance {
    fn integer_sqrt_checked(&self) -> Option<Self> {
        Some(Self(self.0.isqrt()))
    }
}

impl MultiplyRational for TaoBalance {
    fn multiply_rational(self, numerator: Self, denominator: Self, rounding: Rounding) -> Option<Self> {
        self.0.multiply_rational(numerator.0, denominator.0, rounding).map(Self)
    }
}

/// Conversions that never fail.
macro_rules! widen {
	($($narrow:ty),*) => {$(
		impl From<$narrow> for TaoBalance {
			fn from(value: $narrow) -> Self {
				Self(value.into())
			}
		}
	)*};
}

widen!(u8, u16, u32);

impl From<TaoBalance> for u128 {
    fn from(value: TaoBalance) -> Self {
        value.0.into()
    }
}

/// Conversions that fail when the number does not fit.
macro_rules! narrow {
	($($other:ty),*) => {$(
		impl TryFrom<TaoBalance> for $other {
			type Error = core::num::TryFromIntError;

			fn try_from(value: TaoBalance) -> Result<Self, Self::Error> {
				value.0.try_into()
			}
		}
	)*};
}

narrow!(u8, u16, u32, usize);

impl TryFrom<u128> for TaoBalance {
    type Error = core::num::TryFromIntError;

    fn try_from(value: u128) -> Result<Self, Self::Error> {
        value.try_into().map(Self)
    }
}

impl TryFrom<usize> for TaoBalance {
    type Error = core::num::TryFromIntError;

    fn try_from(value: usize) -> Result<Self, Self::Error> {
        value.try_into().map(Self)
    }
}
