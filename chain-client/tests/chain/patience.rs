//! Submissions end in time, whatever the chain does: with what is known by then.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chain_client::{
    Announced, Announcement, ChainClient, ConnectConfig, Registration, SubmitError, SubmitStage,
};

use crate::support::{NETUID, TAO, VALIDATOR, World, account, key, soon, until};

const LIMIT: Duration = Duration::from_millis(700);
/// The default is 30 s: what is in no block or not final by then is said to be so.
const SLACK: Duration = Duration::from_secs(2);

fn hasty(chain: &ChainClient) -> ChainClient {
    chain.clone().with_submit_timeout(LIMIT)
}

#[test]
fn no_wait_is_longer_than_thirty_seconds_unless_somebody_asks_for_it() {
    let config = ConnectConfig::new(["ws://127.0.0.1:1"]);
    assert!(config.request_timeout_ms <= 30_000 && config.submit_timeout_ms <= 30_000, "{config:?}");
}

#[tokio::test]
async fn a_registration_in_a_block_that_does_not_become_final_is_reported_as_such() {
    let world = World::instant().await;
    world.localnet.stall_finality(true);
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let chain = hasty(&world.chain).telling(move |progress| {
        listener.lock().unwrap().push((progress.stage, progress.to_string()));
    });
    let started = Instant::now();
    let registered = chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    assert!(started.elapsed() < LIMIT + SLACK, "{:?}", started.elapsed());
    let Registration::NotFinal { uid: 0, block } = registered else { panic!("{registered:?}") };
    assert_eq!(block.number, 1);
    let told = std::mem::take(&mut *told.lock().unwrap());
    let (last, words) = told.last().unwrap();
    assert_eq!(*last, SubmitStage::InBlock(block), "{told:?}");
    assert!(words.contains("in block 1, waiting until it is final"), "{words}");

    world.localnet.stall_finality(false);
    world.localnet.produce_blocks(1).await.unwrap();
    let again = world.chain.register_burned(&key("//Bob"), &account("//Miner"), NETUID).await.unwrap();
    assert_eq!(again, Registration::AlreadyRegistered { uid: 0 });
}

#[tokio::test]
async fn an_axon_and_a_commitment_in_a_block_that_is_not_final_are_no_failures() {
    let world = World::with_validator(|subnet| subnet.serving_rate_limit_blocks = 0).await;
    world.localnet.stall_finality(true);
    let chain = hasty(&world.chain);
    let wanted = Announcement { address: "203.0.113.7:8091".parse().unwrap(), tls_key: None };
    let announced = chain.announce_axon(&key("//Miner"), NETUID, &wanted).await.unwrap();
    assert!(matches!(announced, Announced::NotFinal { block } if block.number == 1), "{announced:?}");
    let error = chain.set_commitment(&key(VALIDATOR), NETUID, &[7; 32]).await.unwrap_err();
    let SubmitError::NotFinal { block, after_ms: 700, .. } = &error else { panic!("{error:?}") };
    assert!(error.to_string().contains("in block 2, not yet final"), "{error}");
    assert!(error.hint().contains("chain status"), "{}", error.hint());
    let committed = world.chain.commitment(NETUID, &account(VALIDATOR), *block).await.unwrap();
    assert_eq!(committed.unwrap().sha256(), Some(&[7; 32]));
}

#[tokio::test]
async fn what_fails_in_a_block_that_is_not_final_is_reported_with_its_reason() {
    let world = World::instant().await;
    world.localnet.stall_finality(true);
    let chain = hasty(&world.chain);
    let failed = chain.register_up_to(&key("//Bob"), &account("//Miner"), NETUID, TAO / 100).await;
    let Err(SubmitError::Dispatch { error, .. }) = &failed else { panic!("{failed:?}") };
    assert_eq!(error, "RegistrationPriceLimitExceeded");
}

#[tokio::test]
async fn a_submission_whose_connection_falls_silent_ends_in_time() {
    let world = World::manual().await;
    let config = ConnectConfig { request_timeout_ms: 400, ..ConnectConfig::new([world.localnet.ws_url()]) };
    let chain = ChainClient::connect(config).await.unwrap().with_submit_timeout(LIMIT);
    let started = Instant::now();
    let bob = key("//Bob");
    let miner = account("//Miner");
    let transferring = chain.transfer(&bob, &miner, TAO);
    let silence = async {
        until("the extrinsic to be in the pool", || world.localnet.waiting() == 1).await;
        world.localnet.silence_connections();
    };
    let (outcome, ()) = soon("the end", async { tokio::join!(transferring, silence) }).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, SubmitError::TimedOut { .. } | SubmitError::Query(_)), "{error:?}");
    assert!(started.elapsed() < LIMIT + SLACK, "{:?}", started.elapsed());
}
