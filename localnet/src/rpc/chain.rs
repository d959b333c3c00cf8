//! `chain_*`: blocks and heads.

use jsonrpsee::{
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use serde::Deserialize;
use serde_json::{Value, json};
use sp_core::H256;

use super::{
    Methods,
    error::{bad_request, discarded_state, unknown_block},
    follow::{Head, follow_heads},
    hex_bytes::Bytes,
};
use crate::{chain::BlockRef, node::Node};

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_method("chain_getBlockHash", |params, node, _| block_hash(&params, node))?;
    methods.register_alias("chain_getHead", "chain_getBlockHash")?;
    methods.register_method("chain_getFinalizedHead", |_, node, _| json!(node.chain.finalized().hash()))?;
    methods.register_alias("chain_getFinalisedHead", "chain_getFinalizedHead")?;
    methods.register_method("chain_getHeader", |params, node, _| -> Result<Value, ErrorObjectOwned> {
        let hash: Option<H256> = params.sequence().optional_next()?;
        Ok(find(node, hash).map_or(Value::Null, |block| json!(block.header)))
    })?;
    methods.register_method("chain_getBlock", |params, node, _| -> Result<Value, ErrorObjectOwned> {
        let hash: Option<H256> = params.sequence().optional_next()?;
        Ok(find(node, hash).map_or(Value::Null, |block| signed_block(&block)))
    })?;

    subscribe(
        methods,
        Head::Best,
        ["chain_subscribeNewHeads", "chain_newHead", "chain_unsubscribeNewHeads"],
    )?;
    methods.register_alias("chain_subscribeNewHead", "chain_subscribeNewHeads")?;
    methods.register_alias("chain_unsubscribeNewHead", "chain_unsubscribeNewHeads")?;
    subscribe(methods, Head::Any, ["chain_subscribeAllHeads", "chain_allHead", "chain_unsubscribeAllHeads"])?;
    subscribe(
        methods,
        Head::Finalized,
        ["chain_subscribeFinalizedHeads", "chain_finalizedHead", "chain_unsubscribeFinalizedHeads"],
    )?;
    methods.register_alias("chain_subscribeFinalisedHeads", "chain_subscribeFinalizedHeads")?;
    methods.register_alias("chain_unsubscribeFinalisedHeads", "chain_unsubscribeFinalizedHeads")
}

fn subscribe(methods: &mut Methods, head: Head, names: [&'static str; 3]) -> Result<(), RegisterMethodError> {
    let [subscribe, notification, unsubscribe] = names;
    methods.register_subscription(
        subscribe,
        notification,
        unsubscribe,
        move |_, pending, node, _| async move {
            let Ok(sink) = pending.accept().await else { return };
            follow_heads(&node, head, &sink).await;
        },
    )?;
    Ok(())
}

/// A block number: a JSON number, or a hexadecimal or decimal string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u32),
    Text(String),
}

impl Number {
    fn get(&self) -> Result<u32, ErrorObjectOwned> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => text.parse(),
            }
            .map_err(|error| bad_request(format!("{text} is not a block number: {error}"))),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numbers {
    One(Number),
    Many(Vec<Number>),
}

fn block_hash(params: &Params<'_>, node: &Node) -> Result<Value, ErrorObjectOwned> {
    let hash_of = |number: &Number| -> Result<Option<H256>, ErrorObjectOwned> {
        Ok(node.chain.by_number(number.get()?).map(|block| block.hash()))
    };
    Ok(match params.sequence().optional_next::<Numbers>()? {
        None => json!(node.chain.best().hash()),
        Some(Numbers::One(number)) => json!(hash_of(&number)?),
        Some(Numbers::Many(numbers)) => json!(numbers.iter().map(hash_of).collect::<Result<Vec<_>, _>>()?),
    })
}

fn find(node: &Node, hash: Option<H256>) -> Option<BlockRef> {
    match hash {
        Some(hash) => node.chain.by_hash(hash),
        None => Some(node.chain.best()),
    }
}

/// The block with this hash, or the newest.
pub(super) fn block_at(node: &Node, hash: Option<H256>) -> Result<BlockRef, ErrorObjectOwned> {
    match hash {
        Some(hash) => node.chain.by_hash(hash).ok_or_else(|| unknown_block(hash)),
        None => Ok(node.chain.best()),
    }
}

/// The block with this hash, or the newest; its state is kept.
pub(super) fn state_at(node: &Node, hash: Option<H256>) -> Result<BlockRef, ErrorObjectOwned> {
    let block = block_at(node, hash)?;
    match node.chain.has_state(&block) {
        true => Ok(block),
        false => Err(discarded_state(block.hash())),
    }
}

fn signed_block(block: &BlockRef) -> Value {
    let extrinsics: Vec<Bytes> = block.extrinsics.iter().cloned().map(Bytes).collect();
    json!({ "block": { "header": block.header, "extrinsics": extrinsics }, "justifications": null })
}
