//! Answers that end early: the client goes away or does not read, the miner stops.

use std::num::{NonZeroU16, NonZeroU32};

use protocol::cancel::{self, CancelRequest};
use protocol::digest::{Digest, Hasher};
use protocol::receipt::{FinishReason, SignedReceipt};
use protocol::signing::Keypair;
use protocol::ticket::{self, SignedTicket};
use serde_json::json;
use subnet_miner::axon::{Limits, Rate};
use subnet_miner::permits::{PermitPolicy, Permits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::fixture::{CHAT, Fixture, chat_body, in_time, now_ms, refusal, sign};

/// One slot that nobody waits for, and room for a body whose echo is larger than what kernels buffer for a client that does not read.
fn one_slot() -> Limits {
    Limits {
        answers_max: NonZeroU16::MIN,
        answers_waiting_max: 0,
        body_bytes_max: NonZeroU32::new(32 << 20).unwrap(),
        per_address: unhurried(),
        per_hotkey: unhurried(),
        ..Limits::default()
    }
}

/// The tests ask until something has happened.
fn unhurried() -> Rate {
    let often = NonZeroU32::new(1_000_000).unwrap();
    Rate { per_s: often, burst: often }
}

/// Begins a long streamed answer on a connection that takes in little, and reads only its head.
async fn begin_long_answer(fixture: &Fixture) -> TcpStream {
    begin_long_answer_to(fixture).await.0
}

/// The same, with the hash of its ticket.
async fn begin_long_answer_to(fixture: &Fixture) -> (TcpStream, Digest) {
    let text = format!("{} ", "x".repeat(8_000)).repeat(1_000);
    let body = chat_body(&text, json!({ "stream": true }));
    let mut headers = fixture.auth(&body);
    let signed = fixture.signed_ticket(&body);
    headers.push((ticket::HEADER.to_owned(), signed.to_header()));
    headers.push(("content-length".to_owned(), body.len().to_string()));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();

    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = in_time(socket.connect(fixture.address())).await.unwrap();
    stream.write_all(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
    in_time(stream.write_all(&body)).await.unwrap();
    let mut status = [0; 12];
    in_time(stream.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    (stream, signed.ticket.hash())
}

/// Asks to end an answer, as this key.
async fn cancel(fixture: &Fixture, key: &Keypair, ticket_hash: Digest) -> reqwest::Response {
    let body = serde_json::to_vec(&CancelRequest { ticket_hash }).unwrap();
    let headers = sign(key, cancel::TARGET, &body, &fixture.miner.public(), fixture.nonce_ns());
    let request = fixture.client.post(fixture.url(cancel::TARGET)).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    in_time(request.send()).await.unwrap()
}

/// Asks until the slot is free; each refusal must be the polite one.
async fn slot_becomes_free(fixture: &Fixture) {
    in_time(async {
        loop {
            let response = fixture.chat(&chat_body("one", json!({}))).send().await.unwrap();
            if response.status() == 200 {
                return;
            }
            assert_eq!(refusal(response).await, (429, "miner_busy".to_owned()));
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_slot() {
    let fixture = Fixture::with(one_slot()).await;
    let stream = begin_long_answer(&fixture).await;
    let response = in_time(fixture.chat(&chat_body("one", json!({}))).send()).await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (429, "miner_busy".to_owned()));
    drop(stream);
    slot_becomes_free(&fixture).await;
}

#[tokio::test]
async fn a_validator_that_cancels_gets_a_receipt_for_what_was_sent() {
    let fixture = Fixture::with(one_slot()).await;
    let (mut stream, ticket_hash) = begin_long_answer_to(&fixture).await;
    let unknown = cancel(&fixture, &fixture.validator, Digest::of(b"another ticket")).await;
    assert_eq!(refusal(unknown).await, (404, "no_such_answer".to_owned()));

    let cancelled = cancel(&fixture, &fixture.validator, ticket_hash).await;

    assert_eq!(cancelled.status(), 200);
    // The connection is kept for other requests, so this is how the client says that it is done.
    let (_, events) =
        in_time(async { tokio::join!(slot_becomes_free(&fixture), read_answer(&mut stream)) }).await;
    let receipt = receipt_over(&events).receipt;
    assert_eq!(receipt.finish_reason, FinishReason::Cancelled);
    assert!(receipt.completion_tokens < 1_000, "it would have had 1000");
    // Nothing is left to cancel.
    let late = cancel(&fixture, &fixture.validator, ticket_hash).await;
    assert_eq!(refusal(late).await, (404, "no_such_answer".to_owned()));
}

#[tokio::test]
async fn nobody_but_its_validator_can_end_an_answer() {
    let fixture = Fixture::with(one_slot()).await;
    let (stream, ticket_hash) = begin_long_answer_to(&fixture).await;
    let other = Keypair::from_dev_uri("//Charlie").unwrap();
    let stranger = cancel(&fixture, &other, ticket_hash).await;
    assert_eq!(refusal(stranger).await.0, 403);
    let both = [fixture.validator.public(), other.public()];
    fixture.permits.send_replace(Permits::of(PermitPolicy::default(), both, now_ms()));
    let colleague = cancel(&fixture, &other, ticket_hash).await;
    assert_eq!(refusal(colleague).await, (404, "no_such_answer".to_owned()));
    drop(stream);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_receipt_behind() {
    let mut fixture = Fixture::with(one_slot()).await;
    let (stream, ticket_hash) = begin_long_answer_to(&fixture).await;
    drop(stream);
    slot_becomes_free(&fixture).await;
    let stored = fixture.stored().await;
    let cut = stored.iter().find(|receipt| receipt.finish_reason == FinishReason::Cancelled).unwrap();
    let signed = SignedTicket::from_header(&cut.signed_ticket).unwrap();
    assert_eq!(signed.ticket.hash(), ticket_hash);
    assert!(cut.completion_tokens < 1_000);
}

#[tokio::test]
async fn a_client_that_stops_reading_keeps_its_slot_only_until_the_deadline() {
    let fixture =
        Fixture::with(Limits { answer_ms_max: NonZeroU32::new(2_000).unwrap(), ..one_slot() }).await;
    let mut stream = begin_long_answer(&fixture).await;
    slot_becomes_free(&fixture).await;
    // Its connection is dropped, not left half open.
    let mut rest = Vec::new();
    let _ = in_time(stream.read_to_end(&mut rest)).await;
    assert!(!String::from_utf8_lossy(&rest).contains("event: receipt"));
}

#[tokio::test]
async fn a_miner_that_stops_lets_its_answers_finish() {
    let mut fixture = Fixture::with(one_slot()).await;
    let mut stream = begin_long_answer(&fixture).await;
    let (_, events) = in_time(async { tokio::join!(fixture.restart(), read_events(&mut stream)) }).await;
    assert_eq!(receipt_over(&events).receipt.finish_reason, FinishReason::Stop);
}

#[tokio::test]
async fn a_miner_that_must_stop_signs_for_what_it_delivered() {
    let mut fixture = Fixture::with(Limits { drain_ms_max: 0, ..one_slot() }).await;
    let mut stream = begin_long_answer(&fixture).await;
    let (_, events) = in_time(async { tokio::join!(fixture.restart(), read_events(&mut stream)) }).await;
    let receipt = receipt_over(&events).receipt;
    assert_eq!(receipt.finish_reason, FinishReason::Error);
    let error = events[events.len() - 2].strip_prefix("data: ").unwrap();
    let error: serde_json::Value = serde_json::from_str(error).unwrap();
    assert_eq!(error["error"]["code"], "generation_failed");
    // The chunks before the error: the one that opens the answer, and one for each token but the empty ones.
    assert_eq!(events.len() - 3, receipt.completion_tokens as usize);
}

/// The receipt that ends a stream, once its hash has been compared with the data before it.
fn receipt_over(events: &[String]) -> SignedReceipt {
    let (receipt, data) = events.split_last().unwrap();
    let mut hasher = Hasher::new();
    for event in data {
        hasher.update(event.strip_prefix("data: ").unwrap().as_bytes());
        hasher.update(b"\n");
    }
    let signed = SignedReceipt::from_header(receipt.strip_prefix("event: receipt\ndata: ").unwrap()).unwrap();
    assert_eq!(signed.receipt.output_sha256, hasher.finish());
    signed
}

/// The rest of a streamed answer whose status line has been read, as its events. The connection stays open.
async fn read_answer(stream: &mut TcpStream) -> Vec<String> {
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        assert!(stream.read_buf(&mut rest).await.unwrap() > 0, "it ended too early");
    }
    events_of(&rest)
}

/// The rest of a streamed answer whose status line has been read, until the connection ends, as its events.
async fn read_events(stream: &mut TcpStream) -> Vec<String> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    events_of(&rest)
}

fn events_of(rest: &[u8]) -> Vec<String> {
    let head = rest.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut coded, mut body) = (&rest[head..], Vec::new());
    loop {
        let line = coded.windows(2).position(|window| window == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&coded[line + 2..line + 2 + size]);
        coded = &coded[line + 2 + size + 2..];
    }
    String::from_utf8(body).unwrap().split_terminator("\n\n").map(str::to_owned).collect()
}
