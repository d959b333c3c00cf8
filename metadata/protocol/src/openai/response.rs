//! A whole answer.

use serde::{Deserialize, Serialize};

use super::{StreamHead, TokenLogprobs, ToolCall};
use crate::receipt;

/// The answer to a request without `stream`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatCompletion {
    /// `chatcmpl-` and an unique text.
    pub id: String,
    /// Always `chat.completion`.
    pub object: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// The answers, by number.
    pub choices: Vec<ChatChoice>,
    /// The tokens used by all of them.
    pub usage: Usage,
    /// The prompt's tokens, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<Vec<u32>>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Its number, from 0.
    pub index: u32,
    /// What the model said.
    pub message: AssistantMessage,
    /// Token by token, if they were asked for; clients expect the key in any case.
    #[serde(default)]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
    /// Its tokens, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

/// What the model said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssistantMessage {
    /// Always `assistant`.
    pub role: String,
    /// The text; `null` where there are only calls.
    pub content: Option<String>,
    /// What the model thought before, if it is one that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same again, under the name that other clients read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The functions it calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
}

/// The tokens of an answer with their probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceLogprobs {
    /// Token by token.
    pub content: Vec<TokenLogprobs>,
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
    #[serde(default)]
    pub completion_tokens: u32,
    /// Both together.
    pub total_tokens: u32,
    /// What is known of the prompt's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// What is known of the generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

/// What is known of a prompt's tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Those that did not have to be computed again.
    pub cached_tokens: u32,
}

/// What is known of generated tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionTokensDetails {
    /// Those that the model thought with.
    pub reasoning_tokens: u32,
}

impl Usage {
    /// Adds up.
    pub const fn new(prompt_tokens: u32, completion_tokens: u32) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: None,
            completion_tokens_details: None,
        }
    }

    /// With the details that clients of 2026 read.
    pub const fn with_details(self, cached_tokens: u32, reasoning_tokens: u32) -> Self {
        Self {
            prompt_tokens_details: Some(PromptTokensDetails { cached_tokens }),
            completion_tokens_details: Some(CompletionTokensDetails { reasoning_tokens }),
            ..self
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

impl AssistantMessage {
    /// Only a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self {
            role: "assistant".to_owned(),
            content: Some(content.into()),
            reasoning_content: None,
            reasoning: None,
            tool_calls: Vec::new(),
        }
    }
}

impl ChatCompletion {
    /// One whole answer of one text.
    pub fn new(
        head: StreamHead,
        content: impl Into<String>,
        finish_reason: FinishReason,
        usage: Usage,
    ) -> Self {
        let message = AssistantMessage::text(content);
        let choice = ChatChoice {
            index: 0,
            message,
            logprobs: None,
            finish_reason: Some(finish_reason),
            token_ids: None,
        };
        Self::of(head, vec![choice], usage)
    }

    /// Whole answers.
    pub fn of(head: StreamHead, choices: Vec<ChatChoice>, usage: Usage) -> Self {
        let StreamHead { id, created, model } = head;
        Self {
            id,
            object: "chat.completion".to_owned(),
            created,
            model,
            choices,
            usage,
            prompt_token_ids: None,
        }
    }
}
