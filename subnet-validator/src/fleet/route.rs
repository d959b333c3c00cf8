//! From who could take a call to who gets it.

use protocol::account::AccountId;
use protocol::ticket::ModelId;

use super::Shared;
use super::affinity::{AffinityPolicy, Bearer, prefer, prefix_key};
use super::attempt::Errand;
use super::axon::Axon;
use super::breaker::Admission;
use super::load::InFlight;
use super::picker::{Candidate, Goal, occupancy, pick};
use super::view::Holder;

/// The miner chosen for one attempt.
pub(super) struct Chosen {
    pub axon: Axon,
    pub context_tokens: u32,
    pub in_flight: InFlight,
}

/// Who need not be asked any more.
#[derive(Debug, Default)]
pub(super) struct Tried {
    /// Asked already.
    pub hotkeys: Vec<AccountId>,
    /// A context of this many tokens was too short.
    pub context_tokens: Option<u32>,
}

/// Why nobody could be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NobodyLeft {
    /// Some are left alone because of failures; the first of them until then.
    Broken { until_ms: u64 },
    /// Miners are there, and none of them holds the model.
    Cold,
    /// Nobody is there, or all have been asked.
    None,
}

impl Shared {
    /// Chooses among the miners that hold the model and were not tried yet: by the prompt's beginning if it has one and the user
    /// wants nothing else, otherwise by load and speed.
    pub(super) fn choose(
        &self,
        errand: &Errand<'_>,
        goal: Goal,
        tried: &Tried,
    ) -> Result<Chosen, NobodyLeft> {
        let now_ms = self.clock.now_ms();
        let view = self.view.borrow();
        let max_age_ms = self.limits.inventory_max_age_ms;
        let mut holders: Vec<Holder<'_>> = view
            .holders(errand.model, now_ms, max_age_ms)
            .filter(|holder| !tried.hotkeys.contains(&holder.miner.hotkey))
            .filter(|holder| tried.context_tokens.is_none_or(|tokens| holder.model.context_tokens > tokens))
            .collect();
        if holders.is_empty() {
            let is_there = tried.hotkeys.is_empty()
                && view.miners.values().any(|miner| miner.fresh_inventory(now_ms, max_age_ms).is_some());
            return Err(if is_there { NobodyLeft::Cold } else { NobodyLeft::None });
        }
        let hotkeys = holders.iter().map(|holder| &holder.miner.hotkey);
        let standings = self.loads.standings(hotkeys, &errand.model.id, now_ms);
        let mut broken_until_ms: Option<u64> = None;
        let mut candidates = Vec::with_capacity(holders.len());
        let mut standings = standings.into_iter();
        holders.retain(|holder| {
            let Some(standing) = standings.next() else { return false };
            if let Admission::Open { until_ms } = standing.admission {
                broken_until_ms = Some(broken_until_ms.map_or(until_ms, |known| known.min(until_ms)));
                return false;
            }
            candidates.push(Candidate {
                hotkey: holder.miner.hotkey,
                tokens_in_flight: standing.tokens_in_flight,
                slots: holder.model.slots,
                first_token_ms: standing.first_token_ms,
                tokens_per_s: standing.tokens_per_s,
            });
            true
        });
        let chosen = self
            .by_affinity(errand, goal, &candidates)
            .or_else(|| pick(&candidates, goal, getrandom::u64().unwrap_or(now_ms)));
        let Some(holder) = chosen.and_then(|index| holders.get(index)) else {
            return Err(broken_until_ms.map_or(NobodyLeft::None, |until_ms| NobodyLeft::Broken { until_ms }));
        };
        Ok(Chosen {
            axon: Axon { hotkey: holder.miner.hotkey, address: holder.miner.axon },
            context_tokens: holder.model.context_tokens,
            in_flight: self.loads.begin(holder.miner.hotkey, &errand.model.id, errand.tokens),
        })
    }

    fn by_affinity(&self, errand: &Errand<'_>, goal: Goal, candidates: &[Candidate]) -> Option<usize> {
        if goal != Goal::Balance || candidates.len() < 2 || self.limits.affinity_blocks_max == 0 {
            return None;
        }
        let policy = AffinityPolicy {
            block_bytes: self.limits.affinity_block_bytes,
            blocks_max: self.limits.affinity_blocks_max,
            excess_percent: self.limits.affinity_excess_percent.into(),
        };
        let key = prefix_key(policy, &errand.body)?;
        let bearers: Vec<Bearer> = candidates
            .iter()
            .map(|candidate| Bearer { hotkey: candidate.hotkey, load: occupancy(candidate) })
            .collect();
        let slots = candidates.iter().map(|candidate| u64::from(candidate.slots.max(1))).sum::<u64>();
        let slots_each = (slots / u64::try_from(candidates.len()).unwrap_or(u64::MAX)).max(1);
        prefer(policy, key, &bearers, errand.tokens / slots_each)
    }

    /// How long until one of the model's miners has a slot free: the calls open with them, at the pace of the latest ones.
    pub(super) fn drain_ms(&self, model: &ModelId) -> u64 {
        const UNKNOWN_MS: u64 = 1_000;
        let now_ms = self.clock.now_ms();
        let view = self.view.borrow();
        let Some(model) = self.catalogue.get(model) else { return UNKNOWN_MS };
        let holders: Vec<Holder<'_>> =
            view.holders(model, now_ms, self.limits.inventory_max_age_ms).collect();
        let hotkeys = holders.iter().map(|holder| &holder.miner.hotkey);
        let standings = self.loads.standings(hotkeys, &model.id, now_ms);
        // Each slot ends a call every `call_ms`; those of other validators are in the miner's own count.
        let waits = holders.iter().zip(&standings).filter_map(|(holder, standing)| {
            let open = u64::from(standing.in_flight).max(holder.model.in_flight.into()).max(1);
            let call_ms = u64::from(standing.call_ms?);
            Some(call_ms.saturating_mul(open) / u64::from(holder.model.slots.max(1)))
        });
        waits.min().unwrap_or(UNKNOWN_MS).max(1)
    }
}
