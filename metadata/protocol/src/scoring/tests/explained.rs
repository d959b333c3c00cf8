//! What the explanation says is what was paid.

use super::*;
use crate::scoring::Scorer;
use crate::scoring::explain::{Reason, terms, worth};
use crate::ticket::Kind;

#[test]
fn the_receipts_of_a_row_are_worth_what_the_row_says_together() {
    let mut calls: Vec<Countersigned> = (0..40).map(|sequence| call("Bob", sequence, |_| ())).collect();
    calls.extend((40..55).map(|sequence| call("Charlie", sequence, |_| ())));
    calls.push(call("Bob", 60, |ticket| ticket.kind = Kind::BountyClaim));
    calls.push(call("Bob", 61, |ticket| ticket.issued_at_ms = END_MS));
    calls.push(call("Charlie", 62, |ticket| ticket.weights_digest = Digest::ZERO));
    let (policy, catalogue) = (Policy::default(), catalogue());
    let table = score_calls(&calls, &["Bob", "Charlie"]);
    let start_ms = Scorer::new(&policy, &catalogue, END_MS).window_start_ms();
    let of =
        |name: &str| calls.iter().filter(|call| call.ticket().miner == account(name)).collect::<Vec<_>>();
    let judge =
        |call: &&Countersigned| worth(&policy, &catalogue, &(start_ms..END_MS), call).map(|(worth, _)| worth);

    for name in ["Bob", "Charlie"] {
        let units: u128 =
            of(name).iter().filter_map(|call| judge(call).ok()).map(|worth| worth.compute_units).sum();
        assert_eq!(units, row(&table, name).compute_units, "{name}");
    }
    let reasons: Vec<Reason> = calls.iter().filter_map(|call| judge(&call).err()).collect();
    assert_eq!(reasons, [Reason::OutsideWindow, Reason::UnknownModel]);
    assert_eq!((table.set_aside.outside_window, table.set_aside.unknown_model), (1, 1));
}

#[test]
fn the_terms_give_the_points_that_were_paid() {
    let mut calls: Vec<Countersigned> = (0..30).map(|sequence| call("Bob", sequence, |_| ())).collect();
    calls.extend((30..40).map(|sequence| call("Charlie", sequence, |_| ())));
    let policy = Policy::default();
    let table = score_calls(&calls, &["Bob", "Charlie", "Dave"]);
    let explained = terms(&policy, &table);
    assert_eq!(explained.len(), table.rows.len());
    for (row, terms) in table.rows.iter().zip(&explained) {
        let active: u128 = terms.iter().map(|term| u128::from(term.weight_bps)).sum();
        assert_eq!(active, 9_500, "nobody claimed a bounty, so that term weighs nothing");
        for (term, paid) in terms.iter().zip(row.term_bps) {
            let points = (10_000 * u128::from(term.weight_bps) * term.value).checked_div(active * term.total);
            // The share is rounded down before it is weighed: at most one point is lost by that.
            let points = u32::try_from(points.unwrap_or(0)).unwrap();
            assert!(points == paid || points == paid + 1, "{points} against {paid}");
        }
    }
}
