//! Reading a bundle's evidence, a record at a time: whose papers cost the most to check, and who writes them need not be honest.
//!
//! What is more than may count ([`protocol::evidence::limit`]), doubled, or not about the window is refused before its papers are looked
//! at. Nothing is kept of a record but what standings follow from.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Range;

use parity_scale_codec::{Compact, Decode, IoReader};
use protocol::evidence::limit::{DayLimit, RECORDS_MAX};
use protocol::evidence::{EvidenceError, SignedEvidence};
use protocol::standing::Ground;

/// Why a list of evidence is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroundsError {
    /// Not a list of evidence.
    #[error("it does not decode")]
    Decode,
    /// More in all than may be.
    #[error("it has {0} records, at most {RECORDS_MAX} may be")]
    TooMany(u32),
    /// One record twice.
    #[error("record {0} is there twice")]
    Doubled(u32),
    /// About another time.
    #[error("record {0} is about nothing in the head's window")]
    Time(u32),
    /// More about one miner and day than counts.
    #[error("record {0} is one too many about its miner and day")]
    Surplus(u32),
    /// Evidence is none.
    #[error("record {0} proves nothing")]
    Evidence(u32, #[source] EvidenceError),
}

/// What the evidence says, which is about this time.
pub(super) fn read(file: impl Read, window_ms: &Range<u64>) -> Result<Vec<Ground>, GroundsError> {
    let mut input = IoReader(file);
    let Compact(count) = Compact::<u32>::decode(&mut input).map_err(|_| GroundsError::Decode)?;
    if count > RECORDS_MAX {
        return Err(GroundsError::TooMany(count));
    }
    let (mut limit, mut digests, mut grounds) = (DayLimit::default(), BTreeSet::new(), Vec::new());
    for number in 0..count {
        let signed = SignedEvidence::decode(&mut input).map_err(|_| GroundsError::Decode)?;
        let evidence = &signed.evidence;
        if !digests.insert(evidence.digest()) {
            return Err(GroundsError::Doubled(number));
        }
        let at_ms = evidence.finding.claimed_at_ms().filter(|at_ms| window_ms.contains(at_ms));
        let at_ms = at_ms.ok_or(GroundsError::Time(number))?;
        if !limit.take(evidence.miner, evidence.finding.is_doubt(), at_ms) {
            return Err(GroundsError::Surplus(number));
        }
        let valid = signed.verify().map_err(|error| GroundsError::Evidence(number, error))?;
        grounds.push(Ground::from(&valid));
    }
    match input.0.read(&mut [0]) {
        Ok(0) => Ok(grounds),
        _ => Err(GroundsError::Decode),
    }
}

#[cfg(test)]
mod tests {
    use parity_scale_codec::Encode;
    use protocol::challenge::{
        Answer, Challenge, OpenedRow, Product, ProductTask, Shown, SignedChallenge, Task, product,
    };
    use protocol::digest::Digest;
    use protocol::evidence::limit::{DOUBTS_PER_DAY_MAX, PROOFS_PER_DAY_MAX};
    use protocol::evidence::{Evidence, Finding, MISSED_GAP_MS, MISSED_MIN, Missed, WrongAnswer};
    use protocol::signing::Keypair;
    use protocol::standing::{Standing, standings_on};

    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;
    const WINDOW_MS: Range<u64> = 0..2 * DAY_MS;

    fn key(name: &str) -> Keypair {
        Keypair::from_dev_uri(name).unwrap()
    }

    fn challenge(issued_at_ms: u64) -> SignedChallenge {
        let challenge = Challenge {
            netuid: 64,
            validator: key("//Alice").public(),
            miner: key("//Bob").public(),
            issued_at_ms,
            answer_ms_max: 1_000,
            seed: Digest::ZERO,
            task: Task::Product(ProductTask { rows: 1, inner: 1, columns: 1, shown: 1 }),
        };
        challenge.sign(&key("//Alice"))
    }

    fn signed(finding: Finding) -> SignedEvidence {
        let (validator, miner) = (key("//Alice").public(), key("//Bob").public());
        Evidence { netuid: 64, validator, miner, observed_at_ms: 1, finding }.sign(&key("//Alice"))
    }

    /// An answer that is not even a product.
    fn proof(at_ms: u64) -> SignedEvidence {
        let challenge = challenge(at_ms);
        let rows = product::Rows(vec![OpenedRow { values: vec![1], path: Vec::new() }]);
        let shown = Shown::Product(Product { root: Digest::ZERO, rows });
        let answer = Answer { challenge: challenge.challenge.digest(), shown }.sign(&key("//Bob"));
        signed(Finding::WrongAnswer(Box::new(WrongAnswer { challenge, answer })))
    }

    fn doubt(at_ms: u64) -> SignedEvidence {
        let row = (0..MISSED_MIN as u64).rev().map(|before| challenge(at_ms - before * MISSED_GAP_MS));
        signed(Finding::Missed(Missed(row.collect())))
    }

    /// One whose papers are not looked at if it is refused before: then its fault would be another.
    fn forged(mut evidence: SignedEvidence) -> SignedEvidence {
        evidence.signature = proof(1).signature;
        evidence
    }

    fn read_all(evidence: &[SignedEvidence]) -> Result<Vec<Ground>, GroundsError> {
        read(evidence.encode().as_slice(), &WINDOW_MS)
    }

    #[test]
    fn as_much_as_counts_is_read_and_what_is_more_is_refused_before_its_papers_are_looked_at() {
        let noon = DAY_MS + DAY_MS / 2;
        let proofs = (0..u64::from(PROOFS_PER_DAY_MAX)).map(|number| proof(noon + number));
        let doubts = (0..u64::from(DOUBTS_PER_DAY_MAX)).map(|number| doubt(noon + number));
        let mut evidence: Vec<SignedEvidence> = doubts.chain(proofs).collect();
        let grounds = read_all(&evidence).unwrap();
        let standings = standings_on(grounds, WINDOW_MS);
        assert_eq!(standings.of(&key("//Bob").public()), Standing::Convicted);
        assert_eq!(standings.convicted[0].evidence.len(), PROOFS_PER_DAY_MAX as usize);
        let count = evidence.len() as u32;
        for one_more in [proof(noon + 99), doubt(noon + 99)] {
            evidence.push(forged(one_more));
            assert_eq!(read_all(&evidence), Err(GroundsError::Surplus(count)));
            evidence.pop();
        }
        evidence.push(forged(proof(noon)));
        assert_eq!(read_all(&evidence), Err(GroundsError::Doubled(count)));
        // Of the day before there may be more.
        evidence.pop();
        evidence.push(proof(noon - DAY_MS));
        assert_eq!(read_all(&evidence).unwrap().len(), evidence.len());
    }

    #[test]
    fn what_is_no_evidence_or_about_another_time_or_of_another_form_is_refused() {
        let wrong = read_all(&[proof(1), forged(proof(2))]);
        assert!(matches!(wrong, Err(GroundsError::Evidence(1, EvidenceError::Signature(_)))));
        assert_eq!(read_all(&[forged(proof(2 * DAY_MS))]), Err(GroundsError::Time(0)));
        let bytes = vec![proof(1)].encode();
        for bytes in [&bytes[..bytes.len() - 1], &[bytes.as_slice(), &[0]].concat()] {
            assert_eq!(read(bytes, &WINDOW_MS), Err(GroundsError::Decode));
        }
        let many = Compact(RECORDS_MAX + 1).encode();
        assert_eq!(read(many.as_slice(), &WINDOW_MS), Err(GroundsError::TooMany(RECORDS_MAX + 1)));
    }
}
