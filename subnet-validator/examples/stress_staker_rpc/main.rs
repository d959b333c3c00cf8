//! Loads a validator's staker JSON-RPC and says what it stood: WebSocket subscribers that read every notification, and calls of mixed
//! methods at a steady rate. Clients come from many loopback addresses, so that the limit for each client holds as it does for users.
//!
//! ```text
//! stress_staker_rpc ADDRESS [--subscribers 200] [--rate 1000] [--seconds 20] [--clients 100]
//! stress_staker_rpc control [--answer-bytes 1000] [--note-bytes 500] [--note-ms 300]
//! ```
//!
//! Prints one JSON object. Times are from the moment at which a call was due, so that a server that falls behind cannot hide it.
//! `control` serves instead: something that answers at once, for what the load alone costs a machine (module `control`).
#![allow(clippy::unwrap_used, reason = "a program for one machine's measurement stops at what is wrong")]

mod control;

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What subscribers have read.
#[derive(Default)]
struct Heard {
    notes: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

/// What the calls came to.
struct Called {
    times: Vec<Duration>,
    failed: u64,
    bytes: u64,
    wall: Duration,
}

struct Plan {
    server: SocketAddr,
    subscribers: usize,
    rate: u64,
    seconds: u64,
    clients: usize,
}

/// The mix: each of these in turn. Quotes ask the chain.
fn calls() -> Vec<(&'static str, Value)> {
    let mut calls = Vec::new();
    for _ in 0..4 {
        calls.extend([
            ("subnet_v1_info", json!([])),
            ("subnet_v1_economics", json!([])),
            ("subnet_v1_yield", json!({"window": "1d"})),
            ("subnet_v1_miners", json!([])),
            ("subnet_v1_fleet", json!([])),
            ("subnet_v1_usage", json!({"groupBy": "hour"})),
            ("subnet_v1_validators", json!([])),
            ("subnet_v1_epochs", json!({"limit": 5})),
            ("subnet_v1_receipts", json!({"limit": 5})),
            ("subnet_v1_weights", json!([])),
            ("system_health", json!([])),
        ]);
    }
    calls.push(("subnet_v1_quoteStake", json!(["1000000000"])));
    calls
}

fn plan() -> Plan {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().expect("usage: stress_staker_rpc ADDRESS [--rate N] ...").parse().unwrap();
    let mut plan = Plan { server, subscribers: 200, rate: 1_000, seconds: 20, clients: 100 };
    while let (Some(flag), Some(value)) = (arguments.next(), arguments.next()) {
        let value: u64 = value.parse().unwrap();
        match flag.as_str() {
            "--subscribers" => plan.subscribers = value as usize,
            "--rate" => plan.rate = value.max(1),
            "--seconds" => plan.seconds = value,
            "--clients" => plan.clients = (value as usize).max(1),
            _ => panic!("no such flag: {flag}"),
        }
    }
    plan
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if std::env::args().nth(1).is_some_and(|first| first == "control") {
        return control::serve(control::Answers::asked(std::env::args().skip(2))).await;
    }
    let plan = plan();
    let heard = Arc::new(Heard::default());
    let mut subscribers = JoinSet::new();
    for number in 0..plan.subscribers {
        let stream = subscribe(plan.server, number).await;
        subscribers.spawn(listen(stream, Arc::clone(&heard)));
    }
    let Called { mut times, failed, bytes, wall } = load(&plan).await;
    let mean = |bytes: u64, count: u64| bytes.checked_div(count);
    let notes = heard.notes.load(Ordering::Relaxed);
    times.sort_unstable();
    let at =
        |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied();
    let ms = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 100_000.0).round() / 100.0);
    let answered = times.len() as f64 / wall.as_secs_f64();
    let report = json!({
        "subscribers": plan.subscribers,
        "notifications": notes,
        "notificationBytes": mean(heard.bytes.load(Ordering::Relaxed), notes),
        "subscribersDropped": heard.dropped.load(Ordering::Relaxed),
        "callsPerSecondAsked": plan.rate,
        "callsPerSecondAnswered": answered.round(),
        "calls": times.len(),
        "failed": failed,
        "answerBytes": mean(bytes, times.len() as u64),
        "p50Ms": ms(at(50)),
        "p95Ms": ms(at(95)),
        "p99Ms": ms(at(99)),
        "maxMs": ms(times.last().copied()),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{report}").unwrap();
    subscribers.abort_all();
}

/// One connection for each client; the next call goes to whichever is free.
async fn load(plan: &Plan) -> Called {
    let calls: Arc<Vec<(&str, Value)>> = Arc::new(calls());
    let (due, inbox) = mpsc::unbounded_channel::<(usize, Instant)>();
    let inbox = Arc::new(Mutex::new(inbox));
    let mut workers = JoinSet::new();
    for number in 0..plan.clients {
        let mut connection = BufReader::new(connect(plan.server, number).await);
        let (inbox, calls) = (Arc::clone(&inbox), Arc::clone(&calls));
        workers.spawn(async move {
            let (mut times, mut failed, mut bytes) = (Vec::new(), 0_u64, 0_u64);
            loop {
                let next = inbox.lock().await.recv().await;
                let Some((number, due)) = next else { return (times, failed, bytes) };
                let (method, params) = &calls[number % calls.len()];
                let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
                let answer = post(&mut connection, &body.to_string()).await;
                times.push(due.elapsed());
                bytes += answer.len() as u64;
                failed += u64::from(!is_result(&answer));
            }
        });
    }
    let started = Instant::now();
    let total = plan.rate * plan.seconds;
    for number in 0..total {
        let at = started + Duration::from_nanos(number * 1_000_000_000 / plan.rate);
        tokio::time::sleep_until(at).await;
        due.send((number as usize, at)).unwrap();
    }
    drop(due);
    let mut called = Called { times: Vec::new(), failed: 0, bytes: 0, wall: Duration::ZERO };
    while let Some(worker) = workers.join_next().await {
        let (times, failed, bytes) = worker.unwrap();
        called.times.extend(times);
        called.failed += failed;
        called.bytes += bytes;
    }
    Called { wall: started.elapsed(), ..called }
}

/// A connection from a loopback address of its own.
async fn connect(server: SocketAddr, number: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let (high, low) = (number / 250, number % 250);
    let address = Ipv4Addr::new(127, 1, u8::try_from(high).unwrap(), u8::try_from(low + 1).unwrap());
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    let stream = socket.connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The answer's body.
async fn post(connection: &mut BufReader<TcpStream>, body: &str) -> Vec<u8> {
    let request = format!(
        "POST / HTTP/1.1\r\nhost: stakers\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.get_mut().write_all(request.as_bytes()).await.unwrap();
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        assert!(connection.read_line(&mut line).await.unwrap() > 0, "the server closed the connection");
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut answer = vec![0; length];
    connection.read_exact(&mut answer).await.unwrap();
    answer
}

/// Whether the call was answered with a result.
fn is_result(answer: &[u8]) -> bool {
    count(answer, b"\"result\":") == 1 && count(answer, b"\"error\":") == 0
}

/// A WebSocket that has asked for blocks, usage and the fleet.
async fn subscribe(server: SocketAddr, number: usize) -> TcpStream {
    let mut stream = connect(server, number).await;
    let upgrade = "GET / HTTP/1.1\r\nhost: stakers\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    for topic in ["Heads", "Usage", "Fleet"] {
        let call = json!({ "jsonrpc": "2.0", "id": topic, "method": format!("subnet_v1_subscribe{topic}"), "params": [] });
        let call = call.to_string();
        // A masked text frame whose mask is zeroes.
        let mut frame = vec![0x81, 0x80 | u8::try_from(call.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(call.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
    stream
}

/// Reads until the connection ends; counts notifications, and those that say that the reader was dropped.
async fn listen(mut stream: TcpStream, heard: Arc<Heard>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            return;
        }
        heard.bytes.fetch_add(read as u64, Ordering::Relaxed);
        heard.notes.fetch_add(count(&buffer[..read], b"\"subscription\":"), Ordering::Relaxed);
        heard.dropped.fetch_add(count(&buffer[..read], b"dropped: "), Ordering::Relaxed);
    }
}

fn count(text: &[u8], word: &[u8]) -> u64 {
    text.windows(word.len()).filter(|window| *window == word).count() as u64
}
