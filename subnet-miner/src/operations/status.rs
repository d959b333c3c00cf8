//! Everything an operator may want to know of a running miner, at one moment.

use std::collections::BTreeMap;

use model_runtime::Durations;
use protocol::account::AccountId;
use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chain_watch::Sighting;
use crate::clock;
use crate::demand::Demand;
use crate::device::Device;
use crate::models::Models;
use crate::permits::Permits;
use crate::receipts::{Counts, ModelCounts};
use crate::residency::ResidencyStatus;

const DAY_MS: u64 = 86_400_000;

/// What a status is made from.
#[derive(Debug)]
pub struct StatusParts {
    /// The subnet.
    pub netuid: u16,
    /// The chain's block time, for estimates by the day.
    pub block_time_ms: u64,
    /// The miner.
    pub hotkey: AccountId,
    /// Where validators reach it.
    pub axon: String,
    /// When it started.
    pub started: Instant,
    /// What it runs on.
    pub device: Device,
    /// Its models.
    pub models: Models,
    /// What it signed.
    pub counts: Counts,
    /// The chain.
    pub sightings: watch::Receiver<Sighting>,
    /// Its callers.
    pub permits: watch::Receiver<Permits>,
    /// What users ask for.
    pub demand: watch::Receiver<Demand>,
    /// The strategist's models.
    pub residency: watch::Receiver<ResidencyStatus>,
}

/// The state of a miner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinerStatus {
    /// The program's version.
    pub version: String,
    /// The subnet.
    pub netuid: u16,
    /// The miner.
    pub hotkey: AccountId,
    /// Where validators reach it.
    pub axon: String,
    /// Unix time of this status.
    pub at_ms: u64,
    /// Since the start.
    pub uptime_s: u64,
    /// What it runs on.
    pub device: String,
    /// Models that take requests.
    pub models: BTreeMap<ModelId, ModelStatus>,
    /// What was signed since the start, by model.
    pub counts: BTreeMap<ModelId, ModelCounts>,
    /// As the chain has it.
    pub chain: ChainStatus,
    /// Validators whose demand is followed.
    pub validators: BTreeMap<AccountId, ValidatorStatus>,
    /// The strategist.
    pub residency: ResidencyStatus,
    /// Thousandths of a compute unit earned since the start, at the catalogues' present prices.
    pub compute: u64,
}

/// A model that takes requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelStatus {
    /// Requests computed at once, at most.
    pub slots: u16,
    /// Requests that run or wait.
    pub in_flight: u16,
    /// Requests that its engine computes at this moment.
    pub running: u64,
    /// Requests that wait for that.
    pub waiting: u64,
    /// Passes that its engine has made, each for all requests that run.
    pub passes: u64,
    /// Requests in all of these passes: by `passes`, the mean batch.
    pub sequences_in_passes: u64,
    /// Tokens computed in them.
    pub tokens_computed: u64,
    /// Tokens of prompts that were found in the cache instead.
    pub prompt_tokens_cached: u64,
    /// From a request's arrival at its engine to its first token.
    pub first_token: Durations,
    /// From a token to the next.
    pub next_token: Durations,
    /// Bytes of its weights.
    pub weights_bytes: u64,
    /// The longest prompt and answer together.
    pub context_tokens: u32,
}

/// What the chain says of this miner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainStatus {
    /// The block it was read at.
    pub block: u32,
    /// Time since then, in milliseconds.
    pub age_ms: u64,
    /// This miner's number, if it has one.
    pub uid: Option<u16>,
    /// Share of the miners' emission, of 65,535.
    pub incentive: u16,
    /// Alpha earned in the last epoch, in rao.
    pub emission_rao: u64,
    /// The same for a day, should every epoch be like the last.
    pub emission_rao_day: u64,
    /// Validators with a permit that counts here.
    pub validators: u64,
}

/// A validator whose demand is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorStatus {
    /// Whether its log is being read.
    pub connected: bool,
    /// Its stake, in rao.
    pub stake_rao: u64,
    /// Models that its users ask for.
    pub models: u64,
    /// Bounties open.
    pub bounties: u64,
}

impl StatusParts {
    /// The status now.
    pub fn status(&self) -> MinerStatus {
        let residency = self.residency.borrow().clone();
        let counts = self.counts.all();
        let models = self.models.all().into_iter().map(|(id, model)| {
            let (facts, engine) = (model.handle().facts(), model.handle().metrics());
            let status = ModelStatus {
                slots: model.slots(),
                in_flight: model.in_flight(),
                running: engine.running as u64,
                waiting: engine.waiting as u64,
                passes: engine.passes,
                sequences_in_passes: engine.sequences_in_passes,
                tokens_computed: engine.counts.tokens_computed,
                prompt_tokens_cached: engine.counts.prompt_tokens_shared,
                first_token: engine.first_token,
                next_token: engine.next_token,
                weights_bytes: facts.memory_bytes,
                context_tokens: facts.context_tokens,
            };
            (id, status)
        });
        let (permits, demand) = (self.permits.borrow(), self.demand.borrow());
        let validators = demand.validators.iter().map(|(validator, heard)| {
            let status = ValidatorStatus {
                connected: heard.connected,
                stake_rao: permits.stake_rao(validator),
                models: heard.book.demand.len() as u64,
                bounties: heard.book.bounties.len() as u64,
            };
            (*validator, status)
        });
        MinerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            netuid: self.netuid,
            hotkey: self.hotkey,
            axon: self.axon.clone(),
            at_ms: clock::unix_ms(),
            uptime_s: u64::from(clock::elapsed_ms(self.started)) / 1_000,
            device: self.device.name.clone(),
            models: models.collect(),
            compute: compute(&counts, &residency),
            counts,
            chain: self.chain(permits.len() as u64),
            validators: validators.collect(),
            residency,
        }
    }

    fn chain(&self, validators: u64) -> ChainStatus {
        let sighting = self.sightings.borrow();
        let metagraph = &sighting.metagraph;
        let own = metagraph.by_hotkey(&self.hotkey);
        let emission_rao = own.map_or(0, |own| own.emission_rao);
        let epoch_ms = u64::from(metagraph.tempo).saturating_add(1).saturating_mul(self.block_time_ms).max(1);
        let a_day = u128::from(emission_rao) * u128::from(DAY_MS) / u128::from(epoch_ms);
        ChainStatus {
            block: metagraph.block.number,
            age_ms: clock::unix_ms().saturating_sub(sighting.read_at_ms),
            uid: own.map(|own| own.uid),
            incentive: own.map_or(0, |own| own.incentive),
            emission_rao,
            emission_rao_day: u64::try_from(a_day).unwrap_or(u64::MAX),
            validators,
        }
    }
}

fn compute(counts: &BTreeMap<ModelId, ModelCounts>, residency: &ResidencyStatus) -> u64 {
    let earned = counts.iter().filter_map(|(id, counts)| {
        let (prompt, completion) = residency.prices.get(id)?;
        let prompt = u128::from(counts.prompt_tokens) * u128::from(*prompt);
        Some(prompt + u128::from(counts.completion_tokens) * u128::from(*completion))
    });
    u64::try_from(earned.sum::<u128>()).unwrap_or(u64::MAX)
}
