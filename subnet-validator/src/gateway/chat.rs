//! `POST /v1/chat/completions`.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Handed;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use protocol::openai::{ChatRequest, Endpoint};

use super::State;
use super::access::Caller;
use super::error::GatewayError;
use super::request_id::RequestId;
use super::selection;
use super::sse;
use crate::fleet::call::{Answer, Call};
use crate::metrics::Count;

pub(super) async fn completions(
    Handed(state): Handed<Arc<State>>,
    Extension(caller): Extension<Caller>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    body: Body,
) -> Result<Response, GatewayError> {
    let result = serve(&state, &caller, request_id, body).await;
    if let Err(error) = &result {
        let failed = matches!(error, GatewayError::Call(_));
        state.metrics.count(if failed { Count::CallFailed } else { Count::CallRefused });
    }
    result
}

async fn serve(
    state: &State,
    caller: &Caller,
    request_id: String,
    body: Body,
) -> Result<Response, GatewayError> {
    let permit = Arc::clone(&state.calls).try_acquire_owned().map_err(|_| GatewayError::Full)?;
    let body = read(state, body).await?;
    let mut request: ChatRequest = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
    let models = selection::take(state, &mut request.model)?;
    let request = request.validate().map_err(GatewayError::Field)?;
    let call = Call {
        endpoint: Endpoint::Chat,
        prompts: 1,
        answers: 1,
        models,
        body,
        stream: request.stream,
        completion_tokens_max: request.completion_tokens_max,
        payer: caller.key_id.clone(),
        request_id,
    };
    let started_at_ms = state.clock.now_ms();
    let answer = state.fleet.call(&call).await;
    tracing::info!(
        request_id = call.request_id,
        key = caller.key_id,
        model = %call.models,
        stream = call.stream,
        started = answer.is_ok(),
        elapsed_ms = state.clock.now_ms().saturating_sub(started_at_ms),
        "chat completion"
    );
    match answer {
        Ok(Answer::Whole(json)) => Ok(([(CONTENT_TYPE, "application/json")], json).into_response()),
        Ok(Answer::Stream(events)) => {
            Ok(sse::response(events, Duration::from_millis(state.config.ping_interval_ms), permit))
        }
        Err(error) => {
            let cause: &dyn std::error::Error = &error;
            tracing::warn!(request_id = call.request_id, error = cause, "a call was not served");
            Err(error.into())
        }
    }
}

async fn read(state: &State, body: Body) -> Result<Bytes, GatewayError> {
    let body_bytes_max = state.config.body_bytes_max;
    let wait = Duration::from_millis(state.config.body_read_timeout_ms);
    let body = tokio::time::timeout(wait, Limited::new(body, body_bytes_max).collect()).await;
    match body.map_err(|_| GatewayError::BodyTimeout)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(GatewayError::BodyTooLarge { body_bytes_max }),
        Err(_) => Err(GatewayError::BodyBroken),
    }
}
