//! A whole answer.

use serde::{Deserialize, Serialize};

use super::StreamHead;
use crate::receipt;

/// The answer to a request without `stream`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// `chatcmpl-` and an unique text.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers: one.
    pub choices: Vec<ChatChoice>,
    /// The tokens used.
    pub usage: Usage,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Its number, from 0.
    pub index: u32,
    /// What the model said.
    pub message: AssistantMessage,
    /// Always absent: not supported, but clients expect the key.
    #[serde(default)]
    pub logprobs: Option<serde_json::Value>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: String,
    /// The text.
    pub content: Option<String>,
}

/// Why an answer ended, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its answer, or a stop text was met.
    Stop,
    /// The token limit was reached.
    Length,
    /// The answer ends with calls of functions.
    ToolCalls,
    /// A filter cut the answer.
    ContentFilter,
}

/// The tokens used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// In the prompt, after the chat template.
    pub prompt_tokens: u32,
    /// Generated.
    pub completion_tokens: u32,
    /// Both together.
    pub total_tokens: u32,
}

impl Usage {
    /// Adds up.
    pub const fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
        }
    }
}

impl FinishReason {
    /// What a receipt's reason is called here; a cancelled or failed answer has no name.
    pub const fn from_receipt(reason: receipt::FinishReason) -> Option<Self> {
        match reason {
            receipt::FinishReason::Stop => Some(Self::Stop),
            receipt::FinishReason::Length => Some(Self::Length),
            receipt::FinishReason::Cancelled | receipt::FinishReason::Error => None,
        }
    }
}

impl ChatCompletion {
    /// One whole answer.
    pub fn new(
        head: StreamHead,
        content: impl Into<String>,
        finish_reason: FinishReason,
        usage: Usage,
    ) -> Self {
        let message = AssistantMessage { role: "assistant".to_owned(), content: Some(content.into()) };
        let choice = ChatChoice { index: 0, message, logprobs: None, finish_reason: Some(finish_reason) };
        let StreamHead { id, created, model } = head;
        Self { id, object: "chat.completion".to_owned(), created, model, choices: vec![choice], usage }
    }
}
