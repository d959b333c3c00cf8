//! Framing a relay for the user: chunks as they came or in another form, a comment when it is quiet, and the end that the form has.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use protocol::openai::ErrorBody;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::error::{GatewayError, stream_error};
use crate::fleet::relay::{RelayEvent, RelayStream};

const PING: Bytes = Bytes::from_static(b": ping\n\n");
const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The form a stream has for the user. Frames may be empty.
pub(super) trait Framing: Send + 'static {
    /// One chunk of the miner's.
    fn chunk(&mut self, json: &Bytes) -> Bytes;
    /// The end of a whole answer.
    fn done(&mut self) -> Bytes;
    /// The end of one that broke off, or never began.
    fn failed(&mut self, error: &ErrorBody) -> Bytes;
}

/// OpenAI's own form: chunks byte for byte, `[DONE]` at the end.
pub(super) struct Verbatim;

impl Framing for Verbatim {
    fn chunk(&mut self, json: &Bytes) -> Bytes {
        data(json)
    }

    fn done(&mut self) -> Bytes {
        DONE
    }

    fn failed(&mut self, error: &ErrorBody) -> Bytes {
        data(&serde_json::to_vec(error).unwrap_or_default())
    }
}

/// The streaming answer. It holds the call's permit until its end.
pub(super) fn response(
    events: RelayStream,
    framing: impl Framing,
    ping_interval: Duration,
    permit: OwnedSemaphorePermit,
) -> Response {
    let frames = frames(events, framing, ping_interval).map(move |frame| {
        let _held = &permit;
        Ok::<_, Infallible>(frame)
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

fn frames<F: Framing>(
    events: impl Stream<Item = RelayEvent> + Unpin,
    framing: F,
    ping_interval: Duration,
) -> impl Stream<Item = Bytes> {
    let frames = stream::unfold(Some((events, framing)), move |open| async move {
        let (mut events, mut framing) = open?;
        let Ok(event) = tokio::time::timeout(ping_interval, events.next()).await else {
            return Some((PING, Some((events, framing))));
        };
        match event? {
            RelayEvent::Chunk(json) => Some((framing.chunk(&json), Some((events, framing)))),
            RelayEvent::Done => Some((framing.done(), None)),
            RelayEvent::Waiting { position, estimate_ms } => {
                Some((waiting(position, estimate_ms), Some((events, framing))))
            }
            RelayEvent::Refused(error) => Some((framing.failed(&GatewayError::from(error).body()), None)),
            RelayEvent::Failed(error) => Some((framing.failed(&stream_error(&error)), None)),
        }
    });
    frames.filter(|frame| std::future::ready(!frame.is_empty()))
}

/// A comment, which clients pass over and people see.
fn waiting(position: usize, estimate_ms: Option<u64>) -> Bytes {
    let estimate = estimate_ms.map(|ms| format!(" estimate_s={}", ms.div_ceil(1_000)));
    format!(": waiting position={position}{}\n\n", estimate.unwrap_or_default()).into()
}

/// An event without a name.
fn data(json: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(json.len() + 8);
    frame.put_slice(b"data: ");
    frame.put_slice(json);
    frame.put_slice(b"\n\n");
    frame.freeze()
}

/// An event with a name.
pub(super) fn named(name: &str, value: &impl Serialize) -> Vec<u8> {
    let json = serde_json::to_string(value).unwrap_or_default();
    format!("event: {name}\ndata: {json}\n\n").into_bytes()
}
