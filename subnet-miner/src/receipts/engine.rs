//! The writer's loop: chain, sign, write together, then answer.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::fingerprint::Fingerprint;
use protocol::receipt::{Receipt, SignedReceipt};
use protocol::signing::Keypair;
use tokio::sync::mpsc;

use super::database::{Database, DatabaseError};
use super::ingress::{Draft, Message, Pending};
use super::keys::{Record, Shard, ValidatorHead, first_position};
use super::volume::Volume;
use super::{Recovered, StoreError};

pub(super) struct Engine {
    volume: Volume,
    hotkey: Keypair,
    batch_messages_max: NonZeroUsize,
    /// The ends of the chains as they are on disk, of the validators' shards seen so far.
    heads: BTreeMap<Shard, ValidatorHead>,
}

impl Engine {
    pub fn new(volume: Volume, hotkey: Keypair, batch_messages_max: NonZeroUsize) -> Self {
        Self { volume, hotkey, batch_messages_max, heads: BTreeMap::new() }
    }

    /// Works until told to close or nobody is left to ask.
    pub fn run(mut self, mut inbox: mpsc::Receiver<Message>) {
        while let Some(first) = inbox.blocking_recv() {
            let mut messages = vec![first];
            while messages.len() < self.batch_messages_max.get() {
                let Ok(message) = inbox.try_recv() else { break };
                messages.push(message);
            }
            if !self.commit(messages) {
                return;
            }
        }
    }

    /// Writes one batch; false when it held the order to close.
    fn commit(&mut self, messages: Vec<Message>) -> bool {
        let database = match self.volume.database() {
            Ok(database) => database,
            Err(error) => return refuse(messages, Arc::new(error)),
        };
        let mut open = true;
        let mut pending = Vec::with_capacity(messages.len());
        let (mut recoveries, mut wanted) = (Vec::new(), Vec::new());
        // Heads change here first and count only once they are on disk.
        let mut staged = BTreeMap::new();
        let mut batch = database.batch();
        for message in messages {
            match message {
                Message::Append { draft, reply } => {
                    if let Some(fingerprint) = &draft.fingerprint {
                        batch.fingerprint(fingerprint);
                    }
                    match sign_next(database, &self.heads, &mut staged, &self.hotkey, *draft) {
                        Ok((validator, position, record)) => {
                            batch.receipt(&validator, position, &record);
                            pending.push(Pending::Receipt { receipt: Box::new(record.receipt), reply });
                        }
                        Err(error) => {
                            let _ = reply.send(Err(StoreError::Write(Arc::new(error))));
                        }
                    }
                }
                Message::SetNonceMarks { marks_ns, reply } => {
                    marks_ns.iter().for_each(|(caller, mark_ns)| batch.nonce_mark_ns(caller, *mark_ns));
                    pending.push(Pending::Written { reply });
                }
                Message::KeepCountersigned { calls, reply } => {
                    calls.iter().for_each(|call| batch.countersigned(call));
                    pending.push(Pending::Written { reply });
                }
                Message::Fingerprint { digest, reply } => wanted.push((digest, reply)),
                Message::Recover { reply } => recoveries.push(reply),
                Message::Close => open = false,
            }
        }
        for (shard, head) in &staged {
            batch.head(shard, head);
        }
        let written = batch.commit().map_err(Arc::new);
        pending.into_iter().for_each(|promise| promise.settle(written.clone()));
        for (digest, reply) in wanted {
            let found = database.fingerprint(&digest);
            let _ = reply.send(found.map_err(|error| StoreError::Write(Arc::new(error))));
        }
        for reply in recoveries {
            let _ = reply.send(recover(database).map_err(|error| StoreError::Write(Arc::new(error))));
        }
        match &written {
            Ok(()) => self.heads.extend(staged),
            Err(error) => {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, "receipts could not be written; nothing of them leaves the miner");
                // How far the write got is known once the log was read back.
                self.heads.clear();
                self.volume.fail();
            }
        }
        open
    }
}

/// Answers a batch that cannot be begun; false when it held the order to close.
fn refuse(messages: Vec<Message>, error: Arc<DatabaseError>) -> bool {
    let mut open = true;
    let refusal = || StoreError::Write(Arc::clone(&error));
    for message in messages {
        match message {
            Message::Append { reply, .. } => drop(reply.send(Err(refusal()))),
            Message::SetNonceMarks { reply, .. } | Message::KeepCountersigned { reply, .. } => {
                drop(reply.send(Err(refusal())));
            }
            Message::Fingerprint { reply, .. } => drop(reply.send(Err(refusal()))),
            Message::Recover { reply } => drop(reply.send(Err(refusal()))),
            Message::Close => open = false,
        }
    }
    open
}

fn recover(database: &Database) -> Result<Recovered, DatabaseError> {
    let heads = database.heads()?;
    Ok(Recovered {
        sequences: heads.into_iter().map(|(shard, head)| (shard, head.sequences)).collect(),
        nonce_marks_ns: database.nonce_marks_ns()?.into_iter().collect(),
    })
}

/// Puts the receipt at the end of its shard's chain and signs it.
fn sign_next(
    database: &Database,
    on_disk: &BTreeMap<Shard, ValidatorHead>,
    staged: &mut BTreeMap<Shard, ValidatorHead>,
    hotkey: &Keypair,
    draft: Draft,
) -> Result<(AccountId, u64, Record), DatabaseError> {
    let shard = (draft.ticket.validator, draft.ticket.shard());
    let mut head = match staged.get(&shard).or_else(|| on_disk.get(&shard)) {
        Some(head) => head.clone(),
        None => database.head(&shard)?.unwrap_or_default(),
    };
    let receipt: SignedReceipt = Receipt {
        ticket_hash: draft.ticket.hash(),
        output_sha256: draft.output_sha256,
        prompt_tokens: draft.prompt_tokens,
        completion_tokens: draft.completion_tokens,
        first_token_ms: draft.first_token_ms,
        total_ms: draft.total_ms,
        finish_reason: draft.finish_reason,
        fingerprint: draft.fingerprint.as_ref().map(Fingerprint::digest),
        previous: head.previous,
    }
    .sign(hotkey);
    let position = first_position(shard.1) + head.receipts;
    head.receipts += 1;
    head.previous = receipt.receipt.hash();
    // Admission already refused used sequences; a receipt is kept whatever its number.
    let _ = head.sequences.admit(draft.ticket.sequence);
    staged.insert(shard, head);
    Ok((shard.0, position, Record { ticket: draft.ticket.into_signed(), receipt }))
}
