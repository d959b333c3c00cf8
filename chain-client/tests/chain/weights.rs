//! Setting weights and reading them back.

use std::time::Duration;

use chain_client::weights::{Manner, Progress, Scores, Step, Timing, Wait, WeightSetter, WeightsTarget};
use chain_client::{ChainClient, ConnectConfig, SubmitError};
use protocol::digest::Digest;
use tempfile::TempDir;

use crate::metered_wire::MeteredWire;
use crate::support::{NETUID, VALIDATOR, World, account, key, soon};

/// Any time in the tempo.
const AT_ONCE: Timing = Timing { submit_after_percent: 0, ..Timing::DEFAULT };

/// Sets weights from a journal of its own.
pub struct Setting {
    setter: WeightSetter,
    _folder: TempDir,
}

impl Setting {
    pub async fn of(chain: &ChainClient, hotkey: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = WeightsTarget {
            netuid: NETUID,
            mechanism: 0,
            version_key: None,
            timing: AT_ONCE,
            journal_folder: folder.path().to_owned(),
        };
        let setter = WeightSetter::open(chain.clone(), key(hotkey), target).await.unwrap();
        Self { setter, _folder: folder }
    }

    async fn step(&mut self, values: &[(u16, f64)]) -> Step {
        let scores = Scores { values: values.to_vec(), label: Digest::ZERO };
        self.setter.set_weights(&scores).await.unwrap()
    }

    /// Steps until the vector sent is in a block, which an instant chain makes in a moment.
    async fn outcome(&mut self, values: &[(u16, f64)]) -> Step {
        let steps = async {
            let mut tick = tokio::time::interval(Duration::from_millis(2));
            loop {
                tick.tick().await;
                match self.step(values).await {
                    Step::Submitted { manner: Manner::Plain, .. } | Step::Waiting(Wait::InDoubt { .. }) => {}
                    outcome => return outcome,
                }
            }
        };
        soon("the vector to land", steps).await
    }

    /// Sets weights and gives the block they landed in.
    pub async fn land(&mut self, values: &[(u16, f64)]) -> u32 {
        match self.outcome(values).await {
            Step::Confirmed { in_block } => u32::try_from(in_block).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn set_weights_are_read_back() {
    let world = World::with_validator(|_| {}).await;
    let mut setting = Setting::of(&world.chain, VALIDATOR).await;
    let number = setting.land(&[(0, 0.5), (1, 1.0)]).await;
    let block = world.chain.block_at(number).await.unwrap();
    let weights = world.chain.weights(NETUID, block).await.unwrap();
    assert_eq!(weights.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(weights[&0], [(0, 32_768), (1, u16::MAX)]);
    assert_eq!(world.chain.balance_rao(&account(VALIDATOR), block).await.unwrap(), 0);
    let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
    let validator = metagraph.by_hotkey(&account(VALIDATOR)).unwrap();
    assert!(validator.validator_permit && validator.stake_rao > 0, "{validator:?}");
    assert_eq!(validator.last_update, u64::from(number));
    let progress = &setting.setter.last().unwrap().progress;
    assert!(matches!(progress, Progress::Confirmed { in_block, .. } if *in_block == u64::from(number)));
    assert!(matches!(setting.step(&[(1, 1.0)]).await, Step::Settled), "one vector for one tempo");
}

#[tokio::test]
async fn weights_move_incentive_to_the_miner_after_an_epoch() {
    let world = World::with_validator(|subnet| subnet.tempo_blocks = 10).await;
    let number = Setting::of(&world.chain, VALIDATOR).await.land(&[(1, 7.0)]).await;
    let block = world.chain.block_at(number).await.unwrap();
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
async fn the_rate_limit_is_waited_for_also_after_registration() {
    let world = World::with_validator(|subnet| {
        subnet.weights_rate_limit_blocks = 30;
        subnet.tempo_blocks = 20;
    })
    .await;
    let mut setting = Setting::of(&world.chain, VALIDATOR).await;
    let first = setting.land(&[(1, 1.0)]).await;
    world.localnet.produce_blocks(20 - first).await.unwrap();
    let wait = setting.step(&[(1, 1.0)]).await;
    let Step::Waiting(Wait::RateLimited { from_block }) = wait else { panic!("{wait:?}") };
    assert_eq!(from_block, u64::from(first) + 30);
}

#[tokio::test]
async fn what_cannot_be_set_is_not_sent() {
    let world = World::with_validator(|subnet| subnet.weights_min = 2).await;
    let mut setting = Setting::of(&world.chain, VALIDATOR).await;
    assert!(matches!(setting.step(&[]).await, Step::Waiting(Wait::NothingCounts)));
    assert!(matches!(setting.step(&[(1, 1.0)]).await, Step::Waiting(Wait::TooFew { have: 1, need: 2 })));
    let mut without_permit = Setting::of(&world.chain, "//Miner").await;
    assert!(matches!(without_permit.step(&[(0, 1.0)]).await, Step::Waiting(Wait::NoPermit)));
    let mut stranger = Setting::of(&world.chain, "//Bob").await;
    assert!(matches!(stranger.step(&[(0, 1.0)]).await, Step::Waiting(Wait::NotRegistered)));
    assert_eq!(world.localnet.best_number(), 0);
}

#[tokio::test]
async fn a_refusal_is_reported_and_tried_again_later_with_the_same_vector() {
    let world = World::with_validator(|subnet| subnet.tempo_blocks = 50).await;
    let mut setting = Setting::of(&world.chain, VALIDATOR).await;
    // A uid that does not exist passes the pool and fails in the block.
    let scores = [(1, 1.0), (900, 1.0)];
    let failed = setting.outcome(&scores).await;
    let Step::Refused(SubmitError::Dispatch { pallet, error }) = &failed else { panic!("{failed:?}") };
    assert_eq!((pallet.as_str(), error.as_str()), ("SubtensorModule", "UidVecContainInvalidOne"));
    let wait = setting.step(&scores).await;
    assert!(matches!(wait, Step::Waiting(Wait::Refused { .. })), "{wait:?}");
    let decided = setting.setter.last().unwrap().vector.clone();
    world.localnet.produce_blocks(3).await.unwrap();
    assert!(matches!(setting.step(&[(1, 1.0)]).await, Step::Submitted { .. }), "the same again");
    assert_eq!(setting.setter.last().unwrap().vector, decided);
}

#[tokio::test]
async fn weights_are_read_again_only_where_somebody_may_have_set_some() {
    let world = World::with_validator(|_| {}).await;
    let wire = MeteredWire::to(world.localnet.address()).await;
    let chain = ChainClient::connect(ConnectConfig::new([wire.url()])).await.unwrap();
    let look = async || {
        let head = chain.finalized().await.unwrap();
        chain.metagraph(NETUID, head).await.unwrap()
    };
    let first = look().await;
    let weights = chain.weights(NETUID, first.block).await.unwrap();
    assert!(weights.is_empty());
    world.localnet.produce_blocks(2).await.unwrap();
    let second = look().await;
    let before = wire.meter();
    assert_eq!(chain.refresh_weights(&first, &weights, &second).await.unwrap(), weights);
    assert_eq!(wire.meter().since(&before).methods, [""; 0], "nobody set any");

    Setting::of(&world.chain, VALIDATOR).await.land(&[(0, 0.5), (1, 1.0)]).await;
    let third = look().await;
    let before = wire.meter();
    let now = chain.refresh_weights(&second, &weights, &third).await.unwrap();
    assert_eq!(wire.meter().since(&before).methods, ["state_queryStorageAt"]);
    assert_eq!(now[&0], [(0, 32_768), (1, u16::MAX)]);
    assert_eq!(now, world.chain.weights(NETUID, third.block).await.unwrap());
}
