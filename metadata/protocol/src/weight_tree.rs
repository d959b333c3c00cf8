//! One hash tree over a weight file: whoever knows its root can ask for any piece of the file and check it alone.
//!
//! A file is cut into pieces of [`PIECE_BYTES`], the last of which may be shorter; the tree over them is that of [`crate::merkle`].
//! [`WeightHasher`] makes the file's SHA-256 and the leaves in one pass, so whoever hashes a file while it comes in has both.

use crate::digest::{Digest, Hasher};
use crate::merkle;

/// Bytes of a piece. The tree's leaves take one byte for 2,048 of the file.
pub const PIECE_BYTES: usize = 64 << 10;

/// Hashes a file that comes in parts.
#[derive(Debug, Clone, Default)]
pub struct WeightHasher {
    whole: Hasher,
    bytes: u64,
    /// The piece that has begun: how much of it has come, and its hash.
    piece: Option<(usize, Hasher)>,
    leaves: Vec<Digest>,
}

/// What a file hashes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashedWeights {
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// The leaves of its tree, in order.
    pub leaves: Vec<Digest>,
}

impl WeightHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.whole.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (have, mut hasher) = self.piece.take().unwrap_or_else(|| (0, begin()));
            let wanted = PIECE_BYTES.saturating_sub(have).min(rest.len());
            let (now, later) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
            hasher.update(now);
            let have = have.saturating_add(now.len());
            if have == PIECE_BYTES {
                self.leaves.push(hasher.finish());
            } else {
                self.piece = Some((have, hasher));
            }
            rest = later;
        }
    }

    /// The digests of everything appended.
    pub fn finish(mut self) -> HashedWeights {
        if let Some((_, last)) = self.piece.take() {
            self.leaves.push(last.finish());
        }
        HashedWeights { sha256: self.whole.finish(), bytes: self.bytes, leaves: self.leaves }
    }
}

impl HashedWeights {
    /// The root over the leaves.
    pub fn root(&self) -> Digest {
        merkle::root(&self.leaves)
    }
}

/// How many pieces a file of this length has.
pub fn pieces(bytes: u64) -> u64 {
    bytes.div_ceil(PIECE_BYTES as u64)
}

/// The length of one piece of a file of this length; 0 if there is no such piece.
pub fn piece_bytes(bytes: u64, index: u64) -> usize {
    let start = index.saturating_mul(PIECE_BYTES as u64);
    usize::try_from(bytes.saturating_sub(start).min(PIECE_BYTES as u64)).unwrap_or(PIECE_BYTES)
}

/// As [`merkle::leaf_hash`] begins.
fn begin() -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_any_parts_has_its_sha_256_and_the_tree_over_its_pieces() {
        let file: Vec<u8> = (0..PIECE_BYTES as u32 * 2 + 5).map(|at| (at * 7 + at / 251) as u8).collect();
        let leaves: Vec<Digest> = file.chunks(PIECE_BYTES).map(merkle::leaf_hash).collect();
        for part in [1_000, PIECE_BYTES, PIECE_BYTES * 2 + 1, file.len()] {
            let mut hasher = WeightHasher::new();
            file.chunks(part).for_each(|part| hasher.update(part));
            let hashed = hasher.finish();
            assert_eq!((hashed.sha256, hashed.bytes), (Digest::of(&file), file.len() as u64));
            assert_eq!(hashed.leaves, leaves);
            assert_eq!(hashed.root(), merkle::root(&leaves));
        }
        let bytes = file.len() as u64;
        assert_eq!((pieces(bytes), pieces(bytes - 5), pieces(0)), (3, 2, 0));
        assert_eq!([0, 1, 2, 3].map(|index| piece_bytes(bytes, index)), [PIECE_BYTES, PIECE_BYTES, 5, 0]);
    }

    #[test]
    fn nothing_hashes_to_the_empty_tree() {
        let empty = WeightHasher::new().finish();
        assert_eq!((empty.sha256, empty.root()), (Digest::of(b""), merkle::root(&[])));
    }
}
