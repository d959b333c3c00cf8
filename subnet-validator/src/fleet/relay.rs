//! A streamed answer on its way from the miner to the user, chunk by chunk, byte for byte.
//!
//! The relay is a task of its own between the miner's connection and a bounded queue that the user's connection empties. A user
//! who reads slowly slows the miner down; a user who leaves closes the queue, which drops the miner's connection, which makes
//! the miner stop.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::digest::Hasher;
use protocol::receipt::{SSE_EVENT, SignedReceipt};
use protocol::ticket::ValidTicket;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;
use super::axon::error::{AttemptError, Next};
use super::load::InFlight;
use super::settle::{Delivery, settle};
use super::sse::{SseEvent, SseParser};
use crate::metrics::Count;

/// What the user's side is told.
#[derive(Debug)]
pub enum RelayEvent {
    /// One chunk's JSON, exactly as the miner sent it.
    Chunk(Bytes),
    /// The answer is whole and its receipt is stored.
    Done,
    /// The answer broke off, or cannot be proven.
    Failed(AttemptError),
}

/// The user's end of a relay. Dropping it stops the miner.
#[derive(Debug)]
pub struct RelayStream {
    events: mpsc::Receiver<RelayEvent>,
}

impl Stream for RelayStream {
    type Item = RelayEvent;
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<RelayEvent>> {
        self.events.poll_recv(context)
    }
}

/// A miner's stream whose first chunk has arrived.
pub(super) struct Relay {
    shared: Arc<Shared>,
    ticket: ValidTicket,
    source: Source,
    first: Bytes,
    deadline: Instant,
    output: Output,
    _in_flight: InFlight,
}

/// A call that has been sent and whose answer is about to stream.
pub(super) struct Opening {
    pub shared: Arc<Shared>,
    pub ticket: ValidTicket,
    pub body: Incoming,
    pub sent_at: Instant,
    pub deadline: Instant,
    pub in_flight: InFlight,
}

/// The miner's bytes, cut into events.
struct Source {
    body: Incoming,
    parser: SseParser,
}

/// What has been relayed so far.
struct Output {
    sent_at: Instant,
    hasher: Hasher,
    first_byte_ms: u32,
    tokens_delivered: u32,
    tokens_stated: Option<u64>,
}

/// The little the relay needs to know of a chunk.
#[derive(Deserialize)]
struct ChunkView {
    #[serde(default)]
    choices: Vec<ChoiceView>,
    #[serde(default)]
    usage: Option<UsageView>,
    #[serde(default)]
    error: Option<serde::de::IgnoredAny>,
}

/// A choice of a chat (`delta`) or a text completion (`text`).
#[derive(Deserialize)]
struct ChoiceView {
    #[serde(default)]
    delta: DeltaView,
    #[serde(default)]
    text: Option<String>,
}

#[derive(Default, Deserialize)]
struct DeltaView {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    reasoning_content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCallView>,
}

#[derive(Deserialize)]
struct ToolCallView {
    #[serde(default)]
    function: FunctionView,
}

#[derive(Default, Deserialize)]
struct FunctionView {
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: String,
}

#[derive(Deserialize)]
pub(super) struct UsageView {
    #[serde(default)]
    pub(super) completion_tokens: u64,
}

/// Bytes of a tool call that pass for a token: calls arrive whole and not token by token.
const CALL_BYTES_PER_TOKEN: usize = 4;

impl ChoiceView {
    /// Tokens that were delivered with it: one for any text, and a call's by its length.
    fn tokens(&self) -> u32 {
        let ChoiceView { delta, text } = self;
        let texts = [&delta.content, &delta.reasoning_content, text];
        let texts = texts.into_iter().flatten().filter(|text| !text.is_empty()).count();
        let call_bytes = delta.tool_calls.iter().map(|call| {
            call.function
                .name
                .len()
                .saturating_add(call.function.arguments.len())
                .div_ceil(CALL_BYTES_PER_TOKEN)
        });
        u32::try_from(texts.saturating_add(call_bytes.sum())).unwrap_or(u32::MAX)
    }
}

/// How a relay ended.
enum End {
    Stored,
    ClientLeft,
}

impl Relay {
    /// Waits for the first chunk: until it is here another miner can still take over.
    pub(super) async fn open(opening: Opening) -> Result<Self, AttemptError> {
        let Opening { shared, ticket, body, sent_at, deadline, in_flight } = opening;
        let mut source = Source { body, parser: SseParser::new(shared.limits.event_bytes_max) };
        let event = source.next().await?.ok_or(AttemptError::NoReceipt)?;
        if event.name == SSE_EVENT {
            return Err(AttemptError::Malformed);
        }
        let mut output = Output::new(sent_at);
        output.take(&event.data)?;
        Ok(Self { shared, ticket, source, first: event.data, deadline, output, _in_flight: in_flight })
    }

    /// Starts relaying.
    pub(super) fn start(self) -> RelayStream {
        let (sender, events) = mpsc::channel(self.shared.limits.relay_events_max);
        let relays = self.shared.relays.clone();
        relays.spawn(self.run(sender));
        RelayStream { events }
    }

    async fn run(self, client: mpsc::Sender<RelayEvent>) {
        let (shared, miner) = (Arc::clone(&self.shared), self.ticket.miner);
        let result = self.relay(&client).await;
        match result {
            Ok(End::Stored) => {
                shared.loads.succeed(miner);
                shared.metrics.count(Count::CallAnswered);
                let _ = client.send(RelayEvent::Done).await;
            }
            Ok(End::ClientLeft) => {
                tracing::debug!(%miner, "the client left before the end");
                shared.metrics.count(Count::CallAbandoned);
            }
            Err(error) => {
                tracing::warn!(%miner, error = &error as &dyn std::error::Error, "an answer broke off");
                if error.next() == Next::BlameAndAskAnother {
                    shared.loads.fail(miner, shared.clock.now_ms());
                }
                shared.metrics.count(Count::AttemptFailed);
                shared.metrics.count(Count::CallFailed);
                let _ = client.send(RelayEvent::Failed(error)).await;
            }
        }
    }

    async fn relay(self, client: &mpsc::Sender<RelayEvent>) -> Result<End, AttemptError> {
        let Self { shared, ticket, mut source, first, deadline, mut output, _in_flight } = self;
        if client.send(RelayEvent::Chunk(first)).await.is_err() {
            return Ok(End::ClientLeft);
        }
        loop {
            let idle = Duration::from_millis(shared.limits.idle_timeout_ms);
            let event = tokio::select! {
                biased;
                () = client.closed() => return Ok(End::ClientLeft),
                event = source.next() => event?,
                () = tokio::time::sleep(idle) => return Err(AttemptError::Silent { waited_ms: shared.limits.idle_timeout_ms }),
                () = tokio::time::sleep_until(deadline) => {
                    return Err(AttemptError::Silent { waited_ms: shared.limits.request_timeout_ms });
                }
            };
            let event = event.ok_or(AttemptError::NoReceipt)?;
            if event.name == SSE_EVENT {
                let receipt = read_receipt(&event.data)?;
                let client_gone = client.is_closed();
                settle(&shared, ticket, receipt, output.delivery(client_gone)).await?;
                return Ok(if client_gone { End::ClientLeft } else { End::Stored });
            }
            output.take(&event.data)?;
            // A client that stays connected but does not read holds the miner up to the deadline, not for ever.
            let sent = tokio::time::timeout_at(deadline, client.send(RelayEvent::Chunk(event.data))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return Ok(End::ClientLeft);
            }
        }
    }
}

impl Source {
    async fn next(&mut self) -> Result<Option<SseEvent>, AttemptError> {
        loop {
            if let Some(event) = self.parser.next_event().map_err(AttemptError::Event)? {
                return Ok(Some(event));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(piece) = frame.data_ref() {
                        self.parser.push(piece);
                    }
                }
                Some(Err(error)) => return Err(AttemptError::Body(error.into())),
                None => return Ok(None),
            }
        }
    }
}

impl Output {
    fn new(sent_at: Instant) -> Self {
        let first_byte_ms = elapsed_ms(sent_at);
        Self { sent_at, hasher: Hasher::new(), first_byte_ms, tokens_delivered: 0, tokens_stated: None }
    }

    /// Hashes a chunk and counts its token; refuses what a client could not parse.
    fn take(&mut self, chunk: &[u8]) -> Result<(), AttemptError> {
        let view: ChunkView = serde_json::from_slice(chunk).map_err(|_| AttemptError::Malformed)?;
        if view.error.is_some() {
            return Err(AttemptError::Reported);
        }
        self.hasher.update(chunk);
        self.hasher.update(b"\n");
        for choice in &view.choices {
            self.tokens_delivered = self.tokens_delivered.saturating_add(choice.tokens());
        }
        self.tokens_stated = view.usage.map(|usage| usage.completion_tokens).or(self.tokens_stated);
        Ok(())
    }

    fn delivery(self, client_gone: bool) -> Delivery {
        Delivery {
            first_byte_ms: self.first_byte_ms,
            last_byte_ms: elapsed_ms(self.sent_at),
            tokens_delivered: self.tokens_delivered,
            tokens_stated: self.tokens_stated,
            output_sha256: self.hasher.finish(),
            client_gone,
        }
    }
}

fn read_receipt(data: &[u8]) -> Result<SignedReceipt, AttemptError> {
    let text = std::str::from_utf8(data).map_err(|_| AttemptError::UnreadableReceipt)?;
    SignedReceipt::from_header(text).map_err(|_| AttemptError::UnreadableReceipt)
}

/// Milliseconds since then, as receipts count them.
pub(super) fn elapsed_ms(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}
