//! The answers to one order in the making: their generations, their limits, and the counts that the receipt will state.
//!
//! An order has one prompt or several, and one answer or several to each. All of them are one call: one ticket, one output hash, one
//! receipt. A prompt is read, and paid, once however many answers it has.

use std::num::NonZeroU32;
use std::task::Poll;

use futures::StreamExt;
use model_runtime::{AnswerParser, Event, GenerateError, GenerateRequest, Generation, Grammar, Logprobs};
use protocol::digest::{Digest, Hasher};
use protocol::openai::{AnswerForm, StreamHead, TokenLogprob, TokenLogprobs, Usage, ValidSampling};
use protocol::receipt::FinishReason;
use protocol::ticket::ValidTicket;

use super::error::AxonError;
use super::order::Limits;
use super::request_id::random_hex;
use super::slots::Slot;
use super::states::States;
use crate::clock;
use crate::models::Model;
use crate::receipts::Draft;

/// What is to be generated.
#[derive(Debug)]
pub(super) struct Asked {
    /// Begins the answer's id.
    pub id_prefix: &'static str,
    /// One for each prompt.
    pub requests: Vec<GenerateRequest>,
    /// Answers to each prompt.
    pub choices: u32,
    /// The client's own limit for each answer.
    pub completion_tokens_max: Option<u32>,
    /// The field that holds the prompts, for errors.
    pub param: &'static str,
    /// The field that asks for a form, for errors.
    pub form_param: &'static str,
}

/// The answers in the making. Dropping them cancels the generations and frees their slot.
pub(super) struct Answer {
    pub head: StreamHead,
    pub limits: Limits,
    generations: Vec<Generation>,
    /// Generations that have not ended.
    open: usize,
    /// Whether the model was told to come to an end.
    ending: bool,
    /// The generation that is asked first for its next event.
    turn: usize,
    choices: usize,
    ticket: ValidTicket,
    counts: Counts,
    finish_reason: FinishReason,
    first_token_ms: Option<u32>,
    output: Hasher,
    /// Of the first answer: the fingerprint that the receipt names is its.
    states: States,
    _slot: Slot,
}

/// Tokens of all prompts and answers together.
#[derive(Clone, Debug, Default)]
struct Counts {
    prompt: u32,
    cached: u32,
    reasoning: u32,
    /// By answer.
    completion: Vec<u32>,
}

/// What happens next.
pub(super) enum Step {
    /// An answer goes on with this text, which may be empty.
    Text { choice: usize, text: String, token: u32, logprobs: Option<TokenLogprobs> },
    /// An answer ends as the model or the request meant it to.
    Ended { choice: usize, reason: FinishReason },
    /// All of them have ended.
    Finished,
    /// They end because their validator says that nobody waits for them.
    Cancelled,
    /// They end otherwise.
    Failed(AxonError),
}

impl Answer {
    /// Queues the requests with the model.
    pub async fn begin(
        model: &Model,
        ticket: ValidTicket,
        asked: Asked,
        slot: Slot,
        limits: Limits,
    ) -> Result<Self, AxonError> {
        let Asked { id_prefix, requests, choices, completion_tokens_max, param, form_param } = asked;
        let prompts = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        let count = NonZeroU32::new(choices).unwrap_or(NonZeroU32::MIN);
        let ticket_tokens = ticket.completion_tokens_max / prompts.saturating_mul(count.get()).max(1);
        let tokens_max = completion_tokens_max.unwrap_or(u32::MAX).min(ticket_tokens);
        if tokens_max == 0 {
            return Err(AxonError::TicketTokens);
        }
        let head = StreamHead {
            id: format!("{id_prefix}{}", random_hex()),
            created: clock::unix_ms() / 1_000,
            model: ticket.model.as_str().to_owned(),
        };
        let (states, mut generations) = (States::default(), Vec::new());
        let mut prompt_tokens: u32 = 0;
        for request in requests {
            for index in 0..count.get() {
                let hidden = generations.is_empty().then(|| states.sink());
                let mut request = GenerateRequest { tokens_max, hidden, ..request.clone() };
                // Each answer draws by a seed of its own.
                request.sampling.seed = request.sampling.seed.map(|seed| seed.wrapping_add(index.into()));
                let generation = tokio::time::timeout_at(limits.deadline, model.handle().generate(request))
                    .await
                    .map_err(|_| AxonError::Deadline)?
                    .map_err(|error| match error {
                        GenerateError::Grammar(error) => {
                            AxonError::Form { param: form_param, reason: error.to_string() }
                        }
                        error => refused(error, param),
                    })?;
                if index == 0 {
                    prompt_tokens = prompt_tokens.saturating_add(generation.prompt_tokens());
                }
                generations.push(generation);
            }
        }
        if prompt_tokens > ticket.prompt_tokens_max {
            return Err(AxonError::PromptTooLong {
                param,
                tokens: prompt_tokens.into(),
                tokens_max: ticket.prompt_tokens_max.into(),
            });
        }
        let completion = vec![0; generations.len()];
        Ok(Self {
            head,
            limits,
            open: generations.len(),
            ending: false,
            turn: 0,
            choices: usize::try_from(count.get()).unwrap_or(usize::MAX),
            generations,
            ticket,
            counts: Counts { prompt: prompt_tokens, completion, ..Counts::default() },
            finish_reason: FinishReason::Stop,
            first_token_ms: None,
            output: Hasher::new(),
            states,
            _slot: slot,
        })
    }

    /// Tokens of the prompt that an answer is to.
    pub fn prompt_token_ids(&self, choice: usize) -> Vec<u32> {
        self.generations
            .get(choice)
            .map(|generation| generation.prompt_token_ids().to_vec())
            .unwrap_or_default()
    }

    /// What takes each answer's text apart.
    pub fn parsers(&self) -> Vec<AnswerParser> {
        self.generations.iter().map(Generation::parser).collect()
    }

    /// Waits for the next token of any answer, an end, the deadline or the miner's stop. Answers that take too long end at a length.
    pub async fn next(&mut self) -> Step {
        if self.open == 0 {
            return Step::Finished;
        }
        let Self { limits, generations, turn, ending, .. } = self;
        let (cut, ends, deadline) = (limits.cut.clone(), limits.ends, limits.deadline);
        let (choice, event) = loop {
            tokio::select! {
                biased;
                () = cut.cancelled() => return Step::Failed(AxonError::Generation),
                () = limits.cancellable.cancelled() => return Step::Cancelled,
                // Before the model, which may be ahead of a slow client by its whole answer.
                () = tokio::time::sleep_until(deadline) => return Step::Failed(AxonError::Deadline),
                () = tokio::time::sleep_until(ends), if !*ending => {
                    *ending = true;
                    generations.iter().for_each(Generation::end_soon);
                }
                event = next_event(generations, turn) => break event,
            }
        };
        match event {
            Some(Event::Token { text, id, logprobs }) => {
                if choice == 0 {
                    self.states.token(id);
                }
                if let Some(tokens) = self.counts.completion.get_mut(choice) {
                    *tokens = tokens.saturating_add(1);
                }
                self.first_token_ms.get_or_insert_with(|| clock::elapsed_ms(self.limits.arrived));
                let logprobs =
                    logprobs.and_then(|told| Some(in_words(self.generations.get(choice)?, id, &told)));
                Step::Text { choice, text, token: id, logprobs }
            }
            Some(Event::Finished(finished)) => {
                self.open = self.open.saturating_sub(1);
                // Counts the token that ended the answer too, which has no text.
                if let Some(tokens) = self.counts.completion.get_mut(choice) {
                    *tokens = finished.completion_tokens;
                }
                if choice % self.choices == 0 {
                    self.counts.cached = self.counts.cached.saturating_add(finished.cached_tokens);
                }
                match finished.reason {
                    model_runtime::FinishReason::Stop => Step::Ended { choice, reason: FinishReason::Stop },
                    model_runtime::FinishReason::Length => {
                        self.finish_reason = FinishReason::Length;
                        Step::Ended { choice, reason: FinishReason::Length }
                    }
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

    /// Notes that a token was thought and not said.
    pub fn thought(&mut self) {
        self.counts.reasoning = self.counts.reasoning.saturating_add(1);
    }

    /// Adds one JSON text to what the receipt states was sent.
    pub fn sent(&mut self, json: &[u8]) {
        self.output.update(json);
        self.output.update(b"\n");
    }

    /// Tokens so far.
    pub fn usage(&self) -> Usage {
        let Counts { prompt, cached, reasoning, .. } = self.counts;
        Usage::new(prompt, self.completion_tokens()).with_details(cached, reasoning)
    }

    fn completion_tokens(&self) -> u32 {
        self.counts.completion.iter().fold(0, |sum: u32, tokens| sum.saturating_add(*tokens))
    }

    /// Why the call ended: at a limit if any of its answers did.
    pub fn finish_reason(&self) -> FinishReason {
        self.finish_reason
    }

    /// What happened, for the receipt. The generations are over and their slot free.
    pub fn into_draft(self, finish_reason: FinishReason) -> Draft {
        let total_ms = clock::elapsed_ms(self.limits.arrived);
        let completion_tokens = self.completion_tokens();
        let output_sha256: Digest = self.output.finish();
        Draft {
            ticket: self.ticket,
            output_sha256,
            prompt_tokens: self.counts.prompt,
            completion_tokens,
            first_token_ms: self.first_token_ms.unwrap_or(total_ms),
            total_ms,
            finish_reason,
            fingerprint: self.states.finish(),
        }
    }
}

/// The next event of any generation, each in its turn, and whose it is.
async fn next_event(generations: &mut [Generation], turn: &mut usize) -> (usize, Option<Event>) {
    std::future::poll_fn(|context| {
        let count = generations.len();
        let mut over = true;
        for step in 0..count {
            let choice = (*turn + step) % count;
            let Some(generation) = generations.get_mut(choice) else { continue };
            match generation.poll_next_unpin(context) {
                Poll::Ready(Some(event)) => {
                    *turn = choice + 1;
                    return Poll::Ready((choice, Some(event)));
                }
                Poll::Ready(None) => {}
                Poll::Pending => over = false,
            }
        }
        if over { Poll::Ready((0, None)) } else { Poll::Pending }
    })
    .await
}

fn in_words(generation: &Generation, token: u32, told: &Logprobs) -> TokenLogprobs {
    let one = |token, logprob| TokenLogprob::new(generation.token_bytes(token), logprob);
    let top = told.top.iter().map(|(token, logprob)| one(*token, *logprob)).collect();
    TokenLogprobs::new(one(token, told.drawn), top)
}

/// The sampling settings of a request, as the runtime has them.
pub(super) fn generate_request(
    prompt: model_runtime::Prompt,
    sampling: ValidSampling,
    logprobs: Option<u32>,
    grammar: Option<Grammar>,
) -> GenerateRequest {
    GenerateRequest {
        sampling: model_runtime::Sampling {
            temperature: sampling.temperature.unwrap_or(1.0),
            top_p: sampling.top_p.unwrap_or(1.0),
            top_k: sampling.top_k,
            seed: sampling.seed,
            min_p: sampling.min_p.unwrap_or(0.0),
            presence_penalty: sampling.presence_penalty.unwrap_or(0.0),
            frequency_penalty: sampling.frequency_penalty.unwrap_or(0.0),
            repetition_penalty: sampling.repetition_penalty.unwrap_or(1.0),
            logit_bias: sampling.logit_bias,
            logprobs,
        },
        stop: sampling.stop,
        stop_tokens: sampling.stop_token_ids,
        tokens_min: sampling.tokens_min,
        ignore_end: sampling.ignore_end,
        cache_salt: sampling.cache_salt,
        shows_special: sampling.shows_special,
        grammar,
        ..GenerateRequest::greedy(prompt, 1)
    }
}

/// The grammar that keeps an answer to its form.
pub(super) fn grammar(form: AnswerForm) -> Option<Grammar> {
    match form {
        AnswerForm::Text => None,
        AnswerForm::JsonObject => Some(Grammar::JsonObject),
        AnswerForm::JsonSchema(schema) => Some(Grammar::JsonSchema(schema)),
        AnswerForm::Regex(expression) => Some(Grammar::Regex(expression)),
        AnswerForm::Choice(texts) => Some(Grammar::Choice(texts)),
        AnswerForm::Lark(grammar) => Some(Grammar::Lark(grammar)),
    }
}

/// Why the model takes no request, for the caller.
pub(super) fn refused(error: GenerateError, param: &'static str) -> AxonError {
    match error {
        GenerateError::QueueFull { .. } => AxonError::Busy,
        GenerateError::PromptTooLong { prompt_tokens, context_tokens } => {
            AxonError::PromptTooLong { param, tokens: prompt_tokens, tokens_max: context_tokens.into() }
        }
        GenerateError::Grammar(error) => AxonError::Form { param, reason: error.to_string() },
        GenerateError::NoText | GenerateError::NoEmbeddings | GenerateError::NoVocabulary => {
            AxonError::WrongModel { reason: error.to_string() }
        }
        GenerateError::EmptyPrompt
        | GenerateError::NoChatTemplate
        | GenerateError::Template(_)
        | GenerateError::Tokenizer(_)
        | GenerateError::UnknownToken { .. }
        | GenerateError::StopTokens(_)
        | GenerateError::Sampling(_)
        | GenerateError::Stop(_)
        | GenerateError::Embed(_) => {
            tracing::debug!(?error, "the model refused a request");
            let source =
                std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            AxonError::Prompt { param, reason: format!("{error}{source}") }
        }
        error => {
            tracing::error!(%error, "the model took no request");
            AxonError::Generation
        }
    }
}
