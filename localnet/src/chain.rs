//! The chain: blocks, the state after each, and the runtime run on any of them.
//!
//! State is a trie whose nodes are kept by their hash, so old blocks stay readable at no cost: all headers and bodies, and as
//! many states as [`Limits::states_max`] says. Nothing here knows of transactions waiting, of time, or of clients.

mod draft;
mod executor;
mod genesis;
mod history;
mod settings;
mod state;

use std::sync::{PoisonError, RwLock};

use parity_scale_codec::Decode;
use sp_core::H256;
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{Backend as _, IterArgs, OverlayedChanges, prove_read};

#[cfg(test)]
pub(crate) use self::genesis::write as write_genesis;
pub use self::{
    draft::{Applied, Draft, Interference, SealError},
    executor::{CallError, silence_panics},
    genesis::GenesisError,
    history::{Block, BlockRef, BranchError},
    settings::SettingError,
};
use self::{
    executor::Executor,
    history::History,
    state::{Nodes, StateBackend},
};
use crate::config::{Genesis, Limits};

/// A chain in memory.
pub struct Chain {
    executor: Executor,
    history: RwLock<History>,
}

impl Chain {
    /// A chain of one block, with the usual limits.
    pub fn from_genesis(genesis: &Genesis) -> Result<Self, GenesisError> {
        Self::new(genesis, &Limits::default())
    }

    /// A chain of one block.
    pub fn new(genesis: &Genesis, limits: &Limits) -> Result<Self, GenesisError> {
        let executor = Executor::new(Nodes::default());
        let block = genesis::build(&executor, genesis)?;
        Ok(Self { executor, history: RwLock::new(History::new(block, limits)) })
    }

    /// The newest block.
    pub fn best(&self) -> BlockRef {
        self.read(|history| history.best())
    }

    /// The newest block that will never be undone.
    pub fn finalized(&self) -> BlockRef {
        self.read(|history| history.finalized())
    }

    /// The block with this number.
    pub fn by_number(&self, number: u32) -> Option<BlockRef> {
        self.read(|history| history.by_number(number))
    }

    /// The block with this hash.
    pub fn by_hash(&self, hash: H256) -> Option<BlockRef> {
        self.read(|history| history.by_hash(hash))
    }

    /// Begins the block after `parent`.
    pub fn draft(&self, parent: &BlockRef) -> Result<Draft<'_>, SealError> {
        Draft::begin(&self.executor, parent.clone())
    }

    /// Adds a sealed block, which becomes the newest.
    pub fn append(&self, block: Block) -> BlockRef {
        self.change(|history| history.append(block))
    }

    /// Forgets a sealed block that does not become part of the chain.
    pub fn discard(&self, block: &Block) {
        self.executor.nodes().forget_undone(block.hash());
    }

    /// Whether the state after a block is kept. Old ones are not, but those a snapshot needs.
    pub fn has_state(&self, block: &BlockRef) -> bool {
        self.read(|history| history.has_state(block, |hash| self.executor.nodes().remembers(hash)))
    }

    /// Keeps all states from a final block on, and the blocks after it even if they are undone.
    pub fn pin(&self, finalized: &BlockRef, tail: &[BlockRef]) {
        self.write(|history| history.pin(finalized, tail));
    }

    /// Takes a pin back.
    pub fn unpin(&self, finalized: &BlockRef, tail: &[BlockRef]) {
        self.change(|history| history.unpin(finalized, tail));
    }

    /// Trie nodes in memory, of all states that are kept.
    pub fn nodes(&self) -> usize {
        self.executor.nodes().len()
    }

    /// Replaces all blocks after the block with number `fork` with a longer branch; answers those that were undone, oldest
    /// first. They can still be found by their hash.
    pub fn reorganise(&self, fork: u32, branch: Vec<BlockRef>) -> Result<Vec<BlockRef>, BranchError> {
        self.change(|history| history.reorganise(fork, branch))
    }

    /// Goes back to a former chain: its newest final block, and the blocks after it.
    pub fn revert(&self, finalized: &BlockRef, tail: &[BlockRef]) -> Result<(), BranchError> {
        self.change(|history| history.revert(finalized, tail))
    }

    /// Makes the block with this number, and all before it, final.
    pub fn finalize(&self, number: u32) -> BlockRef {
        self.change(|history| history.finalize(number))
    }

    /// Calls a runtime API on the state after a block, with encoded arguments; changes are forgotten.
    pub fn call(&self, at: &BlockRef, method: &str, arguments: &[u8]) -> Result<Vec<u8>, CallError> {
        self.executor.call(at.state_root(), &mut OverlayedChanges::default(), method, arguments)
    }

    /// Calls a runtime API and decodes what it returns.
    pub fn call_decoded<R: Decode>(
        &self,
        at: &BlockRef,
        method: &str,
        arguments: &[u8],
    ) -> Result<R, CallError> {
        let bytes = self.call(at, method, arguments)?;
        R::decode(&mut &bytes[..]).map_err(|source| CallError::Result { method: method.into(), source })
    }

    /// A value of the state after a block.
    pub fn storage(&self, at: &BlockRef, key: &[u8]) -> Option<Vec<u8>> {
        self.backend(at).storage(key).ok().flatten()
    }

    /// The hash of a value of the state after a block.
    pub fn storage_hash(&self, at: &BlockRef, key: &[u8]) -> Option<H256> {
        self.backend(at).storage_hash(key).ok().flatten()
    }

    /// Keys that begin with `prefix`, in order, after `start`, at most `count`.
    pub fn keys(&self, at: &BlockRef, prefix: &[u8], start: Option<&[u8]>, count: usize) -> Vec<Vec<u8>> {
        let mut args = IterArgs::default();
        args.prefix = Some(prefix);
        args.start_at = start;
        args.start_at_exclusive = true;
        let backend = self.backend(at);
        let Ok(keys) = backend.keys(args) else { return Vec::new() };
        keys.filter_map(Result::ok).take(count).collect()
    }

    /// A proof of these keys' values in the state after a block.
    pub fn proof(&self, at: &BlockRef, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
        prove_read(self.backend(at), keys).map(|proof| proof.into_iter_nodes().collect()).unwrap_or_default()
    }

    fn backend(&self, at: &BlockRef) -> StateBackend {
        self.executor.backend(at.state_root())
    }

    fn read<R>(&self, of: impl FnOnce(&History) -> R) -> R {
        of(&self.history.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the history, and forgets the states that are too old after it.
    fn change<R>(&self, to: impl FnOnce(&mut History) -> R) -> R {
        let (result, forgotten) = self.write(|history| {
            let result = to(history);
            (result, history.settle())
        });
        forgotten.before.into_iter().for_each(|block| self.executor.nodes().forget_before(block));
        forgotten.undone.into_iter().for_each(|block| self.executor.nodes().forget_undone(block));
        result
    }

    fn write<R>(&self, to: impl FnOnce(&mut History) -> R) -> R {
        to(&mut self.history.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How the chain hashes.
pub type Hashing = BlakeTwo256;
