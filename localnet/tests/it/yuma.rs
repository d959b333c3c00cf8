//! Epochs of random subnets, run through the runtime, against a second implementation in floating point
//! (`tests/oracles/yuma.py`).
//!
//! Both start from the same state. What the runtime stores as shares of 65535, truncated, may differ by [`SHARES_APART_MAX`] of
//! them from the shares the other finds; alpha by [`ALPHA_APART_MAX`] of the epoch's emission. `LOCALNET_YUMA_SUBNETS` sets how
//! many subnets are tried, `LOCALNET_YUMA_SEED` where their numbers begin.

mod state;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use frame_support::traits::Hooks;
use localnet::runtime::{Runtime, RuntimeEvent, SubtensorModule, System, subtensor as pallet};
use serde::Deserialize;
use serde_json::Value as Json;

use self::state::{NETUID, Numbers, change_weights, mechanisms, random_subnet, read_state};

/// Subnets tried unless told otherwise.
const SUBNETS_DEFAULT: u64 = 40;
/// Epochs of each, one on top of the other.
const EPOCHS: u64 = 3;
/// Parts of 65535 between what the runtime stores and what the other implementation finds: truncation is one, and two more where
/// two mechanisms are merged. Seen: 2.7.
const SHARES_APART_MAX: f64 = 3.0;
/// Part of the emission between what the two give a neuron. Seen: 4e-8.
const ALPHA_APART_MAX: f64 = 1e-6;

/// What an epoch found.
#[derive(Debug, Deserialize)]
struct Outcome {
    stake: Vec<f64>,
    permits: Vec<bool>,
    active: Vec<bool>,
    consensus: Vec<f64>,
    dividends: Vec<f64>,
    trust: Vec<f64>,
    emission: Vec<f64>,
    mechanisms: Vec<MechanismOutcome>,
}

/// What it found for one mechanism.
#[derive(Debug, Deserialize)]
struct MechanismOutcome {
    incentive: Vec<f64>,
    consensus: Vec<f64>,
    bonds: Vec<Vec<f64>>,
    server_alpha: Vec<f64>,
}

fn number_of(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn epochs_find_what_an_independent_implementation_finds() {
    let first = number_of("LOCALNET_YUMA_SEED", 1);
    let count = number_of("LOCALNET_YUMA_SUBNETS", SUBNETS_DEFAULT);
    let (mut states, mut outcomes) = (Vec::new(), Vec::new());
    for seed in first..first + count {
        sp_io::TestExternalities::new_empty().execute_with(|| {
            let mut numbers = Numbers::new(seed);
            random_subnet(&mut numbers, seed);
            for epoch in 0..EPOCHS {
                let state = read_state();
                run_epoch();
                outcomes.push((
                    format!("seed {seed}, epoch {epoch}"),
                    state["emission"].as_u64().unwrap(),
                    found(),
                ));
                states.push(state);
                change_weights(&mut numbers);
            }
        });
    }
    let expected = ask_oracle(states);
    assert_eq!(expected.len(), outcomes.len());
    let mut apart = Apart::default();
    for ((name, emission, found), expected) in outcomes.iter().zip(&expected) {
        compare(name, *emission, found, expected, &mut apart);
    }
    assert!(apart.shares <= SHARES_APART_MAX && apart.alpha <= ALPHA_APART_MAX, "{apart:?}");
}

/// Runs the block whose beginning the epoch is due at.
fn run_epoch() {
    System::reset_events();
    let block = System::block_number();
    SubtensorModule::on_initialize(block);
    assert_eq!(pallet::LastEpochBlock::<Runtime>::get(NETUID), u64::from(block), "the epoch has run");
}

/// What the runtime stored.
fn found() -> Outcome {
    let shares =
        |items: Vec<sp_runtime::PerU16>| items.iter().map(|item| f64::from(item.deconstruct())).collect();
    let size = usize::from(pallet::SubnetworkN::<Runtime>::get(NETUID));
    Outcome {
        stake: pallet::StakeWeight::<Runtime>::get(NETUID).into_iter().map(f64::from).collect(),
        permits: pallet::ValidatorPermit::<Runtime>::get(NETUID),
        active: pallet::Active::<Runtime>::get(NETUID),
        consensus: shares(pallet::Consensus::<Runtime>::get(NETUID)),
        dividends: shares(pallet::Dividends::<Runtime>::get(NETUID)),
        trust: shares(pallet::ValidatorTrust::<Runtime>::get(NETUID)),
        emission: pallet::Emission::<Runtime>::get(NETUID).iter().map(|alpha| alpha.get() as f64).collect(),
        mechanisms: mechanisms()
            .into_iter()
            .map(|index| MechanismOutcome {
                incentive: shares(pallet::Incentive::<Runtime>::get(index)),
                consensus: shares(pallet::ConsensusByMechanism::<Runtime>::get(index)),
                bonds: (0..size)
                    .map(|row| {
                        let mut bonds = vec![0.0; size];
                        for (column, bond) in pallet::Bonds::<Runtime>::get(index, row as u16) {
                            bonds[usize::from(column)] = f64::from(bond);
                        }
                        bonds
                    })
                    .collect(),
                server_alpha: System::events()
                    .into_iter()
                    .find_map(|record| match record.event {
                        RuntimeEvent::SubtensorModule(pallet::Event::IncentiveAlphaEmittedToMiners {
                            netuid,
                            emissions,
                        }) if netuid == index => {
                            Some(emissions.iter().map(|alpha| alpha.get() as f64).collect())
                        }
                        _ => None,
                    })
                    .unwrap(),
            })
            .collect(),
    }
}

/// The other implementation's outcomes, one for each state.
fn ask_oracle(states: Vec<Json>) -> Vec<Outcome> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/yuma.py");
    let mut python = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is on the path");
    let mut stdin = python.stdin.take().unwrap();
    let input = serde_json::to_vec(&states).unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The furthest the two implementations are apart.
#[derive(Debug, Default)]
struct Apart {
    /// In parts of 65535.
    shares: f64,
    /// In parts of the emission.
    alpha: f64,
    /// Where each is.
    at: [String; 2],
}

fn compare(name: &str, emission: u64, found: &Outcome, expected: &Outcome, apart: &mut Apart) {
    assert_eq!(found.permits, expected.permits, "{name}: permits");
    assert_eq!(found.active, expected.active, "{name}: active");
    let mut shares = |what: &str, found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len(), "{name}: {what}");
        for (uid, (found, expected)) in found.iter().zip(expected).enumerate() {
            let difference = (found - expected * 65_535.0).abs();
            if difference > apart.shares {
                apart.shares = difference;
                apart.at[0] = format!("{name}: {what} of {uid}: {found}, not {}", expected * 65_535.0);
            }
        }
    };
    shares("stake", &found.stake, &expected.stake);
    shares("consensus", &found.consensus, &expected.consensus);
    shares("dividends", &found.dividends, &expected.dividends);
    shares("trust", &found.trust, &expected.trust);
    assert_eq!(found.mechanisms.len(), expected.mechanisms.len(), "{name}");
    for (at, (found, expected)) in found.mechanisms.iter().zip(&expected.mechanisms).enumerate() {
        shares(&format!("incentive {at}"), &found.incentive, &expected.incentive);
        shares(&format!("consensus {at}"), &found.consensus, &expected.consensus);
        for (row, (found, expected)) in found.bonds.iter().zip(&expected.bonds).enumerate() {
            shares(&format!("bonds {at} of {row}"), found, expected);
        }
    }
    let mut alpha = |what: &str, found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len(), "{name}: {what}");
        for (uid, (found, expected)) in found.iter().zip(expected).enumerate() {
            // Two whole units are lost to truncation whatever the emission is.
            let difference = ((found - expected).abs() - 2.0).max(0.0) / (emission.max(1) as f64);
            if difference > apart.alpha {
                apart.alpha = difference;
                apart.at[1] = format!("{name}: {what} of {uid}: {found}, not {expected}");
            }
        }
    };
    alpha("emission", &found.emission, &expected.emission);
    for (at, (found, expected)) in found.mechanisms.iter().zip(&expected.mechanisms).enumerate() {
        alpha(&format!("server alpha {at}"), &found.server_alpha, &expected.server_alpha);
    }
}
