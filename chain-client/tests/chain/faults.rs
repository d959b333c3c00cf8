//! What networks, providers and chains do to a validator that wants to set weights: it never hangs, and as soon as things
//! are well again its one vector for the tempo lands.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use chain_client::weights::{
    Progress, Scores, SetWeightsError, Step, Timing, Wait, WeightSetter, WeightsTarget,
};
use chain_client::{ChainClient, ConnectConfig, DriftReport, QueryError};
use localnet::runtime::upgrade::Upgrade;
use localnet::runtime::upgrade::drift::{Change, Drift};
use protocol::digest::Digest;
use tempfile::TempDir;

use crate::support::{NETUID, VALIDATOR, Wire, World, key};

const AT_ONCE: Timing = Timing { submit_after_percent: 0, ..Timing::DEFAULT };
/// Deadline of a request here: a fifth of the default of 20 s.
const REQUEST_MS: u64 = 4_000;
/// No step may take longer: 30 s with the default deadline.
const STEP_MAX: Duration = Duration::from_millis(REQUEST_MS * 3 / 2);

struct Validator {
    chain: ChainClient,
    setter: WeightSetter,
    folder: TempDir,
    longest: Duration,
}

impl Validator {
    async fn of(urls: &[String]) -> Self {
        let config = ConnectConfig { request_timeout_ms: REQUEST_MS, ..ConnectConfig::new(urls) };
        let chain = ChainClient::connect(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let setter = open(&chain, &folder).await;
        Self { chain, setter, folder, longest: Duration::ZERO }
    }

    /// The process dies and starts again.
    async fn restart(self) -> Self {
        let Self { chain, setter, folder, longest } = self;
        drop(setter);
        let setter = open(&chain, &folder).await;
        Self { chain, setter, folder, longest }
    }

    async fn step(&mut self) -> Result<Step, SetWeightsError> {
        let started = Instant::now();
        let scores = Scores { values: vec![(1, 1.0)], label: Digest::ZERO };
        let step = self.setter.set_weights(&scores).await;
        self.longest = self.longest.max(started.elapsed());
        assert!(self.longest <= STEP_MAX, "a step took {:?}", self.longest);
        step
    }

    /// Steps until the vector is final, making a block after each.
    async fn land(&mut self, world: &World) -> u64 {
        for _ in 0..40 {
            match self.step().await {
                Ok(Step::Confirmed { in_block }) => return in_block,
                Ok(Step::Settled) => panic!("settled without having seen it land"),
                Ok(_) => {}
                Err(error) => assert!(error.is_passing(), "{error:?}"),
            }
            world.localnet.produce_blocks(1).await.unwrap();
        }
        panic!("no vector landed in 40 blocks; the last is {:?}", self.setter.last());
    }
}

async fn open(chain: &ChainClient, folder: &TempDir) -> WeightSetter {
    let target = WeightsTarget {
        netuid: NETUID,
        mechanism: 0,
        version_key: None,
        timing: AT_ONCE,
        journal_folder: folder.path().to_owned(),
    };
    WeightSetter::open(chain.clone(), key(VALIDATOR), target).await.unwrap()
}

async fn world() -> World {
    World::manual_with_validator(|subnet| subnet.tempo_blocks = 60).await
}

/// How often the validator's weights were accepted, over all blocks.
async fn settings(world: &World) -> usize {
    let mut updates: Vec<u64> = Vec::new();
    for number in 1..=world.localnet.best_number() {
        let block = world.chain.block_at(number).await.unwrap();
        let metagraph = world.chain.metagraph(NETUID, block).await.unwrap();
        updates.push(metagraph.by_uid(0).unwrap().last_update);
    }
    updates.retain(|update| *update > 0);
    updates.dedup();
    updates.len()
}

#[tokio::test]
async fn a_half_open_connection_costs_one_deadline() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    assert_eq!(world.localnet.silence_connections(), 2);
    let lost = validator.step().await.unwrap_err();
    assert!(matches!(lost, SetWeightsError::Query(QueryError::TimedOut { .. })), "{lost:?}");
    let chain = ChainClient::connect(ConnectConfig::new([world.localnet.ws_url()])).await.unwrap();
    let world = World { chain, ..world };
    validator.land(&world).await;
    assert_eq!(settings(&world).await, 1);
}

#[tokio::test]
async fn connections_reset_at_every_step_delay_the_vector_by_no_more_than_steps() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    let (mut landed, mut drops) = (false, 0);
    for _ in 0..40 {
        match validator.step().await {
            Ok(Step::Confirmed { .. }) => {
                landed = true;
                break;
            }
            Ok(_) => drops += world.localnet.drop_connections(),
            Err(error) => assert!(error.is_passing(), "{error:?}"),
        }
        world.localnet.produce_blocks(1).await.unwrap();
        validator = validator.restart().await;
    }
    assert!(landed && drops > 0, "{:?}", validator.setter.last());
    let chain = ChainClient::connect(ConnectConfig::new([world.localnet.ws_url()])).await.unwrap();
    assert_eq!(settings(&World { chain, ..world }).await, 1);
}

#[tokio::test]
async fn when_an_endpoint_goes_away_in_the_middle_the_next_one_carries_on() {
    let world = world().await;
    let mut wire = Wire::to(&world.localnet).await;
    let urls = [wire.url(), world.localnet.ws_url()];
    let mut validator = tokio::select! {
        validator = Validator::of(&urls) => validator,
        () = wire.carry() => unreachable!(),
    };
    tokio::select! {
        step = validator.step() => assert!(matches!(step, Ok(Step::Submitted { .. })), "{step:?}"),
        () = wire.carry() => unreachable!(),
    }
    assert_eq!(validator.chain.url().await.as_ref(), Some(&urls[0]));
    wire.cut().await;
    drop(wire);
    validator.land(&world).await;
    assert_eq!(validator.chain.url().await.as_ref(), Some(&urls[1]));
    assert_eq!(settings(&world).await, 1);
}

#[tokio::test]
async fn refused_connections_are_tried_again_until_they_are_not() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    world.localnet.refuse_connections(Duration::from_millis(1_500)).await;
    world.localnet.drop_connections();
    let mut refused = 0;
    while let Err(error) = validator.step().await {
        assert!(error.is_passing(), "{error:?}");
        refused += 1;
        assert!(refused < 20);
    }
    assert!(refused >= 1);
    let chain = ChainClient::connect(ConnectConfig::new([world.localnet.ws_url()])).await.unwrap();
    let world = World { chain, ..world };
    validator.land(&world).await;
    assert_eq!(settings(&world).await, 1);
}

#[tokio::test]
async fn while_finality_stands_still_nothing_new_is_decided_and_then_it_lands_in_the_same_tempo() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    world.localnet.produce_blocks(2).await.unwrap();
    world.localnet.stall_finality(true);
    world.localnet.produce_blocks(30).await.unwrap();
    let stalled = validator.step().await.unwrap();
    assert!(matches!(stalled, Step::Waiting(Wait::FinalityStalled { blocks: 30 })), "{stalled:?}");
    world.localnet.stall_finality(false);
    world.localnet.produce_blocks(1).await.unwrap();
    let landed = validator.land(&world).await;
    assert!(landed < 60, "in this tempo, not in block {landed}");
    assert_eq!(settings(&world).await, 1);
}

#[tokio::test]
async fn a_vector_in_a_block_that_is_undone_lands_in_another_and_only_once() {
    for depth in 1..=5 {
        let world = world().await;
        let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
        world.localnet.produce_blocks(3).await.unwrap();
        world.localnet.stall_finality(true);
        assert!(matches!(validator.step().await, Ok(Step::Submitted { .. })));
        world.localnet.produce_blocks(depth).await.unwrap();
        assert!(matches!(validator.step().await, Ok(Step::Waiting(Wait::InDoubt { .. }))));
        world.localnet.reorganise(depth).await.unwrap();
        world.localnet.stall_finality(false);
        let landed = validator.land(&world).await;
        assert!(landed > 3, "depth {depth}");
        assert_eq!(settings(&world).await, 1, "depth {depth}");
    }
}

#[tokio::test]
async fn an_upgrade_in_the_middle_of_a_tempo_only_makes_it_sign_again() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    let before = validator.chain.drift_now().await.unwrap();
    assert!(matches!(validator.step().await, Ok(Step::Submitted { .. })));
    world.localnet.upgrade(Upgrade::to(462)).await.unwrap();
    validator.land(&world).await;
    assert_eq!(settings(&world).await, 1);
    let drift = validator.chain.drift_now().await.unwrap();
    assert_eq!(*drift, DriftReport { spec_version: 462, ..DriftReport::clone(&before) });
}

#[tokio::test]
async fn an_upgrade_that_changed_an_item_stops_only_what_needs_it_and_names_it() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    let before = validator.chain.drift_now().await.unwrap();
    let changed = Drift { item: "SubtensorModule.Burn".to_owned(), change: Change::Reshaped };
    world.localnet.upgrade(Upgrade::to(462).with(changed)).await.unwrap();
    world.localnet.produce_blocks(1).await.unwrap();
    let head = world.chain.finalized().await.unwrap();
    let error = validator.chain.hyperparameters(NETUID, head).await.unwrap_err();
    let text = error.to_string();
    for part in ["SubtensorModule.Burn", "spec 462", "spec 461"] {
        assert!(text.contains(part), "{text}");
    }
    let drift = validator.chain.drift_now().await.unwrap();
    let new = drift.changed.iter().filter(|item| !before.changed.contains(item));
    let new: Vec<String> = new.map(ToString::to_string).collect();
    assert_eq!(new, ["storage SubtensorModule.Burn"], "{drift}");
    assert_eq!(drift.gone, before.gone);
    validator.land(&world).await;
}

#[tokio::test]
async fn a_provider_that_limits_the_rate_is_asked_again_later() {
    let world = world().await;
    let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
    world.localnet.limit_rate(NonZeroU32::new(1));
    let answers = futures::future::join_all((0..12).map(|_| validator.chain.best())).await;
    let limited =
        answers.iter().filter(|answer| matches!(answer, Err(QueryError::RateLimited { .. }))).count();
    assert!(limited > 0, "one request a second is too few: {answers:?}");
    if let Err(error) = validator.step().await {
        assert!(error.is_passing(), "{error:?}");
    }
    world.localnet.limit_rate(None);
    validator.land(&world).await;
    assert_eq!(settings(&world).await, 1);
}

#[tokio::test]
async fn a_chain_whose_clock_is_wrong_gets_its_vector_all_the_same() {
    for skew_ms in [3_600_000, -3_600_000] {
        let world = world().await;
        let mut validator = Validator::of(&[world.localnet.ws_url()]).await;
        world.localnet.skew_clock(skew_ms);
        world.localnet.produce_blocks(1).await.unwrap();
        validator.land(&world).await;
        assert_eq!(settings(&world).await, 1);
        let progress = &validator.setter.last().unwrap().progress;
        assert!(matches!(progress, Progress::Confirmed { .. }), "{progress:?}");
    }
}
