//! The unique-models term: which models a miner kept serving, hour by hour.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use crate::account::AccountId;
use crate::catalogue::Catalogue;
use crate::ticket::ModelId;

/// The hours in which each of one coldkey's hotkeys served each model.
#[derive(Debug, Default)]
pub(super) struct Served<'a> {
    hours: BTreeMap<&'a ModelId, BTreeMap<AccountId, BTreeSet<u64>>>,
}

impl<'a> Served<'a> {
    pub(super) fn insert(&mut self, hotkey: AccountId, hour: u64, model: &'a ModelId) {
        self.hours.entry(model).or_default().entry(hotkey).or_default().insert(hour);
    }

    /// Each hotkey's credit: thousandths of a MiB, averaged over the window.
    pub(super) fn credits(&self, policy: &Policy, catalogue: &Catalogue) -> BTreeMap<AccountId, u128> {
        let mut credits: BTreeMap<AccountId, u128> = BTreeMap::new();
        let ramp_hours = policy.ramp_hours.max(1);
        for (id, of_hotkey) in &self.hours {
            let Some(model) = catalogue.get(id) else { continue };
            let memory = u128::from(model.memory_bytes.div_ceil(1 << 20)).saturating_mul(1_000);
            for (hotkey, hours) in of_hotkey {
                let credit = credits.entry(*hotkey).or_default();
                for hour in hours {
                    let first = hour.saturating_sub(u64::from(ramp_hours).saturating_sub(1));
                    let kept = u128::try_from(hours.range(first..=*hour).count()).unwrap_or(0);
                    let sharing = of_hotkey.values().filter(|hours| hours.contains(hour)).count();
                    let divisor = u128::from(ramp_hours).saturating_mul(sharing.try_into().unwrap_or(1));
                    let part = memory.saturating_mul(kept).checked_div(divisor).unwrap_or(0);
                    *credit = credit.saturating_add(part);
                }
            }
        }
        for credit in credits.values_mut() {
            *credit = credit.checked_div(policy.window_hours.into()).unwrap_or(0);
        }
        credits
    }
}
