//! Pieces of a weight file, against the root that the validator's catalogue names.
//!
//! The seed draws the pieces. Who lacks a share `f` of the file fails with probability `1 - (1 - f)^n` at `n` pieces, so at four pieces a
//! time a half is found missing at once and a hundredth after some twenty challenges.
//!
//! What it does not show: that the weights lie in the device's memory, or that calls are answered with them. That is what fingerprints
//! and the times of answers are for.

use parity_scale_codec::{Decode, Encode, Error, Input};

use super::{Wrong, drawn};
use crate::bounded::decode_list;
use crate::digest::Digest;
use crate::merkle;
use crate::ticket::ModelId;
use crate::weight_tree::{self, HashedWeights, PIECE_BYTES};

/// Pieces in one answer.
pub const PIECES_MAX: u8 = 16;

/// Siblings in one path; no file that can exist has more.
const PATH_MAX: usize = 64;

/// Pieces of a file that are to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WeightsTask {
    /// The model whose file it is.
    pub model: ModelId,
    /// SHA-256 of the file.
    pub file: Digest,
    /// Its length.
    pub bytes: u64,
    /// The root of its tree.
    pub root: Digest,
    /// How many pieces, at most [`PIECES_MAX`].
    pub pieces: u8,
}

/// The pieces, in the order they were drawn.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Pieces(pub Vec<Piece>);

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Piece {
    /// Its bytes.
    pub content: Vec<u8>,
    /// The siblings on the way to the root, lowest first.
    pub path: Vec<Digest>,
}

impl WeightsTask {
    pub(super) fn is_sound(&self) -> bool {
        self.bytes > 0 && (1..=PIECES_MAX).contains(&self.pieces)
    }

    /// The pieces' places in the file, in the order they are to be shown. One may come twice.
    pub fn places(&self, seed: &Digest) -> Vec<u64> {
        let all = weight_tree::pieces(self.bytes);
        (0..self.pieces.into()).map(|index| drawn(seed, index, all)).collect()
    }

    /// Whether this is the file that is asked for. A miner whose file is another shows nothing.
    pub fn is_of(&self, file: &HashedWeights) -> bool {
        (self.file, self.bytes, self.root) == (file.sha256, file.bytes, file.root())
    }
}

impl Pieces {
    /// The pieces that are asked for, of a file that is read by `read`: a place and a length to that many bytes.
    pub fn show<E>(
        task: &WeightsTask,
        seed: &Digest,
        file: &HashedWeights,
        mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
    ) -> Result<Self, E> {
        let mut pieces = Vec::new();
        for place in task.places(seed) {
            let start = place.saturating_mul(PIECE_BYTES as u64);
            let content = read(start, weight_tree::piece_bytes(task.bytes, place))?;
            let index = usize::try_from(place).unwrap_or(usize::MAX);
            let path = merkle::inclusion_proof(&file.leaves, index).unwrap_or_default();
            pieces.push(Piece { content, path });
        }
        Ok(Self(pieces))
    }

    pub(super) fn check(&self, seed: &Digest, task: &WeightsTask) -> Result<(), Wrong> {
        let places = task.places(seed);
        if places.len() != self.0.len() {
            return Err(Wrong::Count { expected: places.len() as u64, found: self.0.len() as u64 });
        }
        let all = weight_tree::pieces(task.bytes);
        for ((index, place), piece) in (0..).zip(places).zip(&self.0) {
            let is_whole = piece.content.len() == weight_tree::piece_bytes(task.bytes, place);
            let leaf = merkle::leaf_hash(&piece.content);
            if !is_whole || !merkle::verify_inclusion(&leaf, place, all, &piece.path, &task.root) {
                return Err(Wrong::Place { index });
            }
        }
        Ok(())
    }
}

impl Decode for Pieces {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, PIECES_MAX.into()).map(Self)
    }
}

impl Decode for Piece {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self { content: decode_list(input, PIECE_BYTES)?, path: decode_list(input, PATH_MAX)? })
    }
}
