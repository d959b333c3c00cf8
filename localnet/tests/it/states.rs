//! Which states are kept, and that forgetting some breaks none of the others.

use localnet::{Config, chain::Chain, config::Limits, node::Node};
use serde_json::json;

use crate::client::Client;

fn config(states_max: u32) -> Config {
    Config { limits: Limits { states_max, ..Limits::default() }, ..Config::test() }
}

/// Reads every key and value of a state; how many there are.
fn read_all(chain: &Chain, number: u32) -> usize {
    let block = chain.by_number(number).unwrap();
    let keys = chain.keys(&block, b"", None, usize::MAX);
    let missing = keys.iter().filter(|key| chain.storage(&block, key).is_none()).count();
    assert_eq!(missing, 0, "every key of block {number} has a value");
    keys.len()
}

#[test]
fn states_that_are_kept_are_whole_and_the_others_take_no_memory() {
    let node = Node::new(&config(10)).unwrap();
    let mut nodes = Vec::new();
    for _ in 0..6 {
        (0..50).for_each(|_| drop(node.produce().unwrap()));
        nodes.push(node.chain.nodes());
    }
    for number in 290..=300 {
        assert!(node.chain.has_state(&node.chain.by_number(number).unwrap()));
        assert!(read_all(&node.chain, number) > 40);
    }
    assert!(!node.chain.has_state(&node.chain.by_number(289).unwrap()));
    // Block hashes are kept for 2,400 blocks, so the state grows by a few nodes a block and no more.
    assert!(nodes[5] - nodes[4] < 50 * 4, "{nodes:?}");
    let archive = Node::new(&config(u32::MAX)).unwrap();
    (0..300).for_each(|_| drop(archive.produce().unwrap()));
    assert!(archive.chain.nodes() > 2 * nodes[5], "{} {nodes:?}", archive.chain.nodes());
    assert!(read_all(&archive.chain, 1) > 40);
}

#[test]
fn what_is_not_final_and_what_a_snapshot_needs_is_kept() {
    let node = Node::new(&config(5)).unwrap();
    (0..10).for_each(|_| drop(node.produce().unwrap()));
    node.stall_finality(true);
    (0..10).for_each(|_| drop(node.produce().unwrap()));
    assert!(node.chain.has_state(&node.chain.by_number(10).unwrap()), "finality stands at 10");
    let undone = node.reorganise(10, None).unwrap().undone;
    assert!(
        undone.iter().all(|block| node.chain.has_state(block)),
        "branches can be read until they are final"
    );
    let snapshot = node.snapshot().unwrap();
    let best = node.chain.best().hash();
    node.stall_finality(false);
    (0..30).for_each(|_| drop(node.produce().unwrap()));
    assert!(node.chain.has_state(&node.chain.by_number(10).unwrap()), "a snapshot needs it");
    node.revert(snapshot).unwrap();
    assert_eq!(node.chain.best().hash(), best);
    (10..=21).for_each(|number| assert!(read_all(&node.chain, number) > 40));
    node.stall_finality(false);
    (0..30).for_each(|_| drop(node.produce().unwrap()));
    assert!(!node.chain.has_state(&node.chain.by_number(10).unwrap()));
    assert!(!node.chain.has_state(&undone[0]));
    (46..=51).for_each(|number| assert!(read_all(&node.chain, number) > 40));
}

#[tokio::test]
async fn a_state_that_is_forgotten_is_an_error_in_the_words_of_the_real_node() {
    let client = Client::of(config(4)).await;
    client.blocks(10).await;
    let old = client.rpc("chain_getBlockHash", json!([3])).await.unwrap();
    let kept = client.rpc("chain_getBlockHash", json!([6])).await.unwrap();
    for (method, parameters) in [
        ("state_getStorage", json!(["0x00", old])),
        ("state_getKeysPaged", json!(["0x", 1, null, old])),
        ("state_queryStorageAt", json!([["0x00"], old])),
        ("state_call", json!(["Core_version", "0x", old])),
        ("state_getMetadata", json!([old])),
        ("neuronInfo_getNeuronsLite", json!([64, old])),
    ] {
        let error = format!("{:?}", client.rpc(method, parameters).await.unwrap_err());
        let text = format!("UnknownBlock: State already discarded for {}", old.as_str().unwrap());
        assert!(error.contains("4003") && error.contains(&text), "{method}: {error}");
    }
    assert!(client.rpc("state_getMetadata", json!([kept])).await.is_ok());
    assert_eq!(client.rpc("chain_getHeader", json!([old])).await.unwrap()["number"], json!("0x3"));
    assert_ne!(client.rpc("chain_getBlock", json!([old])).await.unwrap(), json!(null));
    let never = format!("0x{}", "01".repeat(32));
    let error = format!("{:?}", client.rpc("state_getStorage", json!(["0x00", never])).await.unwrap_err());
    assert!(error.contains("UnknownBlock: Header was not found in the database"), "{error}");
}
