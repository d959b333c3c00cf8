//! What the pallet stores, in the shapes of the pinned metadata.

use frame_support::{BoundedVec, traits::ConstU32};
use parity_scale_codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

use crate::beacon::{GENESIS_TIME_S, PUBLIC_KEY_BYTES, SCHEME};

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

impl BeaconConfiguration {
    /// The description of this chain's beacon.
    pub(super) fn of(public_key: [u8; PUBLIC_KEY_BYTES], period: u32) -> Self {
        let short = |bytes: &[u8]| Hash::truncate_from(bytes.to_vec());
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
