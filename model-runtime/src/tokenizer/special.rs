//! Tokens that are found in a text before it is divided: control tokens written out, and those a vocabulary's makers added.

use std::collections::{BTreeSet, HashMap};

/// Texts of such tokens, the longest first wherever several begin.
#[derive(Debug, Default)]
pub(super) struct SpecialTokens {
    ids: HashMap<Box<str>, u32>,
    /// In bytes, falling.
    lengths: Vec<usize>,
    /// Bytes that such a text may begin with.
    first_bytes: BTreeSet<u8>,
}

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fragment<'a> {
    Text(&'a str),
    Token(u32),
}

impl SpecialTokens {
    pub(super) fn new(tokens: impl IntoIterator<Item = (Box<str>, u32)>) -> Self {
        let ids: HashMap<Box<str>, u32> = tokens.into_iter().filter(|(text, _)| !text.is_empty()).collect();
        let lengths: BTreeSet<usize> = ids.keys().map(|text| text.len()).collect();
        let first_bytes = ids.keys().map(|text| text.as_bytes()[0]).collect();
        Self { ids, lengths: lengths.into_iter().rev().collect(), first_bytes }
    }

    /// The fragments of a text, in order; none of them is empty.
    pub(super) fn split<'a>(&self, text: &'a str) -> Vec<Fragment<'a>> {
        let mut fragments = Vec::new();
        let (mut begun, mut at) = (0, 0);
        while at < text.len() {
            match self.at(text, at) {
                Some((token, bytes)) => {
                    if begun < at {
                        fragments.push(Fragment::Text(&text[begun..at]));
                    }
                    fragments.push(Fragment::Token(token));
                    at += bytes;
                    begun = at;
                }
                None => at += 1,
            }
        }
        if begun < text.len() {
            fragments.push(Fragment::Text(&text[begun..]));
        }
        fragments
    }

    /// The longest one that begins at `at`.
    fn at(&self, text: &str, at: usize) -> Option<(u32, usize)> {
        if !self.first_bytes.contains(&text.as_bytes()[at]) {
            return None;
        }
        let here = |length: &usize| Some((*self.ids.get(text.get(at..at + length)?)?, *length));
        self.lengths.iter().find_map(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text_wins_and_what_is_between_stays_whole() {
        let tokens =
            SpecialTokens::new([("<a>".into(), 1), ("\n".into(), 2), ("\n\n".into(), 3), ("é".into(), 4)]);
        let expected = [
            Fragment::Text("x <b> "),
            Fragment::Token(1),
            Fragment::Token(3),
            Fragment::Token(2),
            Fragment::Text("y"),
            Fragment::Token(4),
        ];
        assert_eq!(tokens.split("x <b> <a>\n\n\nyé"), expected);
        assert_eq!(tokens.split(""), []);
    }
}
