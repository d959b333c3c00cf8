//! A streamed answer: one role chunk, text chunks, one finish chunk, and a usage chunk if asked for.
//!
//! Each rule here is one that a real client breaks on: the first delta has role `assistant` and content `""`;
//! the key `finish_reason` is in every choice, `null` until the end; a delta leaves out what it does not set;
//! `choices` is empty in the usage chunk and nowhere else.

use serde::{Deserialize, Serialize};

use super::{FinishReason, Usage};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The tokens used; only in the usage chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A piece of one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// The answer's number, from 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// Always written: `null` until the end.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
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
}

impl ChatChunk {
    /// The first chunk: who speaks, and an empty text.
    pub fn first(head: &StreamHead) -> Self {
        let delta = Delta { role: Some("assistant".to_owned()), content: Some(String::new()) };
        Self::choice(head, delta, None)
    }

    /// A piece of text.
    pub fn text(head: &StreamHead, content: impl Into<String>) -> Self {
        Self::choice(head, Delta { role: None, content: Some(content.into()) }, None)
    }

    /// The end, with an empty delta.
    pub fn finish(head: &StreamHead, reason: FinishReason) -> Self {
        Self::choice(head, Delta::default(), Some(reason))
    }

    /// The tokens used. To be sent last, and only if the request asked for it.
    pub fn usage(head: &StreamHead, usage: Usage) -> Self {
        Self { usage: Some(usage), ..Self::with_choices(head, Vec::new()) }
    }

    fn choice(head: &StreamHead, delta: Delta, finish_reason: Option<FinishReason>) -> Self {
        Self::with_choices(head, vec![ChunkChoice { index: 0, delta, finish_reason }])
    }

    fn with_choices(head: &StreamHead, choices: Vec<ChunkChoice>) -> Self {
        let StreamHead { id, created, model } = head.clone();
        Self { id, object: "chat.completion.chunk".to_owned(), created, model, choices, usage: None }
    }
}
