//! `POST /v1/chat/completions`: a ticket in, an answer and its receipt out, whole or streamed.
//!
//! Nothing is answered before the first token is there, so that a validator may still turn to another miner on any error
//! status. The receipt is on disk before it leaves. A client that goes away ends the generation and gets no receipt.

mod answer;
mod stream;
mod whole;

use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use protocol::digest::Digest;
use protocol::openai::{ChatRequest, ValidChatRequest};
use protocol::ticket::{Kind, ValidTicket};
use tokio_util::sync::CancellationToken;

use self::answer::Answer;
use super::AxonState;
use super::error::AxonError;
use super::server::Peer;
use crate::clock;
use crate::models::Model;

/// Time past its end in which an answer's error and receipt may still be written to a slow client.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

pub(super) async fn complete(
    State(state): State<AxonState>,
    request: Request,
) -> Result<Response, AxonError> {
    let arrived = clock::monotonic();
    let inner = &state.0;
    let (parts, body) = request.into_parts();

    let raw = inner.admission.headers(&parts.headers)?;
    let body = inner.bodies.read(&parts.headers, body).await?;
    let body_sha256 = Digest::of(&body.bytes);
    let caller = inner.admission.admit(&raw, &parts, body_sha256).await?;
    let ticket = inner.admission.ticket(&parts.headers, &caller, body_sha256)?;

    let request: ChatRequest = serde_json::from_slice(&body.bytes).map_err(AxonError::NotJson)?;
    let request = request.validate().map_err(AxonError::Request)?;
    let model = find_model(&state, &ticket, &request)?;
    let slot = inner.slots.take(caller.hotkey()).map_err(|_| AxonError::Busy)?;
    inner.admission.use_up(&ticket)?;
    tracing::info!(validator = %ticket.validator, model = %ticket.model, sequence = ticket.sequence, "answering");

    let (streamed, include_usage) = (request.stream, request.include_usage);
    let limits = answer::Limits {
        arrived,
        deadline: clock::at_unix_ms(ticket.deadline_ms).min(arrived + inner.limits.answer_time_max()),
        cut: inner.cut.clone(),
    };
    let answer = Answer::begin(&model, ticket, request, slot, limits).await?;
    // The body's memory is free for others from here on.
    drop(body);
    if streamed {
        let hang_up =
            parts.extensions.get::<Peer>().map_or_else(CancellationToken::new, |peer| peer.hang_up.clone());
        stream::respond(&state, answer, stream::Options { include_usage, hang_up }).await
    } else {
        whole::respond(&state, answer).await
    }
}

fn find_model(
    state: &AxonState,
    ticket: &ValidTicket,
    request: &ValidChatRequest,
) -> Result<Model, AxonError> {
    // A probe or a bounty claim looks like any chat request.
    if !matches!(ticket.kind, Kind::Chat | Kind::Probe | Kind::BountyClaim) {
        return Err(AxonError::TicketKind);
    }
    let model = ticket.model.as_str().to_owned();
    if ticket.model != request.model {
        return Err(AxonError::TicketModel { ticket: model, request: request.model.as_str().to_owned() });
    }
    let Some(found) = state.0.models.get(&ticket.model) else {
        return Err(AxonError::UnknownModel { model });
    };
    if found.weights_digest() != ticket.weights_digest {
        return Err(AxonError::OtherWeights { model });
    }
    Ok(found)
}
