//! The receipt ledger: an append-only Merkle log of countersigned receipts in RocksDB.
//!
//! One thread writes. It takes what waits in its queue as one group and writes it as one atomic batch: the receipts, their index
//! entries and the Merkle frontier together, so a crash leaves all of it or none. A second thread syncs the write-ahead log behind it,
//! many groups at once where the disk is slower, and only then are they acknowledged: an acknowledged receipt is on disk.
//!
//! [`Ledger::append`] waits for that. [`Ledger::write`] answers before it, as soon as the receipt is in the log where every reader finds
//! it, and where it stays though this process is killed: that is what a user's answer waits for. What tells others that a receipt
//! is kept (the miner's copy, a signed head) waits for the sync.
//!
//! Appending the same receipt twice answers [`Appended::Same`]; appending another receipt for the same call is refused, and so is
//! one issued more than an hour before the newest: the order that makes a window provably complete (`protocol::replay`).
//!
//! A write that fails acknowledges nothing, and callers see [`AppendError::DiskFull`] or [`AppendError::Storage`]. Every later
//! group first tries to open the database again, which succeeds once the disk takes bytes: service returns with the space, without
//! a restart.
//!
//! Receipts that no window needs any more can be removed; the log's proofs still hold then ([`prune`]).
//!
//! Beside the receipts it keeps one signed tree head for each tempo ([`HeadRecord`]), or the heads of its shard ([`shards`]).

pub mod error;
pub mod prune;
pub mod retention;
pub mod schema;
pub mod shards;

mod copy;
mod engine;
mod ingress;
mod reader;
mod store;
mod syncer;
mod volume;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use model_runtime::Durations;
use parity_scale_codec::{Decode, Encode, Input};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::ValidEvidence;
use protocol::head::SignedHead;
use protocol::merkle::Frontier;
use protocol::policy_document::SignedPolicyDocument;
use protocol::receipt::Countersigned;
use protocol::scoring::{Miner, ScoreTable};
use protocol::standing::Standings;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::copy::{CopyError, back_up, compact, restore};
pub use self::error::{AppendError, OpenError, ReadError};
pub use self::reader::{Metered, Page, Proof, Reader, Stored, Verified};
pub use self::schema::Owner;

use self::ingress::Message;
use self::prune::Pruned;
use self::store::Store;
use self::volume::Volume;

/// Where the ledger lies and how much may wait for it.
#[derive(Debug, Clone)]
pub struct LedgerConfig {
    /// The RocksDB folder; made if it does not exist.
    pub path: PathBuf,
    /// Whose ledger it is.
    pub owner: Owner,
    /// Receipts waiting for the writer; a caller past it waits.
    pub queue_receipts_max: NonZeroUsize,
    /// Receipts written as one group.
    pub group_receipts_max: NonZeroUsize,
    /// Groups written and not yet synced; the writer waits past it.
    pub unsynced_groups_max: NonZeroUsize,
}

impl LedgerConfig {
    /// The defaults for one owner: 4,096 waiting, groups of 256, 256 of them not yet synced.
    #[must_use]
    pub fn new(path: PathBuf, owner: Owner) -> Self {
        const QUEUE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
        const GROUP: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
        const UNSYNCED: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
        Self {
            path,
            owner,
            queue_receipts_max: QUEUE,
            group_receipts_max: GROUP,
            unsynced_groups_max: UNSYNCED,
        }
    }
}

/// What an append came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The receipt is new.
    New {
        /// Its place in the log.
        index: u64,
    },
    /// The log already held exactly this receipt.
    Same {
        /// Its place in the log.
        index: u64,
    },
}

/// A receipt that is in the log, and on its way to the disk.
#[derive(Debug)]
pub struct Written {
    /// What the append came to.
    pub appended: Appended,
    synced: oneshot::Receiver<Result<Appended, AppendError>>,
}

impl Written {
    /// Returns once the receipt is synced to disk.
    pub async fn synced(self) -> Result<Appended, AppendError> {
        self.synced.await.map_err(|_| AppendError::Closed)?
    }
}

/// A tempo's head with what it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct HeadRecord {
    /// The head.
    pub head: SignedHead,
    /// The Merkle frontier over the head's leaves.
    pub frontier: Frontier,
    /// The miners registered at the head's block.
    pub miners: Vec<Miner>,
    /// The scores that the head names.
    pub table: ScoreTable,
    /// The miners that are convicted or doubted in them.
    pub standings: Standings,
}

impl Decode for HeadRecord {
    fn decode<I: Input>(input: &mut I) -> Result<Self, parity_scale_codec::Error> {
        Ok(Self {
            head: SignedHead::decode(input)?,
            frontier: Frontier::decode(input)?,
            miners: Vec::decode(input)?,
            table: ScoreTable::decode(input)?,
            standings: Standings {
                // Records of format 2 end here, those of format 4 after it.
                convicted: if input.remaining_len()? == Some(0) { Vec::new() } else { Vec::decode(input)? },
                doubted: if input.remaining_len()? == Some(0) { Vec::new() } else { Vec::decode(input)? },
            },
        })
    }
}

/// What keeping a head came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadStored {
    /// It is new and now on disk.
    New,
    /// The ledger already held exactly this head.
    Same,
}

/// The log's size and root after a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// Receipts in the log.
    pub size: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Digest,
}

/// A handle to the ledger. Clones share one writer; dropping the last one stops it and closes the database.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    inbox: Option<mpsc::Sender<Message>>,
    /// The writer and the syncer, which ends after it.
    threads: Vec<JoinHandle<()>>,
    head: watch::Receiver<LogHead>,
    owner: Owner,
    volume: Arc<Volume>,
    write_times: Arc<Mutex<Durations>>,
}

impl Ledger {
    /// Opens or makes the ledger, checks that it is whole and ours, and starts its writer.
    pub fn open(config: LedgerConfig) -> Result<Self, OpenError> {
        let LedgerConfig { path, owner, queue_receipts_max, group_receipts_max, unsynced_groups_max } =
            config;
        let store = Store::open(&path, owner)?;
        let frontier = store.frontier().map_err(|error| store::open_damage(&path, error))?;
        let (head_sender, head) = watch::channel(LogHead { size: frontier.size(), root: frontier.root() });
        let (inbox, receiver) = mpsc::channel(queue_receipts_max.get());
        let newest_ms = store.newest_ms().map_err(|error| store::open_damage(&path, error))?;
        let log = engine::Log { frontier, newest_ms };
        let volume = Arc::new(Volume::new(path, owner, store));
        let write_times: Arc<Mutex<Durations>> = Arc::default();
        let (unsynced, groups) = std::sync::mpsc::sync_channel(unsynced_groups_max.get());
        let engine = engine::Engine::new(engine::EngineParts {
            volume: Arc::clone(&volume),
            owner,
            log,
            group_receipts_max,
            head: head_sender,
            unsynced,
        });
        let times = Arc::clone(&write_times);
        let thread = |name: &str| std::thread::Builder::new().name(name.into());
        let syncer = thread("ledger-sync")
            .spawn(move || syncer::run(&groups, unsynced_groups_max.get(), &times))
            .map_err(OpenError::Thread)?;
        let writer = thread("ledger").spawn(move || engine.run(receiver)).map_err(OpenError::Thread)?;
        let (inbox, threads) = (Some(inbox), vec![writer, syncer]);
        Ok(Self { inner: Arc::new(Inner { inbox, threads, head, owner, volume, write_times }) })
    }

    /// How long groups took from the beginning of their write to the end of their sync, since the ledger was opened.
    #[must_use]
    pub fn write_times(&self) -> Durations {
        *self.inner.write_times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a receipt; returns once it is synced to disk.
    pub async fn append(&self, receipt: Countersigned) -> Result<Appended, AppendError> {
        self.ask(|reply| Message::Append { receipt: Box::new(receipt), written: None, reply }).await
    }

    /// Appends a receipt; returns once it is written, with the place where its sync will be told of.
    pub async fn write(&self, receipt: Countersigned) -> Result<Written, AppendError> {
        let (reply, synced) = oneshot::channel();
        let receipt = Box::new(receipt);
        let appended = self.ask(|written| Message::Append { receipt, written: Some(written), reply }).await?;
        Ok(Written { appended, synced })
    }

    /// Takes the next `count` sequence numbers of this miner. They are never handed out again, also after a crash: a block that
    /// was taken and not used leaves a gap.
    pub async fn reserve_sequences(&self, miner: AccountId, count: u64) -> Result<Range<u64>, AppendError> {
        self.ask(|reply| Message::Reserve { miner, count, reply }).await
    }

    /// Keeps the head of a tempo with the rules it names; returns once both are synced to disk. There is one head for a
    /// tempo, and each continues the one before.
    pub async fn put_head(
        &self,
        record: HeadRecord,
        document: SignedPolicyDocument,
    ) -> Result<HeadStored, AppendError> {
        let (record, document) = (Box::new(record), Box::new(document));
        self.ask(|reply| Message::PutHead { record, document, reply }).await
    }

    /// Keeps evidence against a miner; returns once it is synced to disk. The same evidence twice is one.
    pub async fn put_evidence(&self, evidence: ValidEvidence) -> Result<(), AppendError> {
        self.ask(|reply| Message::PutEvidence { evidence: Box::new(evidence), reply }).await
    }

    /// Removes some of the receipts before `end`; nothing removed means that all whole blocks are.
    async fn prune_some(&self, end: u64) -> Result<Pruned, AppendError> {
        self.ask(|reply| Message::Prune { end, reply }).await
    }

    /// The log as of the last group.
    #[must_use]
    pub fn head(&self) -> LogHead {
        *self.inner.head.borrow()
    }

    /// Tells when the log grows.
    #[must_use]
    pub fn head_changes(&self) -> watch::Receiver<LogHead> {
        self.inner.head.clone()
    }

    /// Whose ledger it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.inner.owner
    }

    /// A reader. Its calls block on the disk; async code goes through [`Ledger::read`].
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.inner.volume))
    }

    /// Runs a read on a thread that may block.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        // The task holds the whole ledger, so that the database outlives it even if its caller goes away.
        let ledger = self.clone();
        tokio::task::spawn_blocking(move || read(&ledger.reader()))
            .await
            .map_err(|_| ReadError::Interrupted)?
    }

    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<T, AppendError>>) -> Message,
    ) -> Result<T, AppendError> {
        let (reply, answer) = oneshot::channel();
        let inbox = self.inner.inbox.as_ref().ok_or(AppendError::Closed)?;
        inbox.send(message(reply)).await.map_err(|_| AppendError::Closed)?;
        answer.await.map_err(|_| AppendError::Closed)?
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.take();
        for thread in self.threads.drain(..) {
            // The writer ends after the group in hand, the syncer after that; a panic in them has already been reported.
            let _ = thread.join();
        }
    }
}
