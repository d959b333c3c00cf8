//! The client's side of timelock encryption, from the key and the round alone.

use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use parity_scale_codec::Encode;
use rand_core::{CryptoRng, Error, RngCore};
use subxt::{dynamic, ext::scale_decode::DecodeAsType};
use timelock::{
    block_ciphers::AESGCMBlockCipherProvider,
    engines::{EngineBLS, drand::TinyBLS381},
    ibe::fullident::Identity,
    tlock::tle,
};

use crate::client::Client;

/// The beacon, as the chain describes it.
#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Beacon {
    pub public_key: Vec<u8>,
    pub period: u32,
    pub genesis_time: u32,
}

/// A pulse, as the chain stores it.
#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct Pulse {
    pub round: u64,
    pub randomness: Vec<u8>,
    pub signature: Vec<u8>,
}

impl Client {
    pub async fn beacon(&self) -> Beacon {
        let at = self.api.at_current_block().await.unwrap();
        let address = dynamic::storage::<(), Beacon>("Drand", "BeaconConfig");
        at.storage().fetch(address, ()).await.unwrap().decode().unwrap()
    }

    pub async fn last_round(&self) -> u64 {
        let at = self.api.at_current_block().await.unwrap();
        let address = dynamic::storage::<(), u64>("Drand", "LastStoredRound");
        at.storage().fetch(address, ()).await.unwrap().decode().unwrap()
    }

    pub async fn pulse(&self, round: u64) -> Option<Pulse> {
        let at = self.api.at_current_block().await.unwrap();
        let address = dynamic::storage::<(u64,), Pulse>("Drand", "Pulses");
        let value = at.storage().try_fetch(address, (round,)).await.unwrap()?;
        Some(value.decode().unwrap())
    }
}

/// Random numbers that are not random: a test is to do the same every time.
struct Counter(u64);

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| (self.next_u64() >> 56) as u8);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Counter {}

/// Encrypts to a round of the beacon with this key.
pub fn seal(public_key: &[u8], round: u64, plaintext: &[u8]) -> Vec<u8> {
    let key = <TinyBLS381 as EngineBLS>::PublicKeyGroup::deserialize_compressed(public_key).unwrap();
    let identity = Identity::new(b"", &sp_crypto_hashing::sha2_256(&round.to_be_bytes()));
    let sealed =
        tle::<TinyBLS381, AESGCMBlockCipherProvider, _>(key, [7; 32], plaintext, identity, Counter(round))
            .unwrap();
    let mut bytes = Vec::new();
    sealed.serialize_compressed(&mut bytes).unwrap();
    // Its header has no lengths before its second and third part; the chain's has.
    bytes.splice(128..128, 32u64.to_le_bytes());
    bytes.splice(96..96, 32u64.to_le_bytes());
    bytes
}

/// What a client encrypts to commit weights.
pub fn weights_payload(hotkey: [u8; 32], uids: &[u16], values: &[u16], version_key: u64) -> Vec<u8> {
    (hotkey.to_vec(), uids, values, version_key).encode()
}
