//! Receipts and their proofs, as stakers see them.

use jsonrpsee::types::{ErrorObjectOwned, Params};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::receipt::{FinishReason, Outcome, Signatures};
use protocol::ticket::Kind;
use serde::Serialize;

use super::answers::PageAnswer;
use super::error::{ledger, not_found, too_large};
use super::methods::State;
use super::params::{HashParams, PageParams, optional, required};
use crate::ledger::Stored;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptAnswer {
    pub index: u64,
    pub receipt_hash: Digest,
    pub leaf_hash: Digest,
    pub ticket_hash: Digest,
    pub miner: AccountId,
    pub validator: AccountId,
    pub kind: Kind,
    pub model: String,
    pub weights_digest: Digest,
    pub sequence: String,
    pub issued_at_ms: u64,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub first_token_ms: u32,
    pub total_ms: u32,
    pub finish_reason: FinishReason,
    pub output_sha256: Digest,
    pub request_sha256: Digest,
    pub previous: Digest,
    pub observed: ObservedAnswer,
    pub signatures: Signatures,
    /// Whether it counts for scores, its model's place in the catalogue and the window aside.
    pub counts: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObservedAnswer {
    pub outcome: Outcome,
    pub first_byte_ms: u32,
    pub last_byte_ms: u32,
    pub tokens_delivered: u32,
    pub output_sha256: Digest,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeReceiptAnswer {
    #[serde(flatten)]
    pub receipt: ReceiptAnswer,
    /// The SCALE bytes with all three signatures: enough to check it alone.
    pub encoded: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProofAnswer {
    pub index: u64,
    pub leaf_hash: Digest,
    pub size: u64,
    pub root: Digest,
    pub path: Vec<Digest>,
    pub encoded: String,
}

pub(super) async fn page(
    params: Params<'static>,
    state: &State,
) -> Result<PageAnswer<ReceiptAnswer>, ErrorObjectOwned> {
    let params: PageParams = optional(&params)?;
    let (limit, before, miner) = (params.limit()?, params.cursor()?, params.miner);
    let page = state.ledger.read(move |reader| reader.page(miner.as_ref(), before, limit)).await;
    let page = page.map_err(|error| ledger(&error))?;
    Ok(PageAnswer {
        items: page.items.iter().map(ReceiptAnswer::from).collect(),
        next_cursor: page.before_next.map(|index| index.to_string()),
    })
}

pub(super) async fn one(
    params: Params<'static>,
    state: &State,
) -> Result<WholeReceiptAnswer, ErrorObjectOwned> {
    let stored = find(&params, state).await?;
    Ok(WholeReceiptAnswer { receipt: (&stored).into(), encoded: encoded(&stored) })
}

pub(super) async fn proof(params: Params<'static>, state: &State) -> Result<ProofAnswer, ErrorObjectOwned> {
    let stored = find(&params, state).await?;
    let (index, leaves_max) = (stored.index, state.config.proof_leaves_max);
    let proof = state.ledger.read(move |reader| reader.proof(index, leaves_max)).await;
    let proof = proof.map_err(|error| ledger(&error))?;
    let proof = proof.ok_or_else(|| too_large("the log has outgrown proofs on request"))?;
    Ok(ProofAnswer {
        index: proof.index,
        leaf_hash: proof.leaf,
        size: proof.size,
        root: proof.root,
        path: proof.path,
        encoded: encoded(&stored),
    })
}

async fn find(params: &Params<'static>, state: &State) -> Result<Stored, ErrorObjectOwned> {
    let HashParams { hash } = required(params)?;
    let stored = state.ledger.read(move |reader| reader.by_receipt_hash(&hash)).await;
    stored.map_err(|error| ledger(&error))?.ok_or_else(|| not_found("receipt"))
}

fn encoded(stored: &Stored) -> String {
    format!("0x{}", hex::encode(stored.receipt.encode()))
}

impl From<&Stored> for ReceiptAnswer {
    fn from(stored: &Stored) -> Self {
        let Stored { index, receipt: countersigned } = stored;
        let (ticket, receipt, seen) =
            (countersigned.ticket(), countersigned.receipt(), countersigned.observation());
        Self {
            index: *index,
            receipt_hash: receipt.hash(),
            leaf_hash: countersigned.leaf_hash(),
            signatures: countersigned.signatures(),
            ticket_hash: receipt.ticket_hash,
            miner: ticket.miner,
            validator: ticket.validator,
            kind: ticket.kind,
            model: ticket.model.to_string(),
            weights_digest: ticket.weights_digest,
            sequence: ticket.sequence.to_string(),
            issued_at_ms: ticket.issued_at_ms,
            prompt_tokens: receipt.prompt_tokens,
            completion_tokens: receipt.completion_tokens,
            first_token_ms: receipt.first_token_ms,
            total_ms: receipt.total_ms,
            finish_reason: receipt.finish_reason,
            output_sha256: receipt.output_sha256,
            request_sha256: ticket.request_sha256,
            previous: receipt.previous,
            observed: ObservedAnswer {
                outcome: seen.outcome,
                first_byte_ms: seen.first_byte_ms,
                last_byte_ms: seen.last_byte_ms,
                tokens_delivered: seen.tokens_delivered,
                output_sha256: seen.output_sha256,
            },
            counts: countersigned.counts(),
        }
    }
}
