//! A miner that computes nothing and answers at a fixed pace: what is left of a call's time then is the network's and the validator's.
//!
//! For measurements on a machine that has no processor to spare for a model (`scripts/demo --paced`, `scripts/stress-staker-rpc`). It
//! speaks the whole protocol and signs everything, but trusts its callers and cannot show what challenges ask for. Its hotkey must be
//! registered. It publishes its axon, and serves until it is interrupted.
#![allow(clippy::unwrap_used, reason = "a program for one machine's measurement stops at what is wrong")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Json, Router};
use chain_client::wallet::{WalletPath, load_hotkey};
use chain_client::{ChainClient, ConnectConfig};
use clap::Parser;
use futures::{StreamExt as _, stream};
use protocol::account::AccountId;
use protocol::digest::{Digest, Hasher};
use protocol::inventory::{HotModel, Inventory};
use protocol::openai::{ChatChunk, ChatCompletion, ChatRequest, FinishReason, StreamHead, Usage};
use protocol::receipt::{self, Receipt, SSE_EVENT};
use protocol::signing::Keypair;
use protocol::ticket::{self, ModelId, SignedTicket, Ticket};
use subnet_validator::catalogue;
use tokio::net::TcpListener;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error>;

/// What it says a prompt has.
const PROMPT_TOKENS: u32 = 5;
/// Tokens of an answer whose length nobody limits.
const TOKENS: u32 = 64;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long)]
    wallet: String,
    #[arg(long, default_value = "default")]
    wallet_hotkey: String,
    #[arg(long)]
    wallet_path: PathBuf,
    /// The chain, ws:// or wss://.
    #[arg(long)]
    network: String,
    #[arg(long, default_value_t = 64)]
    netuid: u16,
    /// The model that it says it serves, one of the built-in catalogue.
    #[arg(long)]
    model: ModelId,
    /// Until the first token, in milliseconds.
    #[arg(long, default_value_t = 20)]
    first_token_ms: u64,
    /// Between two tokens, in milliseconds.
    #[arg(long, default_value_t = 10)]
    token_ms: u64,
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.2:0")]
    bind: SocketAddr,
}

struct Miner {
    key: Keypair,
    netuid: u16,
    model: HotModel,
    first_token: Duration,
    token: Duration,
    /// The newest receipt for each validator and shard of it.
    previous: Mutex<HashMap<(AccountId, u8), Digest>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let key = load_hotkey(&WalletPath::new(&args.wallet_path, &args.wallet, &args.wallet_hotkey))?;
    let listed = catalogue::built_in().offers.into_iter().find(|offer| offer.model.id == args.model);
    let weights_digest = listed.ok_or("the built-in catalogue has no such model")?.model.weights_digest;
    let model = HotModel { id: args.model, weights_digest, context_tokens: 2_048, slots: 256, in_flight: 0 };
    let miner = Miner {
        key: key.clone(),
        netuid: args.netuid,
        model,
        first_token: Duration::from_millis(args.first_token_ms),
        token: Duration::from_millis(args.token_ms),
        previous: Mutex::default(),
    };
    let router = Router::new()
        .route("/inventory", get(inventory))
        .route("/health", get(async || Json(serde_json::json!({ "status": "ok" }))))
        .route("/v1/chat/completions", post(chat))
        .route("/countersigned", post(async || StatusCode::NO_CONTENT))
        .with_state(Arc::new(miner));
    let listener = TcpListener::bind(args.bind).await?;
    let address = listener.local_addr()?;
    let client = ChainClient::connect(ConnectConfig::new(vec![args.network])).await?;
    client.serve_axon(&key, args.netuid, address).await?;
    eprintln!("{} answers at a fixed pace at {address}", key.public());
    // Without that, a token waits until the validator has confirmed the one before.
    let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(listener, router).await?;
    Ok(())
}

async fn inventory(State(miner): State<Arc<Miner>>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let inventory = Inventory {
        netuid: miner.netuid,
        miner: miner.key.public(),
        issued_at_ms: u64::try_from(now.as_millis()).unwrap(),
        device: "none: a fixed pace".to_owned(),
        memory_bytes: 1 << 30,
        models: vec![miner.model.clone()],
    };
    Json(inventory.sign(&miner.key)).into_response()
}

async fn chat(State(miner): State<Arc<Miner>>, headers: HeaderMap, body: Bytes) -> Response {
    let came = Instant::now();
    let ticket = headers.get(ticket::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (Ok(ticket), Ok(request)) =
        (SignedTicket::from_header(ticket), serde_json::from_slice::<ChatRequest>(&body))
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let Ok(request) = request.validate() else { return StatusCode::BAD_REQUEST.into_response() };
    let ticket = ticket.ticket;
    let tokens = request.completion_tokens_max.unwrap_or(TOKENS).min(ticket.completion_tokens_max).max(1);
    // Each token has its moment, so that one that was late does not make the next ones late.
    let (first_token, token) = (miner.first_token, miner.token);
    let due = |number: u32| came + first_token + token * number;
    let head = StreamHead {
        id: format!("chatcmpl-{}", &ticket.hash().to_string()[2..34]),
        created: ticket.issued_at_ms / 1_000,
        model: ticket.model.as_str().to_owned(),
    };
    let usage = Usage::new(PROMPT_TOKENS, tokens);
    if !request.stream.on {
        tokio::time::sleep_until(due(tokens - 1)).await;
        let words = "word ".repeat(tokens as usize);
        let whole = ChatCompletion::new(head, words, FinishReason::Length, usage);
        let whole = serde_json::to_vec(&whole).unwrap();
        let receipt = miner.receipt(&ticket, tokens, &[&whole], came);
        return ([(receipt::HEADER, receipt)], whole).into_response();
    }
    let text = |chunk: &ChatChunk| serde_json::to_string(chunk).unwrap();
    let word = text(&ChatChunk::text(&head, "word "));
    let mut chunks = vec![(due(0), text(&ChatChunk::first(&head)))];
    chunks.extend((0..tokens).map(|number| (due(number), word.clone())));
    let last = due(tokens - 1);
    chunks.push((last, text(&ChatChunk::finish(&head, FinishReason::Length))));
    chunks.push((last, text(&ChatChunk::usage(&head, usage))));
    let said: Vec<Vec<u8>> = chunks.iter().map(|(_, chunk)| chunk.clone().into_bytes()).collect();
    let events = stream::iter(chunks).then(async |(at, chunk)| {
        tokio::time::sleep_until(at).await;
        format!("data: {chunk}\n\n")
    });
    let receipt = stream::once(async move {
        let said: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
        format!("event: {SSE_EVENT}\ndata: {}\n\n", miner.receipt(&ticket, tokens, &said, came))
    });
    let body = Body::from_stream(events.chain(receipt).map(Ok::<_, Infallible>));
    ([("content-type", "text/event-stream")], body).into_response()
}

impl Miner {
    fn receipt(&self, ticket: &Ticket, tokens: u32, said: &[&[u8]], came: Instant) -> String {
        let mut output = Hasher::new();
        for json in said {
            output.update(json);
            output.update(b"\n");
        }
        let mut previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = previous.entry((ticket.validator, ticket.shard())).or_insert(Digest::ZERO);
        let receipt = Receipt {
            ticket_hash: ticket.hash(),
            output_sha256: output.finish(),
            prompt_tokens: PROMPT_TOKENS,
            completion_tokens: tokens,
            first_token_ms: u32::try_from(self.first_token.as_millis()).unwrap(),
            total_ms: u32::try_from(came.elapsed().as_millis()).unwrap(),
            finish_reason: receipt::FinishReason::Length,
            fingerprint: None,
            previous: *previous,
        };
        *previous = receipt.hash();
        receipt.sign(&self.key).to_header()
    }
}
