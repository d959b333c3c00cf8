//! The `$NACL` form of an encrypted key file: Argon2i turns the password into a key, XSalsa20-Poly1305 seals the JSON.
//!
//! ```text
//! "$NACL"  nonce (24 bytes)  Poly1305 tag (16 bytes)  ciphertext
//! ```
//!
//! Parameters and salt are bittensor's (libsodium's `argon2i13`, SENSITIVE). The salt is the same for everybody, so a weak
//! password is found by a dictionary made once for all wallets: a long one matters here more than elsewhere.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use zeroize::Zeroizing;

/// What such a file begins with.
pub(super) const START: &[u8] = b"$NACL";

const NONCE_BYTES: usize = 24;
const SALT: [u8; 16] = *b"\x13q\x83\xdf\xf1Z\t\xbc\x9c\x90\xb5Q\x879\xe9\xb1";
const MEMORY_KIB: u32 = 512 * 1024;
const PASSES: u32 = 8;
const LANES: u32 = 1;

/// The key that a password stands for. Takes seconds and 512 MiB, on purpose.
pub(super) fn derive(password: &str) -> Option<Zeroizing<[u8; 32]>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(32)).expect("constants within Argon2's bounds");
    // Asked for with care: a small machine should be told, not killed.
    let mut memory = Vec::new();
    memory.try_reserve_exact(params.block_count()).ok()?;
    memory.resize(params.block_count(), Block::default());
    let argon = Argon2::new(Algorithm::Argon2i, Version::V0x13, params);
    let mut key = Zeroizing::new([0; 32]);
    argon.hash_password_into_with_memory(password.as_bytes(), &SALT, key.as_mut(), &mut memory).ok()?;
    Some(key)
}

/// The content of a sealed file, or `None` if the key is not the one it was sealed with.
pub(super) fn open(key: &[u8; 32], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = sealed.strip_prefix(START)?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES)?;
    let cipher = XSalsa20Poly1305::new(key.into());
    cipher.decrypt(Nonce::from_slice(nonce), ciphertext).ok().map(Zeroizing::new)
}

/// Seals `content`. A nonce must never serve one key twice: give random bytes.
pub(super) fn seal(key: &[u8; 32], nonce: [u8; NONCE_BYTES], content: &[u8]) -> Vec<u8> {
    let cipher = XSalsa20Poly1305::new(key.into());
    let ciphertext = cipher.encrypt(Nonce::from_slice(&nonce), content);
    let ciphertext = ciphertext.expect("a key file is far below the cipher's limit");
    [START, &nonce, &ciphertext].concat()
}
