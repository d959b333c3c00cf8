//! The Merkle tree of RFC 6962 over SHA-256: `0x00` before a leaf, `0x01` before a node, so that neither
//! passes for the other. A tree of n leaves splits at the largest power of two below n.
//!
//! Proofs are made from the list of all leaf hashes and checked without it. [`Frontier`] appends in
//! logarithmic space.

use crate::digest::{Digest, Hasher};

mod frontier;
mod proof;

pub use frontier::Frontier;
pub use proof::{
    ConsistencyClaim, consistency_proof, consistency_proof_by, inclusion_proof, inclusion_proof_by,
    verify_consistency, verify_inclusion,
};

/// The hash of a leaf with this content.
pub fn leaf_hash(content: &[u8]) -> Digest {
    Digest::of_prefixed(&[0], content)
}

/// The hash of a node with these children.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(&left.0);
    hasher.update(&right.0);
    hasher.finish()
}

/// The root over these leaf hashes. Without leaves: the hash of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = split(leaves);
            node_hash(&root(left), &root(right))
        }
    }
}

/// Leaves under the left child of a tree of so many leaves, at least two: the largest power of two below.
pub fn left_leaves(leaves: u64) -> u64 {
    leaves.saturating_sub(1).checked_ilog2().map_or(0, |power| 1 << power)
}

/// Both subtrees of a tree of at least two leaves.
fn split(leaves: &[Digest]) -> (&[Digest], &[Digest]) {
    let largest = leaves.len().saturating_sub(1).checked_ilog2().map_or(0, |power| 1_usize << power);
    leaves.split_at_checked(largest).unwrap_or((leaves, &[]))
}

#[cfg(test)]
mod tests;
