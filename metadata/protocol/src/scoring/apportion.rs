//! From tallies to basis points, exactly.

use super::tally::median_of_nonzero;
use super::{BASIS_POINTS, Policy, Tally};

/// Shares are counted in units of 10^-18, one decimal digit at a time.
const SHARE_DIGITS: u32 = 18;
const WHOLE_SHARE: u128 = 1_000_000_000_000_000_000;

/// The result for each tally, in the order given.
pub(super) struct Shares {
    pub(super) basis_points: Vec<u32>,
    pub(super) term_bps: Vec<[u32; 4]>,
}

/// Ties go to whoever comes first, so the caller gives the tallies in the order of hotkeys.
pub(super) fn apportion(policy: &Policy, tallies: &[Tally]) -> Shares {
    let median = median_of_nonzero(tallies.iter().map(|tally| tally.unique_models));
    let values: Vec<[u128; 4]> = tallies.iter().map(|tally| tally.values(median)).collect();
    let sum = |totals: [u128; 4], values: &[u128; 4]| pairwise(&totals, values, u128::saturating_add);
    let totals = values.iter().fold([0; 4], sum);
    let weights = policy.term_weights().map(u128::from);
    let weights = pairwise(&weights, &totals, |weight, total| if total == 0 { 0 } else { weight });
    let active_weight = weights.iter().fold(0, |sum: u128, weight| sum.saturating_add(*weight));
    // A share is at most 10^18 and a weight below 2^16, so weighted shares stay below 2^78 and their sums far
    // below 2^128.
    let weighted = |values: &[u128; 4]| {
        pairwise(&pairwise(values, &totals, share_floor), &weights, u128::saturating_mul)
    };
    let weighted: Vec<[u128; 4]> = values.iter().map(weighted).collect();
    let whole = active_weight.saturating_mul(WHOLE_SHARE);
    let term_bps = weighted.iter().map(|terms| terms.map(|term| points(term, whole).0)).collect();
    let quotas: Vec<u128> = weighted
        .iter()
        .map(|terms| terms.iter().fold(0, |sum: u128, term| sum.saturating_add(*term)))
        .collect();
    Shares { basis_points: largest_remainder(&quotas), term_bps }
}

/// Splits 10,000 points in proportion to the quotas; all zero if they are.
pub(super) fn largest_remainder(quotas: &[u128]) -> Vec<u32> {
    let total = quotas.iter().fold(0, |sum: u128, quota| sum.saturating_add(*quota));
    if total == 0 {
        return vec![0; quotas.len()];
    }
    let (mut points, remainders): (Vec<u32>, Vec<u128>) =
        quotas.iter().map(|quota| points(*quota, total)).unzip();
    let given = points.iter().fold(0, |sum: u32, points| sum.saturating_add(*points));
    // The remainders sum to a multiple of the total: fewer points are left over than there are quotas with a
    // remainder.
    let left_over = usize::try_from(BASIS_POINTS.saturating_sub(given)).unwrap_or(usize::MAX);
    let mut by_remainder: Vec<(u128, &mut u32)> = remainders.into_iter().zip(&mut points).collect();
    // A stable sort leaves equals in the order given.
    by_remainder.sort_by(|(one, _), (other, _)| other.cmp(one));
    for (_, points) in by_remainder.into_iter().take(left_over) {
        *points = points.saturating_add(1);
    }
    points
}

/// The whole basis points that `part` is of `total`, and the remainder.
fn points(part: u128, total: u128) -> (u32, u128) {
    let scaled = part.saturating_mul(BASIS_POINTS.into());
    let whole = scaled.checked_div(total).unwrap_or(0);
    (u32::try_from(whole).unwrap_or(BASIS_POINTS), scaled.checked_rem(total).unwrap_or(0))
}

/// floor(part * 10^18 / total) for part <= total, exact over all of 128 bits: long division, whose step
/// multiplies the remainder by ten by adding it ten times modulo the total.
pub(super) fn share_floor(part: u128, total: u128) -> u128 {
    if part >= total {
        return if total == 0 { 0 } else { WHOLE_SHARE };
    }
    let (mut share, mut remainder) = (0_u128, part);
    for _ in 0..SHARE_DIGITS {
        let (mut digit, mut next) = (0_u128, 0_u128);
        for _ in 0..10 {
            // Both are below the total, so what is missing to it decides whether the sum would reach it.
            let missing = total.saturating_sub(remainder);
            if next >= missing {
                next = next.saturating_sub(missing);
                digit = digit.saturating_add(1);
            } else {
                next = next.saturating_add(remainder);
            }
        }
        remainder = next;
        share = share.saturating_mul(10).saturating_add(digit);
    }
    share
}

fn pairwise(one: &[u128; 4], other: &[u128; 4], combine: impl Fn(u128, u128) -> u128) -> [u128; 4] {
    let ([a, b, c, d], [e, f, g, h]) = (*one, *other);
    [combine(a, e), combine(b, f), combine(c, g), combine(d, h)]
}
