//! `GET /demand/v1/events` and `POST /demand/v1/inventory`, for miners, and `POST /v1/warmup`, for users.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State as Handed};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use protocol::demand::{CHANGE_EVENT, Cursor, STATE_EVENT};
use protocol::inventory::SignedInventory;
use serde::{Deserialize, Serialize};

use super::error::GatewayError;
use super::{State, body, selection};
use crate::fleet::miners::{Piece, Reader};

const PING: Bytes = Bytes::from_static(b": ping\n\n");

/// Opens the log for a miner.
pub(super) async fn events(
    Handed(state): Handed<Arc<State>>,
    request: Request,
) -> Result<Response, GatewayError> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let cursor = match request.uri().query().map(|query| query.strip_prefix("after=")) {
        None => None,
        Some(Some(cursor)) => Some(cursor.parse::<Cursor>().map_err(GatewayError::Cursor)?),
        Some(None) => return Err(GatewayError::Cursor(protocol::demand::BadCursor)),
    };
    let reader = state.fleet.admit_reader(request.headers(), target, cursor)?;
    reader.check()?;
    let frames = frames(reader, &state);
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// The log as server-sent events. It ends when the validator stops, or when a reader is too slow for the log.
fn frames(reader: Reader, state: &State) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let stopping = state.fleet.stopping();
    let silence = Duration::from_millis(state.config.ping_interval_ms);
    stream::unfold(reader, move |mut reader| {
        let stopping = stopping.clone();
        async move {
            let piece = tokio::select! {
                () = stopping.cancelled() => return None,
                piece = tokio::time::timeout(silence, reader.next()) => piece,
            };
            let frame = match piece {
                Err(_) => PING,
                Ok(piece) => frame(&piece.ok()?)?,
            };
            Some((Ok(frame), reader))
        }
    })
}

fn frame(piece: &Piece) -> Option<Bytes> {
    let mut text = String::new();
    let mut event = |cursor: Cursor, name: &str, json: String| {
        let _ = write!(text, "id: {cursor}\nevent: {name}\ndata: {json}\n\n");
    };
    match piece {
        Piece::State(cursor, state) => event(*cursor, STATE_EVENT, serde_json::to_string(state).ok()?),
        Piece::Events(log, events) => {
            for change in events {
                let cursor = Cursor { log: *log, sequence: change.sequence };
                event(cursor, CHANGE_EVENT, serde_json::to_string(change).ok()?);
            }
        }
    }
    Some(text.into())
}

/// Takes a miner's inventory the moment it changed.
pub(super) async fn inventory(Handed(state): Handed<Arc<State>>, body: Body) -> Result<(), GatewayError> {
    let body_bytes_max = state.fleet.inventory_bytes_max();
    let body = body::read(body, body_bytes_max, state.config.body_read_timeout_ms).await?;
    let signed: SignedInventory = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
    state.fleet.push_inventory(signed)?;
    Ok(())
}

#[derive(Deserialize)]
pub(super) struct WarmUpRequest {
    model: String,
}

#[derive(Serialize)]
pub(super) struct WarmUp {
    object: &'static str,
    model: String,
    /// `hot` when some miner holds it, `cold` while a bounty is out for it.
    state: &'static str,
    holders: usize,
    waiting: usize,
    /// What the bounty is worth now, in claims.
    bounty_claims: Option<u16>,
    /// When it may be ready, if that is known.
    estimate_s: Option<u64>,
}

/// Largest request for one, in bytes.
const WARM_UP_BYTES_MAX: usize = 16 << 10;

/// Asks for a model before it is needed.
pub(super) async fn warm_up(
    Handed(state): Handed<Arc<State>>,
    body: Body,
) -> Result<Json<WarmUp>, GatewayError> {
    let body = body::read(body, WARM_UP_BYTES_MAX, state.config.body_read_timeout_ms).await?;
    let mut request: WarmUpRequest = serde_json::from_slice(&body).map_err(GatewayError::Json)?;
    let models = selection::take(&state, &mut request.model)?;
    let warmth = state.fleet.warm_up(&models.first().model);
    let warmth = warmth.ok_or(GatewayError::UnknownModel { model: request.model })?;
    let hot = warmth.holders > 0;
    let answer = WarmUp {
        object: "model.warmup",
        model: warmth.model.to_string(),
        state: if hot { "hot" } else { "cold" },
        holders: warmth.holders,
        waiting: warmth.waiting,
        bounty_claims: warmth.bounty_claims,
        estimate_s: warmth.estimate_ms.map(|ms| ms.div_ceil(1_000)),
    };
    Ok(Json(answer))
}
