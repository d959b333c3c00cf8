use std::collections::VecDeque;

use super::{Candidate, Goal, pick};
use protocol::account::AccountId;

fn candidate(id: u8, tokens_in_flight: u64, slots: u16) -> Candidate {
    let hotkey = AccountId([id; 32]);
    Candidate { hotkey, tokens_in_flight, slots, first_token_ms: None, tokens_per_s: None }
}

fn timed(id: u8, first_token_ms: u32, tokens_per_s: u32) -> Candidate {
    Candidate {
        first_token_ms: Some(first_token_ms),
        tokens_per_s: Some(tokens_per_s),
        ..candidate(id, 0, 4)
    }
}

/// A sequence of draws that is the same each time.
fn draws(seed: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(seed), |state| {
        let mut next = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        Some(next ^ (next >> 31))
    })
    .skip(1)
}

#[test]
fn nobody_is_picked_from_an_empty_fleet() {
    for goal in [Goal::Balance, Goal::Latency, Goal::Throughput] {
        assert_eq!(pick(&[], goal, 7), None);
    }
}

#[test]
fn the_only_miner_is_picked_however_loaded() {
    for goal in [Goal::Balance, Goal::Latency, Goal::Throughput] {
        assert_eq!(pick(&[candidate(1, u64::MAX, 1)], goal, u64::MAX), Some(0));
    }
}

#[test]
fn of_two_miners_the_less_loaded_is_always_picked() {
    let fleet = [candidate(1, 300, 4), candidate(2, 200, 4)];
    assert!((0..1_000).all(|draw| pick(&fleet, Goal::Balance, draw) == Some(1)));
}

#[test]
fn load_is_counted_per_slot() {
    let fleet = [candidate(1, 300, 1), candidate(2, 800, 16)];
    assert!((0..1_000).all(|draw| pick(&fleet, Goal::Balance, draw) == Some(1)));
}

#[test]
fn of_two_idle_miners_the_faster_is_picked_until_it_is_as_loaded_as_it_is_fast() {
    let (slow, mut fast) = (timed(1, 980, 10), timed(2, 230, 10));
    assert!((0..1_000).all(|draw| pick(&[slow, fast], Goal::Balance, draw) == Some(1)));
    // Four times as fast with four times the tokens for each slot, those of an idle slot included.
    fast.tokens_in_flight = 4 * 64 * 3 - 4;
    assert!((0..1_000).all(|draw| pick(&[slow, fast], Goal::Balance, draw) == Some(1)));
    fast.tokens_in_flight += 8;
    assert!((0..1_000).all(|draw| pick(&[slow, fast], Goal::Balance, draw) == Some(0)));
}

#[test]
fn a_miner_that_nobody_has_timed_is_believed_to_be_as_fast_as_the_best() {
    let fleet = [timed(1, 900, 10), timed(2, 100, 10), candidate(3, 0, 4)];
    let picked =
        |goal| (0..100).map(|draw| pick(&fleet, goal, draw)).filter(|index| *index == Some(2)).count();
    assert!(picked(Goal::Balance) > 40 && picked(Goal::Latency) > 30);
}

#[test]
fn who_asks_for_latency_or_throughput_gets_the_best_of_all() {
    let fleet = [timed(1, 500, 30), timed(2, 90, 20), timed(3, 400, 90), timed(4, 450, 40)];
    for draw in 0..1_000 {
        assert_eq!(pick(&fleet, Goal::Latency, draw), Some(1));
        assert_eq!(pick(&fleet, Goal::Throughput, draw), Some(2));
    }
}

#[test]
fn every_ordered_pair_is_drawn_so_equals_share_the_load() {
    let fleet: Vec<Candidate> = (0..5).map(|id| candidate(id, 0, 1)).collect();
    let mut picked = [0u32; 5];
    for draw in 0..20 {
        picked[pick(&fleet, Goal::Balance, draw).unwrap()] += 1;
    }
    assert_eq!(picked, [4; 5]);
}

#[test]
fn the_most_loaded_of_several_is_never_picked() {
    let fleet = [candidate(1, 0, 1), candidate(2, 900, 1), candidate(3, 100, 1)];
    assert!((0..1_000).all(|draw| pick(&fleet, Goal::Balance, draw) != Some(1)));
}

/// Calls of very different length arrive steadily and each ends after a time that its tokens take; gives the largest load that
/// any of 16 equal miners had, over the average load at that moment, in percent.
fn worst_excess(mut choose: impl FnMut(&[Candidate], u64) -> usize) -> u64 {
    let mut fleet: Vec<Candidate> = (0..16).map(|id| candidate(id, 0, 1)).collect();
    let mut open: VecDeque<(u64, usize, u64)> = VecDeque::new();
    let mut worst = 0;
    for (now, draw) in (0..20_000u64).zip(draws(7)) {
        open.retain(|(ends, index, tokens)| {
            if *ends <= now {
                fleet[*index].tokens_in_flight -= tokens;
            }
            *ends > now
        });
        let tokens = 50 + (draw >> 40) % 400;
        let index = choose(&fleet, draw);
        fleet[index].tokens_in_flight += tokens;
        open.push_back((now + tokens, index, tokens));
        if now > 1_000 {
            let sum: u64 = fleet.iter().map(|miner| miner.tokens_in_flight).sum();
            let most = fleet.iter().map(|miner| miner.tokens_in_flight).max().unwrap();
            worst = worst.max(most * 100 * 16 / sum);
        }
    }
    worst
}

#[test]
fn two_choices_keep_every_miner_near_the_average_where_one_does_not() {
    let two = worst_excess(|fleet, draw| pick(fleet, Goal::Balance, draw).unwrap());
    let one = worst_excess(|fleet, draw| (draw % fleet.len() as u64) as usize);
    assert!(two < 150, "the most loaded miner had {two} % of the average");
    assert!(one > two + 30, "drawing one: {one} %, drawing two: {two} %");
}
