//! From a miner's signed receipt to a stored one: check, countersign, append.

use std::sync::Arc;

use protocol::digest::Digest;
use protocol::receipt::{Countersigned, FinishReason, MinerSigned, Observation, Outcome, SignedReceipt};
use protocol::ticket::ValidTicket;

use super::Shared;
use super::axon::error::AttemptError;
use crate::demand::tracker::Asked;
use crate::ledger::Written;
use crate::metrics::Count;

/// What the validator saw of one answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivery {
    /// From sending the request to the answer's first byte.
    pub first_byte_ms: u32,
    /// From sending the request to the answer's last byte.
    pub last_byte_ms: u32,
    /// Tokens passed on.
    pub tokens_delivered: u32,
    /// Tokens the answer's own usage states, where it has one.
    pub tokens_stated: Option<u64>,
    /// Hash over the relayed output.
    pub output_sha256: Digest,
    /// Whether the user was there until the end.
    pub client_gone: bool,
}

/// Stores the receipt with what was seen, and says whether the answer may be called good. A receipt that proves a miner's
/// fault is stored too, as evidence, and then reported as that fault.
pub(super) async fn settle(
    shared: &Shared,
    ticket: ValidTicket,
    receipt: SignedReceipt,
    delivery: Delivery,
) -> Result<(), AttemptError> {
    let signed = MinerSigned::check(ticket, receipt).map_err(AttemptError::Receipt)?;
    let outcome = judge(signed.receipt().output_sha256, signed.receipt().finish_reason, &delivery);
    let claimed = signed.receipt().completion_tokens;
    let prompt_tokens = signed.receipt().prompt_tokens;
    if let Some(stated) = delivery.tokens_stated.filter(|stated| *stated < u64::from(claimed)) {
        return Err(AttemptError::TokenMismatch { claimed, stated });
    }

    let model = signed.ticket().model.clone();
    let Delivery { first_byte_ms, last_byte_ms, tokens_delivered, output_sha256, .. } = delivery;
    let observation = Observation { first_byte_ms, last_byte_ms, tokens_delivered, output_sha256, outcome };
    let countersigned = signed.countersign(observation, &shared.hotkey).map_err(AttemptError::Receipt)?;
    let paid = countersigned.counts();
    let written = shared.ledger.write(countersigned.clone()).await.map_err(AttemptError::Ledger)?;
    shared.tell_once_synced(countersigned, written);

    shared.metrics.count(if paid { Count::ReceiptDelivered } else { Count::ReceiptUnpaid });
    let asked =
        Asked { prompt_tokens: prompt_tokens.into(), completion_tokens: claimed.into(), ..Asked::default() };
    shared.demand.tracker().count(&model, asked, shared.clock.now_ms());
    shared.metrics.add(Count::PromptTokens, prompt_tokens.into());
    shared.metrics.add(Count::CompletionTokens, claimed.into());
    match outcome {
        Outcome::Delivered | Outcome::ClientGone => Ok(()),
        Outcome::MinerFailed => Err(AttemptError::Reported),
        Outcome::OutputMismatch => Err(AttemptError::OutputMismatch),
    }
}

impl Shared {
    /// Tells the listeners, the miner's copy among them, when the receipt is on disk. The user's answer does not wait for that: the receipt
    /// is in the log already, and nobody has been told that it is kept.
    fn tell_once_synced(&self, countersigned: Countersigned, written: Written) {
        if !self.settled.is_heard() {
            return;
        }
        let settled = Arc::clone(&self.settled);
        // Who drains the fleet waits for this too. A failed sync is logged where it fails.
        self.relays.spawn(async move {
            if written.synced().await.is_ok() {
                settled.tell(&countersigned);
            }
        });
    }
}

fn judge(output_signed: Digest, finish_reason: FinishReason, delivery: &Delivery) -> Outcome {
    if output_signed != delivery.output_sha256 {
        return Outcome::OutputMismatch;
    }
    match finish_reason {
        _ if delivery.client_gone => Outcome::ClientGone,
        FinishReason::Stop | FinishReason::Length => Outcome::Delivered,
        FinishReason::Cancelled | FinishReason::Error => Outcome::MinerFailed,
    }
}
