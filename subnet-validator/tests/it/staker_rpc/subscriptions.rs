//! What is told over a WebSocket, and what becomes of readers that do not read.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};
use subnet_validator::chain_view::ChainSnapshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::{Rpc, rpc, rpc_with, snapshot, verdict};

async fn client(rpc: &Rpc) -> WsClient {
    WsClientBuilder::default().build(format!("ws://{}", rpc.server.address())).await.unwrap()
}

async fn subscribe(client: &WsClient, topic: &str) -> Subscription<Value> {
    let (subscribe, unsubscribe) =
        (format!("subnet_v1_subscribe{topic}"), format!("subnet_v1_unsubscribe{topic}"));
    client.subscribe(&subscribe, rpc_params![], &unsubscribe).await.unwrap()
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await;
    next.expect("a notification in ten seconds").unwrap().unwrap()
}

fn block(number: u32) -> Arc<ChainSnapshot> {
    let mut snapshot = snapshot();
    snapshot.block.number = number;
    Arc::new(snapshot)
}

#[tokio::test]
async fn each_finalised_block_is_told_to_everybody_who_subscribed() {
    let rpc = rpc(2).await;
    let client = client(&rpc).await;
    let (mut one, mut other) = (subscribe(&client, "Heads").await, subscribe(&client, "Heads").await);
    rpc.chain.send_replace(block(1_235));
    for subscription in [&mut one, &mut other] {
        let mut note = next(subscription).await;
        // Who subscribes hears of the newest block at once, which may still be the one before.
        if note["asOf"]["block"] == 1_234 {
            note = next(subscription).await;
        }
        assert_eq!((&note["asOf"]["block"], &note["data"]["epochIndex"]), (&json!(1_235), &json!(3)));
        let root = rpc.stand.ledger.head().root.to_string();
        assert_eq!(note["data"]["logRoot"], root);
    }
    one.unsubscribe().await.unwrap();
    let info: Value = client.request("subnet_v1_info", rpc_params![]).await.unwrap();
    assert_eq!(info["asOf"]["block"], 1_235, "calls and subscriptions share a connection");
}

#[tokio::test]
async fn what_there_is_to_say_is_said_at_once() {
    let rpc = rpc(4).await;
    let client = client(&rpc).await;
    let usage = next(&mut subscribe(&client, "Usage").await).await;
    assert_eq!(
        (&usage["data"]["receipts"], &usage["data"]["twoHours"]["service"]["requests"]),
        (&json!(4), &json!(4))
    );
    let fleet = next(&mut subscribe(&client, "Fleet").await).await;
    assert_eq!((&fleet["data"]["change"], &fleet["data"]["fleet"]["online"]), (&Value::Null, &json!(1)));
}

#[tokio::test]
async fn a_verdict_is_told_and_one_that_disagrees_is_an_incident() {
    let rpc = rpc(0).await;
    let client = client(&rpc).await;
    let (mut audits, mut incidents) =
        (subscribe(&client, "Audits").await, subscribe(&client, "Incidents").await);
    // The watcher has begun once it has told something.
    next(&mut subscribe(&client, "Heads").await).await;
    rpc.verdicts.append(&verdict(3, false)).unwrap();
    let told = next(&mut audits).await;
    assert_eq!((&told["data"]["epochIndex"], &told["data"]["agreed"]), (&json!(3), &json!(false)));
    let incident = next(&mut incidents).await;
    assert_eq!(
        (&incident["data"]["kind"], &incident["data"]["number"]),
        (&json!("auditDisagreed"), &json!(0))
    );
    let listed = rpc.data("subnet_v1_incidents", json!([])).await;
    assert_eq!(listed["items"][0], incident["data"]);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_dropped_and_told_why() {
    let rpc = rpc_with(0, |config| {
        config.notifications_max = 4.try_into().unwrap();
        config.notification_timeout_ms = 50;
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(rpc.server.address()).await.unwrap();
    let upgrade = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "subnet_v1_subscribeHeads", "params": []}).to_string();
    let mut frame = vec![0x81, 0x80 | u8::try_from(call.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(call.as_bytes());
    // So many times that a block is told in some fifteen kilobytes.
    for _ in 0..30 {
        stream.write_all(&frame).await.unwrap();
    }
    // Nothing is read meanwhile, so that what is told fills the socket's buffers, then the queue.
    let quick = client(&rpc).await;
    let mut seen = subscribe(&quick, "Heads").await;
    next(&mut seen).await;
    for number in 2_000..3_000 {
        rpc.chain.send_replace(block(number));
        next(&mut seen).await;
    }
    let mut told = String::new();
    let mut buffer = vec![0; 1 << 16];
    let dropped = async {
        while !told.contains("subscribe again") {
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "closed without a reason");
            told.push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), dropped).await.expect("the reason comes");
    assert!(told.contains("dropped: "), "{told}");
}

#[tokio::test]
async fn a_connection_has_a_limit_of_subscriptions() {
    let rpc = rpc_with(0, |config| config.subscriptions_per_connection_max = 2).await;
    let client = client(&rpc).await;
    let _two = (subscribe(&client, "Heads").await, subscribe(&client, "Usage").await);
    let third: Result<Subscription<Value>, _> =
        client.subscribe("subnet_v1_subscribeFleet", rpc_params![], "subnet_v1_unsubscribeFleet").await;
    assert!(third.unwrap_err().to_string().contains("-32006"));
}
