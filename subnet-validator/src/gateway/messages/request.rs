//! The request, and the chat that it asks for.

use protocol::openai::{ChatMessage, ChatRequest, Content, Function, Stop, Tool, ToolCall};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::error::GatewayError;
use crate::gateway::inner::{content, field};

/// A request, as received. Fields that change nothing here are not listed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct MessagesRequest {
    pub model: String,
    max_tokens: i64,
    messages: Vec<Message>,
    #[serde(default)]
    system: Option<Value>,
    #[serde(default)]
    stop_sequences: Option<Vec<String>>,
    #[serde(default)]
    temperature: Option<f32>,
    #[serde(default)]
    top_p: Option<f32>,
    #[serde(default)]
    top_k: Option<i64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    tools: Option<Vec<ToolField>>,
    #[serde(default)]
    tool_choice: Option<ToolChoiceField>,
    #[serde(default)]
    thinking: Option<Thinking>,
}

/// The same without what only matters to an answer.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct CountRequest {
    model: String,
    messages: Vec<Message>,
    #[serde(default)]
    system: Option<Value>,
    #[serde(default)]
    tools: Option<Vec<ToolField>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Message {
    role: String,
    content: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ToolField {
    name: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    input_schema: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ToolChoiceField {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: String,
}

impl CountRequest {
    /// The chat whose prompt is to be counted.
    pub fn into_chat(self) -> Result<ChatRequest, GatewayError> {
        let Self { model, messages, system, tools } = self;
        MessagesRequest { model, messages, system, tools, max_tokens: 1, ..MessagesRequest::default() }
            .into_chat()
    }
}

impl MessagesRequest {
    /// The chat. Field names in errors are this form's where the two differ.
    pub fn into_chat(self) -> Result<ChatRequest, GatewayError> {
        let mut messages = Vec::new();
        if let Some(system) = self.system {
            let content =
                texts(&system).ok_or_else(|| field("system", "system must be a text or a list of texts"))?;
            messages.push(ChatMessage {
                role: "system".to_owned(),
                content: Some(content),
                ..ChatMessage::default()
            });
        }
        for (index, message) in self.messages.into_iter().enumerate() {
            take_message(&mut messages, index, message)?;
        }
        let tools = self.tools.unwrap_or_default().into_iter().enumerate();
        let tools: Vec<Tool> = tools.map(|(index, item)| tool(index, item)).collect::<Result<_, _>>()?;
        let parallel = self.tool_choice.as_ref().and_then(|choice| choice.disable_parallel_tool_use);
        let thinking =
            self.thinking.map(|thinking| json!({ "enable_thinking": thinking.kind != "disabled" }));
        Ok(ChatRequest {
            model: self.model,
            messages,
            stream: self.stream,
            max_completion_tokens: Some(self.max_tokens),
            tools: (!tools.is_empty()).then_some(tools),
            tool_choice: self.tool_choice.map(tool_choice).transpose()?,
            parallel_tool_calls: parallel.map(|disabled| !disabled),
            chat_template_kwargs: thinking.and_then(|variables| variables.as_object().cloned()),
            temperature: self.temperature,
            top_p: self.top_p,
            top_k: self.top_k,
            stop: self.stop_sequences.filter(|stops| !stops.is_empty()).map(Stop::Many),
            ..ChatRequest::default()
        })
    }
}

/// One message becomes one, or several: tools' results are messages of their own in a chat.
fn take_message(messages: &mut Vec<ChatMessage>, index: usize, message: Message) -> Result<(), GatewayError> {
    let error = |name: &str, text: &str| field(format!("messages[{index}].{name}"), text);
    let Message { role, content: given } = message;
    if role != "user" && role != "assistant" {
        return Err(error("role", "role must be user or assistant"));
    }
    let blocks = match given {
        Value::String(text) => {
            messages.push(ChatMessage::new(role, text));
            return Ok(());
        }
        Value::Array(blocks) => blocks,
        _ => return Err(error("content", "content must be a text or a list of blocks")),
    };
    let (mut said, mut thought, mut calls) = (Vec::new(), None, Vec::new());
    for block in blocks {
        let text = |name: &str| block[name].as_str().map(str::to_owned);
        match block["type"].as_str() {
            Some("text") => {
                said.push(text("text").ok_or_else(|| error("content", "a text block needs a text"))?)
            }
            Some("thinking") => thought = text("thinking"),
            Some("redacted_thinking") => {}
            Some("tool_use") => {
                let (Some(id), Some(name)) = (text("id"), text("name")) else {
                    return Err(error("content", "a tool_use block needs an id and a name"));
                };
                calls.push(ToolCall::new(id, name, block["input"].to_string()));
            }
            Some("tool_result") => {
                let result = match &block["content"] {
                    Value::Null => Content::Text(String::new()),
                    result => texts(result).ok_or_else(|| {
                        error("content", "a tool's result must be a text or a list of texts")
                    })?,
                };
                messages.push(ChatMessage {
                    role: "tool".to_owned(),
                    content: Some(result),
                    tool_call_id: text("tool_use_id"),
                    ..ChatMessage::default()
                });
            }
            _ => {
                return Err(error(
                    "content",
                    "only text, thinking, tool_use and tool_result blocks are supported",
                ));
            }
        }
    }
    if !said.is_empty() || !calls.is_empty() || thought.is_some() {
        messages.push(ChatMessage {
            role,
            content: Some(content(said)),
            reasoning_content: thought,
            tool_calls: (!calls.is_empty()).then_some(calls),
            ..ChatMessage::default()
        });
    }
    Ok(())
}

fn texts(value: &Value) -> Option<Content> {
    match value {
        Value::String(text) => Some(Content::Text(text.clone())),
        Value::Array(blocks) => {
            let text = |block: &Value| {
                block["type"].as_str().filter(|kind| *kind == "text")?;
                block["text"].as_str().map(str::to_owned)
            };
            blocks.iter().map(text).collect::<Option<Vec<_>>>().map(content)
        }
        _ => None,
    }
}

fn tool(index: usize, tool: ToolField) -> Result<Tool, GatewayError> {
    let ToolField { name, kind, description, input_schema } = tool;
    if kind.is_some_and(|kind| kind != "custom") {
        return Err(field(
            format!("tools[{index}].type"),
            "only tools that the client runs itself are supported",
        ));
    }
    let function = Function { name, description, parameters: input_schema, strict: None };
    Ok(Tool { kind: "function".to_owned(), function: Some(function) })
}

fn tool_choice(choice: ToolChoiceField) -> Result<Value, GatewayError> {
    match (choice.kind.as_str(), choice.name) {
        ("auto", _) => Ok("auto".into()),
        ("none", _) => Ok("none".into()),
        ("any", _) => Ok("required".into()),
        ("tool", Some(name)) => Ok(json!({ "type": "function", "function": { "name": name } })),
        _ => Err(field("tool_choice", "tool_choice.type must be auto, any, none, or tool with a name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::openai::{Role, ToolChoice};

    fn chat(body: Value) -> Result<ChatRequest, GatewayError> {
        serde_json::from_value::<MessagesRequest>(body).unwrap().into_chat()
    }

    #[test]
    fn blocks_tools_and_results_become_a_chat() {
        let chat = chat(json!({
            "model": "m", "max_tokens": 9, "stop_sequences": ["END"], "top_k": 5, "metadata": {"user_id": "u"},
            "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": "Rain?"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Ulm"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "dry"}]},
                    {"type": "text", "text": "So?"},
                ]},
            ],
            "tools": [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        }))
        .unwrap()
        .validate()
        .unwrap();
        let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
        let said = &chat.messages[2];
        assert_eq!((said.content.as_str(), said.reasoning.as_deref()), ("Let me see.", Some("hm")));
        assert_eq!(said.tool_calls[0].function.arguments, r#"{"city":"Ulm"}"#);
        assert_eq!(
            (chat.messages[3].content.as_str(), chat.messages[3].tool_call_id.as_deref()),
            ("dry", Some("t1"))
        );
        assert_eq!((chat.tool_choice, chat.parallel_tool_calls), (ToolChoice::Required, false));
        assert_eq!((chat.sampling.stop, chat.sampling.top_k), (vec!["END".to_owned()], Some(5)));
    }

    #[test]
    fn what_is_not_text_is_refused_by_name() {
        let with = |field: &str, value: Value| {
            let mut body =
                json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]});
            body[field] = value;
            let Err(GatewayError::Field(error)) = chat(body) else { panic!("{field} was accepted") };
            error.param.unwrap()
        };
        let image = json!([{"role": "user", "content": [{"type": "image", "source": {}}]}]);
        assert_eq!(with("messages", image), "messages[0].content");
        assert_eq!(with("messages", json!([{"role": "system", "content": "a"}])), "messages[0].role");
        assert_eq!(with("tools", json!([{"type": "bash_20250124", "name": "bash"}])), "tools[0].type");
        assert_eq!(with("tool_choice", json!({"type": "tool"})), "tool_choice");
        assert_eq!(with("system", json!(7)), "system");
    }
}
