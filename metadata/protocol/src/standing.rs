//! Who is believed no more: a pure function of evidence.
//!
//! # The rule
//! A miner is convicted while the window holds
//! - one call that two signed papers prove it cheated in (two receipts for one ticket, one answer for two), or
//! - at least [`REEXECUTIONS_CONVICTING`] calls, of different requests, that re-execution found wrong.
//!
//! While it is convicted none of its receipts pays, whatever they are for. The conviction ends when the window has moved past the calls.
//! Papers prove by themselves; a re-execution can fail honestly once in a long while (another processor, a fault of memory), so one alone
//! changes nothing, and the same request found wrong twice is one. Evidence counts by the time of the call, not by that of its collection,
//! so nobody can hold it back for a better moment or renew it.
//!
//! Every auditor computes the same list: a head names its digest together with the miners', and the bundle brings the evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::evidence::{Finding, ValidEvidence};

/// Calls found wrong by re-execution that convict.
pub const REEXECUTIONS_CONVICTING: usize = 2;

/// One miner with the evidence that convicts it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
pub struct Conviction {
    /// The miner.
    pub miner: AccountId,
    /// The evidence, in ascending order.
    pub evidence: Vec<Digest>,
}

/// The miners that are convicted over a window (of ticket times, in Unix milliseconds), in the order of hotkeys.
pub fn convictions<'e>(
    evidence: impl IntoIterator<Item = &'e ValidEvidence>,
    window_ms: Range<u64>,
) -> Vec<Conviction> {
    #[derive(Default)]
    struct Against {
        is_proven: bool,
        requests: BTreeSet<Digest>,
        evidence: BTreeSet<Digest>,
    }
    let mut against: BTreeMap<AccountId, Against> = BTreeMap::new();
    for found in evidence {
        let ticket = found.call().ticket();
        if !window_ms.contains(&ticket.issued_at_ms) {
            continue;
        }
        let against = against.entry(found.miner()).or_default();
        match found.finding() {
            Finding::DoubledReceipt(..) | Finding::ReplayedAnswer(..) => against.is_proven = true,
            Finding::Reexecution(_) => drop(against.requests.insert(ticket.request_sha256)),
        }
        against.evidence.insert(found.digest());
    }
    let convicted = against
        .into_iter()
        .filter(|(_, against)| against.is_proven || against.requests.len() >= REEXECUTIONS_CONVICTING);
    convicted
        .map(|(miner, against)| Conviction { miner, evidence: against.evidence.into_iter().collect() })
        .collect()
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
        let convicted = convictions(&found, NOW_MS - 10..NOW_MS + 10);
        assert_eq!(convicted, [Conviction { miner: account("Bob"), evidence: vec![found[0].digest()] }]);
        assert_eq!(convictions(&found, NOW_MS + 1..NOW_MS + 10), []);
    }

    #[test]
    fn a_single_request_found_wrong_convicts_nobody_however_often_it_is_found() {
        // The attack on a miner: the same request again and again.
        let same = [wrong(1, NOW_MS), wrong(2, NOW_MS), wrong(3, NOW_MS + 1)];
        assert_eq!(convictions(&same, 0..u64::MAX), []);
    }
}
