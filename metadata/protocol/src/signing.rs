//! sr25519 keys and signatures. Every signature names its [`Domain`]; signing bare bytes is impossible.
//!
//! Signing is deterministic. A Schnorr signature needs a nonce that is secret and never used for two
//! messages, not one that is random. RFC 8032 (Ed25519) derives it by hashing a secret half of the key with
//! the message; schnorrkel does the same with a merlin transcript (context, message and public key) keyed
//! with the secret key's nonce half, and additionally mixes in 32 bytes of randomness. We pass zeroes there
//! (`fixed_rng`), which leaves exactly the RFC 8032 construction: equal input gives an equal signature, and
//! another message, context or key another nonce. So nodes need no entropy to sign, and vectors can be
//! committed. Verification is ordinary sr25519 and cannot tell the difference. (What derandomised nonces must
//! not be used for is multi-party signing; this crate has none.)

use std::fmt;
use std::str::FromStr;

use blake2::digest::consts::U32;
use blake2::{Blake2b, Digest as _};
use parity_scale_codec::{Decode, Encode};
use schnorrkel::context::attach_rng;
use schnorrkel::derive::ChainCode;
use schnorrkel::{ExpansionMode, MiniSecretKey, PublicKey, SecretKey, signing_context};
use zeroize::{Zeroize, Zeroizing};

use crate::account::AccountId;
use crate::text::{HexError, parse_hex, serde_as_text, write_hex};

mod batch;
mod domain;
mod fixed_rng;

pub use batch::verify_batch;
pub use domain::Domain;
use fixed_rng::FixedRng;

/// The sr25519 context that Substrate and Bittensor use for every signature.
const CONTEXT: &[u8] = b"substrate";

/// The mini secret key behind Substrate's well-known development phrase.
const DEV_SEED: [u8; 32] = [
    0xfa, 0xc7, 0x95, 0x9d, 0xbf, 0xe7, 0x2f, 0x05, 0x2e, 0x5a, 0x0c, 0x3c, 0x8d, 0x65, 0x30, 0xf2, 0x02,
    0xb0, 0x2f, 0xd8, 0xf9, 0xf5, 0xca, 0x35, 0x80, 0xec, 0x8d, 0xeb, 0x77, 0x97, 0x47, 0x9e,
];

/// 64 bytes of sr25519 signature, unchecked. Text and JSON form: `0x` and 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

/// An sr25519 key pair. The secret is wiped when dropped, and `Debug` shows the public key only.
#[derive(Clone)]
pub struct Keypair(schnorrkel::Keypair);

/// Why some bytes or a URI give no key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The 64 bytes are not an expanded secret key that this scheme can use.
    #[error("the bytes are not an sr25519 secret key in its expanded (ed25519-compatible) form")]
    Secret,
    /// Not `//name`, or `//name//name` and so on.
    #[error("a development key is written //Name, or //Name//name")]
    DevUri,
}

/// The signature is not this account's signature over these bytes in this domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

impl Keypair {
    /// Expands a 32-byte seed as Substrate does.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mini = MiniSecretKey::from_bytes(seed).expect("a mini secret key is any 32 bytes");
        Self(mini.expand_to_keypair(ExpansionMode::Ed25519))
    }

    /// Reads the 64-byte form that polkadot and bittensor key files call `privateKey`.
    pub fn from_secret(bytes: &[u8; 64]) -> Result<Self, KeyError> {
        let secret = SecretKey::from_ed25519_bytes(bytes).map_err(|_| KeyError::Secret)?;
        // Reading drops the scalar's three low bits. Had they been set, we would sign with a key that was not
        // given.
        let mut again = Zeroizing::new(secret.to_ed25519_bytes());
        let same = *again == *bytes;
        again.zeroize();
        let keypair = schnorrkel::Keypair::from(secret);
        if !same || is_identity(&keypair.public) {
            return Err(KeyError::Secret);
        }
        Ok(Self(keypair))
    }

    /// A well-known development key, such as `//Alice` or `//Alice//stash`. Everybody has its secret.
    pub fn from_dev_uri(uri: &str) -> Result<Self, KeyError> {
        let path = uri.strip_prefix("//").ok_or(KeyError::DevUri)?;
        let mut secret = Self::from_seed(&DEV_SEED).0.secret.clone();
        for junction in path.split("//") {
            if junction.is_empty() || junction.contains('/') {
                return Err(KeyError::DevUri);
            }
            let (mini, _) = secret.hard_derive_mini_secret_key(Some(ChainCode(chain_code(junction))), b"");
            secret = mini.expand(ExpansionMode::Ed25519);
        }
        Ok(Self(secret.into()))
    }

    /// The account that this key signs for.
    pub fn public(&self) -> AccountId {
        AccountId(self.0.public.to_bytes())
    }

    /// Signs `message` in `domain`. Equal input gives an equal signature.
    pub fn sign(&self, domain: Domain, message: &[u8]) -> Signature {
        let transcript = signing_context(CONTEXT).bytes(&domain.wrap(message));
        Signature(self.0.sign(attach_rng(transcript, FixedRng::zeroes())).to_bytes())
    }
}

/// Checks that `account` signed `message` in `domain`. The identity key, for which anybody can sign, is
/// refused.
pub fn verify(
    domain: Domain,
    account: &AccountId,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    let (public, signature) = (public_of(account)?, parse(signature)?);
    let transcript = signing_context(CONTEXT).bytes(&domain.wrap(message));
    public.verify(transcript, &signature).map_err(|_| BadSignature)
}

fn public_of(account: &AccountId) -> Result<PublicKey, BadSignature> {
    let public = PublicKey::from_bytes(&account.0).map_err(|_| BadSignature)?;
    if is_identity(&public) { Err(BadSignature) } else { Ok(public) }
}

fn parse(signature: &Signature) -> Result<schnorrkel::Signature, BadSignature> {
    schnorrkel::Signature::from_bytes(&signature.0).map_err(|_| BadSignature)
}

/// Ristretto has prime order, so the identity (all zero) is its only weak key.
fn is_identity(public: &PublicKey) -> bool {
    public.to_bytes() == [0; 32]
}

/// Substrate's encoding of a junction: a number or a text in SCALE, padded with zeroes, or hashed if over 32
/// bytes.
fn chain_code(junction: &str) -> [u8; 32] {
    let encoded = junction.parse::<u64>().map_or_else(|_| junction.encode(), |number| number.encode());
    let mut code = [0; 32];
    match code.get_mut(..encoded.len()) {
        Some(start) => start.copy_from_slice(&encoded),
        None => code = Blake2b::<U32>::digest(&encoded).into(),
    }
    code
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keypair").field(&self.public()).finish()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Signature {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_hex(text).map(Self)
    }
}

serde_as_text!(Signature);

#[cfg(test)]
mod tests;
