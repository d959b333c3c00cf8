//! What one miner has in each term, and its value there.

use super::ScoreRow;

/// One miner's counts over the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Thousandths of a compute unit, after payers were damped.
    pub compute_units: u128,
    /// Thousandths of a receipt, after payers were damped.
    pub invocations: u128,
    /// Thousandths of a MiB, averaged over the window's hours.
    pub unique_models: u128,
    /// Bounty claims.
    pub bounties: u64,
}

impl Tally {
    /// What a row's share is made from.
    pub(super) fn of(row: &ScoreRow) -> Self {
        Self {
            compute_units: row.compute_units_counted,
            invocations: row.invocations_counted,
            unique_models: row.unique_models,
            bounties: row.bounties,
        }
    }

    /// The miner's value in each term. A share of a term is this over the sum of everybody's.
    ///
    /// Breadth pays more than in proportion, but only above the median of the miners that have any: x up to
    /// the median m, and x * x / m above it. The two meet at the median.
    pub(super) fn values(&self, unique_models_median: u128) -> [u128; 4] {
        let breadth = self.unique_models;
        // At most 2^16 models of 2^30 MiB, a thousandfold: below 2^57, so the square is exact.
        let above = breadth.saturating_mul(breadth).checked_div(unique_models_median);
        let breadth = above.filter(|_| breadth > unique_models_median).unwrap_or(breadth);
        [self.compute_units, self.invocations, breadth, self.bounties.into()]
    }
}

/// The median over the values that are not zero; between two middle values their mean, rounded down. Zero
/// without values.
pub(super) fn median_of_nonzero(values: impl Iterator<Item = u128>) -> u128 {
    let mut values: Vec<u128> = values.filter(|value| *value > 0).collect();
    values.sort_unstable();
    let upper = values.get(values.len() >> 1).copied().unwrap_or(0);
    if values.len() & 1 == 1 {
        return upper;
    }
    let lower = (values.len() >> 1).checked_sub(1).and_then(|index| values.get(index)).copied().unwrap_or(0);
    lower.midpoint(upper)
}
