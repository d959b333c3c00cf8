//! Hyperparameters, epochs, balances and stake.

use crate::support::{NETUID, TAO, VALIDATOR, World, account, key};

#[tokio::test]
async fn hyperparameters_are_those_of_genesis() {
    let world = World::with_subnet(|subnet| {
        subnet.tempo_blocks = 33;
        subnet.weights_rate_limit_blocks = 44;
        subnet.serving_rate_limit_blocks = 55;
        subnet.immunity_blocks = 66;
        subnet.uids_max = 77;
        subnet.weights_min = 8;
        subnet.commit_reveal = true;
    })
    .await;
    let head = world.chain.finalized().await.unwrap();
    let parameters = world.chain.hyperparameters(NETUID, head).await.unwrap();
    assert_eq!(parameters.tempo, 33);
    assert_eq!(parameters.weights_rate_limit, 44);
    assert_eq!(parameters.serving_rate_limit, 55);
    assert_eq!(parameters.immunity_period, 66);
    assert_eq!(parameters.max_allowed_uids, 77);
    assert_eq!(parameters.min_allowed_weights, 8);
    assert_eq!(parameters.weights_version_key, 0);
    assert_eq!(parameters.burn_rao, TAO / 10);
    assert!(parameters.commit_reveal_enabled);
    assert!(parameters.registration_allowed);
    assert_eq!(world.chain.metagraph(NETUID, head).await.unwrap().tempo, 33);
}

#[tokio::test]
async fn epochs_run_in_the_predicted_blocks() {
    let world = World::manual().await;
    for _ in 0..3 {
        let head = world.chain.best().await.unwrap();
        let before = world.chain.epoch(NETUID, head).await.unwrap();
        let predicted = before.next_epoch_block.unwrap();
        let left = u32::try_from(before.blocks_left().unwrap()).unwrap();
        world.localnet.produce_blocks(left - 1).await.unwrap();
        let head = world.chain.best().await.unwrap();
        let eve = world.chain.epoch(NETUID, head).await.unwrap();
        assert_eq!((eve.epoch_index, eve.next_epoch_block), (before.epoch_index, Some(predicted)));
        world.localnet.produce_blocks(1).await.unwrap();
        let head = world.chain.best().await.unwrap();
        let after = world.chain.epoch(NETUID, head).await.unwrap();
        assert_eq!((after.epoch_index, after.last_epoch_block), (before.epoch_index + 1, predicted));
    }
}

#[tokio::test]
async fn transfer_arrives() {
    let world = World::instant().await;
    let block = world.chain.transfer(&key("//Alice"), &account("//Somebody"), 3 * TAO).await.unwrap();
    assert_eq!(world.chain.balance_rao(&account("//Somebody"), block).await.unwrap(), 3 * TAO);
}

#[tokio::test]
async fn transfer_of_more_than_one_has_fails_as_insufficient() {
    let world = World::instant().await;
    let error = world.chain.transfer(&key("//Ferdie"), &account("//Bob"), 3_000 * TAO).await.unwrap_err();
    assert!(error.is_insufficient_balance(), "{error:?}");
}

#[tokio::test]
async fn staking_raises_the_hotkeys_stake() {
    let world = World::with_validator(|_| {}).await;
    let head = world.chain.finalized().await.unwrap();
    let stake = async |block| {
        let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
        metagraph.by_hotkey(&account(VALIDATOR)).unwrap().stake_rao
    };
    let before = stake(head).await;
    let block = world.chain.add_stake(&key("//Bob"), &account(VALIDATOR), NETUID, 10 * TAO).await.unwrap();
    assert!(stake(block).await > before);
}

#[tokio::test]
async fn staking_less_than_the_minimum_is_refused_with_the_reason() {
    let world = World::with_validator(|_| {}).await;
    let error = world.chain.add_stake(&key("//Bob"), &account(VALIDATOR), NETUID, 1_000).await.unwrap_err();
    assert!(error.hint().contains("0.002 TAO"), "{error:?}: {}", error.hint());
}

#[tokio::test]
async fn times_are_the_chains() {
    let world = World::manual().await;
    assert_eq!(
        world.chain.block_time_ms().await.unwrap(),
        localnet::Genesis::default().slot_duration_ms,
        "the constant of the live runtime"
    );
    world.localnet.produce_blocks(1).await.unwrap();
    let first = world.chain.best().await.unwrap();
    world.localnet.travel(60_000);
    world.localnet.produce_blocks(1).await.unwrap();
    let second = world.chain.best().await.unwrap();
    let first = world.chain.timestamp_ms(first).await.unwrap();
    let second = world.chain.timestamp_ms(second).await.unwrap();
    assert!(second >= first + 60_000, "{first} {second}");
}
