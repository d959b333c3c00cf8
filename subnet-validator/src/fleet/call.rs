//! One call: pick, order, answer; and again with another miner while nothing has reached the user.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::account::AccountId;
use protocol::catalogue::Model;
use protocol::digest::{Digest, Hasher};
use protocol::openai::Endpoint;
use protocol::ticket::{ModelId, SignedTicket, Ticket, ValidTicket};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::Instant;

use super::axon::error::{AttemptError, Next, RequestRefusal};
use super::axon::{Axon, Order};
use super::load::InFlight;
use super::picker::{Candidate, pick};
use super::relay::{Opening, Relay, RelayStream, UsageView, elapsed_ms};
use super::settle::{Delivery, settle};
use super::{Fleet, Shared};
use crate::ledger::AppendError;
use crate::metrics::Count;

/// A user's checked request.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The model asked for.
    pub model: ModelId,
    /// The request body as it came; it goes to the miner unchanged.
    pub body: Bytes,
    /// Whether the answer is to stream.
    pub stream: bool,
    /// Prompts in it, each of which may fill the model's context.
    pub prompts: u32,
    /// Answers to them all together; zero where none are generated.
    pub answers: u32,
    /// The user's own token limit, for each answer.
    pub completion_tokens_max: Option<u32>,
    /// Who pays; only its salted hash leaves this process.
    pub payer: String,
    /// The request's id, passed on.
    pub request_id: String,
}

/// What the user gets.
#[derive(Debug)]
pub enum Answer {
    /// The miner's JSON, exactly as it sent it; its receipt is stored.
    Whole(Bytes),
    /// Chunks as they come.
    Stream(RelayStream),
}

/// Nothing reached the user.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The catalogue has no such model.
    #[error("the model `{model}` does not exist")]
    UnknownModel {
        /// What was asked for.
        model: ModelId,
    },
    /// No miner holds the model right now.
    #[error("no miner serves `{model}` right now")]
    NoMiner {
        /// What was asked for.
        model: ModelId,
        /// When asking again may help.
        retry_after_ms: u64,
    },
    /// All miners asked are busy.
    #[error("every miner of this model is busy")]
    Busy {
        /// When asking again may help.
        retry_after_ms: u64,
    },
    /// The miner refuses the request itself.
    #[error("the request was refused: {}", .0.message)]
    Request(Box<RequestRefusal>),
    /// All attempts failed; the last one's reason is kept for the log.
    #[error("no miner answered")]
    AllFailed(#[source] AttemptError),
    /// Our own ledger failed.
    #[error("the ledger is not available")]
    Ledger(#[source] AppendError),
}

/// The miner chosen for one attempt.
struct Chosen {
    axon: Axon,
    context_tokens: u32,
    in_flight: InFlight,
}

/// Why nobody could be chosen.
enum NobodyLeft {
    Broken { until_ms: u64 },
    None,
}

impl Fleet {
    /// Serves one call. Dropping the future before the answer starts drops the miner's connection with it.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        let shared = &self.shared;
        let model = shared.catalogue.get(&call.model);
        let model = model.ok_or_else(|| CallError::UnknownModel { model: call.model.clone() })?;
        let body_sha256 = Digest::of(&call.body);
        let mut tried: Vec<AccountId> = Vec::new();
        let mut last_failure = None;
        for _ in 0..shared.limits.attempts_max {
            let chosen = match shared.choose(model, &tried) {
                Ok(chosen) => chosen,
                Err(nobody) => return Err(shared.nobody_left(call, nobody, last_failure)),
            };
            let miner = chosen.axon.hotkey;
            tried.push(miner);
            shared.metrics.count(Count::AttemptStarted);
            match shared.attempt(call, model, body_sha256, chosen).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::info!(
                        request_id = call.request_id,
                        %miner,
                        error = &error as &dyn std::error::Error,
                        "an attempt failed"
                    );
                    shared.metrics.count(Count::AttemptFailed);
                    match (error.next(), error) {
                        (Next::GiveUp, AttemptError::Request(refusal)) => {
                            return Err(CallError::Request(refusal));
                        }
                        (Next::GiveUp, AttemptError::Ledger(error)) => return Err(CallError::Ledger(error)),
                        (Next::GiveUp, error) => return Err(CallError::AllFailed(error)),
                        (Next::AskAnother, error) => last_failure = Some(error),
                        (Next::BlameAndAskAnother, error) => {
                            shared.loads.fail(miner, shared.clock.now_ms());
                            last_failure = Some(error);
                        }
                    }
                }
            }
        }
        Err(shared.nobody_left(call, NobodyLeft::None, last_failure))
    }
}

impl Shared {
    fn choose(&self, model: &Model, tried: &[AccountId]) -> Result<Chosen, NobodyLeft> {
        let now_ms = self.clock.now_ms();
        let view = self.view.borrow();
        let mut broken_until_ms = None;
        let (mut candidates, mut holders) = (Vec::new(), Vec::new());
        for holder in view.holders(model, now_ms, self.limits.inventory_max_age_ms) {
            let hotkey = holder.miner.hotkey;
            if tried.contains(&hotkey) {
                continue;
            }
            if let Some(until_ms) = self.loads.closed_until_ms(&hotkey, now_ms) {
                broken_until_ms = Some(broken_until_ms.map_or(until_ms, |known: u64| known.min(until_ms)));
                continue;
            }
            candidates.push(Candidate {
                hotkey,
                in_flight: self.loads.in_flight(&hotkey),
                slots: holder.model.slots,
            });
            holders.push(holder);
        }
        let draw = getrandom::u64().unwrap_or(now_ms);
        let Some(holder) = pick(&candidates, draw).and_then(|index| holders.get(index)) else {
            return Err(broken_until_ms.map_or(NobodyLeft::None, |until_ms| NobodyLeft::Broken { until_ms }));
        };
        Ok(Chosen {
            axon: Axon { hotkey: holder.miner.hotkey, address: holder.miner.axon },
            context_tokens: holder.model.context_tokens,
            in_flight: self.loads.begin(holder.miner.hotkey),
        })
    }

    /// What to tell the user when there is nobody (else) to ask: the last failure if there was one.
    fn nobody_left(&self, call: &Call, nobody: NobodyLeft, last_failure: Option<AttemptError>) -> CallError {
        match (last_failure, nobody) {
            (Some(AttemptError::Busy), _) => CallError::Busy { retry_after_ms: 1_000 },
            (Some(error), _) => CallError::AllFailed(error),
            (None, NobodyLeft::Broken { until_ms }) => CallError::NoMiner {
                model: call.model.clone(),
                retry_after_ms: until_ms.saturating_sub(self.clock.now_ms()),
            },
            (None, NobodyLeft::None) => CallError::NoMiner {
                model: call.model.clone(),
                retry_after_ms: self.limits.inventory_poll_ms,
            },
        }
    }

    async fn attempt(
        self: &Arc<Self>,
        call: &Call,
        model: &Model,
        body_sha256: Digest,
        chosen: Chosen,
    ) -> Result<Answer, AttemptError> {
        let Chosen { axon, context_tokens, in_flight } = chosen;
        let signed = self.ticket(call, model, body_sha256, &axon, context_tokens).await?;
        let order = Order {
            endpoint: call.endpoint,
            body: call.body.clone(),
            body_sha256,
            ticket: &signed,
            request_id: &call.request_id,
        };
        let sent_at = Instant::now();
        let deadline = sent_at + Duration::from_millis(self.limits.request_timeout_ms);

        if call.stream {
            let first_byte_ms = self.limits.first_byte_timeout_ms;
            let open = async {
                let body = self.client.order(axon, order).await?.into_body();
                let ticket = own_ticket(signed.clone());
                let shared = Arc::clone(self);
                Relay::open(Opening { shared, ticket, body, sent_at, deadline, in_flight }).await
            };
            let silent = |_| AttemptError::Silent { waited_ms: first_byte_ms };
            let relay =
                tokio::time::timeout(Duration::from_millis(first_byte_ms), open).await.map_err(silent)??;
            return Ok(Answer::Stream(relay.start()));
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
        let tokens_stated = stated_tokens(call.endpoint, &body)?;
        let delivery = Delivery {
            first_byte_ms,
            last_byte_ms: elapsed_ms(sent_at),
            tokens_delivered: u32::try_from(tokens_stated).unwrap_or(u32::MAX),
            tokens_stated: Some(tokens_stated),
            output_sha256: output_hash(&body),
            client_gone: false,
        };
        settle(self, own_ticket(signed), receipt, delivery).await?;
        drop(in_flight);
        self.loads.succeed(axon.hotkey);
        self.metrics.count(Count::CallAnswered);
        Ok(Answer::Whole(body))
    }

    /// A fresh order for one miner: its own sequence number and time.
    async fn ticket(
        &self,
        call: &Call,
        model: &Model,
        request_sha256: Digest,
        axon: &Axon,
        context_tokens: u32,
    ) -> Result<SignedTicket, AttemptError> {
        let sequence = self.sequences.next(axon.hotkey).await.map_err(AttemptError::Ledger)?;
        let issued_at_ms = self.clock.now_ms();
        let completion_tokens_max = call.completion_tokens_max.unwrap_or(self.limits.completion_tokens_max);
        let ticket = Ticket {
            netuid: self.netuid,
            validator: self.hotkey.public(),
            miner: axon.hotkey,
            model: model.id.clone(),
            weights_digest: model.weights_digest,
            request_sha256,
            sequence,
            issued_at_ms,
            deadline_ms: issued_at_ms.saturating_add(self.limits.request_timeout_ms),
            prompt_tokens_max: context_tokens.saturating_mul(call.prompts),
            completion_tokens_max: completion_tokens_max.min(context_tokens).saturating_mul(call.answers),
            payer: self.payer(&call.payer),
            kind: call.endpoint.kind(),
        };
        Ok(ticket.sign(&self.hotkey))
    }
}

/// A ticket of our own, checked as everybody's is.
fn own_ticket(signed: SignedTicket) -> ValidTicket {
    signed.verify().expect("a ticket signed here under its validator's key verifies")
}

/// The hash a receipt carries for a whole answer.
fn output_hash(body: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(body);
    hasher.update(b"\n");
    hasher.finish()
}

/// Completion tokens by the answer's own usage; also the check that it is an answer at all.
fn stated_tokens(endpoint: Endpoint, body: &[u8]) -> Result<u64, AttemptError> {
    #[derive(Deserialize)]
    struct AnswerView {
        choices: Option<Vec<IgnoredAny>>,
        data: Option<Vec<IgnoredAny>>,
        tokens: Option<Vec<IgnoredAny>>,
        prompt: Option<IgnoredAny>,
        usage: Option<UsageView>,
    }
    let view: AnswerView = serde_json::from_slice(body).map_err(|_| AttemptError::Malformed)?;
    let AnswerView { choices, data, tokens, prompt, usage } = view;
    let stated = match endpoint {
        Endpoint::Chat | Endpoint::Completion => choices.and(usage).map(|usage| usage.completion_tokens),
        Endpoint::Embedding => data.and(usage).map(|_| 0),
        Endpoint::Tokenize => tokens.map(|_| 0),
        Endpoint::Detokenize => prompt.map(|_| 0),
    };
    stated.ok_or(AttemptError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::stated_tokens;
    use protocol::openai::Endpoint;

    #[test]
    fn an_answer_is_one_of_its_own_endpoint_and_states_its_tokens() {
        let chat = br#"{"choices":[{}],"usage":{"prompt_tokens":1,"completion_tokens":7,"total_tokens":8}}"#;
        let embedding = br#"{"data":[{}],"usage":{"prompt_tokens":1,"total_tokens":1}}"#;
        assert_eq!(stated_tokens(Endpoint::Chat, chat).ok(), Some(7));
        assert_eq!(stated_tokens(Endpoint::Completion, chat).ok(), Some(7));
        assert_eq!(stated_tokens(Endpoint::Embedding, embedding).ok(), Some(0));
        assert_eq!(stated_tokens(Endpoint::Tokenize, br#"{"tokens":[1]}"#).ok(), Some(0));
        assert_eq!(stated_tokens(Endpoint::Detokenize, br#"{"prompt":"a"}"#).ok(), Some(0));
        for (endpoint, other) in [
            (Endpoint::Chat, &embedding[..]),
            (Endpoint::Embedding, chat),
            (Endpoint::Tokenize, chat),
            (Endpoint::Chat, br#"{"choices":[]}"#),
            (Endpoint::Embedding, b"[]"),
        ] {
            assert!(stated_tokens(endpoint, other).is_err(), "{endpoint:?}");
        }
    }
}
