//! Blocks and the state after them.

use localnet::{Config, Genesis, chain::Chain, node::Node};
use parity_scale_codec::{Compact, Encode as _};
use sp_core::H256;

use crate::client::{Client, key};

#[tokio::test]
async fn every_block_can_be_executed_again_on_its_parent() {
    let client = Client::instant().await;
    let bob = key("//Bob");
    for index in 0..3 {
        client.register(&bob, &key(&format!("//hot{index}"))).await;
    }
    client.stake(&bob, &key("//hot0"), 10).await;
    client.blocks(25).await;
    for number in 1..=client.chain.best_number() {
        let block = client.chain.block(number).unwrap();
        let parent = client.chain.block(number - 1).unwrap();
        assert_eq!(block.header.parent_hash, parent.hash());
        let mut encoded = block.header.encode();
        Compact(block.extrinsics.len() as u32).encode_to(&mut encoded);
        encoded.extend(block.extrinsics.iter().flatten());
        // It checks the state root and the extrinsics root, and panics unless they are those of the header.
        let arguments = format!("0x{}", hex::encode(encoded));
        let parameters = serde_json::json!(["Core_execute_block", arguments, format!("{:?}", parent.hash())]);
        client.rpc("state_call", parameters).await.unwrap_or_else(|error| panic!("block {number}: {error}"));
    }
}

#[test]
fn old_states_stay_readable() {
    let node = Node::new(&Config::test()).unwrap();
    let now = [sp_crypto_hashing::twox_128(b"Timestamp"), sp_crypto_hashing::twox_128(b"Now")].concat();
    let blocks: Vec<_> = (0..50).map(|_| node.produce().unwrap()).collect();
    let times: Vec<Vec<u8>> = blocks.iter().map(|block| node.chain.storage(block, &now).unwrap()).collect();
    let mut distinct = times.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 50);
    assert_eq!(node.chain.storage(&blocks[0], &now).unwrap(), times[0]);
    assert!(!node.chain.proof(&blocks[10], &[now]).is_empty());
}

#[test]
fn the_same_genesis_gives_the_same_hash_and_another_one_another() {
    let hash = |genesis: &Genesis| Chain::from_genesis(genesis).unwrap().best().hash();
    let genesis = Genesis::default();
    assert_eq!(hash(&genesis), hash(&genesis));
    let mut other = genesis.clone();
    other.subnets[0].tempo_blocks += 1;
    assert_ne!(hash(&genesis), hash(&other));
    assert_ne!(hash(&genesis), H256::zero());
}
