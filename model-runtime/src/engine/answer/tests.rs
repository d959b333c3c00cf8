use std::collections::BTreeSet;

use super::*;

const END: u32 = 0;

/// Tokens 1, 2, ... show `pieces`; token 0 ends the answer.
fn answer(pieces: &[&[u8]], stops: &[&str], tokens_max: u32) -> Answer {
    let pieces = std::iter::once(Vec::new()).chain(pieces.iter().map(|piece| piece.to_vec()));
    let vocabulary = Arc::new(Vocabulary::new(pieces, BTreeSet::from([END])));
    let stop = StopScanner::new(stops.iter().map(ToString::to_string).collect()).unwrap();
    Answer::new(vocabulary, stop, AnswerLimits { tokens_max, ..AnswerLimits::default() })
}

fn step(text: &str, end: Option<FinishReason>) -> Step {
    Step { text: text.to_owned(), end }
}

#[test]
fn the_end_token_shows_what_was_held_back() {
    let mut answer = answer(&[b"the E", b"N"], &["END"], 9);
    assert_eq!(answer.push(1), step("the ", None));
    assert_eq!(answer.push(2), step("", None));
    assert_eq!(answer.push(END), step("EN", Some(FinishReason::Stop)));
    assert_eq!(answer.tokens(), 3);
}

#[test]
fn the_last_token_allowed_shows_what_was_held_back() {
    let mut answer = answer(&[b"a", b"b\xe2\x82"], &["bc"], 2);
    assert_eq!(answer.push(1), step("a", None));
    assert_eq!(answer.push(2), step("b\u{fffd}", Some(FinishReason::Length)));
}

#[test]
fn an_answer_that_has_had_its_time_ends_with_its_next_token_as_at_its_limit() {
    let enough = Arc::<AtomicBool>::default();
    let limits = AnswerLimits { tokens_max: 9, enough: Arc::clone(&enough), ..AnswerLimits::default() };
    let vocabulary =
        Vocabulary::new([Vec::new(), b"a".to_vec(), b"b\xe2\x82".to_vec()], BTreeSet::from([END]));
    let mut answer = Answer::new(Arc::new(vocabulary), StopScanner::new(Vec::new()).unwrap(), limits);
    assert_eq!(answer.push(1), step("a", None));
    enough.store(true, Ordering::Relaxed);
    assert_eq!(answer.push(2), step("b\u{fffd}", Some(FinishReason::Length)));
}

#[test]
fn stop_strings_are_looked_for_after_the_tokens_that_there_must_be() {
    let vocabulary = Vocabulary::new([Vec::new(), b"END".to_vec(), b"a".to_vec()], BTreeSet::from([END]));
    let limits = AnswerLimits { tokens_max: 9, tokens_min: 2, ..AnswerLimits::default() };
    let stop = StopScanner::new(vec!["END".to_owned()]).unwrap();
    let mut answer = Answer::new(Arc::new(vocabulary), stop, limits);
    assert_eq!(answer.push(1), step("END", None));
    assert_eq!(answer.push(2), step("a", None));
    assert_eq!(answer.push(1), step("", Some(FinishReason::Stop)));
}

#[test]
fn a_stop_string_over_a_token_border_ends_the_answer_before_it() {
    let mut answer = answer(&[b"x\nUs", b"er: y"], &["\nUser:"], 9);
    assert_eq!(answer.push(1), step("x", None));
    assert_eq!(answer.push(2), step("", Some(FinishReason::Stop)));
}

#[test]
fn a_character_of_two_tokens_is_shown_whole() {
    let mut answer = answer(&[b"\xf0\x9f", b"\x98\x80"], &[], 9);
    assert_eq!(answer.push(1), step("", None));
    assert_eq!(answer.push(2), step("😀", None));
}

#[test]
fn control_tokens_are_shown_where_that_is_asked_for_and_the_one_that_ends_the_answer_never() {
    let pieces = [Vec::new(), Vec::new(), b"a".to_vec()];
    let vocabulary = Vocabulary::new(pieces, BTreeSet::from([END])).with_texts(["<end>", "<turn>", "a"]);
    for (shows_special, text) in [(true, "<turn>"), (false, "")] {
        let limits = AnswerLimits { tokens_max: 9, shows_special, ..AnswerLimits::default() };
        let stop = StopScanner::new(Vec::new()).unwrap();
        let mut answer = Answer::new(Arc::new(vocabulary.clone()), stop, limits);
        assert_eq!(answer.push(1), step(text, None));
        assert_eq!(answer.push(2), step("a", None));
        assert_eq!(answer.push(END), step("", Some(FinishReason::Stop)));
    }
}
