//! Weights: what the chain holds, what was decided, and the scores that the next vector follows from.

use chain_client::weights::{Entry, Progress};
use jsonrpsee::types::ErrorObjectOwned;
use protocol::head::scores_hash;
use protocol::scoring::{ScoreRow, ScoreTable, SetAside};
use schemars::JsonSchema;
use serde::Serialize;

use super::miners::Score;
use crate::chain_view::ChainSnapshot;
use crate::staker_rpc::params::NoParams;
use crate::staker_rpc::state::At;
use crate::staker_rpc::values::{Account, Hash};

/// This validator's weights.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Weights {
    /// What the chain holds of this validator.
    pub on_chain: Vec<Weight>,
    /// Block of the last setting by this validator, or of its registration.
    pub last_update: Option<u64>,
    /// The last vector decided here.
    pub last: Option<Vector>,
    /// Why none is set right now, in words.
    pub waiting: Option<String>,
    /// The table as of now, from which the next vector follows.
    pub scores: Option<Scores>,
}

/// One miner's weight.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Weight {
    /// The miner's uid.
    pub uid: u16,
    /// Its hotkey; null if the uid is not taken any more.
    pub hotkey: Option<Account>,
    /// The weight: the best miner has 65,535 and the others in proportion to their points, rounded to nearest.
    pub weight: u16,
}

/// A weight vector on its way.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Vector {
    /// The tempo that it was decided in.
    pub epoch_index: u64,
    /// The finalised block at which it was decided.
    pub decided_at_block: u32,
    /// Hash of the score table that it follows from: the head's `scoresHash`.
    pub score_table: Hash,
    /// The weights.
    pub weights: Vec<Weight>,
    /// `decided`, `submitted` or `confirmed`.
    pub state: &'static str,
    /// The finalised block when it was signed, while its fate is unknown.
    pub submitted_at_block: Option<u32>,
    /// The finalised block that holds it.
    pub in_block: Option<u64>,
}

/// A score table.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Scores {
    /// Hash of the table.
    pub score_table: Hash,
    /// Hash of the policy that it was computed by.
    pub policy_hash: Hash,
    /// The window's first millisecond: the beginning of an hour.
    pub window_start_ms: u64,
    /// The first millisecond after the window.
    pub window_end_ms: u64,
    /// One row for each registered neuron, in the order of hotkeys.
    pub rows: Vec<ScoreRowAnswer>,
    /// Receipts that did not count, each under the first reason that applies.
    pub set_aside: SetAsideAnswer,
}

/// One miner's row.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ScoreRowAnswer {
    /// The miner.
    pub hotkey: Account,
    /// Its score.
    #[serde(flatten)]
    pub score: Score,
}

/// Receipts that did not count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct SetAsideAnswer {
    /// Issued outside the window.
    pub outside_window: u64,
    /// Not wholly delivered, other bytes than signed, or ended in an error.
    pub with_error: u64,
    /// The model or its weights are not in the catalogue.
    pub unknown_model: u64,
    /// Further receipts for a ticket that counts already.
    pub repeated: u64,
    /// The miner was not registered.
    pub unregistered: u64,
    /// Paid by the miner's own coldkey.
    pub related: u64,
}

pub(in crate::staker_rpc) async fn now(_: NoParams, at: At) -> Result<Weights, ErrorObjectOwned> {
    let chain = &at.chain;
    let own = chain.metagraph.by_hotkey(&at.hotkey);
    let on_chain = own.and_then(|neuron| chain.weights.get(&neuron.uid)).cloned().unwrap_or_default();
    let weights = at.weights.borrow();
    Ok(Weights {
        on_chain: Weight::list(&on_chain, chain),
        last_update: own.map(|neuron| neuron.last_update),
        last: weights.last.as_ref().map(|entry| Vector::new(entry, chain)),
        waiting: weights.waiting.clone(),
        scores: weights.scored.as_ref().map(|scored| Scores::new(&scored.table, at.policy.hash().into())),
    })
}

impl Weight {
    fn list(vector: &[(u16, u16)], chain: &ChainSnapshot) -> Vec<Self> {
        let hotkey = |uid: u16| chain.metagraph.by_uid(uid).map(|neuron| neuron.hotkey.into());
        vector.iter().map(|(uid, weight)| Self { uid: *uid, hotkey: hotkey(*uid), weight: *weight }).collect()
    }
}

impl Vector {
    fn new(entry: &Entry, chain: &ChainSnapshot) -> Self {
        let (state, submitted_at_block, in_block) = match entry.progress {
            Progress::Decided => ("decided", None, None),
            Progress::Submitted(ref submission) => ("submitted", Some(submission.born_at_block), None),
            Progress::Confirmed { in_block, .. } => ("confirmed", None, Some(in_block)),
        };
        Self {
            epoch_index: entry.epoch_index,
            decided_at_block: entry.decided_at_block,
            score_table: entry.scores.into(),
            weights: Weight::list(&entry.vector, chain),
            state,
            submitted_at_block,
            in_block,
        }
    }
}

impl Scores {
    pub(super) fn new(table: &ScoreTable, policy_hash: Hash) -> Self {
        let row = |row: &ScoreRow| ScoreRowAnswer { hotkey: row.hotkey.into(), score: row.into() };
        Self {
            score_table: scores_hash(table).into(),
            policy_hash,
            window_start_ms: table.window_start_ms,
            window_end_ms: table.window_end_ms,
            rows: table.rows.iter().map(row).collect(),
            set_aside: table.set_aside.into(),
        }
    }
}

impl From<SetAside> for SetAsideAnswer {
    fn from(aside: SetAside) -> Self {
        let SetAside { outside_window, with_error, unknown_model, repeated, unregistered, related } = aside;
        Self { outside_window, with_error, unknown_model, repeated, unregistered, related }
    }
}
