//! Challenges that a miner missed one after the other: one is nothing, a row of them is evidence.

use std::collections::{BTreeMap, VecDeque};

use protocol::account::AccountId;
use protocol::challenge::{Challenge, SignedChallenge, Task};
use protocol::digest::Digest;
use protocol::evidence::{MISSED_GAP_MS, MISSED_MIN, Missed};
use protocol::standing::DOUBT_MS;

/// How long after a challenge a miner that had gone may come back without its absence counting: whoever is back sooner has hidden from
/// the question, or was unlucky once.
const AWAY_MS_MIN: u64 = 3_600_000;

/// Challenges remembered of miners that had gone.
const ABSENT_MAX: usize = 256;

/// The challenges missed since the last answer, by what was asked for: who shows one file has not shown another.
#[derive(Debug, Default)]
pub(super) struct Rows {
    missed: BTreeMap<(AccountId, Subject), Vec<SignedChallenge>>,
    absent: VecDeque<SignedChallenge>,
}

/// What a challenge is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    File(Digest),
    Device,
}

impl Subject {
    fn of(task: &Task) -> Self {
        match task {
            Task::Weights(task) => Self::File(task.file),
            Task::Product(_) => Self::Device,
        }
    }
}

impl Rows {
    /// The miner has shown what this task asks for: what it missed of it before is forgotten.
    pub(super) fn answered(&mut self, miner: AccountId, task: &Task) {
        let subject = Subject::of(task);
        self.missed.remove(&(miner, subject));
        self.absent.retain(|absent| {
            (absent.challenge.miner, Subject::of(&absent.challenge.task)) != (miner, subject)
        });
    }

    /// The miner has missed this challenge and says no more that it has what was asked for: nothing, unless it soon says so again.
    pub(super) fn gone(&mut self, challenge: SignedChallenge) {
        if self.absent.len() >= ABSENT_MAX {
            self.absent.pop_front();
        }
        self.absent.push_back(challenge);
    }

    /// Looks for miners that had gone and are back already: what they missed counts. Gives the rows that are long enough thereby.
    pub(super) fn returned(&mut self, now_ms: u64, says: impl Fn(&Challenge) -> bool) -> Vec<Missed> {
        let recent =
            |absent: &SignedChallenge| absent.challenge.issued_at_ms.saturating_add(AWAY_MS_MIN) > now_ms;
        self.absent.retain(recent);
        let (back, away): (VecDeque<_>, _) =
            std::mem::take(&mut self.absent).into_iter().partition(|absent| says(&absent.challenge));
        self.absent = away;
        back.into_iter().filter_map(|absent| self.missed(absent)).collect()
    }

    /// The miner has missed this challenge; gives the row once it is long enough, and begins a new one then.
    pub(super) fn missed(&mut self, challenge: SignedChallenge) -> Option<Missed> {
        let (miner, at_ms) = (challenge.challenge.miner, challenge.challenge.issued_at_ms);
        let key = (miner, Subject::of(&challenge.challenge.task));
        let row = self.missed.entry(key).or_default();
        row.retain(|before| before.challenge.issued_at_ms.saturating_add(DOUBT_MS) >= at_ms);
        let last_ms = row.last().map(|last| last.challenge.issued_at_ms);
        if last_ms.is_none_or(|last_ms| last_ms.saturating_add(MISSED_GAP_MS) <= at_ms) {
            row.push(challenge);
        }
        if row.len() < MISSED_MIN {
            return None;
        }
        self.missed.remove(&key).map(Missed)
    }
}

#[cfg(test)]
mod tests {
    use protocol::challenge::{Challenge, ProductTask, Task, WeightsTask};
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

    /// The same miner asked for pieces of a file.
    fn of_file(file: u8, minutes: u64) -> SignedChallenge {
        let mut asked = at(minutes).challenge;
        asked.task = Task::Weights(WeightsTask {
            model: "m".parse().unwrap(),
            file: Digest([file; 32]),
            bytes: 1,
            root: Digest::ZERO,
            pieces: 1,
        });
        asked.sign(&Keypair::from_dev_uri("//Alice").unwrap())
    }

    #[test]
    fn an_answer_ends_the_row_of_what_was_shown_and_no_other() {
        let mut rows = Rows::default();
        let (has, lacks) = (|minutes| of_file(1, minutes), |minutes| of_file(2, minutes));
        let miner = AccountId([7; 32]);
        for minutes in [0, 60] {
            assert_eq!(rows.missed(lacks(minutes)), None);
            assert_eq!(rows.missed(has(minutes + 1)), None);
            rows.answered(miner, &has(0).challenge.task);
        }
        assert_eq!(rows.missed(has(119)), None, "shown in between");
        assert_eq!(rows.missed(lacks(120)).map(|Missed(row)| row.len()), Some(3));
    }

    #[test]
    fn who_leaves_for_the_time_of_a_challenge_has_missed_it() {
        let mut rows = Rows::default();
        let minute = 60_000;
        let mut back_after = |at_minutes: u64, away_minutes: u64| {
            rows.gone(of_file(1, at_minutes));
            assert_eq!(rows.returned((at_minutes + 1) * minute, |_| false), [], "it is away");
            rows.returned((at_minutes + away_minutes) * minute, |_| true)
        };
        assert_eq!(back_after(0, 2), []);
        assert_eq!(back_after(100, 2), []);
        assert_eq!(back_after(200, 90), [], "away for more than an hour");
        let row = back_after(400, 2);
        assert_eq!(row.iter().map(|Missed(row)| row.len()).collect::<Vec<_>>(), [3]);
    }
}
