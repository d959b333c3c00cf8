//! `POST /v1/chat/completions`, as received: nothing has been checked but the JSON types.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sampling::with_sampling_fields;

with_sampling_fields! {
    /// A chat request. Absent and `null` are the same everywhere.
    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    pub struct ChatRequest {
        /// The model's name.
        pub model: String,
        /// The conversation, oldest message first.
        pub messages: Vec<ChatMessage>,
        /// Whether to answer piece by piece.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream: Option<bool>,
        /// How to stream.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream_options: Option<StreamOptions>,
        /// The older name of `max_completion_tokens`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub max_tokens: Option<i64>,
        /// The most tokens to generate, for each answer. Wins over `max_tokens`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub max_completion_tokens: Option<i64>,
        /// How many answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub n: Option<i64>,
        /// Whether to tell the probability of each token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub logprobs: Option<bool>,
        /// Of how many of the likeliest tokens too. Needs `logprobs`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub top_logprobs: Option<i64>,
        /// The form of the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub response_format: Option<ResponseFormat>,
        /// Functions the model may call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tools: Option<Vec<Tool>>,
        /// `none`, `auto`, `required`, or the one function to call.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub tool_choice: Option<Value>,
        /// Whether one answer may call several functions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub parallel_tool_calls: Option<bool>,
        /// How much to think; handed to the chat template.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub reasoning_effort: Option<String>,
        /// More variables for the chat template.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub chat_template_kwargs: Option<Map<String, Value>>,
        /// Whether the last message is the assistant's, to be continued.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub continue_final_message: Option<bool>,
        /// Whether the prompt ends where the assistant begins: true, or false together with `continue_final_message`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub add_generation_prompt: Option<bool>,
        /// A chat template of the client's: not supported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub chat_template: Option<Value>,
        /// Texts for templates that know such: not supported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub documents: Option<Value>,
        /// Whether the answer begins with the last message: not supported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub echo: Option<Value>,
        /// Whether tokens are added around the template's text: not supported.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub add_special_tokens: Option<Value>,
    }
}

/// One message of the conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What is said. May be absent from an assistant's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Who says it, among several with one role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the assistant thought before, as most servers call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The same, as others call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The functions an assistant called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Which call a tool's message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// A message's content: one text, or a list of parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(String),
    /// Several parts.
    Parts(Vec<Part>),
}

/// A part of a message's content. Only those of type `text` are supported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// `text`, `image_url` and so on.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A function on offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`; nothing else is supported.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Function>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// What the model calls it by.
    pub name: String,
    /// What it does, for the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema of its arguments; absent where it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether arguments must keep to the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// A call of a function, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// `call_` and a unique text; results name it.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// Which function, and with what.
    pub function: FunctionCall,
}

/// Which function is called, and with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// Its name.
    pub name: String,
    /// A JSON object, as text.
    pub arguments: String,
}

/// How to stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk reports the tokens used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub include_usage: Option<bool>,
    /// Whether every chunk reports the tokens used so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuous_usage_stats: Option<bool>,
}

/// One stop text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
    /// With `json_schema`: the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<JsonSchema>,
}

/// A schema with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonSchema {
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
}

fn function() -> String {
    "function".to_owned()
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl ChatMessage {
    /// A message of one text.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(Content::Text(content.into())), ..Self::default() }
    }
}

impl ToolCall {
    /// A call of a function.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        let function = FunctionCall { name: name.into(), arguments: arguments.into() };
        Self { id: id.into(), kind: self::function(), function }
    }
}
