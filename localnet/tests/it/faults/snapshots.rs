//! Snapshots, and going back to them.

use localnet::Config;
use serde_json::json;

use crate::client::{Client, Outcome, TAO, address, key};

#[tokio::test]
async fn a_chain_goes_back_to_what_it_was() {
    let client = Client::instant().await;
    client.blocks(2).await;
    let before = client.chain.best().hash();
    let snapshot = client.chain.snapshot().await.unwrap();
    assert_eq!(client.register(&key("//Bob"), &key("//hot")).await, Outcome::Success);
    assert_eq!(client.neurons().await.len(), 1);
    let gone = client.chain.best().hash();

    let best = client.chain.revert(snapshot).await.unwrap();
    assert_eq!((best.hash(), client.chain.finalized_number()), (before, 2));
    assert!(client.neurons().await.is_empty());
    assert_eq!(client.rpc("chain_getBlockHash", json!([3])).await.unwrap(), json!(null));
    assert_ne!(client.rpc("chain_getHeader", json!([gone])).await.unwrap(), json!(null), "undone, not lost");
    // The chain goes on from there, with the same nonces.
    assert_eq!(client.register(&key("//Bob"), &key("//hot")).await, Outcome::Success);
    assert_eq!(client.neurons().await.len(), 1);
}

#[tokio::test]
async fn returning_forgets_the_snapshot_and_those_after_it() {
    let client = Client::of(Config::test()).await;
    let first = client.rpc("dev_snapshot", json!([])).await.unwrap();
    client.blocks(1).await;
    let second = client.rpc("dev_snapshot", json!([])).await.unwrap();
    client.blocks(1).await;
    let third = client.rpc("dev_snapshot", json!([])).await.unwrap();
    client.rpc("dev_revert", json!([second])).await.unwrap();
    assert_eq!(client.chain.best_number(), 1);
    assert!(client.rpc("dev_revert", json!([second])).await.is_err());
    assert!(client.rpc("dev_revert", json!([third])).await.is_err());
    client.rpc("dev_revert", json!([first])).await.unwrap();
    assert_eq!(client.chain.best_number(), 0);
}

#[tokio::test]
async fn a_snapshot_survives_the_undoing_of_its_blocks() {
    let client = Client::of(Config::test()).await;
    client.chain.stall_finality(true);
    client.blocks(3).await;
    client.rpc("dev_faucet", json!([address(&key("//nobody")), TAO])).await.unwrap();
    let best = client.chain.best().hash();
    let snapshot = client.chain.snapshot().await.unwrap();
    client.chain.reorganise(2).await.unwrap();
    assert_ne!(client.chain.block(4).unwrap().hash(), best);
    client.chain.stall_finality(false);
    client.blocks(2).await;
    client.chain.revert(snapshot).await.unwrap();
    assert_eq!((client.chain.best().hash(), client.chain.finalized_number()), (best, 0));
    client.blocks(1).await;
    assert_eq!(client.chain.best().header.parent_hash, best);
}

#[tokio::test]
async fn what_waited_waits_again_and_what_came_since_is_dropped() {
    let client = Client::of(Config::test()).await;
    let to = || subxt::dynamic::Value::unnamed_variant("Id", [crate::client::account(&key("//Dave"))]);
    let sign = |nonce: u64| {
        let client = &client;
        async move {
            let payload =
                subxt::dynamic::tx("Balances", "transfer_keep_alive", vec![to(), crate::client::number(TAO)]);
            let at = client.api.at_current_block().await.unwrap();
            let builder = subxt::config::DefaultExtrinsicParamsBuilder::new().nonce(nonce).immortal();
            let mut transactions = at.transactions();
            let signed =
                transactions.create_signed(&payload, &key("//Alice"), builder.build()).await.unwrap();
            let bytes = json!([format!("0x{}", hex::encode(signed.encoded()))]);
            client.rpc("author_submitExtrinsic", bytes).await.unwrap();
        }
    };
    sign(0).await;
    let snapshot = client.chain.snapshot().await.unwrap();
    sign(1).await;
    assert_eq!(client.chain.waiting(), 2);
    client.blocks(1).await;
    assert_eq!(client.balance(&key("//Dave")).await, 2_002 * TAO);
    client.chain.revert(snapshot).await.unwrap();
    assert_eq!(client.chain.waiting(), 1);
    client.blocks(1).await;
    assert_eq!(client.balance(&key("//Dave")).await, 2_001 * TAO);
}

#[tokio::test]
async fn time_travel_is_undone_too_and_subscribers_see_the_chain_go_back() {
    let client = Client::of(Config::test()).await;
    client.blocks(5).await;
    let mut heads = client
        .rpc
        .subscribe::<serde_json::Value>(
            "chain_subscribeNewHeads",
            subxt::rpcs::rpc_params![],
            "chain_unsubscribeNewHeads",
        )
        .await
        .unwrap();
    assert_eq!(super::soon(heads.next()).await.unwrap().unwrap()["number"], json!("0x5"));
    let snapshot = client.chain.snapshot().await.unwrap();
    client.chain.travel(3_600_000);
    client.blocks(1).await;
    assert_eq!(super::soon(heads.next()).await.unwrap().unwrap()["number"], json!("0x6"));
    client.chain.revert(snapshot).await.unwrap();
    assert_eq!(super::soon(heads.next()).await.unwrap().unwrap()["number"], json!("0x5"));
    client.blocks(1).await;
    assert_eq!(super::soon(heads.next()).await.unwrap().unwrap()["number"], json!("0x6"));
    let hour = client.chain.best().extrinsics[0].clone();
    client.chain.travel(3_600_000);
    client.blocks(1).await;
    assert_ne!(hour, client.chain.best().extrinsics[0]);
}
