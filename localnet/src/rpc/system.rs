//! `system_*`: what the node is. It has no peers and is never behind.

use jsonrpsee::{core::RegisterMethodError, types::ErrorObjectOwned};
use parity_scale_codec::Encode;
use serde_json::{Value, json};
use sp_runtime::{AccountId32, ApplyExtrinsicResult};

use super::{
    Methods,
    chain::state_at,
    error::{call_failed, refused},
    hex_bytes::Bytes,
};

const NAME: &str = "subtensor localnet";
const SS58_PREFIX: u16 = 42;
const TOKEN_DECIMALS: u8 = 9;
const TOKEN_SYMBOL: &str = "TAO";
/// A node without a network still has an identity that clients can print.
const PEER_ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

pub(super) fn register(methods: &mut Methods) -> Result<(), RegisterMethodError> {
    methods.register_method("system_name", |_, _, _| NAME)?;
    methods.register_method("system_version", |_, _, _| env!("CARGO_PKG_VERSION"))?;
    methods.register_method("system_chain", |_, node, _| node.chain_name.clone())?;
    methods.register_method("system_chainType", |_, _, _| "Local")?;
    methods.register_method("system_properties", |_, _, _| {
		json!({ "ss58Format": SS58_PREFIX, "tokenDecimals": TOKEN_DECIMALS, "tokenSymbol": TOKEN_SYMBOL })
	})?;
    methods.register_method(
        "system_health",
        |_, _, _| json!({ "peers": 0, "isSyncing": false, "shouldHavePeers": false }),
    )?;
    methods.register_method("system_peers", |_, _, _| json!([]))?;
    methods.register_method("system_localPeerId", |_, _, _| PEER_ID)?;
    methods.register_method("system_localListenAddresses", |_, _, _| json!([]))?;
    methods.register_method("system_nodeRoles", |_, _, _| json!(["Authority"]))?;
    methods.register_method("system_syncState", |_, node, _| {
        let best = node.chain.best().number();
        json!({ "startingBlock": 0, "currentBlock": best, "highestBlock": best })
    })?;
    methods.register_blocking_method(
        "system_accountNextIndex",
        |params, node, _| -> Result<u32, ErrorObjectOwned> {
            let account: AccountId32 = params.one()?;
            node.next_nonce(&account).map_err(|error| call_failed(&error))
        },
    )?;
    methods.register_alias("account_nextIndex", "system_accountNextIndex")?;
    methods.register_blocking_method(
        "system_dryRun",
        |params, node, _| -> Result<Value, ErrorObjectOwned> {
            let mut params = params.sequence();
            let extrinsic: Bytes = params.next()?;
            let at = state_at(&node, params.optional_next()?)?;
            let outcome: ApplyExtrinsicResult =
                match node.validate(&extrinsic.0).map_err(|error| refused(&error))? {
                    Ok(_) => node
                        .chain
                        .call_decoded(&at, "BlockBuilder_apply_extrinsic", &extrinsic.0)
                        .map_err(|error| call_failed(&error))?,
                    Err(error) => Err(error),
                };
            Ok(json!(Bytes(outcome.encode())))
        },
    )?;
    methods.register_alias("system_dryRunAt", "system_dryRun")
}
