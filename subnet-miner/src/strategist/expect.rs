//! From what validators' users ask for to what this miner may expect to earn. Pure.
//!
//! A validator's receipts turn into weights in proportion to its stake, so a token asked for at a validator with a third of the
//! stake counts a third. What is asked for a model is shared with the other miners that hold it. Calls that nobody served are
//! counted like the served ones, or as [`CALL_TOKENS`] where none was.

use protocol::catalogue::Model;
use protocol::demand::{DemandBook, ModelDemand};

use super::HOUR_MS;

/// Prompt and completion tokens that a call is taken to have before any call of a model was served.
pub const CALL_TOKENS: (u64, u64) = (300, 200);

/// One validator's book and its part of the stake.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    /// What its users ask for.
    pub book: &'a DemandBook,
    /// Its share of all heard validators' stake, in millionths.
    pub share_ppm: u64,
}

/// What a model may be expected to earn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// In an hour of serving it, in thousandths of a compute unit.
    pub hourly: u64,
    /// For becoming ready now, in thousandths of a compute unit.
    pub bounty: u64,
}

/// What this miner may expect of a model. `held` says whether it is among the holders already; `claim` is what one bounty claim is
/// worth to its operator, in thousandths of a compute unit.
#[must_use]
pub fn expected(model: &Model, heard: &[Heard<'_>], held: bool, claim: u64, now_ms: u64) -> Expected {
    let mut hourly: u128 = 0;
    let mut bounty: u128 = 0;
    for Heard { book, share_ppm } in heard {
        let share = u128::from(*share_ppm);
        if let Some(demand) = book.demand.get(&model.id) {
            let holders = u128::from(demand.holders.max(1)) + u128::from(!held && demand.holders > 0);
            hourly += units_an_hour(model, demand) * share / 1_000_000 / holders;
        }
        let open = book.bounties.get(&model.id).filter(|open| open.weights_digest == model.weights_digest);
        if let Some(open) = open.filter(|_| !held) {
            bounty += u128::from(open.claims(now_ms)) * u128::from(claim) * share / 1_000_000;
        }
    }
    let narrow = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
    Expected { hourly: narrow(hourly), bounty: narrow(bounty) }
}

/// What everybody together asks for in an hour, in thousandths of a compute unit.
fn units_an_hour(model: &Model, demand: &ModelDemand) -> u128 {
    let units = |prompt: u64, completion: u64| {
        u128::from(prompt) * u128::from(model.prompt_multiplier)
            + u128::from(completion) * u128::from(model.completion_multiplier)
    };
    let served_calls = demand.calls.saturating_sub(demand.unserved);
    let served = units(demand.prompt_tokens, demand.completion_tokens);
    let a_call =
        served.checked_div(served_calls.into()).unwrap_or_else(|| units(CALL_TOKENS.0, CALL_TOKENS.1));
    let missed = u128::from(demand.unserved) + u128::from(demand.waiting);
    let in_window = served + a_call * missed;
    (in_window * u128::from(HOUR_MS)).checked_div(demand.window_ms.into()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use protocol::bounty::Growth;
    use protocol::demand::OpenBounty;
    use protocol::digest::Digest;

    use super::*;

    fn model() -> Model {
        Model {
            id: "m".parse().unwrap(),
            weights_digest: Digest([1; 32]),
            prompt_multiplier: 100,
            completion_multiplier: 1_000,
            memory_bytes: 1,
        }
    }

    fn book(demand: ModelDemand) -> DemandBook {
        DemandBook { demand: [(model().id, demand)].into(), bounties: [].into() }
    }

    const SERVED: ModelDemand = ModelDemand {
        window_ms: HOUR_MS / 2,
        calls: 10,
        prompt_tokens: 1_000,
        completion_tokens: 500,
        unserved: 0,
        waiting: 0,
        holders: 2,
    };

    fn hourly(demand: ModelDemand, share_ppm: u64, held: bool) -> u64 {
        let book = book(demand);
        expected(&model(), &[Heard { book: &book, share_ppm }], held, 0, 0).hourly
    }

    #[test]
    fn demand_is_shared_with_the_other_holders_and_weighed_by_stake() {
        // 600,000 in half an hour, so 1,200,000 in one; two hold it, of which we may be one.
        assert_eq!(hourly(SERVED, 1_000_000, true), 600_000);
        assert_eq!(hourly(SERVED, 1_000_000, false), 400_000);
        assert_eq!(hourly(SERVED, 250_000, true), 150_000);
        assert_eq!(hourly(ModelDemand { holders: 0, ..SERVED }, 1_000_000, false), 1_200_000);
    }

    #[test]
    fn calls_that_nobody_served_count_like_the_served_ones() {
        let missed = ModelDemand { calls: 20, unserved: 10, waiting: 10, ..SERVED };
        assert_eq!(hourly(missed, 1_000_000, true), 3 * 600_000);
        let never = ModelDemand {
            calls: 1,
            unserved: 1,
            prompt_tokens: 0,
            completion_tokens: 0,
            holders: 0,
            ..SERVED
        };
        assert_eq!(hourly(never, 1_000_000, false), 2 * (300 * 100 + 200 * 1_000));
    }

    #[test]
    fn a_bounty_counts_for_who_does_not_hold_the_model_and_only_for_the_same_weights() {
        let open = OpenBounty {
            weights_digest: Digest([1; 32]),
            opened_at_ms: 1_000,
            growth: Growth { step_ms: 1_000, claims_max: 10 },
        };
        let book = |open| DemandBook { demand: [].into(), bounties: [(model().id, open)].into() };
        let of = |book: &DemandBook, held| {
            expected(&model(), &[Heard { book, share_ppm: 500_000 }], held, 1_000, 4_000).bounty
        };
        assert_eq!(of(&book(open), false), 4 * 500);
        assert_eq!(of(&book(open), true), 0);
        assert_eq!(of(&book(OpenBounty { weights_digest: Digest::ZERO, ..open }), false), 0);
    }
}
