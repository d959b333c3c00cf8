//! Epochs: weights become incentive, stake becomes dividends and permits.

use localnet::{Blocks, Config, runtime::subtensor::genesis::Subnet};
use serde_json::json;

use crate::client::{Client, NETUID, Outcome, TAO, failed, key, number};

/// Two validators with the same stake, two miners; the validators agree that the first miner is three times as good.
async fn after_an_epoch() -> Client {
    let client = Client::instant().await;
    let bob = key("//Bob");
    for hotkey in ["//v1", "//v2", "//m1", "//m2"] {
        assert_eq!(client.register(&bob, &key(hotkey)).await, Outcome::Success);
    }
    for hotkey in ["//v1", "//v2"] {
        assert_eq!(client.stake(&bob, &key(hotkey), 100).await, Outcome::Success);
    }
    client.blocks(20).await;
    for hotkey in ["//v1", "//v2"] {
        assert_eq!(client.set_weights(&key(hotkey), &[2, 3], &[300, 100]).await, Outcome::Success);
    }
    client.blocks(20).await;
    client
}

/// The block whose initialisation runs the next epoch.
async fn next_epoch(client: &Client) -> u64 {
    let arguments = vec![number(NETUID)];
    client
        .runtime::<Option<u64>>("SubnetInfoRuntimeApi", "get_next_epoch_start_block", arguments)
        .await
        .unwrap()
}

#[tokio::test]
async fn miners_earn_by_the_weights_and_validators_by_their_stake() {
    let client = after_an_epoch().await;
    let neurons = client.neurons().await;
    let incentives: Vec<u16> = neurons.iter().map(|neuron| neuron.incentive).collect();
    assert_eq!(incentives[..2], [0, 0]);
    assert!(incentives[2].abs_diff(49_151) < 5 && incentives[3].abs_diff(16_383) < 5, "{incentives:?}");
    let dividends: Vec<u16> = neurons.iter().map(|neuron| neuron.dividends).collect();
    // The first bought its stake a little cheaper than the second.
    assert!(dividends[0].abs_diff(32_767) < 100 && dividends[1].abs_diff(32_767) < 100, "{dividends:?}");
    assert!(dividends[0] > dividends[1], "{dividends:?}");
    assert_eq!(dividends[2..], [0, 0]);
    assert!(neurons.iter().all(|neuron| neuron.emission > 0));
    assert_eq!(neurons[2].emission / neurons[3].emission, 3);
    assert!(neurons[0].validator_trust > 65_500);
}

#[tokio::test]
async fn permits_go_to_whoever_has_stake_at_the_epoch() {
    let client = Client::instant().await;
    let bob = key("//Bob");
    client.register(&bob, &key("//v1")).await;
    client.register(&bob, &key("//m1")).await;
    client.stake(&bob, &key("//v1"), 100).await;
    assert!(client.neurons().await.iter().all(|neuron| !neuron.validator_permit));
    client.blocks(20).await;
    let permits: Vec<bool> = client.neurons().await.iter().map(|neuron| neuron.validator_permit).collect();
    assert_eq!(permits, [true, false]);
}

#[tokio::test]
async fn emission_is_paid_to_stake_and_adds_up() {
    let client = Client::instant().await;
    let bob = key("//Bob");
    for hotkey in ["//v1", "//m1"] {
        assert_eq!(client.register(&bob, &key(hotkey)).await, Outcome::Success);
    }
    assert_eq!(client.stake(&bob, &key("//v1"), 100).await, Outcome::Success);
    let bought = client.neurons().await[0].stake[0].1;
    client.blocks(20).await;
    assert_eq!(client.set_weights(&key("//v1"), &[1], &[1]).await, Outcome::Success);
    client.blocks(20).await;
    let neurons = client.neurons().await;
    let paid = neurons.iter().map(|neuron| neuron.stake[0].1).sum::<u64>() - bought;
    // Two epochs' alpha, less the owner's 18 %.
    let blocks = next_epoch(&client).await - 20;
    let expected = blocks * TAO * 82 / 100;
    assert!(paid.abs_diff(expected) < TAO / 1_000, "{paid}, not {expected}");
    assert!(neurons[1].stake[0].1 > 0, "miners are paid in stake");
}

#[tokio::test]
async fn epochs_come_every_tempo_and_the_api_says_when() {
    let client = Client::instant().await;
    assert_eq!(next_epoch(&client).await, 20);
    client.blocks(19).await;
    assert_eq!(next_epoch(&client).await, 20);
    client.blocks(1).await;
    assert_eq!(next_epoch(&client).await, 40);
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16,), u64>("SubtensorModule", "SubnetEpochIndex");
    assert_eq!(at.storage().fetch(address, (NETUID,)).await.unwrap().decode().unwrap(), 1);
}

#[tokio::test]
async fn a_validator_alone_in_its_opinion_is_clipped() {
    let client = Client::instant().await;
    let bob = key("//Bob");
    for hotkey in ["//v1", "//v2", "//m1", "//m2"] {
        client.register(&bob, &key(hotkey)).await;
    }
    client.stake(&bob, &key("//v1"), 300).await;
    client.stake(&bob, &key("//v2"), 100).await;
    client.blocks(20).await;
    client.set_weights(&key("//v1"), &[2], &[1]).await;
    client.set_weights(&key("//v2"), &[3], &[1]).await;
    client.blocks(20).await;
    let neurons = client.neurons().await;
    assert_eq!((neurons[2].incentive, neurons[3].incentive), (65_535, 0));
    assert_eq!((neurons[0].validator_trust, neurons[1].validator_trust), (65_535, 0));
    assert_eq!(neurons[2].consensus, 65_535);
}

#[tokio::test]
async fn an_owner_calls_an_epoch_and_it_comes_after_the_window_in_which_hyperparameters_are_frozen() {
    let client = Client::instant().await;
    let alice = key("//Alice");
    let trigger = || client.submit("SubtensorModule", "trigger_epoch", vec![number(NETUID)], &alice);
    assert_eq!(trigger().await, Outcome::Success);
    let called_at = u64::from(client.chain.best_number());
    assert_eq!(next_epoch(&client).await, called_at + 10);
    assert_eq!(trigger().await, failed("EpochTriggerAlreadyPending"));
    client.blocks((called_at + 10) as u32 - client.chain.best_number()).await;
    assert_eq!(epochs_of(&client, NETUID).await, 1);
    assert_eq!(next_epoch(&client).await, called_at + 30, "the schedule goes on from it");
    assert_eq!(trigger().await, failed("TxRateLimitExceeded"));
    client.blocks(12).await;
    assert_eq!(trigger().await, failed("AutoEpochAlreadyImminent"));
    let stranger =
        client.submit("SubtensorModule", "trigger_epoch", vec![number(NETUID)], &key("//Bob")).await;
    assert!(matches!(stranger, Outcome::Failed(_)), "{stranger:?}");
}

#[tokio::test]
async fn epochs_beyond_the_limit_of_a_block_wait_for_the_next() {
    let mut config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
    for netuid in [65, 66] {
        let subnet = Subnet { netuid, ..config.genesis.subnets[0].clone() };
        config.genesis.subnets.push(subnet);
    }
    let client = Client::of(config).await;
    let limit =
        [sp_crypto_hashing::twox_128(b"SubtensorModule"), sp_crypto_hashing::twox_128(b"MaxEpochsPerBlock")]
            .concat();
    let one = json!([[format!("0x{}", hex::encode(limit)), "0x01"]]);
    client.rpc("dev_setStorage", json!([one])).await.unwrap();
    let epochs = || async {
        [epochs_of(&client, 64).await, epochs_of(&client, 65).await, epochs_of(&client, 66).await]
    };
    client.blocks(19).await;
    assert_eq!(epochs().await, [1, 0, 0], "all are due in block 20");
    client.blocks(1).await;
    assert_eq!(epochs().await, [1, 1, 0]);
    client.blocks(1).await;
    assert_eq!(epochs().await, [1, 1, 1]);
}

/// How many epochs a subnet has had.
async fn epochs_of(client: &Client, netuid: u16) -> u64 {
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16,), u64>("SubtensorModule", "SubnetEpochIndex");
    at.storage().fetch(address, (netuid,)).await.unwrap().decode().unwrap()
}
