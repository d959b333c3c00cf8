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

use std::collections::{BTreeMap, HashSet};

use crate::account::AccountId;
use crate::bounty::{PaidTwice, Payments};
use crate::catalogue::Catalogue;
use crate::digest::Digest;
use crate::evidence::ValidEvidence;
use crate::head::{HeadError, ValidHead, registry_hash, scores_hash};
use crate::merkle::{self, Frontier};
use crate::policy_document::PolicyDocument;
use crate::receipt::{Countersigned, ReceiptError, UncheckedCountersigned};
use crate::scoring::{Miner, ScoreTable, Scorer};
use crate::standing::{Standings, standings};

mod ranges;

use ranges::Ranges;

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

/// A window's leaves as they are read.
#[derive(Debug)]
pub struct Replay<'r> {
    rules: &'r Rules,
    /// Those that still have leaves to come, next first.
    heads: std::vec::IntoIter<ValidHead>,
    last: ValidHead,
    first: u64,
    frontier: Frontier,
    newest_ms: u64,
    sequences: BTreeMap<AccountId, Ranges>,
    /// Receipts of which only one of the two has been seen: the receipt itself, and its name in the next one.
    unnamed: HashSet<Digest>,
    unseen: BTreeMap<Digest, AccountId>,
    scorer: Scorer<'r>,
    payments: Payments,
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
    /// Leaves read.
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

impl<'r> Replay<'r> {
    /// Begins at the frontier over the leaves before those that will be read. `heads` are a part of the validator's
    /// chain in order, the last one being that whose window is computed.
    pub fn new(rules: &'r Rules, heads: Vec<ValidHead>, start: Frontier) -> Result<Self, ReplayError> {
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
        // Earlier leaves do no harm: none of them can be in the window, and none is scored.
        let expected = last.first_index.saturating_sub(1);
        if start.size() > expected {
            return Err(ReplayError::Start { expected, found: start.size() });
        }
        let mut replay = Self {
            rules,
            heads: heads.into_iter(),
            last,
            first: start.size(),
            frontier: start,
            newest_ms: 0,
            sequences: BTreeMap::new(),
            unnamed: HashSet::new(),
            unseen: BTreeMap::new(),
            scorer,
            payments: Payments::default(),
            standings: Standings::default(),
        };
        replay.check_heads()?;
        Ok(replay)
    }

    /// Takes the next leaves; their signatures are verified together. Gives them back as what they are now known to be.
    pub fn push_all(&mut self, leaves: &[Leaf<'_>]) -> Result<Vec<Countersigned>, ReplayError> {
        let first = self.frontier.size();
        let place = |at: usize| first.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        for (leaf, index) in leaves.iter().zip(first..) {
            if leaf.index != index || index >= self.last.tree_size {
                return Err(ReplayError::Leaf { index, source: LeafError::Index { found: leaf.index } });
            }
        }
        let checked = CheckedLeaf::check_all(leaves);
        let checked = checked.map_err(|(at, source)| ReplayError::Leaf { index: place(at), source })?;
        checked.into_iter().map(|leaf| self.push(leaf)).collect()
    }

    /// Takes the next leaf, whose content was checked before. Gives its receipt back.
    pub fn push(&mut self, leaf: CheckedLeaf) -> Result<Countersigned, ReplayError> {
        let index = self.frontier.size();
        if leaf.index != index || index >= self.last.tree_size {
            return Err(ReplayError::Leaf { index, source: LeafError::Index { found: leaf.index } });
        }
        self.take(&leaf)?;
        Ok(leaf.receipt)
    }

    /// Leaves read so far and leaves to read in all, by the last head.
    pub fn progress(&self) -> (u64, u64) {
        (self.frontier.size(), self.last.tree_size)
    }

    /// Takes the evidence that the standings in the last head follow from. Whoever is convicted by it earns nothing here, and whoever is
    /// doubted less.
    pub fn judge<'e>(&mut self, evidence: impl IntoIterator<Item = &'e ValidEvidence>) -> &Standings {
        self.standings = standings(evidence, self.last.window_start_ms..self.last.window_end_ms);
        &self.standings
    }

    /// Compares what the leaves give with the last head. `miners` are those registered at the head's block.
    pub fn finish(self, miners: &[Miner]) -> Result<Replayed, ReplayError> {
        let (found, expected) = (self.frontier.size(), self.last.tree_size);
        if found != expected {
            return Err(ReplayError::Truncated { expected, found });
        }
        let (found, expected) = (registry_hash(miners, &self.standings), self.last.miners);
        if found != expected {
            return Err(ReplayError::Miners { expected, found });
        }
        let table = self.scorer.finish_by(miners, &self.standings);
        if scores_hash(&table) != self.last.scores {
            return Err(ReplayError::Scores { computed: Box::new(table) });
        }
        let mut unlogged = BTreeMap::new();
        for miner in self.unseen.into_values() {
            let count: &mut u64 = unlogged.entry(miner).or_default();
            *count = count.saturating_add(1);
        }
        let leaves = self.last.tree_size.saturating_sub(self.first);
        let paid_twice = self.payments.paid_twice();
        Ok(Replayed { head: self.last.digest(), table, paid_twice, leaves, unlogged })
    }

    fn take(&mut self, leaf: &CheckedLeaf) -> Result<(), ReplayError> {
        let wrong = |source| ReplayError::Leaf { index: leaf.index, source };
        let receipt = &leaf.receipt;
        let ticket = receipt.ticket();
        if (ticket.validator, ticket.netuid) != (self.last.validator, self.last.netuid) {
            return Err(wrong(LeafError::OtherLog));
        }
        let late_ms = self.newest_ms.saturating_sub(ticket.issued_at_ms);
        if late_ms > LATE_MS_MAX {
            return Err(wrong(LeafError::Late { late_ms }));
        }
        let age_ms = self.last.window_start_ms.saturating_sub(ticket.issued_at_ms);
        let before_window = age_ms > LATE_MS_MAX;
        let first_index = self.last.first_index;
        // What stands before the last leaf that is surely before the window is not in it either: that leaf would be late.
        let due = leaf.index.saturating_add(1) >= first_index;
        if due && before_window != (leaf.index < first_index) {
            return Err(wrong(LeafError::FirstIndex { age_ms }));
        }
        if !self.sequences.entry(ticket.miner).or_default().insert(ticket.sequence) {
            let (miner, sequence) = (ticket.miner, ticket.sequence);
            return Err(wrong(LeafError::Repeated { miner, sequence }));
        }
        self.newest_ms = self.newest_ms.max(ticket.issued_at_ms);
        self.link(receipt);
        if leaf.index >= first_index {
            self.scorer.add_once(receipt);
            self.payments.see(leaf.index, receipt);
        }
        self.frontier.push(leaf.hash);
        self.check_heads()
    }

    /// Compares the root with every head that ends here.
    fn check_heads(&mut self) -> Result<(), ReplayError> {
        while let Some(head) = self.heads.as_slice().first() {
            if head.tree_size > self.frontier.size() {
                break;
            }
            let found = self.frontier.root();
            // A head before the first leaf read has nothing here to be compared with.
            if head.tree_size == self.frontier.size() && head.root != found {
                let (epoch_index, tree_size, expected) = (head.epoch_index, head.tree_size, head.root);
                return Err(ReplayError::Root { epoch_index, tree_size, expected, found });
            }
            self.heads.next();
        }
        Ok(())
    }

    /// Strikes out each receipt against its name in the next one. Receipts arrive out of order, so either may come
    /// first.
    fn link(&mut self, receipt: &Countersigned) {
        let (hash, previous) = (receipt.receipt().hash(), receipt.receipt().previous);
        if self.unseen.remove(&hash).is_none() {
            self.unnamed.insert(hash);
        }
        if previous != Digest::ZERO && !self.unnamed.remove(&previous) {
            self.unseen.insert(previous, receipt.ticket().miner);
        }
    }

    /// The rules that are applied.
    pub fn rules(&self) -> &'r Rules {
        self.rules
    }
}

#[cfg(test)]
mod tests;
