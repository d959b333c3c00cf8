//! Other forms of asking, converted to a chat here: the receipt covers the chat that the miner was asked for, and answers are
//! converted back from what it said.

use protocol::openai::{
    ChatChoice, ChatCompletion, ChatRequest, Content, Endpoint, Part, RequestError, StreamOptions, Usage,
};

use super::State;
use super::access::Caller;
use super::calls;
use super::error::GatewayError;
use crate::fleet::call::{Answer, CallError};

/// What another form calls the fields of a chat: the chat's name, then the form's. A name that begins with a point is of a field within
/// another.
pub(super) type Names = [(&'static str, &'static str)];

/// Calls the field at fault by the name that the user wrote.
pub(super) fn in_words_of(names: &Names, error: GatewayError) -> GatewayError {
    match error {
        GatewayError::Field(RequestError { message, param }) => {
            let (message, param) = renamed(names, message, param);
            GatewayError::Field(RequestError { message, param })
        }
        GatewayError::Call(CallError::Request(mut refusal)) => {
            (refusal.message, refusal.param) = renamed(names, refusal.message, refusal.param);
            GatewayError::Call(CallError::Request(refusal))
        }
        other => other,
    }
}

fn renamed(names: &Names, message: String, param: Option<String>) -> (String, Option<String>) {
    let Some(param) = param else { return (message, None) };
    let is_it = |chat: &str| match chat.strip_prefix('.') {
        Some(_) => param.contains(chat),
        None => param.strip_prefix(chat).is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.'])),
    };
    let Some((chat, given)) = names.iter().find(|(chat, _)| is_it(chat)) else {
        return (message, Some(param));
    };
    // Messages begin with the field's name, where they name it.
    let message = match message.strip_prefix(chat) {
        Some(rest) => [given, rest].concat(),
        None => message,
    };
    (message, Some(param.replacen(chat, given, 1)))
}

/// Lets a miner answer a chat. Streams report usage in every chunk, since other forms tell the prompt's tokens first.
pub(super) async fn chat(
    state: &State,
    caller: &Caller,
    request_id: String,
    mut request: ChatRequest,
) -> Result<Answer, GatewayError> {
    if request.stream == Some(true) {
        request.stream_options =
            Some(StreamOptions { include_usage: Some(true), continuous_usage_stats: Some(true) });
    }
    let body = serde_json::to_vec(&request).map_err(GatewayError::Json)?;
    calls::relay(state, Endpoint::Chat, caller, request_id, body.into()).await
}

/// A whole chat answer's only choice.
pub(super) fn only_choice(json: &[u8]) -> Result<(ChatChoice, Usage, u64), GatewayError> {
    let ChatCompletion { choices, usage, created, .. } =
        serde_json::from_slice(json).map_err(|_| GatewayError::Unreadable)?;
    let choice = choices.into_iter().next().ok_or(GatewayError::Unreadable)?;
    Ok((choice, usage, created))
}

/// A field that cannot be served.
pub(super) fn field(param: impl Into<String>, message: impl Into<String>) -> GatewayError {
    GatewayError::Field(RequestError { message: message.into(), param: Some(param.into()) })
}

/// A message's content of text parts.
pub(super) fn content(texts: Vec<String>) -> Content {
    let part = |text| Part { kind: "text".to_owned(), text: Some(text) };
    Content::Parts(texts.into_iter().map(part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &Names =
        &[("stop", "stop_sequences"), (".function.parameters", ".input_schema"), (".function.", ".")];

    #[test]
    fn fields_at_fault_have_the_names_that_the_user_wrote() {
        for (param, message, expected) in [
            (
                "stop",
                "stop may have at most 16 texts",
                ("stop_sequences", "stop_sequences may have at most 16 texts"),
            ),
            ("stop[2]", "too long", ("stop_sequences[2]", "too long")),
            ("stop_token_ids", "stop_token_ids is wrong", ("stop_token_ids", "stop_token_ids is wrong")),
            ("tools[3].function.parameters", "no schema", ("tools[3].input_schema", "no schema")),
            ("tools[3].function.name", "too long", ("tools[3].name", "too long")),
            ("top_p", "top_p must be at most 1", ("top_p", "top_p must be at most 1")),
        ] {
            let GatewayError::Field(error) = in_words_of(NAMES, field(param, message)) else {
                panic!("{param}")
            };
            assert_eq!((error.param.as_deref(), error.message.as_str()), (Some(expected.0), expected.1));
        }
    }
}
