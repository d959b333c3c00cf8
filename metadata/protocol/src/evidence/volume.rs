//! How much evidence is collected and read: a few records convict as well as many, and each costs every auditor its check.

use std::collections::BTreeMap;

use super::{Finding, SignedEvidence};
use crate::account::AccountId;

/// Records of one class against one miner about one day that a gateway keeps.
pub const RECORDS_PER_DAY_MAX: u32 = 8;

/// Days that a window of a week touches.
const WINDOW_DAYS: u32 = 8;

/// What a record leads to. The classes are counted apart, so that doubts leave room for proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Papers or a re-execution: it convicts.
    Proof,
    /// Challenges that were not answered: it raises doubt.
    Doubt,
}

/// More records against one miner than gateways keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {records_max} records of one class against {miner}")]
pub struct TooMuch {
    /// Against whom.
    pub miner: AccountId,
    /// How many there may be.
    pub records_max: u32,
}

impl Finding {
    /// What it leads to.
    pub const fn class(&self) -> Class {
        match self {
            Self::DoubledReceipt(..)
            | Self::ReplayedAnswer(..)
            | Self::Reexecution(_)
            | Self::WrongAnswer(_) => Class::Proof,
            Self::Missed(_) => Class::Doubt,
        }
    }
}

/// Refuses more evidence of one window than the validator's gateways keep by the rule, before any of it is verified: the check of one
/// record may take as long as a product of matrices takes.
pub fn check_volume(evidence: &[SignedEvidence], gateways: u32) -> Result<(), TooMuch> {
    let records_max = RECORDS_PER_DAY_MAX.saturating_mul(WINDOW_DAYS).saturating_mul(gateways.max(1));
    let mut counts: BTreeMap<(AccountId, Class), u32> = BTreeMap::new();
    for SignedEvidence { evidence, .. } in evidence {
        let count = counts.entry((evidence.miner, evidence.finding.class())).or_default();
        *count = count.saturating_add(1);
        if *count > records_max {
            return Err(TooMuch { miner: evidence.miner, records_max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Evidence, Missed};
    use crate::signing::Signature;

    fn records(miner: u8, count: u32) -> Vec<SignedEvidence> {
        let evidence = Evidence {
            netuid: 64,
            validator: AccountId([9; 32]),
            miner: AccountId([miner; 32]),
            observed_at_ms: 0,
            finding: Finding::Missed(Missed(Vec::new())),
        };
        (0..count)
            .map(|_| SignedEvidence { evidence: evidence.clone(), signature: Signature([0; 64]) })
            .collect()
    }

    #[test]
    fn a_window_holds_so_many_records_against_a_miner_and_no_more() {
        let most = [records(1, 64), records(2, 64)].concat();
        assert_eq!(check_volume(&most, 1), Ok(()));
        let refused = TooMuch { miner: AccountId([1; 32]), records_max: 64 };
        assert_eq!(check_volume(&records(1, 65), 1), Err(refused));
        assert_eq!(check_volume(&records(1, 65), 2), Ok(()), "two gateways keep twice as many");
    }
}
