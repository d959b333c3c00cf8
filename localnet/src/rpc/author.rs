//! `author_*`: submitting transactions and watching what becomes of them.

use std::sync::Arc;

use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use serde_json::{Value, json};
use sp_core::H256;
use tokio::sync::mpsc;

use super::{
    Methods,
    error::{bad_request, refused},
    follow::send,
    hex_bytes::Bytes,
};
use crate::{
    node::Node,
    pool::{STATUSES_WAITING_MAX, Status},
};

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_blocking_method(
        "author_submitExtrinsic",
        |params, node, _| -> Result<H256, ErrorObjectOwned> {
            let extrinsic: Bytes = params.one()?;
            node.submit(extrinsic.0, None).map_err(|error| refused(&error))
        },
    )?;
    methods.register_method("author_pendingExtrinsics", |_, node, _| -> Vec<Bytes> {
        node.pool().pending().into_iter().map(Bytes).collect()
    })?;
    methods.register_subscription(
        "author_submitAndWatchExtrinsic",
        "author_extrinsicUpdate",
        "author_unwatchExtrinsic",
        |params, pending, node, _| submit_and_watch(params, pending, node),
    )?;
    Ok(())
}

async fn submit_and_watch(params: Params<'static>, pending: PendingSubscriptionSink, node: Arc<Node>) {
    let extrinsic: Bytes = match params.one() {
        Ok(extrinsic) => extrinsic,
        Err(error) => return pending.reject(error).await,
    };
    let (watcher, statuses) = mpsc::channel(STATUSES_WAITING_MAX);
    let submitted = tokio::task::spawn_blocking(move || node.submit(extrinsic.0, Some(watcher))).await;
    match submitted {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return pending.reject(refused(&error)).await,
        Err(_) => return pending.reject(bad_request("the node is stopping")).await,
    }
    let Ok(sink) = pending.accept().await else { return };
    watch(statuses, &sink).await;
}

/// Passes on statuses until the last one.
async fn watch(mut statuses: mpsc::Receiver<Status>, sink: &SubscriptionSink) {
    loop {
        let status = tokio::select! {
            status = statuses.recv() => status,
            () = sink.closed() => None,
        };
        let Some(status) = status else { return };
        if send(sink, &status_json(status)).await.is_err() {
            return;
        }
    }
}

fn status_json(status: Status) -> Value {
    match status {
        Status::Ready => json!("ready"),
        Status::Future => json!("future"),
        Status::InBlock(block) => json!({ "inBlock": block }),
        Status::Retracted(block) => json!({ "retracted": block }),
        Status::Finalized(block) => json!({ "finalized": block }),
        Status::Usurped(by) => json!({ "usurped": by }),
        Status::Dropped => json!("dropped"),
        Status::Invalid => json!("invalid"),
    }
}
