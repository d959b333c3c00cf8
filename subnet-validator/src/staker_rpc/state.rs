//! What methods see, and the block that an answer belongs to.

use std::ops::Deref;
use std::sync::Arc;

use jsonrpsee::core::JsonRawValue;
use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::Serialize;

use super::StakerRpcParts;
use super::answers::Answers;
use super::error::{internal, not_ready};
use super::topics::Topics;
use super::values::{Account, Hash};
use crate::chain_view::ChainSnapshot;
use crate::market::Market;

/// Everything there is to be asked about: what the server was built from, and what it keeps for its answers.
pub(super) struct State {
    pub(super) parts: StakerRpcParts,
    pub(super) topics: Topics,
    pub(super) answers: Answers,
}

impl Deref for State {
    type Target = StakerRpcParts;
    fn deref(&self) -> &StakerRpcParts {
        &self.parts
    }
}

/// The state as one call sees it: with one block, from which all chain facts of its answer are.
#[derive(Clone)]
pub(super) struct At {
    pub(super) state: Arc<State>,
    pub(super) chain: Arc<ChainSnapshot>,
    market: Option<Arc<Market>>,
}

/// Which block an answer belongs to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AsOf {
    /// Number of the finalised block that the answer's chain facts are from.
    pub block: u32,
    /// Its hash.
    pub block_hash: Hash,
    /// Always true: only finalised blocks are read.
    pub finalized: bool,
    /// The chain's time in that block, in milliseconds since 1970.
    pub timestamp: u64,
    /// The validator that answers.
    pub validator_hotkey: Account,
    /// Whole seconds since this validator read the block.
    pub stale_seconds: u64,
    /// Receipts in the log when the answer was made.
    pub receipts: u64,
}

/// An answer about the subnet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<T> {
    as_of: AsOf,
    data: T,
}

impl State {
    /// The newest finalised block.
    pub(super) fn at_chain(self: &Arc<Self>) -> At {
        let chain = Arc::clone(&self.chain.borrow());
        At { state: Arc::clone(self), chain, market: None }
    }

    /// The newest block of which the market was read, too.
    pub(super) fn at_market(self: &Arc<Self>) -> Result<At, ErrorObjectOwned> {
        let market = self.market.borrow().clone().ok_or_else(not_ready)?;
        Ok(At { state: Arc::clone(self), chain: Arc::clone(&market.chain), market: Some(market) })
    }

    /// Milliseconds since the newest finalised block was read.
    pub(super) fn age_ms(&self) -> u64 {
        self.clock.now_ms().saturating_sub(self.chain.borrow().read_at_ms)
    }

    /// Whether the chain has gone quiet.
    pub(super) fn is_stale(&self) -> bool {
        self.age_ms() > self.config.stale_after_ms
    }
}

impl At {
    /// The market of the same block.
    pub(super) fn market(&self) -> Result<&Market, ErrorObjectOwned> {
        self.market.as_deref().ok_or_else(not_ready)
    }

    pub(super) fn as_of(&self) -> AsOf {
        let chain = &self.chain;
        AsOf {
            block: chain.block.number,
            block_hash: Hash::of(chain.block.hash),
            finalized: true,
            timestamp: chain.timestamp_ms,
            validator_hotkey: self.state.hotkey.into(),
            stale_seconds: self.state.clock.now_ms().saturating_sub(chain.read_at_ms) / 1_000,
            receipts: self.state.ledger.head().size,
        }
    }

    /// The whole answer, written out.
    pub(super) fn answer<T: Serialize>(&self, data: T) -> Result<Box<JsonRawValue>, ErrorObjectOwned> {
        jsonrpsee::core::to_json_raw_value(&Answer { as_of: self.as_of(), data })
            .map_err(|error| internal(&error))
    }
}

impl Deref for At {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}
