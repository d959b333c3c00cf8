//! Several validators' tables as one.

use super::*;

fn table(rows: &[(&str, u32, u128)]) -> ScoreTable {
    let rows = rows.iter().map(|(name, basis_points, compute_units)| ScoreRow {
        hotkey: account(name),
        compute_units: *compute_units,
        compute_units_counted: *compute_units,
        invocations: 0,
        invocations_counted: 0,
        unique_models: 0,
        bounties: 0,
        term_bps: [0; 4],
        basis_points: *basis_points,
    });
    ScoreTable { window_start_ms: 0, window_end_ms: 0, rows: rows.collect(), set_aside: SetAside::default() }
}

fn merged(validators: &[(u64, &ScoreTable)]) -> BTreeMap<AccountId, u32> {
    let tables: Vec<_> =
        validators.iter().map(|(stake, table)| ValidatorTable { stake: *stake, table }).collect();
    merge(&tables).into_iter().collect()
}

#[test]
fn a_validator_that_invents_receipts_weighs_at_most_its_stake() {
    let honest = table(&[("Bob", 10_000, 1_000), ("Ferdie", 0, 0)]);
    let inventor = table(&[("Bob", 0, 0), ("Ferdie", 10_000, 1_000_000_000)]);
    let points = merged(&[(90, &honest), (10, &inventor)]);
    assert_eq!((points[&account("Bob")], points[&account("Ferdie")]), (9_000, 1_000));
    // Who saw nothing says nothing.
    let silent = table(&[("Bob", 0, 0), ("Ferdie", 0, 0)]);
    assert_eq!(merged(&[(90, &honest), (10, &silent)])[&account("Bob")], 10_000);
}

#[test]
fn equal_validators_average_their_tables() {
    let one = table(&[("Bob", 7_000, 10), ("Charlie", 3_000, 10)]);
    let two = table(&[("Bob", 1_000, 10), ("Charlie", 9_000, 10)]);
    let points = merged(&[(5, &one), (5, &two)]);
    assert_eq!((points[&account("Bob")], points[&account("Charlie")]), (4_000, 6_000));
    assert_eq!(merged(&[]), BTreeMap::new());
    assert!(merged(&[(0, &one)]).values().all(|points| *points == 0), "no stake, no say");
}

#[test]
fn the_order_of_validators_does_not_matter() {
    let one = table(&[("Bob", 3_333, 7), ("Charlie", 6_667, 8)]);
    let two = table(&[("Bob", 5_001, 5), ("Dave", 4_999, 6)]);
    assert_eq!(merged(&[(3, &one), (7, &two)]), merged(&[(7, &two), (3, &one)]));
}
