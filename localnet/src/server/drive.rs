//! What runs by itself: blocks by the clock, and finality some time after a block.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::node::Node;

/// Makes a block every so many milliseconds; a slow block delays those after it instead of bunching them.
pub(super) async fn make_blocks(node: Arc<Node>, every_ms: u64) {
    let mut clock = interval(Duration::from_millis(every_ms));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock.tick().await;
    loop {
        clock.tick().await;
        let node = node.clone();
        match tokio::task::spawn_blocking(move || node.produce()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = ?error, "no block was made"),
            Err(_) => return,
        }
    }
}

/// Makes blocks final some time after they were made.
pub(super) async fn finalize_blocks(node: Arc<Node>) {
    let delay = Duration::from_millis(node.finality_delay_ms());
    let mut heads = node.heads();
    while heads.changed().await.is_ok() {
        let best = heads.borrow_and_update().best;
        sleep(delay).await;
        node.finalize(best);
    }
}
