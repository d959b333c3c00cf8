//! The JSON-RPC surface.

use serde_json::json;

use crate::client::{Client, address, key};

#[tokio::test]
async fn what_only_a_dev_chain_has_is_registered_and_nothing_that_is_not_whole() {
    let client = Client::instant().await;
    let methods = client.rpc("rpc_methods", json!([])).await.unwrap();
    let methods: Vec<&str> =
        methods["methods"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    // What every subtensor has is asked for in `any_chain`.
    for name in ["dev_faucet", "dev_newBlock", "dev_setStorage", "dev_timeTravel"] {
        assert!(methods.contains(&name), "{name} is missing");
    }
    assert!(!methods.iter().any(|name| name.starts_with("chainHead_") || name.starts_with("archive_")));
}

#[tokio::test]
async fn the_chain_says_who_it_is() {
    let client = Client::instant().await;
    let version = client.rpc("state_getRuntimeVersion", json!([])).await.unwrap();
    assert_eq!((&version["specName"], &version["specVersion"]), (&json!("node-subtensor"), &json!(461)));
    assert_eq!(version["transactionVersion"], json!(1));
    let properties = client.rpc("system_properties", json!([])).await.unwrap();
    assert_eq!(properties, json!({ "ss58Format": 42, "tokenDecimals": 9, "tokenSymbol": "TAO" }));
}

#[tokio::test]
async fn blocks_are_found_by_number_in_every_form_and_by_hash() {
    let client = Client::instant().await;
    client.blocks(18).await;
    let hash = client.rpc("chain_getBlockHash", json!([17])).await.unwrap();
    assert_eq!(client.rpc("chain_getBlockHash", json!(["0x11"])).await.unwrap(), hash);
    assert_eq!(client.rpc("chain_getBlockHash", json!(["17"])).await.unwrap(), hash);
    assert_eq!(client.rpc("chain_getBlockHash", json!([[17, 99]])).await.unwrap(), json!([hash, null]));
    assert_eq!(client.rpc("chain_getHeader", json!([hash])).await.unwrap()["number"], json!("0x11"));
    let nothing = json!(["0x0000000000000000000000000000000000000000000000000000000000000001"]);
    assert_eq!(client.rpc("chain_getHeader", nothing).await.unwrap(), json!(null));
}

#[tokio::test]
async fn keys_are_paged_and_bounded() {
    let client = Client::instant().await;
    let prefix = format!("0x{}", hex::encode(sp_crypto_hashing::twox_128(b"SubtensorModule")));
    let first = client.rpc("state_getKeysPaged", json!([prefix, 10])).await.unwrap();
    let first = first.as_array().unwrap();
    assert_eq!(first.len(), 10);
    let next = client.rpc("state_getKeysPaged", json!([prefix, 10, first[9]])).await.unwrap();
    assert!(next[0].as_str().unwrap() > first[9].as_str().unwrap());
    assert!(client.rpc("state_getKeysPaged", json!([prefix, 1_001])).await.is_err());
}

#[tokio::test]
async fn a_subscriber_that_reads_late_gets_every_final_block() {
    let client = Client::instant().await;
    let mut heads = client
        .rpc
        .subscribe::<serde_json::Value>(
            "chain_subscribeFinalizedHeads",
            subxt::rpcs::rpc_params![],
            "chain_unsubscribeFinalizedHeads",
        )
        .await
        .unwrap();
    client.blocks(600).await;
    for number in 0..=600u32 {
        let head = heads.next().await.unwrap().unwrap();
        assert_eq!(head["number"], json!(format!("{number:#x}")));
    }
}

#[tokio::test]
async fn a_storage_subscription_tells_only_changes() {
    let client = Client::instant().await;
    let now = [sp_crypto_hashing::twox_128(b"Timestamp"), sp_crypto_hashing::twox_128(b"Now")].concat();
    let mut changes = client
        .rpc
        .subscribe::<serde_json::Value>(
            "state_subscribeStorage",
            subxt::rpcs::rpc_params![[format!("0x{}", hex::encode(&now)), "0xdead".to_owned()]],
            "state_unsubscribeStorage",
        )
        .await
        .unwrap();
    assert_eq!(changes.next().await.unwrap().unwrap()["changes"].as_array().unwrap().len(), 2);
    client.blocks(1).await;
    let news = changes.next().await.unwrap().unwrap();
    assert_eq!(news["changes"].as_array().unwrap().len(), 1);
    assert_eq!(news["changes"][0][0], json!(format!("0x{}", hex::encode(&now))));
}

#[tokio::test]
async fn time_travel_moves_the_next_block() {
    let client = Client::instant().await;
    let before = client.next_timestamp_ms().await;
    client.rpc("dev_timeTravel", json!([3_600_000])).await.unwrap();
    assert!(client.next_timestamp_ms().await >= before + 3_600_000);
}

#[tokio::test]
async fn storage_set_by_hand_is_read_back_and_the_chain_goes_on() {
    let client = Client::instant().await;
    client.rpc("dev_setStorage", json!([[["0xdeadbeef", "0x0102"]]])).await.unwrap();
    assert_eq!(client.rpc("state_getStorage", json!(["0xdeadbeef"])).await.unwrap(), json!("0x0102"));
    client.rpc("dev_setStorage", json!([[["0xdeadbeef", null]]])).await.unwrap();
    assert_eq!(client.rpc("state_getStorage", json!(["0xdeadbeef"])).await.unwrap(), json!(null));
    client.blocks(1).await;
}

#[tokio::test]
async fn nonces_are_asked_for_under_both_names() {
    let client = Client::instant().await;
    let alice = json!([address(&key("//Alice"))]);
    assert_eq!(client.rpc("account_nextIndex", alice.clone()).await.unwrap(), json!(0));
    client.register(&key("//Alice"), &key("//hot")).await;
    assert_eq!(client.rpc("system_accountNextIndex", alice).await.unwrap(), json!(1));
}
