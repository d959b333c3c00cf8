//! Announcing an axon and reading it back.

use std::net::SocketAddr;

use chain_client::{AnnounceError, Announced, Announcement, PoolRejection, SubmitError};

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

fn announcement(text: &str, tls_key: Option<&str>) -> Announcement {
    Announcement { address: address(text), tls_key: tls_key.map(|key| key.parse().unwrap()) }
}

#[tokio::test]
async fn an_announcement_is_read_back_with_its_tls_key_and_made_once() {
    let world = World::instant().await;
    world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    let announce = |wanted| {
        let chain = world.chain.clone();
        async move { chain.announce_axon(&key("//Miner"), NETUID, &wanted).await.unwrap() }
    };
    for (text, tls_key) in [("203.0.113.7:8091", "0x01aabbcc"), ("[2001:db8::7]:443", "0x02dd")] {
        let wanted = announcement(text, Some(tls_key));
        let Announced::Now { block } = announce(wanted.clone()).await else { panic!("{text}") };
        let since_block = u64::from(block.number);
        assert_eq!(announce(wanted.clone()).await, Announced::Already { since_block });
        let state = world.chain.axon(NETUID, &account("//Miner"), block).await.unwrap();
        let record = state.record.unwrap();
        assert_eq!((record.address, &record.tls_key), (Some(wanted.address), &wanted.tls_key));
        assert_eq!((record.announced_at, record.version, record.protocol), (since_block, 1, 4));
        let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
        let neuron = metagraph.by_hotkey(&account("//Miner")).unwrap();
        assert_eq!((neuron.axon, neuron.axon_block), (Some(wanted.address), since_block));
        assert_eq!(neuron.tls_key, wanted.tls_key);
    }
    // Without a key the address alone counts: the chain keeps the key.
    assert!(matches!(announce(announcement("[2001:db8::7]:443", None)).await, Announced::Already { .. }));
    assert!(matches!(announce(announcement("[2001:db8::7]:444", None)).await, Announced::Now { .. }));
}

#[tokio::test]
async fn an_announcement_that_cannot_succeed_is_not_submitted() {
    let world = World::with_subnet(|subnet| subnet.serving_rate_limit_blocks = 50).await;
    let announce = async |text: &str| {
        world.chain.announce_axon(&key("//Miner"), NETUID, &announcement(text, None)).await
    };
    let error = announce("203.0.113.7:8091").await.unwrap_err();
    assert!(matches!(error, AnnounceError::NotRegistered { netuid: NETUID }), "{error:?}");
    world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    let error = announce("127.0.0.1:8091").await.unwrap_err();
    assert!(matches!(error, AnnounceError::Address { .. }), "{error:?}");
    let Announced::Now { block } = announce("203.0.113.7:8091").await.unwrap() else {
        panic!("not announced")
    };
    let head = world.chain.best().await.unwrap();
    let error = announce("203.0.113.7:8092").await.unwrap_err();
    let at_block = u64::from(block.number) + 50;
    assert!(
        matches!(error, AnnounceError::TooEarly { at_block: found, .. } if found == at_block),
        "{error:?}"
    );
    assert_eq!(world.chain.best().await.unwrap(), head, "nothing was submitted");
    world.localnet.produce_blocks(49).await.unwrap();
    assert!(matches!(announce("203.0.113.7:8092").await.unwrap(), Announced::Now { .. }));
}
