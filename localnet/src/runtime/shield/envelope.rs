//! What `submit_encrypted` carries, and how the author of a block opens it.
//!
//! `twox128(key)(16) ‖ u16 LE length(2) ‖ ML-KEM-768 ciphertext(1088) ‖ nonce(24) ‖ XChaCha20-Poly1305(transaction)`; the shared
//! secret is the cipher's key, nothing else is authenticated. Layout as `bittensor-core` 0.1.5 writes it.

use std::sync::LazyLock;

use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce, aead::Aead as _};
use libcrux_ml_kem::{
    KEY_GENERATION_SEED_SIZE,
    mlkem768::{self, MlKem768Ciphertext, MlKem768KeyPair},
};
use thiserror::Error;

use crate::runtime::{RuntimeCall, depth, shield};

const KEY_HASH_BYTES: usize = 16;
const KEM_BYTES: usize = 1088;
const NONCE_BYTES: usize = 24;
/// The dev chain's secret is no secret: the same for every chain, from this text.
const SEED: &[u8] = b"localnet: the key of the only author";

static KEYS: LazyLock<MlKem768KeyPair> = LazyLock::new(|| {
    let mut randomness = [0; KEY_GENERATION_SEED_SIZE];
    for (number, half) in (0u8..).zip(randomness.chunks_exact_mut(32)) {
        half.copy_from_slice(&sp_crypto_hashing::blake2_256(&[SEED, &[number]].concat()));
    }
    mlkem768::generate_key_pair(randomness)
});

/// Why an envelope is not one.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum EnvelopeError {
    /// Too short, or with another length of the encapsulated key.
    #[error("the ciphertext is not laid out as a shielded transaction: encrypt it to MevShield.NextKey")]
    Layout,
    /// Encrypted to a key this chain never had.
    #[error("the ciphertext is for another key: read MevShield.NextKey again")]
    Key,
    /// Changed on the way.
    #[error("the ciphertext does not open: it was not made for this key, or was changed")]
    Sealed,
}

/// An envelope whose layout and key are right. Whether it opens is found by opening it.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    kem: &'a [u8],
    nonce: &'a [u8],
    body: &'a [u8],
}

/// The key to encrypt to.
pub fn public_key() -> Vec<u8> {
    KEYS.pk().to_vec()
}

impl<'a> Envelope<'a> {
    /// Reads the parts of a ciphertext.
    pub fn parse(ciphertext: &'a [u8]) -> Result<Self, EnvelopeError> {
        let split = |bytes: &'a [u8], at| bytes.split_at_checked(at).ok_or(EnvelopeError::Layout);
        let (key_hash, rest) = split(ciphertext, KEY_HASH_BYTES)?;
        let (length, rest) = split(rest, size_of::<u16>())?;
        let (kem, rest) = split(rest, KEM_BYTES)?;
        let (nonce, body) = split(rest, NONCE_BYTES)?;
        if length != u16::try_from(KEM_BYTES).unwrap_or_default().to_le_bytes() {
            return Err(EnvelopeError::Layout);
        }
        if key_hash != sp_crypto_hashing::twox_128(&public_key()) {
            return Err(EnvelopeError::Key);
        }
        Ok(Self { kem, nonce, body })
    }

    /// The transaction inside, encoded.
    pub fn open(self) -> Result<Vec<u8>, EnvelopeError> {
        let kem = MlKem768Ciphertext::try_from(self.kem).map_err(|_| EnvelopeError::Layout)?;
        let secret = mlkem768::decapsulate(KEYS.private_key(), &kem);
        let cipher = XChaCha20Poly1305::new_from_slice(&secret).map_err(|_| EnvelopeError::Sealed)?;
        cipher.decrypt(XNonce::from_slice(self.nonce), self.body).map_err(|_| EnvelopeError::Sealed)
    }
}

/// The transaction inside a carrier; `None` for every other transaction, and for a carrier that does not open.
pub fn unwrap(extrinsic: &[u8]) -> Option<Vec<u8>> {
    let carrier = depth::decode_transaction(extrinsic).ok()?;
    match carrier.function {
        RuntimeCall::MevShield(shield::Call::submit_encrypted { ciphertext }) => {
            Envelope::parse(&ciphertext).ok()?.open().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
