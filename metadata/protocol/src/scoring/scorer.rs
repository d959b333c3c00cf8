//! Adds up receipts one at a time, in any order and in any number of parts.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::apportion::{Shares, apportion};
use super::{HOUR_MS, Policy, ScoreRow, ScoreTable, SetAside, Tally};
use crate::account::AccountId;
use crate::catalogue::{Catalogue, Model};
use crate::digest::Digest;
use crate::receipt::Countersigned;
use crate::ticket::{Kind, ModelId};

/// The streaming form of [`super::score`]. Receipts need not be kept: memory grows by some 100 bytes for each
/// ticket (so that none counts twice), and otherwise with miners, models and hours only. A ticket has one
/// hour, so scorers over separate hours or separate validators' logs can run apart and be merged.
#[derive(Debug, Clone)]
pub struct Scorer<'a> {
    policy: Policy,
    catalogue: &'a Catalogue,
    window_ms: Range<u64>,
    tickets: HashMap<Digest, Counted>,
    tallies: BTreeMap<AccountId, Tally>,
    /// Which models each miner served in which hour.
    served: BTreeMap<AccountId, BTreeSet<(u64, &'a ModelId)>>,
    set_aside: SetAside,
}

/// What one ticket has added to its miner's tally. All else that counts is fixed by the ticket itself.
#[derive(Debug, Clone, Copy)]
struct Counted {
    miner: AccountId,
    is_bounty: bool,
    compute_units: u128,
}

impl<'a> Scorer<'a> {
    /// Nothing added yet; the window ends before `window_end_ms`.
    pub fn new(policy: &Policy, catalogue: &'a Catalogue, window_end_ms: u64) -> Self {
        let tickets = HashMap::new();
        let (tallies, served) = (BTreeMap::new(), BTreeMap::new());
        let window_ms = window(policy.window_hours, window_end_ms);
        Self {
            policy: *policy,
            catalogue,
            window_ms,
            tickets,
            tallies,
            served,
            set_aside: SetAside::default(),
        }
    }

    /// Adds one receipt. The order does not matter.
    pub fn add(&mut self, receipt: &Countersigned) {
        let ticket = receipt.ticket();
        let aside = &mut self.set_aside;
        if !self.window_ms.contains(&ticket.issued_at_ms) {
            return increment(&mut aside.outside_window);
        }
        if !receipt.counts() {
            return increment(&mut aside.with_error);
        }
        let Some(model) = self.catalogue.ordered_by(ticket) else {
            return increment(&mut aside.unknown_model);
        };
        let is_bounty = ticket.kind == Kind::BountyClaim;
        let compute_units =
            if is_bounty { 0 } else { self.catalogue.compute_units(ticket, receipt.receipt()) };
        self.count(receipt.receipt().ticket_hash, Counted { miner: ticket.miner, is_bounty, compute_units });
        if !is_bounty {
            let hour = ticket.issued_at_ms.checked_div(HOUR_MS).unwrap_or(0);
            self.served.entry(ticket.miner).or_default().insert((hour, &model.id));
        }
    }

    /// Adds all that another scorer has added. Both must have the same policy, catalogue and window; the
    /// result is as if one scorer had seen everything.
    pub fn merge(&mut self, other: Self) {
        for (ticket_hash, counted) in other.tickets {
            self.count(ticket_hash, counted);
        }
        for (miner, served) in other.served {
            self.served.entry(miner).or_default().extend(served);
        }
        let (aside, more) = (&mut self.set_aside, other.set_aside);
        add(&mut aside.outside_window, more.outside_window);
        add(&mut aside.with_error, more.with_error);
        add(&mut aside.unknown_model, more.unknown_model);
        add(&mut aside.repeated, more.repeated);
    }

    /// The table for the miners registered now. Doubled miners get one row.
    pub fn finish(mut self, miners: &[AccountId]) -> ScoreTable {
        let miners: BTreeSet<AccountId> = miners.iter().copied().collect();
        let hours = self.policy.window_hours;
        let mut tallies = BTreeMap::new();
        for miner in &miners {
            let mut tally = self.tallies.remove(miner).unwrap_or_default();
            let served = self.served.remove(miner).unwrap_or_default();
            let models = served.iter().filter_map(|(_, id)| self.catalogue.get(id));
            tally.unique_models = hourly_memory(models, hours);
            tallies.insert(*miner, tally);
        }
        for gone in self.tallies.values() {
            add(&mut self.set_aside.unregistered, gone.invocations.saturating_add(gone.bounties));
        }
        let Shares { basis_points, term_bps } =
            apportion(&self.policy, &tallies.values().copied().collect::<Vec<_>>());
        let scores = basis_points.into_iter().zip(term_bps);
        let row = |((hotkey, tally), (basis_points, term_bps)): ((AccountId, Tally), _)| {
            let Tally { compute_units, invocations, unique_models, bounties } = tally;
            ScoreRow { hotkey, compute_units, invocations, unique_models, bounties, term_bps, basis_points }
        };
        ScoreTable {
            window_start_ms: self.window_ms.start,
            window_end_ms: self.window_ms.end,
            rows: tallies.into_iter().zip(scores).map(row).collect(),
            set_aside: self.set_aside,
        }
    }

    /// Counts a ticket, once. Two receipts for one ticket differ in what they claim only; the lower claim
    /// stands.
    fn count(&mut self, ticket_hash: Digest, new: Counted) {
        let tally = self.tallies.entry(new.miner).or_default();
        match self.tickets.entry(ticket_hash) {
            Entry::Vacant(vacant) => {
                let kind = if new.is_bounty { &mut tally.bounties } else { &mut tally.invocations };
                increment(kind);
                tally.compute_units = tally.compute_units.saturating_add(new.compute_units);
                vacant.insert(new);
            }
            Entry::Occupied(mut counted) => {
                increment(&mut self.set_aside.repeated);
                let excess = counted.get().compute_units.saturating_sub(new.compute_units);
                tally.compute_units = tally.compute_units.saturating_sub(excess);
                counted.get_mut().compute_units = counted.get().compute_units.saturating_sub(excess);
            }
        }
    }
}

/// The last `hours` hours, up to but without `end_ms`.
fn window(hours: u16, end_ms: u64) -> Range<u64> {
    let hours_until_end = end_ms.div_ceil(HOUR_MS);
    hours_until_end.saturating_sub(hours.into()).saturating_mul(HOUR_MS)..end_ms
}

/// The sum over hours and models, by the hour: thousandths of a MiB.
fn hourly_memory<'m>(models: impl Iterator<Item = &'m Model>, hours: u16) -> u128 {
    let mib =
        models.map(|model| u128::from(model.memory_bytes.div_ceil(1 << 20))).fold(0, u128::saturating_add);
    mib.saturating_mul(1_000).checked_div(hours.into()).unwrap_or(0)
}

fn increment(count: &mut u64) {
    add(count, 1);
}

/// Nobody counts to 2^64; saturating keeps this total without a way to fail.
fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
