//! The simple rule that other miners use: the best newcomer takes the place of the worst model, one for one. Kept to be compared
//! with.

use super::{Candidate, Plan, Policy, Situation, Strategy};

/// Swaps at most one model for one other.
#[derive(Clone, Debug, Default)]
pub struct OneByOne {
    policy: Policy,
}

impl OneByOne {
    /// The rule with these settings.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }
}

impl Strategy for OneByOne {
    fn plan(&mut self, situation: &Situation) -> Plan {
        let Policy { horizon_ms, gain_percent_min, stay_ms_min, models_max } = self.policy;
        let value = |candidate: &&Candidate| candidate.value(horizon_ms);
        let mut cold: Vec<&Candidate> = situation
            .candidates
            .iter()
            .filter(|candidate| candidate.is_cold() && value(candidate) > 0)
            .collect();
        cold.sort_by_key(|candidate| std::cmp::Reverse(value(candidate)));
        let mut free = situation.free_bytes();
        let mut held = situation.candidates.iter().filter(|candidate| !candidate.is_cold()).count();
        let mut plan = Plan::default();
        for newcomer in cold {
            if newcomer.memory_bytes <= free && held < models_max {
                free -= newcomer.memory_bytes;
                held += 1;
                plan.load.push(newcomer.model.clone());
                continue;
            }
            let worst = situation
                .candidates
                .iter()
                .filter(|candidate| candidate.may_leave(situation.now_ms, stay_ms_min))
                .filter(|candidate| free.saturating_add(candidate.memory_bytes) >= newcomer.memory_bytes)
                .filter(|candidate| !plan.unload.contains(&candidate.model))
                .min_by_key(value);
            if let Some(victim) = worst
                && value(&newcomer) * 100 > value(&victim) * u128::from(100 + gain_percent_min)
            {
                free = free + victim.memory_bytes - newcomer.memory_bytes;
                plan.unload.push(victim.model.clone());
                plan.load.push(newcomer.model.clone());
                plan.reasons.push(format!("{} takes the place of {}", newcomer.model, victim.model));
            }
        }
        plan
    }
}
