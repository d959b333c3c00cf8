//! Inclusion and consistency proofs (RFC 6962 section 2.1; the checks follow RFC 9162 sections 2.1.3.2 and
//! 2.1.4.2).

use std::ops::Range;

use super::{left_leaves, node_hash, root, split};
use crate::digest::Digest;

/// No tree that can exist needs a longer proof.
const PROOF_NODES_MAX: usize = 65;

/// The claim that a tree of `old_size` leaves and root `old_root` is the beginning of one with `new_size` and
/// `new_root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsistencyClaim {
    /// Leaves of the older tree.
    pub old_size: u64,
    /// Root of the older tree.
    pub old_root: Digest,
    /// Leaves of the newer tree.
    pub new_size: u64,
    /// Root of the newer tree.
    pub new_root: Digest,
}

/// The siblings on the way from leaf `index` to the root, lowest first. `None` if there is no such leaf.
pub fn inclusion_proof(leaves: &[Digest], index: usize) -> Option<Vec<Digest>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut leaves, mut index) = (leaves, index);
    let mut siblings = Vec::new();
    while leaves.len() > 1 {
        let (left, right) = split(leaves);
        if let Some(right_index) = index.checked_sub(left.len()) {
            siblings.push(root(left));
            (leaves, index) = (right, right_index);
        } else {
            siblings.push(root(right));
            leaves = left;
        }
    }
    siblings.reverse();
    Some(siblings)
}

/// The same from the roots of ranges of leaves, for whoever does not hold them all. Only ranges that are subtrees are asked for.
pub fn inclusion_proof_by<E>(
    index: u64,
    size: u64,
    mut root: impl FnMut(Range<u64>) -> Result<Digest, E>,
) -> Result<Option<Vec<Digest>>, E> {
    if index >= size {
        return Ok(None);
    }
    let (mut range, mut siblings) = (0..size, Vec::new());
    while range.end.saturating_sub(range.start) > 1 {
        let middle = range.start.saturating_add(left_leaves(range.end.saturating_sub(range.start)));
        let (own, other) = if index < middle {
            (range.start..middle, middle..range.end)
        } else {
            (middle..range.end, range.start..middle)
        };
        siblings.push(root(other)?);
        range = own;
    }
    siblings.reverse();
    Ok(Some(siblings))
}

/// Whether `leaf` is leaf number `index` of the tree with `size` leaves and this root.
pub fn verify_inclusion(leaf: &Digest, index: u64, size: u64, proof: &[Digest], root: &Digest) -> bool {
    if index >= size || proof.len() > PROOF_NODES_MAX {
        return false;
    }
    let mut node_index = index;
    let mut last_index = size.saturating_sub(1);
    let mut node = *leaf;
    for sibling in proof {
        if last_index == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last_index {
            node = node_hash(sibling, &node);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last_index >>= 1;
            }
        } else {
            node = node_hash(&node, sibling);
        }
        node_index >>= 1;
        last_index >>= 1;
    }
    last_index == 0 && node == *root
}

/// The nodes that show the first `old_size` leaves to be the beginning of all `leaves`. `None` if there are
/// not that many.
pub fn consistency_proof(leaves: &[Digest], old_size: usize) -> Option<Vec<Digest>> {
    if old_size > leaves.len() {
        return None;
    }
    // Nothing is the beginning of everything, and a tree is its own beginning: both need no nodes.
    if old_size == 0 || old_size == leaves.len() {
        return Some(Vec::new());
    }
    let (mut leaves, mut old_size, mut is_old_root) = (leaves, old_size, true);
    let mut nodes = Vec::new();
    while old_size != leaves.len() {
        let (left, right) = split(leaves);
        match old_size.checked_sub(left.len()).filter(|rest| *rest > 0) {
            Some(rest) => {
                nodes.push(root(left));
                (leaves, old_size, is_old_root) = (right, rest, false);
            }
            None => {
                nodes.push(root(right));
                leaves = left;
            }
        }
    }
    // The verifier has the old root itself already.
    if !is_old_root {
        nodes.push(root(leaves));
    }
    nodes.reverse();
    Some(nodes)
}

/// The same from the roots of ranges of leaves, for whoever does not hold them all. Only ranges that are subtrees of the new tree
/// are asked for.
pub fn consistency_proof_by<E>(
    old_size: u64,
    new_size: u64,
    mut root: impl FnMut(Range<u64>) -> Result<Digest, E>,
) -> Result<Option<Vec<Digest>>, E> {
    if old_size > new_size {
        return Ok(None);
    }
    if old_size == 0 || old_size == new_size {
        return Ok(Some(Vec::new()));
    }
    let (mut range, mut is_old_root, mut nodes) = (0..new_size, true, Vec::new());
    while old_size != range.end {
        let middle = range.start.saturating_add(left_leaves(range.end.saturating_sub(range.start)));
        if old_size > middle {
            nodes.push(root(range.start..middle)?);
            (range, is_old_root) = (middle..range.end, false);
        } else {
            nodes.push(root(middle..range.end)?);
            range = range.start..middle;
        }
    }
    if !is_old_root {
        nodes.push(root(range)?);
    }
    nodes.reverse();
    Ok(Some(nodes))
}

/// Whether the proof shows the older tree to be the beginning of the newer.
pub fn verify_consistency(claim: &ConsistencyClaim, proof: &[Digest]) -> bool {
    let ConsistencyClaim { old_size, old_root, new_size, new_root } = claim;
    if old_size > new_size || proof.len() > PROOF_NODES_MAX {
        return false;
    }
    if *old_size == 0 && *old_root != root(&[]) {
        return false;
    }
    if old_size == new_size {
        return proof.is_empty() && old_root == new_root;
    }
    // Anything may grow from nothing.
    if *old_size == 0 {
        return proof.is_empty();
    }
    let (mut old_index, mut new_index) = (old_size.saturating_sub(1), new_size.saturating_sub(1));
    while old_index & 1 == 1 {
        old_index >>= 1;
        new_index >>= 1;
    }
    let mut nodes = proof.iter();
    // A perfect older tree is one node of the newer, and the verifier has it.
    let first = if old_size.is_power_of_two() { Some(old_root) } else { nodes.next() };
    let Some(first) = first else {
        return false;
    };
    let (mut old_node, mut new_node) = (*first, *first);
    for node in nodes {
        if new_index == 0 {
            return false;
        }
        if old_index & 1 == 1 || old_index == new_index {
            old_node = node_hash(node, &old_node);
            new_node = node_hash(node, &new_node);
            while old_index & 1 == 0 && old_index != 0 {
                old_index >>= 1;
                new_index >>= 1;
            }
        } else {
            new_node = node_hash(&new_node, node);
        }
        old_index >>= 1;
        new_index >>= 1;
    }
    new_index == 0 && old_node == *old_root && new_node == *new_root
}
