//! `POST /v1/completions`: text that goes on from a prompt. The older form, which many tools still speak.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sampling::{count, with_sampling_fields};
use super::validate::{choices, model_id};
use super::{
    AnswerForm, AskedForm, FinishReason, RequestError, ResponseFormat, StreamHead, StreamOptions, Streaming,
    Usage, ValidSampling,
};
use crate::ticket::ModelId;

/// How many prompts a request may have.
pub const PROMPTS_MAX: usize = 64;
/// How many answers to all prompts together.
pub const ANSWERS_MAX: u32 = 64;
/// Of how many tokens this form tells probabilities.
pub const LOGPROBS_MAX: u32 = 5;
/// Tokens of an answer where the client names no limit, as this form always had it.
pub const TOKENS_DEFAULT: u32 = 16;

with_sampling_fields! {
    /// A request, as received. Absent and `null` are the same everywhere.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct CompletionRequest {
        /// The model's name.
        pub model: String,
        /// What to go on from.
        #[serde(default)]
        pub prompt: Option<PromptField>,
        /// The most tokens to generate for each answer. 16 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub max_tokens: Option<i64>,
        /// How many answers to each prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub n: Option<i64>,
        /// How many to choose the best from: only as many as `n`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub best_of: Option<i64>,
        /// Whether the answer begins with the prompt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub echo: Option<bool>,
        /// What comes after the answer: not supported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub suffix: Option<String>,
        /// Whether to tell probabilities, and of so many of the likeliest tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub logprobs: Option<i64>,
        /// Whether to answer piece by piece.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream: Option<bool>,
        /// How to stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream_options: Option<StreamOptions>,
        /// The form of the answer, as for chat.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub response_format: Option<ResponseFormat>,
        /// Whether a text's tokens have around them what the model wants there: only true.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub add_special_tokens: Option<bool>,
    }
}

/// What to go on from: one prompt or several, as texts or as tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Value")]
pub enum PromptField {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One prompt in tokens.
    Tokens(Vec<u32>),
    /// Several prompts in tokens.
    TokenLists(Vec<Vec<u32>>),
}

/// One prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptText {
    /// As text.
    Text(String),
    /// In tokens of the model.
    Tokens(Vec<u32>),
}

/// A request within every limit of this protocol. Made only by [`CompletionRequest::validate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ValidCompletionRequest {
    /// The model's name. Whether it is on offer is not known.
    pub model: ModelId,
    /// What to go on from: at least one.
    pub prompts: Vec<PromptText>,
    /// How many answers to each.
    pub choices: u32,
    /// The most tokens of each answer.
    pub completion_tokens_max: u32,
    /// Whether answers begin with their prompts.
    pub echo: bool,
    /// Whether to tell the probability of each token, and of so many of the likeliest.
    pub logprobs: Option<u32>,
    /// Whether to answer piece by piece.
    pub stream: Streaming,
    /// The form of the answer.
    pub form: AnswerForm,
    /// The field that asks for it, for errors.
    pub form_param: &'static str,
    /// How tokens are drawn and what ends the answer.
    pub sampling: ValidSampling,
}

/// By hand, because serde's untagged enums do not read numbers that serde_json keeps as written.
impl TryFrom<Value> for PromptField {
    type Error = &'static str;
    fn try_from(value: Value) -> Result<Self, &'static str> {
        const WRONG: &str = "prompt must be a text, a list of texts, tokens, or a list of tokens";
        let items = match value {
            Value::String(text) => return Ok(Self::Text(text)),
            Value::Array(items) => items,
            _ => return Err(WRONG),
        };
        let list = Value::Array(items);
        match list.get(0) {
            Some(Value::Number(_)) => serde_json::from_value(list).map(Self::Tokens),
            Some(Value::Array(_)) => serde_json::from_value(list).map(Self::TokenLists),
            _ => serde_json::from_value(list).map(Self::Texts),
        }
        .map_err(|_| WRONG)
    }
}

impl PromptField {
    /// One by one.
    pub fn into_prompts(self) -> Vec<PromptText> {
        match self {
            Self::Text(text) => vec![PromptText::Text(text)],
            Self::Texts(texts) => texts.into_iter().map(PromptText::Text).collect(),
            Self::Tokens(tokens) => vec![PromptText::Tokens(tokens)],
            Self::TokenLists(lists) => lists.into_iter().map(PromptText::Tokens).collect(),
        }
    }
}

impl CompletionRequest {
    /// Checks every field.
    pub fn validate(mut self) -> Result<ValidCompletionRequest, RequestError> {
        self.refuse_unsupported()?;
        let sampling = self.take_sampling().validate()?;
        let AskedForm { form, param: form_param } = self.take_guided().read(self.response_format)?;
        let error = |param: &str, text: &str| RequestError::new(param, text);
        let model = model_id(self.model)?;
        let prompt = self
            .prompt
            .ok_or_else(|| error("prompt", "prompt must be a text, a list of texts, or tokens"))?;
        let prompts = prompt.into_prompts();
        if !(1..=PROMPTS_MAX).contains(&prompts.len()) {
            return Err(error("prompt", &format!("prompt must be 1 to {PROMPTS_MAX} prompts")));
        }
        let empty = |prompt: &PromptText| match prompt {
            PromptText::Text(text) => text.is_empty(),
            PromptText::Tokens(tokens) => tokens.is_empty(),
        };
        if prompts.iter().any(empty) {
            return Err(error("prompt", "no prompt may be empty"));
        }
        let choices = choices(self.n)?;
        let answers = u32::try_from(prompts.len()).unwrap_or(u32::MAX).saturating_mul(choices);
        if answers > ANSWERS_MAX {
            return Err(error("n", &format!("all prompts together may have at most {ANSWERS_MAX} answers")));
        }
        if self.best_of.is_some_and(|best_of| best_of != i64::from(choices)) {
            return Err(error("best_of", "best_of must be the same as n"));
        }
        if self.add_special_tokens == Some(false) {
            let text = "a text always has around it what the model wants there: give the prompt in tokens";
            return Err(error("add_special_tokens", text));
        }
        if self.suffix.is_some_and(|suffix| !suffix.is_empty()) {
            return Err(error("suffix", "suffix is not supported"));
        }
        let logprobs = self.logprobs.map(|top| count("logprobs", top, 0)).transpose()?;
        if logprobs.is_some_and(|top| top > LOGPROBS_MAX) {
            return Err(error("logprobs", &format!("logprobs must be at most {LOGPROBS_MAX}")));
        }
        let echo = self.echo.unwrap_or(false);
        if echo && logprobs.is_some() {
            return Err(error("logprobs", "logprobs together with echo is not supported"));
        }
        let tokens = self.max_tokens.map(|tokens| count("max_tokens", tokens, 1)).transpose()?;
        Ok(ValidCompletionRequest {
            model,
            prompts,
            choices,
            completion_tokens_max: tokens.unwrap_or(TOKENS_DEFAULT),
            echo,
            logprobs,
            stream: Streaming::read(self.stream, self.stream_options),
            form,
            form_param,
            sampling,
        })
    }
}

impl ValidCompletionRequest {
    /// Answers to all prompts together.
    pub fn answers(&self) -> u32 {
        u32::try_from(self.prompts.len()).unwrap_or(u32::MAX).saturating_mul(self.choices)
    }
}

/// A whole answer, or one piece of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextCompletion {
    /// `cmpl-` and a unique text.
    pub id: String,
    /// Always `text_completion`.
    pub object: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers.
    pub choices: Vec<TextChoice>,
    /// The tokens used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One answer, or a piece of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextChoice {
    /// Its number: that of the prompt times `n`, plus that of the answer.
    pub index: u32,
    /// The text.
    pub text: String,
    /// If they were asked for.
    #[serde(default)]
    pub logprobs: Option<TextLogprobs>,
    /// Why it ended; `null` until then.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
    /// The tokens, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
    /// Of its prompt, if they were asked for; of a streamed answer in its first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<Vec<u32>>,
}

/// Probabilities, as this form tells them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TextLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// Natural logarithms of their probabilities.
    pub token_logprobs: Vec<f32>,
    /// The likeliest tokens in their places.
    pub top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where in the text each begins, in characters.
    pub text_offset: Vec<u32>,
}

impl TextCompletion {
    /// Of these answers.
    pub fn new(head: &StreamHead, choices: Vec<TextChoice>, usage: Option<Usage>) -> Self {
        let StreamHead { id, created, model } = head.clone();
        Self { id, object: "text_completion".to_owned(), created, model, choices, usage }
    }
}
