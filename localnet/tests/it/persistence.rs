//! A chain kept in a folder.

use std::path::Path;

use localnet::{
    Config, SpawnError,
    node::{FILE_NAME, OpenError},
};
use serde_json::json;

use crate::client::{Client, TAO, address, key};

fn config(folder: &Path) -> Config {
    Config { data: Some(folder.to_owned()), ..Config::test() }
}

/// A chain with gifts, other branches, an upgrade and a return to a snapshot in its history.
async fn eventful(folder: &Path) -> Client {
    let client = Client::of(config(folder)).await;
    let gift = || client.rpc("dev_faucet", json!([address(&key("//nobody")), TAO]));
    gift().await.unwrap();
    client.chain.stall_finality(true);
    client.blocks(3).await;
    client.chain.reorganise(2).await.unwrap();
    let snapshot = client.chain.snapshot().await.unwrap();
    client.blocks(4).await;
    client.chain.revert(snapshot).await.unwrap();
    gift().await.unwrap();
    client.rpc("dev_setStorage", json!([[["0xdeadbeef", "0x01"]]])).await.unwrap();
    client.rpc("dev_upgrade", json!([])).await.unwrap();
    client.blocks(20).await;
    client
}

#[tokio::test]
async fn a_chain_continues_where_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let client = eventful(folder.path()).await;
    let best = client.chain.best();
    client.chain.shutdown().await;

    let again = Client::of(config(folder.path())).await;
    assert_eq!(again.chain.best().hash(), best.hash());
    assert_eq!(again.chain.recovered().blocks, best.number());
    assert_eq!(again.balance(&key("//nobody")).await, 2 * TAO);
    assert_eq!(again.rpc("state_getStorage", json!(["0xdeadbeef"])).await.unwrap(), json!("0x01"));
    let version = again.rpc("state_getRuntimeVersion", json!([])).await.unwrap();
    assert_eq!(version["specVersion"], json!(462));
    again.blocks(1).await;
    assert_eq!(again.chain.best().header.parent_hash, best.hash());
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_the_chain_continues_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let client = eventful(folder.path()).await;
    let best = client.chain.best_number();
    client.chain.shutdown().await;
    let file = folder.path().join(FILE_NAME);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();

    let again = Client::of(config(folder.path())).await;
    assert_eq!(again.chain.best_number(), best - 1);
    assert!(again.chain.recovered().cut_bytes > 0);
    again.blocks(2).await;
    again.chain.shutdown().await;
    let third = Client::of(config(folder.path())).await;
    assert_eq!((third.chain.best_number(), third.chain.recovered().cut_bytes), (best + 1, 0));
}

#[tokio::test]
async fn another_genesis_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    eventful(folder.path()).await.chain.shutdown().await;
    let mut other = config(folder.path());
    other.genesis.subnets[0].tempo_blocks += 1;
    let Err(SpawnError::Open(OpenError::Journal(error))) = localnet::spawn(other).await else {
        panic!("another chain was continued")
    };
    assert!(error.to_string().contains("the genesis or the build changed"), "{error}");
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = localnet::spawn(config(folder.path())).await.unwrap();
    let Err(SpawnError::Open(OpenError::Journal(error))) = localnet::spawn(config(folder.path())).await
    else {
        panic!("two chains share a folder")
    };
    assert!(error.to_string().contains("another localnet"), "{error}");
    first.shutdown().await;
    drop(localnet::spawn(config(folder.path())).await.unwrap());
}
