//! Miners that cheat: they speak the whole protocol, sign everything, and answer with something cheaper than what was ordered.
//!
//! A server of its own, because the real miner cannot lie: it takes digests and states from the model that answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt as _;
use model_runtime::{
    Event, GenerateRequest, HiddenSink, Message, ModelHandle, ModelSource, Prompt, Runtime, RuntimeConfig,
};
use parity_scale_codec::Encode as _;
use protocol::account::AccountId;
use protocol::challenge::{Answer, Pieces, Shown, SignedChallenge, Task};
use protocol::digest::{Digest, Hasher};
use protocol::fingerprint::{Fingerprint, FingerprintBuilder, bfloat16_bits};
use protocol::inventory::{HotModel, Inventory};
use protocol::openai::{
    ChatChunk, ChatCompletion, ChatRequest, FinishReason, StreamHead, Usage, ValidChatRequest,
};
use protocol::receipt::{self, Receipt, SSE_EVENT, SignedReceipt};
use protocol::signing::Keypair;
use protocol::ticket::{self, ModelId, SignedTicket, Ticket};
use protocol::weight_tree::WeightHasher;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Tokens of the one answer of a miner that generates once: few enough for every ticket of the tests.
const OLD_TOKENS: u32 = 3;

/// How a miner cheats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cheat {
    /// Answers with the model of this file under the other one's name, and shows pieces of it where the other's are asked for.
    OtherModel(PathBuf),
    /// Has generated once, before anybody asked, and gives the same bytes to everybody.
    SameBytes(PathBuf),
    /// Has generated once, before anybody asked, and gives the same text under new ids.
    SameText(PathBuf),
}

/// What a cheating miner pretends.
#[derive(Debug, Clone)]
pub struct Pretence {
    /// The subnet.
    pub netuid: u16,
    /// The model it says it serves.
    pub model: ModelId,
    /// The digest of that model's weights.
    pub weights_digest: Digest,
    /// How it cheats.
    pub cheat: Cheat,
}

/// A listening cheat. Stops when it is dropped.
#[derive(Debug)]
pub struct CheatingAxon {
    address: SocketAddr,
    server: JoinHandle<()>,
}

struct Inner {
    key: Keypair,
    pretence: Pretence,
    model: ModelHandle,
    previous: Mutex<HashMap<AccountId, Digest>>,
    fingerprints: Mutex<HashMap<Digest, Vec<u8>>>,
    /// The answer to everything, of a miner that generates once.
    old: Option<Said>,
    answers: Mutex<u64>,
}

/// An answer as it was generated.
#[derive(Clone)]
struct Said {
    text: String,
    fingerprint: Fingerprint,
    prompt_tokens: u32,
    reason: FinishReason,
    id: String,
}

impl CheatingAxon {
    /// Loads the model that really answers, and listens.
    ///
    /// # Panics
    /// When the model or the socket cannot be had.
    pub async fn start(bind: SocketAddr, key: Keypair, pretence: Pretence) -> Self {
        let (Cheat::OtherModel(path) | Cheat::SameBytes(path) | Cheat::SameText(path)) = &pretence.cheat;
        let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
        let model = runtime.load(pretence.model.as_str(), ModelSource::Gguf(path.clone())).await.unwrap();
        let mut inner = Inner {
            key,
            pretence,
            model,
            previous: Mutex::default(),
            fingerprints: Mutex::default(),
            old: None,
            answers: Mutex::default(),
        };
        if !matches!(inner.pretence.cheat, Cheat::OtherModel(_)) {
            let greeting = Message { role: "user".to_owned(), content: "Hello!".to_owned() };
            let id = format!("chatcmpl-{:032x}", 0);
            inner.old = Some(inner.generate(vec![greeting], OLD_TOKENS, id).await);
        }
        let router = Router::new()
            .route("/inventory", get(inventory))
            .route("/v1/chat/completions", post(chat))
            .route("/fingerprints/{digest}", get(fingerprint))
            .route(protocol::challenge::TARGET, post(challenge))
            .route("/countersigned", post(async || StatusCode::NO_CONTENT))
            .with_state(Arc::new(inner));
        let listener = TcpListener::bind(bind).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, server }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for CheatingAxon {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn inventory(State(inner): State<Arc<Inner>>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let Pretence { netuid, model, weights_digest, .. } = inner.pretence.clone();
    let hot = HotModel { id: model, weights_digest, context_tokens: 2_048, slots: 4, in_flight: 0 };
    let inventory = Inventory {
        netuid,
        miner: inner.key.public(),
        issued_at_ms: u64::try_from(now.as_millis()).unwrap(),
        device: "a large one".to_owned(),
        memory_bytes: 80 << 30,
        models: vec![hot],
    };
    axum::Json(inventory.sign(&inner.key)).into_response()
}

/// Shows pieces of the file that it has, as if they were of the one that it is asked for.
async fn challenge(State(inner): State<Arc<Inner>>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let asked = SignedChallenge::from_bytes(&body).map_err(|_| StatusCode::BAD_REQUEST)?.challenge;
    let (Task::Weights(task), Cheat::OtherModel(path)) = (&asked.task, &inner.pretence.cheat) else {
        return Err(StatusCode::NOT_FOUND);
    };
    let file = std::fs::read(path).unwrap();
    let mut hasher = WeightHasher::new();
    hasher.update(&file);
    let read = |start: u64, length: usize| {
        let start = usize::try_from(start).unwrap();
        file.get(start..start + length).map(<[u8]>::to_vec).ok_or(StatusCode::NOT_FOUND)
    };
    let pieces = Pieces::show(task, &asked.seed, &hasher.finish(), read)?;
    let answer = Answer { challenge: asked.digest(), shown: Shown::Weights(pieces) };
    Ok(answer.sign(&inner.key).encode())
}

async fn fingerprint(State(inner): State<Arc<Inner>>, Path(digest): Path<String>) -> Response {
    let found =
        digest.parse().ok().and_then(|digest: Digest| lock(&inner.fingerprints).get(&digest).cloned());
    found.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}

async fn chat(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let ticket = headers.get(ticket::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(ticket) = SignedTicket::from_header(ticket) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let ticket = ticket.ticket;
    let request: ChatRequest = serde_json::from_slice(&body).unwrap();
    let request = request.validate().unwrap();
    let stream = request.stream;
    let said = inner.say(request, ticket.completion_tokens_max).await;
    let head =
        StreamHead { id: said.id.clone(), created: 1_752_076_800, model: ticket.model.as_str().to_owned() };
    let tokens = u32::try_from(said.fingerprint.tokens().len()).unwrap();
    let usage = Usage::new(said.prompt_tokens, tokens);
    let texts: Vec<Vec<u8>> = if stream.on {
        let chunks = [
            ChatChunk::first(&head),
            ChatChunk::text(&head, said.text.clone()),
            ChatChunk::finish(&head, said.reason),
            ChatChunk::usage(&head, usage),
        ];
        chunks.iter().map(|chunk| serde_json::to_vec(chunk).unwrap()).collect()
    } else {
        let whole = ChatCompletion::new(head, said.text.clone(), said.reason, usage);
        vec![serde_json::to_vec(&whole).unwrap()]
    };
    let receipt = inner.receipt(&ticket, &said, &texts).to_header();
    if !stream.on {
        return ([(receipt::HEADER, receipt)], texts.concat()).into_response();
    }
    let mut events = Vec::new();
    for text in texts {
        events.extend([b"data: ".as_slice(), &text, b"\n\n"].concat());
    }
    events.extend(format!("event: {SSE_EVENT}\ndata: {receipt}\n\n").into_bytes());
    ([("content-type", "text/event-stream")], Body::from(events)).into_response()
}

impl Inner {
    async fn say(&self, request: ValidChatRequest, tokens_max: u32) -> Said {
        let number = {
            let mut answers = lock(&self.answers);
            *answers += 1;
            *answers
        };
        let id = format!("chatcmpl-{number:032x}");
        match (&self.pretence.cheat, self.old.clone()) {
            (Cheat::SameBytes(_), Some(old)) => old,
            (Cheat::SameText(_), Some(old)) => Said { id, ..old },
            _ => {
                let tokens_max = request.completion_tokens_max.unwrap_or(u32::MAX).min(tokens_max);
                let message = |message: protocol::openai::ValidMessage| Message {
                    role: message.role.as_str().to_owned(),
                    content: message.content,
                };
                self.generate(request.messages.into_iter().map(message).collect(), tokens_max, id).await
            }
        }
    }

    async fn generate(&self, messages: Vec<Message>, tokens_max: u32, id: String) -> Said {
        let builder = Arc::new(Mutex::new(FingerprintBuilder::default()));
        let listening = Arc::clone(&builder);
        let sink = HiddenSink::new(move |_, state: &[f32]| {
            lock(&listening).push(state.iter().map(|value| bfloat16_bits(value.to_bits())));
        });
        let prompt = Prompt::Chat(messages);
        let request = GenerateRequest { hidden: Some(sink), ..GenerateRequest::greedy(prompt, tokens_max) };
        let mut generation = self.model.generate(request).await.unwrap();
        let prompt_tokens = generation.prompt_tokens();
        let (mut text, mut tokens, mut reason) = (String::new(), Vec::new(), FinishReason::Stop);
        while let Some(event) = generation.next().await {
            match event {
                Event::Token { text: more, id, .. } => {
                    text.push_str(&more);
                    tokens.push(id);
                }
                Event::Finished(finished) if finished.reason == model_runtime::FinishReason::Length => {
                    reason = FinishReason::Length;
                }
                Event::Finished(_) => {}
                Event::Failed(error) => panic!("{error}"),
            }
        }
        let proofs = lock(&builder).take_last().iter().map(|chunk| chunk.prove().unwrap()).collect();
        let fingerprint = Fingerprint::new(tokens, proofs).unwrap();
        lock(&self.fingerprints).insert(fingerprint.digest(), fingerprint.encode());
        Said { text, fingerprint, prompt_tokens, reason, id }
    }

    fn receipt(&self, ticket: &Ticket, said: &Said, texts: &[Vec<u8>]) -> SignedReceipt {
        let mut output = Hasher::new();
        for text in texts {
            output.update(text);
            output.update(b"\n");
        }
        let mut previous = lock(&self.previous);
        let previous = previous.entry(ticket.validator).or_insert(Digest::ZERO);
        let receipt = Receipt {
            ticket_hash: ticket.hash(),
            output_sha256: output.finish(),
            prompt_tokens: said.prompt_tokens,
            completion_tokens: u32::try_from(said.fingerprint.tokens().len()).unwrap(),
            first_token_ms: 1,
            total_ms: 2,
            finish_reason: match said.reason {
                FinishReason::Length => receipt::FinishReason::Length,
                _ => receipt::FinishReason::Stop,
            },
            fingerprint: Some(said.fingerprint.digest()),
            previous: *previous,
        };
        *previous = receipt.hash();
        receipt.sign(&self.key)
    }
}
