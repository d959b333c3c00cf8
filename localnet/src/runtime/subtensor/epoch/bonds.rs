//! Bonds: how early and how fully a validator backed each neuron, which is what dividends follow.
//!
//! Yuma 3 keeps each bond as the moving average of one weight and scales dividends by stake; classic Yuma puts stake into
//! the bonds themselves and shares each neuron's column out among the validators. Liquid alpha lets a bond of Yuma 3 follow
//! its weight the faster the further the two are apart.

use super::{
    inputs::{Inputs, Liquid},
    matrix::{Matrix, normalised},
};
use crate::runtime::numbers::I32F32;

/// What bonds are computed from.
pub(super) struct Positions<'a> {
    pub inputs: &'a Inputs,
    pub clipped: &'a Matrix,
    pub consensus: &'a [I32F32],
    pub incentive: &'a [I32F32],
}

/// New bonds, in the form they are stored in, and each validator's share of the dividends.
pub(super) struct Bonding {
    pub bonds: Matrix,
    pub dividends: Vec<I32F32>,
}

pub(super) fn bond(positions: &Positions<'_>) -> Bonding {
    let Positions { inputs, clipped, consensus, incentive } = positions;
    // A penalty of one counts only what the consensus left of a weight, a penalty of zero all of it.
    let backing = inputs.weights.map(|row, column, weight| {
        weight.add(inputs.bonds_penalty.mul(clipped.get(row, column).sub(weight)))
    });
    if inputs.yuma3 {
        yuma3(inputs, &backing, consensus, incentive)
    } else {
        classic(inputs, &backing, incentive)
    }
}

fn yuma3(inputs: &Inputs, backing: &Matrix, consensus: &[I32F32], incentive: &[I32F32]) -> Bonding {
    let agreed = consensus.iter().any(|share| *share != I32F32::ZERO);
    let bonds = match inputs.liquid.as_ref().filter(|_| agreed) {
        Some(liquid) => liquid_average(backing, &inputs.bonds, liquid, consensus),
        None => moving_average(backing, &inputs.bonds, inputs.bonds_alpha),
    };
    let shares = bonds.columns_normalised().times(incentive);
    let weighed: Vec<I32F32> =
        shares.iter().zip(&inputs.active_stake).map(|(share, stake)| share.mul(*stake)).collect();
    Bonding { bonds, dividends: normalised(&weighed) }
}

fn classic(inputs: &Inputs, backing: &Matrix, incentive: &[I32F32]) -> Bonding {
    let old = inputs.bonds.columns_normalised();
    let new = backing.map(|row, _, weight| weight.mul(inputs.active_stake[row])).columns_normalised();
    let bonds = moving_average(&new, &old, inputs.bonds_alpha).columns_normalised();
    let dividends = normalised(&bonds.times(incentive));
    Bonding { bonds: bonds.columns_upscaled(), dividends }
}

fn moving_average(new: &Matrix, old: &Matrix, alpha: I32F32) -> Matrix {
    let kept = I32F32::ONE.sub(alpha);
    new.map(|row, column, cell| alpha.mul(cell).add(kept.mul(old.get(row, column))))
}

/// A moving average with a rate of its own for every cell. A bond without a weight is gone at once.
fn liquid_average(backing: &Matrix, old: &Matrix, liquid: &Liquid, consensus: &[I32F32]) -> Matrix {
    let measured = liquid.previous_consensus.as_deref().unwrap_or(consensus);
    backing.map(|row, column, weight| {
        if weight <= I32F32::ZERO {
            return I32F32::ZERO;
        }
        let bond = old.get(row, column);
        let rate = liquid_rate(liquid, weight, bond, measured[column]);
        let average = I32F32::ONE.sub(rate).mul(bond).add(rate.mul(weight));
        average.min(I32F32::ONE)
    })
}

/// Buying, the rate follows how far the weight is above the consensus; selling, how far the bond is above the weight.
fn liquid_rate(liquid: &Liquid, weight: I32F32, bond: I32F32, consensus: I32F32) -> I32F32 {
    let difference = if weight >= bond { weight.sub(consensus) } else { bond.sub(weight) };
    let difference = difference.clamp(I32F32::ZERO, I32F32::ONE);
    let half = I32F32::from_ratio(1, 2);
    let exponent = liquid.steepness.div(I32F32::from_int(-100)).mul(difference.sub(half));
    let sigmoid = I32F32::ONE.div(I32F32::ONE.add(exponent.exp()));
    let (low, high) = (liquid.low, liquid.high);
    low.add(sigmoid.mul(high.sub(low))).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(yuma3: bool) -> Inputs {
        let half = I32F32::from_ratio(1, 2);
        let mut weights = Matrix::zero(3);
        weights.set(0, 2, I32F32::ONE);
        weights.set(1, 2, I32F32::ONE);
        Inputs {
            active: vec![true; 3],
            active_stake: vec![half, half, I32F32::ZERO],
            weights,
            bonds: Matrix::zero(3),
            kappa: half,
            bonds_penalty: I32F32::ONE,
            bonds_alpha: I32F32::from_ratio(1, 10),
            yuma3,
            liquid: None,
        }
    }

    fn liquid(steepness: i64) -> Liquid {
        Liquid {
            low: I32F32::from_ratio(7, 10),
            high: I32F32::from_ratio(9, 10),
            steepness: I32F32::from_int(steepness),
            previous_consensus: None,
        }
    }

    #[test]
    fn equal_validators_get_equal_dividends_in_both_modes() {
        for yuma3 in [true, false] {
            let inputs = inputs(yuma3);
            let incentive = [I32F32::ZERO, I32F32::ZERO, I32F32::ONE];
            let bonding = bond(&Positions {
                inputs: &inputs,
                clipped: &inputs.weights,
                consensus: &incentive,
                incentive: &incentive,
            });
            assert_eq!(bonding.dividends[0], bonding.dividends[1]);
            assert!(bonding.dividends[0].to_u16_proportion() >= 32_766);
            assert_eq!(bonding.dividends[2], I32F32::ZERO);
        }
    }

    #[test]
    fn a_validator_that_backed_a_miner_earlier_earns_more() {
        let mut inputs = inputs(true);
        inputs.bonds.set(0, 2, I32F32::from_ratio(1, 2));
        let incentive = [I32F32::ZERO, I32F32::ZERO, I32F32::ONE];
        let bonding = bond(&Positions {
            inputs: &inputs,
            clipped: &inputs.weights,
            consensus: &incentive,
            incentive: &incentive,
        });
        assert!(bonding.dividends[0] > bonding.dividends[1]);
    }

    #[test]
    fn a_liquid_bond_follows_faster_the_further_its_weight_is_from_the_consensus() {
        let rate = |weight: u128, consensus: u128| {
            let part = |number| I32F32::from_ratio(number, 10);
            liquid_rate(&liquid(1_000), part(weight), I32F32::ZERO, part(consensus))
        };
        // At half the rate is in the middle; the sigmoid of five either side is 0.9933.
        assert!(rate(7, 2).bits.abs_diff(I32F32::from_ratio(8, 10).bits) < 8);
        assert!(rate(10, 0).bits.abs_diff(I32F32::from_ratio(89_866, 100_000).bits) < 1 << 16);
        assert!(rate(2, 2) < rate(4, 2) && rate(4, 2) < rate(9, 2));
        let selling = liquid_rate(&liquid(1_000), I32F32::ZERO, I32F32::ONE, I32F32::ONE);
        assert_eq!(selling, rate(10, 0));
    }

    #[test]
    fn with_liquid_alpha_a_bond_whose_weight_is_gone_is_gone() {
        let mut inputs = inputs(true);
        inputs.liquid = Some(liquid(1_000));
        inputs.bonds.set(0, 1, I32F32::ONE);
        let shares = [I32F32::ZERO, I32F32::ZERO, I32F32::ONE];
        let positions =
            Positions { inputs: &inputs, clipped: &inputs.weights, consensus: &shares, incentive: &shares };
        let bonds = bond(&positions).bonds;
        assert_eq!(bonds.get(0, 1), I32F32::ZERO);
        assert!(bonds.get(0, 2) > I32F32::from_ratio(7, 10));
    }
}
