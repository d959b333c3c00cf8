//! What the writer can be asked.

use std::sync::Arc;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::fingerprint::Fingerprint;
use protocol::receipt::{Countersigned, FinishReason, SignedReceipt};
use protocol::ticket::ValidTicket;
use tokio::sync::oneshot;

use super::{DatabaseError, Recovered, StoreError};

/// A receipt but for its place in the chain and its signature, which the writer adds.
#[derive(Debug)]
pub struct Draft {
    /// The ticket that was answered.
    pub ticket: ValidTicket,
    /// SHA-256 of the answer's bytes.
    pub output_sha256: Digest,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub completion_tokens: u32,
    /// From the request's arrival to its first token, in milliseconds.
    pub first_token_ms: u32,
    /// From the request's arrival to its last token, in milliseconds.
    pub total_ms: u32,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// What the model's states were, where it has any.
    pub fingerprint: Option<Fingerprint>,
}

#[derive(Debug)]
pub(super) enum Message {
    Append { draft: Box<Draft>, reply: oneshot::Sender<Result<SignedReceipt, StoreError>> },
    SetNonceMarks { marks_ns: Vec<(AccountId, u64)>, reply: oneshot::Sender<Result<(), StoreError>> },
    KeepCountersigned { calls: Vec<Countersigned>, reply: oneshot::Sender<Result<(), StoreError>> },
    Fingerprint { digest: Digest, reply: oneshot::Sender<Result<Option<Vec<u8>>, StoreError>> },
    Recover { reply: oneshot::Sender<Result<Recovered, StoreError>> },
    Close,
}

/// A promise that can only be kept once the batch is on disk.
pub(super) enum Pending {
    Receipt { receipt: Box<SignedReceipt>, reply: oneshot::Sender<Result<SignedReceipt, StoreError>> },
    Written { reply: oneshot::Sender<Result<(), StoreError>> },
}

impl Pending {
    /// Tells the one who asked how the write went. Nobody may be listening any more: the receipt is kept all the same.
    pub fn settle(self, written: Result<(), Arc<DatabaseError>>) {
        match self {
            Self::Receipt { receipt, reply } => {
                let _ = reply.send(written.map(|()| *receipt).map_err(StoreError::Write));
            }
            Self::Written { reply } => {
                let _ = reply.send(written.map_err(StoreError::Write));
            }
        }
    }
}
