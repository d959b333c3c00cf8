//! The bounties on offer: opened once, claimed once. Pure: time is an argument.

use std::collections::BTreeMap;

use protocol::account::AccountId;
use protocol::bounty::Growth;
use protocol::catalogue::Model;
use protocol::demand::OpenBounty;
use protocol::ticket::ModelId;

/// When bounties open, grow and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoardPolicy {
    /// How they grow.
    pub growth: Growth,
    /// How long after a claim no other is offered for the same model.
    pub cooldown_ms: u64,
    /// How long after a claim the same miner cannot claim the same model: who unloads a model to load it again earns nothing.
    pub repeat_ms: u64,
    /// How long a bounty stays after somebody last wanted its model.
    pub idle_ms: u64,
}

/// The board.
#[derive(Debug)]
pub struct Board {
    policy: BoardPolicy,
    open: BTreeMap<ModelId, Entry>,
    claimed: BTreeMap<ModelId, Vec<Past>>,
}

#[derive(Debug)]
struct Entry {
    bounty: OpenBounty,
    wanted_at_ms: u64,
    /// Miners seen with the model, in the order in which they were first seen.
    arrivals: Vec<AccountId>,
    /// How many of them were tried and failed.
    failed: usize,
    claiming: bool,
}

#[derive(Debug, Clone, Copy)]
struct Past {
    miner: AccountId,
    at_ms: u64,
}

/// A claim that its miner has yet to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Who is first.
    pub miner: AccountId,
    /// What the bounty has grown to.
    pub claims: u16,
    /// How long it took from the offer.
    pub age_ms: u64,
}

impl Board {
    /// A board without offers.
    #[must_use]
    pub fn new(policy: BoardPolicy) -> Self {
        Self { policy, open: BTreeMap::new(), claimed: BTreeMap::new() }
    }

    /// Somebody wants a model that is cold. Gives the bounty if this opens one.
    pub fn want(&mut self, model: &Model, now_ms: u64) -> Option<OpenBounty> {
        if let Some(entry) = self.open.get_mut(&model.id) {
            entry.wanted_at_ms = now_ms;
            return None;
        }
        let last = self.claimed.get(&model.id).and_then(|past| past.last());
        if last.is_some_and(|past| now_ms.saturating_sub(past.at_ms) < self.policy.cooldown_ms) {
            return None;
        }
        let bounty = OpenBounty {
            weights_digest: model.weights_digest,
            opened_at_ms: now_ms,
            growth: self.policy.growth,
        };
        let entry = Entry { bounty, wanted_at_ms: now_ms, arrivals: Vec::new(), failed: 0, claiming: false };
        self.open.insert(model.id.clone(), entry);
        Some(bounty)
    }

    /// Models with an open bounty.
    pub fn models(&self) -> impl Iterator<Item = &ModelId> {
        self.open.keys()
    }

    /// When the model's bounty was opened, if it has one.
    #[must_use]
    pub fn opened_at_ms(&self, model: &ModelId) -> Option<u64> {
        self.open.get(model).map(|entry| entry.bounty.opened_at_ms)
    }

    /// These miners hold the model now. Gives the claim to prove next, if nobody is proving one; until [`confirm`](Self::confirm)
    /// or [`fail`](Self::fail) nobody else gets one.
    pub fn arrive(
        &mut self,
        model: &ModelId,
        holders: impl IntoIterator<Item = AccountId>,
        now_ms: u64,
    ) -> Option<Claim> {
        let past = self.claimed.get(model);
        let repeats = |miner: &AccountId| {
            let recent = |past: &&Past| now_ms.saturating_sub(past.at_ms) < self.policy.repeat_ms;
            past.is_some_and(|past| past.iter().filter(recent).any(|past| past.miner == *miner))
        };
        let entry = self.open.get_mut(model)?;
        for miner in holders {
            if !entry.arrivals.contains(&miner) && !repeats(&miner) {
                entry.arrivals.push(miner);
            }
        }
        if entry.claiming {
            return None;
        }
        let miner = *entry.arrivals.get(entry.failed)?;
        entry.claiming = true;
        let age_ms = now_ms.saturating_sub(entry.bounty.opened_at_ms);
        Some(Claim { miner, claims: entry.bounty.claims(now_ms), age_ms })
    }

    /// The miner proved it: the bounty is gone. `false` if there was none to claim.
    pub fn confirm(&mut self, model: &ModelId, miner: AccountId, now_ms: u64) -> bool {
        if self.open.get(model).is_none_or(|entry| !entry.claiming) {
            return false;
        }
        self.open.remove(model);
        let past = self.claimed.entry(model.clone()).or_default();
        past.retain(|past| now_ms.saturating_sub(past.at_ms) < self.policy.repeat_ms);
        past.push(Past { miner, at_ms: now_ms });
        true
    }

    /// The miner did not answer as it should: the next one may try.
    pub fn fail(&mut self, model: &ModelId) {
        if let Some(entry) = self.open.get_mut(model).filter(|entry| entry.claiming) {
            entry.claiming = false;
            entry.failed = entry.failed.saturating_add(1);
        }
    }

    /// Withdraws the bounties that nobody wanted for long; gives their models.
    pub fn sweep(&mut self, now_ms: u64, is_wanted: impl Fn(&ModelId) -> bool) -> Vec<ModelId> {
        let idle_ms = self.policy.idle_ms;
        let mut withdrawn = Vec::new();
        self.open.retain(|model, entry| {
            if is_wanted(model) {
                entry.wanted_at_ms = now_ms;
            }
            let keep = entry.claiming || now_ms.saturating_sub(entry.wanted_at_ms) < idle_ms;
            if !keep {
                withdrawn.push(model.clone());
            }
            keep
        });
        let repeat_ms = self.policy.repeat_ms.max(self.policy.cooldown_ms);
        self.claimed.retain(|_, past| {
            past.retain(|past| now_ms.saturating_sub(past.at_ms) < repeat_ms);
            !past.is_empty()
        });
        withdrawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::digest::Digest;

    const POLICY: BoardPolicy = BoardPolicy {
        growth: Growth { step_ms: 1_000, claims_max: 5 },
        cooldown_ms: 10_000,
        repeat_ms: 60_000,
        idle_ms: 20_000,
    };
    const FIRST: AccountId = AccountId([1; 32]);
    const SECOND: AccountId = AccountId([2; 32]);

    fn model() -> Model {
        Model {
            id: "m".parse().unwrap(),
            weights_digest: Digest::of(b"w"),
            prompt_multiplier: 1,
            completion_multiplier: 1,
            memory_bytes: 1,
        }
    }

    #[test]
    fn of_two_miners_the_one_seen_first_claims_once_and_the_other_never() {
        let (mut board, model) = (Board::new(POLICY), model());
        assert!(board.want(&model, 0).is_some());
        assert!(board.want(&model, 500).is_none(), "opened once");
        assert_eq!(board.arrive(&model.id, [], 1_000), None);
        let claim = board.arrive(&model.id, [SECOND], 2_500).unwrap();
        assert_eq!(claim, Claim { miner: SECOND, claims: 3, age_ms: 2_500 });
        assert_eq!(board.arrive(&model.id, [FIRST, SECOND], 2_600), None, "one proves at a time");
        assert!(board.confirm(&model.id, SECOND, 2_700));
        assert!(!board.confirm(&model.id, SECOND, 2_800), "claimed once");
        assert_eq!(board.arrive(&model.id, [FIRST, SECOND], 2_900), None);
    }

    #[test]
    fn the_next_one_claims_what_the_first_could_not_prove() {
        let (mut board, model) = (Board::new(POLICY), model());
        board.want(&model, 0);
        assert_eq!(board.arrive(&model.id, [FIRST], 0).unwrap().miner, FIRST);
        board.fail(&model.id);
        assert_eq!(board.arrive(&model.id, [FIRST], 100), None, "not the same one again");
        assert_eq!(board.arrive(&model.id, [FIRST, SECOND], 4_000).unwrap().claims, 5);
        assert!(board.confirm(&model.id, SECOND, 4_100));
    }

    #[test]
    fn after_a_claim_there_is_none_for_a_while_and_longer_not_for_the_same_miner() {
        let (mut board, model) = (Board::new(POLICY), model());
        board.want(&model, 0);
        board.arrive(&model.id, [FIRST], 0);
        board.confirm(&model.id, FIRST, 0);
        assert!(board.want(&model, 9_999).is_none());
        assert!(board.want(&model, 10_000).is_some());
        assert_eq!(
            board.arrive(&model.id, [FIRST], 59_999),
            None,
            "unloading and loading again earns nothing"
        );
        assert_eq!(board.arrive(&model.id, [FIRST, SECOND], 59_999).unwrap().miner, SECOND);
    }

    #[test]
    fn a_bounty_that_nobody_wants_any_more_is_withdrawn() {
        let (mut board, model) = (Board::new(POLICY), model());
        board.want(&model, 0);
        assert!(board.sweep(19_999, |_| false).is_empty());
        assert!(board.sweep(20_000, |_| true).is_empty(), "somebody waits");
        assert_eq!(board.sweep(40_000, |_| false), [model.id]);
        assert_eq!(board.models().count(), 0);
    }
}
