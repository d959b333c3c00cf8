//! `POST /v1/chat/completions`: a ticket in, an answer and its receipt out, whole or streamed.
//!
//! Nothing is answered before the first token is there, so that a validator may still turn to another miner on any error
//! status. The receipt is on disk before it leaves. A client that goes away from a
//! stream, or cancels it, ends the generation; the receipt is then for what was sent.

mod answer;
mod states;
mod stream;
mod whole;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::openai::{ChatRequest, Endpoint};

use self::answer::Answer;
use super::AxonState;
use super::error::AxonError;
use super::order::Order;

/// Time past its end in which an answer's error and receipt may still be written to a slow client.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) async fn complete(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let order = Order::admit(&state, Endpoint::Chat, request).await?;
    let request: ChatRequest = order.parse()?;
    let request = request.validate().map_err(AxonError::Request)?;
    let (model, slot) = order.begin(&state, &request.model).await?;
    let (streamed, include_usage) = (request.stream, request.include_usage);
    let Order { ticket, body, limits, hang_up, .. } = order;
    // Its memory is free for others from here on.
    drop(body);
    let answer = Answer::begin(&model, ticket, request, slot, limits).await?;
    if streamed {
        stream::respond(&state, answer, stream::Options { include_usage, hang_up }).await
    } else {
        whole::respond(&state, answer).await
    }
}
