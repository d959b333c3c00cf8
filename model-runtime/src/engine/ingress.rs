//! What goes into an engine and what comes out.

use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::answer::Answer;
use crate::grammar::Constraint;
use crate::runtime::HiddenSink;
use crate::sampling::{Logprobs, Sampler};
use crate::tokenizer::EncodedPrompt;

/// Something that happened to a request. After `Finished` or `Failed` nothing follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The model gave a token.
    Token {
        /// The text that became certain with it; empty while a character or a stop string is undecided.
        text: String,
        /// The token.
        id: u32,
        /// If they were asked for.
        logprobs: Option<Logprobs>,
    },
    /// The answer is complete.
    Finished(Finished),
    /// The model failed; the text says how, for a log.
    Failed(String),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop string was found.
    Stop,
    /// The limit of tokens or the model's context was reached.
    Length,
    /// Nobody listened any more.
    Cancelled,
    /// It failed.
    Error,
}

/// A complete answer's numbers. Times run from when the request was submitted.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Finished {
    /// Why it ended.
    pub reason: FinishReason,
    /// Tokens of the prompt.
    pub prompt_tokens: u32,
    /// Those of them that were in the cache already.
    pub cached_tokens: u32,
    /// Tokens the model gave, the one that ended the answer included.
    pub completion_tokens: u32,
    /// Until the request got a slot.
    pub queued_ms: u64,
    /// Until the first token.
    pub first_token_ms: u64,
    /// Until the end.
    pub total_ms: u64,
}

/// A request, checked and encoded.
pub(crate) struct Request {
    pub(crate) prompt: EncodedPrompt,
    pub(crate) sampler: Sampler,
    pub(crate) answer: Answer,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) submitted: Instant,
    pub(crate) priority: i8,
    pub(crate) account: u64,
    pub(crate) draft_tokens_max: u32,
    pub(crate) dictated: Vec<u32>,
    pub(crate) hidden: Option<HiddenSink>,
    /// Digest of what keeps the prompt's cache apart from others'.
    pub(crate) salt: Option<[u8; 32]>,
    pub(crate) constraint: Option<Constraint>,
    /// One of the bounded number of requests that may be queued or active; given back when the request is dropped.
    pub(crate) _place: OwnedSemaphorePermit,
}
