//! `state_*`: reading the state after a block, and running the runtime on it.

use std::sync::Arc;

use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use parity_scale_codec::Decode;
use serde_json::{Value, json};
use sp_core::H256;
use sp_version::RuntimeVersion;

use super::{
    Methods,
    chain::{block_at, state_at},
    error::{bad_request, call_failed, count_exceeded, discarded_state},
    follow::follow_best,
    hex_bytes::Bytes,
};
use crate::{
    chain::{BlockRef, Chain},
    node::Node,
};

/// Keys that one call returns.
const KEYS_PER_CALL_MAX: u32 = 1_000;
/// Blocks that one history query spans.
const QUERY_BLOCKS_MAX: u32 = 10_000;

type Answer<T> = Result<T, ErrorObjectOwned>;

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_blocking_method("state_call", |params, node, _| call(&params, &node))?;
    methods.register_alias("state_callAt", "state_call")?;
    methods.register_blocking_method("state_getStorage", |params, node, _| -> Answer<Option<Bytes>> {
        let (key, at) = key_and_block(&params, &node)?;
        Ok(node.chain.storage(&at, &key).map(Bytes))
    })?;
    methods.register_alias("state_getStorageAt", "state_getStorage")?;
    methods.register_blocking_method("state_getStorageHash", |params, node, _| -> Answer<Option<H256>> {
        let (key, at) = key_and_block(&params, &node)?;
        Ok(node.chain.storage_hash(&at, &key))
    })?;
    methods.register_alias("state_getStorageHashAt", "state_getStorageHash")?;
    methods.register_blocking_method("state_getStorageSize", |params, node, _| -> Answer<Option<usize>> {
        let (key, at) = key_and_block(&params, &node)?;
        Ok(node.chain.storage(&at, &key).map(|value| value.len()))
    })?;
    methods.register_alias("state_getStorageSizeAt", "state_getStorageSize")?;
    methods.register_blocking_method("state_getKeysPaged", |params, node, _| keys_paged(&params, &node))?;
    methods.register_alias("state_getKeysPagedAt", "state_getKeysPaged")?;
    methods.register_blocking_method("state_queryStorageAt", |params, node, _| query_at(&params, &node))?;
    methods.register_blocking_method("state_queryStorage", |params, node, _| query(&params, &node))?;
    methods.register_blocking_method("state_getReadProof", |params, node, _| read_proof(&params, &node))?;
    methods.register_blocking_method("state_getMetadata", |params, node, _| -> Answer<Bytes> {
        let at = state_at(&node, params.sequence().optional_next()?)?;
        metadata(&node.chain, &at)
    })?;
    methods.register_blocking_method(
        "state_getRuntimeVersion",
        |params, node, _| -> Answer<RuntimeVersion> {
            let at = state_at(&node, params.sequence().optional_next()?)?;
            version(&node.chain, &at)
        },
    )?;
    methods.register_alias("chain_getRuntimeVersion", "state_getRuntimeVersion")?;
    subscribe(methods)
}

fn subscribe(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_subscription(
        "state_subscribeRuntimeVersion",
        "state_runtimeVersion",
        "state_unsubscribeRuntimeVersion",
        |_, pending, node, _| async move {
            let Ok(sink) = pending.accept().await else { return };
            let mut told = None;
            follow_best(&node, &sink, |best| {
                let version = version(&node.chain, best).ok();
                (version != told).then(|| told = version.clone())?;
                version
            })
            .await;
        },
    )?;
    methods.register_alias("chain_subscribeRuntimeVersion", "state_subscribeRuntimeVersion")?;
    methods.register_alias("chain_unsubscribeRuntimeVersion", "state_unsubscribeRuntimeVersion")?;
    methods.register_subscription(
        "state_subscribeStorage",
        "state_storage",
        "state_unsubscribeStorage",
        |params, pending, node, _| async move {
            let keys: Vec<Bytes> = match params.sequence().next() {
                Ok(keys) => keys,
                Err(error) => return pending.reject(error).await,
            };
            let Ok(sink) = pending.accept().await else { return };
            let mut told: Option<Vec<Option<Vec<u8>>>> = None;
            follow_best(&node, &sink, |best| {
                let values = keys.iter().map(|key| node.chain.storage(best, &key.0)).collect();
                let news = changes(best, &keys, told.as_ref(), &values);
                told = Some(values);
                news
            })
            .await;
        },
    )?;
    Ok(())
}

/// The keys whose values differ from those told before; all of them the first time.
fn changes(
    best: &BlockRef,
    keys: &[Bytes],
    told: Option<&Vec<Option<Vec<u8>>>>,
    values: &Vec<Option<Vec<u8>>>,
) -> Option<Value> {
    if told == Some(values) {
        return None;
    }
    let changed: Vec<(Bytes, Option<Bytes>)> = keys
        .iter()
        .zip(values)
        .enumerate()
        .filter(|(at, (_, value))| told.is_none_or(|told| told[*at] != **value))
        .map(|(_, (key, value))| (key.clone(), value.clone().map(Bytes)))
        .collect();
    Some(json!({ "block": best.hash(), "changes": changed }))
}

fn call(params: &Params<'_>, node: &Arc<Node>) -> Answer<Bytes> {
    let mut params = params.sequence();
    let method: String = params.next()?;
    let arguments: Bytes = params.next()?;
    let at = state_at(node, params.optional_next()?)?;
    node.chain.call(&at, &method, &arguments.0).map(Bytes).map_err(|error| call_failed(&error))
}

fn key_and_block(params: &Params<'_>, node: &Node) -> Answer<(Vec<u8>, BlockRef)> {
    let mut params = params.sequence();
    let key: Bytes = params.next()?;
    Ok((key.0, state_at(node, params.optional_next()?)?))
}

fn keys_paged(params: &Params<'_>, node: &Node) -> Answer<Vec<Bytes>> {
    let mut params = params.sequence();
    let prefix: Option<Bytes> = params.optional_next()?;
    let count: u32 = params.next()?;
    let start: Option<Bytes> = params.optional_next()?;
    let at = state_at(node, params.optional_next()?)?;
    if count > KEYS_PER_CALL_MAX {
        return Err(count_exceeded(count, KEYS_PER_CALL_MAX));
    }
    let prefix = prefix.map(|prefix| prefix.0).unwrap_or_default();
    let keys = node.chain.keys(&at, &prefix, start.as_ref().map(|start| &start.0[..]), count as usize);
    Ok(keys.into_iter().map(Bytes).collect())
}

fn query_at(params: &Params<'_>, node: &Node) -> Answer<Value> {
    let mut params = params.sequence();
    let keys: Vec<Bytes> = params.next()?;
    let at = state_at(node, params.optional_next()?)?;
    let values = keys.iter().map(|key| node.chain.storage(&at, &key.0)).collect();
    Ok(json!([changes(&at, &keys, None, &values)]))
}

fn query(params: &Params<'_>, node: &Node) -> Answer<Value> {
    let mut params = params.sequence();
    let keys: Vec<Bytes> = params.next()?;
    let from = block_at(node, Some(params.next()?))?.number();
    let to = block_at(node, params.optional_next()?)?.number();
    if to.saturating_sub(from) > QUERY_BLOCKS_MAX {
        return Err(bad_request(format!("a query spans at most {QUERY_BLOCKS_MAX} blocks")));
    }
    let mut told = None;
    let mut sets = Vec::new();
    for at in (from..=to).filter_map(|number| node.chain.by_number(number)) {
        if !node.chain.has_state(&at) {
            return Err(discarded_state(at.hash()));
        }
        let values = keys.iter().map(|key| node.chain.storage(&at, &key.0)).collect();
        sets.extend(changes(&at, &keys, told.as_ref(), &values));
        told = Some(values);
    }
    Ok(json!(sets))
}

fn read_proof(params: &Params<'_>, node: &Node) -> Answer<Value> {
    let mut params = params.sequence();
    let keys: Vec<Bytes> = params.next()?;
    let at = state_at(node, params.optional_next()?)?;
    let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| key.0).collect();
    let proof: Vec<Bytes> = node.chain.proof(&at, &keys).into_iter().map(Bytes).collect();
    Ok(json!({ "at": at.hash(), "proof": proof }))
}

/// The metadata without the length the runtime puts before it.
fn metadata(chain: &Chain, at: &BlockRef) -> Answer<Bytes> {
    let encoded = chain.call(at, "Metadata_metadata", &[]).map_err(|error| call_failed(&error))?;
    let metadata = Vec::<u8>::decode(&mut &encoded[..]).map_err(|error| bad_request(error.to_string()))?;
    Ok(Bytes(metadata))
}

fn version(chain: &Chain, at: &BlockRef) -> Answer<RuntimeVersion> {
    chain.call_decoded(at, "Core_version", &[]).map_err(|error| call_failed(&error))
}
