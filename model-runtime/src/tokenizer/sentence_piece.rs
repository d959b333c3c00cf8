//! SentencePiece's merging, as llama.cpp does it: neighbours that together are a token are joined, those of the highest score first.
//!
//! Gemma and Llama 2 have such vocabularies. Spaces are written as U+2581, and a character that is no token becomes its bytes' tokens.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::special::{Fragment, SpecialTokens};

/// What a vocabulary writes for a space.
pub(super) const SPACE: char = '\u{2581}';

/// A vocabulary with scores.
#[derive(Debug)]
pub(super) struct SentencePiece {
    pub(super) ids: HashMap<Box<str>, u32>,
    /// By token.
    pub(super) scores: Vec<f32>,
    /// What a byte becomes that belongs to no other token.
    pub(super) bytes: Box<[Option<u32>; 256]>,
    pub(super) unknown: Option<u32>,
    pub(super) special: SpecialTokens,
    /// Whether a text begins with a space that it does not have.
    pub(super) add_space_prefix: bool,
}

/// A piece of the text, in a list of its neighbours. Merged into its left neighbour it is empty.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    bytes: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

/// Two neighbours that together are a token.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    /// Of both, when the pair was found: a pair that has changed since is stale.
    bytes: usize,
}

impl Eq for Pair {}

impl Ord for Pair {
    /// The highest score is the greatest, of equal ones the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SentencePiece {
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut after_special = true;
        for fragment in self.special.split(text) {
            match fragment {
                Fragment::Token(token) => tokens.push(token),
                Fragment::Text(text) => {
                    let prefix = if self.add_space_prefix && after_special { " " } else { "" };
                    let spaced = [prefix, text].concat().replace(' ', SPACE.encode_utf8(&mut [0; 4]));
                    self.merge(&spaced, &mut tokens);
                }
            }
            after_special = matches!(fragment, Fragment::Token(_));
        }
        tokens
    }

    fn merge(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut symbols: Vec<Symbol> = Vec::new();
        for (index, (start, character)) in text.char_indices().enumerate() {
            let previous = index.checked_sub(1);
            symbols.push(Symbol { start, bytes: character.len_utf8(), previous, next: Some(index + 1) });
        }
        if let Some(last) = symbols.last_mut() {
            last.next = None;
        }
        let mut pairs = BinaryHeap::new();
        for right in 1..symbols.len() {
            self.add_pair(text, &symbols, Some(right - 1), Some(right), &mut pairs);
        }
        while let Some(Pair { left, right, bytes, .. }) = pairs.pop() {
            let (a, b) = (symbols[left], symbols[right]);
            if a.bytes == 0 || b.bytes == 0 || a.bytes + b.bytes != bytes {
                continue;
            }
            symbols[left].bytes = bytes;
            symbols[left].next = b.next;
            symbols[right].bytes = 0;
            if let Some(next) = b.next {
                symbols[next].previous = Some(left);
            }
            self.add_pair(text, &symbols, a.previous, Some(left), &mut pairs);
            self.add_pair(text, &symbols, Some(left), b.next, &mut pairs);
        }
        for symbol in symbols.iter().filter(|symbol| symbol.bytes > 0) {
            self.push(&text[symbol.start..symbol.start + symbol.bytes], tokens);
        }
    }

    fn add_pair(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
        pairs: &mut BinaryHeap<Pair>,
    ) {
        let (Some(left), Some(right)) = (left, right) else { return };
        let bytes = symbols[left].bytes + symbols[right].bytes;
        let start = symbols[left].start;
        if let Some(&token) = self.ids.get(&text[start..start + bytes]) {
            pairs.push(Pair { score: self.scores[token as usize], left, right, bytes });
        }
    }

    /// A piece that is a token, or else its bytes.
    fn push(&self, piece: &str, tokens: &mut Vec<u32>) {
        match self.ids.get(piece) {
            Some(&token) => tokens.push(token),
            None => {
                tokens.extend(piece.bytes().filter_map(|byte| self.bytes[usize::from(byte)].or(self.unknown)))
            }
        }
    }
}

/// The byte that a token like `<0x0A>` stands for.
pub(super) fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}
