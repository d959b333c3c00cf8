//! The request, and the chat that it asks for.

use protocol::openai::{
    ChatMessage, ChatRequest, Content, Function, JsonSchema, ResponseFormat, Tool, ToolCall,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway::error::GatewayError;
use crate::gateway::inner::{content, field};

/// A request, as received. Fields that change nothing here are not listed.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ResponsesRequest {
    pub model: String,
    #[serde(default)]
    pub input: Value,
    #[serde(default)]
    pub instructions: Option<String>,
    #[serde(default)]
    pub max_output_tokens: Option<i64>,
    #[serde(default)]
    pub temperature: Option<f32>,
    #[serde(default)]
    pub top_p: Option<f32>,
    #[serde(default)]
    pub stream: Option<bool>,
    #[serde(default)]
    pub tools: Option<Vec<Value>>,
    #[serde(default)]
    pub tool_choice: Option<Value>,
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    #[serde(default)]
    pub text: Option<TextField>,
    #[serde(default)]
    pub reasoning: Option<ReasoningField>,
    #[serde(default)]
    pub metadata: Option<Value>,
    #[serde(default)]
    pub user: Option<Value>,
    #[serde(default)]
    pub previous_response_id: Option<Value>,
    #[serde(default)]
    pub conversation: Option<Value>,
    #[serde(default)]
    pub prompt: Option<Value>,
    #[serde(default)]
    pub background: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct TextField {
    #[serde(default)]
    pub format: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ReasoningField {
    #[serde(default)]
    pub effort: Option<String>,
}

impl ResponsesRequest {
    /// The chat. Field names in errors are this form's where the two differ.
    pub fn into_chat(self) -> Result<ChatRequest, GatewayError> {
        for (param, given) in [
            ("previous_response_id", self.previous_response_id.is_some()),
            ("conversation", self.conversation.is_some()),
            ("prompt", self.prompt.is_some()),
            ("background", self.background == Some(true)),
        ] {
            if given {
                return Err(field(
                    param,
                    format!("{param} is not supported: nothing is stored between requests"),
                ));
            }
        }
        let mut messages: Vec<ChatMessage> =
            self.instructions.map(|text| ChatMessage::new("system", text)).into_iter().collect();
        match self.input {
            Value::String(text) => messages.push(ChatMessage::new("user", text)),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    take_item(&mut messages, index, item)?;
                }
            }
            _ => return Err(field("input", "input must be a text or a list of items")),
        }
        let tools = self.tools.unwrap_or_default();
        let tools: Vec<Tool> =
            tools.into_iter().enumerate().map(|(index, item)| tool(index, item)).collect::<Result<_, _>>()?;
        Ok(ChatRequest {
            model: self.model,
            messages,
            stream: self.stream,
            max_completion_tokens: self.max_output_tokens,
            tools: (!tools.is_empty()).then_some(tools),
            tool_choice: self.tool_choice.map(tool_choice),
            parallel_tool_calls: self.parallel_tool_calls,
            response_format: self.text.and_then(|text| text.format).map(format).transpose()?,
            reasoning_effort: self.reasoning.and_then(|reasoning| reasoning.effort),
            temperature: self.temperature,
            top_p: self.top_p,
            ..ChatRequest::default()
        })
    }
}

fn take_item(messages: &mut Vec<ChatMessage>, index: usize, item: &Value) -> Result<(), GatewayError> {
    let error = |name: &str, text: &str| field(format!("input[{index}].{name}"), text);
    let text = |name: &str| item[name].as_str().map(str::to_owned);
    match item["type"].as_str().unwrap_or("message") {
        "message" => {
            let role = text("role").ok_or_else(|| error("role", "a message needs a role"))?;
            let content =
                texts(&item["content"]).ok_or_else(|| error("content", "only texts are supported"))?;
            messages.push(ChatMessage { role, content: Some(content), ..ChatMessage::default() });
        }
        "function_call" => {
            let (Some(id), Some(name), Some(arguments)) = (text("call_id"), text("name"), text("arguments"))
            else {
                return Err(error("type", "a function_call needs call_id, name and arguments"));
            };
            let call = ToolCall::new(id, name, arguments);
            // Calls of one turn are one message.
            match messages.last_mut().filter(|last| last.role == "assistant") {
                Some(last) => last.tool_calls.get_or_insert_default().push(call),
                None => messages.push(ChatMessage {
                    role: "assistant".to_owned(),
                    tool_calls: Some(vec![call]),
                    ..ChatMessage::default()
                }),
            }
        }
        "function_call_output" => {
            let content =
                texts(&item["output"]).ok_or_else(|| error("output", "only texts are supported"))?;
            messages.push(ChatMessage {
                role: "tool".to_owned(),
                content: Some(content),
                tool_call_id: text("call_id"),
                ..ChatMessage::default()
            });
        }
        // What was thought in earlier turns is of no use to later ones.
        "reasoning" => {}
        _ => return Err(error("type", "only messages, function calls and their outputs are supported")),
    }
    Ok(())
}

/// A text, or a list of text parts of whatever name.
fn texts(value: &Value) -> Option<Content> {
    match value {
        Value::String(text) => Some(Content::Text(text.clone())),
        Value::Array(parts) => {
            let known = |kind: &str| matches!(kind, "input_text" | "output_text" | "text" | "refusal");
            let text = |part: &Value| {
                part["type"].as_str().filter(|kind| known(kind))?;
                part["text"].as_str().or_else(|| part["refusal"].as_str()).map(str::to_owned)
            };
            parts.iter().map(text).collect::<Option<Vec<_>>>().map(content)
        }
        _ => None,
    }
}

fn tool(index: usize, item: Value) -> Result<Tool, GatewayError> {
    let function = serde_json::from_value::<Function>(item.clone());
    match function {
        Ok(function) if item["type"] == "function" => {
            Ok(Tool { kind: "function".to_owned(), function: Some(function) })
        }
        _ => Err(field(
            format!("tools[{index}].type"),
            "only tools of type function, each with a name, are supported",
        )),
    }
}

/// `{"type": "function", "name": ...}` is chat's `{"type": "function", "function": {"name": ...}}`.
fn tool_choice(choice: Value) -> Value {
    match choice.get("name") {
        Some(name) => json!({ "type": "function", "function": { "name": name } }),
        None => choice,
    }
}

fn format(format: Value) -> Result<ResponseFormat, GatewayError> {
    let kind = format["type"].as_str().ok_or_else(|| field("text.format", "text.format needs a type"))?;
    let json_schema = (kind == "json_schema").then(|| JsonSchema {
        name: format["name"].as_str().map(str::to_owned),
        schema: format.get("schema").cloned(),
    });
    Ok(ResponseFormat { kind: kind.to_owned(), json_schema })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(body: Value) -> Result<ChatRequest, GatewayError> {
        serde_json::from_value::<ResponsesRequest>(body).unwrap().into_chat()
    }

    #[test]
    fn instructions_messages_calls_and_outputs_become_a_chat() {
        let chat = chat(json!({
            "model": "m", "instructions": "Be brief.", "max_output_tokens": 9, "store": false, "truncation": "auto",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "Rain"}, {"type": "input_text", "text": "?"}]},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "dry"},
            ],
            "tools": [{"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": true}],
            "tool_choice": {"type": "function", "name": "weather"},
            "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}},
        }))
        .unwrap();
        let roles: Vec<&str> = chat.messages.iter().map(|message| message.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool"]);
        let valid = chat.validate().unwrap();
        assert_eq!(valid.messages[1].content, "Rain?");
        assert_eq!(valid.messages[2].tool_calls[0].function.name, "weather");
        assert_eq!(valid.messages[3].tool_call_id.as_deref(), Some("c1"));
        assert_eq!(valid.completion_tokens_max, Some(9));
        assert_eq!(valid.tool_choice, protocol::openai::ToolChoice::Named("weather".into()));
        assert_eq!(valid.form, protocol::openai::AnswerForm::JsonSchema(json!({"type": "object"})));
    }

    #[test]
    fn what_needs_a_memory_or_more_than_text_is_refused_by_name() {
        for (param, value) in
            [("previous_response_id", json!("resp_1")), ("background", json!(true)), ("input", json!(7))]
        {
            let mut body = json!({"model": "m", "input": "hi"});
            body[param] = value;
            let Err(GatewayError::Field(error)) = chat(body) else { panic!("{param} was accepted") };
            assert_eq!(error.param.as_deref(), Some(param));
        }
        let image = json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}]});
        let Err(GatewayError::Field(error)) = chat(image) else { panic!("an image was accepted") };
        assert_eq!(error.param.as_deref(), Some("input[0].content"));
    }
}
