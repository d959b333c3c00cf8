//! Whether a log pays a bounty twice: what a validator could do for a friend within the letter of the scores.
//!
//! A bounty goes to one miner. So in a log the claims of one model that follow each other closely are of one miner and not more than
//! a bounty can grow to. Whatever a validator's own waiting times are, they are longer than [`APART_MS`].

use std::collections::BTreeMap;

use crate::account::AccountId;
use crate::receipt::Countersigned;
use crate::ticket::{Kind, ModelId};

/// Between two bounties for one model at least this passes, in milliseconds.
pub const APART_MS: u64 = 60_000;

/// No bounty grows to more claims.
pub const CLAIMS_MAX: u16 = 1_000;

/// Findings kept; more prove nothing more.
const FOUND_MAX: usize = 64;

/// A bounty that was paid twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaidTwice {
    /// The model.
    pub model: ModelId,
    /// Whom the bounty went to, and the leaf of the last claim.
    pub first: (AccountId, u64),
    /// Who was paid as well, and the leaf of that claim.
    pub again: (AccountId, u64),
}

/// The claims of a log as they are read.
#[derive(Debug, Default)]
pub struct Payments {
    last: BTreeMap<ModelId, Payment>,
    found: Vec<PaidTwice>,
}

#[derive(Debug)]
struct Payment {
    miner: AccountId,
    claims: u16,
    leaf: u64,
    at_ms: u64,
}

impl Payments {
    /// Looks at a log's next receipt.
    pub fn see(&mut self, leaf: u64, receipt: &Countersigned) {
        let ticket = receipt.ticket();
        if ticket.kind != Kind::BountyClaim || !receipt.counts() {
            return;
        }
        let new = Payment { miner: ticket.miner, claims: 1, leaf, at_ms: ticket.issued_at_ms };
        let Some(last) = self.last.get_mut(&ticket.model) else {
            self.last.insert(ticket.model.clone(), new);
            return;
        };
        if new.at_ms.abs_diff(last.at_ms) >= APART_MS {
            *last = new;
            return;
        }
        let claims = last.claims.saturating_add(1);
        if (new.miner != last.miner || claims > CLAIMS_MAX) && self.found.len() < FOUND_MAX {
            let (first, again) = ((last.miner, last.leaf), (new.miner, leaf));
            self.found.push(PaidTwice { model: ticket.model.clone(), first, again });
        }
        *last = Payment { claims: if new.miner == last.miner { claims } else { 1 }, ..new };
    }

    /// What was found, in the log's order.
    pub fn paid_twice(self) -> Vec<PaidTwice> {
        self.found
    }
}

impl std::fmt::Display for PaidTwice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { model, first: (first, first_leaf), again: (again, leaf) } = self;
        write!(
            f,
            "the bounty for {model} was paid to {first} (leaf {first_leaf}) and again to {again} (leaf {leaf})"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Call, account};

    fn paid(claims: &[(&'static str, Kind, u64)]) -> Vec<PaidTwice> {
        let mut payments = Payments::default();
        for (leaf, (miner, kind, at_ms)) in (0..).zip(claims) {
            let mut call = Call::to(miner, leaf);
            (call.ticket.kind, call.ticket.issued_at_ms) = (*kind, *at_ms);
            payments.see(leaf, &call.countersigned());
        }
        payments.paid_twice()
    }

    #[test]
    fn one_bounty_with_several_claims_is_paid_once() {
        let claim = |miner: &'static str, at_ms| (miner, Kind::BountyClaim, at_ms);
        assert_eq!(paid(&[claim("Bob", 1_000), claim("Bob", 2_000), ("Charlie", Kind::Chat, 3_000)]), []);
        let later = paid(&[claim("Bob", 1_000), claim("Charlie", 1_000 + APART_MS)]);
        assert_eq!(later, [], "another bounty for the same model");
    }

    #[test]
    fn a_friend_that_is_paid_for_the_same_bounty_is_found_with_both_leaves() {
        let claim = |miner: &'static str, at_ms| (miner, Kind::BountyClaim, at_ms);
        let chat = |miner: &'static str, at_ms| (miner, Kind::Chat, at_ms);
        let found = paid(&[claim("Bob", 1_000), chat("Bob", 1_500), claim("Charlie", 500)]);
        let [twice] = &found[..] else { panic!("{found:?}") };
        assert_eq!((twice.first, twice.again), ((account("Bob"), 0), (account("Charlie"), 2)));
    }

    #[test]
    fn more_claims_than_any_bounty_has_are_found() {
        let claims: Vec<_> =
            (0..=u64::from(CLAIMS_MAX)).map(|number| ("Bob", Kind::BountyClaim, number)).collect();
        assert_eq!(paid(&claims[1..]), []);
        assert_eq!(paid(&claims)[0].again, (account("Bob"), u64::from(CLAIMS_MAX)));
    }
}
