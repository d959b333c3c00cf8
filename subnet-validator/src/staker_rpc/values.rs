//! How single values are written: amounts as decimal strings, keys as ss58, digests as hex, shares as decimal fractions.

use std::borrow::Cow;

use protocol::account::AccountId;
use protocol::digest::Digest;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// An amount: of rao of TAO or alpha, of thousandths of compute units, of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount(pub u128);

/// A hotkey or coldkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Account(AccountId);

/// 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Hash(Digest);

/// A fraction of one, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fraction(pub u64);

/// A number that is computed in floating point: an estimate, never paid by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Decimal(pub f64);

impl Fraction {
    /// `part` of `whole`; nothing of nothing is nothing.
    pub(super) fn of(part: impl Into<u128>, whole: impl Into<u128>) -> Self {
        let ppm = part.into().saturating_mul(1_000_000).checked_div(whole.into()).unwrap_or(0);
        Self(u64::try_from(ppm).unwrap_or(u64::MAX))
    }

    /// What the chain writes out of 65,535.
    pub(super) fn of_u16(share: u16) -> Self {
        Self::of(share, u16::MAX)
    }
}

impl Hash {
    pub(super) fn of(bytes: [u8; 32]) -> Self {
        Self(Digest(bytes))
    }
}

impl<T: Into<u128>> From<T> for Amount {
    fn from(amount: T) -> Self {
        Self(amount.into())
    }
}

impl From<AccountId> for Account {
    fn from(account: AccountId) -> Self {
        Self(account)
    }
}

impl From<Digest> for Hash {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000))
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.6}", self.0))
    }
}

/// A text with a pattern, under a name of its own.
macro_rules! text_schema {
    ($type:ty, $name:literal, $pattern:literal, $about:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $about })
            }
        }
    };
}

text_schema!(Amount, "Amount", "^[0-9]+$", "A whole number as decimal digits; it may be larger than 2^53.");
text_schema!(Account, "Account", "^[1-9A-HJ-NP-Za-km-z]{46,48}$", "A hotkey or coldkey in ss58, prefix 42.");
text_schema!(Hash, "Hash", "^0x[0-9a-f]{64}$", "32 bytes in hex.");
text_schema!(
    Fraction,
    "Fraction",
    "^[0-9]+\\.[0-9]{6}$",
    "A fraction of one with six decimals, rounded down."
);
text_schema!(Decimal, "Decimal", "^-?[0-9]+\\.[0-9]{6}$", "A number with six decimals.");

#[cfg(test)]
mod tests {
    use super::{Amount, Decimal, Fraction};
    use serde_json::json;

    #[test]
    fn numbers_are_written_without_losing_a_digit() {
        assert_eq!(json!(Amount::from(u64::MAX)), "18446744073709551615");
        assert_eq!(json!(Fraction::of_u16(u16::MAX)), "1.000000");
        assert_eq!(json!(Fraction::of_u16(11_796)), "0.179995");
        assert_eq!(json!(Fraction::of(7_u64, 0_u64)), "0.000000");
        assert_eq!(json!(Decimal(12.345_678_9)), "12.345679");
    }
}
