//! Trie nodes by hash, each counted as often as a kept state holds it at a place of its own.
//!
//! A state root is all it takes to read the state of any block that is kept. What a block added and took out is remembered
//! until the state before it is forgotten (then what it took out goes) or it is undone for good (then what it added goes).

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use hash_db::{Hasher, Prefix};
use sp_core::H256;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{BackendTransaction, TrieBackend, TrieBackendStorage};

/// The state after one block.
pub(super) type StateBackend = TrieBackend<Nodes, BlakeTwo256>;

/// The node an empty trie consists of.
const EMPTY_NODE: [u8; 1] = [0];

/// Every node of every kept state.
#[derive(Clone, Default)]
pub(super) struct Nodes(Arc<RwLock<Inner>>);

#[derive(Default)]
struct Inner {
    nodes: HashMap<H256, Node>,
    /// What blocks changed, by the hash of the block.
    changes: HashMap<H256, Changes>,
}

struct Node {
    bytes: Vec<u8>,
    count: u32,
}

/// Nodes that a block added and took out, as often as they are here.
#[derive(Default)]
struct Changes {
    added: Vec<H256>,
    removed: Vec<H256>,
}

impl Nodes {
    /// Root of an empty state.
    pub fn empty_root() -> H256 {
        <BlakeTwo256 as Hasher>::hash(&EMPTY_NODE)
    }

    /// Adds what a block wrote, and remembers what it took out, which stays for the blocks before it.
    pub fn add(&self, block: H256, mut transaction: BackendTransaction<BlakeTwo256>) {
        let mut inner = self.write();
        let mut changes = Changes::default();
        for (key, (bytes, references)) in transaction.drain() {
            // The key is the node's place in the trie followed by its hash.
            let Some(hash) = key.last_chunk::<32>().map(H256::from) else { continue };
            let times = references.unsigned_abs();
            if references > 0 {
                let node = inner.nodes.entry(hash).or_insert(Node { bytes, count: 0 });
                node.count += times;
                changes.added.extend((0..times).map(|_| hash));
            } else {
                changes.removed.extend((0..times).map(|_| hash));
            }
        }
        if let Some(twice) = inner.changes.insert(block, changes) {
            // The same block sealed again: its nodes were counted twice.
            inner.release(&twice.added);
        }
    }

    /// Forgets the state before a block of the chain: what the block took out is gone.
    pub fn forget_before(&self, block: H256) {
        let mut inner = self.write();
        if let Some(changes) = inner.changes.remove(&block) {
            inner.release(&changes.removed);
        }
    }

    /// Forgets the state after a block that was undone: what it added is gone.
    pub fn forget_undone(&self, block: H256) {
        let mut inner = self.write();
        if let Some(changes) = inner.changes.remove(&block) {
            inner.release(&changes.added);
        }
    }

    /// Whether it is remembered what a block changed.
    pub fn remembers(&self, block: H256) -> bool {
        self.read().changes.contains_key(&block)
    }

    /// Nodes there are.
    pub fn len(&self) -> usize {
        self.read().nodes.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn release(&mut self, hashes: &[H256]) {
        for hash in hashes {
            let Some(node) = self.nodes.get_mut(hash) else { continue };
            node.count = node.count.saturating_sub(1);
            if node.count == 0 {
                self.nodes.remove(hash);
            }
        }
    }
}

impl TrieBackendStorage<BlakeTwo256> for Nodes {
    fn get(&self, hash: &H256, _prefix: Prefix<'_>) -> Result<Option<Vec<u8>>, String> {
        if *hash == Self::empty_root() {
            return Ok(Some(EMPTY_NODE.to_vec()));
        }
        Ok(self.read().nodes.get(hash).map(|node| node.bytes.clone()))
    }
}
