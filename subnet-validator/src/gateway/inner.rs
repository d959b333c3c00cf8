//! Other forms of asking, converted to a chat here: the receipt covers the chat that the miner was asked for, and answers are
//! converted back from what it said.

use protocol::openai::{
    ChatChoice, ChatCompletion, ChatRequest, Content, Endpoint, Part, RequestError, StreamOptions, Usage,
};

use super::State;
use super::access::Caller;
use super::calls;
use super::error::GatewayError;
use crate::fleet::call::Answer;

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
