//! The rule by which several logs become one vector.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain_client::{BlockRef, Metagraph, Neuron};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::scoring::{ScoreRow, ScoreTable, SetAside};
use subnet_validator::audit::merged::{Closing, Merged, merge_committed, related_payers};

use crate::support::miner_key;

fn account(name: &str) -> AccountId {
    miner_key(name).public()
}

fn table(points: &[(&str, u32)]) -> Arc<ScoreTable> {
    let row = |(name, basis_points): &(&str, u32)| ScoreRow {
        hotkey: account(name),
        compute_units: 0,
        compute_units_counted: 0,
        invocations: 0,
        invocations_counted: 0,
        unique_models: 0,
        bounties: 0,
        term_bps: [0; 4],
        basis_points: *basis_points,
    };
    let rows = points.iter().map(row).collect();
    Arc::new(ScoreTable { window_start_ms: 0, window_end_ms: 0, rows, set_aside: SetAside::default() })
}

/// Validators with their stakes (permit if above zero), then miners.
fn metagraph(validators: &[(&str, u64)], miners: &[&str]) -> Metagraph {
    let names = validators.iter().copied().chain(miners.iter().map(|name| (*name, 0)));
    let neurons = (0..).zip(names).map(|(uid, (name, stake))| Neuron {
        uid,
        hotkey: account(name),
        coldkey: account(&format!("{name}//cold")),
        axon: None,
        axon_block: 0,
        tls_key: None,
        active: true,
        validator_permit: stake > 0,
        stake_rao: stake,
        root_stake_rao: 0,
        stake_weight_rao: stake,
        incentive: 0,
        dividends: 0,
        consensus: 0,
        validator_trust: 0,
        emission_rao: 0,
        last_update: 0,
        registered_at: None,
    });
    Metagraph {
        netuid: 64,
        block: BlockRef { number: 60, hash: [0; 32] },
        tempo: 100,
        hyperparameters: chain_client::Hyperparameters::default(),
        neurons: neurons.collect(),
    }
}

fn merge(metagraph: &Metagraph, logs: &[(&str, u8, Option<&Arc<ScoreTable>>)]) -> Merged {
    let committed: BTreeMap<AccountId, Digest> =
        logs.iter().map(|(name, head, _)| (account(name), Digest([*head; 32]))).collect();
    let closing = Closing { epoch_index: 3, metagraph, committed: &committed };
    merge_committed(closing, |hotkey, head| {
        let log =
            logs.iter().find(|(name, number, _)| account(name) == *hotkey && Digest([*number; 32]) == *head);
        log.and_then(|(_, _, table)| table.cloned())
    })
}

#[test]
fn committed_logs_that_were_verified_weigh_their_stake() {
    let metagraph = metagraph(&[("//Alice", 300), ("//Bob", 100)], &["//Dave", "//Eve"]);
    let (alice, bob) =
        (table(&[("//Dave", 10_000), ("//Eve", 0)]), table(&[("//Dave", 0), ("//Eve", 10_000)]));
    let merged = merge(&metagraph, &[("//Alice", 1, Some(&alice)), ("//Bob", 2, Some(&bob))]);
    let points: BTreeMap<_, _> = merged.points.iter().copied().collect();
    assert_eq!((points[&account("//Dave")], points[&account("//Eve")]), (7_500, 2_500));
    assert_eq!(merged.weights, [(2, 65_535), (3, 21_845)]);
    assert_eq!(merged.voices.len(), 2);
    // What arrives in another order is the same.
    assert_eq!(merge(&metagraph, &[("//Bob", 2, Some(&bob)), ("//Alice", 1, Some(&alice))]), merged);
}

#[test]
fn a_log_that_was_not_verified_or_has_no_permit_has_no_say() {
    let metagraph = metagraph(&[("//Alice", 300), ("//Bob", 100)], &["//Dave", "//Eve"]);
    let (good, bad) = (table(&[("//Dave", 10_000)]), table(&[("//Eve", 10_000)]));
    let merged = merge(
        &metagraph,
        // The miner commits a head of its own.
        &[
            ("//Alice", 1, Some(&good)),
            ("//Bob", 2, None),
            ("//Eve", 3, Some(&bad)),
            ("//Ferdie", 4, Some(&bad)),
        ],
    );
    assert_eq!(merged.weights, [(2, 65_535)]);
    assert_eq!(merged.left_out, [account("//Bob")]);
    assert!(merge(&metagraph, &[]).weights.is_empty());
}

#[test]
fn payers_that_sign_with_a_key_of_the_miners_owner_are_its_own() {
    let mut metagraph = metagraph(&[("//Alice", 1)], &["//Dave", "//Eve"]);
    metagraph.neurons[2].coldkey = metagraph.neurons[1].coldkey;
    let cold = metagraph.neurons[1].coldkey;
    let digest = |number: u8| Digest([number; 32]);
    let payers = [
        (account("//Eve"), digest(1)),
        (cold, digest(2)),
        (account("//Stranger"), digest(3)),
        (account("//Alice"), digest(4)),
    ];
    let related = related_payers(&metagraph, &payers);
    // Dave and Eve have one owner: neither earns by the other's calls, nor by the owner's.
    assert_eq!(related[&account("//Dave")], [digest(1), digest(2)]);
    assert_eq!(related[&account("//Eve")], [digest(1), digest(2)]);
    assert_eq!(related[&account("//Alice")], [digest(4)]);
}
