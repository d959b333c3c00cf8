//! Challenges that a miner missed one after the other: one is nothing, a row of them is evidence.

use std::collections::BTreeMap;

use protocol::account::AccountId;
use protocol::challenge::SignedChallenge;
use protocol::evidence::{MISSED_GAP_MS, MISSED_MIN, Missed};
use protocol::standing::DOUBT_MS;

/// By miner, the challenges missed since its last answer.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<AccountId, Vec<SignedChallenge>>);

impl Rows {
    /// The miner has answered: what it missed before is forgotten.
    pub(super) fn answered(&mut self, miner: &AccountId) {
        self.0.remove(miner);
    }

    /// The miner has missed this challenge; gives the row once it is long enough, and begins a new one then.
    pub(super) fn missed(&mut self, challenge: SignedChallenge) -> Option<Missed> {
        let (miner, at_ms) = (challenge.challenge.miner, challenge.challenge.issued_at_ms);
        let row = self.0.entry(miner).or_default();
        row.retain(|before| before.challenge.issued_at_ms.saturating_add(DOUBT_MS) >= at_ms);
        let last_ms = row.last().map(|last| last.challenge.issued_at_ms);
        if last_ms.is_none_or(|last_ms| last_ms.saturating_add(MISSED_GAP_MS) <= at_ms) {
            row.push(challenge);
        }
        if row.len() < MISSED_MIN {
            return None;
        }
        self.0.remove(&miner).map(Missed)
    }
}

#[cfg(test)]
mod tests {
    use protocol::challenge::{Challenge, ProductTask, Task};
    use protocol::digest::Digest;
    use protocol::signing::Keypair;

    use super::*;

    fn at(minutes: u64) -> SignedChallenge {
        let key = Keypair::from_dev_uri("//Alice").unwrap();
        let challenge = Challenge {
            netuid: 64,
            validator: key.public(),
            miner: AccountId([7; 32]),
            issued_at_ms: minutes * 60_000,
            answer_ms_max: 1_000,
            seed: Digest::ZERO,
            task: Task::Product(ProductTask { rows: 1, inner: 1, columns: 1, shown: 1 }),
        };
        challenge.sign(&key)
    }

    fn row(minutes: &[u64]) -> Option<Vec<u64>> {
        let mut rows = Rows::default();
        let mut last = None;
        for minute in minutes {
            last = rows.missed(at(*minute));
        }
        last.map(|Missed(row)| row.iter().map(|missed| missed.challenge.issued_at_ms / 60_000).collect())
    }

    #[test]
    fn three_misses_apart_within_a_day_are_a_row() {
        assert_eq!(row(&[0, 60]), None);
        assert_eq!(row(&[0, 60, 120]), Some(vec![0, 60, 120]));
        assert_eq!(row(&[0, 5, 9]), None, "one absence");
        assert_eq!(row(&[0, 5, 10, 20]), Some(vec![0, 10, 20]));
        assert_eq!(row(&[0, 700, 1_441]), None, "the first is a day old");
        assert_eq!(row(&[0, 60, 120, 180]), None, "the next row begins anew");
    }

    #[test]
    fn an_answer_ends_a_row() {
        let mut rows = Rows::default();
        assert_eq!((rows.missed(at(0)), rows.missed(at(60))), (None, None));
        rows.answered(&AccountId([7; 32]));
        assert_eq!(rows.missed(at(120)), None);
    }
}
