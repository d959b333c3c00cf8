//! A miner that answers at once. It trusts its callers: a ticket is read for its hash, and no signature is checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use protocol::digest::{Digest, Hasher};
use protocol::openai::{ChatChunk, ChatCompletion, FinishReason as Finish, StreamHead, Usage};
use protocol::receipt::{self, FinishReason, Receipt, SSE_EVENT};
use protocol::signing::Keypair;
use protocol::ticket::{self, SignedTicket};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Tokens of a streamed answer.
const STREAM_TOKENS: u32 = 64;
/// The user of a call whose answer does not end by itself.
pub const ENDLESS: &str = "endless";
/// Between two words of such an answer.
const WORD_INTERVAL: Duration = Duration::from_millis(10);

/// A running stand-in.
pub struct Miner {
    pub address: SocketAddr,
    answers: Arc<Answers>,
}

struct Answers {
    key: Keypair,
    whole: Bytes,
    whole_sha256: Digest,
    chunks: Bytes,
    chunks_sha256: Digest,
    /// One chunk of an answer without end.
    word: String,
    /// A validator cancels.
    cancel: Notify,
    /// An answer without end has ended.
    stopped: Notify,
}

impl Miner {
    pub async fn serve(address: SocketAddr, key: Keypair) -> Result<Self, String> {
        let answers = Arc::new(Answers::new(key));
        let router = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/chat/completions", post(answer))
            .route(protocol::cancel::TARGET, post(cancel))
            .with_state(Arc::clone(&answers));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            format!("the miner cannot listen on {address} ({error}): give another address with --miner")
        })?;
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Ok(Self { address, answers })
    }

    /// Waits until an answer without end has ended.
    pub async fn stopped(&self) {
        self.answers.stopped.notified().await;
    }
}

impl Answers {
    fn new(key: Keypair) -> Self {
        let head = StreamHead { id: "chatcmpl-bench".into(), created: 1_700_000_000, model: "echo".into() };
        let usage = Usage::new(5, STREAM_TOKENS);
        let words = "word ".repeat(STREAM_TOKENS as usize);
        let whole = ChatCompletion::new(head.clone(), words, Finish::Stop, usage);
        let whole = serde_json::to_vec(&whole).unwrap();
        let text = |chunk: ChatChunk| serde_json::to_string(&chunk).unwrap();
        let word = text(ChatChunk::text(&head, "word "));
        let mut chunks = vec![text(ChatChunk::first(&head))];
        chunks.extend((0..STREAM_TOKENS).map(|_| word.clone()));
        chunks.push(text(ChatChunk::finish(&head, Finish::Stop)));
        let mut hasher = Hasher::new();
        chunks.iter().for_each(|chunk| hasher.update(format!("{chunk}\n").as_bytes()));
        Self {
            key,
            word,
            cancel: Notify::new(),
            stopped: Notify::new(),
            whole_sha256: Digest::of(&[whole.as_slice(), b"\n"].concat()),
            whole: whole.into(),
            chunks_sha256: hasher.finish(),
            chunks: chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>().into(),
        }
    }

    fn receipt(
        &self,
        ticket: &SignedTicket,
        output_sha256: Digest,
        tokens: u32,
        why: FinishReason,
    ) -> String {
        let receipt = Receipt {
            ticket_hash: ticket.ticket.hash(),
            output_sha256,
            prompt_tokens: 5,
            completion_tokens: tokens,
            first_token_ms: 0,
            total_ms: 0,
            finish_reason: why,
            fingerprint: None,
            previous: Digest::ZERO,
        };
        receipt.sign(&self.key).to_header()
    }
}

async fn cancel(State(answers): State<Arc<Answers>>) {
    answers.cancel.notify_one();
}

async fn answer(State(answers): State<Arc<Answers>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let streamed = request["stream"].as_bool().unwrap_or(false);
    let ticket = headers.get(ticket::HEADER).and_then(|value| value.to_str().ok());
    let ticket = ticket.and_then(|text| SignedTicket::from_header(text).ok());
    if !streamed {
        let json = ([("content-type", "application/json")], answers.whole.clone());
        let Some(ticket) = ticket else { return json.into_response() };
        let receipt = answers.receipt(&ticket, answers.whole_sha256, STREAM_TOKENS, FinishReason::Stop);
        return ([(receipt::HEADER, receipt)], json).into_response();
    }
    let body = if request["user"] == ENDLESS { endless(answers, ticket) } else { finite(&answers, ticket) };
    ([("content-type", "text/event-stream")], body).into_response()
}

fn finite(answers: &Answers, ticket: Option<SignedTicket>) -> Body {
    // Callers without a ticket get the end that OpenAI's clients expect.
    let last = ticket.map_or_else(
        || "data: [DONE]\n\n".to_owned(),
        |ticket| {
            let receipt = answers.receipt(&ticket, answers.chunks_sha256, STREAM_TOKENS, FinishReason::Stop);
            format!("event: {SSE_EVENT}\ndata: {receipt}\n\n")
        },
    );
    let pieces = [answers.chunks.clone(), last.into()].map(Ok::<_, std::io::Error>);
    Body::from_stream(stream::iter(pieces))
}

/// Words until somebody cancels, and a receipt for those that were sent; or until nobody reads them.
fn endless(answers: Arc<Answers>, ticket: Option<SignedTicket>) -> Body {
    /// Tells that the answer has ended, however it did.
    struct Ends(Arc<Answers>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.stopped.notify_one();
        }
    }
    let state = (Ends(answers), ticket, Hasher::new(), 0_u32);
    let words = stream::unfold(Some(state), async |state| {
        let (ends, ticket, mut hasher, words) = state?;
        let answers = &ends.0;
        let cancelled = tokio::time::timeout(WORD_INTERVAL, answers.cancel.notified()).await.is_ok();
        if !cancelled {
            let piece = format!("data: {}\n\n", answers.word);
            hasher.update(format!("{}\n", answers.word).as_bytes());
            return Some((Ok::<_, std::io::Error>(piece), Some((ends, ticket, hasher, words + 1))));
        }
        let receipt = answers.receipt(&ticket?, hasher.finish(), words, FinishReason::Cancelled);
        Some((Ok(format!("event: {SSE_EVENT}\ndata: {receipt}\n\n")), None))
    });
    Body::from_stream(words)
}
