//! Weights that nobody can read before a round of the drand beacon is out.
//!
//! The payload is encrypted to the round's number under the beacon's BLS12-381 key: Boneh-Franklin identity encryption of
//! a one-time key, and AES-256-GCM under that. The crate `timelock` does the arithmetic; its newest form leaves out the
//! length prefixes of the two 32-byte fields that the chain's own, older form has, so they are put in here.

use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use parity_scale_codec::Encode;
use rand_core::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};
use timelock::block_ciphers::AESGCMBlockCipherProvider;
use timelock::engines::EngineBLS;
use timelock::engines::drand::TinyBLS381;
use timelock::ibe::fullident::Identity;
use timelock::tlock::tle;

/// What the chain decrypts: it refuses payloads of another hotkey than the committer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, parity_scale_codec::Decode)]
pub struct Payload {
    /// 32 bytes.
    pub hotkey: Vec<u8>,
    /// Whom.
    pub uids: Vec<u16>,
    /// How much, parallel to `uids`.
    pub values: Vec<u16>,
    /// As in a plain setting.
    pub version_key: u64,
}

/// Why a payload could not be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimelockError {
    /// The beacon's key is none.
    #[error("the beacon's public key on the chain is not a point of BLS12-381 in G2")]
    Key,
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The cipher failed.
    #[error("the payload cannot be encrypted")]
    Cipher,
}

/// Where the two prefixes go, in the chain's form: behind the point U, and behind the field V.
const PREFIX_OFFSETS: [usize; 2] = [96, 136];
/// Both fields have 32 bytes.
const PREFIX: [u8; 8] = 32u64.to_le_bytes();

/// The system's randomness, in the form that the cipher takes.
pub(crate) struct SystemRandom;

/// Encrypts to a round: the bytes that a commit carries.
pub fn encrypt(
    public_key: &[u8],
    round: u64,
    payload: &[u8],
    mut random: impl RngCore + CryptoRng,
) -> Result<Vec<u8>, TimelockError> {
    let key = <TinyBLS381 as EngineBLS>::PublicKeyGroup::deserialize_compressed(public_key)
        .map_err(|_| TimelockError::Key)?;
    let mut secret = [0u8; 32];
    random.try_fill_bytes(&mut secret).map_err(|_| TimelockError::Randomness)?;
    let encrypted =
        tle::<TinyBLS381, AESGCMBlockCipherProvider, _>(key, secret, payload, identity(round), random)
            .map_err(|_| TimelockError::Cipher)?;
    let mut bytes = Vec::new();
    encrypted.serialize_compressed(&mut bytes).map_err(|_| TimelockError::Cipher)?;
    for offset in PREFIX_OFFSETS {
        bytes.splice(offset..offset, PREFIX);
    }
    Ok(bytes)
}

/// The beacon signs the hash of the round's number.
fn identity(round: u64) -> Identity {
    Identity::new(b"", &Sha256::digest(round.to_be_bytes()))
}

impl RngCore for SystemRandom {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system gave randomness a moment ago");
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        getrandom::fill(bytes).map_err(|_| {
            rand_core::Error::from(
                std::num::NonZeroU32::new(rand_core::Error::CUSTOM_START)
                    .unwrap_or(std::num::NonZeroU32::MIN),
            )
        })
    }
}

impl CryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use parity_scale_codec::Decode;
    use timelock::tlock::{TLECiphertext, tld};

    use super::*;

    /// drand's quicknet: its public key, and its signature of round 1,000 (both public; the chain's own tests use them).
    const QUICKNET: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
    const ROUND: u64 = 1_000;
    const SIGNATURE: &str =
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

    /// Encrypted by bittensor-core 0.1.5; see the README beside the file.
    const THEIRS: &str = include_str!("../../tests/data/weights/timelock-theirs.hex");
    /// Encrypted by us with [`Counting`], and decrypted by bittensor-core 0.1.5.
    const OURS: &str = include_str!("../../tests/data/weights/timelock-ours.hex");

    /// Not random at all.
    struct Counting(u8);

    impl RngCore for Counting {
        fn next_u32(&mut self) -> u32 {
            unimplemented_here()
        }

        fn next_u64(&mut self) -> u64 {
            unimplemented_here()
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
            self.fill_bytes(bytes);
            Ok(())
        }
    }

    impl CryptoRng for Counting {}

    fn unimplemented_here<T>() -> T {
        panic!("the cipher takes bytes only")
    }

    fn payload() -> Payload {
        Payload {
            hotkey: (0..32).collect(),
            uids: vec![0, 1, 7, 255],
            values: vec![65_535, 1, 30_000, 12],
            version_key: 42,
        }
    }

    fn decrypt(bytes: &[u8], signature: &str) -> Option<Vec<u8>> {
        let mut bytes = bytes.to_vec();
        for offset in PREFIX_OFFSETS.into_iter().rev() {
            let prefix: Vec<u8> = bytes.drain(offset..offset + PREFIX.len()).collect();
            assert_eq!(prefix, PREFIX);
        }
        let ciphertext = TLECiphertext::<TinyBLS381>::deserialize_compressed(&bytes[..]).unwrap();
        let signature = hex::decode(signature).unwrap();
        let signature =
            <TinyBLS381 as EngineBLS>::SignatureGroup::deserialize_compressed(&signature[..]).unwrap();
        tld::<TinyBLS381, AESGCMBlockCipherProvider>(ciphertext, signature).ok()
    }

    fn hex_of(text: &str) -> Vec<u8> {
        hex::decode(text.trim()).unwrap()
    }

    #[test]
    fn what_bittensor_core_encrypted_is_decrypted_to_the_payload_we_would_have_encrypted() {
        let plain = decrypt(&hex_of(THEIRS), SIGNATURE).unwrap();
        assert_eq!(plain, payload().encode());
        assert_eq!(Payload::decode(&mut &plain[..]).unwrap(), payload());
    }

    #[test]
    fn what_we_encrypt_is_what_bittensor_core_has_decrypted() {
        let key = hex_of(QUICKNET);
        let ours = encrypt(&key, ROUND, &payload().encode(), Counting(0)).unwrap();
        assert_eq!(hex::encode(&ours), OURS.trim());
        assert_eq!(ours.len(), payload().encode().len() + 244);
        assert_eq!(decrypt(&ours, SIGNATURE).unwrap(), payload().encode());
    }

    #[test]
    fn every_encryption_differs_and_another_round_does_not_open_it() {
        let key = hex_of(QUICKNET);
        let one = encrypt(&key, ROUND, b"payload", SystemRandom).unwrap();
        let two = encrypt(&key, ROUND, b"payload", SystemRandom).unwrap();
        assert_ne!(one, two);
        assert_eq!(decrypt(&one, SIGNATURE).unwrap(), b"payload");
        let later = encrypt(&key, ROUND + 1, b"payload", SystemRandom).unwrap();
        assert_eq!(decrypt(&later, SIGNATURE), None);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        for key in [&[][..], &[7; 96]] {
            assert_eq!(encrypt(key, ROUND, b"", SystemRandom), Err(TimelockError::Key));
        }
    }
}
