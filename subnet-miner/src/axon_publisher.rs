//! Keeps the axon's address on the chain equal to the real one.
//!
//! [`decide`] looks at each finalised block what the chain says and what it should say; [`Publisher::follow`] acts on it. The chain
//! refuses to serve an axon more often than every `serving_rate_limit` blocks, so the publisher waits that long after an
//! announcement of its own, and until the block that the chain names after one of an earlier run.

use std::net::SocketAddr;

use chain_client::{AnnounceError, Announced, Announcement, ChainClient};
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
        let limit = sighting.metagraph.hyperparameters.serving_rate_limit;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(self.retry_blocks);
        tracing::info!(axon = %self.desired, on_chain = ?situation.on_chain, "publishing the axon's address");
        let wanted = Announcement { address: self.desired, tls_key: None };
        match self.client.announce_axon(&self.hotkey, self.netuid, &wanted).await {
            Ok(Announced::Now { block }) => {
                tracing::info!(axon = %self.desired, block = block.number, "the axon's address is on the chain");
                block.number.saturating_add(limit)
            }
            // In a block that is not final yet.
            Ok(Announced::Already { .. }) => situation.block.saturating_add(self.retry_blocks),
            Err(AnnounceError::TooEarly { at_block, .. }) => {
                tracing::info!(at_block, "the chain takes the axon's next announcement later");
                u32::try_from(at_block).unwrap_or(u32::MAX).saturating_sub(1)
            }
            Err(error) => {
                let hint = error.hint();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, hint, "the axon's address could not be published");
                situation.block.saturating_add(self.retry_blocks)
            }
        }
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
