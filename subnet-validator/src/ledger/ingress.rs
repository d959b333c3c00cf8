//! What the ledger's writer can be asked.

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
