//! What each payer has used, by day. A function of the receipt ledger: the file only spares reading all of it again.
//!
//! The file says up to which leaf it counts. After a crash the leaves behind that are counted again from the ledger, where
//! every receipt is before its user's answer ends; so nothing is lost and nothing counts twice. What a machine that loses power had not yet synced
//! is in neither.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use protocol::catalogue::Catalogue;
use protocol::digest::Digest;
use protocol::receipt::Outcome;
use serde::{Deserialize, Serialize};

use super::calendar;
use crate::ledger::{Metered, ReadError, Reader};
use crate::state_dir;

/// Days kept: this month and the two before, whatever their lengths.
const DAYS_MAX: u64 = 93;

/// Leaves read from the ledger at a time.
pub(super) const LEAVES_AT_ONCE: usize = 1_024;

/// An amount of use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Answers, whole or in part.
    pub requests: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written and delivered.
    pub completion_tokens: u64,
    /// Thousandths of a compute unit.
    pub milli_units: u64,
}

/// The use of all payers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Leaves of the ledger that are counted in it.
    leaves: u64,
    /// By payer (the salted hash that tickets carry), then by day since 1970.
    payers: BTreeMap<Digest, BTreeMap<u64, Tally>>,
}

/// What one receipt adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// Whose use it is.
    pub payer: Digest,
    /// How much.
    pub tally: Tally,
}

impl Tally {
    /// Prompt and completion tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// Whole compute units, rounded down.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.milli_units / 1_000
    }

    fn add(&mut self, more: &Self) {
        self.requests = self.requests.saturating_add(more.requests);
        self.prompt_tokens = self.prompt_tokens.saturating_add(more.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(more.completion_tokens);
        self.milli_units = self.milli_units.saturating_add(more.milli_units);
    }
}

impl Usage {
    /// What the file holds; nothing if there is none.
    pub fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        state_dir::replace(path, &serde_json::to_vec(self)?)
    }

    /// The next leaf to count.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Counts leaves that were read from the ledger; those counted before add nothing. Returns what was added.
    pub fn count(&mut self, leaves: &[Metered], catalogue: &Catalogue) -> Vec<Charge> {
        leaves.iter().filter_map(|leaf| self.count_one(leaf, catalogue)).collect()
    }

    /// Counts the whole rest of the ledger.
    pub fn catch_up(&mut self, reader: &Reader, catalogue: &Catalogue) -> Result<(), ReadError> {
        self.not_beyond(reader.size()?);
        loop {
            let leaves = reader.metered_from(self.leaves, LEAVES_AT_ONCE)?;
            if leaves.is_empty() {
                return Ok(());
            }
            self.count(&leaves, catalogue);
        }
    }

    /// Goes on at the ledger's end if that lies before what is counted: the ledger is an older copy than the file.
    pub fn not_beyond(&mut self, size: u64) {
        if self.leaves > size {
            tracing::warn!(
                counted = self.leaves,
                size,
                "the ledger is shorter than what its usage counts: an old copy?"
            );
            self.leaves = size;
        }
    }

    /// Counts one leaf. A user pays for what arrived: nothing for an answer that the miner broke off or could not prove.
    fn count_one(&mut self, leaf: &Metered, catalogue: &Catalogue) -> Option<Charge> {
        if leaf.index < self.leaves {
            return None;
        }
        self.leaves = leaf.index + 1;
        if !matches!(leaf.outcome, Outcome::Delivered | Outcome::ClientGone) {
            return None;
        }
        let completion = leaf.completion_tokens.min(leaf.tokens_delivered);
        let units =
            catalogue.get(&leaf.model).map_or(0, |model| model.compute_units(leaf.prompt_tokens, completion));
        let tally = Tally {
            requests: 1,
            prompt_tokens: leaf.prompt_tokens.into(),
            completion_tokens: completion.into(),
            milli_units: u64::try_from(units).unwrap_or(u64::MAX),
        };
        let day = calendar::day(leaf.issued_at_ms);
        let days = self.payers.entry(leaf.payer).or_default();
        days.entry(day).or_default().add(&tally);
        days.retain(|kept, _| kept.saturating_add(DAYS_MAX) > day);
        Some(Charge { payer: leaf.payer, tally })
    }

    /// What a payer used on the day that it is now.
    #[must_use]
    pub fn today(&self, payer: &Digest, now_ms: u64) -> Tally {
        let days = self.payers.get(payer);
        days.and_then(|days| days.get(&calendar::day(now_ms))).copied().unwrap_or_default()
    }

    /// What a payer used in the month that it is now.
    #[must_use]
    pub fn this_month(&self, payer: &Digest, now_ms: u64) -> Tally {
        let (first, next) = calendar::month(calendar::day(now_ms));
        let mut sum = Tally::default();
        if let Some(days) = self.payers.get(payer) {
            days.range(first..next).for_each(|(_, tally)| sum.add(tally));
        }
        sum
    }

    /// Every kept day of a payer, oldest first.
    #[must_use]
    pub fn days(&self, payer: &Digest) -> Vec<(u64, Tally)> {
        let days = self.payers.get(payer);
        days.map(|days| days.iter().map(|(day, tally)| (*day, *tally)).collect()).unwrap_or_default()
    }

    /// Everybody who used anything.
    pub fn payers(&self) -> impl Iterator<Item = &Digest> {
        self.payers.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::{Tally, Usage};
    use crate::accounts::calendar::DAY_MS;
    use crate::ledger::Metered;
    use protocol::catalogue::{Catalogue, Model};
    use protocol::digest::Digest;
    use protocol::receipt::Outcome;

    fn catalogue() -> Catalogue {
        let model = Model {
            id: "echo".parse().unwrap(),
            weights_digest: Digest::ZERO,
            prompt_multiplier: 250,
            completion_multiplier: 1_000,
            memory_bytes: 1,
        };
        Catalogue::new([model]).unwrap()
    }

    fn leaf(index: u64, issued_at_ms: u64, outcome: Outcome) -> Metered {
        Metered {
            index,
            payer: Digest::of(b"somebody"),
            model: "echo".parse().unwrap(),
            issued_at_ms,
            prompt_tokens: 8,
            completion_tokens: 5,
            tokens_delivered: 3,
            outcome,
        }
    }

    #[test]
    fn what_arrived_is_charged_and_a_miners_fault_is_not() {
        let (mut usage, catalogue, now_ms) = (Usage::default(), catalogue(), 20_000 * DAY_MS);
        usage.count_one(&leaf(0, now_ms, Outcome::Delivered), &catalogue).unwrap();
        usage.count_one(&leaf(1, now_ms, Outcome::ClientGone), &catalogue).unwrap();
        assert!(usage.count_one(&leaf(2, now_ms, Outcome::MinerFailed), &catalogue).is_none());
        assert!(usage.count_one(&leaf(3, now_ms, Outcome::OutputMismatch), &catalogue).is_none());
        // Twice 8 tokens at a quarter of a unit and 3 delivered ones at a whole.
        let expected = Tally { requests: 2, prompt_tokens: 16, completion_tokens: 6, milli_units: 10_000 };
        assert_eq!(usage.today(&Digest::of(b"somebody"), now_ms), expected);
        assert_eq!(usage.leaves(), 4);
    }

    #[test]
    fn a_leaf_counts_once_however_often_it_is_seen() {
        let (mut usage, catalogue) = (Usage::default(), catalogue());
        usage.count_one(&leaf(0, 0, Outcome::Delivered), &catalogue).unwrap();
        assert!(usage.count_one(&leaf(0, 0, Outcome::Delivered), &catalogue).is_none());
    }

    #[test]
    fn a_month_is_the_sum_of_its_days_and_old_days_are_forgotten() {
        let (mut usage, catalogue, payer) = (Usage::default(), catalogue(), Digest::of(b"somebody"));
        // 2026-10-31, 2026-11-01, 2026-11-22.
        for (index, day) in [(0, 20_757), (1, 20_758), (2, 20_779)] {
            usage.count_one(&leaf(index, day * DAY_MS, Outcome::Delivered), &catalogue).unwrap();
        }
        assert_eq!(usage.this_month(&payer, 20_779 * DAY_MS).requests, 2);
        assert_eq!(usage.days(&payer).len(), 3);
        usage.count_one(&leaf(3, 20_851 * DAY_MS, Outcome::Delivered), &catalogue).unwrap();
        let kept: Vec<u64> = usage.days(&payer).into_iter().map(|(day, _)| day).collect();
        assert_eq!(kept, [20_779, 20_851]);
    }

    #[test]
    fn the_file_says_the_same_after_it_was_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usage.json");
        let mut usage = Usage::load(&path).unwrap();
        usage.count_one(&leaf(0, 5, Outcome::Delivered), &catalogue()).unwrap();
        usage.store(&path).unwrap();
        assert_eq!(Usage::load(&path).unwrap(), usage);
    }
}
