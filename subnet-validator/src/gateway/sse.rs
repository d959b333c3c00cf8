//! Framing a relay for the user: chunks as they came, a comment when it is quiet, `[DONE]` or an error at the end.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use tokio::sync::OwnedSemaphorePermit;

use super::error::{GatewayError, stream_error};
use crate::fleet::relay::{RelayEvent, RelayStream};

const PING: Bytes = Bytes::from_static(b": ping\n\n");
const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The streaming answer. It holds the call's permit until its end.
pub(super) fn response(
    events: RelayStream,
    ping_interval: Duration,
    permit: OwnedSemaphorePermit,
) -> Response {
    let frames = frames(events, ping_interval).map(move |frame| {
        let _held = &permit;
        Ok::<_, Infallible>(frame)
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

fn frames(
    events: impl Stream<Item = RelayEvent> + Unpin,
    ping_interval: Duration,
) -> impl Stream<Item = Bytes> {
    stream::unfold(Some(events), move |events| async move {
        let mut events = events?;
        let Ok(event) = tokio::time::timeout(ping_interval, events.next()).await else {
            return Some((PING, Some(events)));
        };
        match event? {
            RelayEvent::Chunk(json) => Some((data(&json), Some(events))),
            RelayEvent::Done => Some((DONE, None)),
            RelayEvent::Waiting { position, estimate_ms } => {
                Some((waiting(position, estimate_ms), Some(events)))
            }
            RelayEvent::Refused(error) => {
                let body = serde_json::to_vec(&GatewayError::from(error).body()).unwrap_or_default();
                Some((data(&body), None))
            }
            RelayEvent::Failed(error) => {
                let body = serde_json::to_vec(&stream_error(&error)).unwrap_or_default();
                Some((data(&body), None))
            }
        }
    })
}

/// A comment, which clients pass over and people see.
fn waiting(position: usize, estimate_ms: Option<u64>) -> Bytes {
    let estimate = estimate_ms.map(|ms| format!(" estimate_s={}", ms.div_ceil(1_000)));
    format!(": waiting position={position}{}\n\n", estimate.unwrap_or_default()).into()
}

fn data(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    frame.put_slice(b"data: ");
    frame.put_slice(json);
    frame.put_slice(b"\n\n");
    frame.freeze()
}
