//! Tree heads: what a validator says its receipt log was when a tempo ended, and how it scored it.
//!
//! ```text
//! TreeHead --sign--> SignedHead --verify--> ValidHead --follows--> the head before it
//! ```
//!
//! A head's [`TreeHead::digest`] goes on chain (`Commitments.set_commitment`), so that a validator
//! has one log and not one for each reader. Heads form a chain by `previous`; two heads of one validator that fit
//! no single chain prove [`equivocation`](ValidHead::clash).
//!
//! A validator with several gateways has a log for each ([`shards`]). Its heads are of version 2 and name all of them.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input, Output};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::scoring::{Miner, ScoreTable};
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::standing::Standings;

pub mod shards;

use shards::{Log, Logs, ShardFault, ShardLog};

/// More than any signed head has: 256 shards and what a head has beside them.
pub const SIGNED_BYTES_MAX: usize = 32_768;

/// What a head of version 2 begins with: the subnet 65,535, which is never registered, and the version. A head of version 1 has no
/// such mark, so that its bytes are what they always were.
const MARK_OF_SHARDS: (u16, u8) = (u16::MAX, 2);

/// The state of a validator's log, or of its logs, at the end of a tempo.
///
/// What is signed names everything that scoring needs, so that whoever holds the leaves, the policy document and the
/// list of miners computes the same table or has proof of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The log, or the logs of all shards.
    #[serde(flatten)]
    pub logs: Logs,
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
    /// Hash of the score table ([`scores_hash`]) over the receipts from each log's `first_index` on: what the weights are made from.
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
    /// A head of one log after one of several.
    #[error("a head that names one log follows one that names several")]
    OneLogAgain,
    /// A list of shards that is none, or does not continue the one before.
    #[error("shard {shard} of the head")]
    Shard {
        /// Its number.
        shard: u8,
        /// What is wrong.
        #[source]
        source: ShardFault,
    },
}

/// Why two heads of one validator cannot both be honest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    /// They fit no one chain.
    Chain,
    /// They say different things of one shard's log, or the later one leaves it out.
    Shard(u8),
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
        Digest::of_prefixed(self.domain().prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedHead {
        let signature = validator.sign(self.domain(), &self.encode());
        SignedHead { head: self, signature }
    }

    /// The logs with their numbers, ascending. A head of version 1 has one, of shard 0.
    pub fn shards(&self) -> Vec<ShardLog> {
        match &self.logs {
            Logs::Shards { shards } => shards.clone(),
            Logs::One(log) => vec![ShardLog {
                shard: 0,
                closed: false,
                epoch_index: self.epoch_index,
                log: *log,
                window_start_ms: self.window_start_ms,
                window_end_ms: self.window_end_ms,
                previous: Digest::ZERO,
            }],
        }
    }

    /// The log of a shard, if the head names it.
    pub fn shard(&self, shard: u8) -> Option<ShardLog> {
        self.shards().into_iter().find(|log| log.shard == shard)
    }

    /// The log of a shard, if the head names it.
    pub fn log(&self, shard: u8) -> Option<Log> {
        self.shard(shard).map(|found| found.log)
    }

    /// The same to be changed, for another head made from this one.
    pub fn log_mut(&mut self, shard: u8) -> Option<&mut Log> {
        match &mut self.logs {
            Logs::One(log) => Some(log).filter(|_| shard == 0),
            Logs::Shards { shards } => {
                shards.iter_mut().find(|log| log.shard == shard).map(|found| &mut found.log)
            }
        }
    }

    /// Receipts in all logs together.
    pub fn receipts(&self) -> u64 {
        self.shards().iter().map(|shard| shard.log.tree_size).fold(0, u64::saturating_add)
    }

    fn domain(&self) -> Domain {
        match self.logs {
            Logs::One(_) => Domain::TreeHead,
            Logs::Shards { .. } => Domain::TreeHeadOfShards,
        }
    }
}

impl Encode for TreeHead {
    fn encode_to<O: Output + ?Sized>(&self, out: &mut O) {
        let Self { netuid, validator, epoch_index, block_number, block_hash, logs, .. } = self;
        let Self { previous, policy, miners, window_start_ms, window_end_ms, scores, .. } = self;
        if matches!(logs, Logs::Shards { .. }) {
            MARK_OF_SHARDS.encode_to(out);
        }
        (netuid, validator, epoch_index, block_number, block_hash).encode_to(out);
        match logs {
            Logs::One(log) => log.encode_to(out),
            Logs::Shards { shards } => shards.encode_to(out),
        }
        (previous, policy, miners, window_start_ms, window_end_ms, scores).encode_to(out);
    }
}

impl Decode for TreeHead {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let (mark, version) = MARK_OF_SHARDS;
        let mut netuid = u16::decode(input)?;
        let of_shards = netuid == mark;
        if of_shards {
            if u8::decode(input)? != version {
                return Err("unknown version of a tree head".into());
            }
            netuid = u16::decode(input)?;
        }
        let (validator, epoch_index, block_number, block_hash) = Decode::decode(input)?;
        let logs = if of_shards { Logs::decode_shards(input)? } else { Logs::One(Log::decode(input)?) };
        let (previous, policy, miners, window_start_ms, window_end_ms, scores) = Decode::decode(input)?;
        Ok(Self {
            netuid,
            validator,
            epoch_index,
            block_number,
            block_hash,
            logs,
            previous,
            policy,
            miners,
            window_start_ms,
            window_end_ms,
            scores,
        })
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

    /// Checks that the validator named signed it, and that its shards can be those of one head.
    pub fn verify(self) -> Result<ValidHead, HeadError> {
        signing::verify(self.head.domain(), &self.head.validator, &self.head.encode(), &self.signature)
            .map_err(HeadError::Signature)?;
        if let Logs::Shards { shards } = &self.head.logs {
            shards::check_list(&self.head, shards)?;
        }
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
            && self.window_start_ms >= previous.window_start_ms;
        if !later {
            return Err(HeadError::Time);
        }
        match (&previous.logs, &self.logs) {
            (Logs::One(before), Logs::One(log)) => {
                if log.first_index < before.first_index {
                    return Err(HeadError::Time);
                }
                if log.continues(before) { Ok(()) } else { Err(HeadError::Log) }
            }
            (Logs::Shards { .. }, Logs::One(_)) => Err(HeadError::OneLogAgain),
            (_, Logs::Shards { .. }) => shards::check_order(previous, self),
        }
    }

    /// Whether the two cannot belong to one log, and which shard's: the same validator signed two heads for one tempo, or after one
    /// head; two roots for one size of a log; a later head with a shorter log, or without a shard whose window is not over; or a
    /// head of one log after one of several. Anybody who holds both has proof.
    pub fn clash(&self, other: &Self) -> Option<Clash> {
        if (self.validator, self.netuid) != (other.validator, other.netuid) || self.digest() == other.digest()
        {
            return None;
        }
        let (earlier, later) =
            if self.epoch_index <= other.epoch_index { (self, other) } else { (other, self) };
        if let Some(shard) = shards::clash_of(earlier, later) {
            return Some(shard);
        }
        let forked = self.epoch_index == other.epoch_index || self.previous == other.previous;
        forked.then_some(Clash::Chain)
    }

    /// Whether the two cannot belong to one log ([`Self::clash`]).
    pub fn contradicts(&self, other: &Self) -> bool {
        self.clash(other).is_some()
    }
}

#[cfg(test)]
mod tests;
