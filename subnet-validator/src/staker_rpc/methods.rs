//! The methods: one small function each, and the list that `rpc_methods` answers.

use std::collections::HashMap;
use std::sync::Arc;

use jsonrpsee::RpcModule;
use jsonrpsee::core::RegisterMethodError;
use jsonrpsee::types::{ErrorObjectOwned, Params};
use protocol::account::AccountId;
use protocol::scoring::Policy;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::answers::{
    Answer, AsOf, HyperparametersAnswer, Info, MinerAnswer, PageAnswer, ScoresAnswer, ValidatorAnswer,
    VectorAnswer, WeightAnswer, WeightsAnswer,
};
use super::error::invalid;
use super::params::{PageParams, optional};
use super::{StakerRpcParts, receipts};
use crate::chain_view::{ChainSnapshot, ChainView};
use crate::clock::Clock;
use crate::config::StakerRpcConfig;
use crate::fleet::{Fleet, MinerStatus};
use crate::ledger::Ledger;
use crate::weights::WeightsState;

/// A chain that has shown no block for this long is not followed any more.
const STALE_AFTER_MS: u64 = 120_000;

/// What methods see.
pub(super) struct State {
    pub(super) config: StakerRpcConfig,
    pub(super) ledger: Ledger,
    hotkey: AccountId,
    policy: Policy,
    chain: ChainView,
    fleet: Fleet,
    weights: watch::Receiver<WeightsState>,
    clock: Arc<Clock>,
}

type Outcome = Result<Value, ErrorObjectOwned>;

/// Registers `name` as a method that answers `{asOf, data}`.
macro_rules! about_subnet {
    ($module:ident, $name:literal, $answer:path) => {
        $module.register_async_method($name, |params, state: Arc<State>, _| async move {
            let data = $answer(params, &state).await?;
            state.answer(data)
        })?
    };
}

pub(super) fn module(parts: StakerRpcParts) -> Result<RpcModule<State>, RegisterMethodError> {
    let StakerRpcParts { config, hotkey, policy, chain, fleet, ledger, weights, clock } = parts;
    let mut module = RpcModule::new(State { config, ledger, hotkey, policy, chain, fleet, weights, clock });
    about_subnet!(module, "subnet_v1_info", info);
    about_subnet!(module, "subnet_v1_miners", miners);
    about_subnet!(module, "subnet_v1_receipts", receipts::page);
    about_subnet!(module, "subnet_v1_receipt", receipts::one);
    about_subnet!(module, "subnet_v1_receiptProof", receipts::proof);
    about_subnet!(module, "subnet_v1_weights", weights_now);
    module.register_method("system_health", |_, state, _| state.health())?;
    let mut names: Vec<&str> = module.method_names().chain(["rpc_methods"]).collect();
    names.sort_unstable();
    let methods = json!({ "methods": names });
    module.register_method("rpc_methods", move |_, _, _| Ok::<_, ErrorObjectOwned>(methods.clone()))?;
    Ok(module)
}

impl State {
    fn snapshot(&self) -> Arc<ChainSnapshot> {
        Arc::clone(&self.chain.borrow())
    }

    fn answer<T: Serialize>(&self, data: T) -> Outcome {
        let as_of = AsOf::new(&self.snapshot(), self.hotkey, self.clock.now_ms());
        serde_json::to_value(Answer { as_of, data }).map_err(|error| invalid(error.to_string()))
    }

    /// The shape that Substrate nodes answer: peers are the miners online, syncing means that the chain has gone quiet.
    fn health(&self) -> Outcome {
        let age_ms = self.clock.now_ms().saturating_sub(self.snapshot().read_at_ms);
        let peers = self.fleet.miners().iter().filter(|miner| miner.online).count();
        Ok(json!({ "peers": peers, "isSyncing": age_ms > STALE_AFTER_MS, "shouldHavePeers": true }))
    }
}

async fn info(_params: Params<'static>, state: &State) -> Result<Info, ErrorObjectOwned> {
    let snapshot = state.snapshot();
    let own = snapshot.metagraph.by_hotkey(&state.hotkey);
    let rules = &snapshot.hyperparameters;
    Ok(Info {
        netuid: snapshot.metagraph.netuid,
        software_version: env!("CARGO_PKG_VERSION"),
        tempo: snapshot.epoch.tempo,
        epoch_index: snapshot.epoch.epoch_index,
        last_epoch_block: snapshot.epoch.last_epoch_block,
        next_epoch_block: snapshot.epoch.next_epoch_block,
        hyperparameters: HyperparametersAnswer {
            weights_rate_limit: rules.weights_rate_limit,
            weights_version_key: rules.weights_version_key,
            min_allowed_weights: rules.min_allowed_weights,
            max_allowed_uids: rules.max_allowed_uids,
            commit_reveal_enabled: rules.commit_reveal_enabled,
            registration_allowed: rules.registration_allowed,
            immunity_period: rules.immunity_period,
            burn_rao: rules.burn_rao.to_string(),
        },
        validator: ValidatorAnswer {
            hotkey: state.hotkey,
            uid: own.map(|neuron| neuron.uid),
            validator_permit: own.is_some_and(|neuron| neuron.validator_permit),
            stake_rao: own.map_or(0, |neuron| neuron.stake_rao).to_string(),
            last_update: own.map(|neuron| neuron.last_update),
        },
        scoring: (&state.policy).into(),
        ledger: state.ledger.head().into(),
        models: state.fleet.catalogue().iter().map(Into::into).collect(),
    })
}

/// Everybody on the subnet but this validator, by uid; the cursor is the last uid shown.
async fn miners(params: Params<'static>, state: &State) -> Result<PageAnswer<MinerAnswer>, ErrorObjectOwned> {
    let params: PageParams = optional(&params)?;
    let (limit, after) = (params.limit()?, params.cursor()?);
    let snapshot = state.snapshot();
    let scored = state.weights.borrow().scored.clone();
    let seen: HashMap<AccountId, MinerStatus> =
        state.fleet.miners().into_iter().map(|status| (status.hotkey, status)).collect();
    let wanted = |uid: u16| after.is_none_or(|after| u64::from(uid) > after);
    let shown = snapshot
        .metagraph
        .neurons
        .iter()
        .filter(|neuron| neuron.hotkey != state.hotkey && wanted(neuron.uid));
    let mut items: Vec<MinerAnswer> = Vec::new();
    for neuron in shown {
        if items.len() == limit {
            return Ok(PageAnswer { next_cursor: items.last().map(|last| last.uid.to_string()), items });
        }
        let status = seen.get(&neuron.hotkey);
        let row = scored
            .as_ref()
            .and_then(|scored| scored.table.rows.iter().find(|row| row.hotkey == neuron.hotkey));
        items.push(MinerAnswer {
            uid: neuron.uid,
            hotkey: neuron.hotkey,
            coldkey: neuron.coldkey,
            axon: neuron.axon,
            registered_at: neuron.registered_at,
            incentive: neuron.incentive,
            emission_rao: neuron.emission_rao.to_string(),
            stake_rao: neuron.stake_rao.to_string(),
            online: status.is_some_and(|status| status.online),
            models: status.map(|status| status.models.clone()).unwrap_or_default(),
            device: status.and_then(|status| status.device.clone()),
            in_flight: status.map_or(0, |status| status.in_flight),
            score: row.map(Into::into),
        });
    }
    Ok(PageAnswer { items, next_cursor: None })
}

async fn weights_now(_params: Params<'static>, state: &State) -> Result<WeightsAnswer, ErrorObjectOwned> {
    let snapshot = state.snapshot();
    let own = snapshot.metagraph.by_hotkey(&state.hotkey);
    let on_chain = own.and_then(|neuron| snapshot.weights.get(&neuron.uid)).cloned().unwrap_or_default();
    let weights = state.weights.borrow();
    Ok(WeightsAnswer {
        on_chain: WeightAnswer::list(&on_chain, &snapshot),
        last_update: own.map(|neuron| neuron.last_update),
        last: weights.last.as_ref().map(|entry| VectorAnswer::new(entry, &snapshot)),
        waiting: weights.waiting.clone(),
        scores: weights.scored.as_ref().map(|scored| ScoresAnswer::new(scored, &state.policy)),
    })
}
