//! Setting weights.

use localnet::{Blocks, Config, accounts::dev_account};
use subxt::dynamic::Value;

use crate::client::{Client, NETUID, Outcome, TAO, failed, key, number};

/// A chain with a validator (uid 0) that has a permit, and two miners.
async fn with_validator(config: Config) -> Client {
    let client = Client::of(config).await;
    let bob = key("//Bob");
    for hotkey in ["//validator", "//miner1", "//miner2"] {
        assert_eq!(client.register(&bob, &key(hotkey)).await, Outcome::Success);
    }
    assert_eq!(client.stake(&bob, &key("//validator"), 100).await, Outcome::Success);
    client.blocks(20).await;
    client
}

fn config() -> Config {
    Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) }
}

#[tokio::test]
async fn a_validator_with_a_permit_sets_weights_which_are_stored_upscaled() {
    let client = with_validator(config()).await;
    assert_eq!(client.set_weights(&key("//validator"), &[1, 2], &[1, 3]).await, Outcome::Success);
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16, u16), Vec<(u16, u16)>>("SubtensorModule", "Weights");
    let row = at.storage().fetch(address, (NETUID, 0u16)).await.unwrap().decode().unwrap();
    assert_eq!(row, [(1, 21_845), (2, 65_535)]);
    assert_eq!(client.neurons().await[0].last_update, u64::from(client.chain.best_number()));
}

#[tokio::test]
async fn a_validator_of_the_genesis_has_stake_and_permit_from_the_start() {
    let mut config = config();
    let member = |hotkey: &str, stake_rao, permit| localnet::runtime::subtensor::genesis::Neuron {
        hotkey: dev_account(hotkey).unwrap(),
        coldkey: dev_account("//Bob").unwrap(),
        stake_rao,
        permit,
    };
    config.genesis.subnets[0].neurons =
        vec![member("//validator", 1_000 * TAO, true), member("//miner", 0, false)];
    let client = Client::of(config).await;
    assert_eq!(client.set_weights(&key("//validator"), &[1], &[1]).await, Outcome::Success);
    client.blocks(20).await;
    let neurons = client.neurons().await;
    assert!(neurons[0].validator_permit && neurons[0].stake[0].1 > 1_000 * TAO);
    assert_eq!((neurons[0].dividends, neurons[1].incentive), (65_535, 65_535));
}

#[tokio::test]
async fn weights_are_refused_with_the_errors_of_the_real_chain() {
    let client = with_validator(config()).await;
    let validator = key("//validator");
    assert_eq!(client.set_weights(&validator, &[1, 2], &[1]).await, failed("WeightVecNotEqualSize"));
    assert_eq!(
        client.set_weights(&validator, &[0, 1, 2, 3], &[1; 4]).await,
        failed("UidsLengthExceedUidsInSubNet")
    );
    assert_eq!(
        client.set_weights(&key("//miner1"), &[0, 2], &[1, 1]).await,
        failed("NeuronNoValidatorPermit")
    );
    assert_eq!(client.set_weights(&validator, &[1, 1], &[1, 1]).await, failed("DuplicateUids"));
    assert_eq!(client.set_weights(&validator, &[1, 7], &[1, 1]).await, failed("UidVecContainInvalidOne"));
    assert_eq!(client.set_weights(&validator, &[], &[]).await, failed("WeightVecLengthIsLow"));
    let stranger = client.set_weights(&key("//stranger"), &[1], &[1]).await;
    assert_eq!(stranger, Outcome::Refused(1010, "Custom error: 19".into()));

    let list = |item: u16| Value::unnamed_composite([number(item)]);
    let arguments = vec![number(NETUID), number(1u8), list(1), list(1), number(0u64)];
    let elsewhere = client.submit("SubtensorModule", "set_mechanism_weights", arguments, &validator).await;
    assert_eq!(elsewhere, failed("MechanismDoesNotExist"));
}

#[tokio::test]
async fn the_pool_refuses_weights_set_again_too_soon() {
    let mut config = config();
    config.genesis.subnets[0].weights_rate_limit_blocks = 30;
    let client = with_validator(config).await;
    let validator = key("//validator");
    let too_soon = Outcome::Refused(1010, "Custom error: 6".into());
    // Registration counts as an update.
    assert_eq!(client.set_weights(&validator, &[1], &[1]).await, too_soon);
    client.blocks(30).await;
    assert_eq!(client.set_weights(&validator, &[1], &[1]).await, Outcome::Success);
    assert_eq!(client.set_weights(&validator, &[1], &[1]).await, too_soon);
}

#[tokio::test]
async fn with_commit_reveal_on_weights_cannot_be_set_openly() {
    let mut config = config();
    config.genesis.subnets[0].commit_reveal = true;
    let client = with_validator(config).await;
    assert_eq!(client.set_weights(&key("//validator"), &[1], &[1]).await, failed("CommitRevealEnabled"));
}

#[tokio::test]
async fn a_batch_stores_what_it_can() {
    let client = with_validator(config()).await;
    let row = |uid: u16| Value::unnamed_composite([Value::unnamed_composite([number(uid), number(5u16)])]);
    let arguments = vec![
        Value::unnamed_composite([number(NETUID), number(9u16)]),
        Value::unnamed_composite([row(1), row(1)]),
        Value::unnamed_composite([number(0u64), number(0u64)]),
    ];
    client.succeed("SubtensorModule", "batch_set_weights", arguments, &key("//validator")).await;
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16, u16), Vec<(u16, u16)>>("SubtensorModule", "Weights");
    let row = at.storage().fetch(address, (NETUID, 0u16)).await.unwrap().decode().unwrap();
    assert_eq!(row, [(1, 65_535)]);
}
