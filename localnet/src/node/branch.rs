//! Other branches: undoing blocks that are not final, as a network with two chains for a while does.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError},
};

use sp_core::H256;
use thiserror::Error;

use super::{
    Make, Node,
    journal::{JournalError, Record},
};
use crate::{
    chain::{BlockRef, BranchError, SealError},
    config::Blocks,
    pool::{Included, PoolError, Status, tell},
};

/// What a reorganisation did.
#[derive(Clone, Debug)]
pub struct Reorganised {
    /// The last block that both branches have.
    pub fork: BlockRef,
    /// The blocks that were undone, oldest first.
    pub undone: Vec<BlockRef>,
    /// The newest block of the branch taken.
    pub best: BlockRef,
    /// Transactions of undone blocks that wait again.
    pub returned: usize,
}

/// Why the chain was not reorganised.
#[derive(Debug, Error)]
pub enum ReorganiseError {
    /// There is nothing to undo.
    #[error("{depth} blocks cannot be undone: the chain has {best} after genesis, and at least one must be")]
    Depth {
        /// Blocks that were to be undone.
        depth: u32,
        /// Number of the newest block.
        best: u32,
    },
    /// The other branch is too long.
    #[error("a branch has at most {max} blocks")]
    Length {
        /// What it may have.
        max: u32,
    },
    /// A block of the other branch could not be made.
    #[error("could not make a block of the other branch")]
    Seal(#[from] SealError),
    /// The other branch could not be stored. It was taken; nothing more is stored.
    #[error("could not store the other branch")]
    Store(#[from] JournalError),
    /// The other branch was not taken.
    #[error(transparent)]
    Branch(#[from] BranchError),
}

impl Node {
    /// Undoes the newest `depth` blocks: builds a branch of `length` empty blocks (one more than are undone unless told
    /// otherwise) after the block before them, and takes it. Transactions of the undone blocks wait again, if they are still
    /// valid; changes made by hand (gifts, storage, upgrades) are gone with their blocks. Final blocks cannot be undone.
    pub fn reorganise(&self, depth: u32, length: Option<u32>) -> Result<Reorganised, ReorganiseError> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let best = self.chain.best().number();
        let fork = best.checked_sub(depth).filter(|_| depth > 0);
        let fork = fork.and_then(|fork| self.chain.by_number(fork));
        let fork = fork.ok_or(ReorganiseError::Depth { depth, best })?;
        let finalized = self.chain.finalized().number();
        if fork.number() < finalized {
            return Err(BranchError::Final { fork: fork.number(), finalized }.into());
        }
        let length = length.unwrap_or_else(|| depth.saturating_add(1));
        if length <= depth {
            return Err(BranchError::Short { length, depth }.into());
        }
        let max = self.limits.blocks_per_call_max;
        if length > max {
            return Err(ReorganiseError::Length { max });
        }

        let mut branch: Vec<BlockRef> = Vec::new();
        for _ in 0..length {
            let mut draft = self.chain.draft(branch.last().unwrap_or(&fork))?;
            draft.set_time(self.clock.next_ms())?;
            branch.push(Arc::new(draft.seal()?));
        }
        let mut records = vec![Record::Undone(fork.number())];
        records.extend(branch.iter().map(|block| Record::Block((&**block).into())));
        let undone = match self.chain.reorganise(fork.number(), branch.clone()) {
            Ok(undone) => undone,
            Err(error) => {
                branch.iter().for_each(|block| self.chain.discard(block));
                return Err(error.into());
            }
        };
        self.store(&records)?;
        let hashes: HashSet<H256> = undone.iter().map(|block| block.hash()).collect();
        let retracted = self.pool().retract(|_, block| hashes.contains(&block));
        let returned = self.take_back(retracted);
        let best = self.chain.best();
        tracing::info!(depth, fork = fork.number(), best = best.number(), "took another branch");
        self.move_heads();
        if self.finality.delay_ms == 0 {
            self.finalize(best.number());
        }
        drop(making);

        // What waits again gets its block as if it came now.
        if self.blocks == Blocks::Instant
            && returned > 0
            && let Err(error) = self.make_block(Make::NotEmpty)
        {
            tracing::error!(%error, "no block was made of the transactions that came back");
        }
        Ok(Reorganised { fork, undone, best, returned })
    }

    /// Takes transactions back that were in blocks; answers how many wait again. The others cannot be in this branch, and
    /// their watchers are told.
    pub(super) fn take_back(&self, transactions: Vec<Included>) -> usize {
        let mut returned = 0;
        for Included { hash, bytes, watcher, .. } in transactions {
            let why = match self.validate(&bytes) {
                Ok(Ok(validity)) => match self.pool().add(hash, bytes, validity, watcher.clone()) {
                    Ok(()) => {
                        returned += 1;
                        continue;
                    }
                    Err(PoolError::Full) => Status::Dropped,
                    Err(_) => Status::Invalid,
                },
                Ok(Err(_)) | Err(_) => Status::Invalid,
            };
            tell(watcher.as_ref(), why);
        }
        returned
    }
}
