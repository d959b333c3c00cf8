//! Consensus: the stake-weighted median of what validators say about each neuron, and what is left of their weights when
//! clipped at it.

use super::matrix::{Matrix, normalised};
use crate::runtime::numbers::I32F32;

/// What the validators agree on.
pub(super) struct Agreement {
    /// Weight of each neuron that more than a share of kappa of the stake supports.
    pub consensus: Vec<I32F32>,
    /// Weights, clipped at the consensus.
    pub clipped: Matrix,
    /// How much of a validator's weights survived the clip.
    pub validator_trust: Vec<I32F32>,
    /// Each neuron's share of the miners' reward.
    pub incentive: Vec<I32F32>,
}

pub(super) fn agree(stake: &[I32F32], weights: &Matrix, kappa: I32F32) -> Agreement {
    // Normalised already; once more, as the real chain does for this, decides the last bits.
    let voters = normalised(stake);
    let minority = I32F32::sum(voters.iter().copied()).sub(kappa);
    let consensus: Vec<I32F32> = (0..weights.size())
        .map(|column| weighted_median(&voters, &weights.column(column).collect::<Vec<_>>(), minority))
        .collect();
    let clipped = weights.map(|_, column, weight| {
        weight.clamp(I32F32::ZERO, consensus[column].clamp(I32F32::ZERO, I32F32::ONE))
    });
    let validator_trust =
        (0..clipped.size()).map(|row| I32F32::sum(clipped.row(row).iter().copied())).collect();
    let incentive = normalised(&clipped.transposed_times(stake));
    Agreement { consensus, clipped, validator_trust, incentive }
}

/// The score at which the stake of lower scores first exceeds `minority`; zero without stake.
fn weighted_median(stake: &[I32F32], scores: &[I32F32], minority: I32F32) -> I32F32 {
    let mut scored: Vec<(I32F32, I32F32)> = scores
        .iter()
        .zip(stake)
        .filter(|(_, stake)| **stake > I32F32::ZERO)
        .map(|(score, stake)| (*score, *stake))
        .collect();
    scored.sort_unstable();
    let mut below = I32F32::ZERO;
    for group in scored.chunk_by(|a, b| a.0 == b.0) {
        let through = below.add(I32F32::sum(group.iter().map(|(_, stake)| *stake)));
        if below <= minority && minority < through {
            return group[0].0;
        }
        below = through;
    }
    // Rounding can leave the whole stake a little short of one.
    scored.last().map_or(I32F32::ZERO, |(score, _)| *score)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(parts: &[u128], of: u128) -> Vec<I32F32> {
        parts.iter().map(|part| I32F32::from_ratio(*part, of)).collect()
    }

    #[test]
    fn the_median_follows_the_stake_and_not_the_heads() {
        let stake = shares(&[60, 25, 15], 100);
        let minority = I32F32::from_ratio(1, 2);
        assert_eq!(
            weighted_median(&stake, &shares(&[10, 90, 90], 100), minority),
            I32F32::from_ratio(10, 100)
        );
        let stake = shares(&[40, 35, 25], 100);
        assert_eq!(
            weighted_median(&stake, &shares(&[10, 90, 90], 100), minority),
            I32F32::from_ratio(90, 100)
        );
        assert_eq!(weighted_median(&[], &[], minority), I32F32::ZERO);
    }

    #[test]
    fn a_minority_cannot_raise_a_neuron_above_what_the_majority_gives_it() {
        let stake = shares(&[60, 40], 100);
        let mut weights = Matrix::zero(2);
        weights.set(0, 0, I32F32::from_ratio(3, 4));
        weights.set(0, 1, I32F32::from_ratio(1, 4));
        weights.set(1, 1, I32F32::ONE);
        let agreement = agree(&stake, &weights, I32F32::from_ratio(1, 2));
        assert_eq!(agreement.consensus, [I32F32::from_ratio(3, 4), I32F32::from_ratio(1, 4)]);
        assert_eq!(agreement.validator_trust, [I32F32::ONE, I32F32::from_ratio(1, 4)]);
        assert!(agreement.incentive[0] > agreement.incentive[1]);
    }
}
