//! A streamed answer: for each choice one role chunk, its pieces, and one finish chunk; then a usage chunk if asked for.
//!
//! Each rule here is one that a real client breaks on: the first delta has role `assistant` and content `""`;
//! the key `finish_reason` is in every choice, `null` until the end; a delta leaves out what it does not set;
//! `choices` is empty in the usage chunk and nowhere else.

use serde::{Deserialize, Serialize};

use super::{ChoiceLogprobs, FinishReason, ToolCall, Usage};

/// What all parts of one answer have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamHead {
    /// `chatcmpl-` and an unique text.
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answers.
    pub model: String,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The same in every chunk of one answer.
    pub id: String,
    /// Always `chat.completion.chunk`.
    pub object: String,
    /// Unix time in seconds; the same in every chunk.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// One, or none in the usage chunk.
    pub choices: Vec<ChunkChoice>,
    /// The tokens used; only in the usage chunk, unless every chunk is to report them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The prompt's tokens, if they were asked for; only in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<Vec<u32>>,
}

/// A piece of one answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// The answer's number, from 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// Of the tokens that are new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<ChoiceLogprobs>,
    /// Always written: `null` until the end.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
    /// The tokens that are new, if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

/// What is new. What is absent is left out, not `null`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// `assistant`, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The next piece of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The next piece of what the model thinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same again, under the name that other clients read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// A call's next piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
}

/// A piece of a call: first its id and name, then its arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// The call's number in its answer, from 0.
    pub index: u32,
    /// Once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, once.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What is new.
    pub function: FunctionDelta,
}

/// A piece of which function is called, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDelta {
    /// Once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The next piece of the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
}

impl Delta {
    /// Who speaks, and an empty text.
    pub fn first() -> Self {
        Self { role: Some("assistant".to_owned()), content: Some(String::new()), ..Self::default() }
    }

    /// A piece of text.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: Some(content.into()), ..Self::default() }
    }

    /// A piece of what the model thinks.
    pub fn reasoning(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reasoning_content: Some(text.clone()), reasoning: Some(text), ..Self::default() }
    }

    /// A whole call as its two pieces.
    pub fn call(index: u32, call: ToolCall) -> [Self; 2] {
        let ToolCall { id, kind, function } = call;
        let name = FunctionDelta { name: Some(function.name), arguments: Some(String::new()) };
        let begin = ToolCallDelta { index, id: Some(id), kind: Some(kind), function: name };
        let rest = FunctionDelta { name: None, arguments: Some(function.arguments) };
        let rest = ToolCallDelta { index, id: None, kind: None, function: rest };
        [begin, rest].map(|piece| Self { tool_calls: vec![piece], ..Self::default() })
    }
}

impl ChatChunk {
    /// The first chunk: who speaks, and an empty text.
    pub fn first(head: &StreamHead) -> Self {
        Self::choice(head, ChunkChoice { delta: Delta::first(), ..ChunkChoice::default() })
    }

    /// A piece of text.
    pub fn text(head: &StreamHead, content: impl Into<String>) -> Self {
        Self::choice(head, ChunkChoice { delta: Delta::text(content), ..ChunkChoice::default() })
    }

    /// The end, with an empty delta.
    pub fn finish(head: &StreamHead, reason: FinishReason) -> Self {
        Self::choice(head, ChunkChoice { finish_reason: Some(reason), ..ChunkChoice::default() })
    }

    /// The tokens used. To be sent last, and only if the request asked for it.
    pub fn usage(head: &StreamHead, usage: Usage) -> Self {
        Self { usage: Some(usage), ..Self::with_choices(head, Vec::new()) }
    }

    /// A piece of any kind of any choice.
    pub fn choice(head: &StreamHead, choice: ChunkChoice) -> Self {
        Self::with_choices(head, vec![choice])
    }

    fn with_choices(head: &StreamHead, choices: Vec<ChunkChoice>) -> Self {
        let StreamHead { id, created, model } = head.clone();
        let object = "chat.completion.chunk".to_owned();
        Self { id, object, created, model, choices, usage: None, prompt_token_ids: None }
    }
}
