//! One tempo, one vector, whatever happens: a simulated chain with forks, late finality and a pool that delays or drops,
//! and a validator that is killed between any two of its steps, those of writing a file included.

use proptest::prelude::*;

use super::{Step, Wait};
use sim::{Event, FINALITY_LAG, TEMPO, World};

mod sim;

/// Tempos that a scenario without trouble is watched for.
const TEMPOS: u32 = 3;

fn cases() -> u32 {
    std::env::var("WEIGHTS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(300)
}

#[test]
fn without_trouble_every_tempo_gets_exactly_one() {
    let (world, mut validator) = World::with_validator(0);
    for _ in 0..10 * TEMPO {
        world.next_block(&[]);
        validator.step();
    }
    assert_eq!(world.vectors_by_tempo().values().map(Vec::len).collect::<Vec<_>>(), [1; 10]);
}

#[test]
fn killed_after_any_step_every_tempo_still_gets_exactly_one() {
    let mut kill_points = 0;
    for kill_after in 0.. {
        let (world, mut validator) = World::with_validator(u64::from(kill_after));
        world.kill_after(kill_after);
        for _ in 0..TEMPOS * TEMPO {
            world.next_block(&[]);
            validator.step();
        }
        let counts: Vec<_> = world.vectors_by_tempo().values().map(Vec::len).collect();
        assert_eq!(counts, [1; TEMPOS as usize], "killed after step {kill_after}");
        if world.kills() == 0 {
            kill_points = kill_after;
            break;
        }
    }
    assert!(kill_points > 100, "only {kill_points} steps were killed after");
}

#[test]
fn killed_twice_in_a_row_after_any_two_steps_a_tempo_still_gets_exactly_one() {
    let one_tempo = |first: u32, second: Option<u32>| {
        let (world, mut validator) =
            World::with_validator(u64::from(first) << 32 | u64::from(second.unwrap_or(0)));
        // Let the process come to the block before it decides, so that the kills fall where something happens.
        for _ in 0..TEMPO / 4 + FINALITY_LAG - 1 {
            world.next_block(&[]);
            validator.step();
        }
        world.kill_after(first);
        for _ in TEMPO / 4 + FINALITY_LAG - 1..TEMPO {
            world.next_block(&[]);
            validator.step();
            if let (1, Some(second)) = (world.kills(), second) {
                world.kill_after_unless_set(second);
            }
        }
        let counts: Vec<_> = world.vectors_by_tempo().values().map(Vec::len).collect();
        assert_eq!(counts, [1], "killed after steps {first} and {second:?}");
    };
    for first in 0..24 {
        for second in 0..24 {
            one_tempo(first, Some(second));
        }
    }
}

#[test]
fn dispatch_errors_are_tried_again_with_the_same_vector_and_more_and_more_seldom() {
    let (world, mut validator) = World::with_validator(1);
    let mut refusals = Vec::new();
    for block in 1..=TEMPO {
        world.next_block(if block < 22 { &[Event::Fails] } else { &[] });
        if let Some(Step::Refused(_)) = validator.step() {
            refusals.push(block);
        }
    }
    assert!((2..=3).contains(&refusals.len()), "{refusals:?}");
    let vectors = world.vectors_by_tempo();
    assert_eq!(vectors[&0].len(), 1, "{vectors:?}");
    assert_eq!(world.decided_vectors(), 1);
}

#[test]
fn nothing_is_decided_while_finality_stands_still() {
    let (world, mut validator) = World::with_validator(1);
    let mut waited = false;
    for _ in 0..2 * TEMPO {
        world.next_block(&[Event::Stall]);
        waited |= matches!(
            validator.step(),
            Some(Step::Waiting(Wait::FinalityStalled { .. } | Wait::Early { .. }))
        );
    }
    assert!(waited && world.vectors_by_tempo().is_empty());
    for _ in 0..TEMPO {
        world.next_block(&[]);
        validator.step();
    }
    assert_eq!(world.vectors_by_tempo()[&2].len(), 1);
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => Just(Event::Silence),
        2 => Just(Event::Refuses),
        2 => Just(Event::Fails),
        2 => Just(Event::Stall),
        2 => (1..=5u32).prop_map(Event::Reorganised),
        1 => Just(Event::EarlyEpoch),
        3 => Just(Event::LeavesOut),
        1 => Just(Event::PoolLost),
        1 => Just(Event::NonceTaken),
        4 => (0..24u32).prop_map(Event::Kill),
    ]
}

fn trouble(blocks: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Event>>> {
    let block = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(event(), 1..3)];
    prop::collection::vec(block, blocks)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(64),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_tempo_ever_gets_two_vectors(blocks in trouble(1..200), seed in any::<u64>()) {
        let (world, mut validator) = World::with_validator(seed);
        for events in blocks {
            world.next_block(&events);
            validator.step();
        }
        for (tempo, vectors) in world.vectors_by_tempo() {
            prop_assert!(vectors.len() <= 1, "tempo {tempo} got {vectors:?}");
        }
    }

    #[test]
    fn after_any_trouble_the_first_whole_tempo_gets_its_vector(blocks in trouble(1..120), seed in any::<u64>()) {
        let (world, mut validator) = World::with_validator(seed);
        for events in blocks {
            world.next_block(&events);
            validator.step();
        }
        world.recover();
        let first_whole = world.tempo() + 1;
        for _ in 0..2 * TEMPO {
            world.next_block(&[]);
            validator.step();
        }
        let vectors = world.vectors_by_tempo();
        prop_assert_eq!(vectors.get(&first_whole).map(Vec::len), Some(1), "tempo {}: {:?}", first_whole, vectors);
    }
}

/// The simulation can tell: a journal that is not synced before it is renamed is found out.
#[test]
fn a_journal_that_skips_the_sync_is_caught() {
    let damaged = (0..400).any(|seed| {
        let (world, mut validator) = World::with_validator(seed);
        world.skip_syncs();
        world.kill_after(u32::try_from(seed % 100).unwrap());
        (0..TEMPOS * TEMPO).any(|_| {
            world.next_block(&[]);
            validator.try_step().is_err()
        })
    });
    assert!(damaged);
}
