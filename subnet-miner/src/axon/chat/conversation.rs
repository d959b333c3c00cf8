//! From a request's messages to what a chat template reads.

use model_runtime::Conversation;
use protocol::openai::{Tool, ToolCall, ValidMessage};
use serde_json::{Map, Value, json};

/// The conversation with its tools. Arguments of earlier calls become objects, as templates expect them.
pub(in crate::axon) fn conversation(
    messages: Vec<ValidMessage>,
    tools: &[Tool],
    variables: Map<String, Value>,
    continues: bool,
) -> Conversation {
    let tools = tools.iter().filter_map(|tool| serde_json::to_value(tool).ok()).collect();
    Conversation { messages: messages.into_iter().map(message).collect(), tools, variables, continues }
}

fn message(message: ValidMessage) -> Value {
    let mut written = json!({ "role": message.role.as_str(), "content": message.content });
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            written[key] = value;
        }
    };
    set("name", message.name.map(Value::from));
    set("reasoning_content", message.reasoning.map(Value::from));
    set("tool_call_id", message.tool_call_id.map(Value::from));
    let calls: Vec<Value> = message.tool_calls.into_iter().map(call).collect();
    set("tool_calls", (!calls.is_empty()).then(|| calls.into()));
    written
}

fn call(call: ToolCall) -> Value {
    let ToolCall { id, kind, function } = call;
    let arguments = serde_json::from_str(&function.arguments).unwrap_or(Value::String(function.arguments));
    json!({ "id": id, "type": kind, "function": { "name": function.name, "arguments": arguments } })
}
