//! What reading a metagraph costs, and following one.

use std::num::NonZeroU32;
use std::pin::pin;

use chain_client::{Announcement, ChainClient, ConnectConfig, MetagraphUpdate};
use futures::StreamExt;
use localnet::runtime::subtensor::genesis::Neuron;

use crate::metered_wire::{Meter, MeteredWire};
use crate::support::{NETUID, TAO, World, account, key, soon};

const NEURONS: usize = 256;

/// What one read sent and received.
async fn cost<T>(wire: &MeteredWire, read: impl Future<Output = T>) -> (T, Meter) {
    let before = wire.meter();
    let value = read.await;
    (value, wire.meter().since(&before))
}

#[tokio::test]
async fn a_full_subnet_is_read_and_refreshed_in_few_calls_and_bytes() {
    let world = World::with_subnet(|subnet| {
        subnet.uids_max = NEURONS as u16;
        subnet.serving_rate_limit_blocks = 0;
        let neuron = |number: usize| Neuron {
            hotkey: localnet::accounts::dev_account(&format!("//Neuron//{number}")).unwrap(),
            coldkey: localnet::accounts::dev_account(&format!("//Owner//{number}")).unwrap(),
            stake_rao: number as u64 * TAO,
            permit: number < 64,
        };
        subnet.neurons = (0..NEURONS).map(neuron).collect();
    })
    .await;
    let tls_key = Some("0x01aabb".parse().unwrap());
    let announcement = Announcement { address: "203.0.113.7:8091".parse().unwrap(), tls_key };
    world.chain.announce_axon(&key("//Neuron//7"), NETUID, &announcement).await.unwrap();

    let wire = MeteredWire::to(world.localnet.address()).await;
    let chain = ChainClient::connect(ConnectConfig::new([wire.url()])).await.unwrap();
    let head = chain.finalized().await.unwrap();
    // The first request of all also fetches the runtime's metadata.
    chain.hyperparameters(NETUID, head).await.unwrap();
    let (whole, first) = cost(&wire, chain.metagraph(NETUID, head)).await;
    let whole = whole.unwrap();
    assert_eq!(whole.neurons.len(), NEURONS);
    assert_eq!(whole.neurons[7].tls_key, announcement.tls_key);

    // A key that did not change is not read again; one that did is.
    let tls_key = Some("0x02cc".parse().unwrap());
    let other = Announcement { tls_key, ..announcement.clone() };
    world.chain.announce_axon(&key("//Neuron//8"), NETUID, &other).await.unwrap();
    let head = chain.finalized().await.unwrap();
    let (refreshed, refresh) = cost(&wire, chain.refresh_metagraph(&whole, head)).await;
    let refreshed = refreshed.unwrap();
    assert_eq!(refreshed.neurons[7], whole.neurons[7]);
    assert_eq!(refreshed.neurons[8].tls_key, other.tls_key);
    println!("read: {first:?}\nrefresh: {refresh:?}");
    // The metagraph, and one request for trust and new keys; at a new block also the runtime's version, once.
    assert_eq!(first.methods, ["state_call", "state_queryStorageAt"]);
    assert_eq!(refresh.methods, ["state_call", "state_call", "state_queryStorageAt"]);
    for meter in [&first, &refresh] {
        assert!(meter.bytes() <= 120 * 1024, "{meter:?}");
    }
}

#[tokio::test]
async fn changes_are_told_as_they_come_and_nothing_else_is() {
    let world = World::with_validator(|subnet| subnet.serving_rate_limit_blocks = 0).await;
    let mut updates = pin!(world.chain.metagraph_changes(NETUID, NonZeroU32::MIN));
    let mut next = async || -> MetagraphUpdate {
        soon("a change", updates.next()).await.expect("the stream does not end").unwrap()
    };
    assert_eq!(next().await.changes.registered, [0, 1]);
    world.localnet.produce_blocks(3).await.unwrap();
    world.chain.serve_axon(&key("//Miner"), NETUID, "203.0.113.7:1".parse().unwrap()).await.unwrap();
    let update = loop {
        // The price of registration falls with every block, and an epoch may run.
        let update = next().await;
        if !update.changes.axons.is_empty() {
            break update;
        }
        assert!(
            update.changes.registered.is_empty() && update.changes.pruned.is_empty(),
            "{:?}",
            update.changes
        );
    };
    assert_eq!(update.changes.axons, [1]);
    assert_eq!(update.metagraph.neurons[1].axon, "203.0.113.7:1".parse().ok());
    world.chain.register_burned(&key("//Bob"), &account("//Late"), NETUID).await.unwrap();
    let update = loop {
        let update = next().await;
        if !update.changes.registered.is_empty() {
            break update;
        }
    };
    assert_eq!(update.changes.registered, [2]);
    assert!(update.changes.rules, "the registration raised the price");
    assert_eq!(update.metagraph.neurons[2].hotkey, account("//Late"));
}
