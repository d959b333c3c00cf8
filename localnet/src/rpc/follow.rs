//! Subscriptions that follow the chain: each remembers how far it is and reads what it missed by number.

use jsonrpsee::{SubscriptionSink, core::SubscriptionError};
use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::sync::watch;

use crate::{
    chain::BlockRef,
    node::{Heads, Node},
};

/// Which head to follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// The newest block.
    Best,
    /// The newest final block.
    Finalized,
}

impl Head {
    fn number(self, heads: Heads) -> u32 {
        match self {
            Self::Best => heads.best,
            Self::Finalized => heads.finalized,
        }
    }
}

/// Sends the header of the present head and of every block after it, until either side goes away.
pub(super) async fn follow_heads(node: &Node, head: Head, sink: &SubscriptionSink) {
    let mut heads = node.heads();
    let mut next = head.number(*heads.borrow_and_update());
    loop {
        let newest = head.number(*heads.borrow_and_update());
        while next <= newest {
            let Some(block) = node.chain.by_number(next) else { return };
            if send(sink, &block.header).await.is_err() {
                return;
            }
            next += 1;
        }
        if !changed(&mut heads, sink).await {
            return;
        }
    }
}

/// Calls `notice` with the newest block whenever it changes; sends what it returns.
pub(super) async fn follow_best<R: Serialize>(
    node: &Node,
    sink: &SubscriptionSink,
    mut notice: impl FnMut(&BlockRef) -> Option<R>,
) {
    let mut heads = node.heads();
    loop {
        heads.borrow_and_update();
        if let Some(news) = notice(&node.chain.best())
            && send(sink, &news).await.is_err()
        {
            return;
        }
        if !changed(&mut heads, sink).await {
            return;
        }
    }
}

/// Waits for the chain to move; false when the subscriber or the node is gone.
async fn changed(heads: &mut watch::Receiver<Heads>, sink: &SubscriptionSink) -> bool {
    tokio::select! {
        changed = heads.changed() => changed.is_ok(),
        () = sink.closed() => false,
    }
}

/// Sends one notification, waiting while the subscriber is behind.
pub(super) async fn send(sink: &SubscriptionSink, news: &impl Serialize) -> Result<(), SubscriptionError> {
    let message = to_raw_value(news)?;
    Ok(sink.send(message).await?)
}
