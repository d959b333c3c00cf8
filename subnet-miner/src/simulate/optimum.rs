//! The most that could have been earned with foresight, by dynamic programming over the sets of models.
//!
//! The state is the set that takes memory in a step, models that are being loaded included. Adding a model costs what it would
//! have earned until it is ready and brings the bounty that stands then. Every rule's run is such a sequence of sets, so none earns
//! more; the bound is not always tight, since a bounty is counted when its model's
//! loading begins, and again when the model leaves and comes back.

use super::{Outcome, Trace};

/// No set of models: worse than anything.
const NEVER: i128 = i128::MIN / 4;

/// The best run in hindsight.
#[must_use]
pub fn optimum(trace: &Trace) -> Outcome {
    let models = trace.models.len();
    let sets = 1_usize << models;
    let fits: Vec<bool> = (0..sets).map(|set| bytes(trace, set) <= u128::from(trace.memory_bytes)).collect();
    // By the set before the first step: none.
    let mut best = vec![NEVER; sets];
    best[0] = 0;
    // For each step and set, the set before it that was best.
    let mut from: Vec<Vec<u16>> = Vec::with_capacity(trace.steps());
    for step in 0..trace.steps() {
        let mut value = best;
        let mut came: Vec<u16> = (0..sets).map(|set| u16::try_from(set).unwrap_or(u16::MAX)).collect();
        for model in 0..models {
            let bit = 1 << model;
            let cost = adding(trace, model, step);
            for without in (0..sets).filter(|set| set & bit == 0) {
                let with = without | bit;
                let (drop, add) = (value[with], value[without] - cost);
                let came_from = (came[with], came[without]);
                if drop > value[without] {
                    (value[without], came[without]) = (drop, came_from.0);
                }
                if add > value[with] {
                    (value[with], came[with]) = (add, came_from.1);
                }
            }
        }
        for (set, value) in value.iter_mut().enumerate() {
            let earned = members(models, set).map(|model| i128::from(trace.models[model].demand[step]));
            *value = if fits[set] { *value + earned.sum::<i128>() } else { NEVER };
        }
        best = value;
        from.push(came);
    }
    retrace(trace, &best, &from)
}

/// What adding a model at a step costs: the steps until it is ready, less the bounty that stands then.
fn adding(trace: &Trace, model: usize, step: usize) -> i128 {
    let ready = step.saturating_add(trace.load_steps(model));
    let demand = &trace.models[model].demand;
    let missed: i128 = demand[step..ready.min(demand.len())].iter().map(|demand| i128::from(*demand)).sum();
    if ready >= demand.len() {
        return missed;
    }
    let bounties = trace.bounties.iter().filter(|bounty| bounty.model == model);
    missed - bounties.map(|bounty| i128::from(bounty.worth(ready))).sum::<i128>()
}

/// Follows the best run back from its end, and counts it forwards.
fn retrace(trace: &Trace, best: &[i128], from: &[Vec<u16>]) -> Outcome {
    let last = (0..best.len()).max_by_key(|set| best[*set]).unwrap_or(0);
    let mut sets = vec![last];
    for came in from.iter().rev() {
        let before = sets.last().map_or(0, |set| usize::from(came[*set]));
        sets.push(before);
    }
    sets.reverse();
    let models = trace.models.len();
    let mut outcome = Outcome::default();
    let mut earned: i128 = 0;
    for (step, pair) in sets.windows(2).enumerate() {
        let (before, now) = (pair[0], pair[1]);
        let added: Vec<usize> = members(models, now & !before).collect();
        earned -= added.iter().map(|model| adding(trace, *model, step)).sum::<i128>();
        earned +=
            members(models, now).map(|model| i128::from(trace.models[model].demand[step])).sum::<i128>();
        outcome.loads += added.len() as u32;
        outcome.unloads += (before & !now).count_ones();
        outcome.earned.push(u64::try_from(earned).unwrap_or(0));
    }
    outcome
}

fn members(models: usize, set: usize) -> impl Iterator<Item = usize> {
    (0..models).filter(move |model| set & (1 << model) != 0)
}

fn bytes(trace: &Trace, set: usize) -> u128 {
    members(trace.models.len(), set).map(|model| u128::from(trace.models[model].memory_bytes)).sum()
}
