//! Keeps the axon's permits in step with the chain.

use tokio::sync::watch;

use crate::chain_watch::Sighting;
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
