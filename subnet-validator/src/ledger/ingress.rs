//! What the ledger's writer can be asked, and what it owes whom.

use std::ops::Range;

use protocol::account::AccountId;
use protocol::evidence::ValidEvidence;
use protocol::policy_document::SignedPolicyDocument;
use protocol::receipt::Countersigned;
use tokio::sync::oneshot;

use super::prune::Pruned;
use super::shards::{ShardRecord, ShardSums};
use super::{AppendError, Appended, HeadRecord, HeadStored};

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, AppendError>>;

/// One request to the writer, with the place for its answer.
pub(super) enum Message {
    /// Append one receipt.
    Append {
        /// The receipt.
        receipt: Box<Countersigned>,
        /// Answered once it is written, which outlives this process but not the machine; for who does not wait for the sync.
        written: Option<Reply<Appended>>,
        /// Answered after the sync.
        reply: Reply<Appended>,
    },
    /// Reserve sequence numbers.
    Reserve {
        /// The miner they count calls to.
        miner: AccountId,
        /// How many.
        count: u64,
        /// Answered after the sync.
        reply: Reply<Range<u64>>,
    },
    /// Keep evidence.
    PutEvidence {
        /// The evidence.
        evidence: Box<ValidEvidence>,
        /// Answered after the sync.
        reply: Reply<()>,
    },
    /// Remove some of the receipts before an index.
    Prune {
        /// The first that stays in any case.
        end: u64,
        /// Answered after the sync.
        reply: Reply<Pruned>,
    },
    /// Keep the head of this shard.
    PutShardHead {
        /// The head with the frontier under it.
        record: Box<ShardRecord>,
        /// Answered after the sync.
        reply: Reply<HeadStored>,
    },
    /// Keep what another shard said.
    PutSums {
        /// Its head and its sums.
        sums: Box<ShardSums>,
        /// Answered after the sync.
        reply: Reply<()>,
    },
    /// Keep the head of a tempo.
    PutHead {
        /// The head with what it was made from.
        record: Box<HeadRecord>,
        /// The rules it names.
        document: Box<SignedPolicyDocument>,
        /// Answered after the sync.
        reply: Reply<HeadStored>,
    },
}

/// One answer with its addressee.
pub(super) type Answer<T> = (Reply<T>, Result<T, AppendError>);

/// Answers to one group. All but the first may leave only once it is synced.
#[derive(Default)]
pub(super) struct Answers {
    /// Appends whose callers do not wait for the sync: these may leave once the group is written.
    pub(super) written: Vec<Answer<Appended>>,
    pub(super) appends: Vec<Answer<Appended>>,
    pub(super) reservations: Vec<Answer<Range<u64>>>,
    pub(super) heads: Vec<Answer<HeadStored>>,
    pub(super) evidence: Vec<Answer<()>>,
    pub(super) pruned: Vec<Answer<Pruned>>,
}

impl Answers {
    /// The group is written: tells those who wait for no more.
    pub(super) fn send_written(&mut self) {
        for (reply, outcome) in self.written.drain(..) {
            let _ = reply.send(outcome);
        }
    }

    // A caller that no longer waits is no reason to stop: the write happened all the same.
    pub(super) fn send(mut self) {
        self.send_written();
        for (reply, outcome) in self.appends {
            let _ = reply.send(outcome);
        }
        for (reply, outcome) in self.reservations {
            let _ = reply.send(outcome);
        }
        for (reply, outcome) in self.heads {
            let _ = reply.send(outcome);
        }
        for (reply, outcome) in self.evidence {
            let _ = reply.send(outcome);
        }
        for (reply, outcome) in self.pruned {
            let _ = reply.send(outcome);
        }
    }

    pub(super) fn refuse(self, error: &AppendError) {
        for (reply, _) in self.written.into_iter().chain(self.appends) {
            let _ = reply.send(Err(error.clone()));
        }
        for (reply, _) in self.reservations {
            let _ = reply.send(Err(error.clone()));
        }
        for (reply, _) in self.heads {
            let _ = reply.send(Err(error.clone()));
        }
        for (reply, _) in self.evidence {
            let _ = reply.send(Err(error.clone()));
        }
        for (reply, _) in self.pruned {
            let _ = reply.send(Err(error.clone()));
        }
    }

    pub(super) fn refuse_message(message: Message, error: &AppendError) {
        match message {
            Message::Append { written, reply, .. } => {
                if let Some(written) = written {
                    let _ = written.send(Err(error.clone()));
                }
                drop(reply.send(Err(error.clone())));
            }
            Message::Reserve { reply, .. } => drop(reply.send(Err(error.clone()))),
            Message::PutEvidence { reply, .. } | Message::PutSums { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
            Message::Prune { reply, .. } => drop(reply.send(Err(error.clone()))),
            Message::PutHead { reply, .. } | Message::PutShardHead { reply, .. } => {
                drop(reply.send(Err(error.clone())));
            }
        }
    }
}
