//! Calls that a miner answers in the very form the user asked in: checked here, relayed as they are.

mod shape;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Handed;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use protocol::openai::Endpoint;
use tokio::sync::OwnedSemaphorePermit;

use self::shape::Shape;
use super::access::Caller;
use super::error::GatewayError;
use super::request_id::RequestId;
use super::sse::{self, Verbatim};
use super::{State, body, selection};
use crate::fleet::call::{Answer, Call};
use crate::metrics::Count;

macro_rules! handlers {
    ($($(#[$doc:meta])* $name:ident: $endpoint:expr,)*) => {$(
        $(#[$doc])*
        pub(super) async fn $name(
            Handed(state): Handed<Arc<State>>,
            Extension(caller): Extension<Caller>,
            Extension(RequestId(request_id)): Extension<RequestId>,
            body: Body,
        ) -> Result<Response, GatewayError> {
            serve(&state, $endpoint, &caller, request_id, body).await
        }
    )*};
}

handlers! {
    /// `POST /v1/chat/completions`
    chat: Endpoint::Chat,
    /// `POST /v1/completions`
    completion: Endpoint::Completion,
    /// `POST /v1/embeddings`
    embedding: Endpoint::Embedding,
    /// `POST /tokenize`
    tokenize: Endpoint::Tokenize,
    /// `POST /detokenize`
    detokenize: Endpoint::Detokenize,
}

async fn serve(
    state: &State,
    endpoint: Endpoint,
    caller: &Caller,
    request_id: String,
    body: Body,
) -> Result<Response, GatewayError> {
    let relayed = async {
        let entered = enter(state, body).await?;
        let Entered { body, permit } = entered;
        let answer = relay(state, endpoint, caller, request_id, body).await?;
        Ok(match answer {
            Answer::Whole(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
            Answer::Stream(events) => {
                sse::response(events, Verbatim, Duration::from_millis(state.config.ping_interval_ms), permit)
            }
        })
    };
    counted(state, relayed.await)
}

/// A body that was read, with a place among the calls in progress.
pub(super) struct Entered {
    pub body: Bytes,
    pub permit: OwnedSemaphorePermit,
}

/// Takes a place and reads the body.
pub(super) async fn enter(state: &State, body: Body) -> Result<Entered, GatewayError> {
    let permit = Arc::clone(&state.calls).try_acquire_owned().map_err(|_| GatewayError::Full)?;
    let body = body::read(body, state.config.body_bytes_max, state.config.body_read_timeout_ms).await?;
    Ok(Entered { body, permit })
}

/// Checks a body of this endpoint's form and lets a miner answer it.
pub(super) async fn relay(
    state: &State,
    endpoint: Endpoint,
    caller: &Caller,
    request_id: String,
    body: Bytes,
) -> Result<Answer, GatewayError> {
    let select = |model: &mut String| selection::take(state, model);
    let (models, shape) = Shape::of(endpoint, &body, select)?;
    let (tokens_max, answer_bytes_max) = state.fleet.whole_answer_max();
    shape.check_size(tokens_max, answer_bytes_max).map_err(GatewayError::Field)?;
    let Shape { stream, prompts, answers, completion_tokens_max, .. } = shape;
    let payer = caller.key_id.clone();
    let call =
        Call { endpoint, models, body, stream, prompts, answers, completion_tokens_max, payer, request_id };
    let started_at_ms = state.clock.now_ms();
    let answer = state.fleet.call(&call).await;
    tracing::info!(
        request_id = call.request_id,
        key = caller.key_id,
        model = %call.models,
        path = endpoint.path(),
        stream = call.stream,
        started = answer.is_ok(),
        elapsed_ms = state.clock.now_ms().saturating_sub(started_at_ms),
        "call"
    );
    answer.map_err(|error| {
        let cause: &dyn std::error::Error = &error;
        tracing::warn!(request_id = call.request_id, error = cause, "a call was not served");
        error.into()
    })
}

/// Counts what became of a call that was not answered.
pub(super) fn counted<T>(state: &State, result: Result<T, GatewayError>) -> Result<T, GatewayError> {
    if let Err(error) = &result {
        let failed = matches!(error, GatewayError::Call(_));
        state.metrics.count(if failed { Count::CallFailed } else { Count::CallRefused });
    }
    result
}
