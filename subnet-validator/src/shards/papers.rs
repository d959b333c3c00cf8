//! Bringing what a bundle needs of the other shards into the head gateway's folder of bundles.

use std::path::Path;
use std::time::Duration;

use protocol::head::TreeHead;
use protocol::head::shards::ShardLog;
use tokio::time::Instant;

use super::ShardsConfig;
use crate::audit::fetch::{FetchError, fetch_shard};
use crate::audit::shard::has_papers;

/// Between two looks whether a gateway has written its part, in milliseconds.
const LOOK_MS: u64 = 250;

/// The papers of a shard were not brought.
#[derive(Debug, thiserror::Error)]
pub enum PapersError {
    /// No address is known.
    #[error("shard {0} is not among [shards] peers, and its papers are not in the folder of bundles")]
    NoAddress(u8),
    /// Its gateway has not written them in time.
    #[error("the gateway of shard {shard} has not written its part of the bundle within {timeout_ms} ms")]
    NotWritten {
        /// The shard.
        shard: u8,
        /// The limit.
        timeout_ms: u64,
    },
    /// They could not be fetched.
    #[error("fetching the part of shard {shard}")]
    Fetch {
        /// The shard.
        shard: u8,
        /// Why.
        #[source]
        source: FetchError,
    },
}

/// Brings the papers of every other shard that a head names, unless they are there.
///
/// # Errors
/// When one cannot be had in time; the others may be there then.
pub async fn bring(config: &ShardsConfig, head: &TreeHead, folder: &Path) -> Result<(), PapersError> {
    let until = Instant::now() + Duration::from_millis(config.papers_timeout_ms);
    for named in head.shards().into_iter().filter(|named| named.shard > 0) {
        if !has_papers(folder, head, &named) {
            bring_one(config, head, &named, folder, until).await?;
        }
    }
    Ok(())
}

async fn bring_one(
    config: &ShardsConfig,
    head: &TreeHead,
    named: &ShardLog,
    folder: &Path,
    until: Instant,
) -> Result<(), PapersError> {
    let shard = named.shard;
    let peer = config.peers.iter().find(|peer| peer.shard == shard).ok_or(PapersError::NoAddress(shard))?;
    let digest = named.head(head.netuid, head.validator).digest();
    let timeout_ms = config.papers_timeout_ms;
    loop {
        let wanted = (&head.validator, &digest);
        let fetching = fetch_shard(&peer.url, shard, wanted, folder, config.papers_bytes_max);
        match tokio::time::timeout_at(until, fetching).await {
            Ok(Ok(Some(_))) => return Ok(()),
            Ok(Ok(None)) if Instant::now() < until => {}
            Ok(Err(source)) => return Err(PapersError::Fetch { shard, source }),
            Ok(Ok(None)) | Err(_) => return Err(PapersError::NotWritten { shard, timeout_ms }),
        }
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
    }
}
