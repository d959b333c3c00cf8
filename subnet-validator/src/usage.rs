//! What the ledger's receipts add up to, by the hour, model and miner: kept up to date as the ledger grows, so that no question
//! reads the log again.
//!
//! An hour is that of the ticket's time, as in scoring. The sums are a function of the first [`Usage::receipts`] receipts of the
//! log and of nothing else; whoever reads the same receipts gets the same sums.

pub mod follow;
mod histogram;

use std::collections::BTreeMap;

use protocol::account::AccountId;
use protocol::catalogue::Catalogue;
use protocol::receipt::{Countersigned, Outcome};
use protocol::scoring::HOUR_MS;
use protocol::ticket::ModelId;

pub use self::histogram::Histogram;

/// What calls add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// Receipts, whatever became of the calls.
    pub requests: u64,
    /// Those that were delivered whole, as signed, and ended well: [`Countersigned::counts`].
    pub delivered: u64,
    /// Those that the user left before the end.
    pub abandoned: u64,
    /// Tokens read, of delivered calls.
    pub prompt_tokens: u64,
    /// Tokens written, of delivered calls.
    pub completion_tokens: u64,
    /// Thousandths of a compute unit, of delivered calls, at the catalogue's multipliers.
    pub compute_units: u128,
    /// The same for calls that were not delivered: what nobody is charged for.
    pub compute_units_undelivered: u128,
    /// Milliseconds from request to first byte as the validator saw them, of delivered calls.
    pub first_byte_ms: Histogram,
    /// Milliseconds from request to last byte, of delivered calls.
    pub last_byte_ms: Histogram,
    /// Tokens written each second after the first byte, of delivered calls, in tenths.
    pub decitokens_per_second: Histogram,
}

/// The sums of the hours that are kept.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    hours: BTreeMap<u64, Hour>,
    receipts: u64,
    hours_max: u64,
}

#[derive(Debug, Clone, Default)]
struct Hour {
    of: BTreeMap<(AccountId, ModelId), Sums>,
}

/// Some hours in a row, the last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first hour: milliseconds since 1970 over [`HOUR_MS`].
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl Span {
    /// The last `hours` clock hours up to the one that holds this moment.
    #[must_use]
    pub fn ending(at_ms: u64, hours: u64) -> Self {
        let last = at_ms / HOUR_MS;
        Self { first: last.saturating_sub(hours.saturating_sub(1)), last }
    }
}

impl Usage {
    /// Nothing yet; at most `hours_max` hours are kept.
    #[must_use]
    pub fn new(hours_max: u64) -> Self {
        Self { hours_max: hours_max.max(1), ..Self::default() }
    }

    /// How many receipts of the log are in the sums.
    #[must_use]
    pub fn receipts(&self) -> u64 {
        self.receipts
    }

    /// Begins behind receipts that are older than everything kept.
    pub fn skip_to(&mut self, index: u64) {
        self.receipts = self.receipts.max(index);
    }

    /// Adds the next receipt of the log.
    pub fn add(&mut self, receipt: &Countersigned, catalogue: &Catalogue) {
        self.receipts = self.receipts.saturating_add(1);
        let ticket = receipt.ticket();
        let hour = ticket.issued_at_ms / HOUR_MS;
        let sums = self.hours.entry(hour).or_default();
        sums.of.entry((ticket.miner, ticket.model.clone())).or_default().add(receipt, catalogue);
        while self.hours.len() as u64 > self.hours_max {
            self.hours.pop_first();
        }
    }

    /// The sums of a span.
    #[must_use]
    pub fn total(&self, span: Span) -> Sums {
        self.by(span, |_, _, _| ()).remove(&()).unwrap_or_default()
    }

    /// The sums of a span by model.
    #[must_use]
    pub fn by_model(&self, span: Span) -> BTreeMap<ModelId, Sums> {
        self.by(span, |_, _, model| model.clone())
    }

    /// The sums of a span by miner.
    #[must_use]
    pub fn by_miner(&self, span: Span) -> BTreeMap<AccountId, Sums> {
        self.by(span, |_, miner, _| *miner)
    }

    /// The sums of a span by its hours, or by `step` hours at a time; the key is the first of them. Hours without calls are
    /// left out.
    #[must_use]
    pub fn by_hours(&self, span: Span, step: u64) -> BTreeMap<u64, Sums> {
        let step = step.max(1);
        self.by(span, |hour, _, _| hour / step * step)
    }

    fn by<K: Ord>(&self, span: Span, key: impl Fn(u64, &AccountId, &ModelId) -> K) -> BTreeMap<K, Sums> {
        let mut sums: BTreeMap<K, Sums> = BTreeMap::new();
        for (hour, of) in self.hours.range(span.first..=span.last) {
            for ((miner, model), more) in &of.of {
                sums.entry(key(*hour, miner, model)).or_default().merge(more);
            }
        }
        sums
    }
}

impl Sums {
    fn add(&mut self, receipt: &Countersigned, catalogue: &Catalogue) {
        let (ticket, said, seen) = (receipt.ticket(), receipt.receipt(), receipt.observation());
        self.requests += 1;
        self.abandoned += u64::from(seen.outcome == Outcome::ClientGone);
        let delivered = said.completion_tokens.min(seen.tokens_delivered);
        let model = catalogue.ordered_by(ticket);
        let units = model.map_or(0, |model| model.compute_units(said.prompt_tokens, delivered));
        if !receipt.counts() {
            self.compute_units_undelivered = self.compute_units_undelivered.saturating_add(units);
            return;
        }
        self.delivered += 1;
        self.prompt_tokens += u64::from(said.prompt_tokens);
        self.completion_tokens += u64::from(delivered);
        self.compute_units = self.compute_units.saturating_add(units);
        self.first_byte_ms.add(seen.first_byte_ms.into());
        self.last_byte_ms.add(seen.last_byte_ms.into());
        let writing_ms = u64::from(seen.last_byte_ms.saturating_sub(seen.first_byte_ms));
        if let Some(rate) = (u64::from(delivered).saturating_sub(1) * 10_000).checked_div(writing_ms) {
            self.decitokens_per_second.add(rate);
        }
    }

    /// Adds what other calls add up to.
    pub fn merge(&mut self, more: &Self) {
        self.requests += more.requests;
        self.delivered += more.delivered;
        self.abandoned += more.abandoned;
        self.prompt_tokens += more.prompt_tokens;
        self.completion_tokens += more.completion_tokens;
        self.compute_units = self.compute_units.saturating_add(more.compute_units);
        self.compute_units_undelivered =
            self.compute_units_undelivered.saturating_add(more.compute_units_undelivered);
        self.first_byte_ms.merge(&more.first_byte_ms);
        self.last_byte_ms.merge(&more.last_byte_ms);
        self.decitokens_per_second.merge(&more.decitokens_per_second);
    }
}
