//! `dev_*`: what a developer does to a chain that nobody else could.

use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use parity_scale_codec::Encode;
use serde_json::{Value, json};
use sp_core::H256;
use sp_runtime::AccountId32;

use super::{
    Methods,
    error::{bad_request, failed, not_produced},
    hex_bytes::Bytes,
};
use crate::{chain::Interference, node::Node, runtime::numbers::TaoBalance};

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_blocking_method("dev_newBlock", |params, node, _| new_blocks(&params, &node))?;
    methods.register_method("dev_timeTravel", |params, node, _| -> Result<Value, ErrorObjectOwned> {
        node.clock.travel(params.one()?);
        Ok(Value::Null)
    })?;
    methods.register_blocking_method("dev_setStorage", |params, node, _| set_storage(&params, &node))?;
    methods.register_blocking_method("dev_faucet", |params, node, _| faucet(&params, &node))?;
    methods.register_blocking_method("dev_snapshot", |_, node, _| -> Result<u32, ErrorObjectOwned> {
        node.snapshot().map_err(|error| failed(&error))
    })?;
    methods.register_blocking_method("dev_revert", |params, node, _| -> Result<H256, ErrorObjectOwned> {
        let number: u32 = params.one()?;
        node.revert(number).map(|best| best.hash()).map_err(|error| failed(&error))
    })?;
    Ok(())
}

/// Makes so many blocks (one unless told otherwise), one after the other; answers with the last one's hash.
fn new_blocks(params: &Params<'_>, node: &Node) -> Result<H256, ErrorObjectOwned> {
    let count: u32 = params.sequence().optional_next()?.unwrap_or(1);
    if count == 0 || count > node.limits.blocks_per_call_max {
        return Err(bad_request(format!("count must be 1 to {}", node.limits.blocks_per_call_max)));
    }
    let mut last = node.chain.best();
    for _ in 0..count {
        last = node.produce().map_err(|error| not_produced(&error))?;
    }
    Ok(last.hash())
}

/// Writes keys and values into the state of the next block, which is made at once. No value deletes the key.
fn set_storage(params: &Params<'_>, node: &Node) -> Result<H256, ErrorObjectOwned> {
    let items: Vec<(Bytes, Option<Bytes>)> = params.one()?;
    let items = items.into_iter().map(|(key, value)| (key.0, value.map(|value| value.0))).collect();
    let block = node.produce_with(Interference::Storage(items)).map_err(|error| not_produced(&error))?;
    Ok(block.hash())
}

/// Adds rao to an account's free balance, in a block made at once.
fn faucet(params: &Params<'_>, node: &Node) -> Result<Value, ErrorObjectOwned> {
    let mut params = params.sequence();
    let account: AccountId32 = params.next()?;
    let rao: u64 = params.next()?;
    let block = node
        .produce_with(Interference::Gift { to: account.clone(), amount: TaoBalance::new(rao) })
        .map_err(|error| not_produced(&error))?;
    tracing::info!(account = %hex::encode(account.encode()), rao, "gave from the faucet");
    Ok(json!({ "block": block.hash() }))
}
