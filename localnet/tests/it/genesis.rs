//! What a chain begins with, from a file.

use std::error::Error as _;

use localnet::{Config, SpawnError, chain::GenesisError, genesis_file};
use serde_json::json;

use crate::client::{Client, NETUID, TAO, key, number};

/// The default file, with something added at its end.
fn config(more: &str) -> Config {
    let genesis = genesis_file::parse(&format!("{}\n{more}", genesis_file::DEFAULT)).unwrap();
    Config { genesis, ..Config::test() }
}

const NEURONS: &str = r#"
[[subnets.neurons]]
hotkey = "//validator"
coldkey = "//Bob"
stake_rao = 1_000_000_000_000
permit = true
[[subnets.neurons]]
hotkey = "//miner"
coldkey = "//Charlie"
"#;

async fn refused(more: &str) -> GenesisError {
    match localnet::spawn(config(more)).await {
        Err(SpawnError::Genesis(error)) => error,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("the chain started"),
    }
}

#[tokio::test]
async fn neurons_and_hyperparameters_of_a_file_are_on_the_chain() {
    let more = format!(
        "[subnets.hyperparameters]\nkappa = 12345\nalpha_values = [1000, 2000]\ndifficulty = \"18446744073709551615\"\nliquid_alpha_on = true\n{NEURONS}"
    );
    let client = Client::of(config(&more)).await;
    let neurons = client.neurons().await;
    assert_eq!(neurons.len(), 2);
    assert!(neurons[0].validator_permit && !neurons[1].validator_permit);
    assert_eq!(neurons[0].stake[0].1, 1_000_000_000_000);
    let value = |name: &'static str| {
        let client = &client;
        async move {
            let prefix = [
                sp_crypto_hashing::twox_128(b"SubtensorModule"),
                sp_crypto_hashing::twox_128(name.as_bytes()),
            ]
            .concat();
            let keys = client.rpc("state_getKeysPaged", json!([format!("0x{}", hex::encode(prefix)), 10]));
            let keys = keys.await.unwrap();
            client.rpc("state_getStorage", json!([keys[0]])).await.unwrap()
        }
    };
    assert_eq!(value("Kappa").await, json!("0x3930"));
    assert_eq!(value("AlphaValues").await, json!("0xe803d007"));
    assert_eq!(value("Difficulty").await, json!("0xffffffffffffffff"));
    assert_eq!(value("LiquidAlphaOn").await, json!("0x01"));
    // And they are what the chain computes with.
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16,), u16>("SubtensorModule", "Kappa");
    assert_eq!(at.storage().fetch(address, (NETUID,)).await.unwrap().decode().unwrap(), 12345);
}

#[tokio::test]
async fn stake_of_a_file_is_paid_for() {
    let stake = "[[stakes]]\ncoldkey = \"//Dave\"\nhotkey = \"//validator\"\nnetuid = 64\namount_rao = 5_000_000_000\n";
    let client = Client::of(config(&format!("{NEURONS}{stake}"))).await;
    assert_eq!(client.balance(&key("//Dave")).await, 1_995 * TAO);
    let neurons = client.neurons().await;
    let staked: u64 = neurons[0].stake.iter().map(|(_, alpha)| alpha).sum();
    assert!(staked > 1_000_000_000_000, "{staked}");

    let poor = stake.replace("5_000_000_000", "5_000_000_000_000_000");
    let error = refused(&format!("{NEURONS}{poor}")).await;
    assert!(matches!(&error, GenesisError::Stake { netuid: 64, .. }), "{error:?}");
}

#[tokio::test]
async fn values_the_chain_does_not_have_or_take_are_refused_by_name() {
    for (table, expected) in [
        ("[subnets.hyperparameters]\nkapa = 1", "no value kapa of a subnet"),
        (
            "[subnets.hyperparameters]\nkappa = 70000",
            "kappa does not take this value: a number from 0 to 65535",
        ),
        ("[subnets.hyperparameters]\nkappa = true", "kappa does not take this value"),
        ("[subnets.hyperparameters]\nalpha_values = 3", "a list of 2"),
    ] {
        let error = refused(table).await;
        let text = error.source().unwrap().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn the_same_file_gives_the_same_genesis_hash() {
    let hash = |config: Config| async { localnet::spawn(config).await.unwrap().block(0).unwrap().hash() };
    let first = hash(config(NEURONS)).await;
    assert_eq!(hash(config(NEURONS)).await, first);
    assert_ne!(hash(config("")).await, first);
    assert_eq!(hash(config("")).await, hash(Config::test()).await);
    assert_ne!(hash(config("[subnets.hyperparameters]\nkappa = 1")).await, hash(config("")).await);
}

#[tokio::test]
async fn a_subnet_of_a_file_works() {
    let client = Client::of(config(NEURONS)).await;
    client.blocks(25).await;
    let tempo: u16 = {
        let at = client.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16,), u16>("SubtensorModule", "Tempo");
        at.storage().fetch(address, (NETUID,)).await.unwrap().decode().unwrap()
    };
    assert_eq!(tempo, 20);
    let next: Option<u64> =
        client.runtime("SubnetInfoRuntimeApi", "get_next_epoch_start_block", vec![number(NETUID)]).await;
    assert!(next.is_some_and(|next| next > 25));
}
