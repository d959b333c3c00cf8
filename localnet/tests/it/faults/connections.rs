//! Connections that break, and answers that come late or not at all.

use std::{io::ErrorKind, num::NonZeroU32, time::Duration};

use localnet::Config;
use serde_json::json;
use subxt::rpcs::{RpcClient, rpc_params};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::Instant,
};

use super::soon;
use crate::client::Client;

/// Longer than any test takes.
const FOREVER: Duration = Duration::from_secs(3_000);
/// What a request that is never answered is given.
const PATIENCE: Duration = Duration::from_millis(200);

/// Posts a request over a connection of its own, and reads until the other side ends it.
async fn post(client: &Client, method: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(client.chain.address()).await?;
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] }).to_string();
    let head = "POST / HTTP/1.1\r\nhost: localnet\r\nconnection: close\r\ncontent-type: application/json";
    stream.write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn dropped_connections_are_reset_and_new_ones_served() {
    let client = Client::of(Config::test()).await;
    let mut idle = TcpStream::connect(client.chain.address()).await.unwrap();
    soon(async {
        while client.chain.connections() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(client.chain.drop_connections() >= 2);
    let error = soon(idle.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(soon(client.rpc("system_health", json!([]))).await.is_err());
    let again = RpcClient::from_insecure_url(client.chain.ws_url()).await.unwrap();
    assert!(again.request::<serde_json::Value>("system_health", rpc_params![]).await.is_ok());
}

#[tokio::test]
async fn whoever_asks_for_dropped_connections_keeps_its_own() {
    let client = Client::of(Config::test()).await;
    let other = RpcClient::from_insecure_url(client.chain.ws_url()).await.unwrap();
    assert_eq!(client.rpc("dev_dropConnections", json!([])).await.unwrap(), json!(1));
    assert!(client.rpc("system_health", json!([])).await.is_ok());
    assert!(soon(other.request::<serde_json::Value>("system_health", rpc_params![])).await.is_err());
}

#[tokio::test]
async fn a_silent_connection_stays_open_and_answers_nothing_until_it_is_healed() {
    let client = Client::of(Config::test()).await;
    let other = RpcClient::from_insecure_url(client.chain.ws_url()).await.unwrap();
    assert_eq!(client.rpc("dev_silenceConnections", json!([])).await.unwrap(), json!(1));
    let mut asked = Box::pin(other.request::<serde_json::Value>("system_health", rpc_params![]));
    assert!(tokio::time::timeout(PATIENCE, &mut asked).await.is_err(), "a silent connection answered");
    client.rpc("dev_heal", json!([])).await.unwrap();
    assert!(soon(asked).await.is_err(), "what was asked in silence is lost");
    let again = RpcClient::from_insecure_url(client.chain.ws_url()).await.unwrap();
    assert!(again.request::<serde_json::Value>("system_health", rpc_params![]).await.is_ok());
}

#[tokio::test]
async fn refused_connections_are_accepted_again_when_the_time_is_over() {
    let client = Client::of(Config::test()).await;
    client.chain.refuse_connections(FOREVER).await;
    let refused = TcpStream::connect(client.chain.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(client.rpc("system_health", json!([])).await.is_ok(), "open connections stay");
    client.rpc("dev_refuseConnections", json!([100])).await.unwrap();
    soon(async {
        while TcpStream::connect(client.chain.address()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let too_long = client.rpc("dev_refuseConnections", json!([3_600_001])).await;
    assert!(too_long.is_err());
}

#[tokio::test]
async fn muted_connections_are_accepted_and_never_answered() {
    let client = Client::of(Config::test()).await;
    client.chain.mute_connections(FOREVER);
    let asked = tokio::time::timeout(PATIENCE, post(&client, "system_health")).await;
    assert!(asked.is_err(), "a muted connection answered: {asked:?}");
    client.chain.heal().await;
    let answer = soon(post(&client, "system_health")).await.unwrap();
    assert!(answer.contains("isSyncing"), "{answer}");
}

#[tokio::test]
async fn a_chain_with_silent_connections_still_stops() {
    let client = Client::of(Config::test()).await;
    client.chain.mute_connections(FOREVER);
    let _muted = TcpStream::connect(client.chain.address()).await.unwrap();
    client.chain.silence_connections();
    soon(client.chain.shutdown()).await;
}

#[tokio::test]
async fn a_delayed_method_answers_late_and_the_others_at_once() {
    let client = Client::of(Config::test()).await;
    client.rpc("dev_delay", json!(["system_chain", 300])).await.unwrap();
    let asked = Instant::now();
    client.rpc("system_name", json!([])).await.unwrap();
    assert!(asked.elapsed() < Duration::from_millis(300));
    client.rpc("system_chain", json!([])).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(300));
    client.rpc("dev_delay", json!(["*", 3_600_000])).await.unwrap();
    client.rpc("dev_delay", json!(["system_chain", 0])).await.unwrap();
    assert!(tokio::time::timeout(PATIENCE, client.rpc("system_chain", json!([]))).await.is_err());
    client.rpc("dev_heal", json!([])).await.unwrap();
    soon(client.rpc("system_chain", json!([]))).await.unwrap();
}

#[tokio::test]
async fn callers_that_ask_too_often_are_refused_in_both_transports() {
    let client = Client::of(Config::test()).await;
    client.chain.limit_rate(NonZeroU32::new(2));
    let mut refused = None;
    for _ in 0..5 {
        refused = refused.or(client.rpc("system_chain", json!([])).await.err());
    }
    let refused = format!("{:?}", refused.expect("more than two calls in a second are too many"));
    assert!(refused.contains("-32005") && refused.contains("limit exceeded"), "{refused}");
    let limited = soon(async {
        loop {
            let answer = post(&client, "system_chain").await.unwrap();
            if !answer.starts_with("HTTP/1.1 200") {
                return answer;
            }
        }
    });
    let limited = limited.await;
    assert!(limited.starts_with("HTTP/1.1 429") && limited.contains("-32005"), "{limited}");
    client.rpc("dev_limitRate", json!([null])).await.unwrap();
    for _ in 0..20 {
        client.rpc("system_chain", json!([])).await.unwrap();
    }
}
