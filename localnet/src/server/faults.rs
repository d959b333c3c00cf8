//! Faults on request, through the handle (see [`crate::faults`]), and going back to snapshots.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use thiserror::Error;

use super::Localnet;
use crate::{
    chain::BlockRef,
    node::{Node, ReorganiseError, Reorganised, SnapshotError, UpgradeError},
    runtime::upgrade::Upgrade,
};

/// Why something that was asked of the chain did not happen.
#[derive(Debug, Error)]
pub enum ChainError<E: std::error::Error + 'static> {
    /// The chain refused.
    #[error(transparent)]
    Refused(E),
    /// The runtime of the program is stopping.
    #[error("the program is stopping")]
    Stopping,
}

impl Localnet {
    /// Resets every connection, as a crash would. Answers how many there were.
    pub fn drop_connections(&self) -> usize {
        self.faults.gate.reset(None)
    }

    /// Lets every connection fall silent for good: half-open, nothing is read or answered, nobody is told. New ones are served.
    /// Answers how many there were.
    pub fn silence_connections(&self) -> usize {
        self.faults.gate.silence(None)
    }

    /// Refuses new connections for so long. Returns when nothing listens any more; open connections stay.
    pub async fn refuse_connections(&self, duration: Duration) {
        self.faults.gate.refuse(duration).await;
    }

    /// Accepts connections for so long and never answers on them.
    pub fn mute_connections(&self, duration: Duration) {
        self.faults.gate.mute(duration);
    }

    /// Connections there are.
    pub fn connections(&self) -> usize {
        self.faults.gate.connections()
    }

    /// Answers a method, or every one (`*`), so much later; nothing ends it. False when too many methods have delays.
    pub fn delay(&self, method: &str, duration: Duration) -> bool {
        self.faults.traffic.delay(method, duration)
    }

    /// Answers at most so many calls in a second; the others get an error, and over HTTP the status 429.
    pub fn limit_rate(&self, per_second: Option<NonZeroU32>) {
        self.faults.traffic.limit(per_second);
    }

    /// Lets no block become final until told otherwise.
    pub fn stall_finality(&self, stalled: bool) {
        self.node.stall_finality(stalled);
    }

    /// Lets the timestamps of blocks be ahead of time, or behind it when negative; 0 mends them.
    pub fn skew_clock(&self, milliseconds: i64) {
        self.node.clock.skew(milliseconds);
    }

    /// Undoes the newest `depth` blocks, which must not be final, for a branch that is one block longer. See
    /// [`Node::reorganise`].
    pub async fn reorganise(&self, depth: u32) -> Result<Reorganised, ChainError<ReorganiseError>> {
        self.ask(move |node| node.reorganise(depth, None)).await
    }

    /// Gives the runtime another version, and optionally metadata in which items changed. See [`Node::upgrade`].
    pub async fn upgrade(&self, upgrade: Upgrade) -> Result<BlockRef, ChainError<UpgradeError>> {
        self.ask(move |node| node.upgrade(upgrade)).await
    }

    /// Remembers the chain as it is; answers the snapshot's number. See [`Node::snapshot`].
    pub async fn snapshot(&self) -> Result<u32, ChainError<SnapshotError>> {
        self.ask(Node::snapshot).await
    }

    /// Makes the chain what it was when the snapshot was taken. See [`Node::revert`].
    pub async fn revert(&self, snapshot: u32) -> Result<BlockRef, ChainError<SnapshotError>> {
        self.ask(move |node| node.revert(snapshot)).await
    }

    /// Ends every fault. Blocks that were undone, and an upgrade, stay as they are.
    pub async fn heal(&self) {
        let faults = self.faults.clone();
        // Stopping heals too.
        let _ = tokio::task::spawn_blocking(move || faults.heal()).await;
    }

    /// Asks the node for something that takes its time.
    async fn ask<R: Send + 'static, E: std::error::Error + Send + 'static>(
        &self,
        question: impl FnOnce(&Node) -> Result<R, E> + Send + 'static,
    ) -> Result<R, ChainError<E>> {
        let node: Arc<Node> = self.node.clone();
        let answered = tokio::task::spawn_blocking(move || question(&node)).await;
        answered.map_err(|_| ChainError::Stopping)?.map_err(ChainError::Refused)
    }
}
