//! Keeps the axon's permits, and where validators' gateways are, in step with the chain.

use std::cmp::Reverse;

use chain_client::Neuron;
use tokio::sync::watch;

use crate::chain_watch::Sighting;
use crate::demand::{DemandConfig, Sources};
use crate::permits::{PermitPolicy, Permits};

/// The permits as of one sighting.
pub fn permits(policy: &PermitPolicy, sighting: &Sighting) -> Permits {
    Permits::from_metagraph(policy.clone(), &sighting.metagraph, sighting.read_at_ms)
}

/// Derives permits from every sighting and from every policy until there are no more, or nobody asks for permits.
pub async fn follow(
    mut policy: watch::Receiver<PermitPolicy>,
    mut sightings: watch::Receiver<Sighting>,
    sender: watch::Sender<Permits>,
) {
    loop {
        let changed = tokio::select! {
            changed = sightings.changed() => changed,
            changed = policy.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let new = permits(&policy.borrow_and_update(), &sightings.borrow_and_update());
        let (before, now) = (sender.borrow().len(), new.len());
        if before != now {
            tracing::info!(before, now, "validators with a permit changed");
        }
        if sender.send(new).is_err() {
            return;
        }
    }
}

/// The gateways to follow: the operator's list, and those that validators with a permit that counts here have announced on chain.
pub fn gateways(config: &DemandConfig, listed: &Sources, permits: &Permits, neurons: &[Neuron]) -> Sources {
    let mut announced: Vec<_> = neurons
        .iter()
        .filter(|neuron| config.follow_announced && permits.has(&neuron.hotkey))
        .filter(|neuron| !listed.contains_key(&neuron.hotkey))
        .filter_map(|neuron| Some((neuron, neuron.axon?)))
        .collect();
    announced.sort_by_key(|(neuron, _)| (Reverse(neuron.stake_rao), neuron.uid));
    let room = config.validators_max.get().saturating_sub(listed.len());
    let announced = announced.into_iter().take(room);
    let announced = announced.map(|(neuron, axon)| (neuron.hotkey, format!("http://{axon}")));
    listed.clone().into_iter().chain(announced).collect()
}

/// Keeps the gateways in step with the operator's list, the permits and the chain.
pub async fn follow_gateways(
    config: DemandConfig,
    mut listed: watch::Receiver<Sources>,
    mut permits: watch::Receiver<Permits>,
    mut sightings: watch::Receiver<Sighting>,
    sources: watch::Sender<Sources>,
) {
    loop {
        let new = gateways(
            &config,
            &listed.borrow_and_update(),
            &permits.borrow_and_update(),
            &sightings.borrow_and_update().metagraph.neurons,
        );
        sources.send_if_modified(|known| {
            let changed = *known != new;
            if changed {
                tracing::info!(validators = new.len(), "the gateways that are followed have changed");
                *known = new;
            }
            changed
        });
        let changed = tokio::select! {
            changed = listed.changed() => changed,
            changed = permits.changed() => changed,
            changed = sightings.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
