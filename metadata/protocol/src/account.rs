//! A hotkey or coldkey: 32 bytes of public key, shown to people as an SS58 address.

use std::fmt;
use std::str::FromStr;

use blake2::{Blake2b512, Digest as _};
use parity_scale_codec::{Decode, Encode};

use crate::text::serde_as_text;

/// The SS58 network prefix that Bittensor shares with plain Substrate.
pub const SS58_PREFIX: u8 = 42;

/// With prefix 42 every 32-byte key has an address of exactly this many characters.
pub const SS58_CHARS: usize = 48;

const DECODED_BYTES: usize = 35;

/// A public key that names an account on the chain. Text and JSON form: SS58 with prefix 42.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct AccountId(pub [u8; 32]);

/// Why a text is not the SS58 address of an account on this chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ss58Error {
    /// Not 48 characters. Checked first, because base58 takes quadratic time.
    #[error("an address has exactly {SS58_CHARS} characters")]
    Length,
    /// A character outside base58's alphabet, or too large a value.
    #[error("the address is not base58")]
    Alphabet,
    /// An address of another network.
    #[error("the address has network prefix {found}, expected {SS58_PREFIX}")]
    Prefix {
        /// The prefix byte found.
        found: u8,
    },
    /// A typing error, most likely.
    #[error("the address's checksum does not match")]
    Checksum,
}

impl AccountId {
    /// The SS58 address, 48 characters.
    pub fn to_ss58(&self) -> String {
        let mut bytes = Vec::with_capacity(DECODED_BYTES);
        bytes.push(SS58_PREFIX);
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(&checksum(&self.0));
        bs58::encode(bytes).into_string()
    }

    /// Reads an SS58 address with prefix 42.
    pub fn from_ss58(address: &str) -> Result<Self, Ss58Error> {
        if address.len() != SS58_CHARS {
            return Err(Ss58Error::Length);
        }
        let mut bytes = [0; DECODED_BYTES];
        let length = bs58::decode(address).onto(&mut bytes).map_err(|_| Ss58Error::Alphabet)?;
        let [prefix, rest @ ..] = bytes;
        let (Some(key), Some(sum)) = (rest.first_chunk::<32>(), rest.last_chunk::<2>()) else {
            return Err(Ss58Error::Length);
        };
        if length != DECODED_BYTES {
            return Err(Ss58Error::Length);
        }
        if prefix != SS58_PREFIX {
            return Err(Ss58Error::Prefix { found: prefix });
        }
        if *sum != checksum(key) {
            return Err(Ss58Error::Checksum);
        }
        Ok(Self(*key))
    }
}

fn checksum(key: &[u8; 32]) -> [u8; 2] {
    let hash: [u8; 64] = Blake2b512::new()
        .chain_update(b"SS58PRE")
        .chain_update([SS58_PREFIX])
        .chain_update(key)
        .finalize()
        .into();
    let [first, second, ..] = hash;
    [first, second]
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_ss58())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_ss58())
    }
}

impl FromStr for AccountId {
    type Err = Ss58Error;
    fn from_str(address: &str) -> Result<Self, Self::Err> {
        Self::from_ss58(address)
    }
}

impl From<[u8; 32]> for AccountId {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for AccountId {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

serde_as_text!(AccountId);

#[cfg(test)]
mod tests;
