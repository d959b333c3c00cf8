//! What a rule of [`crate::strategist`] would have earned on a trace of demand, beside the best that was possible with foresight.
//!
//! Time goes in steps. In each step a ready model earns what the trace says users would have paid this miner for it; a model that
//! is being loaded takes memory and earns nothing. Rules see only steps that are over; [`optimum`] sees all of them.

mod chart;
mod optimum;
mod run;
mod trace;

use serde::Serialize;

pub use self::chart::chart;
pub use self::optimum::optimum;
pub use self::run::run;
pub use self::trace::{Bounty, ModelTrace, Trace, TraceError};
use crate::strategist::{Knapsack, OneByOne, Policy};

/// How a trace went for one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was earned up to the end of each step, in thousandths of a compute unit.
    pub earned: Vec<u64>,
    /// Models loaded.
    pub loads: u32,
    /// Models unloaded.
    pub unloads: u32,
}

/// The rules beside the optimum, on one trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The trace's name.
    pub trace: String,
    /// With foresight.
    pub optimum: Outcome,
    /// The shipped rule.
    pub strategist: Outcome,
    /// The rule that swaps one for one.
    pub one_by_one: Outcome,
}

/// One line of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Which rule.
    pub rule: &'static str,
    /// What it earned, in thousandths of a compute unit.
    pub earned: u64,
    /// Hundredths of a percent of the optimum.
    pub optimum_bps: u64,
    /// Models loaded.
    pub loads: u32,
    /// Models unloaded.
    pub unloads: u32,
}

impl Outcome {
    /// What was earned altogether.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.earned.last().copied().unwrap_or(0)
    }
}

impl Comparison {
    /// Runs all rules on a trace.
    #[must_use]
    pub fn of(trace: &Trace, policy: &Policy) -> Self {
        Self {
            trace: trace.name.clone(),
            optimum: optimum(trace),
            strategist: run(trace, &mut Knapsack::new(policy.clone())),
            one_by_one: run(trace, &mut OneByOne::new(policy.clone())),
        }
    }

    /// One row for each rule.
    #[must_use]
    pub fn rows(&self) -> [Row; 3] {
        let best = self.optimum.total();
        let row = |rule, outcome: &Outcome| {
            let share = (u128::from(outcome.total()) * 10_000).checked_div(best.into()).unwrap_or(10_000);
            Row {
                rule,
                earned: outcome.total(),
                optimum_bps: u64::try_from(share).unwrap_or(u64::MAX),
                loads: outcome.loads,
                unloads: outcome.unloads,
            }
        };
        [
            row("optimum", &self.optimum),
            row("strategist", &self.strategist),
            row("one by one", &self.one_by_one),
        ]
    }
}

#[cfg(test)]
mod tests;
