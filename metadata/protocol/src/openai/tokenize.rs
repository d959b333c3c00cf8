//! `POST /tokenize` and `POST /detokenize`, as vLLM has them.

use serde::{Deserialize, Serialize};

use super::tools::valid_tools;
use super::validate::{model_id, valid_messages};
use super::{ChatMessage, RequestError, Tool, ValidMessage};
use crate::ticket::ModelId;

/// How many tokens can be turned into text at once.
pub const TOKENS_MAX: usize = 65_536;

/// What to turn into tokens: a text, or a conversation by the model's chat template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenizeRequest {
    /// The model's name.
    pub model: String,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// A conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<ChatMessage>>,
    /// Functions on offer in the conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Tool>>,
    /// Whether a text gets the tokens that the model wants around it. True if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_special_tokens: Option<bool>,
    /// Whether to tell the tokens' texts too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_token_strs: Option<bool>,
}

/// A request within every limit of this protocol. Made only by [`TokenizeRequest::validate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ValidTokenizeRequest {
    /// The model's name. Whether it is on offer is not known.
    pub model: ModelId,
    /// What to turn into tokens.
    pub subject: TokenizeSubject,
    /// Whether a text gets the tokens that the model wants around it.
    pub special: bool,
    /// Whether to tell the tokens' texts too.
    pub texts: bool,
}

/// What to turn into tokens.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenizeSubject {
    /// A text.
    Text(String),
    /// A conversation, with functions on offer.
    Chat(Vec<ValidMessage>, Vec<Tool>),
}

impl TokenizeRequest {
    /// Checks every field.
    pub fn validate(self) -> Result<ValidTokenizeRequest, RequestError> {
        let model = model_id(self.model)?;
        let subject = match (self.prompt, self.messages) {
            (Some(text), None) => TokenizeSubject::Text(text),
            (None, Some(messages)) => {
                TokenizeSubject::Chat(valid_messages(messages)?, valid_tools(self.tools.unwrap_or_default())?)
            }
            _ => return Err(RequestError::new("prompt", "give either prompt or messages")),
        };
        Ok(ValidTokenizeRequest {
            model,
            subject,
            special: self.add_special_tokens.unwrap_or(true),
            texts: self.return_token_strs.unwrap_or(false),
        })
    }
}

/// The tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokenized {
    /// How many there are.
    pub count: u32,
    /// The model's longest prompt and answer together, in tokens.
    pub max_model_len: u32,
    /// Their numbers.
    pub tokens: Vec<u32>,
    /// Their texts, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_strs: Option<Vec<String>>,
}

/// Tokens to turn into text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DetokenizeRequest {
    /// The model's name.
    pub model: String,
    /// Their numbers.
    pub tokens: Vec<u32>,
}

/// The text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detokenized {
    /// Bytes that are no text are replaced.
    pub prompt: String,
}

impl DetokenizeRequest {
    /// Checks the name and the number of tokens.
    pub fn validate(self) -> Result<(ModelId, Vec<u32>), RequestError> {
        let model = model_id(self.model)?;
        if self.tokens.len() > TOKENS_MAX {
            return Err(RequestError::new("tokens", format!("tokens may have at most {TOKENS_MAX} items")));
        }
        Ok((model, self.tokens))
    }
}
