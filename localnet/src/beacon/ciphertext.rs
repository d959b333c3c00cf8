//! Opening what was encrypted to a round, in the bytes of `bittensor-core` and the pallets.
//!
//! ```text
//! U(96) | 32(8) | V(32) | 32(8) | W(32) | n(8) | body(n) | 8(8) | "AES_GCM_"
//! body = m(8) | AES-256-GCM ciphertext with its tag (m) | 12(8) | nonce(12)
//! ```
//!
//! Lengths are eight bytes, little end first. They come from outside, so every one is compared with what is left before
//! anything is allocated or decoded; bytes left over are refused as well. `timelock` 0.3 has the same scheme with a header
//! that has no lengths before V and W, so its types are filled here instead of decoded by it.

use ark_serialize::CanonicalDeserialize;
use thiserror::Error;
use timelock::{
    block_ciphers::AESGCMBlockCipherProvider,
    engines::{EngineBLS, drand::TinyBLS381},
    ibe::fullident::Ciphertext as Header,
    tlock::{TLECiphertext, tld},
};

use super::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

const MASK_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const SUITE: &[u8] = b"AES_GCM_";
/// Bytes that a ciphertext adds to what it holds.
pub const OVERHEAD_BYTES: usize =
    PUBLIC_KEY_BYTES + 6 * 8 + 2 * MASK_BYTES + TAG_BYTES + NONCE_BYTES + SUITE.len();

/// Why a ciphertext was not opened.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum OpenError {
    /// The bytes are not a ciphertext.
    #[error("the bytes are not a timelock ciphertext")]
    Ciphertext,
    /// The signature is not a point of the curve.
    #[error("the round's signature is not a point of the curve")]
    Signature,
    /// The ciphertext was made for another key or round, or changed since.
    #[error("the round's signature does not open the ciphertext")]
    Decrypt,
}

/// Opens a ciphertext with the signature of its round.
pub fn open(ciphertext: &[u8], signature: &[u8]) -> Result<Vec<u8>, OpenError> {
    let ciphertext = parse(ciphertext).ok_or(OpenError::Ciphertext)?;
    let signature = signature.strip_prefix(b"0x").unwrap_or(signature);
    if signature.len() != SIGNATURE_BYTES {
        return Err(OpenError::Signature);
    }
    let signature = <TinyBLS381 as EngineBLS>::SignatureGroup::deserialize_compressed(signature)
        .map_err(|_| OpenError::Signature)?;
    tld::<TinyBLS381, AESGCMBlockCipherProvider>(ciphertext, signature).map_err(|_| OpenError::Decrypt)
}

fn parse(bytes: &[u8]) -> Option<TLECiphertext<TinyBLS381>> {
    let mut rest = bytes;
    let (u, v, w) = (take(&mut rest, PUBLIC_KEY_BYTES)?, counted(&mut rest)?, counted(&mut rest)?);
    let (body, suite) = (counted(&mut rest)?, counted(&mut rest)?);
    if suite != SUITE || !rest.is_empty() {
        return None;
    }
    let mut inner = body;
    let (sealed, nonce) = (counted(&mut inner)?, counted(&mut inner)?);
    if sealed.len() < TAG_BYTES || nonce.len() != NONCE_BYTES || !inner.is_empty() {
        return None;
    }
    Some(TLECiphertext {
        header: Header {
            u: <TinyBLS381 as EngineBLS>::PublicKeyGroup::deserialize_compressed(u).ok()?,
            v: v.try_into().ok()?,
            w: w.try_into().ok()?,
        },
        body: body.to_vec(),
        cipher_suite: suite.to_vec(),
    })
}

/// The next `count` bytes, if there are that many.
fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

/// The next bytes by the length before them.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = u64::from_le_bytes(take(rest, 8)?.try_into().ok()?);
    take(rest, usize::try_from(count).ok()?)
}

#[cfg(test)]
mod tests;
