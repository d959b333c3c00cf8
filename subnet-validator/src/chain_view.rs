//! The chain as of its last finalised block: one task reads it, everybody else watches.
//!
//! All facts of a snapshot belong to one block, so no part of the validator mixes two.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chain_client::{BlockRef, ChainClient, EpochState, Hyperparameters, Metagraph, QueryError};
use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Facts of one finalised block.
#[derive(Debug, Clone)]
pub struct ChainSnapshot {
    /// The block.
    pub block: BlockRef,
    /// The chain's time in it.
    pub timestamp_ms: u64,
    /// Neurons of the subnet.
    pub metagraph: Metagraph,
    /// The subnet's hyperparameters.
    pub hyperparameters: Hyperparameters,
    /// Where the subnet stands in its tempo.
    pub epoch: EpochState,
    /// Weights set on the subnet: by validator's uid, pairs of uid and weight.
    pub weights: BTreeMap<u16, Vec<(u16, u16)>>,
    /// When it was read, by this validator's clock.
    pub read_at_ms: u64,
}

/// Watches snapshots.
pub type ChainView = watch::Receiver<Arc<ChainSnapshot>>;

/// What the reading task needs.
pub struct Follow {
    /// The connection.
    pub client: ChainClient,
    /// The clock.
    pub clock: Arc<Clock>,
    /// Where snapshots go.
    pub view: watch::Sender<Arc<ChainSnapshot>>,
    /// Ends the task.
    pub stop: CancellationToken,
}

impl ChainSnapshot {
    /// Reads one block.
    pub async fn read(
        client: &ChainClient,
        netuid: u16,
        clock: &Clock,
        block: BlockRef,
    ) -> Result<Self, QueryError> {
        let metagraph = client.metagraph(netuid, block).await?;
        let weights = client.weights(netuid, block).await?;
        Self::with(client, clock, metagraph, weights).await
    }

    /// Reads one block, and of what a later block need not have changed only what may have: TLS keys of axons announced since,
    /// and the weights of those who may have set some since.
    pub async fn refresh(
        earlier: &Self,
        client: &ChainClient,
        clock: &Clock,
        block: BlockRef,
    ) -> Result<Self, QueryError> {
        let metagraph = client.refresh_metagraph(&earlier.metagraph, block).await?;
        let weights = client.refresh_weights(&earlier.metagraph, &earlier.weights, &metagraph).await?;
        Self::with(client, clock, metagraph, weights).await
    }

    async fn with(
        client: &ChainClient,
        clock: &Clock,
        metagraph: Metagraph,
        weights: BTreeMap<u16, Vec<(u16, u16)>>,
    ) -> Result<Self, QueryError> {
        let (netuid, block, hyperparameters) = (metagraph.netuid, metagraph.block, metagraph.hyperparameters);
        let timestamp_ms = client.timestamp_ms(block).await?;
        let epoch = client.epoch(netuid, block).await?;
        let read_at_ms = clock.now_ms();
        Ok(Self { block, timestamp_ms, metagraph, hyperparameters, epoch, weights, read_at_ms })
    }
}

/// Follows the chain until stopped. When blocks come faster than they can be read, only the latest is.
pub async fn follow(follow: Follow) {
    let Follow { client, clock, view, stop } = follow;
    while !stop.is_cancelled() {
        let mut blocks = pin!(client.finalized_blocks());
        while let Some(next) = tokio::select! {
            () = stop.cancelled() => return,
            next = blocks.next() => next,
        } {
            let mut latest = next;
            while let Some(Some(newer)) = blocks.next().now_or_never() {
                latest = newer;
            }
            let earlier = Arc::clone(&view.borrow());
            let read = async { ChainSnapshot::refresh(&earlier, &client, &clock, latest?).await };
            let read = tokio::select! {
                () = stop.cancelled() => return,
                read = read => read,
            };
            match read {
                Ok(snapshot) => {
                    tracing::debug!(block = snapshot.block.number, "finalised block");
                    view.send_replace(Arc::new(snapshot));
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot read the finalised block"
                    );
                }
            }
        }
        // The stream reconnects by itself; it ends only with its client, so do not spin on it.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
