//! The text forms of fixed-size binary values: `0x` and hexadecimal digits, and serde through `Display` and
//! `FromStr`.

use std::fmt;

/// Why a text is not the `0x`-hex form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// The text does not begin with `0x`.
    #[error("the value does not begin with 0x")]
    Prefix,
    /// The number of digits is wrong.
    #[error("expected {expected} hexadecimal digits after 0x")]
    Length {
        /// How many digits the value has.
        expected: usize,
    },
    /// A character is no hexadecimal digit.
    #[error("a character is not a hexadecimal digit")]
    Digit,
}

/// Reads exactly `N` bytes; the length is checked before any digit is looked at.
pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let digits = text.strip_prefix("0x").ok_or(HexError::Prefix)?;
    let expected = N.saturating_mul(2);
    if digits.len() != expected {
        return Err(HexError::Length { expected });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| HexError::Digit)?;
    Ok(bytes)
}

/// Writes `0x` and lower-case digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}

/// Serde as a string, through `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;
