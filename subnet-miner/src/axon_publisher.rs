//! Keeps the axon's address on the chain equal to the real one.
//!
//! [`decide`] looks at each finalised block what the chain says and what it should say; [`Publisher::follow`] acts on it. The chain
//! refuses to serve an axon more often than every `serving_rate_limit` blocks, so after each attempt, whether it succeeded
//! or not, the publisher waits at least that long.

use std::net::SocketAddr;

use chain_client::ChainClient;
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::chain_watch::Sighting;

/// What is known at one finalised block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Where the axon can be reached.
    pub desired: SocketAddr,
    /// Where the chain says it can be reached.
    pub on_chain: Option<SocketAddr>,
    /// The block this was read at.
    pub block: u32,
    /// No attempt before this block.
    pub not_before_block: u32,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The chain is right.
    Keep,
    /// The chain is wrong, but it is too early to say so again.
    Wait,
    /// The chain is wrong.
    Publish,
}

/// Compares, and respects the chain's limit.
pub fn decide(situation: &Situation) -> Decision {
    if situation.on_chain == Some(situation.desired) {
        Decision::Keep
    } else if situation.block < situation.not_before_block {
        Decision::Wait
    } else {
        Decision::Publish
    }
}

/// What publishing needs.
#[derive(Debug)]
pub struct Publisher {
    /// The chain.
    pub client: ChainClient,
    /// The key whose axon it is.
    pub hotkey: Keypair,
    /// The subnet.
    pub netuid: u16,
    /// Where the axon can be reached.
    pub desired: SocketAddr,
    /// Blocks to wait after an attempt, where the chain's limit is not longer.
    pub retry_blocks: u32,
}

impl Publisher {
    /// Compares at every sighting, the present one included, until there are no more or told to stop.
    pub async fn follow(self, mut sightings: watch::Receiver<Sighting>, stop: CancellationToken) {
        let mut not_before_block = 0;
        let mut known = true;
        loop {
            let sighting = sightings.borrow_and_update().clone();
            let block = sighting.metagraph.block.number;
            match sighting.metagraph.by_hotkey(&self.hotkey.public()) {
                Some(neuron) => {
                    known = true;
                    let situation =
                        Situation { desired: self.desired, on_chain: neuron.axon, block, not_before_block };
                    if decide(&situation) == Decision::Publish {
                        tokio::select! {
                            () = stop.cancelled() => return,
                            next = self.publish(&situation, &sighting) => not_before_block = next,
                        }
                    }
                }
                None if known => {
                    known = false;
                    tracing::error!(
                        hotkey = %self.hotkey.public(), netuid = self.netuid,
                        "the hotkey is no longer registered: validators will stop calling; register it again with `subnet-miner register`"
                    );
                }
                None => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = sightings.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One attempt; gives the first block at which another may be made.
    async fn publish(&self, situation: &Situation, sighting: &Sighting) -> u32 {
        let limit = match self.client.hyperparameters(self.netuid, sighting.metagraph.block).await {
            Ok(hyperparameters) => u32::try_from(hyperparameters.serving_rate_limit).unwrap_or(u32::MAX),
            Err(error) => {
                tracing::warn!(%error, "the chain's limit on serving axons could not be read");
                0
            }
        };
        tracing::info!(axon = %self.desired, on_chain = ?situation.on_chain, "publishing the axon's address");
        let at = match self.client.serve_axon(&self.hotkey, self.netuid, self.desired).await {
            Ok(block) => {
                tracing::info!(axon = %self.desired, block = block.number, "the axon's address is on the chain");
                block.number
            }
            Err(error) => {
                tracing::warn!(%error, hint = error.hint(), "the axon's address could not be published");
                situation.block
            }
        };
        at.saturating_add(limit.max(self.retry_blocks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axon_is_published_when_it_drifts_and_not_too_early() {
        let desired = SocketAddr::from(([192, 0, 2, 1], 8091));
        let right = Situation { desired, on_chain: Some(desired), block: 10, not_before_block: 0 };
        assert_eq!(decide(&right), Decision::Keep);
        let drifted = Situation { on_chain: Some(SocketAddr::from(([192, 0, 2, 1], 1))), ..right };
        assert_eq!(decide(&drifted), Decision::Publish);
        assert_eq!(decide(&Situation { on_chain: None, ..right }), Decision::Publish);
        assert_eq!(decide(&Situation { not_before_block: 11, ..drifted }), Decision::Wait);
        assert_eq!(decide(&Situation { not_before_block: 10, ..drifted }), Decision::Publish);
    }
}
