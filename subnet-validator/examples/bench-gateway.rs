//! What the gateway adds to a call: latency at a steady rate of requests, and how many stream events it relays each second.
//!
//! A miner that answers at once stands in for the fleet. Each rate is measured twice with the same open-loop load, which does not
//! wait for slow answers: straight to the miner, and through the gateway with its tickets, signatures and synced receipts. The
//! difference of the percentiles is what the gateway adds. `--peer URL` measures another gateway in front of the same miner,
//! whose address is then given with `--miner`.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "it prints its result")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use clap::Parser;
use futures::stream;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::{Digest, Hasher};
use protocol::inventory::HotModel;
use protocol::openai::{ChatChunk, ChatCompletion, FinishReason as Finish, StreamHead, Usage};
use protocol::receipt::{self, FinishReason, Receipt, SSE_EVENT};
use protocol::signing::Keypair;
use protocol::ticket::{self, SignedTicket};
use serde::Serialize;
use subnet_validator::accounts::{Accounts, AccountsParts};
use subnet_validator::clock::Clock;
use subnet_validator::config::Config;
use subnet_validator::fleet::view::{KnownInventory, MinerEntry, View};
use subnet_validator::fleet::{Fleet, FleetParts};
use subnet_validator::gateway::access::ApiKeys;
use subnet_validator::gateway::{Gateway, GatewayParts};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};
use subnet_validator::metrics::Metrics;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Tokens of a streamed answer.
const STREAM_TOKENS: usize = 64;
/// Calls that are left in the middle to measure how soon the miner hears of it.
const LEFT: usize = 100;
/// Streams read at once to measure the relay.
const STREAMS: usize = 16;
/// The user of a call whose answer does not end by itself.
const ENDLESS: &str = "endless";

#[derive(Parser)]
struct Options {
    /// Requests per second, separated by commas.
    #[arg(long, default_value = "100,1000,3000", value_delimiter = ',')]
    rates: Vec<u32>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Base URL of another OpenAI-compatible gateway before the same miner.
    #[arg(long)]
    peer: Option<String>,
    /// The peer's API key.
    #[arg(long, default_value = "sk-peer")]
    peer_key: String,
    /// Address of the miner, for a peer that must know it beforehand; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    miner: SocketAddr,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// Latencies of one measurement, in microseconds.
#[derive(Clone, Copy, Serialize)]
struct Latency {
    p50_us: u64,
    p99_us: u64,
    /// Answers with status 200, of those asked for.
    answered: usize,
    asked: usize,
}

#[derive(Serialize)]
struct Row {
    path: &'static str,
    streamed: bool,
    rate: u32,
    #[serde(flatten)]
    latency: Latency,
    /// Beyond the same load straight to the miner.
    added_p50_us: i64,
    added_p99_us: i64,
}

#[derive(Serialize)]
struct Relay {
    path: &'static str,
    events_per_s: u64,
}

/// From a client's disconnect to the gateway's word to the miner.
#[derive(Clone, Copy, Default, Serialize)]
struct Cancelled {
    p50_us: u64,
    worst_us: u64,
}

#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
    relay: Vec<Relay>,
    cancelled: Cancelled,
}

type Http = Client<HttpConnector, Full<Bytes>>;

/// Something that answers chat completions.
#[derive(Clone)]
struct Target {
    path: &'static str,
    url: String,
    key: String,
    http: Http,
}

struct Miner {
    key: Keypair,
    whole: Bytes,
    whole_sha256: Digest,
    chunks: Bytes,
    chunks_sha256: Digest,
    /// One event of an answer without end.
    word: Bytes,
    /// Told when a validator cancels.
    cancelled: Notify,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    let options = Options::parse();
    let key = Keypair::from_dev_uri("//Bob").unwrap();
    let (miner_address, miner) = serve_miner(options.miner, key.clone()).await;
    let folder = tempfile::tempdir().unwrap();
    let gateway = gateway(folder.path(), &key, miner_address).await;
    let http: Http = Client::builder(TokioExecutor::new()).build({
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector
    });
    let target = |path, url, key: &str| Target { path, url, key: key.to_owned(), http: http.clone() };
    let direct = target("miner", format!("http://{miner_address}/v1"), "none");
    let mut targets = vec![target("gateway", format!("http://{}/v1", gateway.address()), "none")];
    targets.extend(options.peer.clone().map(|url| target("peer", url, &options.peer_key)));

    let mut report = Report { rows: Vec::new(), relay: Vec::new(), cancelled: Cancelled::default() };
    for streamed in [false, true] {
        for rate in &options.rates {
            let floor = measure(&direct, streamed, *rate, options.seconds).await;
            for target in &targets {
                let latency = measure(target, streamed, *rate, options.seconds).await;
                let added = |through: u64, straight: u64| through as i64 - straight as i64;
                report.rows.push(Row {
                    path: target.path,
                    streamed,
                    rate: *rate,
                    latency,
                    added_p50_us: added(latency.p50_us, floor.p50_us),
                    added_p99_us: added(latency.p99_us, floor.p99_us),
                });
            }
        }
    }
    for target in std::iter::once(&direct).chain(&targets) {
        let events_per_s = relay(target, options.seconds).await;
        report.relay.push(Relay { path: target.path, events_per_s });
    }
    report.cancelled = cancellation(&targets[0], &miner).await;
    print(&report, options.json);
}

fn print(report: &Report, json: bool) {
    if json {
        println!("{}", serde_json::to_string(report).unwrap());
        return;
    }
    println!("path     streamed  requests/s  p50 us  p99 us  added p50 us  added p99 us  answered");
    for Row { path, streamed, rate, latency, added_p50_us, added_p99_us } in &report.rows {
        let Latency { p50_us, p99_us, answered, asked } = latency;
        println!(
            "{path:<8} {streamed:<9} {rate:>10} {p50_us:>7} {p99_us:>7} {added_p50_us:>13} {added_p99_us:>13}  {answered} of {asked}"
        );
    }
    for Relay { path, events_per_s } in &report.relay {
        println!("{path:<8} relays {events_per_s} events/s over {STREAMS} streams");
    }
    let Cancelled { p50_us, worst_us } = report.cancelled;
    println!("gateway  cancels {p50_us} us after a client left (the worst of {LEFT}: {worst_us} us)");
}

fn body(streamed: bool) -> Bytes {
    let body = serde_json::json!({
        "model": "echo", "stream": streamed, "messages": [{"role": "user", "content": "Say something short."}],
    });
    body.to_string().into()
}

async fn ask(target: &Target, streamed: bool) -> (bool, usize) {
    let request = Request::post(format!("{}/chat/completions", target.url))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", target.key))
        .body(Full::new(body(streamed)))
        .unwrap();
    let Ok(answer) = target.http.request(request).await else { return (false, 0) };
    let ok = answer.status() == 200;
    let Ok(body) = answer.into_body().collect().await else { return (false, 0) };
    let bytes = body.to_bytes();
    let events = if streamed { bytes.windows(6).filter(|window| *window == b"data: ").count() } else { 0 };
    (ok, events)
}

/// Asks at a steady rate, whether or not the answers keep up; latency counts from when each request was due.
async fn measure(target: &Target, streamed: bool, rate: u32, seconds: u32) -> Latency {
    // Connections and code are warm before it counts.
    for _ in 0..32 {
        ask(target, streamed).await;
    }
    let asked = (rate * seconds) as usize;
    let start = Instant::now() + Duration::from_millis(20);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..asked {
        let due = start + Duration::from_secs_f64(number as f64 / f64::from(rate));
        tokio::time::sleep_until(due.into()).await;
        let target = target.clone();
        // A timer's tick is a millisecond: what it is late by is not the gateway's.
        let sent = Instant::now();
        calls.spawn(async move {
            let (ok, _) = ask(&target, streamed).await;
            (ok, sent.elapsed())
        });
    }
    let mut latencies = Vec::with_capacity(asked);
    while let Some(call) = calls.join_next().await {
        let (ok, latency) = call.unwrap();
        if ok {
            latencies.push(u64::try_from(latency.as_micros()).unwrap());
        }
    }
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let last = latencies.len().saturating_sub(1);
        latencies.get(last * percent / 100).copied().unwrap_or(0)
    };
    Latency { p50_us: percentile(50), p99_us: percentile(99), answered: latencies.len(), asked }
}

/// Events that arrive each second over streams that are read as fast as they come.
async fn relay(target: &Target, seconds: u32) -> u64 {
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let started = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let target = target.clone();
        readers.spawn(async move {
            let mut events = 0;
            while Instant::now() < end {
                events += ask(&target, true).await.1;
            }
            events
        });
    }
    let events: usize = readers.join_all().await.into_iter().sum();
    (events as f64 / started.elapsed().as_secs_f64()) as u64
}

/// Clients that leave in the middle of an answer without end.
async fn cancellation(target: &Target, miner: &Miner) -> Cancelled {
    let mut waits = Vec::with_capacity(LEFT);
    let body = serde_json::json!({
        "model": "echo", "stream": true, "user": ENDLESS, "messages": [{"role": "user", "content": "Go on."}],
    });
    for _ in 0..LEFT {
        let request = Request::post(format!("{}/chat/completions", target.url))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let mut answer = target.http.request(request).await.unwrap().into_body();
        answer.frame().await.unwrap().unwrap();
        let left = Instant::now();
        drop(answer);
        let told = tokio::time::timeout(Duration::from_secs(10), miner.cancelled.notified()).await;
        told.expect("the miner is told that nobody reads any more");
        waits.push(u64::try_from(left.elapsed().as_micros()).unwrap());
    }
    waits.sort_unstable();
    Cancelled { p50_us: waits[LEFT / 2], worst_us: waits[LEFT - 1] }
}

async fn gateway(folder: &std::path::Path, miner: &Keypair, axon: SocketAddr) -> Gateway {
    const NETUID: u16 = 64;
    let hotkey = Keypair::from_dev_uri("//Alice").unwrap();
    let Config { mut gateway, mut fleet, .. } = Config::default();
    gateway.bind = (Ipv4Addr::LOCALHOST, 0).into();
    gateway.require_api_key = false;
    gateway.requests_in_flight_max = 1 << 16;
    fleet.breaker_failures_max = u32::MAX;
    let account = hotkey.public();
    let owner = Owner { validator: account, netuid: NETUID };
    let ledger = Ledger::open(LedgerConfig::new(folder.join("ledger"), owner)).unwrap();
    let (clock, metrics) = (Arc::new(Clock::new()), Arc::new(Metrics::default()));
    let model = Model {
        id: "echo".parse().unwrap(),
        weights_digest: Digest::of(b"echo"),
        prompt_multiplier: 250,
        completion_multiplier: 1_000,
        memory_bytes: 1 << 20,
    };
    let hot = HotModel {
        id: model.id.clone(),
        weights_digest: model.weights_digest,
        context_tokens: 4_096,
        slots: 4_096,
        in_flight: 0,
    };
    let entry = MinerEntry {
        uid: 1,
        hotkey: miner.public(),
        axon: axon.into(),
        inventory: Some(KnownInventory {
            received_at_ms: u64::MAX,
            issued_at_ms: 0,
            hot_since_ms: std::collections::BTreeMap::new(),
            device: "none".into(),
            memory_bytes: 1 << 30,
            models: vec![hot],
        }),
    };
    let catalogue = Arc::new(Catalogue::new([model]).unwrap());
    let parts = FleetParts {
        limits: fleet,
        netuid: NETUID,
        hotkey,
        catalogue: Arc::clone(&catalogue),
        ledger: ledger.clone(),
        payer_salt: [7; 32],
        clock: Arc::clone(&clock),
        metrics: Arc::clone(&metrics),
    };
    let fleet = Fleet::with_static_view(parts, View::new([entry]));
    let accounts = Accounts::open(AccountsParts {
        config: gateway.accounts.clone(),
        keys: ApiKeys::new(&folder.join("keys.json")),
        usage: folder.join("usage.json"),
        hotkey: account,
        payer_salt: [7; 32],
        catalogue,
        ledger: ledger.clone(),
        clock: Arc::clone(&clock),
    })
    .unwrap();
    let bundles = folder.join("audit");
    let parts = GatewayParts { config: gateway, accounts, bundles, fleet, ledger, metrics, clock };
    Gateway::bind(parts).await.unwrap()
}

/// A miner that answers at once. It trusts its callers: a ticket is read for its hash, and no signature is checked.
async fn serve_miner(address: SocketAddr, key: Keypair) -> (SocketAddr, Arc<Miner>) {
    let head = StreamHead { id: "chatcmpl-bench".into(), created: 1_700_000_000, model: "echo".into() };
    let usage = Usage::new(5, u32::try_from(STREAM_TOKENS).unwrap());
    let whole = ChatCompletion::new(head.clone(), "word ".repeat(STREAM_TOKENS), Finish::Stop, usage);
    let whole = serde_json::to_vec(&whole).unwrap();
    let mut chunks = vec![ChatChunk::first(&head)];
    chunks.extend((0..STREAM_TOKENS).map(|_| ChatChunk::text(&head, "word ")));
    chunks.push(ChatChunk::finish(&head, Finish::Stop));
    let chunks: Vec<String> = chunks.iter().map(|chunk| serde_json::to_string(chunk).unwrap()).collect();
    let mut hasher = Hasher::new();
    chunks.iter().for_each(|chunk| hasher.update(format!("{chunk}\n").as_bytes()));
    let miner = Arc::new(Miner {
        key,
        word: format!("data: {}\n\n", chunks[1]).into(),
        cancelled: Notify::new(),
        whole_sha256: Digest::of(&[whole.as_slice(), b"\n"].concat()),
        whole: whole.into(),
        chunks_sha256: hasher.finish(),
        chunks: chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>().into(),
    });
    let cancel = async |State(miner): State<Arc<Miner>>| miner.cancelled.notify_one();
    let router = Router::new()
        .route("/v1/chat/completions", post(answer))
        .route("/chat/completions", post(answer))
        .route(protocol::cancel::TARGET, post(cancel))
        .with_state(Arc::clone(&miner));
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, miner)
}

async fn answer(State(miner): State<Arc<Miner>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let streamed = request["stream"].as_bool().unwrap_or(false);
    let ticket = headers.get(ticket::HEADER).and_then(|value| value.to_str().ok());
    let signed = ticket.and_then(|text| SignedTicket::from_header(text).ok()).map(|ticket| {
        let output_sha256 = if streamed { miner.chunks_sha256 } else { miner.whole_sha256 };
        let receipt = Receipt {
            ticket_hash: ticket.ticket.hash(),
            output_sha256,
            prompt_tokens: 5,
            completion_tokens: u32::try_from(STREAM_TOKENS).unwrap(),
            first_token_ms: 0,
            total_ms: 0,
            finish_reason: FinishReason::Stop,
            fingerprint: None,
            previous: Digest::ZERO,
        };
        receipt.sign(&miner.key).to_header()
    });
    if !streamed {
        let kind = [("content-type", "application/json")];
        return match signed {
            Some(receipt) => (kind, [(receipt::HEADER, receipt)], miner.whole.clone()).into_response(),
            None => (kind, miner.whole.clone()).into_response(),
        };
    }
    if request["user"] == ENDLESS {
        let words = stream::unfold(miner.word.clone(), async |word: Bytes| {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Some((Ok::<_, std::io::Error>(word.clone()), word))
        });
        return ([("content-type", "text/event-stream")], Body::from_stream(words)).into_response();
    }
    // Callers without a ticket get the end that OpenAI's clients expect.
    let last = signed.map_or_else(
        || "data: [DONE]\n\n".to_owned(),
        |receipt| format!("event: {SSE_EVENT}\ndata: {receipt}\n\n"),
    );
    let pieces = [miner.chunks.clone(), last.into()].map(Ok::<_, std::io::Error>);
    ([("content-type", "text/event-stream")], Body::from_stream(stream::iter(pieces))).into_response()
}
