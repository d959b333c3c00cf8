//! Transactions waiting for a block: validated, bounded, replaced by higher priority, dropped when they can never be applied.

use std::{cmp::Reverse, collections::HashMap};

use sp_core::H256;
use sp_runtime::transaction_validity::{TransactionValidityError, ValidTransaction};
use thiserror::Error;
use tokio::sync::mpsc;

use crate::config::Limits;

/// What is told to whoever watches a transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// It can be in the next block.
    Ready,
    /// It waits for another of the same sender.
    Future,
    /// It is in this block.
    InBlock(H256),
    /// It was in this block, which was undone.
    Retracted(H256),
    /// It is in this block, and the block is final.
    Finalized(H256),
    /// This one took its place.
    Usurped(H256),
    /// There was no room for it.
    Dropped,
    /// It can never be in a block.
    Invalid,
}

/// Statuses that wait for a slow watcher: all a transaction goes through, and some more for blocks that are undone.
pub const STATUSES_WAITING_MAX: usize = 64;

/// Where statuses go.
pub type Watcher = mpsc::Sender<Status>;

/// Why the pool does not take a transaction.
#[derive(Debug, Error)]
pub enum PoolError {
    /// It is not one.
    #[error("the bytes are not a transaction")]
    Undecodable,
    /// The runtime refuses it.
    #[error("the runtime refuses the transaction: {0:?}")]
    Refused(TransactionValidityError),
    /// It was found invalid, or there was no room for it, not long ago.
    #[error("transaction {0:?} was turned away not long ago")]
    Banned(H256),
    /// It waits already.
    #[error("transaction {0:?} is in the pool")]
    AlreadyImported(H256),
    /// Another with the same nonce waits and is worth as much.
    #[error("priority {new} is not above {old}")]
    PriorityTooLow {
        /// Priority of the one that waits.
        old: u64,
        /// Priority of this one.
        new: u64,
    },
    /// The pool is full of transactions worth as much.
    #[error("the pool is full")]
    Full,
    /// The runtime failed.
    #[error("could not validate the transaction")]
    Execution(#[from] crate::chain::CallError),
}

/// A transaction that waits.
#[derive(Debug)]
pub struct Waiting {
    /// Its hash.
    pub hash: H256,
    /// Its bytes, encoded.
    pub bytes: Vec<u8>,
    /// What the runtime said of it.
    pub validity: ValidTransaction,
    watcher: Option<Watcher>,
    order: u64,
}

/// A transaction in a block that is not final.
#[derive(Debug)]
pub struct Included {
    /// Its hash.
    pub hash: H256,
    /// Its bytes, encoded.
    pub bytes: Vec<u8>,
    /// Who watches it.
    pub watcher: Option<Watcher>,
    number: u32,
    block: H256,
}

/// The waiting transactions, and those in blocks that are not final.
#[derive(Debug)]
pub struct Pool {
    transactions_max: usize,
    bytes_max: usize,
    bytes: usize,
    next_order: u64,
    waiting: HashMap<H256, Waiting>,
    included: Vec<Included>,
    /// What is not taken again, and until when on the chain's clock.
    banned: HashMap<H256, u64>,
    ban_ms: u64,
}

impl Pool {
    /// An empty pool.
    pub fn new(limits: &Limits) -> Self {
        Self {
            transactions_max: limits.pool_transactions_max.get(),
            bytes_max: limits.pool_bytes_max,
            bytes: 0,
            next_order: 0,
            waiting: HashMap::new(),
            included: Vec::new(),
            banned: HashMap::new(),
            ban_ms: limits.ban_ms,
        }
    }

    /// Whether a transaction is not taken again yet.
    pub fn is_banned(&self, hash: H256, now_ms: u64) -> bool {
        self.banned.get(&hash).is_some_and(|until_ms| now_ms < *until_ms)
    }

    /// Takes out a transaction that can be in no block, and takes it for some time no more.
    pub fn ban(&mut self, hash: H256, why: Status, now_ms: u64) {
        self.remove(hash, why);
        if self.banned.len() >= self.transactions_max {
            self.banned.retain(|_, until_ms| now_ms < *until_ms);
        }
        // When all are recent, the first to go is the one that would go first anyway.
        if self.banned.len() >= self.transactions_max
            && let Some(oldest) =
                self.banned.iter().min_by_key(|(_, until_ms)| **until_ms).map(|(hash, _)| *hash)
        {
            self.banned.remove(&oldest);
        }
        self.banned.insert(hash, now_ms.saturating_add(self.ban_ms));
    }

    /// Takes a transaction the runtime found valid.
    pub fn add(
        &mut self,
        hash: H256,
        bytes: Vec<u8>,
        validity: ValidTransaction,
        watcher: Option<Watcher>,
    ) -> Result<(), PoolError> {
        if self.waiting.contains_key(&hash) {
            return Err(PoolError::AlreadyImported(hash));
        }
        if bytes.len() > self.bytes_max {
            return Err(PoolError::Full);
        }
        self.make_way(hash, &validity)?;
        self.make_room(bytes.len(), validity.priority)?;

        self.bytes += bytes.len();
        self.next_order += 1;
        tell(watcher.as_ref(), if self.is_ready(&validity) { Status::Ready } else { Status::Future });
        self.waiting.insert(hash, Waiting { hash, bytes, validity, watcher, order: self.next_order });
        Ok(())
    }

    /// Removes what provides the same as the newcomer, if it is worth less.
    fn make_way(&mut self, hash: H256, newcomer: &ValidTransaction) -> Result<(), PoolError> {
        let rivals: Vec<H256> = self
            .waiting
            .values()
            .filter(|waiting| waiting.validity.provides.iter().any(|tag| newcomer.provides.contains(tag)))
            .map(|waiting| waiting.hash)
            .collect();
        let strongest = rivals.iter().map(|rival| self.waiting[rival].validity.priority).max();
        if let Some(old) = strongest.filter(|old| *old >= newcomer.priority) {
            return Err(PoolError::PriorityTooLow { old, new: newcomer.priority });
        }
        for rival in rivals {
            self.remove(rival, Status::Usurped(hash));
        }
        Ok(())
    }

    /// Drops the least of those worth less than the newcomer until it fits.
    fn make_room(&mut self, bytes: usize, priority: u64) -> Result<(), PoolError> {
        while self.waiting.len() >= self.transactions_max || self.bytes + bytes > self.bytes_max {
            let least = self
                .waiting
                .values()
                .min_by_key(|waiting| (waiting.validity.priority, Reverse(waiting.order)));
            match least.filter(|least| least.validity.priority < priority).map(|least| least.hash) {
                Some(hash) => self.remove(hash, Status::Dropped),
                None => return Err(PoolError::Full),
            }
        }
        Ok(())
    }

    /// Whether everything a transaction requires is in the state or waits here.
    fn is_ready(&self, validity: &ValidTransaction) -> bool {
        let provided = |tag| self.waiting.values().any(|waiting| waiting.validity.provides.contains(tag));
        validity.requires.iter().all(provided)
    }

    /// The waiting transactions in the order a block should try them: by priority, then by age.
    pub fn candidates(&self) -> Vec<(H256, Vec<u8>)> {
        let mut waiting: Vec<&Waiting> = self.waiting.values().collect();
        waiting.sort_by_key(|waiting| (Reverse(waiting.validity.priority), waiting.order));
        waiting.into_iter().map(|waiting| (waiting.hash, waiting.bytes.clone())).collect()
    }

    /// The waiting transactions, oldest first.
    pub fn pending(&self) -> Vec<Vec<u8>> {
        let mut waiting: Vec<&Waiting> = self.waiting.values().collect();
        waiting.sort_by_key(|waiting| waiting.order);
        waiting.into_iter().map(|waiting| waiting.bytes.clone()).collect()
    }

    /// Whether a transaction that provides this waits.
    pub fn provides(&self, tag: &[u8]) -> bool {
        self.waiting.values().any(|waiting| waiting.validity.provides.iter().any(|provided| provided == tag))
    }

    /// Transactions waiting.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes out a transaction that is in a block now.
    pub fn include(&mut self, hash: H256, number: u32, block: H256) {
        let Some(waiting) = self.waiting.remove(&hash) else { return };
        self.bytes -= waiting.bytes.len();
        let Waiting { hash, bytes, watcher, .. } = waiting;
        tell(watcher.as_ref(), Status::InBlock(block));
        self.included.push(Included { hash, bytes, watcher, number, block });
    }

    /// Takes out the transactions of blocks that were undone, in their order, and tells their watchers.
    pub fn retract(&mut self, is_undone: impl Fn(u32, H256) -> bool) -> Vec<Included> {
        let undone = |included: &mut Included| is_undone(included.number, included.block);
        let undone: Vec<Included> = self.included.extract_if(.., undone).collect();
        for included in &undone {
            tell(included.watcher.as_ref(), Status::Retracted(included.block));
        }
        undone
    }

    /// Drops everything that waits, and forgets what was turned away.
    pub fn clear(&mut self) {
        self.banned.clear();
        let hashes: Vec<H256> = self.waiting.keys().copied().collect();
        for hash in hashes {
            self.remove(hash, Status::Dropped);
        }
    }

    /// Tells the watchers of every transaction in blocks up to this one that they are final.
    pub fn finalize(&mut self, number: u32) {
        for included in self.included.extract_if(.., |included| included.number <= number) {
            tell(included.watcher.as_ref(), Status::Finalized(included.block));
        }
    }

    /// Takes out a transaction that will not be in any block.
    pub fn remove(&mut self, hash: H256, why: Status) {
        if let Some(waiting) = self.waiting.remove(&hash) {
            self.bytes -= waiting.bytes.len();
            tell(waiting.watcher.as_ref(), why);
        }
    }
}

/// The hash of a transaction.
pub fn hash_of(bytes: &[u8]) -> H256 {
    H256(sp_crypto_hashing::blake2_256(bytes))
}

/// A watcher that went away, or does not keep up with the few statuses there are, misses them.
pub(crate) fn tell(watcher: Option<&Watcher>, status: Status) {
    if let Some(watcher) = watcher {
        let _ = watcher.try_send(status);
    }
}

#[cfg(test)]
mod tests;
