//! The epoch: turns the weights validators set and the stake behind them into incentive, dividends and permits.
//!
//! `schedule` says when, `inputs` reads the state, `consensus` and `bonds` decide (pure functions of fixed point numbers),
//! `outcome` writes the result. A subnet runs one epoch per mechanism and merges them by each mechanism's share of the
//! emission.

mod bonds;
mod consensus;
mod inputs;
pub mod matrix;
mod outcome;
mod schedule;

use sp_runtime::AccountId32;

use self::{
    bonds::Bonding,
    consensus::Agreement,
    inputs::{Inputs, Shared},
    matrix::{normalised, normalised_by},
};
use super::{Config, MechanismEmissionSplit, Pallet};
use crate::runtime::numbers::{AlphaBalance, I32F32, MechId, NetUid};

/// What one hotkey gets out of an epoch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Payout {
    /// Whose.
    pub hotkey: AccountId32,
    /// Alpha as a miner.
    pub incentive: u64,
    /// Alpha as a validator, before the validators' half is fitted to it.
    pub dividend: u64,
}

/// What the epoch of one mechanism found, by uid.
struct Outcome {
    mechanism: MechId,
    /// This mechanism's share of the emission.
    share: I32F32,
    consensus: Vec<I32F32>,
    validator_trust: Vec<I32F32>,
    incentive: Vec<I32F32>,
    dividends: Vec<I32F32>,
    bonds: matrix::Matrix,
    server_alpha: Vec<u64>,
    validator_alpha: Vec<u64>,
    combined_alpha: Vec<u64>,
}

impl<T: Config> Pallet<T> {
    /// Runs the epoch of every mechanism of a subnet with this emission, and stores what it found.
    pub(crate) fn run_epoch(netuid: NetUid, emission: AlphaBalance) -> Vec<Payout> {
        let shared = Self::shared_inputs(netuid);
        let outcomes: Vec<Outcome> = Self::emission_shares(netuid)
            .into_iter()
            .map(|(mechanism, share)| {
                let inputs = Self::mechanism_inputs(netuid, mechanism, &shared);
                run_mechanism(&shared, &inputs, mechanism, share, share.of(emission.get()))
            })
            .collect();
        Self::store_epoch(netuid, &shared, &outcomes);
        payouts(&shared, &outcomes)
    }

    /// Each mechanism's share of a subnet's emission: as its owner split it, else evenly; what is left over goes to the main one.
    fn emission_shares(netuid: NetUid) -> Vec<(MechId, I32F32)> {
        let mechanisms: Vec<MechId> = Self::mechanisms(netuid).collect();
        let split = MechanismEmissionSplit::<T>::get(netuid).unwrap_or_default();
        let mut shares: Vec<(MechId, I32F32)> = mechanisms
            .iter()
            .enumerate()
            .map(|(at, mechanism)| {
                let share = match split.get(at) {
                    Some(parts) => I32F32::from_u16_proportion(*parts),
                    None if split.is_empty() => I32F32::from_ratio(1, mechanisms.len() as u128),
                    None => I32F32::ZERO,
                };
                (*mechanism, share)
            })
            .collect();
        let given = I32F32::sum(shares.iter().map(|(_, share)| *share));
        if let Some((_, main)) = shares.first_mut() {
            *main = main.add(I32F32::ONE.sub(given));
        }
        shares
    }
}

/// One mechanism's epoch.
fn run_mechanism(
    shared: &Shared,
    inputs: &Inputs,
    mechanism: MechId,
    share: I32F32,
    emission: u64,
) -> Outcome {
    let Agreement { consensus, clipped, validator_trust, incentive } =
        consensus::agree(&inputs.active_stake, &inputs.weights, inputs.kappa);
    let Bonding { bonds, dividends } =
        bonds::bond(&bonds::Positions { inputs, clipped: &clipped, incentive: &incentive });

    let combined: Vec<I32F32> = incentive.iter().zip(&dividends).map(|(a, b)| a.add(*b)).collect();
    let sum = I32F32::sum(combined.iter().copied());
    let (servers, validators, combined) = if sum == I32F32::ZERO {
        // Nobody set weights that count: the emission follows stake.
        let stakes = if inputs.active_stake.iter().any(|stake| *stake > I32F32::ZERO) {
            inputs.active_stake.clone()
        } else {
            shared.stake.clone()
        };
        (vec![I32F32::ZERO; incentive.len()], stakes.clone(), stakes)
    } else {
        (normalised_by(&incentive, sum), normalised_by(&dividends, sum), normalised(&combined))
    };
    let alpha = |shares: &[I32F32]| shares.iter().map(|share| share.of(emission)).collect();
    Outcome {
        mechanism,
        share,
        server_alpha: alpha(&servers),
        validator_alpha: alpha(&validators),
        combined_alpha: alpha(&combined),
        consensus,
        validator_trust,
        incentive,
        dividends,
        bonds,
    }
}

/// The alpha of each hotkey over all mechanisms.
fn payouts(shared: &Shared, outcomes: &[Outcome]) -> Vec<Payout> {
    let total =
        |uid: usize, of: fn(&Outcome) -> &[u64]| outcomes.iter().map(|outcome| of(outcome)[uid]).sum();
    shared
        .hotkeys
        .iter()
        .enumerate()
        .map(|(uid, hotkey)| Payout {
            hotkey: hotkey.clone(),
            incentive: total(uid, |outcome| &outcome.server_alpha),
            dividend: total(uid, |outcome| &outcome.validator_alpha),
        })
        .collect()
}
