//! The queue by itself, and a simulated miner: answers take their time, and callers do what they are told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::*;

const ALICE: AccountId = AccountId([1; 32]);
const BOB: AccountId = AccountId([2; 32]);
const CAROL: AccountId = AccountId([3; 32]);

fn room(running_max: u64, waiting_max: u64) -> Room {
    Room { running_max, running_per_caller_max: running_max, waiting_max }
}

fn asker(caller: AccountId, weight: u64) -> Asker {
    Asker { caller, weight, priority: Priority::Paid }
}

fn urgent(caller: AccountId, priority: Priority) -> Asker {
    Asker { caller, weight: 1, priority }
}

#[test]
fn slots_first_then_places_then_a_refusal() {
    let mut queue = FairQueue::new(room(1, 1));
    assert_eq!(queue.ask(asker(ALICE, 1), 'a', 0), Asked::Granted);
    assert_eq!(queue.ask(asker(ALICE, 1), 'b', 0), Asked::Waits { number: 1, displaced: None });
    // One holds the slot and one waits before it, each for two seconds as far as anybody knows.
    assert_eq!(queue.ask(asker(ALICE, 1), 'c', 0), Asked::Refused { retry_after_ms: 4_000 });
    assert_eq!(queue.release(ALICE, 100, 100), [(ALICE, 'b')]);
    assert_eq!(queue.load(), (1, 0));
    assert_eq!(queue.release(ALICE, 100, 200), []);
    assert_eq!(queue.load(), (0, 0));
}

#[test]
fn a_caller_at_its_own_limit_waits_while_others_are_served() {
    let mut queue = FairQueue::new(Room { running_max: 3, running_per_caller_max: 1, waiting_max: 9 });
    assert_eq!(queue.ask(asker(ALICE, 1), 'a', 0), Asked::Granted);
    assert!(matches!(queue.ask(asker(ALICE, 1), 'b', 0), Asked::Waits { .. }));
    assert_eq!(queue.ask(asker(BOB, 1), 'c', 0), Asked::Granted);
    assert_eq!(queue.release(BOB, 1, 1), [], "Alice's next request waits for Alice's own slot");
    assert_eq!(queue.release(ALICE, 1, 1), [(ALICE, 'b')]);
}

#[test]
fn paid_work_goes_first_and_takes_the_place_of_what_can_wait() {
    let mut queue = FairQueue::new(room(1, 2));
    assert_eq!(queue.ask(asker(CAROL, 1), 'x', 0), Asked::Granted);
    assert!(matches!(queue.ask(urgent(ALICE, Priority::WarmUp), 'w', 0), Asked::Waits { .. }));
    assert!(matches!(queue.ask(urgent(ALICE, Priority::Probe), 'p', 0), Asked::Waits { .. }));
    assert!(matches!(
        queue.ask(urgent(BOB, Priority::Paid), 'b', 0),
        Asked::Waits { displaced: Some('w'), .. }
    ));
    assert!(matches!(
        queue.ask(urgent(BOB, Priority::Paid), 'c', 0),
        Asked::Waits { displaced: Some('p'), .. }
    ));
    assert!(matches!(queue.ask(urgent(ALICE, Priority::Probe), 'q', 0), Asked::Refused { .. }));
    assert_eq!(queue.release(CAROL, 1, 1), [(BOB, 'b')]);
}

#[test]
fn whoever_fills_the_room_gives_way_to_whoever_has_less_than_its_share() {
    let mut queue = FairQueue::new(room(1, 4));
    assert_eq!(queue.ask(asker(CAROL, 1), 'x', 0), Asked::Granted);
    for name in ['1', '2', '3', '4'] {
        assert!(matches!(queue.ask(asker(ALICE, 1), name, 0), Asked::Waits { displaced: None, .. }));
    }
    // The newest of the greedy one's, and only until both have as much.
    assert!(matches!(queue.ask(asker(BOB, 1), 'a', 0), Asked::Waits { displaced: Some('4'), .. }));
    assert!(matches!(queue.ask(asker(BOB, 1), 'b', 0), Asked::Waits { displaced: Some('3'), .. }));
    assert!(matches!(queue.ask(asker(BOB, 1), 'c', 0), Asked::Refused { .. }), "it would only turn it round");
    // With nine times the stake one may have nine times the room.
    assert!(matches!(queue.ask(asker(BOB, 9), 'c', 0), Asked::Waits { displaced: Some('2'), .. }));
}

#[test]
fn a_place_that_is_given_up_is_free_and_one_that_was_granted_is_not_given_up() {
    let mut queue = FairQueue::new(room(1, 1));
    assert_eq!(queue.ask(asker(ALICE, 1), 'a', 0), Asked::Granted);
    assert_eq!(queue.ask(asker(ALICE, 1), 'b', 0), Asked::Waits { number: 1, displaced: None });
    assert!(queue.leave(ALICE, 1));
    assert!(!queue.leave(ALICE, 1));
    assert_eq!(queue.ask(asker(BOB, 1), 'c', 0), Asked::Waits { number: 2, displaced: None });
    assert_eq!(queue.release(ALICE, 1, 1), [(BOB, 'c')]);
    assert!(!queue.leave(BOB, 2));
}

#[test]
fn callers_that_are_gone_are_forgotten() {
    let mut queue = FairQueue::new(room(1, 0));
    for caller in 0..200u8 {
        let caller = AccountId([caller; 32]);
        assert_eq!(queue.ask(asker(caller, 1), (), 0), Asked::Granted);
        queue.release(caller, 2_000, 0);
    }
    assert!(queue.callers.len() <= 2, "{}", queue.callers.len());
}

/// A caller of the simulation: how long its answers take, and how many requests it keeps up.
struct Load {
    caller: AccountId,
    weight: u64,
    hold_ms: u64,
    at_once: u64,
    /// Whether an answered request asks again at once.
    on: bool,
}

/// What became of one caller's requests.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Served {
    answers: u64,
    slot_ms: u64,
    refused: u64,
    /// Refused requests that came back when told to, and of them those that were refused again.
    returned: u64,
    refused_again: u64,
    /// When the last answer ended.
    done_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    Ends { caller: AccountId },
    Asks { caller: AccountId, again: bool },
}

/// Runs a miner for some time. Each caller has `at_once` requests that ask again as soon as they are answered, or when they
/// were told to.
fn simulate(room: Room, loads: &[Load], for_ms: u64) -> BTreeMap<AccountId, Served> {
    let of: BTreeMap<AccountId, &Load> = loads.iter().map(|load| (load.caller, load)).collect();
    let mut queue = FairQueue::new(room);
    let mut served: BTreeMap<AccountId, Served> =
        loads.iter().map(|load| (load.caller, Served::default())).collect();
    // It has been serving such answers for a while.
    for load in loads.iter().cycle().take(64) {
        assert_eq!(queue.ask(asker(load.caller, load.weight), (), 0), Asked::Granted);
        queue.release(load.caller, load.hold_ms, 0);
    }
    let mut events = BinaryHeap::new();
    let mut order = 0u64;
    let mut at = |events: &mut BinaryHeap<_>, at_ms: u64, event: Happens| {
        order += 1;
        events.push(Reverse((at_ms, order, event)));
    };
    for load in loads {
        for _ in 0..load.at_once {
            at(&mut events, 0, Happens::Asks { caller: load.caller, again: false });
        }
    }
    while let Some(Reverse((now_ms, _, event))) =
        events.pop().filter(|Reverse((now_ms, ..))| *now_ms < for_ms)
    {
        match event {
            Happens::Ends { caller } => {
                let load = of[&caller];
                let row = served.get_mut(&caller).unwrap();
                row.answers += 1;
                row.slot_ms += load.hold_ms;
                row.done_ms = now_ms;
                for (next, ()) in queue.release(caller, load.hold_ms, now_ms) {
                    at(&mut events, now_ms + of[&next].hold_ms, Happens::Ends { caller: next });
                }
                if load.on {
                    at(&mut events, now_ms, Happens::Asks { caller, again: false });
                }
            }
            Happens::Asks { caller, again } => {
                let load = of[&caller];
                let row = served.get_mut(&caller).unwrap();
                row.returned += u64::from(again);
                match queue.ask(asker(caller, load.weight), (), now_ms) {
                    Asked::Granted => at(&mut events, now_ms + load.hold_ms, Happens::Ends { caller }),
                    // One of somebody's places went to this one: the same load comes back in half a second.
                    Asked::Waits { displaced, .. } => {
                        if displaced.is_some() {
                            let other = *of.keys().find(|other| **other != caller).unwrap();
                            at(&mut events, now_ms + 500, Happens::Asks { caller: other, again: false });
                        }
                    }
                    Asked::Refused { retry_after_ms } => {
                        row.refused += 1;
                        row.refused_again += u64::from(again);
                        at(&mut events, now_ms + retry_after_ms, Happens::Asks { caller, again: true });
                    }
                }
            }
        }
    }
    served
}

#[test]
fn competing_callers_get_the_slots_by_their_stake_whatever_the_length_of_their_answers() {
    // Bob's answers take four times as long, so that he would get four times as much if answers were counted.
    let loads = [
        Load { caller: ALICE, weight: 3_000, hold_ms: 500, at_once: 40, on: true },
        Load { caller: BOB, weight: 1_000, hold_ms: 2_000, at_once: 40, on: true },
    ];
    let served = simulate(room(4, 16), &loads, 600_000);
    let (alice, bob) = (served[&ALICE].slot_ms, served[&BOB].slot_ms);
    let share = alice * 1_000 / (alice + bob);
    assert!((700..=800).contains(&share), "Alice has {share} thousandths of the time: {served:?}");
    assert!(alice + bob > 4 * 600_000 * 95 / 100, "slots stood empty: {served:?}");
}

#[test]
fn a_caller_alone_gets_everything() {
    let served =
        simulate(room(4, 4), &[Load { caller: BOB, weight: 1, hold_ms: 100, at_once: 8, on: true }], 60_000);
    assert!(served[&BOB].answers >= 4 * 590, "{served:?}");
}

#[test]
fn who_comes_late_is_not_behind_who_was_there_alone() {
    let mut queue = FairQueue::new(room(1, 8));
    assert_eq!(queue.ask(asker(ALICE, 1), 'a', 0), Asked::Granted);
    for _ in 0..100 {
        queue.ask(asker(ALICE, 1), 'a', 0);
        queue.release(ALICE, 1_000, 0);
    }
    queue.ask(asker(ALICE, 1), 'a', 0);
    queue.ask(asker(BOB, 1), 'b', 0);
    assert_eq!(queue.release(ALICE, 1_000, 0), [(BOB, 'b')], "Bob is served next");
}

#[test]
fn a_burst_of_five_times_too_many_comes_back_when_told_and_is_served_about_as_fast_as_can_be() {
    let burst = |caller| Load { caller, weight: 1, hold_ms: 400, at_once: 50, on: false };
    let served = simulate(room(4, 16), &[burst(ALICE), burst(BOB)], 600_000);
    let sum = |field: fn(&Served) -> u64| served.values().map(field).sum::<u64>();
    assert_eq!(sum(|row| row.answers), 100, "{served:?}");
    assert!(sum(|row| row.refused) >= 70, "{served:?}");
    // Told "one second" each time, each would be refused again several times.
    assert!(sum(|row| row.refused_again) <= 8, "{served:?}");
    // A hundred answers of 400 ms in four slots take ten seconds at least.
    let done_ms = served.values().map(|row| row.done_ms).max().unwrap();
    assert!(done_ms <= 13_000, "told to wait too long, slots stood empty: {served:?}");
}

#[test]
fn nobody_is_told_to_wait_for_longer_than_half_a_minute() {
    let mut queue = FairQueue::new(room(1, 0));
    assert_eq!(queue.ask(asker(ALICE, 1), (), 0), Asked::Granted);
    for _ in 0..1_000 {
        let Asked::Refused { retry_after_ms } = queue.ask(asker(ALICE, 1), (), 0) else {
            panic!("no slot is free")
        };
        assert!((1..=RETRY_MS_MAX).contains(&retry_after_ms));
    }
}
