//! The message object.

use protocol::openai::{ChatChoice, FinishReason, Usage};
use serde_json::{Value, json};

use crate::gateway::request_id::random_hex;

/// The answer to a request without `stream`.
pub(super) fn whole(model: &str, choice: ChatChoice, usage: Usage) -> Value {
    let mut content = Vec::new();
    let said = choice.message;
    if let Some(thought) = said.reasoning_content {
        content.push(thinking(&thought));
    }
    if let Some(text) = said.content.filter(|text| !text.is_empty()) {
        content.push(json!({ "type": "text", "text": text }));
    }
    for call in said.tool_calls {
        // Arguments are always an object: the parser takes nothing else for a call.
        let input: Value = serde_json::from_str(&call.function.arguments).unwrap_or_else(|_| json!({}));
        content
            .push(json!({ "type": "tool_use", "id": call.id, "name": call.function.name, "input": input }));
    }
    let mut message = begun(model, usage);
    message["content"] = content.into();
    message["stop_reason"] = stop_reason(choice.finish_reason).into();
    message["usage"] = written(usage);
    message
}

/// A message before there is anything in it.
pub(super) fn begun(model: &str, usage: Usage) -> Value {
    json!({
        "id": format!("msg_{}", random_hex()),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": written(usage),
    })
}

pub(super) fn thinking(text: &str) -> Value {
    json!({ "type": "thinking", "thinking": text, "signature": "" })
}

pub(super) fn stop_reason(reason: Option<FinishReason>) -> &'static str {
    match reason {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ToolCalls) => "tool_use",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::Stop) | None => "end_turn",
    }
}

/// Cached tokens are not among the input's in this form.
pub(super) fn written(usage: Usage) -> Value {
    let cached = usage.prompt_tokens_details.unwrap_or_default().cached_tokens;
    json!({
        "input_tokens": usage.prompt_tokens.saturating_sub(cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.completion_tokens,
    })
}
