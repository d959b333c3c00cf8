//! A small honest log, and every way of spoiling it.

use parity_scale_codec::Encode;

use super::*;
use crate::fixtures::{Call, account, catalogue, key};
use crate::head::shards::{self, Logs};
use crate::head::{TreeHead, miners_hash};
use crate::scoring::{HOUR_MS, Policy};

mod several;

const END_MS: u64 = 1_752_076_800_000 + HOUR_MS / 2;
const START_MS: u64 = 1_752_076_800_000 - 167 * HOUR_MS;

/// A log with its bundle.
struct Log {
    rules: Rules,
    records: Vec<Vec<u8>>,
    heads: Vec<TreeHead>,
    miners: Vec<Miner>,
}

fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    // The first two lie before the window: one well before, one a little.
    let times = [
        START_MS - 3 * HOUR_MS,
        START_MS - 10_000,
        START_MS,
        START_MS + HOUR_MS,
        END_MS - 5_000,
        END_MS - 9_000,
    ];
    for (number, issued_at_ms) in (0..).zip(times) {
        let mut call = Call::to(if number % 2 == 0 { "Bob" } else { "Charlie" }, number);
        call.ticket.issued_at_ms = issued_at_ms;
        calls.push(call);
    }
    calls
}

impl Log {
    fn honest() -> Self {
        Self::of(calls().iter().map(|call| call.countersigned().encode()).collect())
    }

    /// A log of these leaves whose heads are true of them.
    fn of(records: Vec<Vec<u8>>) -> Self {
        let rules = Rules::new(PolicyDocument::new(64, Policy::default(), &catalogue())).unwrap();
        let miners = ["Bob", "Charlie"].map(|name| Miner::new(account(name), account("Dave"))).to_vec();
        let mut log = Self { rules, records, heads: Vec::new(), miners };
        let middle = log.head(1, 4, END_MS - HOUR_MS, Digest::ZERO);
        let last = log.head(2, log.records.len() as u64, END_MS, middle.digest());
        log.heads = vec![middle, last];
        log
    }

    fn head(&self, epoch_index: u64, tree_size: u64, window_end_ms: u64, previous: Digest) -> TreeHead {
        let leaves = &self.records[..tree_size as usize];
        let leaves: Vec<_> = leaves.iter().map(|record| merkle::leaf_hash(record)).collect();
        let mut scorer = Scorer::new(&Policy::default(), &self.rules.catalogue, window_end_ms);
        for record in &self.records[1..tree_size as usize] {
            if let Ok(receipt) =
                UncheckedCountersigned::from_bytes(record).and_then(UncheckedCountersigned::verify)
            {
                scorer.add(&receipt);
            }
        }
        let window_start_ms = scorer.window_start_ms();
        let table = scorer.finish(&self.miners);
        TreeHead {
            netuid: 64,
            validator: account("Alice"),
            epoch_index,
            block_number: epoch_index,
            block_hash: Digest::ZERO,
            logs: Logs::One(shards::Log { tree_size, root: merkle::root(&leaves), first_index: 1 }),
            previous,
            policy: self.rules.document.hash(),
            miners: miners_hash(&self.miners),
            window_start_ms,
            window_end_ms,
            scores: scores_hash(&table),
        }
    }

    fn leaves(&self) -> Vec<(u64, Digest, Vec<u8>)> {
        (0..)
            .zip(&self.records)
            .map(|(index, record)| (index, merkle::leaf_hash(record), record.clone()))
            .collect()
    }

    fn heads(&self) -> Vec<ValidHead> {
        self.heads.iter().map(|head| head.clone().sign(&key("Alice")).verify().unwrap()).collect()
    }

    fn replay(&self, leaves: &[(u64, Digest, Vec<u8>)]) -> Result<Replayed, ReplayError> {
        let mut replay = Replay::new(&self.rules, self.heads(), Frontier::new())?;
        let leaves: Vec<_> =
            leaves.iter().map(|(index, hash, record)| Leaf { index: *index, hash: *hash, record }).collect();
        // In parts of three, so that parts and heads do not end together.
        for part in leaves.chunks(3) {
            replay.push_all(part)?;
        }
        replay.finish(&self.miners)
    }

    /// The leaf at fault.
    fn fault(&self, leaves: &[(u64, Digest, Vec<u8>)]) -> Option<u64> {
        match self.replay(leaves) {
            Err(ReplayError::Leaf { index, .. }) => Some(index),
            Err(ReplayError::Truncated { found, .. }) => Some(found),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_honest_log_replays_to_its_scores() {
    let log = Log::honest();
    let replayed = log.replay(&log.leaves()).unwrap();
    assert_eq!(replayed.head, log.heads[1].digest());
    assert_eq!(replayed.leaves, 6);
    let counted: u64 = replayed.table.rows.iter().map(|row| row.invocations).sum();
    assert_eq!((counted, replayed.table.set_aside.outside_window), (4, 1));
}

#[test]
fn a_window_replays_from_the_leaf_before_its_first() {
    let records: Vec<_> = calls().iter().map(|call| call.countersigned().encode()).collect();
    // Two more old leaves in front, which the window does not need.
    let old = |sequence| {
        let mut call = Call::to("Bob", sequence);
        call.ticket.issued_at_ms = START_MS - 4 * HOUR_MS;
        call.countersigned().encode()
    };
    let mut log = Log::of([vec![old(100), old(101)], records.clone()].concat());
    log.heads.remove(0);
    log.heads[0].log_mut(0).unwrap().first_index = 3;
    log.heads[0].scores = Log::of(records).heads[1].scores;
    let mut start = Frontier::new();
    log.leaves()[..2].iter().for_each(|(_, hash, _)| start.push(*hash));
    let replay = |start: Frontier, skip: usize| {
        let mut replay = Replay::new(&log.rules, log.heads(), start)?;
        for (index, hash, record) in &log.leaves()[skip..] {
            replay.push_all(&[Leaf { index: *index, hash: *hash, record }])?;
        }
        replay.finish(&log.miners)
    };
    assert_eq!(replay(start.clone(), 2).unwrap().leaves, 6);
    // Earlier leaves may come along and change nothing; later ones do not do.
    let earlier = replay(Frontier::new(), 0).unwrap();
    assert_eq!((earlier.leaves, earlier.table), (8, replay(start.clone(), 2).unwrap().table));
    let mut later = start.clone();
    later.push(log.leaves()[2].1);
    assert!(matches!(replay(later, 3), Err(ReplayError::Start { expected: 2, found: 3 })));
    // A frontier over other leaves gives another root.
    let mut other = Frontier::new();
    other.push(Digest::ZERO);
    other.push(Digest::ZERO);
    assert!(matches!(replay(other, 2), Err(ReplayError::Root { .. })));
}

#[test]
fn every_altered_byte_is_found_in_its_leaf() {
    let log = Log::honest();
    for index in 0..log.records.len() {
        for at in (0..log.records[index].len()).step_by(23) {
            let mut leaves = log.leaves();
            leaves[index].2[at] ^= 0x40;
            assert_eq!(log.fault(&leaves), Some(index as u64));
            // With the hash beside it altered too, the signatures or the root tell.
            leaves[index].1 = merkle::leaf_hash(&leaves[index].2);
            match log.replay(&leaves) {
                Err(ReplayError::Leaf { index: found, .. }) => assert_eq!(found, index as u64),
                Err(ReplayError::Root { .. }) => {}
                other => panic!("byte {at} of leaf {index}: {other:?}"),
            }
        }
        let mut leaves = log.leaves();
        leaves[index].1.0[0] ^= 1;
        assert_eq!(log.fault(&leaves), Some(index as u64));
    }
}

#[test]
fn every_dropped_doubled_or_swapped_leaf_is_found() {
    let log = Log::honest();
    let count = log.records.len();
    for index in 0..count {
        let mut dropped = log.leaves();
        dropped.remove(index);
        assert_eq!(log.fault(&dropped), Some(index as u64));
        let mut doubled = log.leaves();
        doubled.insert(index, doubled[index].clone());
        assert_eq!(log.fault(&doubled), Some(index as u64 + 1));
        for other in index + 1..count {
            let mut swapped = log.leaves();
            swapped.swap(index, other);
            assert_eq!(log.fault(&swapped), Some(index as u64));
        }
    }
}

#[test]
fn leaves_renumbered_to_hide_a_change_have_another_root() {
    let log = Log::honest();
    for index in 0..log.records.len() {
        let mut records = log.records.clone();
        records.remove(index);
        let other =
            Log { rules: log.rules.clone(), heads: log.heads.clone(), miners: log.miners.clone(), records };
        let found = other.replay(&other.leaves()).unwrap_err();
        let told = matches!(found, ReplayError::Root { .. } | ReplayError::Truncated { .. })
            // The leaf in front of the window is gone: the one after it does not stand where it must.
            || matches!(found, ReplayError::Leaf { index: 0, source: LeafError::FirstIndex { .. } });
        assert!(told, "leaf {index}: {found:?}");
    }
}

fn fault_of(records: Vec<Vec<u8>>) -> (u64, LeafError) {
    let log = Log::of(records);
    match log.replay(&log.leaves()) {
        Err(ReplayError::Leaf { index, source }) => (index, source),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_that_counts_one_call_twice_is_wrong_where_it_repeats() {
    let mut records: Vec<_> = calls().iter().map(|call| call.countersigned().encode()).collect();
    records.push(records[3].clone());
    // The repeated leaf is as old as it was: the order rule sees it first when it is old, the number otherwise.
    let mut again = Call::to("Bob", 4);
    again.ticket.issued_at_ms = END_MS - 4_000;
    records[6] = again.countersigned().encode();
    let repeated = LeafError::Repeated { miner: account("Bob"), sequence: 4 };
    assert_eq!(fault_of(records), (6, repeated));
}

#[test]
fn a_leaf_appended_long_after_its_time_is_wrong() {
    let mut calls = calls();
    calls[5].ticket.issued_at_ms = calls[4].ticket.issued_at_ms - LATE_MS_MAX - 1;
    let records = calls.iter().map(|call| call.countersigned().encode()).collect();
    assert_eq!(fault_of(records), (5, LeafError::Late { late_ms: LATE_MS_MAX + 1 }));
}

#[test]
fn a_receipt_of_another_subnet_is_wrong() {
    let mut calls = calls();
    calls[4].ticket.netuid = 65;
    let records = calls.iter().map(|call| call.countersigned().encode()).collect();
    assert_eq!(fault_of(records), (4, LeafError::OtherLog));
}

#[test]
fn a_window_that_hides_its_first_receipts_is_wrong() {
    let mut log = Log::honest();
    log.heads.iter_mut().for_each(|head| head.log_mut(0).unwrap().first_index = 2);
    log.heads[1].previous = log.heads[0].digest();
    let mut replay = Replay::new(
        &log.rules,
        log.heads(),
        [log.leaves()[0].1].into_iter().fold(Frontier::new(), |mut frontier, leaf| {
            frontier.push(leaf);
            frontier
        }),
    )
    .unwrap();
    let (index, hash, record) = log.leaves()[1].clone();
    let refused = replay.push_all(&[Leaf { index, hash, record: &record }]).unwrap_err();
    let source = LeafError::FirstIndex { age_ms: 10_000 };
    assert_eq!(refused, ReplayError::Leaf { index: 1, source });
}

#[test]
fn inflated_scores_are_computed_away() {
    let mut log = Log::honest();
    log.heads[1].scores = Digest([0xee; 32]);
    let Err(ReplayError::Scores { computed }) = log.replay(&log.leaves()) else { panic!("not refused") };
    assert_eq!(scores_hash(&computed), Log::honest().heads[1].scores);
}

#[test]
fn other_rules_miners_windows_and_heads_are_refused() {
    let log = Log::honest();
    let mut other = Log::honest();
    other.rules.document.policy.ramp_hours = 9;
    assert!(matches!(other.replay(&log.leaves()), Err(ReplayError::Policy { .. })));
    let mut other = Log::honest();
    other.miners.pop();
    assert!(matches!(other.replay(&log.leaves()), Err(ReplayError::Miners { .. })));
    let mut other = Log::honest();
    other.heads[1].window_start_ms += HOUR_MS;
    assert!(matches!(other.replay(&log.leaves()), Err(ReplayError::Window { .. })));
    let mut other = Log::honest();
    other.heads[1].previous = Digest::ZERO;
    assert!(matches!(other.replay(&log.leaves()), Err(ReplayError::Heads { epoch_index: 2, .. })));
    let mut other = Log::honest();
    other.heads.clear();
    assert_eq!(other.replay(&[]), Err(ReplayError::NoHead));
}

#[test]
fn receipts_that_the_next_one_names_and_the_log_lacks_are_counted() {
    let mut previous = Digest([1; 32]);
    let mut records = Vec::new();
    for (number, call) in calls().into_iter().enumerate() {
        let (ticket, observation) = (call.ticket.clone(), call.observation.clone());
        let ticket = ticket.sign(&key("Alice")).verify().unwrap();
        // Charlie's chain lacks one link; Bob names nothing.
        let link = if call.miner == "Charlie" { previous } else { Digest::ZERO };
        let receipt = crate::receipt::Receipt { previous: link, ..crate::fixtures::receipt(&ticket) };
        if call.miner == "Charlie" {
            previous = if number == 3 { Digest([2; 32]) } else { receipt.hash() };
        }
        let signed = crate::receipt::MinerSigned::check(ticket, receipt.sign(&key(call.miner))).unwrap();
        records.push(signed.countersign(observation, &key("Alice")).unwrap().encode());
    }
    let log = Log::of(records);
    let replayed = log.replay(&log.leaves()).unwrap();
    assert_eq!(replayed.unlogged, BTreeMap::from([(account("Charlie"), 2)]), "before the first, and the gap");
    assert!(log.rules.document().encode().len() > 10);
}

#[test]
fn a_log_that_pays_a_bounty_to_a_friend_as_well_is_found() {
    let mut calls = calls();
    for call in &mut calls[4..] {
        call.ticket.kind = crate::ticket::Kind::BountyClaim;
    }
    let log = Log::of(calls.iter().map(|call| call.countersigned().encode()).collect());
    let replayed = log.replay(&log.leaves()).unwrap();
    let [twice] = &replayed.paid_twice[..] else { panic!("{replayed:?}") };
    assert_eq!((twice.first, twice.again), ((account("Bob"), 4), (account("Charlie"), 5)));
    assert_eq!(Log::honest().replay(&Log::honest().leaves()).unwrap().paid_twice, []);
}
