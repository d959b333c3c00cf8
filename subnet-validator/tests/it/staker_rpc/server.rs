//! The server around the methods: limits, other pages' rights, health, and the page.

use std::sync::Arc;

use http::StatusCode;
use serde_json::json;
use subnet_validator::chain_view::ChainSnapshot;

use super::{rpc, rpc_with, snapshot};
use crate::support::Ask;
use crate::support::tls::{certify, files, health};

#[tokio::test]
async fn batches_and_bodies_have_limits() {
    let rpc = rpc(0).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "system_health"});
    let ask = |body: String| Ask::new("POST", rpc.server.address(), "/").body(body).send();
    let ten = ask(json!(vec![call.clone(); 10]).to_string()).await.json();
    assert_eq!(ten.as_array().unwrap().len(), 10);
    let eleven = ask(json!(vec![call; 11]).to_string()).await.json();
    assert_eq!(eleven["error"]["code"], -32010);
    let large = ask("x".repeat(300 << 10)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let rpc = rpc_with(0, |config| config.header_read_timeout_ms = 100).await;
    let mut stream = tokio::net::TcpStream::connect(rpc.server.address()).await.unwrap();
    stream.write_all(b"GET /openrpc.json HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Ends only because the server closes the connection.
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

/// Names and niceness of this process's threads, from proc(5).
#[cfg(target_os = "linux")]
fn threads() -> Vec<(String, i32)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may end meanwhile.
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let read = stats.map(|stat| {
        let (start, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        (start.to_owned(), rest.split_whitespace().nth(16).unwrap().parse().unwrap())
    });
    read.collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_that_answer_stakers_stand_back_for_those_that_serve_users() {
    let rpc = rpc_with(0, |config| config.niceness = 19).await;
    assert!(rpc.call("system_version", json!([])).await["error"].is_null());
    let (answering, others): (Vec<_>, Vec<_>) =
        threads().into_iter().partition(|(name, _)| name == "staker-rpc");
    assert!(answering.len() >= 2 && answering.iter().all(|(_, niceness)| *niceness == 19), "{answering:?}");
    assert!(others.iter().all(|(_, niceness)| *niceness < 19), "{others:?}");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_again() {
    let rpc = rpc_with(0, |config| (config.calls_per_second_max, config.calls_burst_max) = (1, 4)).await;
    for _ in 0..4 {
        assert!(rpc.call("system_version", json!([])).await["error"].is_null());
    }
    let refused = rpc.call("system_version", json!([])).await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["data"]["code"]),
        (&json!(-32005), &json!("rate_limited"))
    );
    assert!((1..=1_000).contains(&refused["error"]["data"]["retryAfterMs"].as_u64().unwrap()), "{refused}");
    let batch = json!([{"jsonrpc": "2.0", "id": 1, "method": "system_version"}]);
    let batch = Ask::new("POST", rpc.server.address(), "/").body(batch.to_string()).send().await.json();
    assert_eq!(batch["error"]["data"]["code"], "rate_limited", "a batch is no way around");
    let page = Ask::new("GET", rpc.server.address(), "/").send().await;
    assert_eq!(
        (page.status, page.headers.contains_key("retry-after")),
        (StatusCode::TOO_MANY_REQUESTS, true)
    );
    let health = Ask::new("GET", rpc.server.address(), "/health").send().await;
    assert_eq!(health.status, StatusCode::OK, "whoever watches is not locked out");
}

#[tokio::test]
async fn one_client_holds_only_so_many_connections() {
    let rpc = rpc_with(0, |config| config.connections_per_client_max = 2).await;
    let open = || tokio::net::TcpStream::connect(rpc.server.address());
    let (_one, _two) = (open().await.unwrap(), open().await.unwrap());
    let mut third = open().await.unwrap();
    let mut byte = [0; 1];
    let read = tokio::io::AsyncReadExt::read(&mut third, &mut byte);
    let read =
        tokio::time::timeout(std::time::Duration::from_secs(5), read).await.expect("it is closed at once");
    assert!(matches!(read, Ok(0) | Err(_)), "the third is closed");
}

#[tokio::test]
async fn health_fails_when_the_chain_goes_quiet() {
    let rpc = rpc(2).await;
    let health = || Ask::new("GET", rpc.server.address(), "/health").send();
    let ok = health().await;
    assert_eq!(
        (ok.status, &ok.json()["status"], &ok.json()["receipts"]),
        (StatusCode::OK, &json!("ok"), &json!(2))
    );
    let old = ChainSnapshot { read_at_ms: 1, ..snapshot() };
    rpc.chain.send_replace(Arc::new(old));
    let stale = health().await;
    assert_eq!((stale.status, &stale.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("stale")));
    assert_eq!(rpc.call("system_health", json!([])).await["result"]["isSyncing"], true);
}

#[tokio::test]
async fn only_named_origins_may_read_from_a_browser() {
    let rpc = rpc_with(0, |config| config.cors_origins = vec!["https://stakers.example".into()]).await;
    let preflight =
        |origin: &'static str| Ask::new("OPTIONS", rpc.server.address(), "/").header("origin", origin).send();
    let named = preflight("https://stakers.example").await;
    assert_eq!(named.headers["access-control-allow-origin"], "https://stakers.example");
    assert_eq!(named.headers["access-control-allow-headers"], "content-type");
    assert!(!preflight("https://other.example").await.headers.contains_key("access-control-allow-origin"));
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "system_version"}).to_string();
    let called =
        Ask::new("POST", rpc.server.address(), "/").header("origin", "https://stakers.example").body(call);
    let called = called.send().await;
    assert_eq!(called.headers["access-control-allow-origin"], "https://stakers.example");
    assert!(called.json()["error"].is_null());
}

#[tokio::test]
async fn the_page_comes_with_a_policy_that_lets_nothing_else_in() {
    let rpc = rpc(0).await;
    let page = Ask::new("GET", rpc.server.address(), "/").send().await;
    assert_eq!(
        (page.status, &page.headers["content-type"]),
        (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
    );
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let missing = Ask::new("GET", rpc.server.address(), "/page/nothing.js").send().await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(
        Ask::new("PUT", rpc.server.address(), "/").send().await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let without = rpc_with(0, |config| config.page = false).await;
    assert_eq!(Ask::new("GET", without.server.address(), "/").send().await.status, StatusCode::NOT_FOUND);
    let document = Ask::new("GET", without.server.address(), "/openrpc.json").send().await;
    assert_eq!(document.json()["openrpc"], "1.2.6");
}

#[tokio::test]
async fn with_a_certificate_stakers_are_served_over_tls_and_the_renewed_one_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let rpc = rpc_with(0, |config| config.tls = files(folder.path())).await;
    let answer = health(rpc.server.address(), &first).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");

    let second = certify(folder.path());
    assert!(health(rpc.server.address(), &second).await.is_err(), "the new one is not read yet");
    rpc.server.reload().unwrap();
    assert!(health(rpc.server.address(), &second).await.is_ok());
    assert!(health(rpc.server.address(), &first).await.is_err());
}
