//! Setting weights and reading them back.

use chain_client::{PoolRejection, SubmitError};

use crate::support::{NETUID, VALIDATOR, World, account, key};

#[tokio::test]
async fn set_weights_are_read_back() {
    let world = World::with_validator(|_| {}).await;
    let block =
        world.chain.set_weights(&key(VALIDATOR), NETUID, &[(0, 100), (1, u16::MAX)], 0).await.unwrap();
    let weights = world.chain.weights(NETUID, block).await.unwrap();
    assert_eq!(weights.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(weights[&0], [(0, 100), (1, u16::MAX)]);
    assert_eq!(world.chain.balance_rao(&account(VALIDATOR), block).await.unwrap(), 0);
    let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
    let validator = metagraph.by_hotkey(&account(VALIDATOR)).unwrap();
    assert!(validator.validator_permit && validator.stake_rao > 0, "{validator:?}");
    assert_eq!(validator.last_update, u64::from(block.number));
}

#[tokio::test]
async fn weights_move_incentive_to_the_miner_after_an_epoch() {
    let world = World::with_validator(|subnet| subnet.tempo_blocks = 10).await;
    let block = world.chain.set_weights(&key(VALIDATOR), NETUID, &[(1, u16::MAX)], 0).await.unwrap();
    let epoch = world.chain.epoch(NETUID, block).await.unwrap();
    let left = u32::try_from(epoch.blocks_left().unwrap()).unwrap();
    world.localnet.produce_blocks(left).await.unwrap();
    let head = world.chain.best().await.unwrap();
    let metagraph = world.chain.metagraph(NETUID, head).await.unwrap();
    let miner = metagraph.by_hotkey(&account("//Miner")).unwrap();
    assert_eq!((miner.incentive, miner.consensus), (u16::MAX, u16::MAX), "{miner:?}");
    assert_eq!(metagraph.by_hotkey(&account(VALIDATOR)).unwrap().dividends, u16::MAX);
}

#[tokio::test]
async fn subnet_with_commit_reveal_is_refused_clearly() {
    let world = World::with_validator(|subnet| subnet.commit_reveal = true).await;
    let error = world.chain.set_weights(&key(VALIDATOR), NETUID, &[(1, 1)], 0).await.unwrap_err();
    assert!(matches!(error, SubmitError::CommitRevealEnabled { netuid: NETUID }), "{error:?}");
}

#[tokio::test]
async fn weights_again_too_soon_are_refused_as_rate_limited() {
    let world = World::with_validator(|subnet| subnet.weights_rate_limit_blocks = 100).await;
    let validator = key(VALIDATOR);
    world.localnet.produce_blocks(100).await.unwrap();
    world.chain.set_weights(&validator, NETUID, &[(1, 1)], 0).await.unwrap();
    let error = world.chain.set_weights(&validator, NETUID, &[(1, 1)], 0).await.unwrap_err();
    assert!(error.is_rate_limited(), "{error:?}");
    assert!(matches!(error, SubmitError::Pool(PoolRejection::RateLimitExceeded)), "{error:?}");
}

#[tokio::test]
async fn hotkey_without_permit_fails_with_the_runtimes_name_for_it() {
    let world = World::with_validator(|_| {}).await;
    let error = world.chain.set_weights(&key("//Miner"), NETUID, &[(0, 1)], 0).await.unwrap_err();
    let SubmitError::Dispatch { pallet, error: name } = &error else { panic!("{error:?}") };
    assert_eq!((pallet.as_str(), name.as_str()), ("SubtensorModule", "NeuronNoValidatorPermit"));
    assert!(error.hint().contains("permits"), "{}", error.hint());
}
