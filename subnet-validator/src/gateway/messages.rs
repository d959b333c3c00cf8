//! `POST /v1/messages`: Anthropic's form, which coding agents speak. The request is converted to a chat, the answer back.
//!
//! Left out, and refused by name: blocks other than texts, thinking, and tools' uses and results; tools that run at the provider.
//! Which stop text was met is not known here, so an answer that met one ends with `end_turn`. Signatures of thinking are empty.

mod request;
mod stream;
mod written;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Handed;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use protocol::openai::{Endpoint, TokenizeRequest, Tokenized};
use serde_json::json;

use self::request::{CountRequest, MessagesRequest};
use self::stream::MessageEvents;
use super::access::Caller;
use super::calls::{Entered, counted, enter, relay};
use super::error::GatewayError;
use super::request_id::RequestId;
use super::{State, inner, sse};
use crate::fleet::call::Answer;

/// What a chat's fields are called here.
const NAMES: &inner::Names = &[
    ("stop", "stop_sequences"),
    ("max_completion_tokens", "max_tokens"),
    (".function.parameters", ".input_schema"),
    (".function.", "."),
];

pub(super) async fn create(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Body,
) -> Response {
    let answered = async {
        let Entered { body, permit } = enter(&state, body).await?;
        let request: MessagesRequest = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
        let model = request.model.clone();
        let chat = request.into_chat()?;
        let answer = inner::chat(&state, &caller, request_id, chat).await;
        Ok(match answer.map_err(|error| inner::in_words_of(NAMES, error))? {
            Answer::Whole(json) => {
                let (choice, usage, _) = inner::only_choice(&json)?;
                Json(written::whole(&model, choice, usage)).into_response()
            }
            Answer::Stream(events) => {
                let ping_interval = Duration::from_millis(state.config.ping_interval_ms);
                sse::response(events, MessageEvents::new(model), ping_interval, permit)
            }
        })
    };
    counted(&state, answered.await).unwrap_or_else(GatewayError::into_anthropic)
}

/// `POST /v1/messages/count_tokens`
pub(super) async fn count_tokens(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Body,
) -> Response {
    let counted_tokens = async {
        let Entered { body, permit } = enter(&state, body).await?;
        let _held = permit;
        let request: CountRequest = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
        let chat = request.into_chat()?;
        let request = TokenizeRequest {
            model: chat.model,
            messages: Some(chat.messages),
            tools: chat.tools,
            ..TokenizeRequest::default()
        };
        let body = serde_json::to_vec(&request).map_err(GatewayError::Json)?;
        let answer = relay(&state, Endpoint::Tokenize, &caller, request_id, body.into()).await;
        let answer = answer.map_err(|error| inner::in_words_of(NAMES, error))?;
        let Answer::Whole(json) = answer else { return Err(GatewayError::Unreadable) };
        let counted: Tokenized = serde_json::from_slice(&json).map_err(|_| GatewayError::Unreadable)?;
        Ok(Json(json!({ "input_tokens": counted.count })).into_response())
    };
    counted(&state, counted_tokens.await).unwrap_or_else(GatewayError::into_anthropic)
}
