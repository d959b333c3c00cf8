//! The older way to hide weights: a hash first, what was hashed later.

use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use parity_scale_codec::Encode;
use protocol::AccountId;
use protocol::digest::Digest as Hash;
use serde::{Deserialize, Serialize};

/// Subnets' mechanisms share one index: mechanism 1 of subnet 3 is 4,099.
const SUBNETS_MAX: u16 = 4_096;

/// Numbers of 16 bits that keep the hash from being guessed.
pub const SALT_LENGTH: usize = 8;

/// What was hashed besides the vector, and has to be shown with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// Random.
    pub salt: Vec<u16>,
    /// As in a plain setting.
    pub version_key: u64,
}

/// How the chain names a subnet's mechanism where it stores weights.
#[must_use]
pub fn storage_index(netuid: u16, mechanism: u8) -> u16 {
    u16::from(mechanism).saturating_mul(SUBNETS_MAX).saturating_add(netuid)
}

/// The hash to commit to.
#[must_use]
pub fn commit_hash(
    hotkey: &AccountId,
    netuid: u16,
    mechanism: u8,
    vector: &[(u16, u16)],
    opening: &Opening,
) -> Hash {
    let (uids, values): (Vec<u16>, Vec<u16>) = vector.iter().copied().unzip();
    let index = storage_index(netuid, mechanism);
    let bytes = (hotkey.0, index, uids, values, &opening.salt, opening.version_key).encode();
    Hash(Blake2b::<U32>::digest(&bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_documented_bytes() {
        let opening = Opening { salt: vec![9, 65_535], version_key: 7 };
        let hash = commit_hash(&AccountId([1; 32]), 64, 1, &[(2, 65_535), (3, 1)], &opening);
        // Written out: account, index 4,160, uids, values, salt, version key.
        let bytes =
            ["01".repeat(32).as_str(), "4010", "0802000300", "08ffff0100", "080900ffff", "0700000000000000"]
                .concat();
        let expected: [u8; 32] = Blake2b::<U32>::digest(hex::decode(bytes).unwrap()).into();
        assert_eq!(hash, Hash(expected));
    }

    #[test]
    fn mechanisms_of_one_subnet_have_their_own_index() {
        assert_eq!(storage_index(64, 0), 64);
        assert_eq!(storage_index(64, 2), 8_256);
    }
}
