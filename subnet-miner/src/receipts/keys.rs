//! What the database's bytes mean: column families, keys, values, and the format's history.
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
use protocol::ticket::SignedTicket;

use super::sequence::SequenceWindow;

pub(super) const FORMAT: u32 = 2;
/// Older formats that opening raises to [`FORMAT`].
pub(super) const RAISED_FORMATS: [u32; 1] = [1];
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

/// The end of one validator's chain of receipts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct ValidatorHead {
    /// How many receipts there are, and so the next one's position.
    pub receipts: u64,
    /// Hash of the newest receipt; zero before the first.
    pub previous: Digest,
    /// Ticket sequences that have a receipt.
    pub sequences: SequenceWindow,
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
