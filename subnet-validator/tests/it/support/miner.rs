//! A peer on the internal leg: it checks requests as a miner does, signs real receipts, and misbehaves when told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderMap, StatusCode};
use protocol::btauth::{self, Freshness, RawHeaders, RequestParts};
use protocol::digest::{Digest, Hasher};
use protocol::inventory::{Inventory, SignedInventory};
use protocol::openai::{
    ChatChunk, ChatCompletion, ChatRequest, ErrorBody, FinishReason as Finish, StreamHead, Usage,
};
use protocol::receipt::{self, FinishReason, Receipt, SSE_EVENT, SignedReceipt};
use protocol::signing::Keypair;
use protocol::ticket::{self, Expectation, SignedTicket, Ticket, ValidTicket};
use subnet_validator::fleet::view::{KnownInventory, MinerEntry};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{NETUID, weights_digest};

/// How the miner treats calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Honest,
    /// Its receipt names another output.
    WrongOutputHash,
    /// It answers and signs nothing.
    NoReceipt,
    /// Somebody else signs its receipt.
    ForgedReceipt,
    /// Its receipt claims more tokens than its answer states.
    InflatedTokens,
    /// The connection breaks after the first chunks.
    DiesMidStream,
    /// It reports an error inside its stream.
    ErrorMidStream,
    /// It takes the call and says nothing.
    Silent,
    /// It answers one chunk and then nothing.
    Stalls,
    /// It answers one chunk, then comments for a third of a second, then the rest.
    Ponders,
    /// The same, until it is told to stop: then it signs for what it sent.
    StopsWhenTold,
    /// It answers one chunk and ends its answer when the test says so.
    FinishesWhenTold,
    Busy,
    RefusesRequest,
    /// It refuses the gateway's ticket.
    RefusesTicket,
    /// It holds its model with a context of 512 tokens, and every prompt is longer.
    ShortContext,
    Fails,
}

pub struct TestMiner {
    pub key: Keypair,
    pub address: SocketAddr,
    seen: Arc<Seen>,
    server: JoinHandle<()>,
}

struct Seen {
    key: Keypair,
    manner: Manner,
    tickets: Mutex<Vec<Ticket>>,
    request_ids: Mutex<Vec<String>>,
    left: Arc<Notify>,
    dies: Arc<Notify>,
    told: Arc<Notify>,
}

impl TestMiner {
    pub async fn start(name: &str, manner: Manner) -> Self {
        let key = Keypair::from_dev_uri(name).unwrap();
        let seen = Arc::new(Seen {
            key: key.clone(),
            manner,
            tickets: Mutex::default(),
            request_ids: Mutex::default(),
            left: Arc::default(),
            dies: Arc::default(),
            told: Arc::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route(protocol::cancel::TARGET, post(cancel))
            .with_state(Arc::clone(&seen));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { key, address, seen, server }
    }

    /// This miner as a validator's view has it.
    pub fn entry(&self, uid: u16) -> MinerEntry {
        let model = protocol::inventory::HotModel {
            id: "echo".parse().unwrap(),
            weights_digest: weights_digest(),
            context_tokens: if self.seen.manner == Manner::ShortContext { 512 } else { 4_096 },
            slots: 4,
            in_flight: 0,
        };
        MinerEntry {
            uid,
            hotkey: self.key.public(),
            axon: self.address.into(),
            inventory: Some(KnownInventory {
                received_at_ms: u64::MAX,
                issued_at_ms: 0,
                hot_since_ms: std::collections::BTreeMap::new(),
                device: "test".into(),
                memory_bytes: 1 << 30,
                models: vec![model],
            }),
        }
    }

    /// The same without a model loaded.
    pub fn cold_entry(&self, uid: u16) -> MinerEntry {
        let mut entry = self.entry(uid);
        entry.inventory.as_mut().unwrap().models.clear();
        entry
    }

    /// What it says to be ready, with this many slots for its model.
    pub fn inventory(&self, slots: u16) -> SignedInventory {
        let mut models = self.entry(0).inventory.unwrap().models;
        models[0].slots = slots;
        Inventory {
            netuid: NETUID,
            miner: self.key.public(),
            issued_at_ms: now_ms(),
            device: "test".into(),
            memory_bytes: 1 << 30,
            models,
        }
        .sign(&self.key)
    }

    /// Tickets of the calls it got, in order.
    pub fn tickets(&self) -> Vec<Ticket> {
        self.seen.tickets.lock().unwrap().clone()
    }

    pub fn request_ids(&self) -> Vec<String> {
        self.seen.request_ids.lock().unwrap().clone()
    }

    /// Lets a miner that is to die in the middle of its stream do so.
    pub fn die(&self) {
        self.seen.dies.notify_one();
    }

    /// Lets a miner that waits for it end its answer.
    pub fn finish(&self) {
        self.seen.told.notify_one();
    }

    /// Waits until a validator drops a stream before its end.
    pub async fn left_alone(&self) {
        self.seen.left.notified().await;
    }
}

impl Drop for TestMiner {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What an honest answer to any request is.
pub const TOKENS: [&str; 3] = ["Hello", " there", "!"];
const PROMPT_TOKENS: u32 = 5;

async fn chat(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> Response {
    let ticket = admit(&seen, &headers, &body);
    seen.tickets.lock().unwrap().push((*ticket).clone());
    seen.request_ids.lock().unwrap().push(headers["x-request-id"].to_str().unwrap().to_owned());
    let request: ChatRequest = serde_json::from_slice(&body).unwrap();
    let words = ErrorBody::new("invalid_request_error", "the prompt is too long").with_param("messages");
    match seen.manner {
        Manner::Busy => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Manner::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Manner::RefusesRequest => (StatusCode::BAD_REQUEST, axum::Json(words)).into_response(),
        Manner::RefusesTicket => {
            (StatusCode::BAD_REQUEST, axum::Json(words.with_code("ticket_issued_ahead"))).into_response()
        }
        Manner::ShortContext => {
            (StatusCode::BAD_REQUEST, axum::Json(words.with_code("context_length_exceeded"))).into_response()
        }
        Manner::Silent => std::future::pending().await,
        _ if request.validate().unwrap().stream.on => streamed(&seen, &ticket, &body),
        _ => whole(&seen, &ticket),
    }
}

async fn cancel(State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let raw =
        RawHeaders::collect(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))).unwrap();
    let parts =
        RequestParts { method: "POST", target: protocol::cancel::TARGET, body_sha256: Digest::of(&body) };
    let now_ns = now_ms() * 1_000_000;
    btauth::verify(&raw, &parts, &seen.key.public(), now_ns, &Freshness::default()).unwrap();
    let request: protocol::cancel::CancelRequest = serde_json::from_slice(&body).unwrap();
    let known = seen.tickets.lock().unwrap().iter().any(|ticket| ticket.hash() == request.ticket_hash);
    if !known || seen.manner != Manner::StopsWhenTold {
        return StatusCode::NOT_FOUND;
    }
    seen.told.notify_one();
    StatusCode::NO_CONTENT
}

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// The checks of an axon. A request that fails them fails the test.
fn admit(seen: &Seen, headers: &HeaderMap, body: &[u8]) -> ValidTicket {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (now_ns, now_ms) = (now.as_nanos() as u64, now.as_millis() as u64);
    let me = seen.key.public();
    let body_sha256 = Digest::of(body);
    let raw =
        RawHeaders::collect(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()))).unwrap();
    let parts = RequestParts { method: "POST", target: "/v1/chat/completions", body_sha256 };
    let caller = btauth::verify(&raw, &parts, &me, now_ns, &Freshness::default()).unwrap();
    let ticket =
        SignedTicket::from_header(headers[ticket::HEADER].to_str().unwrap()).unwrap().verify().unwrap();
    ticket.sent_by(&caller.hotkey).unwrap();
    ticket.admit(&Expectation { netuid: NETUID, miner: me, request_sha256: body_sha256, now_ms }).unwrap();
    ticket
}

fn head() -> StreamHead {
    StreamHead { id: "chatcmpl-test".into(), created: 1_700_000_000, model: "echo".into() }
}

fn usage() -> Usage {
    Usage::new(PROMPT_TOKENS, TOKENS.len() as u32)
}

fn sign(seen: &Seen, ticket: &Ticket, output_sha256: Digest) -> SignedReceipt {
    let wrong = seen.manner == Manner::WrongOutputHash;
    let inflated = if seen.manner == Manner::InflatedTokens { 7 } else { 0 };
    let receipt = Receipt {
        ticket_hash: ticket.hash(),
        output_sha256: if wrong { Digest::of(b"something else") } else { output_sha256 },
        prompt_tokens: PROMPT_TOKENS,
        completion_tokens: (TOKENS.len() as u32 + inflated).min(ticket.completion_tokens_max),
        first_token_ms: 1,
        total_ms: 2,
        finish_reason: FinishReason::Stop,
        fingerprint: None,
        previous: Digest::ZERO,
    };
    match seen.manner {
        Manner::ForgedReceipt => receipt.sign(&Keypair::from_dev_uri("//Mallory").unwrap()),
        _ => receipt.sign(&seen.key),
    }
}

fn whole(seen: &Seen, ticket: &Ticket) -> Response {
    let answer = ChatCompletion::new(head(), TOKENS.concat(), Finish::Stop, usage());
    let body = serde_json::to_vec(&answer).unwrap();
    let receipt = sign(seen, ticket, Digest::of(&[body.as_slice(), b"\n"].concat())).to_header();
    match seen.manner {
        Manner::NoReceipt => body.into_response(),
        _ => ([(receipt::HEADER, receipt)], body).into_response(),
    }
}

/// The chunks of an honest stream, as JSON.
pub fn chunks(with_usage: bool) -> Vec<String> {
    let head = head();
    let mut chunks = vec![ChatChunk::first(&head)];
    chunks.extend(TOKENS.map(|token| ChatChunk::text(&head, token)));
    chunks.push(ChatChunk::finish(&head, Finish::Stop));
    if with_usage {
        chunks.push(ChatChunk::usage(&head, usage()));
    }
    chunks.iter().map(|chunk| serde_json::to_string(chunk).unwrap()).collect()
}

fn streamed(seen: &Arc<Seen>, ticket: &Ticket, body: &[u8]) -> Response {
    let request: ChatRequest = serde_json::from_slice(body).unwrap();
    let chunks = chunks(request.validate().unwrap().stream.include_usage);
    let mut hasher = Hasher::new();
    chunks.iter().for_each(|chunk| hasher.update(format!("{chunk}\n").as_bytes()));
    let receipt = sign(seen, ticket, hasher.finish()).to_header();
    let mut events: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events.push(format!("event: {SSE_EVENT}\ndata: {receipt}\n\n"));
    match seen.manner {
        Manner::StopsWhenTold => {
            return ended_when_told(seen, ticket, &chunks[..2], FinishReason::Cancelled);
        }
        Manner::FinishesWhenTold => return ended_when_told(seen, ticket, &chunks[..2], FinishReason::Stop),
        _ => {}
    }
    let (keep, then_breaks, then_waits) = match seen.manner {
        Manner::NoReceipt => (events.len() - 1, false, false),
        Manner::DiesMidStream => (3, true, false),
        Manner::Stalls => (2, false, true),
        _ => (events.len(), false, false),
    };
    events.truncate(keep);
    if seen.manner == Manner::ErrorMidStream {
        events.truncate(2);
        events.push("data: {\"error\":{\"message\":\"out of memory\"}}\n\n".into());
    }
    if seen.manner == Manner::Ponders {
        let comments = std::iter::repeat_n(": still at it\n\n".to_owned(), 16);
        events.splice(2..2, comments);
    }
    let dies = Arc::clone(&seen.dies);
    let ended = Departure { notify: then_waits.then(|| Arc::clone(&seen.left)) };
    let ticks = tokio::time::interval(Duration::from_millis(20));
    let sent = stream::unfold((events.into_iter(), ticks), async |(mut events, mut ticks)| {
        let event = events.next()?;
        if event.starts_with(':') {
            ticks.tick().await;
        }
        Some((Ok(Bytes::from(event)), (events, ticks)))
    });
    let end = stream::once(async move {
        let _ended = ended;
        match (then_breaks, then_waits) {
            (true, _) => {
                dies.notified().await;
                Some(Err(std::io::Error::other("the miner dies")))
            }
            (false, true) => std::future::pending().await,
            (false, false) => None,
        }
    });
    let body = Body::from_stream(sent.chain(end.filter_map(async |end| end)));
    ([("content-type", "text/event-stream")], body).into_response()
}

fn ended_when_told(
    seen: &Arc<Seen>,
    ticket: &Ticket,
    chunks: &[String],
    finish_reason: FinishReason,
) -> Response {
    let mut hasher = Hasher::new();
    chunks.iter().for_each(|chunk| hasher.update(format!("{chunk}\n").as_bytes()));
    let receipt = Receipt {
        ticket_hash: ticket.hash(),
        output_sha256: hasher.finish(),
        prompt_tokens: PROMPT_TOKENS,
        completion_tokens: 1,
        first_token_ms: 1,
        total_ms: 2,
        finish_reason,
        fingerprint: None,
        previous: Digest::ZERO,
    };
    let receipt = receipt.sign(&seen.key).to_header();
    let sent: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::from(format!("data: {chunk}\n\n"))))
        .collect();
    let told = Arc::clone(&seen.told);
    let end = stream::once(async move {
        told.notified().await;
        Ok(Bytes::from(format!("event: {SSE_EVENT}\ndata: {receipt}\n\n")))
    });
    let body = Body::from_stream(stream::iter(sent).chain(end));
    ([("content-type", "text/event-stream")], body).into_response()
}

/// Tells when the stream that holds it is dropped.
struct Departure {
    notify: Option<Arc<Notify>>,
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(notify) = &self.notify {
            notify.notify_one();
        }
    }
}
