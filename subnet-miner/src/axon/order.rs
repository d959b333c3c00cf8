//! What every endpoint does first: from a request of unknown origin to an order with a model and a slot to compute in.

use axum::extract::Request;
use protocol::account::AccountId;
use protocol::digest::{Digest, Hasher};
use protocol::openai::Endpoint;
use protocol::receipt::FinishReason;
use protocol::ticket::{ModelId, ValidTicket};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::AxonState;
use super::body::HeldBody;
use super::cancel::Cancellable;
use super::error::AxonError;
use super::fair::{Asker, Priority};
use super::server::Peer;
use super::slots::Slot;
use crate::clock;
use crate::models::Model;
use crate::receipts::Draft;

/// An admitted request. Its ticket's sequence number is not used up yet, so that a malformed body costs none.
#[derive(Debug)]
pub(super) struct Order {
    pub ticket: ValidTicket,
    pub body: HeldBody,
    pub limits: Limits,
    /// Drops the connection.
    pub hang_up: CancellationToken,
    caller: AccountId,
}

/// When an answer must end, whatever the model does.
#[derive(Debug)]
pub(super) struct Limits {
    /// When the request arrived; receipts count from here.
    pub arrived: Instant,
    /// When the model is told to come to an end, a tenth of the time before the deadline: what is there by then is an answer, cut off.
    pub ends: Instant,
    /// When the answer is of no use any more.
    pub deadline: Instant,
    /// Cancelled when the miner stops.
    pub cut: CancellationToken,
    /// Ends the answer when its validator says that nobody waits for it.
    pub cancellable: Cancellable,
}

impl Order {
    /// Reads and admits a request.
    pub async fn admit(state: &AxonState, endpoint: Endpoint, request: Request) -> Result<Self, AxonError> {
        let arrived = clock::monotonic();
        let inner = &state.0;
        let (parts, body) = request.into_parts();
        let raw = inner.admission.headers(&parts.headers)?;
        let body = inner.bodies.read(&parts.headers, body).await?;
        let ticket = inner.admission.order(&raw, &parts, Digest::of(&body.bytes)).await?;
        if !endpoint.is_ordered_by(ticket.kind) {
            return Err(AxonError::TicketKind);
        }
        let deadline = clock::at_unix_ms(ticket.deadline_ms).min(arrived + inner.limits.answer_time_max());
        let limits = Limits {
            arrived,
            ends: deadline - deadline.saturating_duration_since(arrived) / 10,
            deadline,
            cut: inner.cut.clone(),
            cancellable: inner.running.register(&ticket),
        };
        let hang_up =
            parts.extensions.get::<Peer>().map_or_else(CancellationToken::new, |peer| peer.hang_up.clone());
        // A ticket is admitted only from the validator that signed it.
        let caller = ticket.validator;
        Ok(Self { ticket, body, limits, hang_up, caller })
    }

    /// The body as JSON of the endpoint's form.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, AxonError> {
        serde_json::from_slice(&self.body.bytes).map_err(AxonError::NotJson)
    }

    /// Finds the model, takes a slot (which may take a moment), and uses the ticket up.
    pub async fn begin(&self, state: &AxonState, asked: &ModelId) -> Result<(Model, Slot), AxonError> {
        let model = self.model(state, asked)?;
        let (caller, priority) = (self.caller, Priority::from(self.ticket.kind));
        let asker = Asker { caller, weight: state.0.admission.weight(&caller), priority };
        let slot =
            tokio::time::timeout_at(self.limits.deadline, state.0.slots.take(asked, model.slots(), asker))
                .await
                .map_err(|_| AxonError::Deadline)?
                .map_err(|refused| AxonError::Full { retry_after_ms: refused.retry_after_ms })?;
        state.0.admission.use_up(&self.ticket)?;
        let ticket = &self.ticket;
        tracing::info!(validator = %ticket.validator, model = %asked, kind = ?ticket.kind, sequence = ticket.sequence, "answering");
        Ok((model, slot))
    }

    /// Waits for work that generates nothing, for as long as the ticket and the miner's stop allow.
    pub async fn within_limits<T>(&self, work: impl Future<Output = T>) -> Result<T, AxonError> {
        tokio::select! {
            biased;
            () = self.limits.cut.cancelled() => Err(AxonError::Generation),
            () = tokio::time::sleep_until(self.limits.deadline) => Err(AxonError::Deadline),
            done = work => Ok(done),
        }
    }

    /// Refuses to claim more prompt tokens than the ticket allows.
    pub fn check_prompt(&self, tokens: u32, param: &'static str) -> Result<(), AxonError> {
        let tokens_max = self.ticket.prompt_tokens_max;
        if tokens > tokens_max {
            return Err(AxonError::PromptTooLong {
                param,
                tokens: tokens.into(),
                tokens_max: tokens_max.into(),
            });
        }
        Ok(())
    }

    /// The receipt's content for an answer of one JSON text that took no generated tokens.
    pub fn draft(self, json: &[u8], prompt_tokens: u32, finish_reason: FinishReason) -> Draft {
        let total_ms = clock::elapsed_ms(self.limits.arrived);
        let mut output = Hasher::new();
        output.update(json);
        output.update(b"\n");
        Draft {
            ticket: self.ticket,
            output_sha256: output.finish(),
            prompt_tokens,
            completion_tokens: 0,
            first_token_ms: total_ms,
            total_ms,
            finish_reason,
            fingerprint: None,
        }
    }

    fn model(&self, state: &AxonState, asked: &ModelId) -> Result<Model, AxonError> {
        let ticket = &self.ticket;
        let model = ticket.model.as_str().to_owned();
        if ticket.model != *asked {
            return Err(AxonError::TicketModel { ticket: model, request: asked.as_str().to_owned() });
        }
        let Some(found) = state.0.models.get(&ticket.model) else {
            return Err(AxonError::UnknownModel { model });
        };
        if found.weights_digest() != ticket.weights_digest {
            return Err(AxonError::OtherWeights { model });
        }
        Ok(found)
    }
}
