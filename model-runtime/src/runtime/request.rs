use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::chat_template::{ChatTemplateError, Conversation, Message};
use crate::embedder::EmbedError;
use crate::grammar::{Grammar, GrammarError};
use crate::sampling::{Sampling, SamplingError};
use crate::stop::StopError;
use crate::tokenizer::TokenizerError;

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A conversation, put into the model's own form by its chat template.
    Chat(Vec<Message>),
    /// The same with tools, calls of tools, and options.
    Conversation(Box<Conversation>),
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
    /// Tokens that end the answer, beside the model's own.
    pub stop_tokens: Vec<u32>,
    /// Tokens the answer must have before a token may end it.
    pub tokens_min: u32,
    /// The model's own end tokens end nothing.
    pub ignore_end: bool,
    /// Higher goes first, and takes the memory of lower ones when there is too little.
    pub priority: i8,
    /// Who asks: accounts of one priority take turns by the tokens they were served.
    pub account: u64,
    /// Tokens to guess ahead from what the prompt and the answer had before; the answer is the same, and faster where it repeats them.
    pub draft_tokens_max: u32,
    /// The answer's tokens, where the answer is known and only what the model makes of it is asked for (hidden states, log-probabilities):
    /// instead of one token a pass, a pass's worth is read at once. The answer ends with the last of them, or before it by the rules that
    /// end any answer. Empty for an answer that is drawn.
    pub dictated: Vec<u32>,
    /// Where the last hidden state of every position goes that a token was drawn from.
    pub hidden: Option<HiddenSink>,
    /// The form the answer must have.
    pub grammar: Option<Grammar>,
    /// Prompts of one salt share what was computed for their beginnings; with those of another, or of none, they share nothing.
    pub cache_salt: Option<String>,
    /// Control tokens are shown as the vocabulary writes them, but for the one that ends the answer.
    pub shows_special: bool,
}

/// Tokens that can be guessed ahead.
pub const DRAFT_TOKENS_MAX: u32 = 16;
/// Tokens beside the model's own that may end an answer.
pub const STOP_TOKENS_MAX: usize = 64;

/// Takes hidden states: the position (of the token drawn from the state) and the normed f32 row the logits were computed from. Called on
/// a thread that each model has for this, position after position, while the next passes are computed; the answer's last event comes after
/// the last call. Who is slower than the model holds it up once some hundreds of rows wait, and an answer whose listener panics fails.
#[derive(Clone)]
pub struct HiddenSink(Arc<TakeHidden>);

type TakeHidden = dyn Fn(usize, &[f32]) + Send + Sync;

impl HiddenSink {
    /// Calls `take` for every drawn token.
    #[must_use]
    pub fn new(take: impl Fn(usize, &[f32]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    pub(crate) fn give(&self, position: usize, hidden: &[f32]) {
        (self.0)(position, hidden);
    }
}

impl fmt::Debug for HiddenSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenSink")
    }
}

/// Two are the same if they are clones of each other.
impl PartialEq for HiddenSink {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl GenerateRequest {
    /// The likeliest answer, without stop strings.
    #[must_use]
    pub fn greedy(prompt: Prompt, tokens_max: u32) -> Self {
        Self {
            prompt,
            tokens_max,
            sampling: Sampling::greedy(),
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            tokens_min: 0,
            ignore_end: false,
            priority: 0,
            account: 0,
            draft_tokens_max: 0,
            dictated: Vec::new(),
            hidden: None,
            grammar: None,
            cache_salt: None,
            shows_special: false,
        }
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
    /// A form the answer cannot be made to have.
    #[error("the answer's form cannot be used")]
    Grammar(#[from] GrammarError),
    /// More tokens that end answers than are looked for.
    #[error("at most {STOP_TOKENS_MAX} stop tokens are allowed, not {0}")]
    StopTokens(usize),
    /// More guesses than one pass checks.
    #[error("at most {DRAFT_TOKENS_MAX} tokens can be guessed ahead, not {0}")]
    Drafts(u32),
    /// The operating system gave no randomness for a seed.
    #[error("cannot draw a seed")]
    Seed(#[source] getrandom::Error),
    /// The model makes embeddings.
    #[error("the model makes embeddings and no text")]
    NoText,
    /// The model makes text.
    #[error("the model makes text and no embeddings")]
    NoEmbeddings,
    /// The model has no tokens of its own.
    #[error("the model has no vocabulary")]
    NoVocabulary,
    /// A text could not be embedded.
    #[error("a text cannot be embedded")]
    Embed(#[from] EmbedError),
    /// The model's thread is gone.
    #[error("the model has stopped")]
    Stopped,
}
