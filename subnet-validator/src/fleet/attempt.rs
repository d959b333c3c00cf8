//! One miner asked once: a ticket of its own, the answer, the receipt.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::catalogue::Model;
use protocol::digest::{Digest, Hasher};
use protocol::ticket::{Kind, Ticket, ValidTicket};
use tokio::time::Instant;
use tracing::Instrument;

use super::Shared;
use super::axon::error::{AttemptError, Next};
use super::axon::{Axon, Order};
use super::call::{Answer, Call};
use super::delivered::{Tokens, tokens_of};
use super::load::Pace;
use super::relay::{Opening, Relay, elapsed_ms};
use super::route::Chosen;
use super::settle::{Delivery, settle};
use crate::metrics::{Count, Timed};

/// Bytes of a request that pass for a token of its prompt, where tokens are only estimated.
const PROMPT_BYTES_PER_TOKEN: usize = 4;

/// What a miner is asked, whoever it will be.
pub(super) struct Errand<'call> {
    pub call: &'call Call,
    pub model: &'call Model,
    pub kind: Kind,
    /// The body as the miner gets it.
    pub body: Bytes,
    pub body_sha256: Digest,
    /// Tokens that it is expected to take, for balancing the load.
    pub tokens: u64,
}

/// An attempt that has begun to answer.
enum Begun {
    Whole(Bytes, Pace),
    Stream(Box<Relay>),
}

impl<'call> Errand<'call> {
    /// A user's call. Where the user set no limit, an answer is expected to have `answer_tokens_expected`.
    pub(super) fn of_user(call: &'call Call, model: &'call Model, answer_tokens_expected: u32) -> Self {
        let body = call.models.body_for(&model.id, &call.body);
        let answer_tokens = call.completion_tokens_max.unwrap_or(u32::MAX).min(answer_tokens_expected);
        let prompt_tokens = u64::try_from(body.len() / PROMPT_BYTES_PER_TOKEN).unwrap_or(u64::MAX);
        let tokens = prompt_tokens.saturating_add(u64::from(answer_tokens) * u64::from(call.answers));
        let body_sha256 = Digest::of(&body);
        Self { call, model, kind: call.endpoint.kind(), body, body_sha256, tokens }
    }
}

impl Shared {
    /// Asks one miner, and remembers how it fared.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        errand: &Errand<'_>,
        chosen: Chosen,
    ) -> Result<Answer, AttemptError> {
        let Chosen { axon, context_tokens, mut in_flight } = chosen;
        self.metrics.count(Count::AttemptStarted);
        self.settled.begin(errand.body_sha256, &errand.body);
        let span = tracing::info_span!(
            "attempt",
            otel.kind = "client",
            request_id = errand.call.request_id,
            model = %errand.model.id,
            miner = %axon.hotkey
        );
        let asked_at = Instant::now();
        let begun = match self.begin(errand, axon, context_tokens).instrument(span.clone()).await {
            Ok(begun) => begun,
            Err(error) => {
                tracing::info!(
                    request_id = errand.call.request_id,
                    miner = %axon.hotkey,
                    error = &error as &dyn std::error::Error,
                    "an attempt failed"
                );
                self.metrics.count(Count::AttemptFailed);
                if error.next() == Next::BlameAndAskAnother {
                    in_flight.fail(self.clock.now_ms());
                }
                return Err(error);
            }
        };
        match begun {
            // The attempt lasts as long as its answer.
            Begun::Stream(relay) => {
                self.metrics.took(Timed::FirstChunk, asked_at.elapsed());
                Ok(Answer::Stream(span.in_scope(|| relay.start(in_flight))))
            }
            Begun::Whole(body, pace) => {
                in_flight.succeed(pace, self.clock.now_ms());
                self.metrics.took(Timed::Answer, asked_at.elapsed());
                self.metrics.count(Count::CallAnswered);
                Ok(Answer::Whole(body))
            }
        }
    }

    async fn begin(
        self: &Arc<Self>,
        errand: &Errand<'_>,
        axon: Axon,
        context_tokens: u32,
    ) -> Result<Begun, AttemptError> {
        let call = errand.call;
        let ticket = self.ticket(errand, &axon, context_tokens).await?;
        let order = Order {
            endpoint: call.endpoint,
            body: errand.body.clone(),
            body_sha256: errand.body_sha256,
            ticket: ticket.as_signed(),
            request_id: &call.request_id,
        };
        let sent_at = Instant::now();
        let deadline = sent_at + Duration::from_millis(self.limits.request_timeout_ms);

        if call.stream {
            let first_byte_ms = self.limits.first_byte_timeout_ms;
            let open = async {
                let body = self.client.order(axon, order).await?.into_body();
                let ticket = ticket.clone();
                let shared = Arc::clone(self);
                Relay::open(Opening { shared, axon, ticket, body, sent_at, deadline }).await
            };
            let silent = |_| AttemptError::Silent { waited_ms: first_byte_ms };
            let relay =
                tokio::time::timeout(Duration::from_millis(first_byte_ms), open).await.map_err(silent)??;
            return Ok(Begun::Stream(Box::new(relay)));
        }

        // A whole answer's head carries the receipt, so it comes only when everything has been generated.
        let whole = async {
            let answer = self.client.order(axon, order).await?;
            let first_byte_ms = elapsed_ms(sent_at);
            let (body, receipt) = self.client.whole(answer).await?;
            Ok((body, receipt, first_byte_ms))
        };
        let silent = |_| AttemptError::Silent { waited_ms: self.limits.request_timeout_ms };
        let (body, receipt, first_byte_ms) =
            tokio::time::timeout_at(deadline, whole).await.map_err(silent)??;
        let Tokens { stated, delivered } = tokens_of(call.endpoint, &body).ok_or(AttemptError::Malformed)?;
        let delivery = Delivery {
            first_byte_ms,
            last_byte_ms: elapsed_ms(sent_at),
            tokens_delivered: u32::try_from(delivered).unwrap_or(u32::MAX),
            tokens_stated: Some(stated),
            output_sha256: output_hash(&body),
            client_gone: false,
        };
        let pace =
            Pace { first_token_ms: None, total_ms: delivery.last_byte_ms, tokens: delivery.tokens_delivered };
        settle(self, ticket, receipt, delivery).await?;
        Ok(Begun::Whole(body, pace))
    }

    /// A fresh order for one miner: its own sequence number and time.
    async fn ticket(
        &self,
        errand: &Errand<'_>,
        axon: &Axon,
        context_tokens: u32,
    ) -> Result<ValidTicket, AttemptError> {
        let Errand { call, model, kind, body_sha256, .. } = errand;
        let sequence = self.sequences.next(axon.hotkey).await.map_err(AttemptError::Ledger)?;
        let issued_at_ms = self.clock.now_ms();
        let completion_tokens_max = call.completion_tokens_max.unwrap_or(self.limits.completion_tokens_max);
        let ticket = Ticket {
            netuid: self.netuid,
            validator: self.hotkey.public(),
            miner: axon.hotkey,
            model: model.id.clone(),
            weights_digest: model.weights_digest,
            request_sha256: *body_sha256,
            sequence,
            issued_at_ms,
            deadline_ms: issued_at_ms.saturating_add(self.limits.request_timeout_ms),
            prompt_tokens_max: self.prompt_tokens_max(errand, context_tokens),
            completion_tokens_max: completion_tokens_max.min(context_tokens).saturating_mul(call.answers),
            payer: self.payer(&call.payer),
            kind: *kind,
        };
        Ok(ticket.issue(&self.hotkey).expect("the ticket names the hotkey that signs it"))
    }
}

impl Shared {
    /// How many tokens the prompts of a call can have: what the miner says that its model takes, and no more than the request can be made
    /// of. A token has at least a byte, and the template adds its own; what else a miner may say is its own word, and would be paid.
    fn prompt_tokens_max(&self, errand: &Errand<'_>, context_tokens: u32) -> u32 {
        let bytes = u32::try_from(errand.body.len()).unwrap_or(u32::MAX);
        let template = self.limits.template_tokens_max.saturating_mul(errand.call.prompts);
        context_tokens.saturating_mul(errand.call.prompts).min(bytes.saturating_add(template))
    }
}

/// The hash a receipt carries for a whole answer.
fn output_hash(body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(body);
    hasher.update(b"\n");
    hasher.finish()
}
