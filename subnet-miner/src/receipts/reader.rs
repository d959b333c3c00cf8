//! Reading the store beside a running miner, for `subnet-miner receipts`.

use std::path::Path;

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::receipt::{FinishReason, UncheckedCountersigned};
use serde::Serialize;

use super::OpenError;
use super::database::{Database, DatabaseError};
use super::keys::{Record, first_position};

/// A read-only view of the store as it was when opened.
#[derive(Debug)]
pub struct ReceiptReader {
    database: Database,
}

/// One stored call, as people and scripts read it.
#[derive(Clone, Debug, Serialize)]
pub struct StoredReceipt {
    /// The validator that asked.
    pub validator: AccountId,
    /// Place in that validator's chain of receipts, from zero.
    pub position: u64,
    /// The ticket's sequence number.
    pub sequence: u64,
    /// The model that answered.
    pub model: String,
    /// When the validator issued the ticket, in milliseconds since the Unix epoch.
    pub issued_at_ms: u64,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub completion_tokens: u32,
    /// From arrival to the first token, in milliseconds.
    pub first_token_ms: u32,
    /// From arrival to the last token, in milliseconds.
    pub total_ms: u32,
    /// Why the answer ended.
    pub finish_reason: FinishReason,
    /// SHA-256 of the answer.
    pub output_sha256: Digest,
    /// Hash of the receipt.
    pub receipt_hash: Digest,
    /// Hash of the receipt before it for this validator.
    pub previous: Digest,
    /// The signed ticket, hex of its SCALE bytes.
    pub signed_ticket: String,
    /// The signed receipt, hex of its SCALE bytes.
    pub signed_receipt: String,
    /// The record that the validator countersigned and sent back, hex of its SCALE bytes: it belongs into the validator's log.
    pub countersigned: Option<String>,
}

impl ReceiptReader {
    /// Opens the store in the folder `path` for reading.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let database = Database::open_read_only(path)
            .map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
        Ok(Self { database })
    }

    /// The record of a call as its validator countersigned it and sent it back.
    pub fn countersigned(
        &self,
        validator: &AccountId,
        sequence: u64,
    ) -> Result<Option<UncheckedCountersigned>, DatabaseError> {
        self.database.countersigned(validator, sequence)
    }

    /// The newest `receipts_max` receipts of every validator together, or of one, oldest first.
    pub fn newest(
        &self,
        of: Option<AccountId>,
        receipts_max: u64,
    ) -> Result<Vec<StoredReceipt>, DatabaseError> {
        let mut found = Vec::new();
        for ((validator, shard), head) in self.database.heads()? {
            if of.is_some_and(|wanted| wanted != validator) {
                continue;
            }
            let from = first_position(shard) + head.receipts.saturating_sub(receipts_max);
            let end = first_position(shard) + head.receipts;
            for entry in self.database.receipts(&validator, from) {
                let (owner, position, record) = entry?;
                if owner != validator || position >= end {
                    break;
                }
                let copy = self.database.countersigned(&validator, record.ticket.ticket.sequence)?;
                let copy = copy.map(|copy| format!("0x{}", hex::encode(copy.encode())));
                found.push(StoredReceipt { countersigned: copy, ..describe(validator, position, record) });
            }
        }
        found.sort_by_key(|receipt| receipt.issued_at_ms);
        let surplus = found.len().saturating_sub(usize::try_from(receipts_max).unwrap_or(usize::MAX));
        found.drain(..surplus);
        Ok(found)
    }
}

fn describe(validator: AccountId, position: u64, record: Record) -> StoredReceipt {
    let (ticket, receipt) = (&record.ticket.ticket, &record.receipt.receipt);
    StoredReceipt {
        validator,
        position,
        sequence: ticket.sequence,
        model: ticket.model.as_str().to_owned(),
        issued_at_ms: ticket.issued_at_ms,
        prompt_tokens: receipt.prompt_tokens,
        completion_tokens: receipt.completion_tokens,
        first_token_ms: receipt.first_token_ms,
        total_ms: receipt.total_ms,
        finish_reason: receipt.finish_reason,
        output_sha256: receipt.output_sha256,
        receipt_hash: receipt.hash(),
        previous: receipt.previous,
        signed_ticket: record.ticket.to_header(),
        signed_receipt: record.receipt.to_header(),
        countersigned: None,
    }
}
