//! What residency tells of itself: for the log, the metrics and the terminal view.

use std::collections::BTreeMap;

use protocol::catalogue_document::Offer;
use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

use super::Residency;
use crate::clock;
use crate::strategist::{Mode, Plan, Situation};

/// The state of residency.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResidencyStatus {
    /// What the strategist may do.
    pub mode: Mode,
    /// Memory for all models, in bytes.
    pub memory_bytes_max: u64,
    /// Memory promised to models, in bytes.
    pub memory_bytes: u64,
    /// Disk taken by weights, in bytes.
    pub disk_bytes: u64,
    /// Models that validators pay for.
    pub offers: u64,
    /// Models that the strategist brought in.
    pub held: BTreeMap<ModelId, HeldModel>,
    /// What is being done.
    pub doing: Option<Doing>,
    /// Why, as of the last decision.
    pub reasons: Vec<String>,
    /// What could not be brought in, with the reason.
    pub failures: BTreeMap<ModelId, String>,
    /// What a prompt token and a generated one are worth, by model, in thousandths of a compute unit.
    pub prices: BTreeMap<ModelId, (u32, u32)>,
    /// What the held models may be expected to earn in an hour, in thousandths of a compute unit.
    pub hourly: u64,
}

/// A model that the strategist brought in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldModel {
    /// Memory that it takes.
    pub memory_bytes: u64,
    /// Since when it is ready, Unix time.
    pub since_ms: u64,
}

/// A change under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doing {
    /// Of which model.
    pub model: ModelId,
    /// What.
    pub what: String,
    /// Since when, Unix time.
    pub since_ms: u64,
}

impl Residency {
    pub(super) fn doing(&self, doing: Option<(&ModelId, &str)>) {
        let doing = doing.map(|(model, what)| Doing {
            model: model.clone(),
            what: what.to_owned(),
            since_ms: clock::unix_ms(),
        });
        self.status.send_modify(|status| status.doing = doing);
    }

    pub(super) fn tell(&self, situation: &Situation, plan: &Plan, offers: &[Offer]) {
        let held = self.held.iter().map(|(id, held)| {
            (id.clone(), HeldModel { memory_bytes: held.memory_bytes, since_ms: held.since_ms })
        });
        let prices = offers.iter().map(|offer| {
            let model = &offer.model;
            (model.id.clone(), (model.prompt_multiplier, model.completion_multiplier))
        });
        let ready = situation.candidates.iter().filter(|candidate| self.held.contains_key(&candidate.model));
        self.status.send_replace(ResidencyStatus {
            mode: self.parts.config.mode,
            memory_bytes_max: self.parts.memory_bytes,
            memory_bytes: self.parts.runtime.memory_bytes(),
            disk_bytes: self.parts.store.bytes(),
            offers: offers.len() as u64,
            prices: prices.collect(),
            held: held.collect(),
            doing: None,
            reasons: plan.reasons.clone(),
            failures: self
                .failures
                .iter()
                .map(|(id, failure)| (id.clone(), failure.reason.clone()))
                .collect(),
            hourly: ready.map(|candidate| candidate.hourly).sum(),
        });
    }
}
