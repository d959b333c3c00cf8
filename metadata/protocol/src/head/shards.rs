//! The logs of a validator with several gateways.
//!
//! Each gateway has a *shard*: a log of its own, under a number from 0 to 255 that no other log ever gets. Shard 0 is that of the
//! *head gateway*, which signs the tree heads; a validator with one gateway has shard 0 alone and heads of version 1. At the end of a
//! tempo each gateway signs the head of its log ([`ShardHead`]), and the tree head of version 2 repeats them all, ascending.
//!
//! A shard that was away is named as it was in the head before ([`ShardLog::epoch_index`] tells), for [`AWAY_MS_MAX`] at most. Then it must
//! be closed: its entry stays as it is until its window is over, and its number is used up. So nobody hides receipts by
//! saying that a gateway is away, or that it never was: see [`crate::dispute::Omission`].

use std::cmp::Ordering;

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};
use serde::{Deserialize, Serialize};

use super::{Clash, HeadError, TreeHead};
use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

/// Shards of one validator.
pub const SHARDS_MAX: usize = 256;

/// How long a shard may be named by an old head before it must be closed: a day.
pub const AWAY_MS_MAX: u64 = 24 * 3_600_000;

/// More than any signed shard head has.
pub const SHARD_HEAD_BYTES_MAX: usize = 256;

/// How far a log had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Receipts in the log.
    pub tree_size: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Digest,
    /// The first receipt that the window can hold: the one after the last that was issued more than an hour before
    /// the window; 0 if there is none.
    pub first_index: u64,
}

/// One log, or one for each shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Logs {
    /// Version 1: the one log, of shard 0.
    One(Log),
    /// Version 2.
    Shards {
        /// By number, ascending.
        shards: Vec<ShardLog>,
    },
}

/// One shard as a tree head names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardLog {
    /// Its number.
    pub shard: u8,
    /// Whether it is gone for good.
    pub closed: bool,
    /// The tempo of its own head: an earlier one than the tree head's if its gateway was away.
    pub epoch_index: u64,
    /// How far its log had come then.
    pub log: Log,
    /// The first millisecond of the window that `log.first_index` is for.
    pub window_start_ms: u64,
    /// The first millisecond after it: receipts issued later do not count yet.
    pub window_end_ms: u64,
    /// Digest of the shard's own head before; [`Digest::ZERO`] for its first.
    pub previous: Digest,
}

/// What the gateway of a shard signs at the end of a tempo.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShardHead {
    /// The subnet.
    pub netuid: u16,
    /// Whose gateway it is.
    pub validator: AccountId,
    /// The shard's number.
    pub shard: u8,
    /// The tempo.
    pub epoch_index: u64,
    /// Receipts in the log.
    pub tree_size: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Digest,
    /// The first receipt that the window can hold.
    pub first_index: u64,
    /// The window's first millisecond.
    pub window_start_ms: u64,
    /// The first millisecond after the window.
    pub window_end_ms: u64,
    /// Digest of the shard's head before; [`Digest::ZERO`] for its first.
    pub previous: Digest,
}

/// A shard head as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedShardHead {
    /// What is claimed.
    pub head: ShardHead,
    /// The validator's signature over it, unchecked.
    pub signature: Signature,
}

/// A shard head that its validator signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidShardHead(SignedShardHead);

/// What is wrong with a shard of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShardFault {
    /// It stands twice, out of order, or is shard 0 and missing or old.
    #[error(
        "the list of shards begins with shard 0 of this tempo and is ascending; this one is missing or misplaced"
    )]
    Misplaced,
    /// Its tempo and window are not the head's, nor earlier ones.
    #[error("its window does not fit its tempo")]
    Window,
    /// It was named by an old head for too long and is not closed.
    #[error("it has been away for {away_ms} ms and is not closed")]
    Away {
        /// For how long.
        away_ms: u64,
    },
    /// It was named before, and no more.
    #[error("the head before names it, this one leaves it out")]
    LeftOut,
    /// It was closed and has changed.
    #[error("it was closed and is not as it was")]
    Closed,
    /// Its tempo is the same, what it says is not; or it is of an earlier tempo.
    #[error("it says otherwise of a tempo that the head before named")]
    Changed,
    /// Its log shrank, or stayed as long with another root.
    #[error("its log does not continue the one that the head before names")]
    Shrunk,
}

impl Log {
    /// Whether it can be what an earlier state of the same log has become.
    pub fn continues(&self, before: &Self) -> bool {
        self.tree_size > before.tree_size || (self.tree_size == before.tree_size && self.root == before.root)
    }
}

impl Logs {
    pub(super) fn decode_shards<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, SHARDS_MAX).map(|shards| Self::Shards { shards })
    }
}

impl ShardLog {
    /// The shard head that it repeats, of this validator on this subnet.
    pub fn head(&self, netuid: u16, validator: AccountId) -> ShardHead {
        let Self { shard, epoch_index, log, window_start_ms, window_end_ms, previous, .. } = *self;
        let Log { tree_size, root, first_index } = log;
        ShardHead {
            netuid,
            validator,
            shard,
            epoch_index,
            tree_size,
            root,
            first_index,
            window_start_ms,
            window_end_ms,
            previous,
        }
    }

    fn same_but_closed(&self, other: &Self) -> bool {
        Self { closed: other.closed, ..*self } == *other
    }
}

impl ShardHead {
    /// Names it.
    pub fn digest(&self) -> Digest {
        Digest::of_prefixed(Domain::ShardHead.prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedShardHead {
        let signature = validator.sign(Domain::ShardHead, &self.encode());
        SignedShardHead { head: self, signature }
    }

    /// The entry of a tree head that repeats it.
    pub fn entry(&self, closed: bool) -> ShardLog {
        let Self { shard, epoch_index, tree_size, root, first_index, .. } = *self;
        let log = Log { tree_size, root, first_index };
        let (window_start_ms, window_end_ms, previous) =
            (self.window_start_ms, self.window_end_ms, self.previous);
        ShardLog { shard, closed, epoch_index, log, window_start_ms, window_end_ms, previous }
    }
}

impl SignedShardHead {
    /// Reads one whole shard head; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > SHARD_HEAD_BYTES_MAX {
            return None;
        }
        Self::decode_all(&mut &*bytes).ok()
    }

    /// Checks that the validator named signed it.
    pub fn verify(self) -> Result<ValidShardHead, BadSignature> {
        signing::verify(Domain::ShardHead, &self.head.validator, &self.head.encode(), &self.signature)?;
        Ok(ValidShardHead(self))
    }
}

impl std::ops::Deref for ValidShardHead {
    type Target = ShardHead;

    fn deref(&self) -> &ShardHead {
        &self.0.head
    }
}

impl ValidShardHead {
    /// The head with its signature, to store or send.
    pub fn signed(&self) -> &SignedShardHead {
        &self.0
    }

    /// Whether the two cannot belong to one log: two heads of one shard for one tempo or after one head, two roots for one size, or
    /// a later one with a shorter log.
    pub fn contradicts(&self, other: &Self) -> bool {
        let of = |head: &Self| (head.validator, head.netuid, head.shard);
        if of(self) != of(other) || self.digest() == other.digest() {
            return false;
        }
        self.epoch_index == other.epoch_index
            || self.previous == other.previous
            || clashes(&self.entry(false), &other.entry(false))
    }

    /// Whether a tree head says otherwise of the same shard.
    pub fn denied_by(&self, head: &TreeHead) -> bool {
        if (self.validator, self.netuid) != (head.validator, head.netuid) {
            return false;
        }
        let (own, named) = (self.entry(false), head.shard(self.shard));
        // A head of version 1 has no shard head that its log could be compared with but by its size.
        let of_shards = matches!(head.logs, Logs::Shards { .. });
        named.is_some_and(|named| {
            let changed = of_shards && named.epoch_index == own.epoch_index && !named.same_but_closed(&own);
            changed || clashes(&named, &own)
        })
    }
}

/// Whether two states of one shard's log cannot both have been.
fn clashes(one: &ShardLog, other: &ShardLog) -> bool {
    let (earlier, later) = if one.epoch_index <= other.epoch_index { (one, other) } else { (other, one) };
    let (before, after) = (&earlier.log, &later.log);
    let shrunk = earlier.epoch_index < later.epoch_index && after.tree_size < before.tree_size;
    shrunk || (before.tree_size == after.tree_size && before.root != after.root)
}

/// Checks what a head of version 2 says of its shards by itself.
pub(super) fn check_list(head: &TreeHead, shards: &[ShardLog]) -> Result<(), HeadError> {
    let fault = |shard, source| Err(HeadError::Shard { shard, source });
    let leading = shards.first().filter(|first| first.shard == 0 && first.epoch_index == head.epoch_index);
    if leading.is_none_or(|first| first.closed) {
        return fault(0, ShardFault::Misplaced);
    }
    let mut last = None;
    for entry in shards {
        if last.is_some_and(|last| last >= entry.shard) {
            return fault(entry.shard, ShardFault::Misplaced);
        }
        last = Some(entry.shard);
        // Other gateways may sign some blocks before the head gateway does.
        let window = (entry.window_start_ms, entry.window_end_ms);
        let of_head = (head.window_start_ms, head.window_end_ms);
        let earlier = window.0 <= of_head.0 && window.1 <= of_head.1;
        let fits = match entry.epoch_index.cmp(&head.epoch_index) {
            Ordering::Equal if entry.shard == 0 => window == of_head,
            Ordering::Equal => earlier,
            Ordering::Less => earlier && window.1 < of_head.1,
            Ordering::Greater => false,
        };
        if !fits || entry.log.first_index > entry.log.tree_size {
            return fault(entry.shard, ShardFault::Window);
        }
        let away_ms = head.window_end_ms.saturating_sub(entry.window_end_ms);
        if away_ms > AWAY_MS_MAX && !entry.closed {
            return fault(entry.shard, ShardFault::Away { away_ms });
        }
    }
    Ok(())
}

/// Checks that the shards of a head of version 2 continue those of the head before it.
pub(super) fn check_order(previous: &TreeHead, head: &TreeHead) -> Result<(), HeadError> {
    // The one log of a head of version 1 has become shard 0.
    let of_shards = matches!(previous.logs, Logs::Shards { .. });
    for before in previous.shards() {
        let fault = |source| Err(HeadError::Shard { shard: before.shard, source });
        let Some(entry) = head.shard(before.shard) else {
            if before.closed && head.window_start_ms >= before.window_end_ms {
                continue;
            }
            return fault(ShardFault::LeftOut);
        };
        if before.closed && entry != before {
            return fault(ShardFault::Closed);
        }
        if of_shards && entry.epoch_index <= before.epoch_index {
            if !entry.same_but_closed(&before) {
                return fault(ShardFault::Changed);
            }
            continue;
        }
        // A shard is closed as it was last named: its gateway is gone and signs no more.
        if entry.closed || entry.log.first_index < before.log.first_index {
            return fault(ShardFault::Changed);
        }
        if !entry.log.continues(&before.log) {
            return fault(ShardFault::Shrunk);
        }
    }
    Ok(())
}

/// Which shard two heads of one validator contradict each other in.
pub(super) fn clash_of(earlier: &TreeHead, later: &TreeHead) -> Option<Clash> {
    let goes_on = earlier.epoch_index < later.epoch_index;
    let several = |head: &TreeHead| matches!(head.logs, Logs::Shards { .. });
    for before in earlier.shards() {
        match later.shard(before.shard) {
            Some(after) => {
                let told_otherwise = several(earlier)
                    && several(later)
                    && after.epoch_index == before.epoch_index
                    && !after.same_but_closed(&before);
                // What was closed never moves again; what is still open is of a tempo that only goes on.
                let moved =
                    goes_on && (before.closed && after != before || after.epoch_index < before.epoch_index);
                if clashes(&before, &after) || told_otherwise || moved {
                    return Some(several_or_chain(earlier, later, before.shard));
                }
            }
            None if goes_on && later.window_start_ms < before.window_end_ms => {
                return Some(Clash::Shard(before.shard));
            }
            None => {}
        }
    }
    (goes_on && several(earlier) && !several(later)).then_some(Clash::Chain)
}

/// Two heads of version 1 have no shards that somebody could tell apart.
fn several_or_chain(earlier: &TreeHead, later: &TreeHead, shard: u8) -> Clash {
    match (&earlier.logs, &later.logs) {
        (Logs::One(_), Logs::One(_)) => Clash::Chain,
        _ => Clash::Shard(shard),
    }
}

#[cfg(test)]
mod tests;
