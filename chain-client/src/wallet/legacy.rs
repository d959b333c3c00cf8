//! The encryptions of older bittensor releases, which version 11 still reads: Ansible Vault and Fernet. They are read here too
//! and never written.
//!
//! ```text
//! Ansible Vault  "$ANSIBLE_VAULT;1.1;AES256", then in hexadecimal: three lines of hexadecimal, salt, HMAC, ciphertext
//! Fernet         base64url of: version (0x80), time (8 bytes), start (16 bytes), ciphertext, HMAC (32 bytes)
//! ```

use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use hmac::{Hmac, Mac};
use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::password::base64;

const BLOCK_BYTES: usize = 16;
const VAULT_ROUNDS: u32 = 10_000;
const FERNET_ROUNDS: u32 = 10_000_000;
const FERNET_SALT: &[u8] = b"Iguesscyborgslikemyselfhaveatendencytobeparanoidaboutourorigins";
const FERNET_VERSION: u8 = 0x80;
/// Version and time, and the start of the chain of blocks.
const FERNET_HEAD_BYTES: usize = 9;
const HMAC_BYTES: usize = 32;

/// The content of an Ansible Vault, or `None` if the password is not the one it was sealed with.
pub(super) fn open_vault(password: &str, content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (_, body) = std::str::from_utf8(content).ok()?.split_once('\n')?;
    let lines = hex::decode(body.split_whitespace().collect::<String>()).ok()?;
    let lines = String::from_utf8(lines).ok()?;
    let parts: Vec<Vec<u8>> = lines.split('\n').map(hex::decode).collect::<Result<_, _>>().ok()?;
    let [salt, tag, ciphertext] = &parts[..] else { return None };
    let mut keys = Zeroizing::new([0; 80]);
    pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, VAULT_ROUNDS, keys.as_mut());
    let (cipher_key, rest) = keys.split_at(32);
    let (mac_key, counter) = rest.split_at(32);
    check(mac_key, ciphertext, tag)?;
    let cipher = Aes256::new(GenericArray::from_slice(cipher_key));
    let mut counter = u128::from_be_bytes(counter.try_into().ok()?);
    let mut plain = Zeroizing::new(ciphertext.clone());
    for block in plain.chunks_mut(BLOCK_BYTES) {
        let mut stream = GenericArray::from(counter.to_be_bytes());
        cipher.encrypt_block(&mut stream);
        block.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        counter = counter.wrapping_add(1);
    }
    unpadded(plain)
}

/// The content of a Fernet token, or `None` if the password is not the one it was sealed with. Takes seconds.
pub(super) fn open_fernet(password: &str, content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    open_token(&fernet_key(password, FERNET_ROUNDS), content)
}

/// What the password stands for after so many rounds.
pub(super) fn fernet_key(password: &str, rounds: u32) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2_hmac::<Sha256>(password.as_bytes(), FERNET_SALT, rounds, key.as_mut());
    key
}

/// The content of a Fernet token under a key: the first half signs, the second encrypts.
pub(super) fn open_token(key: &[u8; 32], content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(content).ok()?.trim();
    let token = base64(&text.replace('-', "+").replace('_', "/"))?;
    let (signed, tag) = token.split_at_checked(token.len().checked_sub(HMAC_BYTES)?)?;
    let (mac_key, cipher_key) = key.split_at(BLOCK_BYTES);
    check(mac_key, signed, tag)?;
    let (head, chain) = signed.split_at_checked(FERNET_HEAD_BYTES)?;
    if head.first() != Some(&FERNET_VERSION) || !chain.len().is_multiple_of(BLOCK_BYTES) {
        return None;
    }
    let cipher = Aes128::new(GenericArray::from_slice(cipher_key));
    let mut plain = Zeroizing::new(Vec::with_capacity(chain.len()));
    let blocks: Vec<&[u8]> = chain.chunks(BLOCK_BYTES).collect();
    for pair in blocks.windows(2) {
        let mut block = *GenericArray::from_slice(pair[1]);
        cipher.decrypt_block(&mut block);
        plain.extend(block.iter().zip(pair[0]).map(|(byte, before)| byte ^ before));
    }
    unpadded(plain)
}

/// That `tag` is the HMAC of the bytes; compared in constant time.
fn check(key: &[u8], bytes: &[u8], tag: &[u8]) -> Option<()> {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(bytes);
    mac.verify_slice(tag).ok()
}

/// Takes the padding off: so many bytes, each of which says how many.
fn unpadded(mut plain: Zeroizing<Vec<u8>>) -> Option<Zeroizing<Vec<u8>>> {
    let count = *plain.last()?;
    let length = plain.len().checked_sub(count.into())?;
    let is_padding = (1..=BLOCK_BYTES).contains(&count.into());
    if !is_padding || plain.get(length..)?.iter().any(|byte| *byte != count) {
        return None;
    }
    plain.truncate(length);
    Some(plain)
}
