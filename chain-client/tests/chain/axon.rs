//! Announcing an axon and reading it back.

use std::net::SocketAddr;

use chain_client::{PoolRejection, SubmitError};

use crate::support::{NETUID, World, account, key};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn rejection(error: SubmitError) -> PoolRejection {
    match error {
        SubmitError::Pool(rejection) => rejection,
        other => panic!("not refused by the pool: {other:?}"),
    }
}

#[tokio::test]
async fn announced_axon_is_read_back_though_the_hotkey_holds_nothing() {
    let world = World::instant().await;
    world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    for axon in ["203.0.113.7:8091", "[2001:db8::7]:443", "127.0.0.2:9000"].map(address) {
        let block = world.chain.serve_axon(&key("//Miner"), NETUID, axon).await.unwrap();
        let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
        assert_eq!(metagraph.by_hotkey(&account("//Miner")).unwrap().axon, Some(axon));
        assert_eq!(world.chain.balance_rao(&account("//Miner"), block).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn hotkey_that_is_not_registered_is_refused_by_name() {
    let world = World::instant().await;
    let axon = address("203.0.113.7:8091");
    let error = world.chain.serve_axon(&key("//Miner"), NETUID, axon).await.unwrap_err();
    assert!(error.is_not_registered());
    assert!(error.hint().contains("register"), "{}", error.hint());
    let rejection = rejection(error);
    assert_eq!((rejection.custom_code(), rejection), (Some(10), PoolRejection::HotkeyNotRegistered));
}

#[tokio::test]
async fn addresses_that_nobody_can_reach_are_refused() {
    let world = World::instant().await;
    world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    for (axon, expected) in [
        ("127.0.0.1:8091", PoolRejection::InvalidIpAddress),
        ("[::1]:8091", PoolRejection::InvalidIpAddress),
        ("203.0.113.7:0", PoolRejection::InvalidPort),
    ] {
        let error = world.chain.serve_axon(&key("//Miner"), NETUID, address(axon)).await.unwrap_err();
        assert_eq!(rejection(error), expected, "{axon}");
    }
}

#[tokio::test]
async fn announcing_again_too_soon_is_refused_as_rate_limited() {
    let world = World::with_subnet(|subnet| subnet.serving_rate_limit_blocks = 50).await;
    world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    world.chain.serve_axon(&key("//Miner"), NETUID, address("203.0.113.7:8091")).await.unwrap();
    let error =
        world.chain.serve_axon(&key("//Miner"), NETUID, address("203.0.113.8:8091")).await.unwrap_err();
    assert!(error.is_rate_limited(), "{error:?}");
    assert_eq!(rejection(error), PoolRejection::ServingRateLimitExceeded);
}
