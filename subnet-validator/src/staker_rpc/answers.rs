//! The shapes of the answers. Field names are the interface: camelCase, versioned by the method's name.

use std::net::SocketAddr;

use chain_client::weights::{Entry, Progress};
use protocol::account::AccountId;
use protocol::catalogue::Model;
use protocol::digest::Digest;
use protocol::scoring::{Policy, ScoreRow, SetAside};
use serde::Serialize;

use crate::chain_view::ChainSnapshot;
use crate::ledger::LogHead;
use crate::weights::Scored;

/// Which block an answer belongs to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AsOf {
    pub block: u32,
    pub block_hash: String,
    /// Always true: only finalised blocks are read.
    pub finalized: bool,
    /// The chain's time in that block, in milliseconds.
    pub timestamp: u64,
    pub validator_hotkey: AccountId,
    /// Seconds since the block was read.
    pub stale_seconds: u64,
}

/// An answer about the subnet.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<T> {
    pub as_of: AsOf,
    pub data: T,
}

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageAnswer<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info {
    pub netuid: u16,
    pub software_version: &'static str,
    pub tempo: u16,
    pub epoch_index: u64,
    pub last_epoch_block: u64,
    pub next_epoch_block: Option<u64>,
    pub hyperparameters: HyperparametersAnswer,
    pub validator: ValidatorAnswer,
    pub scoring: ScoringAnswer,
    pub ledger: LedgerAnswer,
    pub models: Vec<ModelAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HyperparametersAnswer {
    pub weights_rate_limit: u64,
    pub weights_version_key: u64,
    pub min_allowed_weights: u16,
    pub max_allowed_uids: u16,
    pub commit_reveal_enabled: bool,
    pub registration_allowed: bool,
    pub immunity_period: u16,
    pub burn_rao: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ValidatorAnswer {
    pub hotkey: AccountId,
    pub uid: Option<u16>,
    pub validator_permit: bool,
    pub stake_rao: String,
    pub last_update: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScoringAnswer {
    pub policy_hash: Digest,
    pub compute_bps: u16,
    pub invocations_bps: u16,
    pub unique_models_bps: u16,
    pub bounties_bps: u16,
    pub window_hours: u16,
    pub payer_share_max_bps: u16,
    pub payer_excess_bps: u16,
    pub ramp_hours: u16,
    pub tokens_per_second_max: u32,
    pub concurrency_max: u16,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LedgerAnswer {
    pub receipts: u64,
    pub root: Digest,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModelAnswer {
    pub id: String,
    pub weights_digest: Digest,
    pub prompt_multiplier: u32,
    pub completion_multiplier: u32,
    pub memory_bytes: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MinerAnswer {
    pub uid: u16,
    pub hotkey: AccountId,
    pub coldkey: AccountId,
    pub axon: Option<SocketAddr>,
    pub registered_at: Option<u64>,
    pub incentive: u16,
    pub emission_rao: String,
    pub stake_rao: String,
    pub online: bool,
    pub models: Vec<String>,
    pub device: Option<String>,
    pub in_flight: u32,
    pub score: Option<ScoreAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScoreAnswer {
    pub basis_points: u32,
    pub terms_bps: TermsAnswer,
    pub compute_units: String,
    pub compute_units_counted: String,
    pub invocations: u64,
    pub invocations_counted: String,
    pub unique_models: String,
    pub bounties: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TermsAnswer {
    pub compute: u32,
    pub invocations: u32,
    pub unique_models: u32,
    pub bounties: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WeightsAnswer {
    /// What the chain holds of this validator.
    pub on_chain: Vec<WeightAnswer>,
    /// Block of the last setting by this validator, or of its registration.
    pub last_update: Option<u64>,
    /// The last vector decided here.
    pub last: Option<VectorAnswer>,
    /// Why none is set right now.
    pub waiting: Option<String>,
    /// The table the next vector will follow from, as of now.
    pub scores: Option<ScoresAnswer>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WeightAnswer {
    pub uid: u16,
    pub hotkey: Option<AccountId>,
    pub weight: u16,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VectorAnswer {
    pub epoch_index: u64,
    pub decided_at_block: u32,
    pub score_table: Digest,
    pub weights: Vec<WeightAnswer>,
    /// `decided`, `submitted` or `confirmed`.
    pub state: &'static str,
    /// The finalised block when it was signed, while its fate is unknown.
    pub submitted_at_block: Option<u32>,
    /// The finalised block that holds it.
    pub in_block: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScoresAnswer {
    pub score_table: Digest,
    pub policy_hash: Digest,
    pub window_start_ms: u64,
    pub window_end_ms: u64,
    pub rows: Vec<ScoreRowAnswer>,
    pub set_aside: SetAsideAnswer,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScoreRowAnswer {
    pub hotkey: AccountId,
    #[serde(flatten)]
    pub score: ScoreAnswer,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SetAsideAnswer {
    pub outside_window: u64,
    pub with_error: u64,
    pub unknown_model: u64,
    pub repeated: u64,
    pub unregistered: u64,
    pub related: u64,
}

impl AsOf {
    pub(super) fn new(snapshot: &ChainSnapshot, validator_hotkey: AccountId, now_ms: u64) -> Self {
        Self {
            block: snapshot.block.number,
            block_hash: format!("0x{}", hex::encode(snapshot.block.hash)),
            finalized: true,
            timestamp: snapshot.timestamp_ms,
            validator_hotkey,
            stale_seconds: now_ms.saturating_sub(snapshot.read_at_ms) / 1_000,
        }
    }
}

impl From<&Policy> for ScoringAnswer {
    fn from(policy: &Policy) -> Self {
        Self {
            policy_hash: policy.hash(),
            compute_bps: policy.compute_bps,
            invocations_bps: policy.invocations_bps,
            unique_models_bps: policy.unique_models_bps,
            bounties_bps: policy.bounties_bps,
            window_hours: policy.window_hours,
            payer_share_max_bps: policy.payer_share_max_bps,
            payer_excess_bps: policy.payer_excess_bps,
            ramp_hours: policy.ramp_hours,
            tokens_per_second_max: policy.tokens_per_second_max,
            concurrency_max: policy.concurrency_max,
        }
    }
}

impl From<LogHead> for LedgerAnswer {
    fn from(head: LogHead) -> Self {
        Self { receipts: head.size, root: head.root }
    }
}

impl From<&Model> for ModelAnswer {
    fn from(model: &Model) -> Self {
        Self {
            id: model.id.to_string(),
            weights_digest: model.weights_digest,
            prompt_multiplier: model.prompt_multiplier,
            completion_multiplier: model.completion_multiplier,
            memory_bytes: model.memory_bytes.to_string(),
        }
    }
}

impl From<&ScoreRow> for ScoreAnswer {
    fn from(row: &ScoreRow) -> Self {
        let [compute, invocations, unique_models, bounties] = row.term_bps;
        Self {
            basis_points: row.basis_points,
            terms_bps: TermsAnswer { compute, invocations, unique_models, bounties },
            compute_units: row.compute_units.to_string(),
            compute_units_counted: row.compute_units_counted.to_string(),
            invocations: row.invocations,
            invocations_counted: row.invocations_counted.to_string(),
            unique_models: row.unique_models.to_string(),
            bounties: row.bounties,
        }
    }
}

impl From<SetAside> for SetAsideAnswer {
    fn from(aside: SetAside) -> Self {
        let SetAside { outside_window, with_error, unknown_model, repeated, unregistered, related } = aside;
        Self { outside_window, with_error, unknown_model, repeated, unregistered, related }
    }
}

impl WeightAnswer {
    pub(super) fn list(vector: &[(u16, u16)], snapshot: &ChainSnapshot) -> Vec<Self> {
        let hotkey = |uid: u16| {
            snapshot.metagraph.neurons.iter().find(|neuron| neuron.uid == uid).map(|neuron| neuron.hotkey)
        };
        vector.iter().map(|(uid, weight)| Self { uid: *uid, hotkey: hotkey(*uid), weight: *weight }).collect()
    }
}

impl VectorAnswer {
    pub(super) fn new(entry: &Entry, snapshot: &ChainSnapshot) -> Self {
        let (state, submitted_at_block, in_block) = match entry.progress {
            Progress::Decided => ("decided", None, None),
            Progress::Submitted(ref submission) => ("submitted", Some(submission.born_at_block), None),
            Progress::Confirmed { in_block, .. } => ("confirmed", None, Some(in_block)),
        };
        Self {
            epoch_index: entry.epoch_index,
            decided_at_block: entry.decided_at_block,
            score_table: entry.scores,
            weights: WeightAnswer::list(&entry.vector, snapshot),
            state,
            submitted_at_block,
            in_block,
        }
    }
}

impl ScoresAnswer {
    pub(super) fn new(scored: &Scored, policy: &Policy) -> Self {
        let row = |row: &ScoreRow| ScoreRowAnswer { hotkey: row.hotkey, score: row.into() };
        Self {
            score_table: crate::weights::window::digest(&scored.table),
            policy_hash: policy.hash(),
            window_start_ms: scored.table.window_start_ms,
            window_end_ms: scored.table.window_end_ms,
            rows: scored.table.rows.iter().map(row).collect(),
            set_aside: scored.table.set_aside.into(),
        }
    }
}
