//! One answer in the making: the generation, its limits, and the counts that the receipt will state.

use futures::StreamExt;
use model_runtime::{Event, GenerateError, GenerateRequest, Generation, Message, Prompt, Sampling};
use protocol::digest::{Digest, Hasher};
use protocol::openai::{StreamHead, Usage, ValidChatRequest};
use protocol::receipt::FinishReason;
use protocol::ticket::ValidTicket;

use super::states::States;
use crate::axon::error::AxonError;
use crate::axon::order::Limits;
use crate::axon::request_id::random_hex;
use crate::axon::slots::Slot;
use crate::clock;
use crate::models::Model;
use crate::receipts::Draft;

/// An answer in the making. Dropping it cancels the generation and frees its slot.
pub(super) struct Answer {
    pub head: StreamHead,
    pub limits: Limits,
    generation: Generation,
    ticket: ValidTicket,
    prompt_tokens: u32,
    completion_tokens: u32,
    first_token_ms: Option<u32>,
    output: Hasher,
    states: States,
    _slot: Slot,
}

/// What an answer does next.
pub(super) enum Step {
    /// It goes on with this text, which may be empty.
    Text(String),
    /// It ends as the model, the request or the validator meant it to.
    Finished(FinishReason),
    /// It ends otherwise.
    Failed(AxonError),
}

impl Answer {
    /// Queues the request with the model.
    pub async fn begin(
        model: &Model,
        ticket: ValidTicket,
        request: ValidChatRequest,
        slot: Slot,
        limits: Limits,
    ) -> Result<Self, AxonError> {
        let tokens_max = request.completion_tokens_max.unwrap_or(u32::MAX).min(ticket.completion_tokens_max);
        if tokens_max == 0 {
            return Err(AxonError::TicketTokens);
        }
        let head = StreamHead {
            id: format!("chatcmpl-{}", random_hex()),
            created: clock::unix_ms() / 1_000,
            model: request.model.as_str().to_owned(),
        };
        let states = States::default();
        let request = GenerateRequest { hidden: Some(states.sink()), ..to_runtime(request, tokens_max) };
        let generate = model.handle().generate(request);
        let generation = tokio::time::timeout_at(limits.deadline, generate)
            .await
            .map_err(|_| AxonError::Deadline)?
            .map_err(refused)?;
        let prompt_tokens = generation.prompt_tokens();
        if prompt_tokens > ticket.prompt_tokens_max {
            return Err(AxonError::PromptTooLong {
                tokens: prompt_tokens.into(),
                tokens_max: ticket.prompt_tokens_max.into(),
            });
        }
        Ok(Self {
            head,
            limits,
            generation,
            ticket,
            prompt_tokens,
            completion_tokens: 0,
            first_token_ms: None,
            output: Hasher::new(),
            states,
            _slot: slot,
        })
    }

    /// Waits for the next token, the end, the deadline or the miner's stop.
    pub async fn next(&mut self) -> Step {
        let event = tokio::select! {
            biased;
            () = self.limits.cut.cancelled() => return Step::Failed(AxonError::Generation),
            () = self.limits.cancellable.cancelled() => return Step::Finished(FinishReason::Cancelled),
            // Before the model, which may be ahead of a slow client by its whole answer.
            () = tokio::time::sleep_until(self.limits.deadline) => return Step::Failed(AxonError::Deadline),
            event = self.generation.next() => event,
        };
        match event {
            Some(Event::Token { text, id, .. }) => {
                self.states.token(id);
                self.completion_tokens = self.completion_tokens.saturating_add(1);
                self.first_token_ms.get_or_insert_with(|| clock::elapsed_ms(self.limits.arrived));
                Step::Text(text)
            }
            Some(Event::Finished(finished)) => {
                // Counts the token that ended the answer too, which has no text.
                self.completion_tokens = finished.completion_tokens;
                match finished.reason {
                    model_runtime::FinishReason::Stop => Step::Finished(FinishReason::Stop),
                    model_runtime::FinishReason::Length => Step::Finished(FinishReason::Length),
                    reason => {
                        tracing::warn!(?reason, "the model ended an answer by itself");
                        Step::Failed(AxonError::Generation)
                    }
                }
            }
            Some(Event::Failed(reason)) => {
                tracing::error!(%reason, "the model failed in the middle of an answer");
                Step::Failed(AxonError::Generation)
            }
            None => {
                tracing::error!("the model ended an answer without saying why");
                Step::Failed(AxonError::Generation)
            }
        }
    }

    /// Adds one JSON text to what the receipt states was sent.
    pub fn sent(&mut self, json: &[u8]) {
        self.output.update(json);
        self.output.update(b"\n");
    }

    pub fn usage(&self) -> Usage {
        Usage::new(self.prompt_tokens, self.completion_tokens)
    }

    /// What happened, for the receipt. The generation is over and its slot free.
    pub fn into_draft(self, finish_reason: FinishReason) -> Draft {
        let total_ms = clock::elapsed_ms(self.limits.arrived);
        let output_sha256: Digest = self.output.finish();
        Draft {
            ticket: self.ticket,
            output_sha256,
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            first_token_ms: self.first_token_ms.unwrap_or(total_ms),
            total_ms,
            finish_reason,
            fingerprint: self.states.finish(),
        }
    }
}

fn to_runtime(request: ValidChatRequest, tokens_max: u32) -> GenerateRequest {
    let message = |message: protocol::openai::ValidMessage| Message {
        role: message.role.as_str().to_owned(),
        content: message.content,
    };
    GenerateRequest {
        prompt: Prompt::Chat(request.messages.into_iter().map(message).collect()),
        tokens_max,
        sampling: Sampling {
            temperature: request.temperature.unwrap_or(1.0),
            top_p: request.top_p.unwrap_or(1.0),
            top_k: None,
            seed: request.seed,
            ..Sampling::greedy()
        },
        stop: request.stop,
        ..GenerateRequest::greedy(Prompt::Chat(Vec::new()), tokens_max)
    }
}

fn refused(error: GenerateError) -> AxonError {
    match error {
        GenerateError::QueueFull { .. } => AxonError::Busy,
        GenerateError::PromptTooLong { prompt_tokens, context_tokens } => {
            AxonError::PromptTooLong { tokens: prompt_tokens, tokens_max: context_tokens.into() }
        }
        GenerateError::EmptyPrompt
        | GenerateError::NoChatTemplate
        | GenerateError::Template(_)
        | GenerateError::Tokenizer(_)
        | GenerateError::Sampling(_)
        | GenerateError::Stop(_) => {
            tracing::debug!(?error, "the model refused a request");
            AxonError::Prompt { reason: error.to_string() }
        }
        error => {
            tracing::error!(%error, "the model took no request");
            AxonError::Generation
        }
    }
}
