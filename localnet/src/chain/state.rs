//! Trie nodes by hash. They are only ever added, so a state root is all it takes to read the state of any block.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use hash_db::{Hasher, Prefix};
use sp_core::H256;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{BackendTransaction, TrieBackend, TrieBackendStorage};

/// The state after one block.
pub(super) type StateBackend = TrieBackend<Nodes, BlakeTwo256>;

/// The node an empty trie consists of.
const EMPTY_NODE: [u8; 1] = [0];

/// Every node of every state.
#[derive(Clone)]
pub(super) struct Nodes(Arc<RwLock<HashMap<H256, Vec<u8>>>>);

impl Nodes {
    /// The nodes of an empty state.
    pub fn new() -> Self {
        let empty = (<BlakeTwo256 as Hasher>::hash(&EMPTY_NODE), EMPTY_NODE.to_vec());
        Self(Arc::new(RwLock::new(HashMap::from([empty]))))
    }

    /// Root of an empty state.
    pub fn empty_root() -> H256 {
        <BlakeTwo256 as Hasher>::hash(&EMPTY_NODE)
    }

    /// Adds what a block wrote. Nodes it took out stay for the blocks before it.
    pub fn add(&self, mut transaction: BackendTransaction<BlakeTwo256>) {
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (key, (node, references)) in transaction.drain() {
            // The key is the node's place in the trie followed by its hash.
            let hash = key.last_chunk::<32>();
            if let (Some(hash), true) = (hash, references > 0) {
                nodes.insert(H256(*hash), node);
            }
        }
    }
}

impl TrieBackendStorage<BlakeTwo256> for Nodes {
    fn get(&self, hash: &H256, _prefix: Prefix<'_>) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash).cloned())
    }
}
