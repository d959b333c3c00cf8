//! SHA-256, the one hash of this protocol.

use std::fmt;
use std::str::FromStr;

use parity_scale_codec::{Decode, Encode};
use sha2::{Digest as _, Sha256};

pub use crate::text::HexError;
use crate::text::{parse_hex, serde_as_text, write_hex};

/// A SHA-256 value. Text and JSON form: `0x` and 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// All zero: stands where there is nothing to hash, such as before the first link of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Hashes `bytes` after a prefix that says what they are, so that values of two kinds never share a
    /// digest.
    pub(crate) fn of_prefixed(prefix: &[u8], bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(prefix);
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Hashes a value that arrives in pieces.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything appended.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Digest {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

serde_as_text!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_sha_256() {
        let abc = "0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        let mut hasher = Hasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), abc.parse().unwrap());
    }

    #[test]
    fn text_form_is_strict_and_round_trips() {
        let digest = Digest::of(b"x");
        assert_eq!(serde_json::from_str::<Digest>(&serde_json::to_string(&digest).unwrap()).unwrap(), digest);
        let text = digest.to_string();
        assert_eq!(text.replace("0x", "").parse::<Digest>(), Err(HexError::Prefix));
        assert_eq!(format!("{text}0").parse::<Digest>(), Err(HexError::Length { expected: 64 }));
        assert_eq!(format!("0xg{}", &text[3..]).parse::<Digest>(), Err(HexError::Digit));
        assert_eq!(format!("0x {}", &text[3..]).parse::<Digest>(), Err(HexError::Digit));
    }
}
