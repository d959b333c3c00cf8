//! What a cold model is worth to the miner that brings it up first.
//!
//! A bounty opens when somebody asks for a model that no miner holds. It grows with its age in whole claims: one at once, one more
//! for each step, up to a limit. The first miner that serves the model is sent that many tickets of
//! [`crate::ticket::Kind::BountyClaim`], each answered and receipted like any call, so that [`crate::scoring`] counts a grown
//! bounty for what it had grown to, and nothing is signed that other calls do not have. The validator says in its demand log
//! ([`crate::demand`]) when a bounty opened and who claimed it; both sides compute its worth by [`Growth::claims`].

use serde::{Deserialize, Serialize};

mod payments;

pub use payments::{APART_MS, CLAIMS_MAX, PaidTwice, Payments};

/// How a bounty grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Growth {
    /// Age by which it grows by one claim, in milliseconds; 0 never grows.
    pub step_ms: u64,
    /// The most claims that it grows to; 0 counts as 1.
    pub claims_max: u16,
}

impl Growth {
    /// How many claims a bounty of this age is worth: at least 1.
    #[must_use]
    pub fn claims(&self, age_ms: u64) -> u16 {
        let grown = age_ms.checked_div(self.step_ms).unwrap_or(0).saturating_add(1);
        u16::try_from(grown).unwrap_or(u16::MAX).min(self.claims_max.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;

    #[test]
    fn a_bounty_grows_by_one_claim_for_each_step_up_to_its_limit() {
        let growth = Growth { step_ms: 1_000, claims_max: 4 };
        let claims: Vec<u16> =
            [0, 999, 1_000, 2_500, 3_000, 4_000, u64::MAX].map(|age_ms| growth.claims(age_ms)).into();
        assert_eq!(claims, [1, 1, 2, 3, 4, 4, 4]);
    }

    #[test]
    fn a_bounty_that_never_grows_is_worth_one_claim() {
        assert_eq!(Growth { step_ms: 0, claims_max: 9 }.claims(u64::MAX), 1);
        assert_eq!(Growth { step_ms: 1, claims_max: 0 }.claims(5), 1);
    }
}
