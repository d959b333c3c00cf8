use protocol::digest::Digest;

use super::*;
use crate::weights::commit::Opening;
use crate::weights::journal::Submission;

const TIMING: Timing = Timing { submit_after_percent: 50, finality_lag_blocks_max: 24 };
const FRESH: Sendings = Sendings { sent_at: None, refused_until: None };
const NEW_64: Decision = Decision::SubmitNew { life_blocks: 64 };
const NEW_128: Decision = Decision::SubmitNew { life_blocks: 128 };

/// Block 1,190 of a tempo of 360 that began at 1,000; registered long ago, weights never set.
fn facts() -> Facts {
    Facts {
        block: at(1_190),
        best_block: 1_193,
        spec_version: 461,
        epoch_index: 7,
        epoch_index_next: 7,
        last_epoch_block: 1_000,
        next_epoch_block: Some(1_360),
        own: Some(OwnNeuron {
            uid: 3,
            validator_permit: true,
            is_owner: false,
            last_update: 40,
            registered_at: 40,
        }),
        nonce: 5,
        neurons: 5,
        mechanisms: 1,
        weights_rate_limit: 100,
        min_allowed_weights: 1,
        max_weight_limit: u16::MAX,
        version_key: 0,
        regime: Regime::Plain,
        reveal_period_epochs: 1,
        hashes: Vec::new(),
    }
}

fn at(number: u32) -> BlockRef {
    BlockRef { number, hash: [0; 32] }
}

fn at_block(block: u32) -> Facts {
    Facts { block: at(block), best_block: block + 3, ..facts() }
}

fn own(change: impl FnOnce(&mut OwnNeuron)) -> Facts {
    let mut own = facts().own.unwrap();
    change(&mut own);
    Facts { own: Some(own), ..facts() }
}

fn entry(epoch_index: u64, progress: Progress) -> Entry {
    Entry { epoch_index, decided_at_block: 1_180, scores: Digest::ZERO, vector: vec![(1, 1)], progress }
}

fn submission() -> Submission {
    Submission {
        extrinsic: vec![1],
        nonce: 5,
        spec_version: 461,
        born_at_block: 1_185,
        last_block: 1_312,
        manner: Manner::Plain,
    }
}

fn submitted() -> Entry {
    entry(7, Progress::Submitted(submission()))
}

fn decided(facts: &Facts, last: Option<&Entry>) -> Decision {
    decide(facts, &TIMING, last, &FRESH)
}

fn waits(facts: &Facts) -> Wait {
    match decided(facts, None) {
        Decision::Wait(wait) => wait,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_vector_of_a_tempo_is_submitted_once_half_of_it_has_passed() {
    assert_eq!(waits(&at_block(1_179)), Wait::Early { at_block: 1_180 });
    assert_eq!(decided(&at_block(1_180), None), NEW_128);
}

#[test]
fn no_submission_outlives_its_tempo() {
    for block in 1_180..1_360 {
        match decided(&at_block(block), None) {
            Decision::SubmitNew { life_blocks } => {
                assert!(life_blocks.is_power_of_two() && block + life_blocks <= 1_360, "{block}");
                assert!(block + life_blocks > block + 4, "at {block} nothing could include it");
            }
            other => assert!(block > 1_352 && other == Decision::Wait(Wait::TempoEnds), "{block}: {other:?}"),
        }
    }
    assert_eq!(decided(&at_block(1_290), None), NEW_64);
}

#[test]
fn what_stands_in_the_way_is_said() {
    assert_eq!(waits(&Facts { own: None, ..facts() }), Wait::NotRegistered);
    assert_eq!(waits(&own(|own| own.validator_permit = false)), Wait::NoPermit);
    assert_eq!(waits(&Facts { next_epoch_block: None, ..facts() }), Wait::NoEpochs);
    let unknown = Facts { regime: Regime::Unknown { version: 5 }, ..facts() };
    assert_eq!(waits(&unknown), Wait::UnknownCommitReveal { version: 5 });
    assert_eq!(waits(&Facts { best_block: 1_215, ..facts() }), Wait::FinalityStalled { blocks: 25 });
    let refused = Sendings { refused_until: Some(1_192), ..FRESH };
    let wait = decide(&facts(), &TIMING, None, &refused);
    assert_eq!(wait, Decision::Wait(Wait::Refused { until_block: 1_192 }));
}

#[test]
fn the_owners_hotkey_needs_no_permit() {
    assert_eq!(decided(&own(|own| (own.validator_permit, own.is_owner) = (false, true)), None), NEW_128);
}

#[test]
fn hidden_weights_are_decided_like_open_ones() {
    for regime in [Regime::Hashed, Regime::Timelocked { version: 4 }] {
        assert_eq!(decided(&Facts { regime, ..facts() }, None), NEW_128);
    }
}

#[test]
fn registration_counts_for_the_rate_limit_but_not_as_this_tempos_vector() {
    let fresh = own(|own| (own.last_update, own.registered_at) = (1_120, 1_120));
    assert_eq!(waits(&fresh), Wait::RateLimited { from_block: 1_220 });
    assert_eq!(
        waits(&Facts { best_block: 1_218, block: at(1_215), ..fresh.clone() }),
        Wait::RateLimited { from_block: 1_220 }
    );
    // The newest block counts: the submission lands in the one after it.
    assert_eq!(decided(&Facts { best_block: 1_219, block: at(1_216), ..fresh }, None), NEW_128);
}

#[test]
fn a_vector_that_landed_in_this_tempo_settles_it_even_without_a_journal() {
    assert_eq!(decided(&own(|own| own.last_update = 1_000), None), Decision::Settled);
    assert_eq!(decided(&own(|own| own.last_update = 999), None), NEW_128);
}

#[test]
fn a_confirmed_vector_settles_the_tempo_it_landed_in_not_the_one_it_was_decided_in() {
    let confirmed = |in_block| entry(6, Progress::Confirmed { in_block, manner: None });
    assert_eq!(decided(&facts(), Some(&confirmed(1_001))), Decision::Settled);
    assert_eq!(decided(&facts(), Some(&confirmed(990))), NEW_128);
}

#[test]
fn a_vector_decided_before_a_crash_is_submitted_as_it_was() {
    let again = Decision::SubmitDecided { life_blocks: 128 };
    assert_eq!(decided(&facts(), Some(&entry(7, Progress::Decided))), again);
    assert_eq!(decided(&facts(), Some(&entry(6, Progress::Decided))), NEW_128);
}

#[test]
fn while_a_submission_lives_only_its_very_bytes_are_sent() {
    assert_eq!(decided(&facts(), Some(&submitted())), Decision::Resend);
    let sent = Sendings { sent_at: Some(1_188), ..FRESH };
    let wait = Decision::Wait(Wait::InDoubt { until_block: 1_312 });
    assert_eq!(decide(&facts(), &TIMING, Some(&submitted()), &sent), wait);
    assert_eq!(decide(&at_block(1_191), &TIMING, Some(&submitted()), &sent), Decision::Resend);
    // Also in a next tempo that came early, which the old submission could still reach.
    let next = Facts { epoch_index: 8, last_epoch_block: 1_300, ..at_block(1_311) };
    assert_eq!(decided(&next, Some(&submitted())), Decision::Resend);
}

#[test]
fn a_submission_is_dead_once_its_last_block_or_its_nonce_or_its_runtime_is_past() {
    assert_eq!(decided(&at_block(1_311), Some(&submitted())), Decision::Resend);
    assert_eq!(decided(&at_block(1_312), Some(&submitted())), Decision::Withdraw);
    assert_eq!(decided(&Facts { nonce: 6, ..facts() }, Some(&submitted())), Decision::Withdraw);
    assert_eq!(decided(&Facts { spec_version: 462, ..facts() }, Some(&submitted())), Decision::Withdraw);
}

#[test]
fn a_submission_that_shows_on_the_chain_is_confirmed() {
    let landed = Facts { nonce: 6, ..own(|own| own.last_update = 1_187) };
    assert_eq!(decided(&landed, Some(&submitted())), Decision::Confirm { in_block: 1_187 });
    // An older vector on the chain is not the one in doubt.
    let older = own(|own| own.last_update = 1_185);
    assert_eq!(decided(&older, Some(&submitted())), Decision::Resend);
}

#[test]
fn vectors_that_the_chain_would_not_take_are_not_sent() {
    let few = Facts { min_allowed_weights: 8, ..facts() };
    assert_eq!(objection(&few, 0, &[(1, 1)]), Some(Wait::TooFew { have: 1, need: 5 }));
    assert_eq!(objection(&few, 0, &[(3, 1)]), None, "on itself alone");
    assert_eq!(objection(&facts(), 0, &[]), Some(Wait::NothingCounts));
    assert_eq!(objection(&facts(), 1, &[(1, 1)]), Some(Wait::NoMechanism { mechanisms: 1 }));
}

#[test]
fn a_hash_is_revealed_in_the_one_epoch_the_chain_allows() {
    let hash = [9; 32];
    let in_epoch = |epoch_index_next| Facts {
        epoch_index_next,
        reveal_period_epochs: 2,
        hashes: vec![([1; 32], 3), (hash, 5)],
        ..facts()
    };
    assert_eq!(reveal(&in_epoch(6), &hash), Reveal::Later);
    assert_eq!(reveal(&in_epoch(7), &hash), Reveal::Now);
    assert_eq!(reveal(&in_epoch(8), &hash), Reveal::Over);
    assert_eq!(reveal(&in_epoch(7), &[2; 32]), Reveal::Over, "the chain does not have it (any more)");
}

#[test]
fn manners_are_said_in_words() {
    let opening = Opening { salt: vec![1], version_key: 0 };
    let hashed = Manner::Hashed { hash: Digest::ZERO, opening };
    let words: Vec<String> =
        [Manner::Plain, hashed, Manner::Timelocked { round: 7 }].iter().map(ToString::to_string).collect();
    assert_eq!(words, ["in the open", "as a hash, to be revealed", "encrypted to round 7 of the beacon"]);
}
