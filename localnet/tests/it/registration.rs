//! Registering by burn.

use localnet::{
    Blocks, Config,
    runtime::{Runtime, numbers::NetUid, subtensor::MinNonImmuneUids},
};
use serde_json::json;

use crate::client::{Client, NETUID, Outcome, TAO, account, key, number};

#[tokio::test]
async fn a_registered_hotkey_gets_the_next_uid_and_its_owner_pays_the_burn() {
    let client = Client::instant().await;
    let (bob, hot) = (key("//Bob"), key("//Bob//hot"));
    let before = client.balance(&bob).await;
    assert_eq!(client.register(&bob, &hot).await, Outcome::Success);
    let paid = before - client.balance(&bob).await;
    assert!((TAO / 10..TAO / 9).contains(&paid), "{paid}");

    assert_eq!(client.register(&key("//Dave"), &key("//Dave//hot")).await, Outcome::Success);
    let neurons = client.neurons().await;
    assert_eq!(neurons.len(), 2);
    assert_eq!(neurons[0].hotkey, hot.public_key().to_account_id());
    assert_eq!(neurons[0].coldkey, bob.public_key().to_account_id());
    assert_eq!(neurons[1].uid, 1);
    assert!(neurons[0].active && !neurons[0].validator_permit);
}

#[tokio::test]
async fn each_registration_raises_the_price_which_decays_to_the_minimum() {
    let client = Client::instant().await;
    let bob = key("//Bob");
    let burn = || async {
        let at = client.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16,), u64>("SubtensorModule", "Burn");
        at.storage().fetch(address, (NETUID,)).await.unwrap().decode().unwrap()
    };
    for index in 0..5 {
        assert_eq!(client.register(&bob, &key(&format!("//hot{index}"))).await, Outcome::Success);
    }
    let raised = burn().await;
    assert!(raised > 2 * TAO / 10, "{raised}");
    // The half-life is the tempo.
    client.blocks(20).await;
    let halved = burn().await;
    assert!(halved.abs_diff(raised / 2) < TAO / 1_000, "{halved} of {raised}");
    client.blocks(100).await;
    assert_eq!(burn().await, TAO / 10);
}

#[tokio::test]
async fn registration_says_what_is_wrong_in_the_order_of_the_real_chain() {
    let client = Client::instant().await;
    let (bob, hot) = (key("//Bob"), key("//Bob//hot"));
    let register = |netuid: u16| vec![number(netuid), account(&hot)];
    let failed = |name: &str| Outcome::Failed(format!("Pallet error: SubtensorModule::{name}"));

    let root = client.submit("SubtensorModule", "burned_register", register(0), &bob).await;
    assert_eq!(root, failed("RegistrationNotPermittedOnRootSubnet"));
    let nowhere = client.submit("SubtensorModule", "burned_register", register(9), &bob).await;
    assert_eq!(nowhere, failed("SubnetNotExists"));
    let dear = vec![number(NETUID), account(&hot), number(1u64)];
    let dear = client.submit("SubtensorModule", "register_limit", dear, &bob).await;
    assert_eq!(dear, failed("RegistrationPriceLimitExceeded"));
    assert_eq!(client.register(&bob, &hot).await, Outcome::Success);
    assert_eq!(client.register(&bob, &hot).await, failed("HotKeyAlreadyRegisteredInSubNet"));
    client.succeed("SubtensorModule", "try_associate_hotkey", vec![account(&key("//taken"))], &bob).await;
    assert_eq!(client.register(&key("//Eve"), &key("//taken")).await, failed("NonAssociatedColdKey"));
}

#[tokio::test]
async fn a_full_subnet_replaces_the_neuron_with_the_least_emission_past_its_immunity() {
    let mut config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
    config.genesis.subnets[0].uids_max = 3;
    config.genesis.subnets[0].immunity_blocks = 5;
    let client = Client::of(config).await;
    let bob = key("//Bob");
    for index in 0..3 {
        assert_eq!(client.register(&bob, &key(&format!("//hot{index}"))).await, Outcome::Success);
    }
    client.stake(&bob, &key("//hot0"), 10).await;
    // How many neurons must stay that could be pruned.
    let at_least = MinNonImmuneUids::<Runtime>::hashed_key_for(NetUid::new(NETUID));
    let one = json!([[[format!("0x{}", hex::encode(at_least)), "0x0100"]]]);
    client.rpc("dev_setStorage", one).await.unwrap();
    // One epoch: only the staked neuron earns.
    client.blocks(25).await;
    assert_eq!(client.register(&bob, &key("//newcomer")).await, Outcome::Success);
    let neurons = client.neurons().await;
    assert_eq!(neurons.len(), 3);
    assert_eq!(neurons[1].hotkey, key("//newcomer").public_key().to_account_id());
    assert_eq!((neurons[1].incentive, neurons[1].axon_info.port), (0, 0));
    assert_eq!(neurons[0].hotkey, key("//hot0").public_key().to_account_id());
}
