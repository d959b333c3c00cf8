//! Registration by burn.

use std::num::NonZeroUsize;

use chain_client::{PowConfig, PowError, QueryError, Registration, RegistrationObstacle, SubmitError};

use crate::support::{NETUID, TAO, World, account, key};

#[tokio::test]
async fn registered_hotkey_is_in_the_metagraph_under_its_coldkey() {
    let world = World::instant().await;
    let registration = world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    let Registration::Registered { uid, block } = registration else { panic!("{registration:?}") };
    let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
    let neuron = metagraph.by_hotkey(&account("//Miner")).unwrap();
    assert_eq!((neuron.uid, neuron.coldkey), (uid, account("//Bob")));
    assert_eq!(neuron.registered_at, Some(block.number.into()));
    assert_eq!(neuron.axon, None);
    assert_eq!(metagraph.by_uid(uid), Some(neuron));
    assert_eq!(world.chain.uid_of(NETUID, &account("//Miner"), block).await.unwrap(), Some(uid));
}

#[tokio::test]
async fn registering_twice_is_no_error_and_costs_nothing() {
    let world = World::instant().await;
    let first = world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    let head = world.chain.finalized().await.unwrap();
    let before = world.chain.balance_rao(&account("//Bob"), head).await.unwrap();
    let second = world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    assert_eq!(second, Registration::AlreadyRegistered { uid: first.uid() });
    let head = world.chain.finalized().await.unwrap();
    assert_eq!(world.chain.balance_rao(&account("//Bob"), head).await.unwrap(), before);
}

#[tokio::test]
async fn coldkey_that_cannot_pay_the_price_is_told_so() {
    let world = World::instant().await;
    world.chain.transfer(&key("//Alice"), &account("//Poor"), TAO / 20).await.unwrap();
    let error = world.chain.register_burned(&key("//Poor"), &account("//Miner"), NETUID).await.unwrap_err();
    assert!(error.is_insufficient_balance(), "{error:?}");
    assert!(error.hint().contains("send TAO"), "{}", error.hint());
}

#[tokio::test]
async fn coldkey_that_cannot_pay_the_fee_is_told_so() {
    let world = World::instant().await;
    let error = world.chain.register_burned(&key("//Nobody"), &account("//Miner"), NETUID).await.unwrap_err();
    assert!(matches!(error, SubmitError::Pool(_)), "{error:?}");
    assert!(error.is_insufficient_balance(), "{error:?}");
}

#[tokio::test]
async fn subnet_that_does_not_exist_is_noticed_before_paying() {
    let world = World::instant().await;
    let error =
        world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID + 1).await.unwrap_err();
    assert!(matches!(error, SubmitError::Query(QueryError::SubnetNotFound { .. })), "{error:?}");
}

#[tokio::test]
async fn many_registrations_of_one_coldkey_at_once_all_succeed() {
    let world = World::instant().await;
    let hotkeys: Vec<_> = (0..4).map(|number| account(&format!("//Miner//{number}"))).collect();
    let bob = key("//Bob");
    let registering = hotkeys.iter().map(|hotkey| world.chain.register_burned(&bob, hotkey, NETUID));
    for registration in futures::future::join_all(registering).await {
        registration.unwrap();
    }
    let head = world.chain.finalized().await.unwrap();
    let metagraph = world.chain.metagraph(NETUID, head).await.unwrap();
    assert_eq!(metagraph.neurons.len(), hotkeys.len());
}

#[tokio::test]
async fn a_quote_is_what_the_registration_then_costs() {
    let world = World::instant().await;
    let (bob, miner) = (account("//Bob"), account("//Miner"));
    let before = world.chain.finalized().await.unwrap();
    let quote = world.chain.registration_quote(NETUID, &miner, &bob, before).await.unwrap();
    assert_eq!((quote.uid, quote.owner, quote.burn_rao), (None, None, TAO / 10));
    assert_eq!((quote.existential_deposit_rao, quote.neurons.0), (500, 0));
    assert_eq!(quote.obstacle(Some(TAO / 10)), None);
    let limit = quote.burn_rao;
    let registered = world.chain.register_up_to(&key("//Bob"), &miner, NETUID, limit).await.unwrap();
    let Registration::Registered { uid, block } = registered else { panic!("{registered:?}") };
    let paid = quote.balance_rao - world.chain.balance_rao(&bob, block).await.unwrap();
    assert_eq!(paid, quote.burn_rao + quote.fee_rao, "the fee was {}", quote.fee_rao);
    let after = world.chain.registration_quote(NETUID, &miner, &account("//Alice"), block).await.unwrap();
    assert_eq!((after.uid, after.owner, after.neurons.0), (Some(uid), Some(bob), 1));
    assert!(after.burn_rao > quote.burn_rao, "each registration raises the price");
    let other = after.obstacle(None).unwrap();
    assert_eq!(other, RegistrationObstacle::OtherOwner { owner: bob });
}

#[tokio::test]
async fn the_chain_holds_the_price_to_the_limit() {
    let world = World::instant().await;
    let limit = TAO / 10 - 1;
    let error =
        world.chain.register_up_to(&key("//Bob"), &account("//Miner"), NETUID, limit).await.unwrap_err();
    let SubmitError::Dispatch { error: name, .. } = &error else { panic!("{error:?}") };
    assert_eq!(name, "RegistrationPriceLimitExceeded");
    assert!(error.hint().contains("limit"), "{}", error.hint());
    let head = world.chain.finalized().await.unwrap();
    assert_eq!(world.chain.uid_of(NETUID, &account("//Miner"), head).await.unwrap(), None);
}

#[tokio::test]
async fn work_registers_where_the_runtime_takes_it_and_costs_nothing() {
    let world = World::with_work(1_000).await;
    let config = PowConfig { threads: NonZeroUsize::MIN, attempts_max: 3 };
    let (poor, miner) = (key("//Poor"), account("//Miner"));
    let registered = world.chain.register_pow(&poor, &miner, NETUID, config, |_| {}).await.unwrap();
    let Registration::Registered { uid, block } = registered else { panic!("{registered:?}") };
    let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
    assert_eq!(metagraph.by_uid(uid).unwrap().coldkey, poor.public());
    let again = world.chain.register_pow(&poor, &miner, NETUID, config, |_| {}).await.unwrap();
    assert_eq!(again, Registration::AlreadyRegistered { uid });
}

#[tokio::test]
async fn work_is_refused_before_it_is_done_where_the_runtime_has_no_use_for_it() {
    let world = World::without_work().await;
    let config = PowConfig { threads: NonZeroUsize::MIN, attempts_max: 1 };
    let (bob, miner) = (key("//Bob"), account("//Miner"));
    let error = world.chain.register_pow(&bob, &miner, NETUID, config, |_| {}).await.unwrap_err();
    assert!(matches!(error, PowError::Unavailable { spec_version: 462 }), "{error:?}");
    assert!(error.hint().contains("burning"));
}
