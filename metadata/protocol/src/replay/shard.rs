//! One log of a window.

use std::collections::{BTreeMap, HashSet};

use super::ranges::Ranges;
use super::{CheckedLeaf, LATE_MS_MAX, Leaf, LeafError, ReplayError, Rules};
use crate::account::AccountId;
use crate::bounty::{PaidTwice, Payments};
use crate::digest::Digest;
use crate::head::ValidHead;
use crate::head::shards::{Log, Logs, ShardLog};
use crate::merkle::Frontier;
use crate::receipt::Countersigned;
use crate::scoring::Scorer;
use crate::ticket::Kind;

/// The leaves of one shard as they are read.
#[derive(Debug)]
pub struct ShardReplay<'r> {
    /// Whether the validator has several, so that faults name the shard.
    of_shards: bool,
    named: ShardLog,
    /// The last head's.
    owner: (AccountId, u16),
    /// States of the log under heads that still have leaves to come, with the heads' tempos, next first.
    marks: std::vec::IntoIter<(u64, Log)>,
    first: u64,
    frontier: Frontier,
    newest_ms: u64,
    sequences: BTreeMap<AccountId, Ranges>,
    /// Receipts of which only one of the two has been seen: the receipt itself, and its name in the next one.
    unnamed: HashSet<Digest>,
    unseen: BTreeMap<Digest, AccountId>,
    scorer: Scorer<'r>,
    payments: Payments,
}

/// A log that was read to its end.
pub(super) struct ReadLog<'r> {
    pub(super) scorer: Scorer<'r>,
    pub(super) paid_twice: Vec<PaidTwice>,
    pub(super) leaves: u64,
    pub(super) unlogged: BTreeMap<AccountId, u64>,
}

/// A fault with its shard, where there are several.
pub(super) fn named(of_shards: bool, shard: u8, error: ReplayError) -> ReplayError {
    match error {
        error if of_shards => ReplayError::Shard { shard, source: Box::new(error) },
        error => error,
    }
}

impl<'r> ShardReplay<'r> {
    pub(super) fn new(
        rules: &'r Rules,
        heads: &[ValidHead],
        named: ShardLog,
        start: Frontier,
    ) -> Result<Self, ReplayError> {
        let last = heads.last().ok_or(ReplayError::NoHead)?;
        let scorer = Scorer::new(&rules.document.policy, &rules.catalogue, named.window_end_ms);
        if scorer.window_start_ms() != named.window_start_ms {
            let expected = scorer.window_start_ms();
            return Err(ReplayError::Window { expected, found: named.window_start_ms });
        }
        // Earlier leaves do no harm: none of them can be in the window, and none is scored.
        let expected = named.log.first_index.saturating_sub(1);
        if start.size() > expected {
            return Err(ReplayError::Start { expected, found: start.size() });
        }
        let marks = heads.iter().filter_map(|head| Some((head.epoch_index, head.log(named.shard)?)));
        let mut shard = Self {
            of_shards: matches!(last.logs, Logs::Shards { .. }),
            named,
            owner: (last.validator, last.netuid),
            marks: marks.collect::<Vec<_>>().into_iter(),
            first: start.size(),
            frontier: start,
            newest_ms: 0,
            sequences: BTreeMap::new(),
            unnamed: HashSet::new(),
            unseen: BTreeMap::new(),
            scorer,
            payments: Payments::default(),
        };
        shard.check_marks()?;
        Ok(shard)
    }

    /// Its number.
    pub fn shard(&self) -> u8 {
        self.named.shard
    }

    /// Its number, if the validator has several.
    pub fn named_shard(&self) -> Option<u8> {
        self.of_shards.then_some(self.named.shard)
    }

    /// Takes the next leaves; their signatures are verified together. Gives them back as what they are now known to be.
    pub fn push_all(&mut self, leaves: &[Leaf<'_>]) -> Result<Vec<Countersigned>, ReplayError> {
        let first = self.frontier.size();
        let place = |at: usize| first.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        for (leaf, index) in leaves.iter().zip(first..) {
            if leaf.index != index || index >= self.named.log.tree_size {
                return Err(self.wrong(index, LeafError::Index { found: leaf.index }));
            }
        }
        let checked = CheckedLeaf::check_all(leaves);
        let checked = checked.map_err(|(at, source)| self.wrong(place(at), source))?;
        checked.into_iter().map(|leaf| self.push(leaf)).collect()
    }

    /// Takes the next leaf, whose content was checked before. Gives its receipt back.
    pub fn push(&mut self, leaf: CheckedLeaf) -> Result<Countersigned, ReplayError> {
        let index = self.frontier.size();
        if leaf.index != index || index >= self.named.log.tree_size {
            return Err(self.wrong(index, LeafError::Index { found: leaf.index }));
        }
        self.take(&leaf)?;
        Ok(leaf.receipt)
    }

    /// Leaves read so far and leaves to read in all, by the last head.
    pub fn progress(&self) -> (u64, u64) {
        (self.frontier.size(), self.named.log.tree_size)
    }

    /// That a leaf of this log is wrong.
    pub fn wrong(&self, index: u64, source: LeafError) -> ReplayError {
        named(self.of_shards, self.named.shard, ReplayError::Leaf { index, source })
    }

    /// That the leaves of this log end too early.
    pub fn ends_early(&self, expected: u64) -> ReplayError {
        let found = self.frontier.size();
        named(self.of_shards, self.named.shard, ReplayError::Truncated { expected, found })
    }

    pub(super) fn finish(self) -> Result<ReadLog<'r>, ReplayError> {
        let expected = self.named.log.tree_size;
        if self.frontier.size() != expected {
            return Err(self.ends_early(expected));
        }
        let mut unlogged = BTreeMap::new();
        for miner in self.unseen.into_values() {
            let count: &mut u64 = unlogged.entry(miner).or_default();
            *count = count.saturating_add(1);
        }
        let leaves = expected.saturating_sub(self.first);
        Ok(ReadLog { scorer: self.scorer, paid_twice: self.payments.paid_twice(), leaves, unlogged })
    }

    fn take(&mut self, leaf: &CheckedLeaf) -> Result<(), ReplayError> {
        let receipt = &leaf.receipt;
        let ticket = receipt.ticket();
        if (ticket.validator, ticket.netuid) != self.owner {
            return Err(self.wrong(leaf.index, LeafError::OtherLog));
        }
        if ticket.shard() != self.named.shard {
            return Err(self.wrong(leaf.index, LeafError::OtherShard { found: ticket.shard() }));
        }
        if ticket.kind == Kind::BountyClaim && self.named.shard != 0 {
            return Err(self.wrong(leaf.index, LeafError::BountyElsewhere));
        }
        let late_ms = self.newest_ms.saturating_sub(ticket.issued_at_ms);
        if late_ms > LATE_MS_MAX {
            return Err(self.wrong(leaf.index, LeafError::Late { late_ms }));
        }
        let age_ms = self.named.window_start_ms.saturating_sub(ticket.issued_at_ms);
        let before_window = age_ms > LATE_MS_MAX;
        let first_index = self.named.log.first_index;
        // What stands before the last leaf that is surely before the window is not in it either: that leaf would be late.
        let due = leaf.index.saturating_add(1) >= first_index;
        if due && before_window != (leaf.index < first_index) {
            return Err(self.wrong(leaf.index, LeafError::FirstIndex { age_ms }));
        }
        if !self.sequences.entry(ticket.miner).or_default().insert(ticket.sequence) {
            let (miner, sequence) = (ticket.miner, ticket.sequence);
            return Err(self.wrong(leaf.index, LeafError::Repeated { miner, sequence }));
        }
        self.newest_ms = self.newest_ms.max(ticket.issued_at_ms);
        self.link(receipt);
        if leaf.index >= first_index {
            self.scorer.add_once(receipt);
            self.payments.see(leaf.index, receipt);
        }
        self.frontier.push(leaf.hash);
        self.check_marks().map_err(|error| named(self.of_shards, self.named.shard, error))
    }

    /// Compares the root with that of every head whose log ends here.
    fn check_marks(&mut self) -> Result<(), ReplayError> {
        while let Some((epoch_index, log)) = self.marks.as_slice().first() {
            if log.tree_size > self.frontier.size() {
                break;
            }
            let found = self.frontier.root();
            // A head before the first leaf read has nothing here to be compared with.
            if log.tree_size == self.frontier.size() && log.root != found {
                let (epoch_index, tree_size, expected) = (*epoch_index, log.tree_size, log.root);
                return Err(ReplayError::Root { epoch_index, tree_size, expected, found });
            }
            self.marks.next();
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
}
