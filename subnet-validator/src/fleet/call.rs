//! One call: choose a miner, ask it, answer; and again with another miner, or for another model of the user's list, while
//! nothing has reached the user.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use protocol::catalogue::Model;
use protocol::openai::Endpoint;
use protocol::ticket::ModelId;

use super::attempt::Errand;
use super::axon::error::{AttemptError, Next, RequestRefusal};
use super::relay::RelayStream;
use super::route::{Chosen, NobodyLeft, Tried};
use super::selector::{Selection, SelectorError, Target};
use super::{Fleet, Shared};
use crate::demand::tracker::Asked;
use crate::ledger::AppendError;

/// A user's checked request.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The models asked for, the first of which that can be served answers.
    pub models: Selection,
    /// The request body as it came. It goes to the miner unchanged, but for the model's name where the user wrote a selector.
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
    /// The miner's JSON, exactly as it sent it; its receipt is in the log.
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
    /// No miner of this model can be asked right now.
    #[error("no miner serves `{model}` right now")]
    NoMiner {
        /// What was asked for.
        model: ModelId,
        /// When asking again may help.
        retry_after_ms: u64,
    },
    /// There are miners, and none of them holds the model.
    #[error("no miner holds `{model}` right now")]
    Cold {
        /// What was asked for.
        model: ModelId,
        /// When asking again may help.
        retry_after_ms: u64,
    },
    /// The model is cold, and too many wait for it already.
    #[error("no miner holds `{model}` right now, and too many calls wait for it already")]
    QueueFull {
        /// What was asked for.
        model: ModelId,
        /// When asking again may help.
        retry_after_ms: u64,
    },
    /// The model is cold and stayed so for as long as calls wait.
    #[error("no miner brought up `{model}` in time; the offer for it stands, so ask again")]
    WaitedInVain {
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
    /// The validator is stopping.
    #[error("this validator is stopping; ask another one, or again in a moment")]
    Stopping,
}

impl CallError {
    /// Whether the next model of the user's list may be served though this one was not.
    fn is_of_one_model(&self) -> bool {
        matches!(self, Self::NoMiner { .. } | Self::Cold { .. } | Self::Busy { .. } | Self::AllFailed(_))
    }
}

impl Fleet {
    /// Reads a request's `model` field: a name, a wish, or a list.
    pub fn select(&self, text: &str) -> Result<Selection, SelectorError> {
        Selection::resolve(text, &self.shared.catalogue)
    }

    /// Tokens of an answer whose user sets no limit, and bytes that a whole answer may have.
    #[must_use]
    pub fn whole_answer_max(&self) -> (u32, usize) {
        let limits = &self.shared.limits;
        (limits.completion_tokens_max, limits.answer_bytes_max)
    }

    /// Serves one call. Dropping the future before the answer starts drops the miner's connection with it.
    pub async fn call(&self, call: &Call) -> Result<Answer, CallError> {
        if self.shared.is_stopping() {
            return Err(CallError::Stopping);
        }
        let shared = &self.shared;
        // Who drains the fleet waits for this call too.
        let _open = shared.relays.token();
        let wanted = &call.models.first().model;
        shared.demand.tracker().count(wanted, Asked::CALL, shared.clock.now_ms());
        // Others wait for the model wanted most already: nobody passes them, but the list's other models may serve.
        let passed_over = usize::from(shared.is_queued_for(call));
        let served = match shared.serve_from(call, passed_over).await {
            Err(_) if passed_over > 0 => shared.wait(call, wanted.clone()).await,
            Err(CallError::Cold { model, .. }) => shared.wait(call, model).await,
            served => served,
        };
        if served.is_err() {
            shared.demand.tracker().count(wanted, Asked::UNSERVED, shared.clock.now_ms());
        }
        served
    }
}

impl Shared {
    /// Tries the call's models in order.
    pub(super) async fn serve(self: &Arc<Self>, call: &Call) -> Result<Answer, CallError> {
        self.serve_from(call, 0).await
    }

    /// Tries the call's models in order, but for the first `passed_over`; gives the first failure that says more than that a model is cold.
    async fn serve_from(self: &Arc<Self>, call: &Call, passed_over: usize) -> Result<Answer, CallError> {
        let mut attempts_left = self.limits.attempts_max;
        let mut failure: Option<CallError> = None;
        for target in call.models.targets().skip(passed_over) {
            let error = match self.serve_with(call, target, &mut attempts_left).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_of_one_model() => error,
                Err(error) => return Err(error),
            };
            if failure.as_ref().is_none_or(|known| matches!(known, CallError::Cold { .. })) {
                failure = match (failure, error) {
                    (Some(first), CallError::Cold { .. }) => Some(first),
                    (_, error) => Some(error),
                };
            }
            if attempts_left == 0 {
                break;
            }
        }
        Err(failure.unwrap_or_else(|| CallError::UnknownModel { model: call.models.first().model.clone() }))
    }

    /// Asks miners of one model, one after the other; with hedging, a second one while the first is silent.
    async fn serve_with(
        self: &Arc<Self>,
        call: &Call,
        target: &Target,
        attempts_left: &mut u32,
    ) -> Result<Answer, CallError> {
        let model = self.catalogue.get(&target.model);
        let model = model.ok_or_else(|| CallError::UnknownModel { model: target.model.clone() })?;
        let errand = Errand::of_user(call, model, self.limits.answer_tokens_expected);
        let mut tried = Tried::default();
        let mut last_failure = None;
        let mut asked = FuturesUnordered::new();
        let mut may_hedge = self.limits.hedge_after_ms > 0;
        loop {
            if asked.is_empty() {
                if *attempts_left == 0 {
                    return Err(self.nobody_left(model, NobodyLeft::None, last_failure));
                }
                match self.choose(&errand, target.goal, &tried) {
                    Ok(chosen) => {
                        *attempts_left -= 1;
                        tried.hotkeys.push(chosen.axon.hotkey);
                        asked.push(self.attempt_with_context(&errand, chosen));
                    }
                    Err(nobody) => return Err(self.nobody_left(model, nobody, last_failure)),
                }
            }
            let answered = tokio::select! {
                biased;
                Some(answered) = asked.next() => answered,
                () = tokio::time::sleep(Duration::from_millis(self.limits.hedge_after_ms)), if may_hedge => {
                    may_hedge = false;
                    if *attempts_left > 0
                        && let Ok(chosen) = self.choose(&errand, target.goal, &tried)
                    {
                        *attempts_left -= 1;
                        tried.hotkeys.push(chosen.axon.hotkey);
                        asked.push(self.attempt_with_context(&errand, chosen));
                    }
                    continue;
                }
            };
            // Whoever else was asked is dropped with its connection, which stops that miner.
            let (context_tokens, error) = match answered {
                (_, Ok(answer)) => return Ok(answer),
                (context_tokens, Err(error)) => (context_tokens, error),
            };
            match (error.next(), error) {
                (Next::AskLonger, error) => {
                    tried.context_tokens = tried.context_tokens.max(Some(context_tokens));
                    last_failure = Some(error);
                }
                (Next::GiveUp, AttemptError::Request(refusal)) => return Err(CallError::Request(refusal)),
                (Next::GiveUp, AttemptError::Ledger(error)) => return Err(CallError::Ledger(error)),
                (Next::GiveUp, error) => return Err(CallError::AllFailed(error)),
                (Next::AskAnother | Next::BlameAndAskAnother, error) => last_failure = Some(error),
            }
        }
    }

    async fn attempt_with_context(
        self: &Arc<Self>,
        errand: &Errand<'_>,
        chosen: Chosen,
    ) -> (u32, Result<Answer, AttemptError>) {
        (chosen.context_tokens, self.attempt(errand, chosen).await)
    }

    /// What to tell the user when there is nobody (else) to ask: the last failure if there was one.
    fn nobody_left(
        &self,
        model: &Model,
        nobody: NobodyLeft,
        last_failure: Option<AttemptError>,
    ) -> CallError {
        let (poll_ms, model) = (self.limits.inventory_poll_ms, model.id.clone());
        match (last_failure, nobody) {
            // Nobody's context is longer.
            (Some(AttemptError::TooLong(refusal)), _) => CallError::Request(refusal),
            (Some(AttemptError::Busy), _) => CallError::Busy { retry_after_ms: self.drain_ms(&model) },
            (Some(error), _) => CallError::AllFailed(error),
            (None, NobodyLeft::Broken { until_ms }) => {
                let retry_after_ms = until_ms.saturating_sub(self.clock.now_ms());
                CallError::NoMiner { model, retry_after_ms }
            }
            (None, NobodyLeft::Cold) => CallError::Cold { model, retry_after_ms: poll_ms },
            (None, NobodyLeft::None) => CallError::NoMiner { model, retry_after_ms: poll_ms },
        }
    }
}
