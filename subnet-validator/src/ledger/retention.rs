//! Removing old receipts while the validator runs.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Ledger;
use super::error::{AppendError, ReadError};
use super::prune::Pruned;
use crate::clock::Clock;

/// Time between two looks, in milliseconds.
const INTERVAL_MS: u64 = 3_600_000;
const DAY_MS: u64 = 86_400_000;

/// Old receipts were not removed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The ledger could not be read.
    #[error("cannot see which receipts are old")]
    Read(#[from] ReadError),
    /// The ledger could not be written.
    #[error("cannot remove old receipts")]
    Write(#[from] AppendError),
}

impl Ledger {
    /// Removes receipts issued before this time, but none that the newest head's window needs, and none of a log without heads. Receipts
    /// are appended meanwhile.
    ///
    /// # Errors
    /// When the ledger cannot be read or written; what was removed stays removed, and the log is whole.
    pub async fn prune(&self, before_ms: u64) -> Result<Pruned, PruneError> {
        let end = self.read(move |reader| reader.prunable(before_ms)).await?;
        let mut removed = 0_u64;
        loop {
            let pruned = self.prune_some(end).await?;
            removed = removed.saturating_add(pruned.receipts);
            if pruned.receipts == 0 {
                return Ok(Pruned { receipts: removed, first: pruned.first });
            }
        }
    }
}

/// Removes what is older than so many days, now and every hour until stopped.
pub async fn run(ledger: Ledger, days: u32, clock: Arc<Clock>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(Duration::from_millis(INTERVAL_MS));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let age_ms = u64::from(days).saturating_mul(DAY_MS);
        match ledger.prune(clock.now_ms().saturating_sub(age_ms)).await {
            Ok(Pruned { receipts: 0, .. }) => {}
            Ok(Pruned { receipts, first }) => tracing::info!(receipts, first, "old receipts are removed"),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "old receipts stay for now");
            }
        }
    }
}
