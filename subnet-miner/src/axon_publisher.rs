//! Keeps the axon's address, and its TLS key if it has one, on the chain equal to the real ones.
//!
//! [`decide`] looks at each finalised block what the chain says and what it should say; [`Publisher::follow`] acts on it. The chain
//! refuses to serve an axon more often than every `serving_rate_limit` blocks, so the publisher waits that long after an
//! announcement of its own, and until the block that the chain names after one of an earlier run.

use chain_client::{AnnounceError, Announced, Announcement, ChainClient};
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::chain_watch::Sighting;

/// What is known at one finalised block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether the chain says about the axon what it should.
    pub is_right: bool,
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
    if situation.is_right {
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
    /// Where the axon can be reached, and the key of its TLS.
    pub desired: Announcement,
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
                    let is_right = self.desired.is_of(neuron);
                    if decide(&Situation { is_right, block, not_before_block }) == Decision::Publish {
                        tracing::info!(
                            axon = %self.desired.address, on_chain = ?neuron.axon,
                            "publishing the axon's address"
                        );
                        tokio::select! {
                            () = stop.cancelled() => return,
                            next = self.publish(&sighting) => not_before_block = next,
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
    async fn publish(&self, sighting: &Sighting) -> u32 {
        let limit = sighting.metagraph.hyperparameters.serving_rate_limit;
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(self.retry_blocks);
        let again = sighting.metagraph.block.number.saturating_add(self.retry_blocks);
        let axon = self.desired.address;
        match self.client.announce_axon(&self.hotkey, self.netuid, &self.desired).await {
            Ok(Announced::Now { block }) => {
                tracing::info!(%axon, block = block.number, "the axon's address is on the chain");
                block.number.saturating_add(limit)
            }
            // What it is in may be undone: looked at again with the blocks to come.
            Ok(Announced::NotFinal { block }) => {
                tracing::info!(%axon, block = block.number, "the axon's address is in a block that is not final yet");
                again
            }
            Ok(Announced::Already { .. }) => again,
            Err(AnnounceError::TooEarly { at_block, .. }) => {
                tracing::info!(at_block, "the chain takes the axon's next announcement later");
                u32::try_from(at_block).unwrap_or(u32::MAX).saturating_sub(1)
            }
            Err(error) => {
                let hint = error.hint();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, hint, "the axon's address could not be published");
                again
            }
        }
    }
}

#[cfg(test)]
mod tests;
