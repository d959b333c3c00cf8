use std::time::Duration;

use chain_client::{AxonRecord, ConnectConfig};
use localnet::{Blocks, Config, Localnet};
use tokio::time::{interval, timeout};

use super::*;
use crate::chain_watch;

const NETUID: u16 = localnet::config::NETUID;
const LIMIT_BLOCKS: u32 = 12;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_axon_is_published_when_it_drifts_and_not_too_early() {
    let right = Situation { is_right: true, block: 10, not_before_block: 0 };
    assert_eq!(decide(&right), Decision::Keep);
    let drifted = Situation { is_right: false, ..right };
    assert_eq!(decide(&drifted), Decision::Publish);
    assert_eq!(decide(&Situation { not_before_block: 11, ..drifted }), Decision::Wait);
    assert_eq!(decide(&Situation { not_before_block: 10, ..drifted }), Decision::Publish);
}

/// A chain with a registered hotkey whose axon is kept right.
struct World {
    chain: Localnet,
    client: ChainClient,
    hotkey: Keypair,
    seen: watch::Receiver<Sighting>,
    _stop: tokio_util::sync::DropGuard,
}

impl World {
    async fn keeping(desired: Announcement) -> Self {
        let mut config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
        config.genesis.subnets[0].serving_rate_limit_blocks = LIMIT_BLOCKS.into();
        let chain = localnet::spawn(config).await.unwrap();
        let connect = || ChainClient::connect(ConnectConfig::new([chain.ws_url()]));
        let (client, own) = (connect().await.unwrap(), connect().await.unwrap());
        let hotkey = Keypair::from_dev_uri("//Miner").unwrap();
        let coldkey = Keypair::from_dev_uri("//Alice").unwrap();
        client.register_burned(&coldkey, &hotkey.public(), NETUID).await.unwrap();

        let stop = CancellationToken::new();
        let (sightings, seen) = watch::channel(chain_watch::look(&own, NETUID, None).await.unwrap());
        let publisher = Publisher {
            client: own.clone(),
            hotkey: hotkey.clone(),
            netuid: NETUID,
            desired,
            retry_blocks: 1,
        };
        tokio::spawn(publisher.follow(seen.clone(), stop.clone()));
        tokio::spawn(chain_watch::follow(own, NETUID, Duration::ZERO, sightings, stop.clone()));
        Self { chain, client, hotkey, seen, _stop: stop.drop_guard() }
    }

    async fn record(&self) -> Option<AxonRecord> {
        let head = self.client.best().await.unwrap();
        self.client.axon(NETUID, &self.hotkey.public(), head).await.unwrap().record
    }

    /// Makes a block and waits until the miner has seen it.
    async fn next_block(&mut self) {
        self.chain.produce_blocks(1).await.unwrap();
        let head = self.chain.best_number();
        let seen = self.seen.wait_for(|seen| seen.metagraph.block.number >= head);
        timeout(PATIENCE, seen).await.expect("the miner sees every block").unwrap();
    }

    /// Makes blocks until the chain says this about the axon; gives what it says.
    async fn until_said(&mut self, wanted: &Announcement, blocks_max: u32) -> AxonRecord {
        let mut tick = interval(Duration::from_millis(5));
        for _ in 0..blocks_max {
            // The publisher's own transaction makes a block too: give it a moment to do so.
            for _ in 0..10 {
                tick.tick().await;
                if let Some(record) = self.record().await.filter(|record| wanted.is(record)) {
                    return record;
                }
            }
            self.next_block().await;
        }
        panic!("not said within {blocks_max} blocks: {:?}", self.record().await);
    }
}

#[tokio::test]
async fn an_axon_changed_behind_the_miners_back_is_published_again_as_soon_as_the_chain_allows_it() {
    let tls_key = Some("0x01aabbcc".parse().unwrap());
    let desired = Announcement { address: "203.0.113.7:8091".parse().unwrap(), tls_key };
    let mut world = World::keeping(desired.clone()).await;
    let first = world.until_said(&desired, 5).await;
    assert_eq!(first.tls_key, desired.tls_key);

    for _ in 0..LIMIT_BLOCKS {
        world.next_block().await;
    }
    let elsewhere = "203.0.113.8:1".parse().unwrap();
    let block = world.client.serve_axon(&world.hotkey, NETUID, elsewhere).await.unwrap();
    assert_eq!(world.record().await.unwrap().address, Some(elsewhere));

    let again = world.until_said(&desired, LIMIT_BLOCKS + 10).await;
    let allowed = u64::from(block.number + LIMIT_BLOCKS);
    assert!(
        (allowed..=allowed + 5).contains(&again.announced_at),
        "allowed in block {allowed}, announced in {}",
        again.announced_at
    );
}
