//! Signed messages as one HTTP header value or one SSE data line: `0x` and the hexadecimal digits of their
//! SCALE bytes.

use parity_scale_codec::{DecodeAll, Encode};

/// Why a header value does not hold the message expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Longer than any valid message; nothing was decoded.
    #[error("the value has {found} characters, at most {max} are allowed")]
    TooLong {
        /// How many were found.
        found: usize,
        /// The limit.
        max: usize,
    },
    /// Not `0x` and an even number of hexadecimal digits.
    #[error("the value is not 0x and hexadecimal digits")]
    Hex,
    /// The bytes are not one whole message.
    #[error("the value does not decode")]
    Scale(#[source] parity_scale_codec::Error),
}

pub(crate) fn to_text<T: Encode>(message: &T) -> String {
    format!("0x{}", hex::encode(message.encode()))
}

/// Decodes one whole message of at most `bytes_max` SCALE bytes; trailing bytes are refused.
pub(crate) fn from_text<T: DecodeAll>(text: &str, bytes_max: usize) -> Result<T, HeaderError> {
    let max = bytes_max.saturating_mul(2).saturating_add(2);
    if text.len() > max {
        return Err(HeaderError::TooLong { found: text.len(), max });
    }
    let digits = text.strip_prefix("0x").ok_or(HeaderError::Hex)?;
    let bytes = hex::decode(digits).map_err(|_| HeaderError::Hex)?;
    T::decode_all(&mut bytes.as_slice()).map_err(HeaderError::Scale)
}
