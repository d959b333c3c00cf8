use super::*;

/// Feeds `pieces`, answers what was shown and whether a stop was found.
fn shown(stops: &[&str], pieces: &[&str]) -> (String, bool) {
    let mut scanner = StopScanner::new(stops.iter().map(ToString::to_string).collect()).unwrap();
    let mut text = String::new();
    for piece in pieces {
        match scanner.push(piece) {
            Scan::Go(go) => text += &go,
            Scan::Stop(last) => return (text + &last, true),
        }
    }
    (text + &scanner.finish(), false)
}

#[test]
fn a_stop_string_split_over_three_pieces_is_found() {
    assert_eq!(shown(&["\nUser:"], &["Hello", "\nUs", "er", ": more"]), ("Hello".into(), true));
}

#[test]
fn text_that_only_began_like_a_stop_string_is_shown_in_full() {
    assert_eq!(shown(&["\nUser:"], &["Hello\nUs", "ual text"]), ("Hello\nUsual text".into(), false));
}

#[test]
fn held_text_is_shown_when_the_answer_ends() {
    assert_eq!(shown(&["END"], &["the E", "N"]), ("the EN".into(), false));
}

#[test]
fn the_earliest_of_several_stop_strings_wins() {
    assert_eq!(shown(&["d", "bc"], &["abcd"]), ("a".into(), true));
}

#[test]
fn a_repeating_beginning_does_not_hide_the_stop_string() {
    assert_eq!(shown(&["aab"], &["a", "a", "a", "b"]), ("a".into(), true));
}

#[test]
fn nothing_is_held_when_no_stop_string_can_begin() {
    let mut scanner = StopScanner::new(vec!["xyz".into()]).unwrap();
    assert_eq!(scanner.push("plain"), Scan::Go("plain".into()));
    assert_eq!(scanner.push("ends in x"), Scan::Go("ends in ".into()));
}

#[test]
fn characters_of_many_bytes_are_never_cut() {
    assert_eq!(shown(&["é!"], &["caf", "é", "é!"]), ("café".into(), true));
}

#[test]
fn empty_and_too_many_stop_strings_are_refused() {
    assert_eq!(StopScanner::new(vec![String::new()]).unwrap_err(), StopError::Length(0));
    assert_eq!(StopScanner::new(vec!["x".into(); 17]).unwrap_err(), StopError::TooMany(17));
}
