//! The node: the chain, the pool, the clock, and the rule by which blocks are made and become final.
//!
//! One lock orders everything that makes blocks; readers never take it. Whoever follows the chain watches [`Heads`] and reads
//! the blocks in between by number, so a slow reader misses nothing and delays nobody.

mod branch;
mod fill;
mod journal;
mod open;
mod snapshots;
mod upgrade;

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use parity_scale_codec::Encode;
use sp_core::H256;
use sp_runtime::{
    AccountId32,
    transaction_validity::{TransactionSource, TransactionValidity},
};
use thiserror::Error;
use tokio::sync::watch;

use self::{
    journal::{Journal, Record},
    snapshots::Snapshots,
};
use crate::{
    chain::{BlockRef, CallError, Chain, Interference, SealError},
    config::{Blocks, Finality, Limits},
    pool::{Pool, PoolError, Watcher, hash_of},
    time::Clock,
};

pub use self::{
    branch::{ReorganiseError, Reorganised},
    journal::{FILE_NAME, JournalError},
    open::{OpenError, Recovered},
    snapshots::SnapshotError,
    upgrade::UpgradeError,
};

/// How far the chain is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Heads {
    /// Number of the newest block.
    pub best: u32,
    /// Number of the newest final block.
    pub finalized: u32,
    /// How often blocks were undone: the same numbers may mean others since.
    pub branches: u32,
}

/// Why a block was not made.
#[derive(Debug, Error)]
pub enum ProduceError {
    /// It could not be built.
    #[error("could not make block {number}")]
    Seal {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        source: SealError,
    },
    /// It could not be stored.
    #[error("could not store block {number}")]
    Store {
        /// Its number.
        number: u32,
        /// Why.
        #[source]
        source: JournalError,
    },
}

/// Which block to make.
#[derive(Debug)]
enum Make {
    /// Also one without transactions.
    Any,
    /// None without transactions.
    NotEmpty,
    /// One with a change that no transaction could make.
    With(Interference),
}

/// A chain with everything that drives it.
pub struct Node {
    /// The chain.
    pub chain: Chain,
    /// Its name.
    pub chain_name: String,
    /// Its clock.
    pub clock: Clock,
    /// What it may hold and serve.
    pub limits: Limits,
    blocks: Blocks,
    finality: Finality,
    pool: Mutex<Pool>,
    making: Mutex<()>,
    heads: watch::Sender<Heads>,
    finality_stalled: AtomicBool,
    snapshots: Mutex<Snapshots>,
    journal: Mutex<Option<Journal>>,
    /// What was found on disk.
    pub recovered: Recovered,
}

impl Node {
    /// Writes to disk what happened, if the chain is kept there.
    fn store(&self, records: &[Record]) -> Result<(), JournalError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.as_mut().map_or(Ok(()), |journal| journal.add(records))
    }

    /// Syncs what is on disk and lets go of it. What happens after is in memory only.
    pub fn close(&self) {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Follows the chain.
    pub fn heads(&self) -> watch::Receiver<Heads> {
        self.heads.subscribe()
    }

    /// Milliseconds a block waits before it becomes final.
    pub fn finality_delay_ms(&self) -> u64 {
        self.finality.delay_ms
    }

    /// The pool, for looking at it.
    pub fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a transaction into the pool; makes a block of it at once if that is how blocks are made.
    pub fn submit(&self, bytes: Vec<u8>, watcher: Option<Watcher>) -> Result<H256, PoolError> {
        let hash = hash_of(&bytes);
        if self.pool().is_banned(hash, self.clock.now_ms()) {
            return Err(PoolError::Banned(hash));
        }
        let validity = self.validate(&bytes)?.map_err(PoolError::Refused)?;
        self.pool().add(hash, bytes, validity, watcher)?;
        if self.blocks == Blocks::Instant {
            // A transaction that must wait for another makes no block, and is no error.
            if let Err(error) = self.make_block(Make::NotEmpty) {
                tracing::error!(%error, "no block was made");
            }
        }
        Ok(hash)
    }

    /// Asks the runtime whether a transaction can be in the block after the newest.
    pub fn validate(&self, bytes: &[u8]) -> Result<TransactionValidity, PoolError> {
        let best = self.chain.best();
        let mut arguments = TransactionSource::External.encode();
        arguments.extend_from_slice(bytes);
        best.hash().encode_to(&mut arguments);
        match self.chain.call_decoded(&best, "TaggedTransactionQueue_validate_transaction", &arguments) {
            Err(CallError::Panicked(_)) => Err(PoolError::Undecodable),
            other => Ok(other?),
        }
    }

    /// The nonce of the next transaction an account should submit, counting those that wait.
    pub fn next_nonce(&self, account: &AccountId32) -> Result<u32, CallError> {
        let best = self.chain.best();
        let mut nonce: u32 =
            self.chain.call_decoded(&best, "AccountNonceApi_account_nonce", &account.encode())?;
        let pool = self.pool();
        while pool.provides(&(account, nonce).encode()) {
            nonce = nonce.saturating_add(1);
        }
        Ok(nonce)
    }

    /// Makes one block of what waits, even if nothing does.
    pub fn produce(&self) -> Result<BlockRef, ProduceError> {
        self.make_block(Make::Any)
    }

    /// Makes one block with a change that no transaction could make, and of what waits.
    pub fn produce_with(&self, interference: Interference) -> Result<BlockRef, ProduceError> {
        self.make_block(Make::With(interference))
    }

    /// Makes a block and moves the heads; answers with the newest block.
    fn make_block(&self, make: Make) -> Result<BlockRef, ProduceError> {
        let making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let parent = self.chain.best();
        let number = parent.number() + 1;
        // A block that was asked for is final at once; whoever asked waits for nothing else.
        let may_wait = matches!(make, Make::NotEmpty);
        let made = self.fill_block(&parent, make)?;
        let Some(block) = made else { return Ok(parent) };
        tracing::debug!(number, hash = ?block.hash(), transactions = block.extrinsics.len() - 1, "made a block");
        self.heads.send_modify(|heads| heads.best = number);
        if !may_wait || self.finality.delay_ms == 0 {
            self.finalize(number);
        }
        drop(making);
        Ok(block)
    }

    /// Tells who follows the chain that it is another one.
    fn move_heads(&self) {
        let (best, finalized) = (self.chain.best().number(), self.chain.finalized().number());
        self.heads.send_modify(|heads| *heads = Heads { best, finalized, branches: heads.branches + 1 });
    }

    /// Lets no block become final until told otherwise; then all become final that would have by now.
    pub fn stall_finality(&self, stalled: bool) {
        if self.finality_stalled.swap(stalled, Ordering::SeqCst) && !stalled {
            self.finalize(self.chain.best().number());
        }
    }

    /// Makes final what may be when `number` is the newest block.
    pub fn finalize(&self, number: u32) {
        if self.finality_stalled.load(Ordering::SeqCst) {
            return;
        }
        let finalized = self.chain.finalize(number.saturating_sub(self.finality.lag_blocks)).number();
        self.pool().finalize(finalized);
        self.heads.send_if_modified(|heads| {
            let moved = heads.finalized < finalized;
            heads.finalized = heads.finalized.max(finalized);
            moved
        });
    }
}
