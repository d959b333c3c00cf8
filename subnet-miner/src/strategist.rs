//! Which models to hold: a pure function of what is on offer, what users ask for, and what is loaded.
//!
//! A model is worth what it is expected to earn in the time looked ahead, plus its bounty, less what is missed while it loads.
//! The best set of models under the memory budget is a knapsack, so that one large newcomer may displace several small victims
//! together, which no rule that swaps one for one would do. Three things keep the set from flapping: a swap must gain more than
//! a share of what its victims are worth, a model that came stays for a while, and nothing leaves unless its memory is needed.
//! What is serving, loading, or named by the operator is never touched.
//!
//! [`Strategy`] is the seam for operators' own rules. [`crate::demand`] tells what users want, [`expect`] turns that into
//! expected earnings, and [`crate::residency`] carries plans out.

pub mod expect;
mod knapsack;
mod one_by_one;

use std::num::NonZeroU64;

use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

pub use self::knapsack::Knapsack;
pub use self::one_by_one::OneByOne;

/// Milliseconds of the hour that earnings are counted by.
pub const HOUR_MS: u64 = 3_600_000;

/// Whether and how this miner chooses its models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StrategistConfig {
    /// off: only the models of the configuration; dry-run: say what would be done and why; on: do it. Default on, which does
    /// nothing as long as no validator is named in demand.validators or found on chain.
    pub mode: Mode,
    /// Memory for models, in bytes. Default 0: three quarters of the card's, or of the
    /// machine's where models run on its processor.
    pub memory_bytes_max: u64,
    /// Time between two decisions, in milliseconds. Default 15000.
    pub decide_ms: NonZeroU64,
    /// Time between two looks at the validators' catalogues, in milliseconds. Default 300000.
    pub catalogue_ms: NonZeroU64,
    /// Largest catalogue, in bytes. Default 16 MiB.
    pub catalogue_bytes_max: usize,
    /// What one claim of a bounty is taken to be worth, in thousandths of a compute unit. Default 1000000.
    pub claim_value: u64,
    /// Time for a new model's first tokens, in milliseconds, before it counts as broken. Default 120000.
    pub self_test_ms_max: NonZeroU64,
    /// Time for a model's last answers when it is taken out, in milliseconds. Default 300000.
    pub drain_ms_max: NonZeroU64,
    /// How long a model that failed to load is left alone, in milliseconds; twice as long after each further failure. Default 60000.
    pub retry_ms: u64,
    /// What a download is taken to bring in a second, in bytes, before the first one was measured. Default 20000000.
    pub download_bytes_per_s: NonZeroU64,
    /// The rule.
    pub policy: Policy,
}

/// What the strategist may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing.
    Off,
    /// Decide and tell.
    DryRun,
    /// Decide and act.
    #[default]
    On,
}

impl Default for StrategistConfig {
    fn default() -> Self {
        let number = |value| NonZeroU64::new(value).expect("a literal above zero");
        Self {
            mode: Mode::On,
            memory_bytes_max: 0,
            decide_ms: number(15_000),
            catalogue_ms: number(300_000),
            catalogue_bytes_max: 16 << 20,
            claim_value: 1_000_000,
            self_test_ms_max: number(120_000),
            drain_ms_max: number(300_000),
            retry_ms: 60_000,
            download_bytes_per_s: number(20_000_000),
            policy: Policy::default(),
        }
    }
}

/// How models are chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How far ahead earnings are counted, in milliseconds. Default one hour.
    pub horizon_ms: u64,
    /// What a swap must gain, in percent of what its victims are worth. Default 10.
    pub gain_percent_min: u32,
    /// How long a model stays once it is ready, in milliseconds. Default five minutes.
    pub stay_ms_min: u64,
    /// The most models held at once. Default 64.
    pub models_max: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { horizon_ms: HOUR_MS, gain_percent_min: 10, stay_ms_min: 300_000, models_max: 64 }
    }
}

/// Everything that a plan follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Unix time.
    pub now_ms: u64,
    /// Memory for models, in bytes.
    pub memory_bytes: u64,
    /// Every model that could be held, those that are held included.
    pub candidates: Vec<Candidate>,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub model: ModelId,
    /// Memory it takes, or would take.
    pub memory_bytes: u64,
    /// What this miner may expect to earn with it in an hour, in thousandths of a compute unit.
    pub hourly: u64,
    /// What becoming ready earns by itself, in thousandths of a compute unit.
    pub bounty: u64,
    /// From the decision until it is ready, download included.
    pub load_ms: u64,
    /// Where it is.
    pub place: Place,
}

/// Where a model is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not in memory.
    Cold,
    /// Ready.
    Hot {
        /// Since when, Unix time.
        since_ms: u64,
    },
    /// Must stay: it answers right now, is being loaded, or the operator named it.
    Pinned,
}

/// What to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Models to take out. Nothing of these is needed if no model is to be loaded.
    pub unload: Vec<ModelId>,
    /// Models to bring in, the most valuable first.
    pub load: Vec<ModelId>,
    /// Why, one sentence per decision that a person may wonder about.
    pub reasons: Vec<String>,
}

/// A rule that makes plans. Implement it to bring your own.
pub trait Strategy: Send + Sync {
    /// The plan for a situation. An empty one leaves everything as it is.
    fn plan(&mut self, situation: &Situation) -> Plan;
}

impl Candidate {
    /// What holding it is worth over the time looked ahead.
    #[must_use]
    pub fn value(&self, horizon_ms: u64) -> u128 {
        match self.place {
            Place::Cold => {
                let served_ms = horizon_ms.saturating_sub(self.load_ms);
                u128::from(self.hourly) * u128::from(served_ms) / u128::from(HOUR_MS)
                    + u128::from(self.bounty)
            }
            Place::Hot { .. } | Place::Pinned => {
                u128::from(self.hourly) * u128::from(horizon_ms) / u128::from(HOUR_MS)
            }
        }
    }

    fn is_cold(&self) -> bool {
        self.place == Place::Cold
    }

    /// Whether it may be taken out.
    fn may_leave(&self, now_ms: u64, stay_ms_min: u64) -> bool {
        match self.place {
            Place::Hot { since_ms } => now_ms.saturating_sub(since_ms) >= stay_ms_min,
            Place::Cold | Place::Pinned => false,
        }
    }
}

impl Situation {
    /// Memory that nothing holds.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        let held = self.candidates.iter().filter(|candidate| !candidate.is_cold());
        held.fold(self.memory_bytes, |free, candidate| free.saturating_sub(candidate.memory_bytes))
    }
}

#[cfg(test)]
mod tests;
