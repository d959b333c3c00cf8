//! The chain's own randomness beacon, of the scheme of drand's quicknet: BLS12-381, public key in G2, signatures in G1.
//!
//! A round's signature is what opens whatever was encrypted to that round ([`ciphertext`]). The real chain copies the pulses
//! of quicknet; this one signs its own, so that time may be moved and nothing is fetched. The key is derived from a seed that
//! stands in the genesis: it keeps nothing secret, and need not on a chain for development.

pub mod ciphertext;

use ark_bls12_381::Fr;
use ark_ec::PrimeGroup;
use ark_ff::PrimeField;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sp_crypto_hashing::{blake2_512, sha2_256};
use timelock::{
    engines::{EngineBLS, drand::TinyBLS381},
    ibe::fullident::Identity,
};

/// Bytes of a public key: a compressed point of G2.
pub const PUBLIC_KEY_BYTES: usize = 96;
/// Bytes of a signature: a compressed point of G1.
pub const SIGNATURE_BYTES: usize = 48;
/// Seconds since 1970 of quicknet's first round, which this beacon shares so that clients which know only quicknet count the
/// same rounds.
pub const GENESIS_TIME_S: u32 = 1_692_803_367;
/// Seconds between two rounds of quicknet.
pub const PERIOD_S: u32 = 3;
/// Name of the scheme, as drand has it.
pub const SCHEME: &str = "bls-unchained-g1-rfc9380";
/// Separates this key from other uses of the same seed.
const KEY_DOMAIN: &[u8] = b"localnet drand beacon key v1";

/// What signs the rounds.
pub struct BeaconKey(Fr);

impl BeaconKey {
    /// The key of a seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Fr::from_le_bytes_mod_order(&blake2_512(&[KEY_DOMAIN, seed].concat())))
    }

    /// The key that verifies its signatures, and that one encrypts to.
    pub fn public(&self) -> [u8; PUBLIC_KEY_BYTES] {
        compressed(&(<TinyBLS381 as EngineBLS>::PublicKeyGroup::generator() * self.0))
    }

    /// The signature of a round.
    pub fn sign(&self, round: u64) -> [u8; SIGNATURE_BYTES] {
        compressed(&identity(round).extract::<TinyBLS381>(self.0).0)
    }
}

/// The newest round that is out at a time in seconds since 1970; round 1 comes with the beacon's first second.
pub fn round_at(time_s: u64, genesis_time_s: u32, period_s: u32) -> u64 {
    match time_s.checked_sub(genesis_time_s.into()) {
        Some(age_s) => age_s / u64::from(period_s.max(1)) + 1,
        None => 0,
    }
}

/// Whether the signature is that of the round under the key.
pub fn verify(public_key: &[u8], round: u64, signature: &[u8]) -> bool {
    let key = <TinyBLS381 as EngineBLS>::PublicKeyGroup::deserialize_compressed(public_key);
    let signature = <TinyBLS381 as EngineBLS>::SignatureGroup::deserialize_compressed(signature);
    let (Ok(key), Ok(signature)) = (key, signature) else { return false };
    let generator = <TinyBLS381 as EngineBLS>::PublicKeyGroup::generator();
    let message = identity(round).public::<TinyBLS381>();
    TinyBLS381::pairing(generator, signature) == TinyBLS381::pairing(key, message)
}

/// What is signed, and encrypted to: the SHA-256 of the round as eight bytes, big end first.
pub(crate) fn identity(round: u64) -> Identity {
    Identity::new(b"", &sha2_256(&round.to_be_bytes()))
}

fn compressed<const BYTES: usize>(point: &impl CanonicalSerialize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    point.serialize_compressed(&mut bytes[..]).expect("a compressed point has this many bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of quicknet, as drand publishes them and the real chain's tests have them.
    const QUICKNET_KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
    const ROUND_1000: &str =
        "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

    #[test]
    fn a_signature_of_quicknet_is_verified_and_another_round_s_is_not() {
        let (key, signature) = (hex::decode(QUICKNET_KEY).unwrap(), hex::decode(ROUND_1000).unwrap());
        assert!(verify(&key, 1_000, &signature));
        assert!(!verify(&key, 1_001, &signature));
        assert!(!verify(&key, 1_000, &signature[1..]));
    }

    #[test]
    fn what_the_beacon_signs_is_verified_by_its_key_alone() {
        let (key, other) = (BeaconKey::from_seed(&[1; 32]), BeaconKey::from_seed(&[2; 32]));
        let signature = key.sign(77);
        assert!(verify(&key.public(), 77, &signature));
        assert!(!verify(&key.public(), 78, &signature));
        assert!(!verify(&other.public(), 77, &signature));
    }

    #[test]
    fn rounds_follow_the_clock_from_one_on() {
        assert_eq!(round_at(99, 100, 3), 0);
        assert_eq!(round_at(100, 100, 3), 1);
        assert_eq!(round_at(102, 100, 3), 1);
        assert_eq!(round_at(103, 100, 3), 2);
        assert_eq!(round_at(103, 100, 0), 4);
    }
}
