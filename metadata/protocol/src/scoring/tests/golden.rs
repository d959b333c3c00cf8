//! `golden/scoring.json`, made by `golden/scoring.py` with exact fractions and none of this code.

use serde::Deserialize;

use super::*;
use crate::digest::Digest;
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
    payer: u8,
}

#[derive(Deserialize)]
struct GoldenRow {
    miner: String,
    coldkey: String,
    compute_units: u128,
    compute_units_counted: u128,
    invocations: u64,
    invocations_counted: u128,
    unique_models: u128,
    bounties: u64,
    term_bps: [u32; 4],
    basis_points: u32,
}

impl GoldenRow {
    fn miner(&self) -> Miner {
        Miner::new(account(&self.miner), account(&self.coldkey))
    }
}

fn receipt_of(golden: &GoldenCall) -> Countersigned {
    let names = ["Bob", "Charlie", "Dave", "Eve", "Ferdie"];
    let miner = names.into_iter().find(|name| *name == golden.miner).unwrap();
    let mut call = Call::of(miner, golden.sequence, golden.completion_tokens);
    call.ticket.payer = Digest([golden.payer; 32]);
    call.ticket.model = model_id(&golden.model);
    call.ticket.kind = golden.kind;
    call.ticket.issued_at_ms = golden.issued_at_ms;
    call.unsigned()
}

#[test]
fn the_golden_scenario_scores_as_the_independent_reference_says() {
    let golden: Golden = serde_json::from_str(include_str!("../../../golden/scoring.json")).unwrap();
    let receipts: Vec<_> = golden.calls.iter().map(receipt_of).collect();
    let miners: Vec<_> = golden.rows.iter().map(GoldenRow::miner).collect();
    let table = score(&Policy::default(), &catalogue(), golden.window_end_ms, &receipts, &miners);
    assert_eq!((table.window_start_ms, table.window_end_ms), (golden.window_start_ms, golden.window_end_ms));
    let expected: Vec<_> = golden
        .rows
        .into_iter()
        .map(|row| {
            let GoldenRow {
                miner,
                coldkey: _,
                compute_units,
                compute_units_counted,
                invocations,
                invocations_counted,
                unique_models,
                bounties,
                term_bps,
                basis_points,
            } = row;
            ScoreRow {
                hotkey: account(&miner),
                compute_units,
                compute_units_counted,
                invocations,
                invocations_counted,
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
    let miners: Vec<_> = golden.rows.iter().map(GoldenRow::miner).collect();
    let table = score(&Policy::default(), &catalogue(), golden.window_end_ms, &receipts, &miners);
    let uid_of =
        (0_u16..).zip(["Eve", "Dave", "Charlie", "Bob"]).map(|(uid, name)| (account(name), uid)).collect();
    // 65535 * points / 3778, to nearest: 1268, 1270, 3684 and 3778 points.
    assert_eq!(weights(&table, &uid_of), [(0, 21_995), (1, 22_030), (2, 63_904), (3, 65_535)]);
}
