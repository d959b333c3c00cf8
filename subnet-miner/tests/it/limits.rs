//! Limits of size, time and number.

use std::num::NonZeroU32;

use futures::stream;
use serde_json::json;
use subnet_miner::axon::{AxonBindError, Limits, Rate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fixture::{CHAT, Fixture, chat_body, in_time, refusal};

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}

/// What the axon says, and that it hangs up after it, on a connection that sends only these bytes.
async fn until_closed(fixture: &Fixture, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_declared_or_not() {
    let fixture = Fixture::with(Limits { body_bytes_max: number(100), ..Limits::default() }).await;
    let body = vec![b' '; 101];
    let expected = (413, "payload_too_large".to_owned());
    let declared = fixture.chat(&body);
    assert_eq!(refusal(in_time(declared.send()).await.unwrap()).await, expected);
    let pieces = stream::iter([Ok::<_, std::io::Error>(body.clone())]);
    let chunked = fixture.chat(&body).body(reqwest::Body::wrap_stream(pieces));
    assert_eq!(refusal(in_time(chunked.send()).await.unwrap()).await, expected);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_hung_up_on() {
    let fixture = Fixture::with(Limits { head_ms_max: number(50), ..Limits::default() }).await;
    let answer = until_closed(&fixture, b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
    // So is a client that says nothing at all.
    assert_eq!(until_closed(&fixture, b"").await, "");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_in_time_is_refused_and_hung_up_on() {
    let fixture = Fixture::with(Limits { body_ms_max: number(50), ..Limits::default() }).await;
    let headers: String =
        fixture.auth(b"{}").iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n{headers}\r\n{{");
    let answer = until_closed(&fixture, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_head_over_its_limits_is_refused() {
    let fixture = Fixture::start().await;
    let long = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(17_000));
    assert!(until_closed(&fixture, long.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(101));
    assert!(until_closed(&fixture, many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn a_hotkey_that_asks_too_often_is_told_when_to_come_back() {
    let rate = Rate { per_s: number(1), burst: number(2) };
    let fixture = Fixture::with(Limits { per_hotkey: rate, ..Limits::default() }).await;
    let body = chat_body("one", json!({}));
    for _ in 0..2 {
        assert_eq!(in_time(fixture.chat(&body).send()).await.unwrap().status(), 200);
    }
    let response = in_time(fixture.chat(&body).send()).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(refusal(response).await, (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_refused_before_anything_is_verified() {
    let rate = Rate { per_s: number(1), burst: number(2) };
    let fixture = Fixture::with(Limits { per_address: rate, ..Limits::default() }).await;
    for expected in [200, 200, 429] {
        let response = in_time(fixture.client.get(fixture.url("/health")).send()).await.unwrap();
        assert_eq!(response.status(), expected);
    }
}

#[tokio::test]
async fn bodies_of_all_requests_together_are_bounded() {
    // Room for one body of the largest size: while one request's body is on its way, another gets none.
    let size = number(1 << 20);
    let fixture =
        Fixture::with(Limits { body_bytes_max: size, bodies_bytes_max: size, ..Limits::default() }).await;
    let mut slow = TcpStream::connect(fixture.address()).await.unwrap();
    let headers: String =
        fixture.auth(b"{}").iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {size}\r\n{headers}\r\n"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The interim answer comes when the axon begins to read the body, and so has reserved its memory.
    let mut interim = [0; 12];
    in_time(slow.read_exact(&mut interim)).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
    let response = in_time(fixture.chat(&chat_body("one", json!({}))).send()).await.unwrap();
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(refusal(response).await, (429, "miner_busy".to_owned()));
}

#[tokio::test]
async fn an_axon_does_not_start_with_limits_that_contradict_each_other() {
    let fixture = Fixture::start().await;
    let error = fixture.bind_error(Limits { nonce_retention_ms: 23_999, ..Limits::default() }).await;
    assert!(matches!(error, AxonBindError::Retention { found: 23_999, least: 24_000 }));
}
