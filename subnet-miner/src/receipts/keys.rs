//! What the database's bytes mean: column families, keys, values, and the format's history.
//!
//! Format 3: as format 2, and a validator's further shards have chains and positions of their own: `validators` holds a head under
//! validator (32 bytes) ‖ shard (1 byte) for each shard but 0, and positions of a shard's receipts have the shard in their upper eight
//! bits. A store of format 2 has shard 0 only, whose bytes are the same.
//!
//! Format 2: as format 1, and `fingerprints` holds SCALE [`protocol::fingerprint::Fingerprint`]s under their digests, the oldest files
//! dropped past a size; `countersigned` holds SCALE `Countersigned` records under validator (32 bytes) ‖ sequence (u64, big endian). A
//! store of format 1 is raised when it is opened for writing: it gets the two empty families.
//!
//! Format 1: column family `receipts` holds a SCALE [`Record`] under validator (32 bytes) ‖ position (u64, big endian), the
//! position counting that validator's receipts from zero; `validators` holds a SCALE [`ValidatorHead`] under the validator;
//! `nonce_marks` holds a u64, little endian, in nanoseconds, under the caller; the default family holds the format under
//! `format` as a u32, little endian.

use parity_scale_codec::{Decode, Encode};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::receipt::SignedReceipt;
use protocol::ticket::{SignedTicket, first_sequence};

use super::sequence::SequenceWindow;

pub(super) const FORMAT: u32 = 3;
/// Older formats that opening raises to [`FORMAT`].
pub(super) const RAISED_FORMATS: [u32; 2] = [1, 2];
pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const RECEIPTS: &str = "receipts";
pub(super) const VALIDATORS: &str = "validators";
pub(super) const NONCE_MARKS: &str = "nonce_marks";
pub(super) const FINGERPRINTS: &str = "fingerprints";
pub(super) const COUNTERSIGNED: &str = "countersigned";
pub(super) const FAMILIES: [&str; 5] = [RECEIPTS, VALIDATORS, NONCE_MARKS, FINGERPRINTS, COUNTERSIGNED];

/// One call as the miner can prove it: what the validator asked for and what was answered.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Record {
    /// Signed by the validator.
    pub ticket: SignedTicket,
    /// Signed by this miner.
    pub receipt: SignedReceipt,
}

/// A validator's gateway with a log of its own: each has a chain of receipts.
pub type Shard = (AccountId, u8);

/// The end of one shard's chain of receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct ValidatorHead {
    /// How many receipts there are, and so the next one's position.
    pub receipts: u64,
    /// Hash of the newest receipt; zero before the first.
    pub previous: Digest,
    /// Ticket sequences that have a receipt.
    pub sequences: SequenceWindow,
}

/// Key in `validators`.
pub(super) fn head_key((validator, shard): &Shard) -> Vec<u8> {
    let mut key = validator.0.to_vec();
    key.extend((*shard > 0).then_some(*shard));
    key
}

pub(super) fn split_head_key(key: &[u8]) -> Option<Shard> {
    let (validator, shard) = key.split_first_chunk::<32>()?;
    match shard {
        [] => Some((AccountId(*validator), 0)),
        [0] => None,
        [shard] => Some((AccountId(*validator), *shard)),
        _ => None,
    }
}

/// The first position of a shard's receipts.
pub(super) fn first_position(shard: u8) -> u64 {
    first_sequence(shard)
}

/// Key in `receipts`, with a position, and in `countersigned`, with a sequence number.
pub(super) fn receipt_key(validator: &AccountId, position: u64) -> [u8; 40] {
    let mut key = [0; 40];
    key[..32].copy_from_slice(&validator.0);
    key[32..].copy_from_slice(&position.to_be_bytes());
    key
}

pub(super) fn split_receipt_key(key: &[u8]) -> Option<(AccountId, u64)> {
    let (validator, position) = key.split_first_chunk::<32>()?;
    Some((AccountId(*validator), u64::from_be_bytes(position.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_and_head_bytes_are_pinned() {
        let key = receipt_key(&AccountId([0xab; 32]), 258);
        assert_eq!(hex::encode(key), format!("{}0000000000000102", "ab".repeat(32)));
        assert_eq!(split_receipt_key(&key), Some((AccountId([0xab; 32]), 258)));

        let zero = (AccountId([0xab; 32]), 0);
        assert_eq!((head_key(&zero), split_head_key(&head_key(&zero))), (vec![0xab; 32], Some(zero)));
        let seven = (AccountId([0xab; 32]), 7);
        assert_eq!(hex::encode(head_key(&seven)), format!("{}07", "ab".repeat(32)));
        assert_eq!(split_head_key(&head_key(&seven)), Some(seven));
        assert_eq!(split_head_key(&[0; 34]), None);

        let mut head = ValidatorHead { receipts: 3, previous: Digest([7; 32]), ..ValidatorHead::default() };
        head.sequences.admit(1).unwrap();
        head.sequences.admit(64).unwrap();
        let expected = format!(
            "{}{}{}{}{}{}",
            "0300000000000000",
            "07".repeat(32),
            "4000000000000000",
            "0200000000000000",
            "0100000000000000",
            "00".repeat(14 * 8)
        );
        assert_eq!(hex::encode(head.encode()), expected);
    }
}
