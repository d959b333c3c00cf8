//! What lies in the ledger's RocksDB directory: column families, the bytes of every key, and the format version.
//! This is the only file that knows them. All integers in keys are big-endian, so that RocksDB's byte order is the number's.
//!
//! | family | key | value |
//! |---|---|---|
//! | `meta` | `format` | format version, u32 |
//! | `meta` | `owner` | validator's public key (32) ‖ netuid, u16 ‖ shard, u8, unless it is 0 |
//! | `meta` | `frontier` | SCALE `protocol::merkle::Frontier` |
//! | `meta` | `pruned` | the frontier over the receipts that were removed; absent until then |
//! | `receipts` | index, u64 | SCALE `Countersigned` |
//! | `leaves` | index, u64 | Merkle leaf hash (32) |
//! | `by_time` | issued-at in ms, u64 ‖ index, u64 | empty |
//! | `by_miner` | miner (32) ‖ index, u64 | empty |
//! | `by_sequence` | miner (32) ‖ sequence, u64 | index, u64 |
//! | `by_receipt` | hash of the miner's receipt (32) | index, u64 |
//! | `sequences` | miner (32) | first sequence number not yet reserved, u64 |
//! | `heads` | epoch index, u64 | SCALE [`super::HeadRecord`] |
//! | `documents` | hash of a policy document (32) | SCALE `SignedPolicyDocument` |
//! | `evidence` | time of what it is about in ms, u64 ‖ digest (32) | SCALE `SignedEvidence` |
//! | `shard_heads` | epoch index, u64 | SCALE [`super::shards::ShardRecord`]: what a shard but 0 signed |
//! | `sums` | shard, u8 | SCALE [`super::shards::ShardSums`]: what shard 0 was last told by another |
//! | `nodes` | number of a removed block of 1,024 leaves, u64 | root over its leaves (32) |
//!
//! History of the format:
//! - 1: without `heads` and `documents`.
//! - 2: without `evidence`; heads end before their convictions, which are then none.
//! - 3: without `nodes` and `pruned`.
//! - 4: heads end after their convictions; nobody is doubted then.
//! - 5: without `shard_heads` and `sums`: every ledger was of shard 0.
//! - 6: the layout above. An older ledger is raised when it is opened: it gets the empty families that it lacks.

use protocol::account::AccountId;
use protocol::digest::Digest;

/// The format this program reads and writes.
pub const FORMAT_VERSION: u32 = 6;

/// Older formats that opening raises to [`FORMAT_VERSION`].
pub const RAISED_FORMATS: [u32; 5] = [1, 2, 3, 4, 5];

/// Facts about the ledger as a whole.
pub const META: &str = "meta";
/// The receipts themselves, in order of arrival.
pub const RECEIPTS: &str = "receipts";
/// The Merkle log's leaves, in the same order.
pub const LEAVES: &str = "leaves";
/// Index by the ticket's time.
pub const BY_TIME: &str = "by_time";
/// Index by miner.
pub const BY_MINER: &str = "by_miner";
/// Index by (miner, sequence number): what makes a second append of one call visible.
pub const BY_SEQUENCE: &str = "by_sequence";
/// Index by receipt hash.
pub const BY_RECEIPT: &str = "by_receipt";
/// Sequence numbers handed out so far.
pub const SEQUENCES: &str = "sequences";

/// Tree heads, one for each tempo.
pub const HEADS: &str = "heads";
/// Policy documents that heads name.
pub const DOCUMENTS: &str = "documents";

/// Evidence against miners.
pub const EVIDENCE: &str = "evidence";

/// Roots of blocks of removed leaves.
pub const NODES: &str = "nodes";

/// Heads that a shard but 0 signed.
pub const SHARD_HEADS: &str = "shard_heads";

/// What shard 0 was told by the others.
pub const SUMS: &str = "sums";

/// Every column family, in the order they are created.
pub const FAMILIES: [&str; 14] = [
    META,
    RECEIPTS,
    LEAVES,
    BY_TIME,
    BY_MINER,
    BY_SEQUENCE,
    BY_RECEIPT,
    SEQUENCES,
    HEADS,
    DOCUMENTS,
    EVIDENCE,
    NODES,
    SHARD_HEADS,
    SUMS,
];

/// Key in [`META`] of the format version.
pub const FORMAT: &[u8] = b"format";
/// Key in [`META`] of the owner.
pub const OWNER: &[u8] = b"owner";
/// Key in [`META`] of the Merkle frontier.
pub const FRONTIER: &[u8] = b"frontier";
/// Key in [`META`] of the frontier over what was removed.
pub const PRUNED: &[u8] = b"pruned";

/// Whose ledger it is: one gateway of one validator hotkey on one subnet. Sequence numbers mean nothing for anybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The validator's hotkey.
    pub validator: AccountId,
    /// The subnet.
    pub netuid: u16,
    /// The shard that this log is: 0 for a validator's only gateway, and for the head gateway where there are several.
    pub shard: u8,
}

impl Owner {
    /// The owner of a validator's only ledger.
    #[must_use]
    pub fn single(validator: AccountId, netuid: u16) -> Self {
        Self { validator, netuid, shard: 0 }
    }

    /// Value under [`OWNER`].
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.validator.0.to_vec();
        bytes.extend(self.netuid.to_be_bytes());
        bytes.extend((self.shard > 0).then_some(self.shard));
        bytes
    }

    /// Reads a value under [`OWNER`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (validator, rest) = bytes.split_first_chunk::<32>()?;
        let (netuid, shard) = rest.split_first_chunk::<2>()?;
        let shard = match shard {
            [] => 0,
            [shard] if *shard > 0 => *shard,
            _ => return None,
        };
        Some(Self { validator: AccountId(*validator), netuid: u16::from_be_bytes(*netuid), shard })
    }
}

/// Key in [`RECEIPTS`] and [`LEAVES`], value in [`BY_SEQUENCE`] and [`BY_RECEIPT`].
#[must_use]
pub fn index(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// Key in [`BY_TIME`].
#[must_use]
pub fn by_time(issued_at_ms: u64, index: u64) -> [u8; 16] {
    join(&issued_at_ms.to_be_bytes(), &index.to_be_bytes())
}

/// Key in [`BY_MINER`].
#[must_use]
pub fn by_miner(miner: &AccountId, index: u64) -> [u8; 40] {
    join(&miner.0, &index.to_be_bytes())
}

/// Key in [`BY_SEQUENCE`].
#[must_use]
pub fn by_sequence(miner: &AccountId, sequence: u64) -> [u8; 40] {
    join(&miner.0, &sequence.to_be_bytes())
}

/// Key in [`BY_RECEIPT`].
#[must_use]
pub fn by_receipt(receipt_hash: &Digest) -> [u8; 32] {
    receipt_hash.0
}

/// Key in [`SEQUENCES`].
#[must_use]
pub fn sequences(miner: &AccountId) -> [u8; 32] {
    miner.0
}

/// Key in [`SUMS`].
#[must_use]
pub fn sums(shard: u8) -> [u8; 1] {
    [shard]
}

/// Key in [`HEADS`] and [`SHARD_HEADS`].
#[must_use]
pub fn heads(epoch_index: u64) -> [u8; 8] {
    epoch_index.to_be_bytes()
}

/// Key in [`DOCUMENTS`].
#[must_use]
pub fn documents(hash: &Digest) -> [u8; 32] {
    hash.0
}

/// Key in [`EVIDENCE`].
#[must_use]
pub fn evidence(issued_at_ms: u64, digest: &Digest) -> [u8; 40] {
    join(&issued_at_ms.to_be_bytes(), &digest.0)
}

/// Reads a u64 value, or a u64 that is a whole key.
#[must_use]
pub fn read_u64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// Reads the time at the beginning of a key of [`BY_TIME`] or [`EVIDENCE`].
#[must_use]
pub fn leading_time(key: &[u8]) -> Option<u64> {
    read_u64(key.get(..8)?)
}

/// Reads the index at the end of a key of [`BY_TIME`] or [`BY_MINER`].
#[must_use]
pub fn trailing_index(key: &[u8]) -> Option<u64> {
    read_u64(key.get(key.len().checked_sub(8)?..)?)
}

fn join<const N: usize>(head: &[u8], tail: &[u8]) -> [u8; N] {
    debug_assert_eq!(head.len() + tail.len(), N, "the parts fill the key");
    let mut key = [0u8; N];
    for (slot, byte) in key.iter_mut().zip(head.iter().chain(tail)) {
        *slot = *byte;
    }
    key
}
