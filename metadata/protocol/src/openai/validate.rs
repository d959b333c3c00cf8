//! From a chat request as received to one that can be served, or to an error that names the parameter.

use serde_json::{Map, Value};

use super::sampling::{TOP_LOGPROBS_MAX, count, refuse};
use super::tools::{ToolChoice, valid_tools};
use super::{
    AskedForm, ChatMessage, ChatRequest, Content, RequestError, ResponseFormat, StreamOptions, Tool,
    ToolCall, ValidSampling,
};
use crate::ticket::ModelId;

/// How many messages a conversation may have.
pub const MESSAGES_MAX: usize = 1_024;
/// How many answers a request may ask for.
pub const CHOICES_MAX: u32 = 16;

/// A request within every limit of this protocol. Made only by [`ChatRequest::validate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ValidChatRequest {
    /// The model's name. Whether it is on offer is not known.
    pub model: ModelId,
    /// The conversation: at least one message.
    pub messages: Vec<ValidMessage>,
    /// How many answers: 1 to 16.
    pub choices: u32,
    /// Whether to answer piece by piece, and with which reports of tokens.
    pub stream: Streaming,
    /// The most tokens to generate for each answer, if the client says so.
    pub completion_tokens_max: Option<u32>,
    /// Whether to tell the probability of each token, and of so many of the likeliest.
    pub logprobs: Option<u32>,
    /// How tokens are drawn and what ends the answer.
    pub sampling: ValidSampling,
    /// The form of the answer.
    pub form: AnswerForm,
    /// The field that asks for it, for errors.
    pub form_param: &'static str,
    /// Functions that may be called.
    pub tools: Vec<Tool>,
    /// Whether and which of them must be called.
    pub tool_choice: ToolChoice,
    /// Whether one answer may call several.
    pub parallel_tool_calls: bool,
    /// More variables for the chat template.
    pub template_variables: Map<String, Value>,
    /// Whether the last message is the assistant's, to be continued.
    pub continues: bool,
}

/// Whether an answer comes piece by piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streaming {
    /// Whether it does.
    pub on: bool,
    /// Whether the last chunk reports the tokens used. Never without `on`.
    pub include_usage: bool,
    /// Whether every chunk does. Never without `include_usage`.
    pub continuous_usage: bool,
}

/// The form an answer must have.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum AnswerForm {
    /// Any text.
    #[default]
    Text,
    /// A JSON object.
    JsonObject,
    /// JSON of this schema.
    JsonSchema(Value),
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// A text of this grammar's language, in Lark.
    Lark(String),
}

/// One message with its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// Who says it, among several with one role.
    pub name: Option<String>,
    /// What the assistant thought before.
    pub reasoning: Option<String>,
    /// The functions the assistant called.
    pub tool_calls: Vec<ToolCall>,
    /// Which call a tool's message answers.
    pub tool_call_id: Option<String>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions. `developer`, the newer name, is read as this.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A function's result.
    Tool,
}

impl Role {
    /// The name that chat templates use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

impl ChatRequest {
    /// Checks every field. The length of the texts together is bounded by whoever bounds the request's body.
    pub fn validate(mut self) -> Result<ValidChatRequest, RequestError> {
        self.refuse_unsupported()?;
        refuse(&[
            ("chat_template", &self.chat_template),
            ("documents", &self.documents),
            ("echo", &self.echo),
            ("add_special_tokens", &self.add_special_tokens),
        ])?;
        let sampling = self.take_sampling().validate()?;
        let AskedForm { form, param: form_param } = self.take_guided().read(self.response_format)?;
        let model = model_id(self.model)?;
        let messages = valid_messages(self.messages)?;
        let completion_tokens_max = match (self.max_completion_tokens, self.max_tokens) {
            (Some(tokens), _) => Some(count("max_completion_tokens", tokens, 1)?),
            (None, Some(tokens)) => Some(count("max_tokens", tokens, 1)?),
            (None, None) => None,
        };
        let tools = valid_tools(self.tools.unwrap_or_default())?;
        let tool_choice = ToolChoice::read(self.tool_choice.as_ref(), &tools)?;
        if form_param != "response_format" && tool_choice.required_call(&tools).is_some() {
            let text =
                format!("a call that tool_choice demands has a form of its own: leave {form_param} out");
            return Err(RequestError::new(form_param, text));
        }
        let mut template_variables = self.chat_template_kwargs.unwrap_or_default();
        if let Some(effort) = self.reasoning_effort {
            template_variables.entry("reasoning_effort").or_insert(effort.into());
        }
        let continues = self.continue_final_message.unwrap_or(false);
        if continues && messages.last().is_none_or(|last| last.role != Role::Assistant) {
            let text = "continue_final_message needs an assistant's message at the end";
            return Err(RequestError::new("continue_final_message", text));
        }
        if self.add_generation_prompt == Some(false) && !continues {
            let text = "add_generation_prompt can be false only where continue_final_message is true";
            return Err(RequestError::new("add_generation_prompt", text));
        }
        Ok(ValidChatRequest {
            model,
            messages,
            choices: choices(self.n)?,
            stream: Streaming::read(self.stream, self.stream_options),
            completion_tokens_max,
            logprobs: logprobs(self.logprobs, self.top_logprobs)?,
            sampling,
            form,
            form_param,
            tools,
            tool_choice,
            parallel_tool_calls: self.parallel_tool_calls.unwrap_or(true),
            template_variables,
            continues,
        })
    }
}

impl Streaming {
    pub(super) fn read(stream: Option<bool>, options: Option<StreamOptions>) -> Self {
        let on = stream.unwrap_or(false);
        let options = options.unwrap_or_default();
        let include_usage = on && options.include_usage.unwrap_or(false);
        let continuous_usage = include_usage && options.continuous_usage_stats.unwrap_or(false);
        Self { on, include_usage, continuous_usage }
    }
}

impl AnswerForm {
    pub(super) fn read(format: Option<ResponseFormat>) -> Result<Self, RequestError> {
        let Some(ResponseFormat { kind, json_schema }) = format else { return Ok(Self::Text) };
        match kind.as_str() {
            "text" => Ok(Self::Text),
            "json_object" => Ok(Self::JsonObject),
            "json_schema" => {
                let schema = json_schema.and_then(|schema| schema.schema).filter(is_schema);
                schema.map(Self::JsonSchema).ok_or_else(|| {
                    RequestError::new(
                        "response_format",
                        "response_format.json_schema.schema must be a JSON schema",
                    )
                })
            }
            _ => Err(RequestError::new(
                "response_format",
                "response_format.type must be text, json_object or json_schema",
            )),
        }
    }
}

pub(super) fn is_schema(value: &Value) -> bool {
    value.is_object() || value.is_boolean()
}

pub(super) fn model_id(model: String) -> Result<ModelId, RequestError> {
    ModelId::try_from(model).map_err(|_| {
        RequestError::new("model", "model must be 1 to 128 characters out of A-Z a-z 0-9 . _ / : -")
    })
}

pub(super) fn choices(n: Option<i64>) -> Result<u32, RequestError> {
    let choices = count("n", n.unwrap_or(1), 1)?;
    if choices > CHOICES_MAX {
        return Err(RequestError::new("n", format!("n must be at most {CHOICES_MAX}")));
    }
    Ok(choices)
}

fn logprobs(logprobs: Option<bool>, top: Option<i64>) -> Result<Option<u32>, RequestError> {
    let top = top.map(|top| count("top_logprobs", top, 0)).transpose()?;
    match (logprobs.unwrap_or(false), top) {
        (_, Some(top)) if top > TOP_LOGPROBS_MAX => {
            Err(RequestError::new("top_logprobs", format!("top_logprobs must be at most {TOP_LOGPROBS_MAX}")))
        }
        (false, Some(1..)) => {
            Err(RequestError::new("top_logprobs", "top_logprobs needs logprobs to be true"))
        }
        (false, _) => Ok(None),
        (true, top) => Ok(Some(top.unwrap_or(0))),
    }
}

pub(super) fn valid_messages(messages: Vec<ChatMessage>) -> Result<Vec<ValidMessage>, RequestError> {
    if messages.is_empty() {
        return Err(RequestError::new("messages", "messages must not be empty"));
    }
    if messages.len() > MESSAGES_MAX {
        return Err(RequestError::new("messages", format!("messages has more than {MESSAGES_MAX} items")));
    }
    messages.into_iter().enumerate().map(|(index, message)| valid_message(index, message)).collect()
}

fn valid_message(index: usize, message: ChatMessage) -> Result<ValidMessage, RequestError> {
    let error = |field: &str, text: &str| RequestError::new(format!("messages[{index}].{field}"), text);
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => return Err(error("role", "role must be system, developer, user, assistant or tool")),
    };
    let content = match message.content {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let mut joined = String::new();
            for part in parts {
                match part.text {
                    Some(text) if part.kind == "text" => joined.push_str(&text),
                    _ => {
                        return Err(error(
                            "content",
                            "only parts of type text, each with a text, are supported",
                        ));
                    }
                }
            }
            joined
        }
        None if role == Role::Assistant => String::new(),
        None => return Err(error("content", "content must be a text or a list of text parts")),
    };
    let tool_calls = message.tool_calls.unwrap_or_default();
    if !tool_calls.is_empty() && role != Role::Assistant {
        return Err(error("tool_calls", "only an assistant's message may have tool_calls"));
    }
    let ChatMessage { name, reasoning_content, reasoning, tool_call_id, .. } = message;
    Ok(ValidMessage {
        role,
        content,
        name,
        reasoning: reasoning_content.or(reasoning),
        tool_calls,
        tool_call_id,
    })
}
