//! What the pallet stores, in the shapes of the pinned metadata.

use frame_support::{
    BoundedVec,
    traits::{ConstU32, Get},
};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::beacon::{GENESIS_TIME_S, PERIOD_S, PUBLIC_KEY_BYTES, SCHEME};

/// A hash, or a short name.
type Hash = BoundedVec<u8, ConstU32<32>>;

/// The beacon's public description, as drand serves it under `info`.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct BeaconConfiguration {
    /// A compressed point of G2.
    pub public_key: BoundedVec<u8, ConstU32<96>>,
    /// Seconds between two rounds.
    pub period: u32,
    /// Seconds since 1970 of the first round.
    pub genesis_time: u32,
    /// Names the beacon; here the hash of its key.
    pub hash: Hash,
    /// Names the group of signers; here the hash of its key.
    pub group_hash: Hash,
    /// How it signs.
    pub scheme_id: Hash,
    /// More names.
    pub metadata: Metadata,
}

/// More names of a beacon.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct Metadata {
    /// Its name among the beacons of a drand network.
    pub beacon_id: Hash,
}

/// What the beacon said in a round.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo)]
pub struct Pulse {
    /// The round.
    pub round: u64,
    /// SHA-256 of the signature.
    pub randomness: Hash,
    /// A compressed point of G1.
    pub signature: BoundedVec<u8, ConstU32<144>>,
}

/// Quicknet's description: what stands here on the real chain, and on this one until its genesis writes its own.
pub struct Quicknet;

impl Get<BeaconConfiguration> for Quicknet {
    fn get() -> BeaconConfiguration {
        BeaconConfiguration {
            public_key: BoundedVec::truncate_from(bytes(QUICKNET_KEY)),
            period: PERIOD_S,
            genesis_time: GENESIS_TIME_S,
            hash: short(&bytes(QUICKNET_HASH)),
            group_hash: short(&bytes(QUICKNET_GROUP_HASH)),
            scheme_id: short(SCHEME.as_bytes()),
            metadata: Metadata { beacon_id: short(b"quicknet") },
        }
    }
}

const QUICKNET_KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";
const QUICKNET_HASH: &str = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971";
const QUICKNET_GROUP_HASH: &str = "f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e";

fn bytes(hex: &str) -> Vec<u8> {
    hex::decode(hex).expect("a constant in hex")
}

fn short(bytes: &[u8]) -> Hash {
    Hash::truncate_from(bytes.to_vec())
}

impl BeaconConfiguration {
    /// The description of this chain's beacon.
    pub(super) fn of(public_key: [u8; PUBLIC_KEY_BYTES], period: u32) -> Self {
        let hash = short(&sp_crypto_hashing::sha2_256(&public_key));
        Self {
            public_key: BoundedVec::truncate_from(public_key.to_vec()),
            period,
            genesis_time: GENESIS_TIME_S,
            hash: hash.clone(),
            group_hash: hash,
            scheme_id: short(SCHEME.as_bytes()),
            metadata: Metadata { beacon_id: short(b"localnet") },
        }
    }
}
