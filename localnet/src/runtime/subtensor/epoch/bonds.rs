//! Bonds: how early and how fully a validator backed each neuron, which is what dividends follow.
//!
//! Yuma 3 keeps each bond as the moving average of one weight and scales dividends by stake; classic Yuma puts stake into
//! the bonds themselves and shares each neuron's column out among the validators.

use super::{
    inputs::Inputs,
    matrix::{Matrix, normalised},
};
use crate::runtime::numbers::I32F32;

/// What bonds are computed from.
pub(super) struct Positions<'a> {
    pub inputs: &'a Inputs,
    pub clipped: &'a Matrix,
    pub incentive: &'a [I32F32],
}

/// New bonds, in the form they are stored in, and each validator's share of the dividends.
pub(super) struct Bonding {
    pub bonds: Matrix,
    pub dividends: Vec<I32F32>,
}

pub(super) fn bond(positions: &Positions<'_>) -> Bonding {
    let Positions { inputs, clipped, incentive } = positions;
    // A penalty of one counts only what the consensus left of a weight, a penalty of zero all of it.
    let backing = inputs.weights.map(|row, column, weight| {
        weight.add(inputs.bonds_penalty.mul(clipped.get(row, column).sub(weight)))
    });
    if inputs.yuma3 { yuma3(inputs, &backing, incentive) } else { classic(inputs, &backing, incentive) }
}

fn yuma3(inputs: &Inputs, backing: &Matrix, incentive: &[I32F32]) -> Bonding {
    let bonds = moving_average(backing, &inputs.bonds, inputs.bonds_alpha);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(yuma3: bool) -> Inputs {
        let half = I32F32::from_ratio(1, 2);
        let mut weights = Matrix::zero(3);
        weights.set(0, 2, I32F32::ONE);
        weights.set(1, 2, I32F32::ONE);
        Inputs {
            active_stake: vec![half, half, I32F32::ZERO],
            weights,
            bonds: Matrix::zero(3),
            kappa: half,
            bonds_penalty: I32F32::ONE,
            bonds_alpha: I32F32::from_ratio(1, 10),
            yuma3,
        }
    }

    #[test]
    fn equal_validators_get_equal_dividends_in_both_modes() {
        for yuma3 in [true, false] {
            let inputs = inputs(yuma3);
            let incentive = [I32F32::ZERO, I32F32::ZERO, I32F32::ONE];
            let bonding =
                bond(&Positions { inputs: &inputs, clipped: &inputs.weights, incentive: &incentive });
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
        let bonding = bond(&Positions { inputs: &inputs, clipped: &inputs.weights, incentive: &incentive });
        assert!(bonding.dividends[0] > bonding.dividends[1]);
    }
}
