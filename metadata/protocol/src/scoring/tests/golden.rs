//! `golden/scoring.json`, made by `golden/scoring.py` with exact fractions and none of this code.

use serde::Deserialize;

use super::*;
use crate::fixtures::model_id;
use crate::ticket::Kind;

#[derive(Deserialize)]
struct Golden {
    window_start_ms: u64,
    window_end_ms: u64,
    calls: Vec<GoldenCall>,
    rows: Vec<GoldenRow>,
}

#[derive(Deserialize)]
struct GoldenCall {
    sequence: u64,
    miner: String,
    model: String,
    kind: Kind,
    issued_at_ms: u64,
    completion_tokens: u32,
}

#[derive(Deserialize)]
struct GoldenRow {
    miner: String,
    compute_units: u128,
    invocations: u64,
    unique_models: u128,
    bounties: u64,
    term_bps: [u32; 4],
    basis_points: u32,
}

fn receipt_of(golden: &GoldenCall) -> Countersigned {
    let names = ["Bob", "Charlie", "Dave", "Eve", "Ferdie"];
    let miner = names.into_iter().find(|name| *name == golden.miner).unwrap();
    let mut call = Call::to(miner, golden.sequence);
    call.ticket.model = model_id(&golden.model);
    call.ticket.kind = golden.kind;
    call.ticket.issued_at_ms = golden.issued_at_ms;
    call.completion_tokens = golden.completion_tokens;
    call.unsigned()
}

#[test]
fn the_golden_scenario_scores_as_the_independent_reference_says() {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/scoring.json")).unwrap();
    let receipts: Vec<_> = golden.calls.iter().map(receipt_of).collect();
    let miners: Vec<_> = golden.rows.iter().map(|row| account(&row.miner)).collect();
    let table = score(&Policy::default(), &catalogue(), golden.window_end_ms, &receipts, &miners);
    assert_eq!((table.window_start_ms, table.window_end_ms), (golden.window_start_ms, golden.window_end_ms));
    let expected: Vec<_> = golden
        .rows
        .into_iter()
        .map(|row| {
            let GoldenRow {
                miner,
                compute_units,
                invocations,
                unique_models,
                bounties,
                term_bps,
                basis_points,
            } = row;
            ScoreRow {
                hotkey: account(&miner),
                compute_units,
                invocations,
                unique_models,
                bounties,
                term_bps,
                basis_points,
            }
        })
        .collect();
    assert_eq!(table.rows, expected);
    let counted: u64 = table.rows.iter().map(|row| row.invocations + row.bounties).sum();
    let aside = table.set_aside;
    assert!(aside.outside_window > 0 && aside.unregistered > 0, "the scenario has both: {aside:?}");
    assert_eq!(counted + aside.outside_window + aside.unregistered, 120);
}

#[test]
fn the_golden_weights_are_frozen() {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/scoring.json")).unwrap();
    let receipts: Vec<_> = golden.calls.iter().map(receipt_of).collect();
    let miners: Vec<_> = golden.rows.iter().map(|row| account(&row.miner)).collect();
    let table = score(&Policy::default(), &catalogue(), golden.window_end_ms, &receipts, &miners);
    let uid_of =
        (0_u16..).zip(["Eve", "Dave", "Charlie", "Bob"]).map(|(uid, name)| (account(name), uid)).collect();
    // 65535 * points / 3946, to nearest: 1235, 1249, 3946 and 3570 points.
    assert_eq!(weights(&table, &uid_of), [(0, 20_511), (1, 20_743), (2, 65_535), (3, 59_290)]);
}
