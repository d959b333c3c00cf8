//! How answers leave: in one piece with the receipt in a header, or as events with the receipt as the last of them.
//!
//! Every `data:` line but the receipt's goes into the receipt's output hash, an error object included, so both sides hash
//! exactly what went over the wire. Events are written by a task of their own: it ends with the client, with the deadline, or
//! with the last event, and never waits for a client that has stopped reading for longer than the ticket allows.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use protocol::receipt::{self, FinishReason, SSE_EVENT};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::AxonState;
use super::answer::{Answer, Step};
use super::error::AxonError;
use crate::receipts::{Draft, ReceiptStore};

/// Time past its end in which an answer's error and receipt may still be written to a slow client.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(2);

/// What an endpoint makes of its answers' texts.
pub(super) trait Chunks: Send + 'static {
    /// The chunks that begin the answers.
    fn begin(&mut self, answer: &mut Answer) -> Vec<Vec<u8>>;
    /// The chunks that a step adds.
    fn step(&mut self, answer: &mut Answer, step: Step) -> Vec<Vec<u8>>;
    /// The chunks after the last answer's end.
    fn end(&mut self, answer: &mut Answer) -> Vec<Vec<u8>>;
}

/// A JSON value as it is sent.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("answers hold only texts and finite numbers")
}

/// Sends a whole answer once its receipt is stored.
pub(super) async fn whole(state: &AxonState, json: Vec<u8>, draft: Draft) -> Result<Response, AxonError> {
    let receipt = state.0.receipts.append(draft).await.map_err(|error| {
        tracing::error!(%error, "an answer is withheld because its receipt could not be stored");
        AxonError::Storage
    })?;
    let mut response = Response::new(json.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        receipt::HEADER,
        HeaderValue::try_from(receipt.to_header()).expect("hex is a header's value"),
    );
    Ok(response)
}

/// Starts a stream once the first step is there: until then an error may still be a status.
pub(super) async fn streamed(
    state: &AxonState,
    mut answer: Answer,
    chunks: impl Chunks,
    hang_up: CancellationToken,
) -> Result<Response, AxonError> {
    let first = match answer.next().await {
        Step::Failed(error) => return Err(error),
        step => step,
    };
    let (sender, events) = mpsc::channel(state.0.limits.chunks_waiting_max.get());
    let silence = Duration::from_millis(state.0.limits.silence_ms_max.get().into());
    let wire = Wire { sender, give_up: answer.limits.deadline + LAST_WORDS, silence };
    let receipts = state.0.receipts.clone();
    let written = async move {
        let ended = write(&wire, &mut answer, first, chunks).await;
        let reason = match ended {
            Ok(reason) => reason,
            Err(Gone::Client) => {
                tracing::info!("the client went away; the answer is cancelled");
                FinishReason::Cancelled
            }
            Err(Gone::TooSlow) => {
                tracing::info!("the client read too slowly; its connection is dropped");
                hang_up.cancel();
                FinishReason::Cancelled
            }
        };
        sign(wire, answer, reason, &receipts).await;
    };
    state.0.streams.spawn(written.in_current_span());

    let mut response =
        Response::new(Body::from_stream(ReceiverStream::new(events).map(Ok::<_, std::convert::Infallible>)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Nobody will read the rest.
enum Gone {
    Client,
    TooSlow,
}

/// A comment, which nobody hashes: what waits for this answer knows that it is still in the making.
const STILL_AT_IT: &str = ": still at it\n\n";

struct Wire {
    sender: mpsc::Sender<Bytes>,
    give_up: Instant,
    /// Longest silence.
    silence: Duration,
}

impl Wire {
    async fn event(&self, event: impl Into<Bytes>) -> Result<(), Gone> {
        tokio::select! {
            biased;
            sent = self.sender.send(event.into()) => sent.map_err(|_| Gone::Client),
            () = tokio::time::sleep_until(self.give_up) => Err(Gone::TooSlow),
        }
    }

    /// Writes `data:` lines and counts them towards the receipt.
    async fn data(&self, answer: &mut Answer, chunks: Vec<Vec<u8>>) -> Result<(), Gone> {
        for json in chunks {
            self.event([b"data: ", json.as_slice(), b"\n\n"].concat()).await?;
            answer.sent(&json);
        }
        Ok(())
    }
}

/// Writes the answer and gives the reason why it ended.
async fn write(
    wire: &Wire,
    answer: &mut Answer,
    first: Step,
    mut chunks: impl Chunks,
) -> Result<FinishReason, Gone> {
    let begin = chunks.begin(answer);
    wire.data(answer, begin).await?;
    let mut step = first;
    let mut quiet_until = Instant::now() + wire.silence;
    loop {
        match step {
            Step::Finished => break,
            Step::Cancelled => return Ok(FinishReason::Cancelled),
            Step::Failed(error) => {
                wire.data(answer, vec![json(&error.body())]).await?;
                return Ok(FinishReason::Error);
            }
            step => {
                let more = chunks.step(answer, step);
                if !more.is_empty() {
                    wire.data(answer, more).await?;
                    quiet_until = Instant::now() + wire.silence;
                }
            }
        }
        step = loop {
            tokio::select! {
                biased;
                () = wire.sender.closed() => return Err(Gone::Client),
                // Before the model, whose text may be held back token by token: a call of a tool is sent when it is whole.
                () = tokio::time::sleep_until(quiet_until) => {
                    wire.event(STILL_AT_IT).await?;
                    quiet_until = Instant::now() + wire.silence;
                }
                step = answer.next() => break step,
            }
        };
    }
    let end = chunks.end(answer);
    wire.data(answer, end).await?;
    Ok(answer.finish_reason())
}

/// Signs for what was sent and stores it, whether or not the client is still there to get it: it sent a ticket, and this is
/// what became of it.
async fn sign(wire: Wire, answer: Answer, reason: FinishReason, receipts: &ReceiptStore) {
    let last = match receipts.append(answer.into_draft(reason)).await {
        Ok(receipt) => format!("event: {SSE_EVENT}\ndata: {}\n\n", receipt.to_header()),
        Err(error) => {
            tracing::error!(%error, "an answer ends without its receipt, which could not be stored");
            let json =
                serde_json::to_string(&AxonError::Storage.body()).expect("an error object holds only text");
            format!("data: {json}\n\n")
        }
    };
    if wire.event(last).await.is_err() {
        tracing::debug!("nobody reads the receipt");
    }
}
