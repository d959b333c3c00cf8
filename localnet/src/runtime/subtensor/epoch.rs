//! The epoch: turns the weights validators set and the stake behind them into incentive, dividends and permits.
//!
//! `schedule` says when, `inputs` reads the state, `consensus` and `bonds` decide (pure functions of fixed point numbers),
//! `outcome` writes the result. A subnet runs one epoch per mechanism and merges them by each mechanism's share of the
//! emission.
//!
//! Numbers are the real chain's: 32 bits before the point and 32 after, truncated, saturating. Not modelled is that a weight
//! set to zero by hand keeps a liquid bond alive (clients drop zeros), and Null consensus of the next runtime.

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
use super::{Config, MechanismEmissionSplit, Pallet, inheritance::ratio_of};
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
    /// Alpha this mechanism pays.
    emission: u64,
    active: Vec<bool>,
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
        let outcomes: Vec<Outcome> = Self::split_emission(netuid, emission.get())
            .into_iter()
            .map(|(mechanism, part)| {
                let inputs = Self::mechanism_inputs(netuid, mechanism, &shared);
                run_mechanism(&shared, inputs, mechanism, part)
            })
            .collect();
        Self::store_epoch(netuid, &shared, &outcomes, emission.get());
        payouts(&shared, &outcomes)
    }

    /// Each mechanism's alpha: as the subnet's owner split it, else evenly; what is left over goes to the main one.
    fn split_emission(netuid: NetUid, emission: u64) -> Vec<(MechId, u64)> {
        let mechanisms: Vec<MechId> = Self::mechanisms(netuid).collect();
        let split = MechanismEmissionSplit::<T>::get(netuid).filter(|split| split.len() == mechanisms.len());
        let mut parts: Vec<u64> = match split {
            Some(split) => {
                split.into_iter().map(|share| ratio_of(emission, share.into(), u16::MAX.into())).collect()
            }
            None => vec![emission / mechanisms.len() as u64; mechanisms.len()],
        };
        let given: u64 = parts.iter().sum();
        if let Some(main) = parts.first_mut() {
            *main += emission.saturating_sub(given);
        }
        mechanisms.into_iter().zip(parts).collect()
    }
}

/// One mechanism's epoch.
fn run_mechanism(shared: &Shared, inputs: Inputs, mechanism: MechId, emission: u64) -> Outcome {
    let Agreement { consensus, clipped, validator_trust, incentive } =
        consensus::agree(&inputs.active_stake, &inputs.weights, inputs.kappa);
    let Bonding { bonds, dividends } = bonds::bond(&bonds::Positions {
        inputs: &inputs,
        clipped: &clipped,
        consensus: &consensus,
        incentive: &incentive,
    });

    let combined: Vec<I32F32> = incentive.iter().zip(&dividends).map(|(a, b)| a.add(*b)).collect();
    let sum = I32F32::sum(combined.iter().copied());
    let (servers, validators, combined) = if sum == I32F32::ZERO {
        // Nobody set weights that count: the emission follows stake.
        let stakes = if inputs.active_stake.iter().any(|stake| *stake > I32F32::ZERO) {
            inputs.active_stake
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
        emission,
        active: inputs.active,
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
