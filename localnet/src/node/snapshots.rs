//! Snapshots: the chain as it was, to go back to.

use std::{collections::BTreeMap, sync::PoisonError};

use thiserror::Error;

use super::{
    Node,
    journal::{JournalError, Record},
};
use crate::{
    chain::{BlockRef, BranchError},
    pool::{Status, tell},
    time::Reading,
};

/// The chain as it was.
#[derive(Debug)]
struct Snapshot {
    finalized: BlockRef,
    /// The blocks after the final one, which another branch may have replaced since.
    tail: Vec<BlockRef>,
    clock: Reading,
    /// What waited.
    waiting: Vec<Vec<u8>>,
}

/// The snapshots, by number.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    last: u32,
    taken: BTreeMap<u32, Snapshot>,
}

/// Why there is no snapshot.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// There are too many.
    #[error("there are {0} snapshots, and no more are kept; return to one to forget those after it")]
    TooMany(usize),
    /// It was never taken, or is forgotten.
    #[error("there is no snapshot {0}; returning to one forgets it and all that were taken after it")]
    Unknown(u32),
    /// The return could not be stored. It took place; nothing more is stored.
    #[error("could not store that the chain went back")]
    Store(#[from] JournalError),
    /// It is of no chain that this one came from.
    #[error("snapshot {snapshot} cannot be returned to")]
    Detached {
        /// Its number.
        snapshot: u32,
        /// Why.
        #[source]
        source: BranchError,
    },
}

impl Node {
    /// Remembers the chain as it is: its blocks, what is final, its clock and the transactions that wait. Answers the snapshot's
    /// number.
    pub fn snapshot(&self) -> Result<u32, SnapshotError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshots.taken.len() >= self.limits.snapshots_max {
            return Err(SnapshotError::TooMany(snapshots.taken.len()));
        }
        let finalized = self.chain.finalized();
        let after = finalized.number() + 1..=self.chain.best().number();
        let snapshot = Snapshot {
            tail: after.filter_map(|number| self.chain.by_number(number)).collect(),
            finalized,
            clock: self.clock.read(),
            waiting: self.pool().pending(),
        };
        self.chain.pin(&snapshot.finalized, &snapshot.tail);
        snapshots.last += 1;
        let number = snapshots.last;
        snapshots.taken.insert(number, snapshot);
        Ok(number)
    }

    /// Makes the chain what it was when the snapshot was taken, final blocks included, and forgets this snapshot and all
    /// that were taken after it. Transactions that came since are dropped; those that waited then wait again. Answers the newest
    /// block.
    pub fn revert(&self, number: u32) -> Result<BlockRef, SnapshotError> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = {
            let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
            let snapshot = snapshots.taken.remove(&number).ok_or(SnapshotError::Unknown(number))?;
            let later = snapshots.taken.split_off(&number);
            for forgotten in later.values() {
                self.chain.unpin(&forgotten.finalized, &forgotten.tail);
            }
            snapshot
        };
        let Snapshot { finalized, tail, clock, waiting } = snapshot;
        self.chain
            .revert(&finalized, &tail)
            .map_err(|source| SnapshotError::Detached { snapshot: number, source })?;
        self.chain.unpin(&finalized, &tail);
        self.clock.restore(clock);
        let mut records = vec![Record::Undone(finalized.number())];
        records.extend(tail.iter().map(|block| Record::Block((&**block).into())));
        self.store(&records)?;
        {
            let mut pool = self.pool();
            let gone = |number, block| self.chain.by_number(number).is_none_or(|kept| kept.hash() != block);
            for included in pool.retract(gone) {
                tell(included.watcher.as_ref(), Status::Dropped);
            }
            pool.clear();
        }
        for bytes in waiting {
            let hash = crate::pool::hash_of(&bytes);
            if let Ok(Ok(validity)) = self.validate(&bytes) {
                // It fitted when the snapshot was taken, and the pool is empty.
                let _ = self.pool().add(hash, bytes, validity, None);
            }
        }
        self.move_heads();
        tracing::info!(snapshot = number, best = self.chain.best().number(), "returned to a snapshot");
        Ok(self.chain.best())
    }
}
