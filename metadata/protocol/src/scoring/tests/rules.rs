//! One rule at a time.

use super::*;
use crate::digest::Digest;
use crate::fixtures::{model_id, observation};
use crate::receipt::{FinishReason, Observation, Outcome};
use crate::scoring::apportion::share_floor;
use crate::scoring::tally::median_of_nonzero;
use crate::ticket::Kind;

#[test]
fn nothing_counted_scores_nobody() {
    let table = score_calls([], &["Bob", "Charlie"]);
    assert_eq!(table.rows.len(), 2);
    assert!(table.rows.iter().all(|row| row.basis_points == 0 && row.term_bps == [0; 4]));
    assert_eq!(weights(&table, &BTreeMap::from([(account("Bob"), 1)])), []);
    assert_eq!(score_calls([&call("Bob", 0, |_| ())], &[]).rows, []);
}

#[test]
fn a_lone_miner_gets_everything_and_a_silent_term_hands_its_weight_on() {
    let table = score_calls([&call("Bob", 0, |_| ())], &["Bob", "Charlie"]);
    let bob = row(&table, "Bob");
    assert_eq!(bob.basis_points, 10_000);
    // No bounties: 5500, 2500 and 1500 of 9500.
    assert_eq!(bob.term_bps, [5_789, 2_631, 1_578, 0]);
    assert_eq!(row(&table, "Charlie").basis_points, 0);
}

#[test]
fn one_ticket_counts_once_and_the_lower_of_two_claims_stands() {
    let claim = |completion_tokens| Call::of("Bob", 1, completion_tokens).unsigned();
    let once = score_calls([&claim(50)], &["Bob"]);
    for order in [[50, 500, 50], [500, 50, 50], [50, 50, 500], [500, 500, 50]] {
        let calls = order.map(claim);
        let table = score_calls(&calls, &["Bob"]);
        assert_eq!(table.rows, once.rows, "{order:?}");
        assert_eq!(table.set_aside.repeated, 2);
    }
}

#[test]
fn failed_calls_unknown_models_and_strangers_are_set_aside() {
    let failed = |outcome| {
        Call { observation: Observation { outcome, ..observation() }, ..Call::to("Bob", 1) }.unsigned()
    };
    let error = Call { finish_reason: FinishReason::Error, ..Call::to("Bob", 2) }.unsigned();
    let other_weights = call("Bob", 3, |ticket| ticket.weights_digest = Digest::ZERO);
    let other_model = call("Bob", 4, |ticket| ticket.model = model_id("unknown"));
    let stranger = call("Ferdie", 5, |_| ());
    let bounty = call("Ferdie", 6, |ticket| ticket.kind = Kind::BountyClaim);
    let calls = [
        failed(Outcome::ClientGone),
        failed(Outcome::OutputMismatch),
        error,
        other_weights,
        other_model,
        stranger,
        bounty,
    ];
    let table = score_calls(&calls, &["Bob"]);
    assert_eq!(row(&table, "Bob").basis_points, 0);
    let expected = SetAside { with_error: 3, unknown_model: 2, unregistered: 2, ..SetAside::default() };
    assert_eq!(table.set_aside, expected);
}

#[test]
fn the_window_is_168_whole_hours_and_each_receipt_is_in_one_hour() {
    let table = score_calls([], &[]);
    assert_eq!(table.window_end_ms, END_MS);
    assert_eq!(table.window_start_ms, 1_752_076_800_000 - 167 * HOUR_MS);
    let at = |sequence, issued_at_ms| call("Bob", sequence, |ticket| ticket.issued_at_ms = issued_at_ms);
    let calls = [
        at(0, table.window_start_ms - 1),
        at(1, table.window_start_ms),
        at(2, table.window_start_ms + HOUR_MS - 1),
        at(3, table.window_start_ms + HOUR_MS),
        at(4, END_MS - 1),
        at(5, END_MS),
    ];
    let table = score_calls(&calls, &["Bob"]);
    assert_eq!(table.set_aside.outside_window, 2);
    assert_eq!(row(&table, "Bob").invocations, 4);
    // Three different hours of one model of 100 MiB; the first two stand next to each other.
    assert_eq!(row(&table, "Bob").unique_models, (25_000 + 50_000 + 25_000) / 168);
}

#[test]
fn a_window_that_ends_on_the_hour_has_the_same_number_of_hours() {
    let end_ms = 1_752_076_800_000;
    let table = score(&Policy::default(), &catalogue(), end_ms, [], &[]);
    assert_eq!(table.window_start_ms, end_ms - 168 * HOUR_MS);
    let table = score(&Policy::default(), &catalogue(), HOUR_MS, [], &[]);
    assert_eq!((table.window_start_ms, table.window_end_ms), (0, HOUR_MS), "time began within the window");
}

#[test]
fn compute_units_weigh_tokens_by_the_catalogue() {
    let table = score_calls(
        [&call("Bob", 0, |_| ()), &call("Charlie", 0, |ticket| ticket.model = model_id("org/large-7b"))],
        &["Bob", "Charlie"],
    );
    assert_eq!(row(&table, "Bob").compute_units, 31 * 100 + 97 * 400);
    assert_eq!(row(&table, "Charlie").compute_units, 31 * 1_000 + 97 * 3_000);
}

#[test]
fn a_bounty_claim_counts_as_a_bounty_and_as_nothing_else() {
    let table = score_calls([&call("Bob", 0, |ticket| ticket.kind = Kind::BountyClaim)], &["Bob"]);
    let bob = row(&table, "Bob");
    assert_eq!((bob.bounties, bob.invocations, bob.compute_units, bob.unique_models), (1, 0, 0, 0));
    assert_eq!((bob.term_bps, bob.basis_points), ([0, 0, 0, 10_000], 10_000));
}

#[test]
fn a_probe_counts_like_a_users_request() {
    let chat = score_calls([&call("Bob", 0, |_| ())], &["Bob"]);
    let probe = score_calls([&call("Bob", 0, |ticket| ticket.kind = Kind::Probe)], &["Bob"]);
    assert_eq!(chat, probe);
}

#[test]
fn the_same_model_twice_in_an_hour_is_one_and_two_models_are_two() {
    let same = score_calls([&call("Bob", 0, |_| ()), &call("Bob", 1, |_| ())], &["Bob"]);
    assert_eq!(row(&same, "Bob").unique_models, 25_000 / 168, "a quarter in the first of four hours");
    let two = score_calls(
        [&call("Bob", 0, |_| ()), &call("Bob", 1, |ticket| ticket.model = model_id("org/large-7b"))],
        &["Bob"],
    );
    assert_eq!(row(&two, "Bob").unique_models, 281_000 / 168);
}

#[test]
fn breadth_pays_in_proportion_up_to_the_median_and_more_above() {
    let breadth = |unique_models| Tally { unique_models, ..Tally::default() }.values(100)[2];
    assert_eq!([0, 1, 50, 99, 100, 101, 150, 200].map(breadth), [0, 1, 50, 99, 100, 102, 225, 400]);
    let nobody = Tally { unique_models: 0, ..Tally::default() };
    assert_eq!(nobody.values(0), [0; 4]);
    assert_eq!(median_of_nonzero([].into_iter()), 0);
    assert_eq!(median_of_nonzero([0, 0, 7].into_iter()), 7);
    assert_eq!(median_of_nonzero([9, 0, 4].into_iter()), 6);
    assert_eq!(median_of_nonzero([9, 1, 4].into_iter()), 4);
}

#[test]
fn equals_share_equally_and_the_point_left_over_goes_to_the_smallest_hotkey() {
    let names = ["Bob", "Charlie", "Dave"];
    let calls = names.map(|name| call(name, 0, |_| ()));
    let table = score_calls(&calls, &names);
    assert!(table.rows.is_sorted_by_key(|row| row.hotkey));
    let points: Vec<_> = table.rows.iter().map(|row| row.basis_points).collect();
    assert_eq!(points, [3_334, 3_333, 3_333]);
    // Whatever order the miners are named in, and however often.
    assert_eq!(score_calls(&calls, &["Dave", "Charlie", "Bob", "Bob"]), table);
}

#[test]
fn a_share_is_an_exact_floor_over_all_of_128_bits() {
    const WHOLE: u128 = 1_000_000_000_000_000_000;
    for (part, total) in [(0, 1), (1, 1), (1, 3), (2, 3), (1, 7), (999, 1_000), (123_456_789, 987_654_321)] {
        assert_eq!(share_floor(part, total), part * WHOLE / total, "{part} of {total}");
    }
    assert_eq!(share_floor(0, 0), 0);
    assert_eq!(share_floor(u128::MAX, u128::MAX), WHOLE);
    assert_eq!(share_floor(u128::MAX - 1, u128::MAX), WHOLE - 1);
    assert_eq!(share_floor(u128::MAX / 3, u128::MAX), 333_333_333_333_333_333);
    assert_eq!(share_floor(1, u128::MAX), 0);
}

#[test]
fn a_policy_of_other_weights_has_another_hash_and_other_scores() {
    let calls = [call("Bob", 0, |_| ()), call("Charlie", 0, |ticket| ticket.kind = Kind::BountyClaim)];
    let policy = Policy { bounties_bps: 9_500, ..Policy::default() };
    assert_ne!(policy.hash(), Policy::default().hash());
    let miners = [miner("Bob"), miner("Charlie")];
    let table = score(&policy, &catalogue(), END_MS, &calls, &miners);
    assert_eq!(row(&table, "Bob").basis_points, 5_000);
    let nothing = Policy {
        compute_bps: 0,
        invocations_bps: 0,
        unique_models_bps: 0,
        bounties_bps: 0,
        ..Policy::default()
    };
    let table = score(&nothing, &catalogue(), END_MS, &calls, &miners);
    assert!(table.rows.iter().all(|row| row.basis_points == 0));
    let empty = Policy { window_hours: 0, ..Policy::default() };
    let table = score(&empty, &catalogue(), END_MS, &calls, &miners);
    assert_eq!(table.set_aside.outside_window + table.set_aside.unregistered, 2);
}

#[test]
fn weights_scale_the_best_to_the_maximum_and_leave_out_who_has_no_uid_or_no_points() {
    let row = |name: &str, basis_points| ScoreRow {
        hotkey: account(name),
        compute_units: 0,
        compute_units_counted: 0,
        invocations: 0,
        invocations_counted: 0,
        unique_models: 0,
        bounties: 0,
        term_bps: [0; 4],
        basis_points,
    };
    let rows =
        vec![row("Bob", 6_000), row("Charlie", 3_000), row("Dave", 0), row("Eve", 1), row("Ferdie", 999)];
    let table = ScoreTable { window_start_ms: 0, window_end_ms: 0, rows, set_aside: SetAside::default() };
    let uid_of: BTreeMap<_, _> =
        [("Bob", 9), ("Charlie", 2), ("Dave", 3), ("Eve", 4)].map(|(name, uid)| (account(name), uid)).into();
    // 32767.5 and 10.9 to nearest, halves up.
    assert_eq!(weights(&table, &uid_of), [(2, 32_768), (4, 11), (9, 65_535)]);
    let without_best = uid_of.into_iter().filter(|(_, uid)| *uid != 9).collect();
    assert_eq!(weights(&table, &without_best), [(2, 65_535), (4, 22)]);
}
