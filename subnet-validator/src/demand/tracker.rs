//! How much each model was asked for lately: counts in slices of a window that moves on. Pure: time is an argument.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use protocol::demand::ModelDemand;
use protocol::ticket::ModelId;

/// Slices that make up the window.
const SLICES: u64 = 10;

/// The counts of all models. Only models of the catalogue may be counted, which bounds it.
#[derive(Debug)]
pub struct Tracker {
    window_ms: u64,
    models: BTreeMap<ModelId, Track>,
}

#[derive(Debug, Default)]
struct Track {
    slices: VecDeque<(u64, Asked)>,
    published: ModelDemand,
}

/// What was asked, or what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Calls.
    pub calls: u64,
    /// Prompt tokens by receipts.
    pub prompt_tokens: u64,
    /// Completion tokens by receipts.
    pub completion_tokens: u64,
    /// Calls that were not served.
    pub unserved: u64,
}

impl Tracker {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(window_ms: u64) -> Self {
        Self { window_ms: window_ms.max(SLICES), models: BTreeMap::new() }
    }

    /// Adds to a model's counts.
    pub fn count(&mut self, model: &ModelId, asked: Asked, now_ms: u64) {
        let slice = now_ms / (self.window_ms / SLICES);
        let slices = &mut self.models.entry(model.clone()).or_default().slices;
        // A clock that went back counts into the newest slice.
        match slices.back_mut() {
            Some((newest, sum)) if *newest >= slice => sum.add(asked),
            _ => slices.push_back((slice, asked)),
        }
    }

    /// The models whose demand is another one than at the last call of this, with what it is now. A model that was not asked
    /// for in the whole window is given one last time, with nothing.
    pub fn changes(
        &mut self,
        now_ms: u64,
        waiting: impl Fn(&ModelId) -> u32,
        holders: impl Fn(&ModelId) -> u32,
    ) -> Vec<(ModelId, ModelDemand)> {
        let oldest = (now_ms / (self.window_ms / SLICES)).saturating_sub(SLICES - 1);
        let mut changes = Vec::new();
        self.models.retain(|model, track| {
            while track.slices.front().is_some_and(|(slice, _)| *slice < oldest) {
                track.slices.pop_front();
            }
            let waiting = waiting(model);
            let is_asked = !track.slices.is_empty() || waiting > 0;
            let mut sum = Asked::default();
            track.slices.iter().for_each(|(_, asked)| sum.add(*asked));
            let demand = if is_asked {
                ModelDemand {
                    window_ms: self.window_ms,
                    calls: sum.calls,
                    prompt_tokens: sum.prompt_tokens,
                    completion_tokens: sum.completion_tokens,
                    unserved: sum.unserved,
                    waiting,
                    holders: holders(model),
                }
            } else {
                ModelDemand::default()
            };
            if demand != track.published {
                track.published = demand;
                changes.push((model.clone(), demand));
            }
            is_asked
        });
        changes
    }
}

impl Asked {
    /// One call.
    pub const CALL: Self = Self { calls: 1, prompt_tokens: 0, completion_tokens: 0, unserved: 0 };
    /// One call that was not served.
    pub const UNSERVED: Self = Self { calls: 0, prompt_tokens: 0, completion_tokens: 0, unserved: 1 };

    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.prompt_tokens = self.prompt_tokens.saturating_add(more.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(more.completion_tokens);
        self.unserved = self.unserved.saturating_add(more.unserved);
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Tracker};
    use protocol::demand::ModelDemand;
    use protocol::ticket::ModelId;

    fn calls(tracker: &mut Tracker, now_ms: u64) -> Vec<u64> {
        let changes = tracker.changes(now_ms, |_| 0, |_| 1);
        changes.into_iter().map(|(_, demand)| demand.calls).collect()
    }

    #[test]
    fn calls_count_for_one_window_and_are_published_when_they_change() {
        let model: ModelId = "m".parse().unwrap();
        let mut tracker = Tracker::new(1_000);
        tracker.count(&model, Asked::CALL, 50);
        tracker.count(&model, Asked::CALL, 450);
        assert_eq!(calls(&mut tracker, 500), [2]);
        assert!(calls(&mut tracker, 600).is_empty(), "nothing changed");
        assert_eq!(calls(&mut tracker, 1_000), [1], "the first one is a window old");
        assert_eq!(tracker.changes(1_500, |_| 0, |_| 1), [(model.clone(), ModelDemand::default())]);
        assert!(tracker.changes(1_600, |_| 0, |_| 1).is_empty(), "forgotten");
    }

    #[test]
    fn a_model_that_somebody_waits_for_is_not_forgotten() {
        let model: ModelId = "m".parse().unwrap();
        let mut tracker = Tracker::new(1_000);
        tracker.count(&model, Asked::CALL, 0);
        let changes = tracker.changes(9_000, |_| 3, |_| 0);
        assert_eq!((changes[0].1.calls, changes[0].1.waiting, changes[0].1.holders), (0, 3, 0));
    }
}
