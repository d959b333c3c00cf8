//! Who is believed no more, and who less: a pure function of evidence.
//!
//! # The rule
//! A miner is **convicted** while the window holds
//! - one paper that proves it cheated: two receipts for one ticket, one answer for two, a wrong answer to a challenge that it signed; or
//! - at least [`REEXECUTIONS_CONVICTING`] calls, of different requests, that re-execution found wrong.
//!
//! While it is convicted none of its receipts pays, whatever they are for. The conviction ends when the window has moved past the calls.
//! Papers prove by themselves; a re-execution can fail honestly once in a long while (another processor, a fault of memory), so one alone
//! changes nothing, and the same request found wrong twice is one.
//!
//! A miner that is not convicted is **doubted** while the window's last [`DOUBT_MS`] hold the end of a row of challenges that it did not
//! answer in time ([`crate::evidence::Missed`]). Of what a doubted miner has done, [`DOUBTED_MILLI`] thousandths count. A row of misses is
//! less than proof, since only the validator says that no answer came; and honest machines miss single challenges, so a single one is
//! nothing. It costs enough that who lacks the weights or the device cannot live by silence, and it ends a day after the last row.
//!
//! Evidence counts by the time of what it is about, not by that of its collection, so nobody can hold it back for a better moment or renew
//! it.
//!
//! Of the records about one miner and day only the first few count ([`crate::evidence::limit`]), by time and then by digest.
//!
//! Every auditor computes the same lists: a head names their digest together with the miners', and the bundle brings the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::evidence::limit::DayLimit;
use crate::evidence::{Finding, ValidEvidence};

/// Calls found wrong by re-execution that convict.
pub const REEXECUTIONS_CONVICTING: usize = 2;

/// How long a row of missed challenges is held against a miner: a day.
pub const DOUBT_MS: u64 = 24 * 3_600_000;

/// What counts of a doubted miner's work, in thousandths.
pub const DOUBTED_MILLI: u64 = 500;

/// One miner with the evidence that convicts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
pub struct Conviction {
    /// The miner.
    pub miner: AccountId,
    /// The evidence, in ascending order.
    pub evidence: Vec<Digest>,
}

/// One miner with the evidence by which it is doubted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
pub struct Doubt {
    /// The miner.
    pub miner: AccountId,
    /// The evidence, in ascending order.
    pub evidence: Vec<Digest>,
}

/// How the miners stand: those in neither list are believed. No miner is in both.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Standings {
    /// Those whose receipts pay nothing, in the order of hotkeys.
    pub convicted: Vec<Conviction>,
    /// Those whose receipts pay less, in the order of hotkeys.
    pub doubted: Vec<Doubt>,
}

/// How one miner stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All of its work counts.
    Believed,
    /// Some of its work counts.
    Doubted,
    /// None of its work counts.
    Convicted,
}

/// What of one piece of evidence matters here: far less than its papers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ground {
    // In this order they count.
    at_ms: u64,
    digest: Digest,
    miner: AccountId,
    weight: Weight,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Proof,
    /// The request that was found wrong.
    Reexecution(Option<Digest>),
    Doubt,
}

impl From<&ValidEvidence> for Ground {
    fn from(found: &ValidEvidence) -> Self {
        let weight = match found.finding() {
            Finding::DoubledReceipt(..) | Finding::ReplayedAnswer(..) | Finding::WrongAnswer(_) => {
                Weight::Proof
            }
            Finding::Reexecution(_) => {
                Weight::Reexecution(found.call().map(|call| call.ticket().request_sha256))
            }
            Finding::Missed(_) => Weight::Doubt,
        };
        Self { at_ms: found.at_ms(), digest: found.digest(), miner: found.miner(), weight }
    }
}

/// How the miners stand over a window (in Unix milliseconds).
pub fn standings<'e>(
    evidence: impl IntoIterator<Item = &'e ValidEvidence>,
    window_ms: Range<u64>,
) -> Standings {
    standings_on(evidence.into_iter().map(Ground::from), window_ms)
}

/// The same on what matters of the evidence.
pub fn standings_on(grounds: impl IntoIterator<Item = Ground>, window_ms: Range<u64>) -> Standings {
    #[derive(Default)]
    struct Against {
        is_proven: bool,
        requests: BTreeSet<Digest>,
        evidence: BTreeSet<Digest>,
        missed: BTreeSet<Digest>,
    }
    let doubted_from_ms = window_ms.start.max(window_ms.end.saturating_sub(DOUBT_MS));
    let mut against: BTreeMap<AccountId, Against> = BTreeMap::new();
    // What is over takes no room from what is not.
    let is_due = |ground: &Ground| {
        let from_ms = if ground.weight == Weight::Doubt { doubted_from_ms } else { window_ms.start };
        (from_ms..window_ms.end).contains(&ground.at_ms)
    };
    let grounds: BTreeSet<Ground> = grounds.into_iter().filter(is_due).collect();
    let mut limit = DayLimit::default();
    for Ground { at_ms, digest, miner, weight } in grounds {
        if !limit.take(miner, weight == Weight::Doubt, at_ms) {
            continue;
        }
        let against = against.entry(miner).or_default();
        match weight {
            Weight::Proof => against.is_proven = true,
            Weight::Reexecution(request) => against.requests.extend(request),
            Weight::Doubt => {
                against.missed.insert(digest);
                continue;
            }
        }
        against.evidence.insert(digest);
    }
    let mut standings = Standings::default();
    for (miner, against) in against {
        let list = |evidence: BTreeSet<Digest>| evidence.into_iter().collect();
        if against.is_proven || against.requests.len() >= REEXECUTIONS_CONVICTING {
            standings.convicted.push(Conviction { miner, evidence: list(against.evidence) });
        } else if !against.missed.is_empty() {
            standings.doubted.push(Doubt { miner, evidence: list(against.missed) });
        }
    }
    standings
}

impl Standings {
    /// Whether everybody is believed.
    pub fn is_empty(&self) -> bool {
        self.convicted.is_empty() && self.doubted.is_empty()
    }

    /// How this miner stands.
    pub fn of(&self, miner: &AccountId) -> Standing {
        if self.convicted.iter().any(|conviction| conviction.miner == *miner) {
            Standing::Convicted
        } else if self.doubted.iter().any(|doubt| doubt.miner == *miner) {
            Standing::Doubted
        } else {
            Standing::Believed
        }
    }

    /// Whether this evidence is among what anybody's standing follows from.
    pub fn names(&self, evidence: &Digest) -> bool {
        self.convicted.iter().any(|conviction| conviction.evidence.contains(evidence))
            || self.doubted.iter().any(|doubt| doubt.evidence.contains(evidence))
    }
}

impl Standing {
    /// What counts of the miner's work, in thousandths.
    pub fn milli(self) -> u64 {
        match self {
            Self::Believed => 1_000,
            Self::Doubted => DOUBTED_MILLI,
            Self::Convicted => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispute::RecordBytes;
    use crate::evidence::Fault;
    use crate::evidence::tests::{call, evidence, reexecution};
    use crate::fixtures::account;

    const NOW_MS: u64 = 1_752_076_800_000;

    fn wrong(sequence: u64, issued_at_ms: u64) -> ValidEvidence {
        let call = call(sequence, |ticket, _| ticket.issued_at_ms = issued_at_ms);
        evidence(Finding::Reexecution(Box::new(reexecution(&call, Fault::Text)))).verify().unwrap()
    }

    fn replay() -> ValidEvidence {
        let papers = [call(1, |_, _| {}), call(2, |_, _| {})].map(|call| RecordBytes::of(&call));
        let [one, other] = papers;
        evidence(Finding::ReplayedAnswer(one, other)).verify().unwrap()
    }

    #[test]
    fn papers_that_prove_convict_at_once_and_as_long_as_the_window_holds_the_call() {
        let found = [replay()];
        let convicted = standings(&found, NOW_MS - 10..NOW_MS + 10).convicted;
        assert_eq!(convicted, [Conviction { miner: account("Bob"), evidence: vec![found[0].digest()] }]);
        assert!(standings(&found, NOW_MS + 1..NOW_MS + 10).is_empty());
    }

    #[test]
    fn a_single_request_found_wrong_convicts_nobody_however_often_it_is_found() {
        // The attack on a miner: the same request again and again.
        let same = [wrong(1, NOW_MS), wrong(2, NOW_MS), wrong(3, NOW_MS + 1)];
        assert!(standings(&same, 0..u64::MAX).is_empty());
    }

    #[test]
    fn of_many_records_about_one_day_the_first_few_count_whatever_their_order() {
        use crate::evidence::limit::PROOFS_PER_DAY_MAX;
        let replayed = |number: u64| {
            let at = |sequence| call(sequence, |ticket, _| ticket.issued_at_ms = NOW_MS + number);
            let [one, other] = [2 * number, 2 * number + 1].map(|sequence| RecordBytes::of(&at(sequence)));
            evidence(Finding::ReplayedAnswer(one, other)).verify().unwrap()
        };
        let mut found: Vec<_> = (0..12).map(replayed).collect();
        let convicted = standings(&found, 0..u64::MAX).convicted;
        let first: BTreeSet<Digest> = found.iter().take(8).map(ValidEvidence::digest).collect();
        assert_eq!(PROOFS_PER_DAY_MAX, 8);
        assert_eq!(convicted[0].evidence, first.into_iter().collect::<Vec<_>>());
        found.reverse();
        assert_eq!(standings(&found, 0..u64::MAX).convicted, convicted);
        // What a bundle brings, which is no more than these, leads to the same.
        found.retain(|found| convicted[0].evidence.contains(&found.digest()));
        assert_eq!(standings(&found, 0..u64::MAX).convicted, convicted);
    }

    #[test]
    fn a_wrong_answer_convicts_and_missed_challenges_only_raise_doubt_for_a_day() {
        use crate::challenge::tests::{missed, wrong_answer};
        let row = [missed(NOW_MS)];
        let digest = row[0].digest();
        let doubted = standings(&row, 0..NOW_MS + DOUBT_MS);
        assert_eq!(doubted.doubted, [Doubt { miner: account("Bob"), evidence: vec![digest] }]);
        assert_eq!((doubted.of(&account("Bob")), doubted.convicted.len()), (Standing::Doubted, 0));
        assert!(doubted.names(&digest));
        assert!(standings(&row, 0..NOW_MS + DOUBT_MS + 1).is_empty(), "a day later");
        let proven = [missed(NOW_MS), wrong_answer(NOW_MS)];
        let convicted = standings(&proven, 0..u64::MAX);
        assert_eq!(convicted.convicted[0].evidence, [proven[1].digest()]);
        assert_eq!((convicted.of(&account("Bob")), convicted.doubted.len()), (Standing::Convicted, 0));
        assert_eq!(convicted.of(&account("Charlie")), Standing::Believed);
    }
}
