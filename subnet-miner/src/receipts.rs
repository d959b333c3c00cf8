//! The miner's own copy of every receipt it signed, so that it can prove what it did even if the validator forgets.
//!
//! One writer thread owns the database. It chains each receipt to the one before it for the same shard of the same validator, signs it, and
//! writes it with a synced log before anyone else sees it; receipts that wait together share one sync. The same thread
//! keeps what must survive a restart: ticket sequences already answered, and how far each caller's nonces have come.

mod counts;
mod database;
mod engine;
mod ingress;
mod keys;
mod reader;
mod sequence;
mod volume;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::receipt::{Countersigned, SignedReceipt};
use protocol::signing::Keypair;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use self::counts::Counted;
pub use self::counts::{Counts, ModelCounts};
pub use self::database::DatabaseError;
pub use self::ingress::Draft;
use self::ingress::Message;
pub use self::keys::{Record, Shard};
pub use self::reader::{ReceiptReader, StoredReceipt};
pub use self::sequence::{SequenceRefused, SequenceWindow};

/// Limits of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Messages that may wait for the writer before senders wait. Default 1024.
    pub queue_messages_max: NonZeroUsize,
    /// Messages that share one synced write. Default 64.
    pub batch_messages_max: NonZeroUsize,
    /// Bytes of output fingerprints kept for validators that ask; the oldest are forgotten past it. Default 1 GiB.
    pub fingerprints_bytes_max: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        let number = |value| NonZeroUsize::new(value).expect("a literal above zero");
        Self {
            queue_messages_max: number(1024),
            batch_messages_max: number(64),
            fingerprints_bytes_max: 1 << 30,
        }
    }
}

/// Handle to the store. Cloning shares it; the writer stops when [`close`](Self::close) is called or the last clone goes.
#[derive(Clone, Debug)]
pub struct ReceiptStore {
    // Dropped before `writer`, so that the last clone's drop finds a writer that nobody can ask any more.
    sender: mpsc::Sender<Message>,
    writer: Arc<Writer>,
    counts: Counts,
}

/// The writer's thread. Dropping it waits until the database is closed: a process that ends while RocksDB works on another
/// thread may crash on its way out.
#[derive(Debug)]
struct Writer(Mutex<Option<JoinHandle<()>>>);

/// What the store remembers about callers from before a restart.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Ticket sequences that already have a receipt, by validator and shard.
    pub sequences: BTreeMap<Shard, SequenceWindow>,
    /// Nonces up to this one, in nanoseconds, may have been accepted, by caller.
    pub nonce_marks_ns: BTreeMap<AccountId, u64>,
}

/// Why nothing was stored. Nothing unstored leaves the miner.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The writer has been closed.
    #[error("the receipt store is closed")]
    Closed,
    /// RocksDB refused; the disk may be full or failing.
    #[error("the receipt store's disk failed")]
    Write(#[source] Arc<DatabaseError>),
}

impl ReceiptStore {
    /// Opens or creates the store in the folder `path` and starts its writer, which signs with `hotkey`.
    pub fn open(path: &Path, config: &StoreConfig, hotkey: Keypair) -> Result<Self, OpenError> {
        let volume = volume::Volume::open(path, config.fingerprints_bytes_max)
            .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        let engine = engine::Engine::new(volume, hotkey, config.batch_messages_max);
        let (sender, inbox) = mpsc::channel(config.queue_messages_max.get());
        let writer = std::thread::Builder::new()
            .name("receipts".to_owned())
            .spawn(move || engine.run(inbox))
            .map_err(OpenError::Thread)?;
        let writer = Arc::new(Writer(Mutex::new(Some(writer))));
        Ok(Self { sender, writer, counts: Counts::default() })
    }

    /// Chains, signs and stores the receipt of one answer. When this returns `Ok` the receipt is on disk.
    pub async fn append(&self, draft: Draft) -> Result<SignedReceipt, StoreError> {
        let counted = Counted::of(&draft);
        let receipt = self.ask(|reply| Message::Append { draft: Box::new(draft), reply }).await??;
        self.counts.add(counted);
        Ok(receipt)
    }

    /// What was signed since the start.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// Remembers that nonces up to the given ones, in nanoseconds, count as used after a restart.
    pub async fn set_nonce_marks(&self, marks_ns: Vec<(AccountId, u64)>) -> Result<(), StoreError> {
        self.ask(|reply| Message::SetNonceMarks { marks_ns, reply }).await?
    }

    /// Keeps what a validator countersigned: the proof that the call belongs into its log.
    pub async fn keep_countersigned(&self, calls: Vec<Countersigned>) -> Result<(), StoreError> {
        self.ask(|reply| Message::KeepCountersigned { calls, reply }).await?
    }

    /// The SCALE bytes of a fingerprint that a receipt of this miner names, while it is kept.
    pub async fn fingerprint(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.ask(|reply| Message::Fingerprint { digest, reply }).await?
    }

    /// What is remembered about callers.
    pub async fn recover(&self) -> Result<Recovered, StoreError> {
        self.ask(|reply| Message::Recover { reply }).await?
    }

    /// Writes what is queued and closes the database. Other clones answer [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        // A writer that is gone has nothing left to close.
        let _ = self.sender.send(Message::Close).await;
        let writer = Arc::clone(&self.writer);
        if tokio::task::spawn_blocking(move || writer.join()).await.is_err() {
            tracing::error!("waiting for the receipt writer failed");
        }
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.sender.send(message(reply)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }
}

impl Writer {
    fn join(&self) {
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the receipt writer ended by a panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.join();
    }
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// RocksDB could not open the folder, or it holds another format.
    #[error("cannot open the receipt store {}", path.display())]
    Database {
        /// The folder.
        path: PathBuf,
        /// What RocksDB or the format check said.
        #[source]
        source: DatabaseError,
    },
    /// The writer's thread could not be started.
    #[error("cannot start the receipt writer")]
    Thread(#[source] std::io::Error),
}

#[cfg(test)]
mod tests;
