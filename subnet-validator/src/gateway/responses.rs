//! `POST /v1/responses`, without memory: the request is converted to a chat, the answer back.
//!
//! Left out, and refused by name: `previous_response_id`, `conversation`, `prompt`, `background`, tools other than functions, and
//! inputs other than texts and functions' results. Nothing is stored, so there is nothing to get or to cancel later.

mod request;
mod stream;
mod written;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State as Handed;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};

use self::request::ResponsesRequest;
use self::stream::ResponseEvents;
use self::written::Outline;
use super::access::Caller;
use super::calls::{Entered, counted, enter};
use super::error::GatewayError;
use super::request_id::RequestId;
use super::{State, inner, sse};
use crate::fleet::call::Answer;

/// What a chat's fields are called here.
const NAMES: &inner::Names = &[
    ("messages", "input"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    (".function.", "."),
];

pub(super) async fn create(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Body,
) -> Result<Response, GatewayError> {
    let answered = async {
        let Entered { body, permit } = enter(&state, body).await?;
        let request: ResponsesRequest = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
        let outline = Outline::of(&request, state.clock.now_ms() / 1_000);
        let chat = request.into_chat()?;
        let answer = inner::chat(&state, &caller, request_id, chat).await;
        Ok(match answer.map_err(|error| inner::in_words_of(NAMES, error))? {
            Answer::Whole(json) => {
                let (choice, usage, _) = inner::only_choice(&json)?;
                Json(outline.whole(choice, usage)).into_response()
            }
            Answer::Stream(events) => {
                let ping_interval = Duration::from_millis(state.config.ping_interval_ms);
                sse::response(events, ResponseEvents::new(outline), ping_interval, permit)
            }
        })
    };
    counted(&state, answered.await)
}
