//! Computing again what a validator says: from the leaves of its log and its signed heads to its scores.
//!
//! Nothing is taken on trust. [`Replay`] reads the leaves of one window in order, in as many parts as the reader likes,
//! and stops at the first that is wrong, naming it. Memory grows with gaps in numbering and broken links, not with the
//! number of leaves.
//!
//! What is checked of each leaf: its index is the next one; its bytes have the hash given; it is a receipt of this
//! validator's on this subnet with three good signatures; its call (miner and sequence number) is new; it was not
//! appended more than an hour out of order. Of each head: it follows the one before, and the leaves have its root. Of
//! the last head also: its window holds all the receipts that it must, and its policy, miners and scores are those
//! computed here.
//!
//! The order rule is what makes a window complete. Leaves are never more than [`LATE_MS_MAX`] older than the newest
//! before them. So if the last leaf before `first_index` was issued more than that before the window, no leaf before
//! it can be in the window; the bundle brings that one leaf along, and what else lies in the same file.
//!
//! A receipt names the miner's previous receipt for this validator. Receipts that are named and not in the log are
//! [counted](Replayed::unlogged): a call whose user or validator went away leaves one too, so this is a reason to ask
//! the miner (who holds the countersigned copy if there was one) and not yet evidence; that is [`crate::dispute`].
//!
//! Where a validator has several gateways, each of its logs is read by itself ([`Replay::shards_mut`]), on as many threads as the reader
//! likes. Every leaf must have a sequence number of its shard, so that two receipts for one call lie in one log and a receipt that was
//! moved is seen where it lies. What a shard counts is that of its own head's window, of which the part that lies
//! in the last head's counts. Bounties are claimed in shard 0 only.

use std::collections::BTreeMap;

use crate::account::AccountId;
use crate::bounty::PaidTwice;
use crate::catalogue::Catalogue;
use crate::digest::Digest;
use crate::evidence::ValidEvidence;
use crate::head::shards::Logs;
use crate::head::{HeadError, ValidHead, registry_hash, scores_hash};
use crate::merkle::{self, Frontier};
use crate::policy_document::PolicyDocument;
use crate::receipt::{Countersigned, ReceiptError, UncheckedCountersigned};
use crate::scoring::{Miner, ScoreTable, Scorer};
use crate::standing::{Ground, Standings, standings_on};

mod ranges;
mod shard;

pub use shard::ShardReplay;

/// How much older than the newest leaf before it a leaf may be.
pub const LATE_MS_MAX: u64 = 3_600_000;

/// A leaf as a bundle holds it: nothing has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'b> {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash as recorded beside it.
    pub hash: Digest,
    /// The receipt's bytes.
    pub record: &'b [u8],
}

/// A leaf whose content was checked; its place in the log was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedLeaf {
    index: u64,
    hash: Digest,
    receipt: Countersigned,
}

/// The rules in force, with their models by name.
#[derive(Debug, Clone)]
pub struct Rules {
    document: PolicyDocument,
    catalogue: Catalogue,
}

/// A window's leaves as they are read, log by log.
#[derive(Debug)]
pub struct Replay<'r> {
    rules: &'r Rules,
    last: ValidHead,
    shards: Vec<ShardReplay<'r>>,
    standings: Standings,
}

/// A window that is as its head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// The head that was checked.
    pub head: Digest,
    /// The scores computed here; the head names the same.
    pub table: ScoreTable,
    /// Bounties that the log pays more than once: true by the scores' rules, and a cheat.
    pub paid_twice: Vec<PaidTwice>,
    /// Leaves read, of all logs.
    pub leaves: u64,
    /// Receipts that miners name as their previous one and that are not among the leaves read. One for each miner is
    /// usually the last before the first leaf.
    pub unlogged: BTreeMap<AccountId, u64>,
}

/// Why a window is not as its heads say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No head to compare with.
    #[error("there is no head to check the leaves against")]
    NoHead,
    /// A head does not follow the one before.
    #[error("the head of epoch {epoch_index} does not follow the one before it")]
    Heads {
        /// Which one.
        epoch_index: u64,
        /// Why.
        #[source]
        source: HeadError,
    },
    /// The policy document is not the one the head names.
    #[error("the policy document has the hash {found}, the head names {expected}")]
    Policy {
        /// In the head.
        expected: Digest,
        /// Of the document given.
        found: Digest,
    },
    /// The head's window is not the policy's.
    #[error("the head's window starts at {found} ms, by its policy it starts at {expected} ms")]
    Window {
        /// By the policy.
        expected: u64,
        /// In the head.
        found: u64,
    },
    /// The leaves begin elsewhere than the window needs.
    #[error("the leaves begin at {found}, the window needs them from {expected} on or earlier")]
    Start {
        /// One before the head's first index.
        expected: u64,
        /// Where they begin.
        found: u64,
    },
    /// A leaf is wrong.
    #[error("leaf {index} is wrong")]
    Leaf {
        /// Its place in the log.
        index: u64,
        /// Why.
        #[source]
        source: LeafError,
    },
    /// The leaves have another root than a head says.
    #[error(
        "the first {tree_size} leaves have the root {found}, the head of epoch {epoch_index} says {expected}"
    )]
    Root {
        /// Whose root.
        epoch_index: u64,
        /// Leaves under it.
        tree_size: u64,
        /// In the head.
        expected: Digest,
        /// Of the leaves.
        found: Digest,
    },
    /// One of several logs is wrong.
    #[error("in shard {shard}")]
    Shard {
        /// Which one.
        shard: u8,
        /// What is wrong with it.
        #[source]
        source: Box<ReplayError>,
    },
    /// Leaves of other shards than the head names.
    #[error("the leaves are of the shards {found:?}, the head names {expected:?}")]
    Shards {
        /// In the head.
        expected: Vec<u8>,
        /// Given.
        found: Vec<u8>,
    },
    /// Leaves are missing at the end.
    #[error("the leaves end at {found}, the head says {expected}")]
    Truncated {
        /// In the head.
        expected: u64,
        /// Read.
        found: u64,
    },
    /// The miners are not those the head names.
    #[error("the miners given have the hash {found}, the head names {expected}")]
    Miners {
        /// In the head.
        expected: Digest,
        /// Of those given.
        found: Digest,
    },
    /// The scores are not those the head names.
    #[error("the leaves give other scores than the head says")]
    Scores {
        /// What the leaves give.
        computed: Box<ScoreTable>,
    },
}

/// What is wrong with a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// Not the next one: one is missing, doubled or misplaced.
    #[error("leaf {found} stands where this one belongs")]
    Index {
        /// The index found.
        found: u64,
    },
    /// Its bytes are not those recorded.
    #[error("its content does not have the hash recorded beside it")]
    Hash,
    /// Its content is no good receipt.
    #[error("its content is not a countersigned receipt")]
    Receipt(#[source] ReceiptError),
    /// It belongs into another log.
    #[error("its receipt is of another validator or subnet")]
    OtherLog,
    /// It belongs into the log of another shard.
    #[error("its call has a number of shard {found}: it belongs into that shard's log")]
    OtherShard {
        /// By the call's number.
        found: u8,
    },
    /// A bounty is claimed in another log than shard 0's.
    #[error("it claims a bounty, which only shard 0 pays")]
    BountyElsewhere,
    /// The same call is in the log already.
    #[error("call {sequence} of miner {miner} is in the log already")]
    Repeated {
        /// The miner.
        miner: AccountId,
        /// The call's sequence number.
        sequence: u64,
    },
    /// Appended too late.
    #[error("it was issued {late_ms} ms before a leaf that comes earlier")]
    Late {
        /// How late.
        late_ms: u64,
    },
    /// Outside of where the head says the window's leaves begin.
    #[error("it was issued {age_ms} ms before the window: the head's first index is wrong")]
    FirstIndex {
        /// How long before the window.
        age_ms: u64,
    },
}

impl Rules {
    /// The rules of a verified document.
    pub fn new(document: PolicyDocument) -> Result<Self, crate::catalogue::CatalogueError> {
        let catalogue = document.catalogue()?;
        Ok(Self { document, catalogue })
    }

    /// The document.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// Its models by name.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }
}

impl CheckedLeaf {
    /// Checks that each leaf's content has the hash recorded beside it and is a receipt with three good signatures, which are
    /// verified together. On failure: the first that is wrong, by its place among those given.
    pub fn check_all(leaves: &[Leaf<'_>]) -> Result<Vec<Self>, (usize, LeafError)> {
        let mut records = Vec::with_capacity(leaves.len());
        for (at, leaf) in leaves.iter().enumerate() {
            records.push(leaf.read().map_err(|error| (at, error))?);
        }
        let verified = UncheckedCountersigned::verify_all(records)
            .map_err(|(at, error)| (at, LeafError::Receipt(error)))?;
        let checked = leaves.iter().zip(verified);
        Ok(checked.map(|(leaf, receipt)| Self { index: leaf.index, hash: leaf.hash, receipt }).collect())
    }

    /// A leaf of a file that this node has checked before, byte for byte: only the hash is computed again.
    pub fn checked_before(leaf: &Leaf<'_>) -> Result<Self, LeafError> {
        let receipt = leaf.read()?.verified_before();
        Ok(Self { index: leaf.index, hash: leaf.hash, receipt })
    }

    /// Its place in the log, as recorded.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its receipt.
    pub fn receipt(&self) -> &Countersigned {
        &self.receipt
    }
}

impl Leaf<'_> {
    fn read(&self) -> Result<UncheckedCountersigned, LeafError> {
        if merkle::leaf_hash(self.record) != self.hash {
            return Err(LeafError::Hash);
        }
        UncheckedCountersigned::from_bytes(self.record).map_err(LeafError::Receipt)
    }
}

impl ReplayError {
    /// The shard at fault, if there are several.
    pub fn shard(&self) -> Option<u8> {
        match self {
            Self::Shard { shard, .. } => Some(*shard),
            Self::Heads { source: HeadError::Shard { shard, .. }, .. } => Some(*shard),
            _ => None,
        }
    }

    /// The first leaf at fault in its log, if it is one leaf's.
    pub fn leaf(&self) -> Option<u64> {
        match self {
            Self::Leaf { index, .. } => Some(*index),
            Self::Truncated { found, .. } => Some(*found),
            Self::Shard { source, .. } => source.leaf(),
            _ => None,
        }
    }
}

impl<'r> Replay<'r> {
    /// Begins at the frontier over the leaves before those that will be read, of a validator with one log. `heads` are a part of the
    /// validator's chain in order, the last one being that whose window is computed.
    pub fn new(rules: &'r Rules, heads: Vec<ValidHead>, start: Frontier) -> Result<Self, ReplayError> {
        Self::of_shards(rules, heads, BTreeMap::from([(0, start)]))
    }

    /// The same of a validator whose last head names these shards.
    pub fn of_shards(
        rules: &'r Rules,
        heads: Vec<ValidHead>,
        starts: BTreeMap<u8, Frontier>,
    ) -> Result<Self, ReplayError> {
        let last = heads.last().cloned().ok_or(ReplayError::NoHead)?;
        for (previous, next) in heads.iter().zip(heads.iter().skip(1)) {
            let refused = |source| ReplayError::Heads { epoch_index: next.epoch_index, source };
            next.follows(Some(previous)).map_err(refused)?;
        }
        let found = rules.document.hash();
        if found != last.policy {
            return Err(ReplayError::Policy { expected: last.policy, found });
        }
        let scorer = Scorer::new(&rules.document.policy, &rules.catalogue, last.window_end_ms);
        if scorer.window_start_ms() != last.window_start_ms {
            let expected = scorer.window_start_ms();
            return Err(ReplayError::Window { expected, found: last.window_start_ms });
        }
        let named = last.shards();
        let expected: Vec<u8> = named.iter().map(|shard| shard.shard).collect();
        if !starts.keys().eq(&expected) {
            return Err(ReplayError::Shards { expected, found: starts.into_keys().collect() });
        }
        let of_shards = matches!(last.logs, Logs::Shards { .. });
        let mut shards = Vec::with_capacity(named.len());
        for (log, start) in named.iter().zip(starts.into_values()) {
            let shard = ShardReplay::new(rules, &heads, *log, start);
            shards.push(shard.map_err(|error| shard::named(of_shards, log.shard, error))?);
        }
        Ok(Self { rules, last, shards, standings: Standings::default() })
    }

    /// The logs to be read, by number.
    pub fn shards_mut(&mut self) -> &mut [ShardReplay<'r>] {
        &mut self.shards
    }

    /// Takes the next leaves of shard 0: of the one log, if there is one. See [`ShardReplay::push_all`].
    pub fn push_all(&mut self, leaves: &[Leaf<'_>]) -> Result<Vec<Countersigned>, ReplayError> {
        let found = Vec::new();
        let expected = self.shards.iter().map(ShardReplay::shard).collect();
        let first = self.shards.first_mut().ok_or(ReplayError::Shards { expected, found })?;
        first.push_all(leaves)
    }

    /// Takes the evidence that the standings in the last head follow from. Whoever is convicted by it earns nothing here, and whoever is
    /// doubted less.
    pub fn judge<'e>(&mut self, evidence: impl IntoIterator<Item = &'e ValidEvidence>) -> &Standings {
        self.judge_on(evidence.into_iter().map(Ground::from))
    }

    /// The same with what matters of the evidence.
    pub fn judge_on(&mut self, grounds: impl IntoIterator<Item = Ground>) -> &Standings {
        self.standings = standings_on(grounds, self.last.window_start_ms..self.last.window_end_ms);
        &self.standings
    }

    /// Compares what the leaves give with the last head. `miners` are those registered at the head's block.
    pub fn finish(self, miners: &[Miner]) -> Result<Replayed, ReplayError> {
        let Self { rules, last, shards, standings } = self;
        let mut scorer = Scorer::new(&rules.document.policy, &rules.catalogue, last.window_end_ms);
        let (mut paid_twice, mut leaves) = (Vec::new(), 0_u64);
        let mut unlogged: BTreeMap<AccountId, u64> = BTreeMap::new();
        for shard in shards {
            let read = shard.finish()?;
            scorer.merge(read.scorer);
            paid_twice.extend(read.paid_twice);
            leaves = leaves.saturating_add(read.leaves);
            for (miner, more) in read.unlogged {
                let count = unlogged.entry(miner).or_default();
                *count = count.saturating_add(more);
            }
        }
        let (found, expected) = (registry_hash(miners, &standings), last.miners);
        if found != expected {
            return Err(ReplayError::Miners { expected, found });
        }
        let table = scorer.finish_by(miners, &standings);
        if scores_hash(&table) != last.scores {
            return Err(ReplayError::Scores { computed: Box::new(table) });
        }
        Ok(Replayed { head: last.digest(), table, paid_twice, leaves, unlogged })
    }

    /// The rules that are applied.
    pub fn rules(&self) -> &'r Rules {
        self.rules
    }
}

#[cfg(test)]
mod tests;
