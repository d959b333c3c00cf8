use super::{Decision, Facts, OwnNeuron, Timing, Wait, decide};
use crate::weights::journal::{Entry, Progress};
use protocol::digest::Digest;

const TIMING: Timing = Timing { submit_after_percent: 50, submission_lifetime_blocks: 128 };
const VECTOR: [(u16, u16); 1] = [(3, u16::MAX)];

/// Block 1,190 of a tempo of 360 that began at 1,000; registered long ago, weights never set.
fn facts() -> Facts {
    Facts {
        block: 1_190,
        epoch_index: 7,
        last_epoch_block: 1_000,
        next_epoch_block: Some(1_360),
        own: Some(OwnNeuron { validator_permit: true, last_update: 40, registered_at: Some(40) }),
        neurons: 5,
        weights_rate_limit: 100,
        min_allowed_weights: 1,
        commit_reveal_enabled: false,
    }
}

fn own(change: impl FnOnce(&mut OwnNeuron)) -> Facts {
    let mut own = facts().own.unwrap();
    change(&mut own);
    Facts { own: Some(own), ..facts() }
}

fn entry(epoch_index: u64, progress: Progress) -> Entry {
    Entry {
        netuid: 64,
        mechanism: 0,
        epoch_index,
        decided_at_block: 1_180,
        scores: Digest::ZERO,
        vector: vec![(1, 1)],
        progress,
    }
}

fn decided(facts: &Facts, last: Option<&Entry>) -> Decision {
    decide(facts, &TIMING, &VECTOR, last)
}

#[test]
fn the_first_vector_of_a_tempo_is_submitted_once_half_of_it_has_passed() {
    assert_eq!(
        decided(&Facts { block: 1_179, ..facts() }, None),
        Decision::Wait(Wait::Early { at_block: 1_180 })
    );
    assert_eq!(decided(&Facts { block: 1_180, ..facts() }, None), Decision::SubmitNew);
    assert_eq!(decided(&Facts { block: 1_359, ..facts() }, None), Decision::Wait(Wait::TempoEnds));
}

#[test]
fn what_stands_in_the_way_is_said() {
    let wait = |facts: Facts, vector: &[(u16, u16)]| decide(&facts, &TIMING, vector, None);
    assert_eq!(wait(Facts { own: None, ..facts() }, &VECTOR), Decision::Wait(Wait::NotRegistered));
    assert_eq!(wait(own(|own| own.validator_permit = false), &VECTOR), Decision::Wait(Wait::NoPermit));
    assert_eq!(wait(facts(), &[]), Decision::Wait(Wait::NothingCounts));
    assert_eq!(wait(Facts { next_epoch_block: None, ..facts() }, &VECTOR), Decision::Wait(Wait::NoEpochs));
    assert_eq!(
        wait(Facts { commit_reveal_enabled: true, ..facts() }, &VECTOR),
        Decision::Wait(Wait::CommitReveal)
    );
    let few = Facts { min_allowed_weights: 8, ..facts() };
    assert_eq!(wait(few, &VECTOR), Decision::Wait(Wait::TooFew { have: 1, need: 5 }));
}

#[test]
fn registration_counts_for_the_rate_limit_but_not_as_this_tempos_vector() {
    let fresh = own(|own| (own.last_update, own.registered_at) = (1_120, Some(1_120)));
    assert_eq!(decided(&fresh, None), Decision::Wait(Wait::RateLimited { from_block: 1_220 }));
    assert_eq!(decided(&Facts { block: 1_219, ..fresh }, None), Decision::SubmitNew);
}

#[test]
fn a_vector_that_landed_in_this_tempo_settles_it_even_without_a_journal() {
    assert_eq!(decided(&own(|own| own.last_update = 1_000), None), Decision::Settled);
    assert_eq!(decided(&own(|own| own.last_update = 999), None), Decision::SubmitNew);
}

#[test]
fn a_confirmed_vector_settles_the_tempo_it_landed_in_not_the_one_it_was_decided_in() {
    let landed_late = entry(6, Progress::Confirmed { in_block: 1_001 });
    assert_eq!(decided(&facts(), Some(&landed_late)), Decision::Settled);
    let landed_before = entry(6, Progress::Confirmed { in_block: 990 });
    assert_eq!(decided(&facts(), Some(&landed_before)), Decision::SubmitNew);
}

#[test]
fn a_vector_decided_before_a_crash_is_submitted_as_it_was() {
    assert_eq!(decided(&facts(), Some(&entry(7, Progress::Decided))), Decision::SubmitDecided);
    assert_eq!(decided(&facts(), Some(&entry(6, Progress::Decided))), Decision::SubmitNew);
}

#[test]
fn while_a_submission_is_in_doubt_nothing_else_is_sent() {
    let submitted = entry(7, Progress::Submitted { at_block: 1_185 });
    assert_eq!(decided(&facts(), Some(&submitted)), Decision::Wait(Wait::InDoubt { until_block: 1_313 }));
    // Also in the next tempo, which the old submission could still reach.
    let next = Facts {
        block: 1_313,
        epoch_index: 8,
        last_epoch_block: 1_300,
        next_epoch_block: Some(1_326),
        ..facts()
    };
    assert_eq!(decided(&next, Some(&submitted)), Decision::Wait(Wait::InDoubt { until_block: 1_313 }));
    assert_eq!(decided(&Facts { block: 1_314, ..next }, Some(&submitted)), Decision::SubmitNew);
}

#[test]
fn a_submission_that_shows_on_the_chain_is_confirmed() {
    let submitted = entry(7, Progress::Submitted { at_block: 1_185 });
    let landed = own(|own| own.last_update = 1_187);
    assert_eq!(decided(&landed, Some(&submitted)), Decision::Confirm { in_block: 1_187 });
    // An older vector on the chain is not the one in doubt.
    let older = own(|own| own.last_update = 1_185);
    assert_eq!(decided(&older, Some(&submitted)), Decision::Wait(Wait::InDoubt { until_block: 1_313 }));
}
