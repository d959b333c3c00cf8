//! Publishing an axon.

use localnet::{Blocks, Config};
use subxt::dynamic::Value;

use crate::client::{Client, NETUID, Outcome, key, number};

/// Arguments of a call that serves an axon.
pub fn axon(ip: u128, port: u16, ip_type: u8) -> Vec<Value> {
    let unused = || number(0u8);
    vec![
        number(NETUID),
        number(1u32),
        number(ip),
        number(port),
        number(ip_type),
        number(4u8),
        unused(),
        unused(),
    ]
}

#[tokio::test]
async fn a_hotkey_without_a_balance_publishes_its_axon_for_free() {
    let client = Client::instant().await;
    let hot = key("//Bob//hot");
    client.register(&key("//Bob"), &hot).await;
    client.succeed("SubtensorModule", "serve_axon", axon(0x0a00_0001, 8_091, 4), &hot).await;
    let neurons = client.neurons().await;
    let axon = &neurons[0].axon_info;
    assert_eq!((axon.ip, axon.port, axon.ip_type), (0x0a00_0001, 8_091, 4));
    assert_eq!(axon.block, u64::from(client.chain.best_number()));
}

#[tokio::test]
async fn the_pool_refuses_axons_with_the_codes_of_the_real_chain() {
    let client = Client::instant().await;
    let (hot, stranger) = (key("//Bob//hot"), key("//stranger"));
    client.register(&key("//Bob"), &hot).await;
    let refused = |code: u8| Outcome::Refused(1010, format!("Custom error: {code}"));
    let serve = |arguments, signer| client.submit("SubtensorModule", "serve_axon", arguments, signer);

    assert_eq!(serve(axon(1, 1, 4), &stranger).await, refused(10));
    assert_eq!(serve(axon(0x7f00_0001, 1, 4), &hot).await, refused(11));
    assert_eq!(serve(axon(u128::from(u32::MAX), 1, 4), &hot).await, refused(11));
    assert_eq!(serve(axon(1, 1, 6), &hot).await, refused(11));
    assert_eq!(serve(axon(1, 0, 4), &hot).await, refused(13));
    assert_eq!(serve(axon(1, 1, 5), &hot).await, refused(255));
    assert_eq!(serve(axon(0, 1, 4), &hot).await, Outcome::Success);
}

#[tokio::test]
async fn an_axon_cannot_change_again_before_the_rate_limit() {
    let mut config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
    config.genesis.subnets[0].serving_rate_limit_blocks = 10;
    let client = Client::of(config).await;
    let hot = key("//Bob//hot");
    client.register(&key("//Bob"), &hot).await;
    let serve = |port| client.submit("SubtensorModule", "serve_axon", axon(7, port, 4), &hot);
    assert_eq!(serve(1).await, Outcome::Success);
    assert_eq!(serve(2).await, Outcome::Refused(1010, "Custom error: 12".into()));
    client.blocks(10).await;
    assert_eq!(serve(2).await, Outcome::Success);
}
