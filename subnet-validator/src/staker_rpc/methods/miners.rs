//! The miners: what the chain says of them, what they run, and how they served.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use chain_client::Neuron;
use jsonrpsee::types::ErrorObjectOwned;
use protocol::account::AccountId;
use protocol::scoring::ScoreRow;
use schemars::JsonSchema;
use serde::Serialize;

use super::Page;
use crate::fleet::MinerStatus;
use crate::fleet::view::MinerEntry;
use crate::staker_rpc::error::not_found;
use crate::staker_rpc::params::{HotkeyParams, NoParams, PageParams, cursor, page_limit};
use crate::staker_rpc::state::{At, State};
use crate::staker_rpc::values::{Account, Amount, Fraction};
use crate::usage::{Histogram, Span, Sums};
use crate::weights::Scored;

/// Hours of usage shown beside a miner or a model.
const HOURS: u64 = 24;

/// One miner.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Miner {
    /// Its uid.
    pub uid: u16,
    /// Its hotkey.
    pub hotkey: Account,
    /// Who owns it.
    pub coldkey: Account,
    /// Where it says on chain that it serves.
    pub axon: Option<SocketAddr>,
    /// Block of its registration.
    pub registered_at: Option<u64>,
    /// The block from which it may be pruned: registeredAt + immunityPeriod.
    pub immune_until: Option<u64>,
    /// Its share of the miners' emission, out of 65,535.
    pub incentive: u16,
    /// Alpha earned in the last epoch, in rao.
    pub emission_rao: Amount,
    /// Alpha staked to it, in rao.
    pub stake_rao: Amount,
    /// Whether this validator has a fresh inventory of it, now.
    pub online: bool,
    /// Models that it holds ready, now.
    pub models: Vec<String>,
    /// The device that it says it has. A claim: nothing proves it yet.
    pub device: Option<String>,
    /// Memory for models on that device, in bytes, as claimed.
    pub device_memory_bytes: Option<Amount>,
    /// Calls of this validator open with it, now.
    pub in_flight: u32,
    /// Its score; null before scores were computed.
    pub score: Option<Score>,
    /// How it served this validator's calls in the last 24 clock hours.
    pub service: Service,
}

/// A miner's score.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Score {
    /// The score: all miners' sum to 10,000.
    pub basis_points: u32,
    /// What each term brought, rounded down.
    pub terms_bps: Terms,
    /// Thousandths of a compute unit of all receipts that count.
    pub compute_units: Amount,
    /// The same after payers were damped: what the share is made from.
    pub compute_units_counted: Amount,
    /// Receipts that count.
    pub invocations: u64,
    /// Thousandths of a receipt after payers were damped.
    pub invocations_counted: Amount,
    /// Models served by the hour, weighted by memory: thousandths of a MiB, averaged over the window.
    pub unique_models: Amount,
    /// Bounty claims.
    pub bounties: u64,
}

/// The terms of a score, in basis points.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Terms {
    /// Compute units.
    pub compute: u32,
    /// Invocations.
    pub invocations: u32,
    /// Unique models.
    pub unique_models: u32,
    /// Bounties.
    pub bounties: u32,
}

/// How calls went: the receipts of the hours up to the block's time.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Service {
    /// Receipts, whatever became of the calls.
    pub requests: u64,
    /// Those delivered whole, as signed, that ended well.
    pub delivered: u64,
    /// delivered / (requests - those that the user left); null without calls.
    pub success_rate: Option<Fraction>,
    /// Milliseconds to the first byte as the validator saw them, of delivered calls: the 50th percentile. Percentiles are at most a
    /// sixteenth too high.
    pub first_byte_ms_p50: Option<u64>,
    /// The 95th.
    pub first_byte_ms_p95: Option<u64>,
    /// The 99th.
    pub first_byte_ms_p99: Option<u64>,
    /// Milliseconds to the last byte: the 50th percentile.
    pub total_ms_p50: Option<u64>,
    /// The 99th.
    pub total_ms_p99: Option<u64>,
    /// Tokens each second after the first byte, in tenths: the 50th percentile.
    pub decitokens_per_second_p50: Option<u64>,
}

/// The miners' devices and the catalogue's models.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Fleet {
    /// Miners with a published axon.
    pub miners: usize,
    /// Those with a fresh inventory.
    pub online: usize,
    /// By device, as claimed.
    pub devices: Vec<Device>,
    /// Every model of the catalogue.
    pub models: Vec<ModelStatus>,
}

/// Miners online with the same device.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct Device {
    /// The device in the miners' words. A claim: nothing proves it yet.
    pub device: String,
    /// How many miners say that they have it.
    pub miners: usize,
    /// Their memory for models together, in bytes.
    pub memory_bytes: Amount,
}

/// A model of the catalogue: who holds it, and who wants it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::staker_rpc) struct ModelStatus {
    /// Its name.
    pub id: String,
    /// Miners that hold it ready, with exactly the catalogue's weights.
    pub holders: usize,
    /// Calls that they serve at once, together.
    pub slots: u64,
    /// Whether anybody holds it.
    pub hot: bool,
    /// Calls for it in the last 24 clock hours.
    pub service: Service,
    /// Tokens read for it in that time.
    pub prompt_tokens: Amount,
    /// Tokens written by it in that time.
    pub completion_tokens: Amount,
    /// Its part of all compute units of that time.
    pub demand_share: Fraction,
}

/// What a page of miners is made from.
struct Facts {
    seen: HashMap<AccountId, MinerStatus>,
    known: BTreeMap<AccountId, MinerEntry>,
    scored: Option<Arc<Scored>>,
    served: BTreeMap<AccountId, Sums>,
}

impl Facts {
    fn of(at: &At) -> Self {
        let span = Span::ending(at.chain.timestamp_ms, HOURS);
        Self {
            seen: at.fleet.miners().into_iter().map(|status| (status.hotkey, status)).collect(),
            known: at.fleet.view_changes().borrow().miners.clone(),
            scored: at.weights.borrow().scored.clone(),
            served: at.usage.look(|usage| usage.by_miner(span)),
        }
    }

    fn miner(&self, neuron: &Neuron, immunity_period: u16) -> Miner {
        let status = self.seen.get(&neuron.hotkey);
        let is_row = |row: &&ScoreRow| row.hotkey == neuron.hotkey;
        let row = self.scored.as_ref().and_then(|scored| scored.table.rows.iter().find(is_row));
        let online = status.is_some_and(|status| status.online);
        let inventory = self.known.get(&neuron.hotkey).and_then(|known| known.inventory.as_ref());
        Miner {
            uid: neuron.uid,
            hotkey: neuron.hotkey.into(),
            coldkey: neuron.coldkey.into(),
            axon: neuron.axon,
            registered_at: neuron.registered_at,
            immune_until: neuron.registered_at.map(|block| block.saturating_add(immunity_period.into())),
            incentive: neuron.incentive,
            emission_rao: neuron.emission_rao.into(),
            stake_rao: neuron.stake_rao.into(),
            online,
            models: status.map(|status| status.models.clone()).unwrap_or_default(),
            device: status.and_then(|status| status.device.clone()),
            device_memory_bytes: inventory.filter(|_| online).map(|known| known.memory_bytes.into()),
            in_flight: status.map_or(0, |status| status.in_flight),
            score: row.map(Into::into),
            service: self
                .served
                .get(&neuron.hotkey)
                .map(Into::into)
                .unwrap_or_else(|| (&Sums::default()).into()),
        }
    }
}

/// Everybody on the subnet but this validator, by uid; the cursor is the last uid shown.
pub(in crate::staker_rpc) async fn page(params: PageParams, at: At) -> Result<Page<Miner>, ErrorObjectOwned> {
    let (limit, after) = (page_limit(params.limit)?, cursor(params.cursor.as_ref())?);
    let wanted = |uid: u16| after.is_none_or(|after| u64::from(uid) > after);
    let neurons = at.chain.metagraph.neurons.iter();
    let mut neurons = neurons.filter(|neuron| neuron.hotkey != at.hotkey && wanted(neuron.uid));
    let (facts, immunity_period) = (Facts::of(&at), at.chain.hyperparameters.immunity_period);
    let items: Vec<Miner> =
        neurons.by_ref().take(limit).map(|neuron| facts.miner(neuron, immunity_period)).collect();
    let more = neurons.next().is_some();
    Ok(Page { next_cursor: items.last().filter(|_| more).map(|last| last.uid.to_string()), items })
}

pub(in crate::staker_rpc) async fn one(params: HotkeyParams, at: At) -> Result<Miner, ErrorObjectOwned> {
    let neuron = at.chain.metagraph.by_hotkey(&params.hotkey).ok_or_else(|| not_found("miner"))?;
    Ok(Facts::of(&at).miner(neuron, at.chain.hyperparameters.immunity_period))
}

pub(in crate::staker_rpc) async fn fleet(_: NoParams, at: At) -> Result<Fleet, ErrorObjectOwned> {
    Ok(fleet_now(&at.state, at.chain.timestamp_ms))
}

/// The fleet as it is, with usage up to a time.
pub(in crate::staker_rpc) fn fleet_now(state: &State, timestamp_ms: u64) -> Fleet {
    let span = Span::ending(timestamp_ms, HOURS);
    let miners = state.fleet.miners();
    let view = state.fleet.view_changes().borrow().clone();
    let mut devices: BTreeMap<String, Device> = BTreeMap::new();
    let online: Vec<&MinerEntry> = miners
        .iter()
        .filter(|status| status.online)
        .filter_map(|status| view.miners.get(&status.hotkey))
        .collect();
    for known in online.iter().filter_map(|miner| miner.inventory.as_ref()) {
        let device = known.device.clone();
        let of =
            devices.entry(device.clone()).or_insert(Device { device, miners: 0, memory_bytes: Amount(0) });
        of.miners += 1;
        of.memory_bytes.0 += u128::from(known.memory_bytes);
    }
    let by_model = state.usage.look(|usage| usage.by_model(span));
    let all_units: u128 = by_model.values().map(|sums| sums.compute_units).sum();
    let models = state.fleet.catalogue().iter().map(|model| {
        let inventories = online.iter().filter_map(|miner| miner.inventory.as_ref());
        let held = inventories.filter_map(|known| {
            known.models.iter().find(|hot| hot.id == model.id && hot.weights_digest == model.weights_digest)
        });
        let slots: Vec<u64> = held.map(|hot| hot.slots.into()).collect();
        let sums = by_model.get(&model.id).cloned().unwrap_or_default();
        ModelStatus {
            id: model.id.to_string(),
            holders: slots.len(),
            slots: slots.iter().sum(),
            hot: !slots.is_empty(),
            service: (&sums).into(),
            prompt_tokens: sums.prompt_tokens.into(),
            completion_tokens: sums.completion_tokens.into(),
            demand_share: Fraction::of(sums.compute_units, all_units),
        }
    });
    Fleet {
        miners: miners.len(),
        online: online.len(),
        models: models.collect(),
        devices: devices.into_values().collect(),
    }
}

impl From<&ScoreRow> for Score {
    fn from(row: &ScoreRow) -> Self {
        let [compute, invocations, unique_models, bounties] = row.term_bps;
        Self {
            basis_points: row.basis_points,
            terms_bps: Terms { compute, invocations, unique_models, bounties },
            compute_units: row.compute_units.into(),
            compute_units_counted: row.compute_units_counted.into(),
            invocations: row.invocations,
            invocations_counted: row.invocations_counted.into(),
            unique_models: row.unique_models.into(),
            bounties: row.bounties,
        }
    }
}

impl From<&Sums> for Service {
    fn from(sums: &Sums) -> Self {
        let finished = sums.requests.saturating_sub(sums.abandoned);
        let of = |histogram: &Histogram, percent| histogram.percentile(percent);
        Self {
            requests: sums.requests,
            delivered: sums.delivered,
            success_rate: (finished > 0).then(|| Fraction::of(sums.delivered, finished)),
            first_byte_ms_p50: of(&sums.first_byte_ms, 50),
            first_byte_ms_p95: of(&sums.first_byte_ms, 95),
            first_byte_ms_p99: of(&sums.first_byte_ms, 99),
            total_ms_p50: of(&sums.last_byte_ms, 50),
            total_ms_p99: of(&sums.last_byte_ms, 99),
            decitokens_per_second_p50: of(&sums.decitokens_per_second, 50),
        }
    }
}
