//! What must hold for all receipts: order and shards do not matter, points sum up, gaining does not hurt.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::digest::Digest;
use crate::fixtures::model_id;
use crate::ticket::Kind;

const NAMES: [&str; 5] = ["Bob", "Charlie", "Dave", "Eve", "Ferdie"];

/// Ferdie is not registered.
const REGISTERED: [&str; 4] = ["Bob", "Charlie", "Dave", "Eve"];

fn any_call() -> impl Strategy<Value = Countersigned> {
    let kinds = vec![Kind::Chat, Kind::Completion, Kind::Embedding, Kind::Probe, Kind::BountyClaim];
    let models = vec!["SmolLM2-135M-Instruct", "org/large-7b", "unknown"];
    // Few sequence numbers and hours, so that tickets repeat with other claims.
    (select(NAMES.to_vec()), 0..6_u64, select(kinds), select(models), 0..3_u64, 0..512_u32, 0..3_u8).prop_map(
        |(miner, sequence, kind, model, hours_ago, completion_tokens, payer)| {
            let mut call = Call::of(miner, sequence, completion_tokens);
            call.ticket.kind = kind;
            call.ticket.payer = Digest([payer; 32]);
            call.ticket.model = model_id(model);
            call.ticket.issued_at_ms = END_MS - 1 - hours_ago * 84 * HOUR_MS;
            call.unsigned()
        },
    )
}

fn any_calls() -> impl Strategy<Value = Vec<Countersigned>> {
    prop::collection::vec(any_call(), 0..60)
}

fn shard<'c>(catalogue: &'c Catalogue, calls: &[Countersigned]) -> Scorer<'c> {
    let mut scorer = Scorer::new(&Policy::default(), catalogue, END_MS);
    calls.iter().for_each(|call| scorer.add(call));
    scorer
}

proptest! {
    #![proptest_config(crate::fixtures::at_least(128))]

    #[test]
    fn the_order_of_receipts_does_not_matter((calls, shuffled) in any_calls().prop_flat_map(|calls| (Just(calls.clone()), Just(calls).prop_shuffle()))) {
        prop_assert_eq!(score_calls(&calls, &REGISTERED), score_calls(&shuffled, &REGISTERED));
    }

    #[test]
    fn shards_merged_score_as_one(calls in any_calls(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 2), swap in any::<bool>()) {
        let catalogue = catalogue();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(calls.len() + 1)).collect();
        cuts.sort_unstable();
        let (mut one, mut two) = (shard(&catalogue, &calls[..cuts[0]]), shard(&catalogue, &calls[cuts[0]..cuts[1]]));
        if swap {
            std::mem::swap(&mut one, &mut two);
        }
        one.merge(two);
        let mut merged = shard(&catalogue, &calls[cuts[1]..]);
        merged.merge(one);
        let miners = REGISTERED.map(miner);
        prop_assert_eq!(merged.finish(&miners), score_calls(&calls, &REGISTERED));
    }

    #[test]
    fn points_sum_to_ten_thousand_or_nobody_has_any(calls in any_calls()) {
        let table = score_calls(&calls, &REGISTERED);
        let sum: u32 = table.rows.iter().map(|row| row.basis_points).sum();
        let counted = table.rows.iter().any(|row| row.invocations + row.bounties > 0);
        prop_assert_eq!(sum, if counted { BASIS_POINTS } else { 0 });
        for row in &table.rows {
            // Each of four floors loses less than a point, and the quota's own rounding is less than one.
            let terms: u32 = row.term_bps.iter().sum();
            prop_assert!(row.basis_points + 1 >= terms && row.basis_points <= terms + 4, "{:?}", row);
        }
        let aside = table.set_aside;
        let aside = aside.outside_window + aside.with_error + aside.unknown_model + aside.repeated + aside.unregistered + aside.related;
        let in_rows: u64 = table.rows.iter().map(|row| row.invocations + row.bounties).sum();
        prop_assert_eq!(in_rows + aside, calls.len() as u64, "every receipt is accounted for");
    }

    #[test]
    fn one_more_receipt_does_not_lower_its_miners_score(calls in any_calls(), kind in select(vec![Kind::Chat, Kind::BountyClaim]), name in select(REGISTERED.to_vec())) {
        let more = call(name, 1_000, |ticket| ticket.kind = kind);
        let before = score_calls(&calls, &REGISTERED);
        let after = score_calls(calls.iter().chain([&more]), &REGISTERED);
        // A point may be lost to rounding. A term that nobody scored in before takes its weight from the
        // others, so only receipts in terms already alive are compared.
        let alive = |term: fn(&ScoreRow) -> u64| before.rows.iter().any(|row| term(row) > 0);
        prop_assume!(alive(if kind == Kind::BountyClaim { |row| row.bounties } else { |row| row.invocations }));
        prop_assert!(row(&after, name).basis_points + 1 >= row(&before, name).basis_points);
    }

    #[test]
    fn receipts_of_strangers_change_nobodys_points(calls in any_calls()) {
        let known: Vec<_> = calls.iter().filter(|call| call.ticket().miner != account("Ferdie")).cloned().collect();
        prop_assert_eq!(score_calls(&calls, &REGISTERED).rows, score_calls(&known, &REGISTERED).rows);
    }
}
