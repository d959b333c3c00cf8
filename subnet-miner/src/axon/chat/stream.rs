//! The answer piece by piece: SSE chunks, then the receipt as an event of its own.
//!
//! Every `data:` line but the receipt's goes into the receipt's output hash, an error object included, so both sides hash
//! exactly what went over the wire. Chunks are written by a task of their own: it ends with the client, with the deadline, or
//! with the last chunk, and never waits for a client that has stopped reading for longer than the ticket allows.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use protocol::openai::{ChatChunk, FinishReason as Named};
use protocol::receipt::{FinishReason, SSE_EVENT};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::LAST_WORDS;
use super::answer::{Answer, Step};
use crate::axon::AxonState;
use crate::axon::error::AxonError;
use crate::receipts::ReceiptStore;

pub(super) struct Options {
    /// Whether a last chunk reports the tokens used.
    pub include_usage: bool,
    /// Drops the connection.
    pub hang_up: CancellationToken,
}

pub(super) async fn respond(
    state: &AxonState,
    mut answer: Answer,
    options: Options,
) -> Result<Response, AxonError> {
    let first = match answer.next().await {
        Step::Failed(error) => return Err(error),
        step => step,
    };
    let (sender, chunks) = mpsc::channel(state.0.limits.chunks_waiting_max.get());
    let wire = Wire { sender, give_up: answer.limits.deadline + LAST_WORDS };
    let receipts = state.0.receipts.clone();
    let written = async move {
        let ended = write(&wire, &mut answer, first, options.include_usage).await;
        let reason = match ended {
            Ok(reason) => reason,
            Err(Gone::Client) => {
                tracing::info!("the client went away; the answer is cancelled");
                FinishReason::Cancelled
            }
            Err(Gone::TooSlow) => {
                tracing::info!("the client read too slowly; its connection is dropped");
                options.hang_up.cancel();
                FinishReason::Cancelled
            }
        };
        sign(wire, answer, reason, &receipts).await;
    };
    state.0.streams.spawn(written.in_current_span());

    let mut response =
        Response::new(Body::from_stream(ReceiverStream::new(chunks).map(Ok::<_, std::convert::Infallible>)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Nobody will read the rest.
enum Gone {
    Client,
    TooSlow,
}

struct Wire {
    sender: mpsc::Sender<Bytes>,
    give_up: Instant,
}

impl Wire {
    async fn event(&self, event: impl Into<Bytes>) -> Result<(), Gone> {
        tokio::select! {
            biased;
            sent = self.sender.send(event.into()) => sent.map_err(|_| Gone::Client),
            () = tokio::time::sleep_until(self.give_up) => Err(Gone::TooSlow),
        }
    }

    /// Writes one `data:` line and counts it towards the receipt.
    async fn data(&self, answer: &mut Answer, value: &impl Serialize) -> Result<(), Gone> {
        let json = serde_json::to_vec(value).expect("chunks and errors hold only text and numbers");
        self.event([b"data: ", json.as_slice(), b"\n\n"].concat()).await?;
        answer.sent(&json);
        Ok(())
    }
}

/// Writes the answer and gives the reason why it ended.
async fn write(
    wire: &Wire,
    answer: &mut Answer,
    first: Step,
    include_usage: bool,
) -> Result<FinishReason, Gone> {
    let head = answer.head.clone();
    wire.data(answer, &ChatChunk::first(&head)).await?;
    let mut step = first;
    let reason = loop {
        match step {
            Step::Text(text) if text.is_empty() => {}
            Step::Text(text) => wire.data(answer, &ChatChunk::text(&head, text)).await?,
            Step::Finished(reason) => break reason,
            Step::Failed(error) => {
                wire.data(answer, &error.body()).await?;
                break FinishReason::Error;
            }
        }
        step = tokio::select! {
            biased;
            () = wire.sender.closed() => return Err(Gone::Client),
            step = answer.next() => step,
        };
    };
    if let Some(named) = Named::from_receipt(reason) {
        wire.data(answer, &ChatChunk::finish(&head, named)).await?;
        if include_usage {
            let usage = answer.usage();
            wire.data(answer, &ChatChunk::usage(&head, usage)).await?;
        }
    }
    Ok(reason)
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
