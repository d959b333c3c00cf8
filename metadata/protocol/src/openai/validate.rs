//! From a request as received to one that can be served, or to an error that names the parameter.

use super::{ChatMessage, ChatRequest, Content, RequestError, Stop};
use crate::ticket::ModelId;

/// How many messages a conversation may have.
pub const MESSAGES_MAX: usize = 1_024;

/// How many stop texts a request may have.
pub const STOPS_MAX: usize = 4;

/// How long a stop text may be.
pub const STOP_BYTES_MAX: usize = 256;

/// A request within every limit of this protocol. Made only by [`ChatRequest::validate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ValidChatRequest {
    /// The model's name. Whether it is on offer is not known.
    pub model: ModelId,
    /// The conversation: at least one message.
    pub messages: Vec<ValidMessage>,
    /// Whether to answer piece by piece.
    pub stream: bool,
    /// Whether the stream's last chunk reports the tokens used. Never without `stream`.
    pub include_usage: bool,
    /// The most tokens to generate, if the client says so.
    pub completion_tokens_max: Option<u32>,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Above 0, up to 1.
    pub top_p: Option<f32>,
    /// The client's 64 bits of seed; a negative number in two's complement.
    pub seed: Option<u64>,
    /// Where to stop: up to four texts, none empty.
    pub stop: Vec<String>,
}

/// One message with its parts joined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
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
    pub fn validate(self) -> Result<ValidChatRequest, RequestError> {
        self.refuse_unsupported()?;
        let bad_model =
            |_| RequestError::new("model", "model must be 1 to 128 characters out of A-Z a-z 0-9 . _ / : -");
        let model = ModelId::try_from(self.model).map_err(bad_model)?;
        if self.messages.is_empty() {
            return Err(RequestError::new("messages", "messages must not be empty"));
        }
        if self.messages.len() > MESSAGES_MAX {
            return Err(RequestError::new(
                "messages",
                format!("messages has more than {MESSAGES_MAX} items"),
            ));
        }
        let messages =
            self.messages.into_iter().enumerate().map(|(index, message)| valid_message(index, message));
        let messages = messages.collect::<Result<_, _>>()?;
        let completion_tokens_max = match (self.max_completion_tokens, self.max_tokens) {
            (Some(tokens), _) => Some(token_limit("max_completion_tokens", tokens)?),
            (None, Some(tokens)) => Some(token_limit("max_tokens", tokens)?),
            (None, None) => None,
        };
        if self.temperature.is_some_and(|temperature| !(0.0..=2.0).contains(&temperature)) {
            return Err(RequestError::new("temperature", "temperature must be between 0 and 2"));
        }
        if self.top_p.is_some_and(|top_p| !(top_p > 0.0 && top_p <= 1.0)) {
            return Err(RequestError::new("top_p", "top_p must be above 0 and at most 1"));
        }
        let stream = self.stream.unwrap_or(false);
        let wants_usage = self.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        Ok(ValidChatRequest {
            model,
            messages,
            stream,
            include_usage: stream && wants_usage,
            completion_tokens_max,
            temperature: self.temperature,
            top_p: self.top_p,
            seed: self.seed.map(i64::cast_unsigned),
            stop: valid_stop(self.stop)?,
        })
    }

    fn refuse_unsupported(&self) -> Result<(), RequestError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(RequestError::new(
                "n",
                "n must be 1: several answers to one request are not supported",
            ));
        }
        if self.logprobs == Some(true) {
            return Err(RequestError::new("logprobs", "logprobs is not supported"));
        }
        if self.response_format.as_ref().is_some_and(|format| format.kind != "text") {
            return Err(RequestError::new("response_format", "response_format must be text"));
        }
        if self.tools.as_ref().is_some_and(|tools| !tools.is_empty()) {
            return Err(RequestError::new("tools", "tools is not supported"));
        }
        Ok(())
    }
}

fn token_limit(param: &str, tokens: i64) -> Result<u32, RequestError> {
    u32::try_from(tokens)
        .ok()
        .filter(|tokens| *tokens > 0)
        .ok_or_else(|| RequestError::new(param, format!("{param} must be between 1 and {}", u32::MAX)))
}

fn valid_message(index: usize, message: ChatMessage) -> Result<ValidMessage, RequestError> {
    let role = match message.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        _ => {
            let text = "role must be system, developer, user, assistant or tool";
            return Err(RequestError::new(format!("messages[{index}].role"), text));
        }
    };
    let content_error = |text: &str| RequestError::new(format!("messages[{index}].content"), text);
    let content = match message.content {
        Some(Content::Text(text)) => text,
        Some(Content::Parts(parts)) => {
            let mut joined = String::new();
            for part in parts {
                match part.text {
                    Some(text) if part.kind == "text" => joined.push_str(&text),
                    _ => {
                        return Err(content_error(
                            "only parts of type text, each with a text, are supported",
                        ));
                    }
                }
            }
            joined
        }
        None if role == Role::Assistant => String::new(),
        None => return Err(content_error("content must be a text or a list of text parts")),
    };
    Ok(ValidMessage { role, content })
}

fn valid_stop(stop: Option<Stop>) -> Result<Vec<String>, RequestError> {
    let stop = match stop {
        None => Vec::new(),
        Some(Stop::One(text)) => vec![text],
        Some(Stop::Many(texts)) => texts,
    };
    if stop.len() > STOPS_MAX {
        return Err(RequestError::new("stop", format!("stop may have at most {STOPS_MAX} texts")));
    }
    if stop.iter().any(|text| text.is_empty() || text.len() > STOP_BYTES_MAX) {
        return Err(RequestError::new(
            "stop",
            format!("each stop text must have 1 to {STOP_BYTES_MAX} bytes"),
        ));
    }
    Ok(stop)
}
