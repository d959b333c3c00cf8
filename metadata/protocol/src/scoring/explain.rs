//! Why a miner has the score that it has: what one receipt counts for, and what each term of a row is a share of.
//!
//! The scorer itself counts by [`worth`], and shares are made from [`terms`]' values, so that an explanation cannot differ from
//! what was paid.

use std::ops::Range;

use super::tally::median_of_nonzero;
use super::{HOUR_MS, Policy, ScoreTable, Tally, limits};
use crate::catalogue::{Catalogue, Model};
use crate::receipt::Countersigned;
use crate::ticket::Kind;

/// What a receipt that counts brings to its hour, before the hour's capacity and the payers' shares are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worth {
    /// The hour it counts in.
    pub hour: u64,
    /// Completion tokens that count.
    pub completion_tokens: u32,
    /// Thousandths of a compute unit; none for a bounty.
    pub compute_units: u128,
    /// Whether it counts as a bounty and as nothing else.
    pub is_bounty: bool,
}

/// Why a receipt by itself does not count. (That it repeats another, or that its miner is not registered or pays itself, is seen
/// among all receipts only.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Issued outside the window.
    OutsideWindow,
    /// Not wholly delivered, other bytes than signed, or ended in an error.
    WithError,
    /// The model or its weights are not in the catalogue.
    UnknownModel,
}

/// One term of one miner: its share is the value over the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Term {
    /// The miner's value in the term. For unique models it is the value after the step above the median.
    pub value: u128,
    /// The values of all miners together.
    pub total: u128,
    /// The weight that the term has, in basis points of the policy; 0 where nobody has any value, for then the others share it.
    pub weight_bps: u16,
}

/// What a receipt counts for, and the model that it shows as served.
///
/// # Errors
/// With the first reason for which it does not count.
pub fn worth<'a>(
    policy: &Policy,
    catalogue: &'a Catalogue,
    window_ms: &Range<u64>,
    receipt: &Countersigned,
) -> Result<(Worth, &'a Model), Reason> {
    let ticket = receipt.ticket();
    if !window_ms.contains(&ticket.issued_at_ms) {
        return Err(Reason::OutsideWindow);
    }
    if !receipt.counts() {
        return Err(Reason::WithError);
    }
    let Some(model) = catalogue.ordered_by(ticket) else {
        return Err(Reason::UnknownModel);
    };
    let is_bounty = ticket.kind == Kind::BountyClaim;
    let completion_tokens = limits::completion_tokens(policy, receipt);
    let compute_units =
        if is_bounty { 0 } else { model.compute_units(receipt.receipt().prompt_tokens, completion_tokens) };
    let hour = ticket.issued_at_ms.checked_div(HOUR_MS).unwrap_or(0);
    Ok((Worth { hour, completion_tokens, compute_units, is_bounty }, model))
}

/// The four terms of each row of a table, in its order: compute units, invocations, unique models, bounties.
pub fn terms(policy: &Policy, table: &ScoreTable) -> Vec<[Term; 4]> {
    let tallies: Vec<Tally> = table.rows.iter().map(Tally::of).collect();
    let median = median_of_nonzero(tallies.iter().map(|tally| tally.unique_models));
    let values: Vec<[u128; 4]> = tallies.iter().map(|tally| tally.values(median)).collect();
    let mut totals = [0_u128; 4];
    for row in &values {
        for (total, value) in totals.iter_mut().zip(row) {
            *total = total.saturating_add(*value);
        }
    }
    let [a, b, c, d] = totals;
    let [w, x, y, z] = policy.term_weights();
    let term = |value, total, weight_bps| {
        let weight_bps = if total == 0 { 0 } else { weight_bps };
        Term { value, total, weight_bps }
    };
    let of_row = |[e, f, g, h]: [u128; 4]| [term(e, a, w), term(f, b, x), term(g, c, y), term(h, d, z)];
    values.into_iter().map(of_row).collect()
}
