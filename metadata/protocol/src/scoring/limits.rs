//! What a miner can have produced, and how much one payer may bring.

use std::collections::BTreeMap;

use super::{BASIS_POINTS, HOUR_MS, Policy};
use crate::digest::Digest;
use crate::receipt::Countersigned;

/// Completion tokens that a call may have whatever time it took: short answers are not measured by the millisecond.
const BURST_TOKENS: u64 = 64;

/// The completion tokens of a call that count: not more than were delivered, nor than fit into the time that the
/// validator observed.
pub(super) fn completion_tokens(policy: &Policy, call: &Countersigned) -> u32 {
    let observation = call.observation();
    let in_time = u64::from(observation.last_byte_ms)
        .saturating_mul(policy.tokens_per_second_max.into())
        .checked_div(1_000)
        .unwrap_or(0)
        .saturating_add(BURST_TOKENS);
    let in_time = u32::try_from(in_time).unwrap_or(u32::MAX);
    call.receipt().completion_tokens.min(observation.tokens_delivered).min(in_time)
}

/// An hour's compute units, given how long its calls took together: scaled down where that is longer than the
/// miner's concurrency allows. Exact up to 2^90 units.
pub(super) fn within_capacity(policy: &Policy, compute_units: u128, busy_ms: u128) -> u128 {
    let capacity_ms = u128::from(policy.concurrency_max).saturating_mul(HOUR_MS.into());
    if busy_ms <= capacity_ms {
        return compute_units;
    }
    compute_units.saturating_mul(capacity_ms).checked_div(busy_ms).unwrap_or(0)
}

/// The sum over payers, in which what one payer brings beyond its share of the whole counts for less.
///
/// One unit more from any payer never lowers the result: the excess grows by at most that unit.
pub(super) fn damped(policy: &Policy, of_payer: &BTreeMap<Digest, u128>) -> u128 {
    let whole = of_payer.values().fold(0, |sum: u128, part| sum.saturating_add(*part));
    let share = basis_points_of(whole, policy.payer_share_max_bps);
    let excess = of_payer.values().fold(0, |sum: u128, part| sum.saturating_add(part.saturating_sub(share)));
    let lost = u16::try_from(BASIS_POINTS).unwrap_or(u16::MAX).saturating_sub(policy.payer_excess_bps);
    whole.saturating_sub(basis_points_of(excess, lost))
}

fn basis_points_of(whole: u128, bps: u16) -> u128 {
    whole.saturating_mul(bps.into()).checked_div(BASIS_POINTS.into()).unwrap_or(0)
}
