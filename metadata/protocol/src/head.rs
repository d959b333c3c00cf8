//! Tree heads: what a validator says its receipt log was when a tempo ended, and how it scored it.
//!
//! ```text
//! TreeHead --sign--> SignedHead --verify--> ValidHead --follows--> the head before it
//! ```
//!
//! A head's [`TreeHead::digest`] goes on chain (`Commitments.set_commitment`), so that a validator
//! has one log and not one for each reader. Heads form a chain by `previous`; two heads of one validator that fit
//! no single chain prove [`equivocation`](ValidHead::contradicts).

use parity_scale_codec::{Decode, DecodeAll, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::scoring::{Miner, ScoreTable};
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::standing::Standings;

/// More than any signed head has.
pub const SIGNED_BYTES_MAX: usize = 512;

/// The state of a log at the end of a tempo.
///
/// What is signed names everything that scoring needs, so that whoever holds the leaves, the policy document and the
/// list of miners computes the same table or has proof of another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TreeHead {
    /// The subnet.
    pub netuid: u16,
    /// Whose log it is.
    pub validator: AccountId,
    /// The tempo that ended: the chain's epoch index.
    pub epoch_index: u64,
    /// The finalised block at which the registered miners and the window's end were read.
    pub block_number: u64,
    /// That block's hash.
    pub block_hash: Digest,
    /// Receipts in the log.
    pub tree_size: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Digest,
    /// The first receipt that the window can hold: the one after the last that was issued more than an hour before
    /// the window; 0 if there is none.
    pub first_index: u64,
    /// Digest of the head before; [`Digest::ZERO`] for a validator's first.
    pub previous: Digest,
    /// Hash of the policy document in force.
    pub policy: Digest,
    /// Hash of the registered miners ([`miners_hash`]).
    pub miners: Digest,
    /// The window's first millisecond.
    pub window_start_ms: u64,
    /// The first millisecond after the window: the block's time.
    pub window_end_ms: u64,
    /// Hash of the score table ([`scores_hash`]) over the receipts from `first_index` on: what the weights are made from.
    pub scores: Digest,
}

/// A head as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedHead {
    /// What is claimed.
    pub head: TreeHead,
    /// The validator's signature over it, unchecked.
    pub signature: Signature,
}

/// A head that its validator signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidHead(SignedHead);

/// Why one head cannot come after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The bytes are not one whole head, or its signature is not its validator's.
    #[error("the head is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// Another validator's log, or another subnet's.
    #[error("the head is of another validator or subnet than the one before")]
    OtherLog,
    /// The link does not fit.
    #[error("the head names {found} as the one before it, which is {expected}")]
    Link {
        /// The digest of the head before.
        expected: Digest,
        /// What the head says.
        found: Digest,
    },
    /// Time does not go on.
    #[error("the head's epoch, block or window does not come after the one before")]
    Time,
    /// The log shrank, or stayed as long with another root.
    #[error("the head's log does not continue the one before")]
    Log,
}

/// Names a list of miners, whatever its order.
pub fn miners_hash(miners: &[Miner]) -> Digest {
    let mut miners = miners.to_vec();
    miners.sort_unstable();
    Digest::of_prefixed(b"SN_MINERS_V1\0", &miners.encode())
}

/// Names a list of miners together with those of them that are convicted or doubted. Where nobody is, this is [`miners_hash`]; where
/// nobody is doubted, the convictions alone are named, as before there were doubts.
pub fn registry_hash(miners: &[Miner], standings: &Standings) -> Digest {
    let miners = miners_hash(miners);
    match (standings.convicted.as_slice(), standings.doubted.as_slice()) {
        ([], []) => miners,
        (convicted, []) => Digest::of_prefixed(b"SN_REGISTRY_V1\0", &(miners, convicted).encode()),
        _ => Digest::of_prefixed(b"SN_REGISTRY_V2\0", &(miners, standings).encode()),
    }
}

/// Names a score table.
pub fn scores_hash(table: &ScoreTable) -> Digest {
    Digest::of_prefixed(b"SN_SCORES_V1\0", &table.encode())
}

impl TreeHead {
    /// What goes on chain and into the next head.
    pub fn digest(&self) -> Digest {
        Digest::of_prefixed(Domain::TreeHead.prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedHead {
        let signature = validator.sign(Domain::TreeHead, &self.encode());
        SignedHead { head: self, signature }
    }
}

impl SignedHead {
    /// Reads one whole head; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > SIGNED_BYTES_MAX {
            return None;
        }
        Self::decode_all(&mut &*bytes).ok()
    }

    /// Checks that the validator named signed it.
    pub fn verify(self) -> Result<ValidHead, HeadError> {
        signing::verify(Domain::TreeHead, &self.head.validator, &self.head.encode(), &self.signature)
            .map_err(HeadError::Signature)?;
        Ok(ValidHead(self))
    }
}

impl std::ops::Deref for ValidHead {
    type Target = TreeHead;

    fn deref(&self) -> &TreeHead {
        &self.0.head
    }
}

impl ValidHead {
    /// The head with its signature, to store or send.
    pub fn signed(&self) -> &SignedHead {
        &self.0
    }

    /// Checks that this head can be the next after `previous`, or a validator's first if there is none.
    ///
    /// That the older log is the beginning of the newer is shown by the leaves ([`crate::replay`]) or by a consistency
    /// proof; here only what the heads themselves say is compared.
    pub fn follows(&self, previous: Option<&Self>) -> Result<(), HeadError> {
        let expected = previous.map_or(Digest::ZERO, |previous| previous.digest());
        if self.previous != expected {
            return Err(HeadError::Link { expected, found: self.previous });
        }
        let Some(previous) = previous else { return Ok(()) };
        if (self.validator, self.netuid) != (previous.validator, previous.netuid) {
            return Err(HeadError::OtherLog);
        }
        let later = self.epoch_index > previous.epoch_index
            && self.block_number > previous.block_number
            && self.window_end_ms > previous.window_end_ms
            && self.window_start_ms >= previous.window_start_ms
            && self.first_index >= previous.first_index;
        if !later {
            return Err(HeadError::Time);
        }
        let grown = self.tree_size > previous.tree_size
            || (self.tree_size == previous.tree_size && self.root == previous.root);
        if !grown { Err(HeadError::Log) } else { Ok(()) }
    }

    /// Whether the two cannot belong to one log: the same validator signed two heads for one tempo, for one size with
    /// different roots, or after one head. Anybody who holds both has proof.
    pub fn contradicts(&self, other: &Self) -> bool {
        let same_log = (self.validator, self.netuid) == (other.validator, other.netuid);
        let clash = self.epoch_index == other.epoch_index
            || self.previous == other.previous
            || (self.tree_size == other.tree_size && self.root != other.root);
        same_log && self.digest() != other.digest() && clash
    }
}

#[cfg(test)]
mod tests;
