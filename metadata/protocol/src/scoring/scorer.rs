//! Adds up receipts one at a time, in any order and in any number of parts.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::apportion::{Shares, apportion};
use super::breadth::Served;
use super::explain::{Reason, worth};
use super::{HOUR_MS, Miner, Policy, ScoreRow, ScoreTable, SetAside, Tally, limits};
use crate::account::AccountId;
use crate::catalogue::Catalogue;
use crate::digest::Digest;
use crate::receipt::Countersigned;
use crate::standing::{Standing, Standings};
use crate::ticket::ModelId;

/// The streaming form of [`super::score`]. Receipts need not be kept: memory grows by some 200 bytes for each
/// ticket (so that none counts twice; not with [`Scorer::add_once`]), and otherwise with miners, payers, models and
/// hours only. A ticket has one hour, so scorers over separate hours or separate validators' logs can run apart and
/// be merged.
#[derive(Debug, Clone)]
pub struct Scorer<'a> {
    pub(super) policy: Policy,
    pub(super) catalogue: &'a Catalogue,
    pub(super) window_ms: Range<u64>,
    pub(super) tickets: HashMap<Digest, Counted>,
    /// What the tickets above add up to.
    hours: Hours<'a>,
    /// The same for tickets known to come once.
    pub(super) hours_once: Hours<'a>,
    pub(super) set_aside: SetAside,
}

/// By miner and hour.
pub(super) type Hours<'a> = BTreeMap<(AccountId, u64), HourTally<'a>>;

/// What one ticket has added to its hour. All else that counts is fixed by the ticket itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    miner: AccountId,
    hour: u64,
    payer: Digest,
    is_bounty: bool,
    compute_units: u128,
    busy_ms: u32,
}

/// What one miner did in one hour.
#[derive(Debug, Clone, Default)]
pub(super) struct HourTally<'a> {
    /// Time that the calls took together.
    pub(super) busy_ms: u128,
    pub(super) payers: BTreeMap<Digest, PayerTally<'a>>,
}

/// What one payer brought to one miner in one hour.
#[derive(Debug, Clone, Default)]
pub(super) struct PayerTally<'a> {
    pub(super) compute_units: u128,
    pub(super) invocations: u64,
    pub(super) bounties: u64,
    pub(super) models: BTreeSet<&'a ModelId>,
}

/// What one miner did over the window.
#[derive(Debug, Default)]
struct MinerTally {
    compute_units: BTreeMap<Digest, u128>,
    /// In thousandths.
    invocations: BTreeMap<Digest, u128>,
    bounties: u64,
}

impl<'a> Scorer<'a> {
    /// Nothing added yet; the window ends before `window_end_ms`.
    pub fn new(policy: &Policy, catalogue: &'a Catalogue, window_end_ms: u64) -> Self {
        let window_ms = window(policy.window_hours, window_end_ms);
        Self {
            policy: *policy,
            catalogue,
            window_ms,
            tickets: HashMap::new(),
            hours: BTreeMap::new(),
            hours_once: BTreeMap::new(),
            set_aside: SetAside::default(),
        }
    }

    /// The first millisecond that counts.
    pub fn window_start_ms(&self) -> u64 {
        self.window_ms.start
    }

    /// Adds one receipt. The order does not matter.
    pub fn add(&mut self, receipt: &Countersigned) {
        if let Some((new, model)) = self.admit(receipt) {
            self.count(receipt.receipt().ticket_hash, new);
            new.serve(&mut self.hours, model);
        }
    }

    /// Adds one receipt of a log whose tickets are known to differ, as [`crate::replay`] knows: nothing is remembered
    /// of the ticket, so that memory does not grow with receipts.
    pub fn add_once(&mut self, receipt: &Countersigned) {
        if let Some((new, model)) = self.admit(receipt) {
            new.open(&mut self.hours_once);
            new.serve(&mut self.hours_once, model);
        }
    }

    /// What a receipt counts for, and which model it shows as served. Counts it as set aside if it does not count.
    fn admit(&mut self, receipt: &Countersigned) -> Option<(Counted, &'a ModelId)> {
        let ticket = receipt.ticket();
        let aside = &mut self.set_aside;
        let (worth, model) = match worth(&self.policy, self.catalogue, &self.window_ms, receipt) {
            Ok(counts) => counts,
            Err(reason) => {
                increment(match reason {
                    Reason::OutsideWindow => &mut aside.outside_window,
                    Reason::WithError => &mut aside.with_error,
                    Reason::UnknownModel => &mut aside.unknown_model,
                });
                return None;
            }
        };
        let new = Counted {
            miner: ticket.miner,
            hour: worth.hour,
            payer: ticket.payer,
            is_bounty: worth.is_bounty,
            compute_units: worth.compute_units,
            busy_ms: receipt.observation().last_byte_ms,
        };
        Some((new, &model.id))
    }

    /// Adds all that another scorer has added. Both must have the same policy and catalogue; the result is as if one scorer had
    /// seen everything.
    ///
    /// The other's window may be an earlier one, as that of a shard that was away ([`crate::head::shards`]): what it counted in
    /// hours before this window is then outside of it.
    pub fn merge(&mut self, mut other: Self) {
        let first_hour = self.window_ms.start / HOUR_MS;
        for hours in [&mut other.hours, &mut other.hours_once] {
            hours.retain(|(_, hour), tally| {
                let is_outside = *hour < first_hour;
                if is_outside {
                    add(&mut other.set_aside.outside_window, tally.receipts());
                }
                !is_outside
            });
        }
        other.tickets.retain(|_, counted| counted.hour >= first_hour);
        for (ticket_hash, counted) in other.tickets {
            self.count(ticket_hash, counted);
        }
        for (key, hour) in other.hours {
            let own = self.hours.entry(key).or_default();
            for (payer, tally) in hour.payers {
                own.payers.entry(payer).or_default().models.extend(tally.models);
            }
        }
        add_all(&mut self.hours_once, other.hours_once);
        let (aside, more) = (&mut self.set_aside, other.set_aside);
        add(&mut aside.outside_window, more.outside_window);
        add(&mut aside.with_error, more.with_error);
        add(&mut aside.unknown_model, more.unknown_model);
        add(&mut aside.repeated, more.repeated);
    }

    /// The table for the miners registered now. Doubled miners get one row.
    pub fn finish(self, miners: &[Miner]) -> ScoreTable {
        self.finish_by(miners, &Standings::default())
    }

    /// The same where some of the miners are convicted or doubted ([`crate::standing`]). Of the convicted no receipt counts, nor takes from
    /// others; they are not among those set aside, and the conviction says why they are missing. Of the doubted every term counts in
    /// part, rounded down, before the terms become shares.
    pub fn finish_by(mut self, miners: &[Miner], standings: &Standings) -> ScoreTable {
        let miners: BTreeMap<AccountId, &Miner> = miners.iter().map(|miner| (miner.hotkey, miner)).collect();
        let mut hours = self.hours;
        add_all(&mut hours, self.hours_once);
        let mut of_miner: BTreeMap<AccountId, MinerTally> = BTreeMap::new();
        let mut of_coldkey: BTreeMap<AccountId, Served<'_>> = BTreeMap::new();
        for ((hotkey, hour), tally) in &hours {
            let Some(miner) = miners.get(hotkey) else {
                add(&mut self.set_aside.unregistered, tally.receipts());
                continue;
            };
            let standing = standings.of(hotkey);
            if standing == Standing::Convicted {
                continue;
            }
            let milli = u128::from(standing.milli());
            let sums = of_miner.entry(*hotkey).or_default();
            let served = of_coldkey.entry(miner.coldkey).or_default();
            for (payer, of_payer) in &tally.payers {
                if miner.related_payers.contains(payer) {
                    add(&mut self.set_aside.related, of_payer.receipts());
                    continue;
                }
                let units = limits::within_capacity(&self.policy, of_payer.compute_units, tally.busy_ms);
                let units = in_part(units, milli);
                let invocations = u128::from(of_payer.invocations).saturating_mul(milli);
                for (sum, more) in [(&mut sums.compute_units, units), (&mut sums.invocations, invocations)] {
                    let sum = sum.entry(*payer).or_default();
                    *sum = sum.saturating_add(more);
                }
                add(&mut sums.bounties, of_payer.bounties);
                for model in &of_payer.models {
                    served.insert(*hotkey, *hour, model);
                }
            }
        }
        let mut breadth: BTreeMap<AccountId, u128> = BTreeMap::new();
        for served in of_coldkey.values() {
            breadth.extend(served.credits(&self.policy, self.catalogue));
        }
        let mut rows = Vec::with_capacity(miners.len());
        for hotkey in miners.keys() {
            let milli = standings.of(hotkey).milli();
            let sums = of_miner.remove(hotkey).unwrap_or_default();
            let whole = |of_payer: &BTreeMap<Digest, u128>| {
                of_payer.values().fold(0, |sum: u128, part| sum.saturating_add(*part))
            };
            let invocations = whole(&sums.invocations).checked_div(1_000).unwrap_or(0);
            rows.push(ScoreRow {
                hotkey: *hotkey,
                compute_units: whole(&sums.compute_units),
                compute_units_counted: limits::damped(&self.policy, &sums.compute_units),
                invocations: u64::try_from(invocations).unwrap_or(u64::MAX),
                invocations_counted: limits::damped(&self.policy, &sums.invocations),
                unique_models: breadth.get(hotkey).map_or(0, |credits| in_part(*credits, milli.into())),
                bounties: u64::try_from(in_part(sums.bounties.into(), milli.into())).unwrap_or(u64::MAX),
                term_bps: [0; 4],
                basis_points: 0,
            });
        }
        let Shares { basis_points, term_bps } =
            apportion(&self.policy, &rows.iter().map(Tally::of).collect::<Vec<_>>());
        for (row, (basis_points, term_bps)) in rows.iter_mut().zip(basis_points.into_iter().zip(term_bps)) {
            (row.basis_points, row.term_bps) = (basis_points, term_bps);
        }
        ScoreTable {
            window_start_ms: self.window_ms.start,
            window_end_ms: self.window_ms.end,
            rows,
            set_aside: self.set_aside,
        }
    }

    /// Counts a ticket, once. Two receipts for one ticket differ in what they claim only: the lower claim stands,
    /// with the longer time.
    fn count(&mut self, ticket_hash: Digest, new: Counted) {
        match self.tickets.entry(ticket_hash) {
            Entry::Vacant(vacant) => {
                new.open(&mut self.hours);
                vacant.insert(new);
            }
            Entry::Occupied(mut counted) => {
                increment(&mut self.set_aside.repeated);
                let hour = self.hours.entry((new.miner, new.hour)).or_default();
                let tally = hour.payers.entry(new.payer).or_default();
                let counted = counted.get_mut();
                let excess = counted.compute_units.saturating_sub(new.compute_units);
                tally.compute_units = tally.compute_units.saturating_sub(excess);
                counted.compute_units = counted.compute_units.saturating_sub(excess);
                let longer = new.busy_ms.saturating_sub(counted.busy_ms);
                hour.busy_ms = hour.busy_ms.saturating_add(longer.into());
                counted.busy_ms = counted.busy_ms.saturating_add(longer);
            }
        }
    }
}

impl Counted {
    /// Counts a ticket that is new.
    fn open(&self, hours: &mut Hours<'_>) {
        let hour = hours.entry((self.miner, self.hour)).or_default();
        let tally = hour.payers.entry(self.payer).or_default();
        increment(if self.is_bounty { &mut tally.bounties } else { &mut tally.invocations });
        tally.compute_units = tally.compute_units.saturating_add(self.compute_units);
        hour.busy_ms = hour.busy_ms.saturating_add(self.busy_ms.into());
    }

    /// Counts the model as served in this hour, if this is a service.
    fn serve<'a>(&self, hours: &mut Hours<'a>, model: &'a ModelId) {
        if !self.is_bounty {
            let hour = hours.entry((self.miner, self.hour)).or_default();
            hour.payers.entry(self.payer).or_default().models.insert(model);
        }
    }
}

/// Adds up tallies of different tickets.
fn add_all<'a>(hours: &mut Hours<'a>, more: Hours<'a>) {
    for (key, hour) in more {
        let own = hours.entry(key).or_default();
        own.busy_ms = own.busy_ms.saturating_add(hour.busy_ms);
        for (payer, tally) in hour.payers {
            let own = own.payers.entry(payer).or_default();
            own.compute_units = own.compute_units.saturating_add(tally.compute_units);
            add(&mut own.invocations, tally.invocations);
            add(&mut own.bounties, tally.bounties);
            own.models.extend(tally.models);
        }
    }
}

impl HourTally<'_> {
    fn receipts(&self) -> u64 {
        self.payers.values().map(PayerTally::receipts).fold(0, u64::saturating_add)
    }
}

impl PayerTally<'_> {
    fn receipts(&self) -> u64 {
        self.invocations.saturating_add(self.bounties)
    }
}

/// The last `hours` hours, up to but without `end_ms`.
fn window(hours: u16, end_ms: u64) -> Range<u64> {
    let hours_until_end = end_ms.div_ceil(HOUR_MS);
    hours_until_end.saturating_sub(hours.into()).saturating_mul(HOUR_MS)..end_ms
}

/// So many thousandths of a value.
fn in_part(value: u128, milli: u128) -> u128 {
    value.saturating_mul(milli) / 1_000
}

fn increment(count: &mut u64) {
    add(count, 1);
}

/// Nobody counts to 2^64; saturating keeps this total without a way to fail.
fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
