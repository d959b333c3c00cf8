//! A rule on a trace, step by step.

use protocol::ticket::ModelId;

use super::{Outcome, Trace};
use crate::strategist::{Candidate, HOUR_MS, Place, Situation, Strategy};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Cold,
    Loading { ready_at: usize },
    Hot { since: usize },
}

/// Runs a rule. It is asked in every step and sees the demand of the last window; a plan that does not fit is carried out as
/// far as it does.
#[must_use]
pub fn run(trace: &Trace, strategy: &mut dyn Strategy) -> Outcome {
    let mut states = vec![State::Cold; trace.models.len()];
    let mut open = trace.bounties.clone();
    let mut outcome = Outcome::default();
    let mut earned: u64 = 0;
    for step in 0..trace.steps() {
        for (model, state) in states.iter_mut().enumerate() {
            if matches!(*state, State::Loading { ready_at } if ready_at <= step) {
                *state = State::Hot { since: step };
                open.retain(|bounty| {
                    let claimed = if bounty.model == model { bounty.worth(step) } else { 0 };
                    earned += claimed;
                    claimed == 0
                });
            }
        }
        let plan = strategy.plan(&situation(trace, &states, &open, step));
        let index = |id: &ModelId| trace.models.iter().position(|model| model.id == id.as_str());
        for model in plan.unload.iter().filter_map(index) {
            if matches!(states[model], State::Hot { .. }) {
                states[model] = State::Cold;
                outcome.unloads += 1;
            }
        }
        for model in plan.load.iter().filter_map(index) {
            if states[model] == State::Cold && trace.models[model].memory_bytes <= free(trace, &states) {
                states[model] = State::Loading { ready_at: step + trace.load_steps(model) };
                outcome.loads += 1;
            }
        }
        let hot = states.iter().zip(&trace.models).filter(|(state, _)| matches!(state, State::Hot { .. }));
        earned += hot.map(|(_, model)| model.demand[step]).sum::<u64>();
        outcome.earned.push(earned);
    }
    outcome
}

fn free(trace: &Trace, states: &[State]) -> u64 {
    let held = states.iter().zip(&trace.models).filter(|(state, _)| **state != State::Cold);
    held.fold(trace.memory_bytes, |free, (_, model)| free.saturating_sub(model.memory_bytes))
}

fn situation(trace: &Trace, states: &[State], open: &[super::Bounty], step: usize) -> Situation {
    let from = step.saturating_sub(trace.window_steps);
    let candidates = trace.models.iter().zip(states).enumerate().map(|(index, (model, state))| {
        let seen = &model.demand[from..step];
        let mean =
            seen.iter().map(|demand| u128::from(*demand)).sum::<u128>().checked_div(seen.len() as u128);
        let hourly = mean.unwrap_or(0) * u128::from(HOUR_MS) / u128::from(trace.step_ms);
        Candidate {
            model: model.id.parse().unwrap_or_else(|_| unnamed(index)),
            memory_bytes: model.memory_bytes,
            hourly: u64::try_from(hourly).unwrap_or(u64::MAX),
            bounty: open.iter().filter(|bounty| bounty.model == index).map(|bounty| bounty.worth(step)).sum(),
            load_ms: model.load_ms,
            place: match state {
                State::Cold => Place::Cold,
                State::Loading { .. } => Place::Pinned,
                State::Hot { since } => Place::Hot { since_ms: *since as u64 * trace.step_ms },
            },
        }
    });
    Situation {
        now_ms: step as u64 * trace.step_ms,
        memory_bytes: trace.memory_bytes,
        candidates: candidates.collect(),
    }
}

/// A name that no model of a trace has: the rule may plan with it, and nothing comes of it.
fn unnamed(index: usize) -> ModelId {
    format!("unnamed:{index}").parse().expect("letters, a colon and digits")
}
