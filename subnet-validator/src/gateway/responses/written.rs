//! The response object: what was asked, what came, what it took.

use protocol::openai::{ChatChoice, FinishReason, Usage};
use serde_json::{Value, json};

use super::request::ResponsesRequest;
use crate::gateway::request_id::random_hex;

/// What a response repeats of its request.
#[derive(Debug, Clone)]
pub(super) struct Outline {
    fields: Value,
}

impl Outline {
    pub fn of(request: &ResponsesRequest, created_at_s: u64) -> Self {
        let id = format!("resp_{}", random_hex());
        let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.clone());
        let format = request.text.as_ref().and_then(|text| text.format.clone());
        let fields = json!({
            "id": id,
            "object": "response",
            "created_at": created_at_s,
            "status": "in_progress",
            "background": false,
            "error": null,
            "incomplete_details": null,
            "instructions": request.instructions,
            "max_output_tokens": request.max_output_tokens,
            "metadata": request.metadata.clone().unwrap_or_else(|| json!({})),
            "model": request.model,
            "output": [],
            "parallel_tool_calls": request.parallel_tool_calls.unwrap_or(true),
            "previous_response_id": null,
            "reasoning": { "effort": effort, "summary": null },
            "store": false,
            "temperature": request.temperature.unwrap_or(1.0),
            "text": { "format": format.unwrap_or_else(|| json!({ "type": "text" })) },
            "tool_choice": request.tool_choice.clone().unwrap_or_else(|| "auto".into()),
            "tools": request.tools.clone().unwrap_or_default(),
            "top_p": request.top_p.unwrap_or(1.0),
            "truncation": "disabled",
            "usage": null,
            "user": request.user,
        });
        Self { fields }
    }

    /// The response before there is an answer.
    pub fn begun(&self) -> Value {
        self.fields.clone()
    }

    /// The response with its answer.
    pub fn ended(
        &self,
        output: Vec<Value>,
        finish_reason: Option<FinishReason>,
        usage: Option<Usage>,
    ) -> Value {
        let mut response = self.fields.clone();
        let cut = finish_reason == Some(FinishReason::Length);
        response["status"] = if cut { "incomplete" } else { "completed" }.into();
        if cut {
            response["incomplete_details"] = json!({ "reason": "max_output_tokens" });
        }
        response["output"] = output.into();
        response["usage"] = usage.map_or(Value::Null, written);
        response
    }

    /// The response with what went wrong.
    pub fn failed(&self, output: Vec<Value>, code: &str, message: &str) -> Value {
        let mut response = self.fields.clone();
        response["status"] = "failed".into();
        response["error"] = json!({ "code": code, "message": message });
        response["output"] = output.into();
        response
    }

    /// The response to a request without `stream`.
    pub fn whole(&self, choice: ChatChoice, usage: Usage) -> Value {
        let mut output = Vec::new();
        let message = choice.message;
        if let Some(text) = message.reasoning_content {
            output.push(reasoning(&item_id("rs"), &text, "completed"));
        }
        if let Some(text) = message.content.filter(|text| !text.is_empty() || message.tool_calls.is_empty()) {
            output.push(self::message(&item_id("msg"), &text, "completed"));
        }
        for call in message.tool_calls {
            let function = call.function;
            output.push(function_call(
                &item_id("fc"),
                &call.id,
                &function.name,
                &function.arguments,
                "completed",
            ));
        }
        self.ended(output, choice.finish_reason, Some(usage))
    }
}

/// A new item's id.
pub(super) fn item_id(kind: &str) -> String {
    format!("{kind}_{}", random_hex())
}

pub(super) fn message(id: &str, text: &str, status: &str) -> Value {
    let content = if status == "in_progress" { Vec::new() } else { vec![output_text(text)] };
    json!({ "type": "message", "id": id, "status": status, "role": "assistant", "content": content })
}

pub(super) fn output_text(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

pub(super) fn reasoning(id: &str, text: &str, status: &str) -> Value {
    let content = if status == "in_progress" { Vec::new() } else { vec![reasoning_text(text)] };
    json!({ "type": "reasoning", "id": id, "status": status, "summary": [], "content": content })
}

pub(super) fn reasoning_text(text: &str) -> Value {
    json!({ "type": "reasoning_text", "text": text })
}

pub(super) fn function_call(id: &str, call_id: &str, name: &str, arguments: &str, status: &str) -> Value {
    json!({
        "type": "function_call", "id": id, "call_id": call_id, "name": name, "arguments": arguments, "status": status,
    })
}

fn written(usage: Usage) -> Value {
    let cached = usage.prompt_tokens_details.unwrap_or_default().cached_tokens;
    let reasoning = usage.completion_tokens_details.unwrap_or_default().reasoning_tokens;
    json!({
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": { "cached_tokens": cached },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": { "reasoning_tokens": reasoning },
        "total_tokens": usage.total_tokens,
    })
}
