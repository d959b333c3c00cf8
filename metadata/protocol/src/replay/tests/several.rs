//! Two logs of one validator under one head.

use super::*;
use crate::head::shards::ShardHead;
use crate::scoring::Sums;
use crate::ticket::first_sequence;

/// What shard 1 served: two calls in the window's first hour, one in its last, and one after its own window's end.
fn calls_of_one() -> Vec<Call> {
    let times = [START_MS, START_MS + 5, END_MS - 6_000, END_MS - 2_000];
    let call = |(number, issued_at_ms)| {
        let mut call = Call::to("Bob", first_sequence(1) + number);
        call.ticket.issued_at_ms = issued_at_ms;
        call
    };
    (0..).zip(times).map(call).collect()
}

fn records(calls: &[Call]) -> Vec<Vec<u8>> {
    calls.iter().map(|call| call.countersigned().encode()).collect()
}

/// Both logs with a head over them. `away`: shard 1's own window ends so much before the head's.
struct Two {
    rules: Rules,
    logs: [Vec<Vec<u8>>; 2],
    head: TreeHead,
    miners: Vec<Miner>,
}

fn scorer_of<'r>(rules: &'r Rules, records: &[Vec<u8>], window_end_ms: u64) -> Scorer<'r> {
    let mut scorer = Scorer::new(&Policy::default(), &rules.catalogue, window_end_ms);
    for record in records {
        scorer.add_once(&UncheckedCountersigned::from_bytes(record).unwrap().verify().unwrap());
    }
    scorer
}

impl Two {
    fn of(logs: [Vec<Vec<u8>>; 2], away_ms: u64) -> Self {
        let base = Log::honest();
        let (rules, miners) = (base.rules, base.miners);
        let mut scorer = Scorer::new(&Policy::default(), &rules.catalogue, END_MS);
        let mut shards = Vec::new();
        for (shard, records) in (0..).zip(&logs) {
            let window_end_ms = if shard == 1 { END_MS - away_ms } else { END_MS };
            let first_index = u64::from(shard == 0);
            let sums = scorer_of(&rules, &records[first_index as usize..], window_end_ms);
            let window_start_ms = sums.window_start_ms();
            // By way of bytes, as gateways send them.
            let document = rules.document.hash();
            let bytes = Sums::of(&sums, document).unwrap().encode();
            let sums = Sums::from_bytes(&bytes).unwrap();
            scorer.merge(sums.scorer(&Policy::default(), &rules.catalogue, document).unwrap());
            let leaves: Vec<_> = records.iter().map(|record| merkle::leaf_hash(record)).collect();
            let head = ShardHead {
                netuid: 64,
                validator: account("Alice"),
                shard,
                epoch_index: if window_end_ms == END_MS { 2 } else { 1 },
                tree_size: records.len() as u64,
                root: merkle::root(&leaves),
                first_index,
                window_start_ms,
                window_end_ms,
                previous: Digest::ZERO,
            };
            shards.push(head.entry(false));
        }
        let table = scorer.finish(&miners);
        let head = TreeHead {
            logs: Logs::Shards { shards },
            scores: scores_hash(&table),
            previous: Digest::ZERO,
            ..base.heads[1].clone()
        };
        Self { rules, logs, head, miners }
    }

    fn honest() -> Self {
        Self::of([records(&calls()), records(&calls_of_one())], 0)
    }

    fn replay(&self) -> Result<Replayed, ReplayError> {
        let head = self.head.clone().sign(&key("Alice")).verify().unwrap();
        let starts = BTreeMap::from([(0, Frontier::new()), (1, Frontier::new())]);
        let mut replay = Replay::of_shards(&self.rules, vec![head], starts)?;
        let shards = replay.shards_mut().iter_mut().zip(&self.logs);
        // Both at the same time.
        std::thread::scope(|scope| {
            let threads: Vec<_> = shards
                .map(|(shard, records)| {
                    scope.spawn(move || {
                        for (index, record) in (0..).zip(records) {
                            shard.push_all(&[Leaf { index, hash: merkle::leaf_hash(record), record }])?;
                        }
                        Ok(())
                    })
                })
                .collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap())
        })?;
        replay.finish(&self.miners)
    }
}

#[test]
fn two_logs_give_the_scores_of_their_union() {
    let two = Two::honest();
    let replayed = two.replay().unwrap();
    assert_eq!((replayed.leaves, replayed.head), (10, two.head.digest()));
    let together = [records(&calls()[1..]), records(&calls_of_one())].concat();
    let one = scorer_of(&two.rules, &together, END_MS).finish(&two.miners);
    assert_eq!(replayed.table, one);
}

#[test]
fn a_shard_that_was_away_counts_what_its_own_head_names_and_the_window_still_holds() {
    // Its window ended an hour earlier: its newest receipts do not count yet, and its first hour is outside now.
    let away = Two::of([records(&calls()), records(&calls_of_one())], HOUR_MS);
    let replayed = away.replay().unwrap();
    let of_bob = |replayed: &Replayed| {
        let row = replayed.table.rows.iter().find(|row| row.hotkey == account("Bob"));
        row.unwrap().invocations
    };
    assert_eq!(of_bob(&replayed), 4, "two of shard 0, two that are still in the window");
    assert_eq!(of_bob(&Two::honest().replay().unwrap()), 6);
    // A day later its first two receipts have left the window with their hour, by reviewer and gateway alike.
    let sums = scorer_of(&away.rules, &away.logs[1], END_MS);
    let mut later = Scorer::new(&Policy::default(), &away.rules.catalogue, END_MS + 24 * HOUR_MS);
    later.merge(sums);
    let table = later.finish(&away.miners);
    let row = table.rows.iter().find(|row| row.hotkey == account("Bob")).unwrap();
    assert_eq!((row.invocations, table.set_aside.outside_window), (2, 2));
}

fn fault(logs: [Vec<Vec<u8>>; 2]) -> (Option<u8>, Option<u64>, String) {
    let error = Two::of(logs, 0).replay().unwrap_err();
    let cause = std::error::Error::source(&error).and_then(std::error::Error::source);
    (error.shard(), error.leaf(), cause.map(ToString::to_string).unwrap_or_default())
}

#[test]
fn a_receipt_that_was_moved_to_another_shard_is_named_with_shard_and_leaf() {
    let (mut zero, mut one) = (records(&calls()), records(&calls_of_one()));
    zero.push(one.pop().unwrap());
    let (shard, leaf, text) = fault([zero, one]);
    assert_eq!((shard, leaf), (Some(0), Some(6)), "{text}");
    assert!(text.contains("shard 1"), "{text}");
    let (mut zero, mut one) = (records(&calls()), records(&calls_of_one()));
    one.push(zero.pop().unwrap());
    let (shard, leaf, text) = fault([zero, one]);
    assert_eq!((shard, leaf), (Some(1), Some(4)), "{text}");
}

#[test]
fn a_bounty_that_another_shard_pays_is_wrong_where_it_lies() {
    let mut one = calls_of_one();
    one[2].ticket.kind = crate::ticket::Kind::BountyClaim;
    let (shard, leaf, text) = fault([records(&calls()), records(&one)]);
    assert_eq!((shard, leaf), (Some(1), Some(2)), "{text}");
}

#[test]
fn every_dropped_or_altered_leaf_of_a_shard_is_found_there() {
    let honest = Two::honest();
    for shard in 0..2_u8 {
        let log = &honest.logs[usize::from(shard)];
        for index in 0..log.len() {
            let mut dropped = Two { logs: honest.logs.clone(), ..Two::honest() };
            dropped.logs[usize::from(shard)].remove(index);
            let error = dropped.replay().unwrap_err();
            // Without leaf numbers of their own the hash tells, or that the window begins too early or the log ends too soon.
            assert_eq!(error.shard(), Some(shard), "{error:?}");
            let mut altered = Two { logs: honest.logs.clone(), ..Two::honest() };
            altered.logs[usize::from(shard)][index][70] ^= 1;
            let error = altered.replay().unwrap_err();
            assert_eq!((error.shard(), error.leaf()), (Some(shard), Some(index as u64)), "{error:?}");
        }
    }
}

#[test]
fn a_shard_without_its_leaves_or_with_more_than_the_head_names_is_refused() {
    let two = Two::honest();
    let head = || vec![two.head.clone().sign(&key("Alice")).verify().unwrap()];
    for starts in [vec![0], vec![0, 2], vec![0, 1, 2], vec![]] {
        let starts = starts.into_iter().map(|shard| (shard, Frontier::new())).collect();
        let refused = Replay::of_shards(&two.rules, head(), starts).unwrap_err();
        assert!(matches!(refused, ReplayError::Shards { .. }), "{refused:?}");
    }
}

#[test]
fn sums_that_say_nonsense_are_refused() {
    let two = Two::honest();
    let document = two.rules.document.hash();
    let sums = Sums::of(&scorer_of(&two.rules, &two.logs[0], END_MS), document).unwrap();
    let good = sums.scorer(&Policy::default(), &two.rules.catalogue, document).unwrap();
    assert_eq!(
        good.finish(&two.miners),
        scorer_of(&two.rules, &two.logs[0], END_MS).finish(&two.miners),
        "bytes lose nothing"
    );
    let bytes = sums.encode();
    assert_eq!(Sums::from_bytes(&bytes[..bytes.len() - 1]), Err(crate::scoring::SumsError::Decode));
    let mut other = bytes.clone();
    other[0] = 2;
    assert_eq!(Sums::from_bytes(&other), Err(crate::scoring::SumsError::Decode));
    let by_others = sums.scorer(&Policy::default(), &two.rules.catalogue, Digest::ZERO);
    assert!(matches!(by_others, Err(crate::scoring::SumsError::Policy { .. })));
    let nothing = Catalogue::default();
    let unknown = sums.scorer(&Policy::default(), &nothing, document);
    assert!(matches!(unknown, Err(crate::scoring::SumsError::Model(_))));
    // Every byte of them altered: never a panic, and never more than the window's hours.
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 0xff;
        if let Ok(sums) = Sums::from_bytes(&altered) {
            let _ = sums.scorer(&Policy::default(), &two.rules.catalogue, document);
        }
    }
    let mut single = Scorer::new(&Policy::default(), &two.rules.catalogue, END_MS);
    single.add(&Call::to("Bob", 1).countersigned());
    assert_eq!(Sums::of(&single, document), Err(crate::scoring::SumsError::Tickets));
}
