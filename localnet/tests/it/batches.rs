//! Batches, limits, and subscribers that do not read.

use localnet::{Config, config::Limits};
use serde_json::{Value as Json, json};
use subxt::rpcs::rpc_params;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::client::Client;

fn limits() -> Limits {
    Limits {
        batch_calls_max: 5,
        request_bytes_max: 2_000,
        subscriptions_per_connection_max: 2,
        connections_max: 3,
        notifications_waiting_max: 4,
        ..Limits::default()
    }
}

async fn limited() -> Client {
    Client::of(Config { limits: limits(), ..Config::test() }).await
}

/// Posts a body and answers the response's status line and body.
async fn post(client: &Client, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(client.chain.address()).await.unwrap();
    let head = "POST / HTTP/1.1\r\nhost: localnet\r\nconnection: close\r\ncontent-type: application/json";
    stream
        .write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    // Whoever sends too much may be cut off while sending.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

fn request(id: u32, method: &str, params: Json) -> Json {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

#[tokio::test]
async fn a_batch_answers_every_call_by_its_id_and_errors_stay_with_their_call() {
    let client = limited().await;
    let batch = json!([
        request(1, "system_chain", json!([])),
        request(2, "no_such_method", json!([])),
        request(3, "chain_getBlockHash", json!([0])),
        request(4, "state_getStorage", json!(["0xzz"])),
    ]);
    let (status, body) = post(&client, &batch.to_string()).await;
    assert!(status.contains("200"), "{status}");
    let answers: Vec<Json> = serde_json::from_str(&body).unwrap();
    let by_id = |id: u32| answers.iter().find(|answer| answer["id"] == json!(id)).unwrap();
    assert_eq!(answers.len(), 4);
    assert_eq!(by_id(1)["result"], json!("Bittensor"));
    assert_eq!(by_id(2)["error"]["code"], json!(-32601));
    assert!(by_id(3)["result"].is_string());
    assert_eq!(by_id(4)["error"]["code"], json!(-32602));
}

#[tokio::test]
async fn batches_and_bodies_beyond_the_limits_are_refused() {
    let client = limited().await;
    let batch: Vec<Json> = (0..6).map(|id| request(id, "system_chain", json!([]))).collect();
    let (_, body) = post(&client, &json!(batch).to_string()).await;
    assert!(body.contains("-32010"), "{body}");
    let (status, _) = post(&client, &request(1, &"x".repeat(3_000), json!([])).to_string()).await;
    assert!(status.contains("413"), "{status}");
    let (_, body) = post(&client, "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\"").await;
    assert!(body.contains("-32700"), "{body}");
}

#[tokio::test]
async fn subscriptions_and_connections_beyond_the_limits_are_refused() {
    let client = limited().await;
    let subscribe = || {
        client.rpc.subscribe::<Json>("chain_subscribeNewHeads", rpc_params![], "chain_unsubscribeNewHeads")
    };
    // The client itself may hold some; at most two there are.
    let mut held = Vec::new();
    let refused = loop {
        match subscribe().await {
            Ok(subscription) => held.push(subscription),
            Err(error) => break error,
        }
        assert!(held.len() <= 2);
    };
    assert!(format!("{refused:?}").contains("-32006"), "{refused:?}");
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(subxt::rpcs::RpcClient::from_insecure_url(client.chain.ws_url()).await);
    }
    assert!(others.iter().any(Result::is_err), "there is room for three connections");
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_holds_up_nobody_and_misses_nothing() {
    let client = limited().await;
    let mut slow = client
        .rpc
        .subscribe::<Json>("chain_subscribeAllHeads", rpc_params![], "chain_unsubscribeAllHeads")
        .await
        .unwrap();
    client.chain.stall_finality(true);
    client.blocks(300).await;
    client.chain.reorganise(100).await.unwrap();
    client.blocks(100).await;
    // Whether it read the old branch or only the new one, each header continues one it was told of before.
    let mut told: Vec<String> = Vec::new();
    let newest = format!("{:#x}", client.chain.best_number());
    loop {
        let head = slow.next().await.unwrap().unwrap();
        let parent = head["parentHash"].as_str().unwrap().to_owned();
        let number = u32::from_str_radix(&head["number"].as_str().unwrap()[2..], 16).unwrap();
        assert!(number == 0 || told.contains(&parent), "block {number} has an unknown parent");
        let last = head["number"] == json!(newest);
        told.push(client_hash(&head));
        if last {
            break;
        }
    }
    assert!(told.len() > 400);
}

/// The hash of a header in JSON.
fn client_hash(head: &Json) -> String {
    let header: localnet::runtime::Header = serde_json::from_value(head.clone()).unwrap();
    format!("{:?}", sp_runtime::traits::Header::hash(&header))
}
