//! Keeps the fleet's view up to date: miners from each finalised block, inventories by polling.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use protocol::inventory::Inventory;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Fleet;
use super::axon::error::InventoryError;
use super::axon::{Axon, AxonAddress};
use super::view::MinerEntry;
use crate::chain_view::{ChainSnapshot, ChainView};

type Poll = Pin<Box<dyn Future<Output = (Axon, Result<Inventory, InventoryError>)> + Send>>;

/// Runs until stopped.
pub async fn run(fleet: Fleet, mut chain: ChainView, stop: CancellationToken) {
    let limits = &fleet.shared.limits;
    let mut rounds = tokio::time::interval(Duration::from_millis(limits.inventory_poll_ms));
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting: VecDeque<Axon> = VecDeque::new();
    let mut polls: FuturesUnordered<Poll> = FuturesUnordered::new();
    chain.mark_changed();
    loop {
        while polls.len() < limits.inventory_polls_max {
            let Some(axon) = waiting.pop_front() else { break };
            let fleet = fleet.clone();
            polls.push(Box::pin(async move {
                (axon, fleet.shared.client.inventory(axon, fleet.shared.netuid).await)
            }));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = chain.changed() => {
                if changed.is_err() {
                    return;
                }
                let miners = miners(&fleet, &chain.borrow_and_update());
                waiting.extend(fleet.replace_miners(miners));
            }
            _ = rounds.tick() => {
                // A round that has not ended yet is not begun again.
                if waiting.is_empty() && polls.is_empty() {
                    waiting.extend(fleet.axons());
                }
            }
            Some((axon, inventory)) = polls.next(), if !polls.is_empty() => fleet.record(axon, inventory),
        }
    }
}

fn miners(fleet: &Fleet, snapshot: &ChainSnapshot) -> Vec<MinerEntry> {
    let own = fleet.shared.hotkey.public();
    let with_axon = snapshot.metagraph.neurons.iter().filter(|neuron| neuron.hotkey != own);
    with_axon
        .filter_map(|neuron| {
            let (tls_key, require_tls) = (neuron.tls_key.as_ref(), fleet.shared.limits.require_tls);
            let axon = AxonAddress::published(neuron.axon?, tls_key, require_tls)?;
            Some(MinerEntry { uid: neuron.uid, hotkey: neuron.hotkey, axon, inventory: None })
        })
        .collect()
}

impl Fleet {
    /// Takes over the miners of a block; returns those to be asked at once because nothing is known of them.
    fn replace_miners(&self, miners: Vec<MinerEntry>) -> Vec<Axon> {
        let mut unknown = Vec::new();
        self.shared.view.send_if_modified(|view| {
            let before = view.clone();
            view.replace_miners(miners);
            let is_new = |miner: &&MinerEntry| {
                miner.inventory.is_none()
                    && before.miners.get(&miner.hotkey).is_none_or(|known| known.axon != miner.axon)
            };
            unknown.extend(view.miners.values().filter(is_new).map(axon_of));
            *view != before
        });
        let view = self.shared.view.borrow();
        self.shared.loads.retain(|miner| view.miners.contains_key(miner));
        unknown
    }

    fn axons(&self) -> Vec<Axon> {
        self.shared.view.borrow().miners.values().map(axon_of).collect()
    }

    fn record(&self, axon: Axon, inventory: Result<Inventory, InventoryError>) {
        match inventory {
            Ok(inventory) => {
                self.take_inventory(inventory);
            }
            Err(error) => {
                let miner = axon.hotkey;
                tracing::debug!(%miner, error = &error as &dyn std::error::Error, "no inventory");
            }
        }
    }
}

impl Fleet {
    /// Takes over a checked inventory, polled or pushed.
    pub(super) fn take_inventory(&self, inventory: Inventory) -> bool {
        let now_ms = self.shared.clock.now_ms();
        let mut taken = false;
        self.shared.view.send_if_modified(|view| {
            taken = view.record_inventory(inventory, now_ms);
            taken
        });
        taken
    }
}

fn axon_of(miner: &MinerEntry) -> Axon {
    Axon { hotkey: miner.hotkey, address: miner.axon }
}
