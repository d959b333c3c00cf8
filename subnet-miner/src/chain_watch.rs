//! Follows finalised blocks and offers the metagraph as of the newest one, for everything that needs the chain.

use std::sync::Arc;
use std::time::Duration;

use chain_client::{ChainClient, Metagraph, QueryError};
use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// The subnet at one finalised block, and when it was read.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// The subnet's neurons.
    pub metagraph: Arc<Metagraph>,
    /// When it was read, in milliseconds since the Unix epoch.
    pub read_at_ms: u64,
}

/// Reads the subnet at the newest finalised block; cheaper with what an earlier look has seen.
pub async fn look(
    client: &ChainClient,
    netuid: u16,
    earlier: Option<&Metagraph>,
) -> Result<Sighting, QueryError> {
    let block = client.finalized().await?;
    let metagraph = match earlier {
        None => client.metagraph(netuid, block).await?,
        Some(earlier) => client.refresh_metagraph(earlier, block).await?,
    };
    Ok(Sighting { metagraph: Arc::new(metagraph), read_at_ms: clock::unix_ms() })
}

/// Publishes a sighting after every finalised block, at most one per `pause`, until stopped.
///
/// A failed read is logged and made up for by the next block: who depends on sightings must notice their age.
pub async fn follow(
    client: ChainClient,
    netuid: u16,
    pause: Duration,
    sightings: watch::Sender<Sighting>,
    stop: CancellationToken,
) {
    let blocks = client.finalized_blocks();
    tokio::pin!(blocks);
    loop {
        let block = tokio::select! {
            () = stop.cancelled() => return,
            block = blocks.next() => block,
        };
        let read = match block {
            // Announcements pile up while we read and pause; what they announce has been seen then.
            Some(Ok(block)) if block.number <= sightings.borrow().metagraph.block.number => continue,
            Some(Ok(_)) => {
                let earlier = Arc::clone(&sightings.borrow().metagraph);
                tokio::select! {
                    () = stop.cancelled() => return,
                    read = look(&client, netuid, Some(&earlier)) => read,
                }
            }
            Some(Err(error)) => Err(error),
            None => {
                tracing::error!("the stream of finalised blocks ended; permits will grow stale");
                return;
            }
        };
        match read {
            Ok(sighting) => {
                let block = sighting.metagraph.block.number;
                tracing::debug!(block, neurons = sighting.metagraph.neurons.len(), "metagraph read");
                sightings.send_replace(sighting);
            }
            Err(error) => {
                tracing::warn!(%error, "the chain could not be read; trying again at the next block")
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
