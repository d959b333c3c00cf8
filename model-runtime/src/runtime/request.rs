use thiserror::Error;

use crate::chat_template::{ChatTemplateError, Message};
use crate::sampling::{Sampling, SamplingError};
use crate::stop::StopError;
use crate::tokenizer::TokenizerError;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, put into the model's own form by its chat template.
    Chat(Vec<Message>),
    /// A text to continue, as it is.
    Text(String),
    /// Tokens to continue, as they are.
    Tokens(Vec<u32>),
}

impl Prompt {
    /// A conversation of one user message.
    #[must_use]
    pub fn user(content: &str) -> Self {
        Self::Chat(vec![Message { role: "user".to_owned(), content: content.to_owned() }])
    }
}

/// A request for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateRequest {
    /// What to answer.
    pub prompt: Prompt,
    /// Tokens the answer may have; the model's context limits it further.
    pub tokens_max: u32,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Strings that end the answer before them.
    pub stop: Vec<String>,
}

impl GenerateRequest {
    /// The likeliest answer, without stop strings.
    #[must_use]
    pub fn greedy(prompt: Prompt, tokens_max: u32) -> Self {
        Self { prompt, tokens_max, sampling: Sampling::greedy(), stop: Vec::new() }
    }
}

/// Why a request was not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// Too many are waiting already.
    #[error("the model is busy: {requests_max} requests are running or waiting")]
    QueueFull {
        /// The limit: slots and places in the queue together.
        requests_max: usize,
    },
    /// The prompt leaves no room for an answer.
    #[error(
        "the prompt has at least {prompt_tokens} tokens, which leaves no room in a context of {context_tokens}"
    )]
    PromptTooLong {
        /// Tokens of the prompt; of a huge one the fewest it can have.
        prompt_tokens: u64,
        /// Positions there are.
        context_tokens: u32,
    },
    /// There is nothing to answer.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// An answer without tokens was asked for.
    #[error("an answer needs at least one token")]
    NoTokens,
    /// The prompt has a token the model does not have.
    #[error("token {token} does not exist, the vocabulary has {vocabulary_tokens}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Number of tokens.
        vocabulary_tokens: u32,
    },
    /// The model was not made for conversations.
    #[error("the model has no chat template")]
    NoChatTemplate,
    /// The template refused the conversation.
    #[error("the conversation cannot be put into the model's form")]
    Template(#[from] ChatTemplateError),
    /// The text could not be encoded.
    #[error("the prompt cannot be encoded")]
    Tokenizer(#[from] TokenizerError),
    /// Settings out of range.
    #[error("the sampling settings cannot be used")]
    Sampling(#[from] SamplingError),
    /// Stop strings out of range.
    #[error("the stop strings cannot be used")]
    Stop(#[from] StopError),
    /// The operating system gave no randomness for a seed.
    #[error("cannot draw a seed")]
    Seed(#[source] getrandom::Error),
    /// The model's thread is gone.
    #[error("the model has stopped")]
    Stopped,
}
