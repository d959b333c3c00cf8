//! The subnet as a whole, and the server itself.

use std::sync::Arc;

use jsonrpsee::types::ErrorObjectOwned;
use protocol::catalogue::Model;
use protocol::scoring::Policy;
use schemars::JsonSchema;
use serde::Serialize;

use crate::staker_rpc::params::NoParams;
use crate::staker_rpc::state::{At, State};
use crate::staker_rpc::values::{Account, Amount, Hash};

/// The subnet, its rules, and this validator.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Info {
    /// The subnet.
    pub netuid: u16,
    /// Version of the validator's software.
    pub software_version: &'static str,
    /// Blocks from one epoch to the next.
    pub tempo: u16,
    /// How many epochs have run.
    pub epoch_index: u64,
    /// Block of the last epoch.
    pub last_epoch_block: u64,
    /// Block of the next epoch, if nothing changes; null if epochs never run.
    pub next_epoch_block: Option<u64>,
    /// Neurons registered.
    pub neurons: usize,
    /// Neurons with a validator permit.
    pub validators: usize,
    /// What the subnet's owner has set.
    pub hyperparameters: HyperparametersAnswer,
    /// This validator on chain.
    pub validator: ValidatorAnswer,
    /// How receipts become scores.
    pub scoring: ScoringAnswer,
    /// The receipt log.
    pub ledger: LedgerAnswer,
    /// The models that users may ask for.
    pub models: Vec<ModelAnswer>,
}

/// What the subnet's owner has set.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct HyperparametersAnswer {
    /// Blocks that must lie between two weight settings.
    pub weights_rate_limit: u64,
    /// The least version key that weights must carry; 0 for any.
    pub weights_version_key: u64,
    /// The fewest weights in one vector.
    pub min_allowed_weights: u16,
    /// The most neurons.
    pub max_allowed_uids: u16,
    /// Whether weights are committed first and revealed later.
    pub commit_reveal_enabled: bool,
    /// Whether anybody can register now.
    pub registration_allowed: bool,
    /// Blocks after its registration in which a neuron is not pruned.
    pub immunity_period: u16,
    /// What a registration costs now, in rao of TAO.
    pub burn_rao: Amount,
}

/// This validator on chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ValidatorAnswer {
    /// Its hotkey.
    pub hotkey: Account,
    /// Its uid; null if it is not registered.
    pub uid: Option<u16>,
    /// Whether its weights count.
    pub validator_permit: bool,
    /// Alpha staked to it, in rao.
    pub stake_rao: Amount,
    /// Block of its last weights, or of its registration.
    pub last_update: Option<u64>,
}

/// How receipts become scores: the policy that each tempo's head names by its hash.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ScoringAnswer {
    /// SHA-256 over the policy's encoding, with its domain.
    pub policy_hash: Hash,
    /// Weight of compute units, in basis points.
    pub compute_bps: u16,
    /// Weight of invocations, in basis points.
    pub invocations_bps: u16,
    /// Weight of unique models, in basis points.
    pub unique_models_bps: u16,
    /// Weight of bounties, in basis points.
    pub bounties_bps: u16,
    /// Length of the window, in hours.
    pub window_hours: u16,
    /// Share of a miner's calls that one payer may bring before the rest is damped, in basis points.
    pub payer_share_max_bps: u16,
    /// What a payer's calls beyond that count for, in basis points.
    pub payer_excess_bps: u16,
    /// Hours of service until a model counts in full.
    pub ramp_hours: u16,
    /// Completion tokens that one call can produce each second.
    pub tokens_per_second_max: u32,
    /// Calls that one miner can serve at a time.
    pub concurrency_max: u16,
}

/// The receipt log.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct LedgerAnswer {
    /// Receipts in it.
    pub receipts: u64,
    /// RFC 6962 root over their leaf hashes.
    pub root: Hash,
}

/// A model of the catalogue.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ModelAnswer {
    /// Its name.
    pub id: String,
    /// SHA-256 of its weights.
    pub weights_digest: Hash,
    /// Thousandths of a compute unit for each token read.
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each token written.
    pub completion_multiplier: u32,
    /// Memory that it needs, in bytes.
    pub memory_bytes: Amount,
}

/// Health in the shape of Substrate nodes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Health {
    /// Miners online.
    pub peers: usize,
    /// Whether no finalised block was read for `staker_rpc.stale_after_ms`.
    pub is_syncing: bool,
    /// Always true.
    pub should_have_peers: bool,
}

/// How far the chain is followed, in the shape of Substrate nodes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct SyncState {
    /// The first finalised block that could be asked about; the same as the current one, for only that is kept.
    pub starting_block: u32,
    /// The newest finalised block that was read.
    pub current_block: u32,
    /// The same: blocks that are not final are not looked at.
    pub highest_block: u32,
}

pub(in crate::staker_rpc) async fn info(_: NoParams, at: At) -> Result<Info, ErrorObjectOwned> {
    let chain = &at.chain;
    let own = chain.metagraph.by_hotkey(&at.hotkey);
    let rules = &chain.hyperparameters;
    let neurons = &chain.metagraph.neurons;
    Ok(Info {
        netuid: chain.metagraph.netuid,
        software_version: env!("CARGO_PKG_VERSION"),
        tempo: chain.epoch.tempo,
        epoch_index: chain.epoch.epoch_index,
        last_epoch_block: chain.epoch.last_epoch_block,
        next_epoch_block: chain.epoch.next_epoch_block,
        neurons: neurons.len(),
        validators: neurons.iter().filter(|neuron| neuron.validator_permit).count(),
        hyperparameters: HyperparametersAnswer {
            weights_rate_limit: rules.weights_rate_limit,
            weights_version_key: rules.weights_version_key,
            min_allowed_weights: rules.min_allowed_weights,
            max_allowed_uids: rules.max_allowed_uids,
            commit_reveal_enabled: rules.commit_reveal_enabled,
            registration_allowed: rules.registration_allowed,
            immunity_period: rules.immunity_period,
            burn_rao: rules.burn_rao.into(),
        },
        validator: ValidatorAnswer {
            hotkey: at.hotkey.into(),
            uid: own.map(|neuron| neuron.uid),
            validator_permit: own.is_some_and(|neuron| neuron.validator_permit),
            stake_rao: own.map_or(0, |neuron| neuron.stake_rao).into(),
            last_update: own.map(|neuron| neuron.last_update),
        },
        scoring: (&at.policy).into(),
        ledger: ledger(&at),
        models: at.fleet.catalogue().iter().map(Into::into).collect(),
    })
}

fn ledger(at: &At) -> LedgerAnswer {
    let head = at.ledger.head();
    LedgerAnswer { receipts: head.size, root: head.root.into() }
}

pub(in crate::staker_rpc) fn health(_: NoParams, state: &Arc<State>) -> Health {
    let peers = state.fleet.miners().iter().filter(|miner| miner.online).count();
    Health { peers, is_syncing: state.is_stale(), should_have_peers: true }
}

pub(in crate::staker_rpc) fn version(_: NoParams, _: &Arc<State>) -> &'static str {
    env!("CARGO_PKG_VERSION")
}

pub(in crate::staker_rpc) fn sync_state(_: NoParams, state: &Arc<State>) -> SyncState {
    let block = state.chain.borrow().block.number;
    SyncState { starting_block: block, current_block: block, highest_block: block }
}

impl From<&Policy> for ScoringAnswer {
    fn from(policy: &Policy) -> Self {
        Self {
            policy_hash: policy.hash().into(),
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

impl From<&Model> for ModelAnswer {
    fn from(model: &Model) -> Self {
        Self {
            id: model.id.to_string(),
            weights_digest: model.weights_digest.into(),
            prompt_multiplier: model.prompt_multiplier,
            completion_multiplier: model.completion_multiplier,
            memory_bytes: model.memory_bytes.into(),
        }
    }
}
