//! Output fingerprints: what the last hidden states of an answer were, in few bytes (TOPLOC, arXiv 2501.16007).
//!
//! While it generates, the miner's runtime looks at the normed hidden state that each token is drawn from, rounded to bfloat16. Of the
//! first state, which depends on the whole prompt, and then of every [`CHUNK_ROWS`] states together, it keeps the [`TOP_VALUES`] values
//! of greatest magnitude with their places. A polynomial through them, modulo the prime 65,497, is the chunk's [`Proof`]: the bytes are
//! those of the package `toploc` 0.1.6 for `build_proofs_bytes(states, decode_batching_size=32, topk=128)`. The receipt names the digest
//! of all proofs and of the tokens ([`Fingerprint::digest`]).
//!
//! Whoever has the model reads prompt and answer in one pass and [compares](Proof::compare) their own greatest values with the
//! polynomial at the same places: the same model gives the same exponents and nearly the same mantissas; another model, another prompt or
//! other weights give noise. [`Thresholds`] say where noise begins; everything here is in integers, so two auditors with the same states
//! come to the same verdict.
//!
//! The first proof covers the prompt's last position only, where the paper takes all of the prompt: prompts that begin alike share what
//! was computed for their beginning, so the states before the last position need not exist. The last one depends on them all.

use parity_scale_codec::{Compact, Decode, DecodeAll, Encode, Error, Input};

use crate::bounded::decode_list;
use crate::digest::Digest;

mod compare;
mod polynomial;
mod top;

pub use compare::{Comparison, Measure, Thresholds, Verdict};
pub use top::{Chunk, FingerprintBuilder, bfloat16_bits};

/// Hidden states under one proof, after the first.
pub const CHUNK_ROWS: u32 = 32;

/// Values under one proof, or all there are if that is less.
pub const TOP_VALUES: usize = 128;

/// Tokens that a fingerprint may be of.
pub const TOKENS_MAX: usize = 131_072;

/// Proofs that a fingerprint may have: one for the first token, and one for each further chunk.
pub const PROOFS_MAX: usize = TOKENS_MAX / CHUNK_ROWS as usize + 1;

/// More than the largest fingerprint has, in bytes.
pub const BYTES_MAX: usize = 2 + 5 * TOKENS_MAX + (2 * TOP_VALUES + 8) * PROOFS_MAX;

/// The first byte of a fingerprint's encoding.
const VERSION: u8 = 1;

/// A polynomial through the greatest values of one chunk, and the modulus that kept their places apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    modulus: u16,
    /// Ascending powers, each below 65,497; one for each value.
    coefficients: Vec<u16>,
}

/// An answer's tokens with a proof for each chunk of their hidden states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint {
    tokens: Vec<u32>,
    proofs: Vec<Proof>,
}

/// Bytes that are no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Longer than any fingerprint.
    #[error("a fingerprint has at most {BYTES_MAX} bytes, not {found}")]
    TooLong {
        /// How many were found.
        found: usize,
    },
    /// Not one whole fingerprint.
    #[error("the fingerprint does not decode")]
    Decode,
    /// The number of proofs is not that which the tokens ask for.
    #[error("{tokens} tokens have {expected} proofs, not {found}")]
    Proofs {
        /// Tokens of the fingerprint.
        tokens: usize,
        /// Proofs that they need.
        expected: usize,
        /// Proofs found.
        found: usize,
    },
}

impl Proof {
    /// `toploc`'s bytes: the modulus and the coefficients, each in two bytes, big endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.modulus].iter().chain(&self.coefficients).flat_map(|number| number.to_be_bytes()).collect()
    }

    /// Reads `toploc`'s bytes. `None` unless there is a modulus that is not zero, and 1 to [`TOP_VALUES`] coefficients.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let mut numbers = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
        let modulus = numbers.next().filter(|modulus| *modulus > 0)?;
        let coefficients: Vec<u16> = numbers.collect();
        let whole = rest.is_empty() && (1..=TOP_VALUES).contains(&coefficients.len());
        let reduced = coefficients.iter().all(|value| u32::from(*value) < polynomial::PRIME);
        (whole && reduced && u32::from(modulus) <= polynomial::PRIME)
            .then_some(Self { modulus, coefficients })
    }
}

impl Fingerprint {
    /// The fingerprint of these tokens. The proofs are in order: the first token's, then one for each chunk.
    pub fn new(tokens: Vec<u32>, proofs: Vec<Proof>) -> Result<Self, FingerprintError> {
        let expected = proofs_of(tokens.len());
        if proofs.len() != expected || tokens.len() > TOKENS_MAX {
            return Err(FingerprintError::Proofs { tokens: tokens.len(), expected, found: proofs.len() });
        }
        Ok(Self { tokens, proofs })
    }

    /// The answer's tokens, that which ended it included.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// One for the first token, then one for each [`CHUNK_ROWS`] tokens begun.
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// What the receipt names: SHA-256 of the encoding.
    pub fn digest(&self) -> Digest {
        Digest::of_prefixed(b"SN_FINGERPRINT_V1\0", &self.encode())
    }

    /// Reads one whole fingerprint; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FingerprintError> {
        if bytes.len() > BYTES_MAX {
            return Err(FingerprintError::TooLong { found: bytes.len() });
        }
        let Self { tokens, proofs } = Self::decode_all(&mut &*bytes).map_err(|_| FingerprintError::Decode)?;
        Self::new(tokens, proofs)
    }
}

/// Proofs that so many tokens have.
fn proofs_of(tokens: usize) -> usize {
    match tokens.checked_sub(1) {
        None => 0,
        Some(rest) => rest.div_ceil(CHUNK_ROWS as usize).saturating_add(1),
    }
}

impl Encode for Proof {
    fn encode_to<T: parity_scale_codec::Output + ?Sized>(&self, dest: &mut T) {
        self.to_bytes().encode_to(dest);
    }
}

impl Decode for Proof {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let bytes: Vec<u8> = decode_list(input, 2 * TOP_VALUES + 2)?;
        Self::from_bytes(&bytes).ok_or_else(|| "not a proof".into())
    }
}

impl Encode for Fingerprint {
    fn encode_to<T: parity_scale_codec::Output + ?Sized>(&self, dest: &mut T) {
        dest.push_byte(VERSION);
        let tokens: Vec<Compact<u32>> = self.tokens.iter().copied().map(Compact).collect();
        tokens.encode_to(dest);
        self.proofs.encode_to(dest);
    }
}

impl Decode for Fingerprint {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        if input.read_byte()? != VERSION {
            return Err("unknown version of a fingerprint".into());
        }
        let tokens: Vec<Compact<u32>> = decode_list(input, TOKENS_MAX)?;
        let tokens = tokens.into_iter().map(|Compact(token)| token).collect();
        Ok(Self { tokens, proofs: decode_list(input, PROOFS_MAX)? })
    }
}

#[cfg(test)]
mod tests;
