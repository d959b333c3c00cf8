//! Each way of earning without serving, played.

use super::*;
use crate::digest::Digest;
use crate::fixtures::model_id;

const HONEST_PAYERS: u8 = 20;

/// `calls` calls to a miner, their payers in turn.
fn calls_of(miner: &'static str, calls: u64, payers: u8) -> Vec<Countersigned> {
    let paid_by = |sequence: u64| Digest([(sequence % u64::from(payers)) as u8; 32]);
    (0..calls).map(|sequence| call(miner, sequence, |ticket| ticket.payer = paid_by(sequence))).collect()
}

fn points(table: &ScoreTable, name: &str) -> u32 {
    row(table, name).basis_points
}

#[test]
fn calls_paid_by_the_miners_own_coldkey_do_not_count() {
    let own_payer = Digest([0x99; 32]);
    let bought: Vec<_> =
        (100..200).map(|sequence| call("Bob", sequence, |ticket| ticket.payer = own_payer)).collect();
    let honest = [calls_of("Bob", 10, 20), calls_of("Charlie", 10, 20)].concat();
    let bob = Miner { related_payers: vec![own_payer], ..miner("Bob") };
    let score_of = |calls: &[Countersigned]| {
        score(&Policy::default(), &catalogue(), END_MS, calls, &[bob.clone(), miner("Charlie")])
    };
    let table = score_of(&[honest.clone(), bought].concat());
    assert_eq!(table.rows, score_of(&honest).rows);
    assert_eq!(table.set_aside.related, 100);
}

#[test]
fn one_payer_who_buys_much_from_one_miner_moves_less_than_many_who_buy_the_same() {
    let rival = calls_of("Charlie", 100, HONEST_PAYERS);
    let concentrated = score_calls(&[calls_of("Bob", 100, 1), rival.clone()].concat(), &["Bob", "Charlie"]);
    let spread = score_calls(&[calls_of("Bob", 100, HONEST_PAYERS), rival].concat(), &["Bob", "Charlie"]);
    assert_eq!(points(&spread, "Bob"), 5_000);
    // A quarter in full and the rest by half: 62.5 of 162.5 in the terms of calls and compute.
    let bob = row(&concentrated, "Bob");
    assert_eq!((bob.invocations, bob.invocations_counted), (100, 62_500));
    assert_eq!(bob.compute_units_counted * 8, bob.compute_units * 5);
    assert_eq!(bob.term_bps[1], 1_012, "2500/9500 of the points, 625/1625 of the term");
    // Where all miners have a single payer, as on a young subnet, nobody loses to anybody.
    let young = [calls_of("Bob", 100, 1), calls_of("Charlie", 100, 1)].concat();
    assert_eq!(points(&score_calls(&young, &["Bob", "Charlie"]), "Bob"), 5_000);
}

#[test]
fn a_coldkey_gains_nothing_by_splitting_over_hotkeys() {
    let hours = 0..8_u64;
    let serve = |name: &'static str, parts: u64, part: u64| {
        let at = |hour| END_MS - 1 - hour * HOUR_MS;
        hours
            .clone()
            .flat_map(move |hour| (0..12).filter(move |n| n % parts == part).map(move |n| (hour, n)))
            .map(move |(hour, number)| {
                call(name, hour * 100 + number, |ticket| {
                    ticket.issued_at_ms = at(hour);
                    ticket.payer = Digest([number as u8; 32]);
                })
            })
    };
    let owner = account("Alice");
    let rival = || serve("Eve", 1, 0);
    let whole: Vec<_> = serve("Bob", 1, 0).chain(rival()).collect();
    let one = score(
        &Policy::default(),
        &catalogue(),
        END_MS,
        &whole,
        &[Miner::new(account("Bob"), owner), miner("Eve")],
    );
    let split: Vec<_> = ["Bob", "Charlie", "Dave"]
        .into_iter()
        .zip(0..)
        .flat_map(|(name, part)| serve(name, 3, part))
        .chain(rival())
        .collect();
    let miners = ["Bob", "Charlie", "Dave"].map(|name| Miner::new(account(name), owner));
    let three =
        score(&Policy::default(), &catalogue(), END_MS, &split, &[&miners[..], &[miner("Eve")]].concat());
    let together: u32 = ["Bob", "Charlie", "Dave"].iter().map(|name| points(&three, name)).sum();
    assert_eq!(points(&one, "Bob"), 5_000);
    assert!(together <= 5_000, "split: {together}");
    let breadth: u128 = ["Bob", "Charlie", "Dave"].iter().map(|name| row(&three, name).unique_models).sum();
    assert!(breadth <= row(&one, "Bob").unique_models, "one model is one model");
}

#[test]
fn swapping_models_every_hour_gains_nothing_over_keeping_one() {
    let models = ["m0", "m1", "m2", "m3"].map(|id| crate::catalogue::Model {
        id: model_id(id),
        weights_digest: Digest([0x11; 32]),
        prompt_multiplier: 1,
        completion_multiplier: 1,
        memory_bytes: 1 << 30,
    });
    let catalogue = Catalogue::new(models).unwrap();
    let serve = |name: &'static str, model: fn(u64) -> u64| {
        (0..24_u64).map(move |hour| {
            call(name, hour, |ticket| {
                ticket.issued_at_ms = END_MS - 1 - hour * HOUR_MS;
                ticket.model = model_id(&format!("m{}", model(hour)));
            })
        })
    };
    let calls: Vec<_> = serve("Bob", |hour| hour % 4).chain(serve("Charlie", |_| 0)).collect();
    let table = score(&Policy::default(), &catalogue, END_MS, &calls, &[miner("Bob"), miner("Charlie")]);
    assert!(row(&table, "Bob").unique_models < row(&table, "Charlie").unique_models);
}

#[test]
fn a_model_counts_more_with_each_hour_of_service_up_to_its_whole() {
    let serve = |hours: u64| {
        let calls: Vec<_> = (0..hours)
            .map(|hour| call("Bob", hour, |ticket| ticket.issued_at_ms = END_MS - 1 - hour * HOUR_MS))
            .collect();
        row(&score_calls(&calls, &["Bob"]), "Bob").unique_models
    };
    // Thousandths of 100 MiB: 1/4, 2/4, 3/4, then whole hours.
    let quarters = [1, 3, 6, 10, 14, 18];
    assert_eq!([1, 2, 3, 4, 5, 6].map(serve), quarters.map(|quarters| quarters * 25_000 / 168));
}

#[test]
fn tokens_that_nobody_saw_do_not_count() {
    let mut inflated = Call::of("Bob", 0, 97);
    inflated.completion_tokens = 500;
    let honest = score_calls([&Call::of("Bob", 0, 97).unsigned()], &["Bob"]);
    assert_eq!(score_calls([&inflated.unsigned()], &["Bob"]).rows, honest.rows);
}

#[test]
fn tokens_that_no_machine_makes_in_that_time_do_not_count() {
    let at = |last_byte_ms| {
        let mut call = Call::of("Bob", 0, 500);
        call.observation.last_byte_ms = last_byte_ms;
        row(&score_calls([&call.unsigned()], &["Bob"]), "Bob").compute_units
    };
    let units = |tokens: u128| 31 * 100 + tokens * 400;
    assert_eq!([0, 10, 100, 218, 10_000].map(at), [64, 84, 264, 500, 500].map(units));
}

#[test]
fn an_hour_holds_no_more_work_than_the_miners_concurrency() {
    let policy = Policy { concurrency_max: 2, ..Policy::default() };
    let serve = |calls: u64| {
        let calls: Vec<_> = (0..calls)
            .map(|sequence| {
                let mut call = Call::to("Bob", sequence);
                // Ten minutes each: twelve fill two slots for an hour.
                call.observation.last_byte_ms = 600_000;
                call.unsigned()
            })
            .collect();
        row(&score(&policy, &catalogue(), END_MS, &calls, &[miner("Bob")]), "Bob").compute_units
    };
    assert_eq!(serve(12), 12 * serve(1));
    assert_eq!(serve(24), serve(12), "twice the claims, the same hour");
}

#[test]
fn a_receipt_at_the_hours_edge_counts_in_one_hour_only() {
    let edge = END_MS - END_MS % HOUR_MS;
    let at = |issued_at_ms| call("Bob", 0, |ticket| ticket.issued_at_ms = issued_at_ms);
    for issued_at_ms in [edge - 1, edge] {
        let twice = score_calls([&at(issued_at_ms), &at(issued_at_ms)], &["Bob"]);
        assert_eq!(row(&twice, "Bob").unique_models, 25_000 / 168);
        assert_eq!((row(&twice, "Bob").invocations, twice.set_aside.repeated), (1, 1));
    }
}

#[test]
fn a_convicted_miner_earns_nothing_and_takes_nothing_from_others() {
    let calls = [calls_of("Bob", 50, 20), calls_of("Charlie", 10, 20)].concat();
    let models = catalogue();
    let mut scorer = Scorer::new(&Policy::default(), &models, END_MS);
    calls.iter().for_each(|call| scorer.add(call));
    let miners = [miner("Bob"), miner("Charlie")];
    let convicted =
        vec![crate::standing::Conviction { miner: account("Bob"), evidence: vec![Digest([1; 32])] }];
    let standings = crate::standing::Standings { convicted, doubted: Vec::new() };
    let table = scorer.clone().finish_by(&miners, &standings);
    assert_eq!((points(&table, "Bob"), points(&table, "Charlie")), (0, 10_000));
    assert_eq!(row(&table, "Bob").compute_units, 0);
    assert!(points(&scorer.finish(&miners), "Bob") > 5_000);
}

#[test]
fn of_a_doubted_miner_half_counts_in_every_term_and_nobody_elses_work_changes() {
    let calls = [calls_of("Bob", 50, 20), calls_of("Charlie", 50, 20)].concat();
    let models = catalogue();
    let mut scorer = Scorer::new(&Policy::default(), &models, END_MS);
    calls.iter().for_each(|call| scorer.add(call));
    let miners = [miner("Bob"), miner("Charlie")];
    let doubted = vec![crate::standing::Doubt { miner: account("Bob"), evidence: vec![Digest([1; 32])] }];
    let standings = crate::standing::Standings { convicted: Vec::new(), doubted };
    let (whole, table) = (scorer.clone().finish(&miners), scorer.finish_by(&miners, &standings));
    assert_eq!(row(&table, "Charlie").compute_units, row(&whole, "Charlie").compute_units);
    assert_eq!(row(&table, "Bob").compute_units, row(&whole, "Bob").compute_units / 2);
    assert_eq!(row(&table, "Bob").invocations, row(&whole, "Bob").invocations / 2);
    assert_eq!(row(&table, "Bob").unique_models, row(&whole, "Bob").unique_models / 2);
    let (bob, charlie) = (points(&table, "Bob"), points(&table, "Charlie"));
    assert!(bob > 0 && bob * 2 <= charlie + 2, "{bob} and {charlie}");
}
