//! What can go wrong with the ledger, one enum per operation.

use std::path::PathBuf;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::receipt::ReceiptError;

/// The ledger's folder could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the folder.
    #[error("the ledger at {path} is in use by another process; stop it first", path = path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds a RocksDB database that is not a ledger.
    #[error("{path} is a RocksDB database but not a receipt ledger; give an empty folder or the right one", path = path.display())]
    NotALedger {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by another version of this program.
    #[error(
        "the ledger has format {found}, this program reads format {expected}; use the version that wrote it"
    )]
    WrongFormat {
        /// What the folder says.
        found: u32,
        /// What this program reads.
        expected: u32,
    },
    /// The folder belongs to another validator or subnet.
    #[error(
        "the ledger belongs to shard {shard} of {validator} on subnet {netuid}; every hotkey and every shard needs its own state folder"
    )]
    OtherOwner {
        /// The hotkey that wrote it.
        validator: AccountId,
        /// The subnet it was written for.
        netuid: u16,
        /// The shard it was written as.
        shard: u8,
    },
    /// Something in the folder contradicts itself.
    #[error("the ledger is damaged: {what}; restore a backup, nothing was changed")]
    Damaged {
        /// Which check failed.
        what: String,
    },
    /// RocksDB refused for another reason.
    #[error("cannot open the ledger at {path}", path = path.display())]
    Storage {
        /// The folder.
        path: PathBuf,
        /// RocksDB's reason.
        #[source]
        source: rocksdb::Error,
    },
    /// The writer thread could not be started.
    #[error("cannot start the ledger's writer thread")]
    Thread(#[source] std::io::Error),
}

/// A receipt was not appended. Nothing was acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The ledger already holds another receipt under this (miner, sequence number).
    #[error("the ledger holds a different receipt for this call at index {index}")]
    Conflict {
        /// Where the other one is.
        index: u64,
    },
    /// The receipt is of another validator, subnet or shard than this ledger.
    #[error("the receipt belongs to another validator, subnet or shard")]
    NotOurs,
    /// The receipt was issued too long before one that the log holds.
    #[error(
        "the call was issued {late_ms} ms before one that the log holds already; it can no longer be appended"
    )]
    TooLate {
        /// How long before.
        late_ms: u64,
    },
    /// The ledger already holds another head for this tempo.
    #[error("the ledger holds a different head for epoch {epoch_index}")]
    HeadConflict {
        /// The tempo.
        epoch_index: u64,
    },
    /// The head does not continue the one before, or is not of this log.
    #[error("the head does not continue this log: {why}")]
    HeadRefused {
        /// What does not fit.
        why: String,
    },
    /// The disk is full, or the process has used up its share of it.
    #[error("the ledger's disk is full: make room; the ledger goes on by itself")]
    DiskFull(#[source] rocksdb::Error),
    /// The disk did not take the write for another reason.
    #[error("the ledger could not write to its disk")]
    Storage(#[source] rocksdb::Error),
    /// An earlier write failed, and the disk still takes none.
    #[error("the ledger waits until its disk takes writes again: {why}")]
    DiskRefuses {
        /// What the last try came to.
        why: String,
    },
    /// An earlier write failed, and the database could not be opened again.
    #[error("the ledger could not be opened again after a failed write")]
    Reopening(#[source] Arc<OpenError>),
    /// What the ledger holds contradicts itself.
    #[error("the ledger is damaged: {what}")]
    Damaged {
        /// Which check failed.
        what: String,
    },
    /// The writer has stopped.
    #[error("the ledger is closed")]
    Closed,
}

impl AppendError {
    /// A write that RocksDB refused. It has no number for a full disk, only the system's words.
    pub(super) fn of_write(error: rocksdb::Error) -> Self {
        const FULL: [&str; 3] = ["No space left", "File too large", "quota exceeded"];
        let text = error.to_string();
        if FULL.iter().any(|words| text.contains(words)) {
            Self::DiskFull(error)
        } else {
            Self::Storage(error)
        }
    }
}

/// The ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// RocksDB failed.
    #[error("the ledger could not read from its disk")]
    Storage(#[from] rocksdb::Error),
    /// What was read contradicts the rest of the ledger.
    #[error("the ledger is damaged: {what}")]
    Damaged {
        /// Which check failed.
        what: String,
    },
    /// A stored receipt no longer passes its checks.
    #[error("the receipt at index {index} does not verify")]
    BadReceipt {
        /// Where it is.
        index: u64,
        /// Which check failed.
        #[source]
        source: ReceiptError,
    },
    /// What is asked for was removed because it was old.
    #[error("receipts before {first} were removed because they were old")]
    Pruned {
        /// The first that is still there.
        first: u64,
    },
    /// The database is being opened again after its disk failed.
    #[error("the ledger is being opened again after its disk failed; try again")]
    Unavailable,
    /// The reading task was stopped.
    #[error("reading was interrupted")]
    Interrupted,
}

impl ReadError {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
