//! The writer: one thread, one group at a time.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::merkle::Frontier;
use protocol::receipt::Countersigned;
use tokio::sync::{mpsc, watch};

use super::error::ReadError;
use super::ingress::{Message, Reply};
use super::schema::{self, Owner};
use super::store::{Group, Store};
use super::{AppendError, Appended, LogHead};

/// State of the writer between groups.
pub(super) struct Engine {
    store: Arc<Store>,
    owner: Owner,
    /// The log's frontier; `None` after a failed write, when only the disk knows how far it got.
    frontier: Option<Frontier>,
    group_receipts_max: NonZeroUsize,
    head: watch::Sender<LogHead>,
}

/// One answer with its addressee.
type Answer<T> = (Reply<T>, Result<T, AppendError>);

/// Answers that may leave only once the group is on disk.
#[derive(Default)]
struct Answers {
    appends: Vec<Answer<Appended>>,
    reservations: Vec<Answer<Range<u64>>>,
}

/// What this group has decided so far and the disk does not show yet.
#[derive(Default)]
struct Pending {
    by_sequence: HashMap<[u8; 40], (u64, Digest)>,
    sequences: HashMap<AccountId, u64>,
}

impl Engine {
    pub(super) fn new(
        store: Arc<Store>,
        owner: Owner,
        frontier: Frontier,
        group_receipts_max: NonZeroUsize,
        head: watch::Sender<LogHead>,
    ) -> Self {
        Self { store, owner, frontier: Some(frontier), group_receipts_max, head }
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
        let written = self.prepare_and_write(messages, &mut answers);
        match written {
            Ok(frontier) => {
                let head = LogHead { size: frontier.size(), root: frontier.root() };
                self.frontier = Some(frontier);
                self.head.send_if_modified(|old| std::mem::replace(old, head) != head);
                answers.send();
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the ledger did not take a group of receipts"
                );
                self.frontier = None;
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
    ) -> Result<Frontier, AppendError> {
        let mut frontier = match &self.frontier {
            Some(frontier) => frontier.clone(),
            None => self.store.frontier().map_err(append_error)?,
        };
        let mut pending = Pending::default();
        let mut group = self.store.group();
        for message in messages.drain(..) {
            match message {
                Message::Append { receipt, reply } => {
                    let outcome = self.prepare_append(&receipt, &mut frontier, &mut pending, &mut group);
                    answers.appends.push((reply, outcome));
                }
                Message::Reserve { miner, count, reply } => {
                    let outcome = self.prepare_reservation(miner, count, &mut pending, &mut group);
                    answers.reservations.push((reply, outcome));
                }
            }
        }
        if group.is_empty() {
            return Ok(frontier);
        }
        group.put_frontier(&frontier);
        self.store.write_synced(group).map_err(AppendError::Storage)?;
        Ok(frontier)
    }

    fn prepare_append(
        &self,
        receipt: &Countersigned,
        frontier: &mut Frontier,
        pending: &mut Pending,
        group: &mut Group<'_>,
    ) -> Result<Appended, AppendError> {
        let ticket = receipt.ticket();
        if ticket.validator != self.owner.validator || ticket.netuid != self.owner.netuid {
            return Err(AppendError::NotOurs);
        }
        let leaf = receipt.leaf_hash();
        let key = schema::by_sequence(&ticket.miner, ticket.sequence);
        let known = match pending.by_sequence.get(&key) {
            Some(known) => Some(*known),
            None => self.store.by_sequence(&key).map_err(append_error)?,
        };
        match known {
            Some((index, held)) if held == leaf => Ok(Appended::Same { index }),
            Some((index, _)) => Err(AppendError::Conflict { index }),
            None => {
                let index = frontier.size();
                group.put_receipt(index, receipt, leaf);
                frontier.push(leaf);
                pending.by_sequence.insert(key, (index, leaf));
                Ok(Appended::New { index })
            }
        }
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
            None => self.store.next_sequence(&miner).map_err(append_error)?,
        };
        let next = first.saturating_add(count);
        group.put_next_sequence(&miner, next);
        pending.sequences.insert(miner, next);
        Ok(first..next)
    }
}

impl Answers {
    // A caller that no longer waits is no reason to stop: the write happened all the same.
    fn send(self) {
        for (reply, outcome) in self.appends {
            let _ = reply.send(outcome);
        }
        for (reply, outcome) in self.reservations {
            let _ = reply.send(outcome);
        }
    }

    fn refuse(self, error: &AppendError) {
        for (reply, _) in self.appends {
            let _ = reply.send(Err(error.clone()));
        }
        for (reply, _) in self.reservations {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn refuse_message(message: Message, error: &AppendError) {
        match message {
            Message::Append { reply, .. } => drop(reply.send(Err(error.clone()))),
            Message::Reserve { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

fn append_error(error: ReadError) -> AppendError {
    match error {
        ReadError::Storage(source) => AppendError::Storage(source),
        other => AppendError::Damaged { what: other.to_string() },
    }
}
