//! A streamed answer on its way from the miner to the user, chunk by chunk, byte for byte.
//!
//! The relay is a task of its own between the miner's connection and a bounded queue that the user's connection empties. A user
//! who reads slowly slows the miner down; a user who leaves closes the queue, which makes the miner stop: it is told to, signs for
//! what it had generated, and that receipt is stored like any other. A miner that does not stop at once loses its connection.

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
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument;

use super::Shared;
use super::axon::Axon;
use super::axon::error::{AttemptError, Next};
use super::call::CallError;
use super::delivered::ChunkView;
use super::load::{InFlight, Pace};
use super::settle::{Delivery, settle};
use super::sse::{SseEvent, SseParser};
use crate::metrics::Count;

/// What the user's side is told.
#[derive(Debug)]
pub enum RelayEvent {
    /// One chunk's JSON, exactly as the miner sent it.
    Chunk(Bytes),
    /// The answer is whole and its receipt is in the log.
    Done,
    /// The answer broke off, or cannot be proven.
    Failed(AttemptError),
    /// The model is cold; the call waits for it.
    Waiting {
        /// Place in the queue, from 1.
        position: usize,
        /// When the model may be ready, if that is known.
        estimate_ms: Option<u64>,
    },
    /// The call was not served after its wait.
    Refused(CallError),
}

/// The user's end of a relay. Dropping it stops the miner.
#[derive(Debug)]
pub struct RelayStream {
    events: mpsc::Receiver<RelayEvent>,
}

impl RelayStream {
    pub(super) fn new(events: mpsc::Receiver<RelayEvent>) -> Self {
        Self { events }
    }
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
    axon: Axon,
    ticket: ValidTicket,
    source: Source,
    first: Bytes,
    deadline: Instant,
    output: Output,
}

/// A call that has been sent and whose answer is about to stream.
pub(super) struct Opening {
    pub shared: Arc<Shared>,
    pub axon: Axon,
    pub ticket: ValidTicket,
    pub body: Incoming,
    pub sent_at: Instant,
    pub deadline: Instant,
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

/// How a relay ended.
enum End {
    Stored(Pace),
    ClientLeft,
}

impl Relay {
    /// Waits for the first chunk: until it is here another miner can still take over.
    pub(super) async fn open(opening: Opening) -> Result<Self, AttemptError> {
        let Opening { shared, axon, ticket, body, sent_at, deadline } = opening;
        let mut source = Source { body, parser: SseParser::new(shared.limits.event_bytes_max) };
        let event = source.next_event().await?.ok_or(AttemptError::NoReceipt)?;
        if event.name == SSE_EVENT {
            return Err(AttemptError::Malformed);
        }
        let mut output = Output::new(sent_at);
        output.take(&event.data)?;
        Ok(Self { shared, axon, ticket, source, first: event.data, deadline, output })
    }

    /// Starts relaying.
    pub(super) fn start(self, in_flight: InFlight) -> RelayStream {
        let (sender, events) = mpsc::channel(self.shared.limits.relay_events_max);
        let relays = self.shared.relays.clone();
        relays.spawn(self.run(sender, in_flight).in_current_span());
        RelayStream { events }
    }

    async fn run(self, client: mpsc::Sender<RelayEvent>, mut in_flight: InFlight) {
        let (shared, miner) = (Arc::clone(&self.shared), self.ticket.miner);
        let result = self.relay(&client).await;
        match result {
            Ok(End::Stored(pace)) => {
                in_flight.succeed(pace, shared.clock.now_ms());
                drop(in_flight);
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
                    in_flight.fail(shared.clock.now_ms());
                }
                shared.metrics.count(Count::AttemptFailed);
                shared.metrics.count(Count::CallFailed);
                let _ = client.send(RelayEvent::Failed(error)).await;
            }
        }
    }

    async fn relay(mut self, client: &mpsc::Sender<RelayEvent>) -> Result<End, AttemptError> {
        if client.send(RelayEvent::Chunk(std::mem::take(&mut self.first))).await.is_err() {
            return self.wind_down().await;
        }
        loop {
            let limits = &self.shared.limits;
            let silent = |waited_ms| Err(AttemptError::Silent { waited_ms });
            let event = tokio::select! {
                biased;
                () = client.closed() => return self.wind_down().await,
                event = self.source.next() => event?,
                () = tokio::time::sleep(Duration::from_millis(limits.idle_timeout_ms)) => {
                    return silent(limits.idle_timeout_ms);
                }
                () = tokio::time::sleep_until(self.deadline) => return silent(limits.request_timeout_ms),
            };
            let event = match event.ok_or(AttemptError::NoReceipt)? {
                Heard::Event(event) => event,
                Heard::SignOfLife => continue,
            };
            if event.name == SSE_EVENT {
                let client_gone = client.is_closed();
                return self.end(&event.data, client_gone).await;
            }
            self.output.take(&event.data)?;
            // A client that stays connected but does not read holds the miner up to the deadline, not for ever.
            let chunk = client.send(RelayEvent::Chunk(event.data));
            if !matches!(tokio::time::timeout_at(self.deadline, chunk).await, Ok(Ok(()))) {
                return self.wind_down().await;
            }
        }
    }

    /// The receipt is there: stores it.
    async fn end(self, receipt: &[u8], client_gone: bool) -> Result<End, AttemptError> {
        let receipt = read_receipt(receipt)?;
        let delivery = self.output.delivery(client_gone);
        let pace = Pace {
            first_token_ms: Some(delivery.first_byte_ms),
            total_ms: delivery.last_byte_ms,
            tokens: delivery.tokens_delivered,
        };
        settle(&self.shared, self.ticket, receipt, delivery).await?;
        Ok(if client_gone { End::ClientLeft } else { End::Stored(pace) })
    }

    /// The user left. Tells the miner to stop and reads on for its receipt, but not for long: a miner that does not stop, or
    /// does not know how to be told, loses its connection, which stops it too, and its receipt with it.
    async fn wind_down(mut self) -> Result<End, AttemptError> {
        let limit = Duration::from_millis(self.shared.limits.cancel_timeout_ms);
        if limit.is_zero() {
            return Ok(End::ClientLeft);
        }
        let shared = Arc::clone(&self.shared);
        let mut cancel = std::pin::pin!(shared.client.cancel(self.axon, self.ticket.hash()));
        let mut told = false;
        let read = async {
            loop {
                let event = tokio::select! {
                    cancelled = cancel.as_mut(), if !told => {
                        cancelled?;
                        told = true;
                        continue;
                    }
                    event = self.source.next_event() => event?.ok_or(AttemptError::NoReceipt)?,
                };
                if event.name == SSE_EVENT {
                    return Ok::<_, AttemptError>(event.data);
                }
                self.output.pass_over(&event.data);
            }
        };
        match tokio::time::timeout(limit, read).await {
            Ok(Ok(receipt)) => self.end(&receipt, true).await,
            Ok(Err(error)) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "no receipt for an answer whose user left"
                );
                Ok(End::ClientLeft)
            }
            Err(_) => Ok(End::ClientLeft),
        }
    }
}

/// What a miner's stream says next.
enum Heard {
    Event(SseEvent),
    /// Bytes that make no event yet, or never: a comment while a long piece is in the making.
    SignOfLife,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Heard>, AttemptError> {
        if let Some(event) = self.parser.next_event().map_err(AttemptError::Event)? {
            return Ok(Some(Heard::Event(event)));
        }
        match self.body.frame().await {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    self.parser.push(piece);
                }
                let event = self.parser.next_event().map_err(AttemptError::Event)?;
                Ok(Some(event.map_or(Heard::SignOfLife, Heard::Event)))
            }
            Some(Err(error)) => Err(AttemptError::Body(error.into())),
            None => Ok(None),
        }
    }

    async fn next_event(&mut self) -> Result<Option<SseEvent>, AttemptError> {
        loop {
            match self.next().await? {
                Some(Heard::Event(event)) => return Ok(Some(event)),
                Some(Heard::SignOfLife) => {}
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
        self.tokens_delivered = self.tokens_delivered.saturating_add(view.tokens());
        self.tokens_stated = view.usage.map(|usage| usage.completion_tokens).or(self.tokens_stated);
        Ok(())
    }

    /// Hashes a chunk that nobody is there to get.
    fn pass_over(&mut self, chunk: &[u8]) {
        self.hasher.update(chunk);
        self.hasher.update(b"\n");
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
