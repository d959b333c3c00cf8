//! Feeds sequences to an executor and keeps the books that the scheduler keeps.

use model_runtime::decoder::{Model, PAGE_TOKENS, Part, Step};

/// A sequence's block table and length.
#[derive(Clone, Debug)]
pub struct Sequence {
    pages: Vec<u32>,
    length: usize,
}

impl Sequence {
    /// On the given pages, in that order.
    pub fn on(pages: impl IntoIterator<Item = u32>) -> Self {
        Self { pages: pages.into_iter().collect(), length: 0 }
    }

    pub fn part<'a>(&'a self, tokens: &'a [u32]) -> Part<'a> {
        Part { tokens, start: self.length, pages: &self.pages, rows_from: 0, likeliest: None }
    }

    /// Feeds tokens, answers the logits after each of them.
    pub fn feed(&mut self, model: &mut dyn Model, tokens: &[u32]) -> Vec<Vec<f32>> {
        let rows = model.forward(&Step { parts: &[self.part(tokens)], hidden: false }).unwrap();
        let rows = (0..tokens.len()).map(|row| rows.logits(row).to_vec()).collect();
        self.length += tokens.len();
        rows
    }
}

/// Pages for so many positions.
pub fn pages_for(positions: usize) -> usize {
    positions.div_ceil(PAGE_TOKENS)
}

/// Logits after each of `tokens`, fed in pieces of the given sizes, the rest one by one.
pub fn fed(model: &mut dyn Model, tokens: &[u32], pieces: &[usize]) -> Vec<Vec<f32>> {
    let mut sequence = Sequence::on(0..pages_for(tokens.len()) as u32);
    let mut rest = tokens;
    let mut rows = Vec::new();
    for piece in pieces.iter().copied().chain(std::iter::repeat(1)) {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(piece.min(rest.len()));
        rows.extend(sequence.feed(model, now));
        rest = later;
    }
    rows
}
