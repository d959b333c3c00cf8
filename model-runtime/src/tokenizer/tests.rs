use proptest::prelude::*;

use super::*;

/// Pushes `bytes` in pieces that end at the given places, answers the whole text.
fn assembled(bytes: &[u8], cuts: &[usize]) -> String {
    let mut assembler = Utf8Assembler::default();
    let mut text = String::new();
    let mut start = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let end = cut.clamp(start, bytes.len());
        text += &assembler.push(&bytes[start..end]);
        start = end;
    }
    text + &assembler.finish()
}

#[test]
fn an_unfinished_character_waits_for_its_last_byte() {
    let mut assembler = Utf8Assembler::default();
    assert_eq!(assembler.push(b"a\xf0\x9f"), "a");
    assert_eq!(assembler.push(b"\x98"), "");
    assert_eq!(assembler.push(b"\x80!"), "😀!");
    assert_eq!(assembler.finish(), "");
}

#[test]
fn a_byte_that_can_never_become_a_character_is_replaced_at_once() {
    let mut assembler = Utf8Assembler::default();
    assert_eq!(assembler.push(b"a\xff"), "a\u{fffd}");
    assert_eq!(assembler.push(b"\xe2\x82"), "");
    assert_eq!(assembler.push(b"x"), "\u{fffd}x");
    assert_eq!(assembler.push(b"\xe2"), "");
    assert_eq!(assembler.finish(), "\u{fffd}");
}

proptest! {
    #[test]
    fn any_text_cut_anywhere_comes_back_whole(text in "\\PC*", mut cuts in prop::collection::vec(0_usize..200, 0..20)) {
        cuts.sort_unstable();
        prop_assert_eq!(assembled(text.as_bytes(), &cuts), text);
    }

    #[test]
    fn any_bytes_cut_anywhere_give_what_they_give_in_one_piece(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        mut cuts in prop::collection::vec(0_usize..60, 0..20),
    ) {
        cuts.sort_unstable();
        prop_assert_eq!(assembled(&bytes, &cuts), String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn the_vocabulary_gives_each_tokens_bytes_and_nothing_for_tokens_it_lacks() {
    let vocabulary = Vocabulary::new([b"ab".to_vec(), Vec::new(), b"c".to_vec()], BTreeSet::from([1]));
    assert_eq!(
        (vocabulary.bytes(0), vocabulary.bytes(1), vocabulary.bytes(2)),
        (&b"ab"[..], &b""[..], &b"c"[..])
    );
    assert_eq!(vocabulary.bytes(3), b"");
    assert_eq!(vocabulary.token_bytes_max(), 2);
    assert!(vocabulary.is_end(1) && !vocabulary.is_end(0));
}
