//! Receipts and their proofs.

use jsonrpsee::types::ErrorObjectOwned;
use protocol::digest::Digest;
use protocol::receipt::{FinishReason, Outcome, Signatures};
use protocol::ticket::Kind;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use crate::ledger::Stored;
use crate::staker_rpc::error::{ledger, not_found, too_large};
use crate::staker_rpc::params::{HashParams, ProofParams, ReceiptPageParams, cursor, page_limit};
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Hash};

/// One receipt of the log.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Receipt {
    /// Its place in the log.
    pub index: u64,
    /// Hash of the part that the miner signed.
    pub receipt_hash: Hash,
    /// Its leaf in the log: SHA-256 of 0x00 and the record's bytes.
    pub leaf_hash: Hash,
    /// Hash of the ticket that it answers.
    pub ticket_hash: Hash,
    /// Who served.
    pub miner: Account,
    /// Who ordered.
    pub validator: Account,
    /// What was ordered: `chat`, `completion`, `embedding`, `probe`, `bounty_claim`.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// The model.
    pub model: String,
    /// SHA-256 of its weights.
    pub weights_digest: Hash,
    /// Number of the ticket among those for this miner.
    pub sequence: String,
    /// When the ticket was issued.
    pub issued_at_ms: u64,
    /// Tokens read, as the miner signed.
    pub prompt_tokens: u32,
    /// Tokens written, as the miner signed.
    pub completion_tokens: u32,
    /// Milliseconds to the first token, as the miner signed.
    pub first_token_ms: u32,
    /// Milliseconds to the end, as the miner signed.
    pub total_ms: u32,
    /// Why the miner stopped: `stop`, `length`, `cancelled`, `error`.
    #[schemars(with = "String")]
    pub finish_reason: FinishReason,
    /// SHA-256 of the output, as the miner signed.
    pub output_sha256: Hash,
    /// SHA-256 of the request's body.
    pub request_sha256: Hash,
    /// The miner's receipt before this one.
    pub previous: Hash,
    /// What the validator measured itself.
    pub observed: Observed,
    /// The three signatures.
    #[schemars(with = "SignaturesSchema")]
    pub signatures: Signatures,
    /// Whether it counts for scores, its model's place in the catalogue and the window aside: delivered whole, as signed, ended well.
    pub counts: bool,
}

/// What the validator measured itself.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Observed {
    /// `delivered`, `client_gone`, `miner_failed` or `output_mismatch`.
    #[schemars(with = "String")]
    pub outcome: Outcome,
    /// Milliseconds from request to first byte.
    pub first_byte_ms: u32,
    /// Milliseconds from request to last byte.
    pub last_byte_ms: u32,
    /// Tokens that reached the user.
    pub tokens_delivered: u32,
    /// SHA-256 of the bytes relayed.
    pub output_sha256: Hash,
}

/// The signatures of one call, in hex.
#[derive(JsonSchema)]
#[schemars(rename = "Signatures")]
#[expect(dead_code, reason = "it lends its shape to a type of another crate")]
struct SignaturesSchema {
    /// The validator's, over the ticket.
    ticket: String,
    /// The miner's, over the receipt.
    receipt: String,
    /// The validator's, over what it observed.
    countersignature: String,
}

/// One receipt with its bytes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct WholeReceipt {
    /// The receipt.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// The record's SCALE bytes with all three signatures, in hex: enough to check it alone.
    pub encoded: String,
}

/// That a receipt is in the log.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Proof {
    /// The shard whose log it is; 0 for a validator with one gateway.
    pub shard: u8,
    /// The receipt's place.
    pub index: u64,
    /// SHA-256 of 0x00 and `encoded`.
    pub leaf_hash: Hash,
    /// Receipts in the tree that the proof is for.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// The tempo whose head signs that root; null for the log as it is.
    pub epoch: Option<u64>,
    /// Digest of that head, which the validator commits to on chain; null for the log as it is, and from the gateway of another shard
    /// than 0, which keeps its own shard's heads.
    pub head: Option<Hash>,
    /// The siblings on the way to the root, lowest first (RFC 6962, section 2.1.1).
    pub path: Vec<Hash>,
    /// The record's bytes, in hex.
    pub encoded: String,
}

pub(in crate::staker_rpc) async fn page(
    params: ReceiptPageParams,
    at: At,
) -> Result<Page<Receipt>, ErrorObjectOwned> {
    let (limit, before, miner) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?, params.miner);
    let page = at.ledger.read(move |reader| reader.page(miner.as_ref(), before, limit)).await;
    let page = page.map_err(|error| ledger(&error))?;
    Ok(Page {
        items: page.items.iter().map(Receipt::from).collect(),
        next_cursor: page.before_next.map(|index| index.to_string()),
    })
}

pub(in crate::staker_rpc) async fn one(params: HashParams, at: At) -> Result<WholeReceipt, ErrorObjectOwned> {
    let stored = find(params.hash, &at).await?;
    Ok(WholeReceipt { receipt: (&stored).into(), encoded: encoded(&stored) })
}

pub(in crate::staker_rpc) async fn proof(params: ProofParams, at: At) -> Result<Proof, ErrorObjectOwned> {
    let stored = find(params.hash, &at).await?;
    let shard = at.ledger.owner().shard;
    let (size, head) = match params.epoch {
        None => (at.ledger.head().size, None),
        Some(epoch) => {
            let read = at.ledger.read(move |reader| Ok((reader.head(epoch)?, reader.shard_head(epoch)?)));
            let (record, own) = read.await.map_err(|error| ledger(&error))?;
            let of_tempo = record.map(|record| record.head.head);
            let named = of_tempo.and_then(|head| Some((head.log(shard)?.tree_size, Some(head.digest()))));
            let own = own.map(|own| (own.head.head.tree_size, None));
            named.or(own).ok_or_else(|| not_found("head of that epoch"))?
        }
    };
    let (index, leaves_max) = (stored.index, at.config.proof_leaves_max);
    if index >= size {
        return Err(not_found("such receipt in that epoch's log"));
    }
    let proof = at.ledger.read(move |reader| reader.proof_in(index, size, leaves_max)).await;
    let proof = proof.map_err(|error| ledger(&error))?;
    let proof = proof.ok_or_else(|| too_large("the log has outgrown proofs on request"))?;
    Ok(Proof {
        shard,
        index: proof.index,
        leaf_hash: proof.leaf.into(),
        size: proof.size,
        root: proof.root.into(),
        epoch: params.epoch,
        head: head.map(Into::into),
        path: proof.path.into_iter().map(Into::into).collect(),
        encoded: encoded(&stored),
    })
}

async fn find(hash: Digest, at: &At) -> Result<Stored, ErrorObjectOwned> {
    let stored = at.ledger.read(move |reader| reader.by_receipt_hash(&hash)).await;
    stored.map_err(|error| ledger(&error))?.ok_or_else(|| not_found("receipt"))
}

fn encoded(stored: &Stored) -> String {
    format!("0x{}", hex::encode(stored.receipt.encode()))
}

impl From<&Stored> for Receipt {
    fn from(stored: &Stored) -> Self {
        let Stored { index, receipt: countersigned } = stored;
        let (ticket, receipt, seen) =
            (countersigned.ticket(), countersigned.receipt(), countersigned.observation());
        Self {
            index: *index,
            receipt_hash: receipt.hash().into(),
            leaf_hash: countersigned.leaf_hash().into(),
            signatures: countersigned.signatures(),
            ticket_hash: receipt.ticket_hash.into(),
            miner: ticket.miner.into(),
            validator: ticket.validator.into(),
            kind: ticket.kind,
            model: ticket.model.to_string(),
            weights_digest: ticket.weights_digest.into(),
            sequence: ticket.sequence.to_string(),
            issued_at_ms: ticket.issued_at_ms,
            prompt_tokens: receipt.prompt_tokens,
            completion_tokens: receipt.completion_tokens,
            first_token_ms: receipt.first_token_ms,
            total_ms: receipt.total_ms,
            finish_reason: receipt.finish_reason,
            output_sha256: receipt.output_sha256.into(),
            request_sha256: ticket.request_sha256.into(),
            previous: receipt.previous.into(),
            observed: Observed {
                outcome: seen.outcome,
                first_byte_ms: seen.first_byte_ms,
                last_byte_ms: seen.last_byte_ms,
                tokens_delivered: seen.tokens_delivered,
                output_sha256: seen.output_sha256.into(),
            },
            counts: countersigned.counts(),
        }
    }
}
