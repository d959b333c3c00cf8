//! The right edge of a growing tree.

use parity_scale_codec::{Decode, Encode, Error, Input};

use super::node_hash;
use crate::digest::Digest;

/// A tree that is only ever appended to. Keeps one root for each perfect subtree: as many as the size has
/// one-bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode)]
pub struct Frontier {
    size: u64,
    /// Largest subtree first.
    peaks: Vec<Digest>,
}

impl Frontier {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a leaf's hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut node = leaf;
        // Each trailing one-bit of the size is a perfect subtree as large as the one in hand.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size = self.size.checked_add(1).expect("nobody appends 2^64 leaves");
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root over all leaves appended; equals [`super::root`] over them.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().copied();
        match peaks.next() {
            None => Digest::of(b""),
            Some(smallest) => peaks.fold(smallest, |right, left| node_hash(&left, &right)),
        }
    }
}

impl Decode for Frontier {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        let size = u64::decode(input)?;
        let count = usize::try_from(size.count_ones()).map_err(|_| Error::from("a frontier's size"))?;
        let peaks = crate::bounded::decode_list(input, count)?;
        if peaks.len() != count {
            return Err("a frontier has one peak for each one-bit of its size".into());
        }
        Ok(Self { size, peaks })
    }
}
