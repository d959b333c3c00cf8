//! The writer: one thread, one group at a time. It writes and goes on; [`syncer`](super::syncer) syncs behind it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::merkle::Frontier;
use protocol::policy_document::SignedPolicyDocument;
use protocol::receipt::Countersigned;
use protocol::replay::LATE_MS_MAX;
use protocol::ticket::first_sequence;
use tokio::sync::{mpsc, watch};

use super::error::ReadError;
use super::ingress::{Answers, Message};
use super::prune::BLOCKS_TOGETHER;
use super::schema::{self, Owner};
use super::shards::ShardRecord;
use super::store::{Group, Store};
use super::syncer::Unsynced;
use super::volume::Volume;
use super::{AppendError, Appended, HeadRecord, HeadStored, LogHead};

/// State of the writer between groups.
pub(super) struct Engine {
    volume: Arc<Volume>,
    owner: Owner,
    /// The log's end; `None` after a failed write, when only the disk knows how far it got and the database is to be opened again.
    log: Option<Log>,
    group_receipts_max: NonZeroUsize,
    head: watch::Sender<LogHead>,
    unsynced: SyncSender<Unsynced>,
}

/// What an engine is made of.
pub(super) struct EngineParts {
    pub(super) volume: Arc<Volume>,
    pub(super) owner: Owner,
    pub(super) log: Log,
    pub(super) group_receipts_max: NonZeroUsize,
    /// Told after each group.
    pub(super) head: watch::Sender<LogHead>,
    /// Where written groups go; full when the disk does not keep up, which makes the writer wait.
    pub(super) unsynced: SyncSender<Unsynced>,
}

/// The end of the log.
#[derive(Clone)]
pub(super) struct Log {
    pub(super) frontier: Frontier,
    /// The latest time at which a receipt was issued.
    pub(super) newest_ms: u64,
}

/// A group that is in the log and not yet synced.
struct Written {
    store: Arc<Store>,
    log: Log,
    /// Whether there was anything to write.
    wrote: bool,
}

/// What this group has decided so far and the disk does not show yet.
#[derive(Default)]
struct Pending {
    by_sequence: HashMap<[u8; 40], (u64, Digest)>,
    sequences: HashMap<AccountId, u64>,
    head: Option<HeadRecord>,
    shard_head: Option<ShardRecord>,
}

impl Engine {
    pub(super) fn new(parts: EngineParts) -> Self {
        let EngineParts { volume, owner, log, group_receipts_max, head, unsynced } = parts;
        Self { volume, owner, log: Some(log), group_receipts_max, head, unsynced }
    }

    /// Works until every handle is gone.
    pub(super) fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut group = Vec::with_capacity(self.group_receipts_max.get());
        while let Some(first) = inbox.blocking_recv() {
            group.push(first);
            while group.len() < self.group_receipts_max.get() {
                let Ok(next) = inbox.try_recv() else { break };
                group.push(next);
            }
            self.commit(&mut group);
        }
    }

    fn commit(&mut self, messages: &mut Vec<Message>) {
        let mut answers = Answers::default();
        let began = Instant::now();
        let written = self.prepare_and_write(messages, &mut answers);
        match written {
            Ok(Written { store, log, wrote }) => {
                let head = LogHead { size: log.frontier.size(), root: log.frontier.root() };
                self.log = Some(log);
                self.head.send_if_modified(|old| std::mem::replace(old, head) != head);
                answers.send_written();
                // Nothing written is still an answer in its turn: what it repeats may not be synced yet.
                let group = Unsynced { store, wrote_from: wrote.then_some(began), answers };
                if let Err(returned) = self.unsynced.send(group) {
                    returned.0.answers.refuse(&AppendError::Closed);
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the ledger did not take a group of receipts"
                );
                self.log = None;
                answers.refuse(&error);
                for message in messages.drain(..) {
                    Answers::refuse_message(message, &error);
                }
            }
        }
    }

    fn prepare_and_write(
        &self,
        messages: &mut Vec<Message>,
        answers: &mut Answers,
    ) -> Result<Written, AppendError> {
        let held = match &self.log {
            Some(log) => Some((self.volume.store().map_err(append_error)?, log.clone())),
            None => None,
        };
        let (store, mut log) = match held.filter(|(store, _)| !store.has_lost_a_sync()) {
            Some(held) => held,
            None => self.recover()?,
        };
        let mut pending = Pending::default();
        let mut group = store.group();
        for message in messages.drain(..) {
            match message {
                Message::Append { receipt, written, reply } => {
                    let outcome = self.prepare_append(&receipt, &mut log, &mut pending, &mut group);
                    answers.written.extend(written.map(|written| (written, outcome.clone())));
                    answers.appends.push((reply, outcome));
                }
                Message::Reserve { miner, count, reply } => {
                    let outcome = self.prepare_reservation(miner, count, &mut pending, &mut group);
                    answers.reservations.push((reply, outcome));
                }
                Message::PutEvidence { evidence, reply } => {
                    // The digest is in the key: the same evidence twice is one.
                    group.put_evidence(&evidence);
                    answers.evidence.push((reply, Ok(())));
                }
                Message::PutSums { sums, reply } => {
                    group.put_sums(&sums);
                    answers.evidence.push((reply, Ok(())));
                }
                Message::PutShardHead { record, reply } => {
                    let outcome = self.prepare_shard_head(&record, &log, &mut pending, &mut group);
                    answers.heads.push((reply, outcome));
                }
                Message::Prune { end, reply } => {
                    let outcome = store.prune(end, BLOCKS_TOGETHER).map_err(append_error);
                    answers.pruned.push((reply, outcome));
                }
                Message::PutHead { record, document, reply } => {
                    let outcome = self.prepare_head(&record, &document, &log, &mut pending, &mut group);
                    answers.heads.push((reply, outcome));
                }
            }
        }
        let wrote = !group.is_empty();
        if wrote {
            group.put_frontier(&log.frontier);
            group.write().map_err(AppendError::of_write)?;
        }
        Ok(Written { store, log, wrote })
    }

    /// Opens the database again and reads how far it got.
    fn recover(&self) -> Result<(Arc<Store>, Log), AppendError> {
        let store = self.volume.reopen()?;
        let frontier = store.frontier().map_err(append_error)?;
        let newest_ms = store.newest_ms().map_err(append_error)?;
        tracing::info!(receipts = frontier.size(), "the ledger's disk takes writes again");
        Ok((store, Log { frontier, newest_ms }))
    }

    fn prepare_append(
        &self,
        receipt: &Countersigned,
        log: &mut Log,
        pending: &mut Pending,
        group: &mut Group<'_>,
    ) -> Result<Appended, AppendError> {
        let ticket = receipt.ticket();
        let Owner { validator, netuid, shard } = self.owner;
        if (ticket.validator, ticket.netuid, ticket.shard()) != (validator, netuid, shard) {
            return Err(AppendError::NotOurs);
        }
        let leaf = receipt.leaf_hash();
        let key = schema::by_sequence(&ticket.miner, ticket.sequence);
        let known = match pending.by_sequence.get(&key) {
            Some(known) => Some(*known),
            None => group.store().by_sequence(&key).map_err(append_error)?,
        };
        match known {
            Some((index, held)) if held == leaf => Ok(Appended::Same { index }),
            Some((index, _)) => Err(AppendError::Conflict { index }),
            None => {
                let late_ms = log.newest_ms.saturating_sub(ticket.issued_at_ms);
                if late_ms > LATE_MS_MAX {
                    return Err(AppendError::TooLate { late_ms });
                }
                let index = log.frontier.size();
                group.put_receipt(index, receipt, leaf);
                log.frontier.push(leaf);
                log.newest_ms = log.newest_ms.max(ticket.issued_at_ms);
                pending.by_sequence.insert(key, (index, leaf));
                Ok(Appended::New { index })
            }
        }
    }

    fn prepare_head(
        &self,
        record: &HeadRecord,
        document: &SignedPolicyDocument,
        log: &Log,
        pending: &mut Pending,
        group: &mut Group<'_>,
    ) -> Result<HeadStored, AppendError> {
        let head = &record.head.head;
        let refused = |why: &str| Err(AppendError::HeadRefused { why: why.to_owned() });
        if (head.validator, head.netuid) != (self.owner.validator, self.owner.netuid) {
            return Err(AppendError::NotOurs);
        }
        let pending_head =
            pending.head.as_ref().filter(|known| known.head.head.epoch_index == head.epoch_index);
        // A tree head names what its gateway's own log holds; the gateways of other shards sign none.
        let own = head.log(0).filter(|_| self.owner.shard == 0);
        let Some(own) = own else { return refused("only the gateway of shard 0 keeps tree heads") };
        let known = match pending_head {
            Some(known) => Some(known.clone()),
            None => group.store().head(head.epoch_index).map_err(append_error)?,
        };
        match known {
            Some(known) if known == *record => return Ok(HeadStored::Same),
            Some(_) => return Err(AppendError::HeadConflict { epoch_index: head.epoch_index }),
            None => {}
        }
        if document.document.hash() != head.policy {
            return refused("the policy document is not the one it names");
        }
        if (record.frontier.size(), record.frontier.root()) != (own.tree_size, own.root)
            || own.tree_size > log.frontier.size()
        {
            return refused("its size or root is not the log's");
        }
        let valid = record.head.clone().verify();
        let previous = match &pending.head {
            Some(previous) => Some(previous.clone()),
            None => group.store().latest_head().map_err(append_error)?,
        };
        let previous = previous.map(|previous| previous.head.verify()).transpose();
        let continued = valid.and_then(|valid| valid.follows(previous?.as_ref()));
        if let Err(error) = continued {
            return refused(&error.to_string());
        }
        group.put_head(record, document);
        pending.head = Some(record.clone());
        Ok(HeadStored::New)
    }

    fn prepare_shard_head(
        &self,
        record: &ShardRecord,
        log: &Log,
        pending: &mut Pending,
        group: &mut Group<'_>,
    ) -> Result<HeadStored, AppendError> {
        let head = &record.head.head;
        let refused = |why: &str| Err(AppendError::HeadRefused { why: why.to_owned() });
        let Owner { validator, netuid, shard } = self.owner;
        if (head.validator, head.netuid, head.shard) != (validator, netuid, shard) || shard == 0 {
            return Err(AppendError::NotOurs);
        }
        let last = match &pending.shard_head {
            Some(last) => Some(last.clone()),
            None => group.store().latest_shard_head().map_err(append_error)?,
        };
        if (record.frontier.size(), record.frontier.root()) != (head.tree_size, head.root)
            || head.tree_size > log.frontier.size()
        {
            return refused("its size or root is not the log's");
        }
        if let Some(last) = &last {
            let before = &last.head.head;
            if before.epoch_index == head.epoch_index {
                let same = before == head;
                let epoch_index = head.epoch_index;
                return if same {
                    Ok(HeadStored::Same)
                } else {
                    Err(AppendError::HeadConflict { epoch_index })
                };
            }
            if before.epoch_index > head.epoch_index || before.window_end_ms >= head.window_end_ms {
                return refused("a later head of this shard is there");
            }
        }
        let previous = last.map_or(Digest::ZERO, |last| last.head.head.digest());
        if head.previous != previous || record.head.clone().verify().is_err() {
            return refused("it does not name the one before, or is not signed");
        }
        group.put_shard_head(record);
        pending.shard_head = Some(record.clone());
        Ok(HeadStored::New)
    }

    fn prepare_reservation(
        &self,
        miner: AccountId,
        count: u64,
        pending: &mut Pending,
        group: &mut Group<'_>,
    ) -> Result<Range<u64>, AppendError> {
        let first = match pending.sequences.get(&miner) {
            Some(next) => *next,
            None => {
                group.store().next_sequence(&miner, first_sequence(self.owner.shard)).map_err(append_error)?
            }
        };
        let next = first.saturating_add(count);
        group.put_next_sequence(&miner, next);
        pending.sequences.insert(miner, next);
        Ok(first..next)
    }
}

fn append_error(error: ReadError) -> AppendError {
    match error {
        ReadError::Storage(source) => AppendError::Storage(source),
        other => AppendError::Damaged { what: other.to_string() },
    }
}
