//! Starting and stopping.

use std::time::Duration;

use localnet::{Blocks, Config, SpawnError};
use tokio::net::TcpStream;

use crate::client::Client;

#[tokio::test]
async fn dropping_the_handle_frees_the_port() {
    let chain = localnet::spawn(Config::test()).await.unwrap();
    let address = chain.address();
    assert!(TcpStream::connect(address).await.is_ok());
    chain.shutdown().await;
    let again = localnet::spawn(Config { bind: address, ..Config::test() }).await.unwrap();
    assert_eq!(again.address(), address);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let chain = localnet::spawn(Config::test()).await.unwrap();
    let again = localnet::spawn(Config { bind: chain.address(), ..Config::test() }).await;
    let Err(SpawnError::Listen { address, .. }) = again else { panic!("two chains share a port") };
    assert_eq!(address, chain.address());
}

#[tokio::test]
async fn by_the_clock_blocks_come_and_become_final_by_themselves() {
    let config = Config { bind: Config::test().bind, ..Config::new(Blocks::Interval { ms: 10 }) };
    let client = Client::of(config).await;
    let mut blocks = client.api.stream_blocks().await.unwrap();
    let three = async {
        for _ in 0..3 {
            blocks.next().await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), three).await.unwrap();
    assert!(client.chain.best_number() > client.chain.finalized_number());
}

#[tokio::test]
async fn no_time_between_blocks_is_refused() {
    let config = Config { bind: Config::test().bind, ..Config::new(Blocks::Interval { ms: 0 }) };
    assert!(matches!(localnet::spawn(config).await, Err(SpawnError::IntervalZero)));
}

#[tokio::test]
async fn a_genesis_the_pallets_refuse_is_an_error() {
    let mut config = Config::test();
    let twice = config.genesis.balances[0].clone();
    config.genesis.balances.push(twice);
    assert!(matches!(localnet::spawn(config).await, Err(SpawnError::Genesis(_))));
}
