//! Subscriptions that follow the chain: each remembers how far it is and reads what it missed by number.

use jsonrpsee::{SubscriptionSink, core::SubscriptionError};
use serde::Serialize;
use serde_json::value::to_raw_value;
use tokio::sync::watch;

use crate::{
    chain::BlockRef,
    node::{Heads, Node},
};

/// Which blocks to follow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Head {
    /// Those that became the newest. Where blocks are undone, that is the first of the new branch that is higher than they were.
    Best,
    /// All, also those of a new branch that never were the newest.
    Any,
    /// Those that became final.
    Finalized,
}

impl Head {
    fn newest(self, node: &Node) -> BlockRef {
        match self {
            Self::Best | Self::Any => node.chain.best(),
            Self::Finalized => node.chain.finalized(),
        }
    }

    /// The blocks to tell of after `last`, when `newest` is the newest: none, one, or all in between.
    fn news(self, node: &Node, last: &BlockRef, newest: &BlockRef) -> Vec<BlockRef> {
        if newest.hash() == last.hash() {
            return Vec::new();
        }
        let from = match self {
            Self::Any => last_common(node, last),
            Self::Best | Self::Finalized => last.number(),
        };
        if newest.number() <= from {
            // The chain went back.
            return vec![newest.clone()];
        }
        let to = newest.number().min(from.saturating_add(BLOCKS_AT_A_TIME));
        (from + 1..=to).filter_map(|number| node.chain.by_number(number)).collect()
    }
}

/// Blocks that are looked up at a time for a subscriber that is behind.
const BLOCKS_AT_A_TIME: u32 = 256;

/// Number of the newest block that is still on the chain, of `block` and those it continues.
fn last_common(node: &Node, block: &BlockRef) -> u32 {
    let mut block = block.clone();
    loop {
        let kept = node.chain.by_number(block.number()).is_some_and(|kept| kept.hash() == block.hash());
        match node.chain.by_hash(block.header.parent_hash) {
            Some(parent) if !kept => block = parent,
            _ => return block.number(),
        }
    }
}

/// Sends the header of the present head and of every block after it, until either side goes away.
pub(super) async fn follow_heads(node: &Node, head: Head, sink: &SubscriptionSink) {
    let mut heads = node.heads();
    heads.borrow_and_update();
    let mut last = head.newest(node);
    if send(sink, &last.header).await.is_err() {
        return;
    }
    loop {
        heads.borrow_and_update();
        loop {
            let news = head.news(node, &last, &head.newest(node));
            if news.is_empty() {
                break;
            }
            for block in news {
                if send(sink, &block.header).await.is_err() {
                    return;
                }
                last = block;
            }
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
