//! The shipped rule: the most valuable set of models that fits, changed only when that is worth it.

use std::cmp::Reverse;

use super::{Candidate, Plan, Policy, Situation, Strategy};

/// Sets looked at before the best one so far is taken. The first one looked at takes the densest models that fit, so that stopping
/// early is never worse than that.
const SETS_MAX: u32 = 200_000;

/// See [`crate::strategist`].
#[derive(Clone, Debug, Default)]
pub struct Knapsack {
    policy: Policy,
}

/// What a search chooses from.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// Index among the candidates.
    index: usize,
    bytes: u64,
    value: u128,
}

impl Knapsack {
    /// The rule with these settings.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    fn item(&self, situation: &Situation, index: usize) -> Item {
        let candidate = &situation.candidates[index];
        // A held model wins against an equal one that would have to be loaded.
        let value = candidate.value(self.policy.horizon_ms) + u128::from(!candidate.is_cold());
        Item { index, bytes: candidate.memory_bytes, value }
    }
}

impl Strategy for Knapsack {
    fn plan(&mut self, situation: &Situation) -> Plan {
        let Policy { stay_ms_min, models_max, gain_percent_min, .. } = self.policy;
        let all = 0..situation.candidates.len();
        let at = |index: &usize| &situation.candidates[*index];
        let (held, cold): (Vec<usize>, Vec<usize>) = all.partition(|index| !at(index).is_cold());
        let (may_leave, fixed): (Vec<usize>, Vec<usize>) =
            held.iter().partition(|index| at(index).may_leave(situation.now_ms, stay_ms_min));
        let item = |index: &usize| self.item(situation, *index);
        let newcomers = cold.iter().map(item).filter(|item| item.value > 0);

        let taken: u64 = fixed.iter().map(|index| at(index).memory_bytes).sum();
        let room = situation.memory_bytes.saturating_sub(taken);
        let places = models_max.saturating_sub(fixed.len());
        let free = may_leave.iter().map(item).chain(newcomers.clone());
        let mut best = most_valuable(free.collect(), room, places);

        // What leaves for nothing stays: memory that nobody needs is no reason to unload.
        let mut victims: Vec<Item> = may_leave
            .iter()
            .map(item)
            .filter(|held| !best.iter().any(|item| item.index == held.index))
            .collect();
        victims.sort_by_key(|victim| (Reverse(victim.value), victim.bytes, victim.index));
        let mut left = room.saturating_sub(best.iter().map(|item| item.bytes).sum());
        victims.retain(|victim| {
            let stays = victim.bytes <= left && best.len() < places;
            if stays {
                left -= victim.bytes;
                best.push(*victim);
            }
            !stays
        });

        let mut reasons = Vec::new();
        if !victims.is_empty() {
            let stay: u128 = may_leave.iter().map(|index| item(index).value).sum();
            let change: u128 = best.iter().map(|item| item.value).sum();
            let lost: u128 = victims.iter().map(|victim| victim.value).sum();
            let gain = change.saturating_sub(stay);
            let names = names(situation, &victims);
            if gain * 100 <= lost * u128::from(gain_percent_min) {
                // Not worth it. What fits beside the present models may still come.
                reasons.push(format!(
                    "{names} could make room for others, but the gain of {gain} is no {gain_percent_min} % of the {lost} given up"
                ));
                let free = situation.free_bytes();
                best = most_valuable(newcomers.collect(), free, models_max.saturating_sub(held.len()));
                victims.clear();
            } else {
                reasons
                    .push(format!("{names} give up their memory: {lost} is lost and {gain} won on balance"));
            }
        }
        best.retain(|item| at(&item.index).is_cold());
        best.sort_by_key(|item| (Reverse(item.value), item.index));
        reasons.extend(best.iter().map(|item| arrival(at(&item.index), item.value, self.policy.horizon_ms)));
        let name = |item: &Item| at(&item.index).model.clone();
        Plan { unload: victims.iter().map(name).collect(), load: best.iter().map(name).collect(), reasons }
    }
}

fn names(situation: &Situation, items: &[Item]) -> String {
    let names: Vec<&str> = items.iter().map(|item| situation.candidates[item.index].model.as_str()).collect();
    names.join(", ")
}

fn arrival(candidate: &Candidate, value: u128, horizon_ms: u64) -> String {
    let Candidate { model, memory_bytes, hourly, bounty, load_ms, .. } = candidate;
    format!(
        "{model} is worth {value} in the next {} min: {hourly} an hour and a bounty of {bounty}, {} s to load, {memory_bytes} bytes",
        horizon_ms / 60_000,
        load_ms / 1_000
    )
}

/// The most valuable items of at most `bytes_max` together, at most `items_max` of them. Of equally valuable sets, one with fewer
/// bytes is not looked for.
fn most_valuable(mut items: Vec<Item>, bytes_max: u64, items_max: usize) -> Vec<Item> {
    items.retain(|item| item.bytes <= bytes_max);
    // By value per byte, compared without division.
    items.sort_by(|one, other| {
        let (left, right) = (one.value * u128::from(other.bytes), other.value * u128::from(one.bytes));
        right.cmp(&left).then(one.index.cmp(&other.index))
    });
    let mut search = Search {
        items: &items,
        items_max,
        sets_left: SETS_MAX,
        chosen: Vec::new(),
        best: Vec::new(),
        best_value: 0,
    };
    search.go(0, bytes_max, 0);
    let best = search.best;
    best.into_iter().map(|at| items[at]).collect()
}

/// Depth first: with the densest item, then without it; a branch whose remaining room could not beat the best set is left.
struct Search<'a> {
    items: &'a [Item],
    items_max: usize,
    sets_left: u32,
    chosen: Vec<usize>,
    best: Vec<usize>,
    best_value: u128,
}

impl Search<'_> {
    fn go(&mut self, from: usize, bytes_left: u64, value: u128) {
        if value > self.best_value {
            self.best_value = value;
            self.best.clone_from(&self.chosen);
        }
        if from == self.items.len() || self.chosen.len() == self.items_max || self.sets_left == 0 {
            return;
        }
        if value + self.bound(from, bytes_left) <= self.best_value {
            return;
        }
        self.sets_left -= 1;
        let Item { bytes, value: worth, .. } = self.items[from];
        if bytes <= bytes_left {
            self.chosen.push(from);
            self.go(from + 1, bytes_left - bytes, value + worth);
            self.chosen.pop();
        }
        self.go(from + 1, bytes_left, value);
    }

    /// What the room could be worth at most, if items could be cut: the densest first, and a part of the last.
    fn bound(&self, from: usize, mut bytes_left: u64) -> u128 {
        let mut value = 0;
        for item in &self.items[from..] {
            if item.bytes > bytes_left {
                let part = (item.value * u128::from(bytes_left)).checked_div(item.bytes.into());
                return value + part.unwrap_or(item.value) + 1;
            }
            bytes_left -= item.bytes;
            value += item.value;
        }
        value
    }
}
