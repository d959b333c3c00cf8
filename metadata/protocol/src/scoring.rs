//! From receipts to weights: one pure function in integers, the same for the validator that pays and the
//! auditor that checks.
//!
//! # What counts
//! A receipt counts if it is countersigned (the type says so), error-free ([`Countersigned::counts`]), orders
//! a model of the catalogue, was issued within the window, its miner is registered now, and its payer is not
//! the miner's own ([`Miner::related_payers`]). One ticket counts once. Should a miner sign two receipts for
//! one ticket, the one that claims less counts, whatever order they arrive in.
//!
//! # The window
//! Hour h is `issued_at_ms / 3_600_000`. The window is the last `window_hours` such hours before its end; the
//! one that holds the end's last millisecond is in it as far as it goes. So a window never touches more hours
//! than it has, and a receipt at an hour's edge belongs to exactly one.
//!
//! # The four terms
//! Each is a share of the subnet's total, as an exact floor in units of 10^-18:
//! - **compute units**: [`crate::catalogue::Model::compute_units`] of the tokens that were delivered, up to what the miner can
//!   have produced (below).
//! - **invocations**: receipts, in thousandths. A validator's own probes count like users' requests, here and in the term above:
//!   they cost the miner the same, and a probe that must not be told apart from a user's request is ordered as one, so
//!   that no rule could tell them apart afterwards either.
//! - **unique models**: the models served in each hour, weighted by their memory, averaged over all hours of
//!   the window (hours without service are zeroes); see [`Tally`] for the step above the median. A model counts
//!   in an hour by the share of the last `ramp_hours` hours, this one included, in which the same miner served
//!   it: whoever swaps models every hour gains nothing over keeping one, and nobody falls off a cliff. Hotkeys
//!   of one coldkey that serve the same model in the same hour share one credit.
//! - **bounties**: claims of cold models brought up. They count here and in no other term.
//!
//! A term that nobody scores in hands its weight to the others, in proportion to theirs.
//!
//! # What a miner can have produced
//! Of one receipt, no more completion tokens count than were delivered, nor more than 64 and
//! `tokens_per_second_max` for the time that the validator observed. Of one hour (by the ticket's time), no more
//! than `concurrency_max` calls at a time: where the observed times sum to more, the hour's compute units are
//! scaled down to that.
//!
//! # Who pays
//! Of a miner's compute units and invocations, what one payer brings beyond `payer_share_max_bps` of them counts
//! by `payer_excess_bps`. So a miner with a single payer keeps more than half, where all have a single payer no
//! share changes, and an invented payer is worth less than many real ones.
//!
//! # Basis points
//! The weighted shares are apportioned to 10,000 basis points by largest remainder: everybody gets the whole
//! points of the exact quota, and the points left over go to the largest fractions, ties to the smaller
//! hotkey. So points sum to exactly 10,000, and each is less than one point from its exact quota. (A miner
//! that gains can lose that last point to rounding, never more.)

use std::collections::BTreeMap;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::catalogue::Catalogue;
use crate::digest::Digest;
use crate::receipt::Countersigned;

mod apportion;
mod breadth;
pub mod explain;
mod limits;
mod merge;
mod scorer;
mod sums;
mod tally;

pub use merge::{ValidatorTable, merge};
pub use scorer::Scorer;
pub use sums::{Sums, SumsError};
pub use tally::Tally;

/// An hour, the grain of scoring.
pub const HOUR_MS: u64 = 3_600_000;

/// What all rows of a table sum to.
pub const BASIS_POINTS: u32 = 10_000;

/// How the terms are weighed, and over how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Weight of compute units, in basis points. Default: 5500.
    pub compute_bps: u16,
    /// Weight of invocations, in basis points. Default: 2500.
    pub invocations_bps: u16,
    /// Weight of unique models, in basis points. Default: 1500.
    pub unique_models_bps: u16,
    /// Weight of bounties, in basis points. Default: 500.
    pub bounties_bps: u16,
    /// Length of the window, in hours. Default: 168.
    pub window_hours: u16,
    /// Share of a miner's calls that one payer may bring before the rest is damped, in basis points. Default:
    /// 2500.
    pub payer_share_max_bps: u16,
    /// What a payer's calls beyond that count for, in basis points. Default: 5000.
    pub payer_excess_bps: u16,
    /// Hours of service until a model counts in full as a unique model. Default: 4.
    pub ramp_hours: u16,
    /// Completion tokens that one call can produce each second. Default: 2000.
    pub tokens_per_second_max: u32,
    /// Calls that one miner can serve at a time. Default: 256.
    pub concurrency_max: u16,
}

/// A miner as the chain and the validator know it when the window ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
pub struct Miner {
    /// The registered hotkey.
    pub hotkey: AccountId,
    /// Who owns it.
    pub coldkey: AccountId,
    /// Payers ([`crate::ticket::Ticket::payer`]) that belong to this miner's owner. Their calls do not count
    /// for it.
    pub related_payers: Vec<Digest>,
}

/// The scores of all registered miners over one window.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ScoreTable {
    /// The window's first millisecond: the beginning of an hour.
    pub window_start_ms: u64,
    /// The first millisecond after the window.
    pub window_end_ms: u64,
    /// One row for each registered miner, in the order of hotkeys.
    pub rows: Vec<ScoreRow>,
    /// Receipts that did not count, and why.
    pub set_aside: SetAside,
}

/// One miner's score with what it came from.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct ScoreRow {
    /// The miner.
    pub hotkey: AccountId,
    /// Thousandths of a compute unit, of all receipts that count.
    pub compute_units: u128,
    /// The same after payers were damped: what the share is made from.
    pub compute_units_counted: u128,
    /// Receipts that count.
    pub invocations: u64,
    /// Thousandths of a receipt, after payers were damped: what the share is made from.
    pub invocations_counted: u128,
    /// Models served per hour, weighted by memory: thousandths of a MiB, averaged over the window, before the
    /// step above the median.
    pub unique_models: u128,
    /// Bounty claims.
    pub bounties: u64,
    /// How many basis points each term contributed, rounded down: compute, invocations, unique models,
    /// bounties. What rounding left over is in `basis_points` only.
    pub term_bps: [u32; 4],
    /// The score. Over all rows these sum to 10,000, or all are zero when nothing counts.
    pub basis_points: u32,
}

/// Receipts that did not count, each under the first reason that applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SetAside {
    /// Issued outside the window.
    pub outside_window: u64,
    /// Not wholly delivered, other bytes than signed, or ended in an error.
    pub with_error: u64,
    /// The model or its weights are not in the catalogue.
    pub unknown_model: u64,
    /// Further receipts for a ticket that counts already.
    pub repeated: u64,
    /// The miner is not registered now.
    pub unregistered: u64,
    /// Paid by the miner's own coldkey.
    pub related: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            compute_bps: 5_500,
            invocations_bps: 2_500,
            unique_models_bps: 1_500,
            bounties_bps: 500,
            window_hours: 168,
            payer_share_max_bps: 2_500,
            payer_excess_bps: 5_000,
            ramp_hours: 4,
            tokens_per_second_max: 2_000,
            concurrency_max: 256,
        }
    }
}

impl Miner {
    /// A miner none of whose payers are its own.
    #[must_use]
    pub fn new(hotkey: AccountId, coldkey: AccountId) -> Self {
        Self { hotkey, coldkey, related_payers: Vec::new() }
    }
}

impl Policy {
    /// Names this policy in tree heads and tables.
    pub fn hash(&self) -> Digest {
        Digest::of_prefixed(b"SN_POLICY_V2\0", &self.encode())
    }

    fn term_weights(&self) -> [u16; 4] {
        [self.compute_bps, self.invocations_bps, self.unique_models_bps, self.bounties_bps]
    }
}

/// Scores the miners registered now by the receipts of the window that ends at `window_end_ms` (exclusive).
pub fn score<'a>(
    policy: &Policy,
    catalogue: &Catalogue,
    window_end_ms: u64,
    receipts: impl IntoIterator<Item = &'a Countersigned>,
    miners: &[Miner],
) -> ScoreTable {
    let mut scorer = Scorer::new(policy, catalogue, window_end_ms);
    for receipt in receipts {
        scorer.add(receipt);
    }
    scorer.finish(miners)
}

/// The weight vector for the chain: the best miner gets 65,535 and the others in proportion, rounded to
/// nearest. Miners without a uid or without points are left out. Ascending by uid.
pub fn weights(table: &ScoreTable, uid_of: &BTreeMap<AccountId, u16>) -> Vec<(u16, u16)> {
    weights_of_points(table.rows.iter().map(|row| (row.hotkey, row.basis_points)), uid_of)
}

/// The same from points, such as those that [`merge`] gives.
pub fn weights_of_points(
    points: impl IntoIterator<Item = (AccountId, u32)>,
    uid_of: &BTreeMap<AccountId, u16>,
) -> Vec<(u16, u16)> {
    let scored = points.into_iter().filter(|(_, points)| *points > 0);
    let points: BTreeMap<u16, u32> =
        scored.filter_map(|(hotkey, points)| Some((*uid_of.get(&hotkey)?, points))).collect();
    let best = points.values().copied().max().map_or(1, u64::from);
    let scale = |points: u32| {
        let numerator = u64::from(points).saturating_mul(u16::MAX.into()).saturating_add(best >> 1);
        u16::try_from(numerator.checked_div(best).unwrap_or(0)).unwrap_or(u16::MAX)
    };
    points.into_iter().map(|(uid, points)| (uid, scale(points))).filter(|(_, weight)| *weight > 0).collect()
}

#[cfg(test)]
mod tests;
