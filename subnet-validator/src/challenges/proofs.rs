//! Challenges beside calls ([`protocol::challenge`]): miners are asked for pieces of the weights that they say they serve, and for products
//! that the device they say they have computes in a given time.
//!
//! At random times, a random miner each, one challenge of a kind at a time. A wrong answer is evidence at once. A missed one, or one that
//! came too late, counts only if the miner goes on saying that it serves: whoever cannot be reached loses its calls anyway, and whoever
//! says that it has gone has lied to nobody. A row of those is evidence too ([`super::rows`]).

use std::sync::Arc;
use std::time::Duration;

use protocol::account::AccountId;
use protocol::catalogue_document::{Offer, WeightFile};
use protocol::challenge::{AnswerError, Challenge, SignedChallenge, Task, WeightsTask};
use protocol::digest::Digest;
use protocol::evidence::{Finding, WrongAnswer};
use protocol::signing::Keypair;
use tokio_util::sync::CancellationToken;

use super::docket::{About, Docket};
use super::rows::Rows;
use super::{ChallengesConfig, draw};
use crate::clock::Clock;
use crate::fleet::Fleet;

/// Asks miners to show what they have.
pub(super) struct Proofs {
    pub(super) config: ChallengesConfig,
    pub(super) netuid: u16,
    pub(super) fleet: Fleet,
    pub(super) docket: Arc<Docket>,
    pub(super) hotkey: Keypair,
    pub(super) clock: Arc<Clock>,
    /// The catalogue's models with their files.
    pub(super) offers: Vec<Offer>,
}

/// A challenge to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    miner: AccountId,
    task: Task,
    answer_ms_max: u32,
}

impl Proofs {
    /// Asks until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let (hour_ms, day_ms) = (3_600_000, 24 * 3_600_000);
        let weights = self.ask(hour_ms, self.config.weight_challenges_per_hour, || self.of_weights());
        let products = self.ask(day_ms, self.config.product_challenges_per_day, || self.of_products());
        tokio::select! {
            () = stop.cancelled() => {}
            _ = async { tokio::join!(weights, products) } => {}
        }
    }

    /// Asks one of the questions that there are, each so often in a time.
    async fn ask(&self, time_ms: u64, each: u32, questions: impl Fn() -> Vec<Question>) {
        let mut rows = Rows::default();
        if each == 0 {
            return;
        }
        loop {
            let count = questions().len().max(1) as u64;
            tokio::time::sleep(super::random_pause(time_ms, u64::from(each).saturating_mul(count))).await;
            let mut questions = questions();
            if !questions.is_empty() {
                let index = usize::try_from(draw() % questions.len() as u64).unwrap_or(0);
                self.put(questions.swap_remove(index), self.clock.now_ms(), &mut rows).await;
            }
        }
    }

    /// A question to each miner for each file that it should have.
    fn of_weights(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for offer in &self.offers {
            let tasks: Vec<Task> = offer.files.iter().filter_map(|file| self.pieces(offer, file)).collect();
            if tasks.is_empty() {
                continue;
            }
            for miner in self.fleet.holders_of(&offer.model) {
                let answer_ms_max = self.config.weight_answer_ms_max.get();
                let of = |task: &Task| Question { miner, task: task.clone(), answer_ms_max };
                questions.extend(tasks.iter().map(of));
            }
        }
        questions
    }

    fn pieces(&self, offer: &Offer, file: &WeightFile) -> Option<Task> {
        let pieces = self.config.weight_pieces.get().min(protocol::challenge::weights::PIECES_MAX);
        let (model, root) = (offer.model.id.clone(), file.root?);
        Some(Task::Weights(WeightsTask { model, file: file.sha256, bytes: file.bytes, root, pieces }))
    }

    /// A question to each miner whose device has a time band.
    fn of_products(&self) -> Vec<Question> {
        let question = |claim: crate::fleet::census::DeviceClaim| {
            let band = self.config.devices.iter().find(|band| band.is_of(&claim.device))?;
            let (task, answer_ms_max) = (band.task(claim.memory_bytes)?, band.answer_ms_max.get());
            Some(Question { miner: claim.miner, task: Task::Product(task), answer_ms_max })
        };
        self.fleet.devices().into_iter().filter_map(question).collect()
    }

    async fn put(&self, question: Question, issued_at_ms: u64, rows: &mut Rows) {
        let Question { miner, task, answer_ms_max } = question.clone();
        let mut seed = Digest::ZERO;
        if getrandom::fill(&mut seed.0).is_err() {
            // Whoever could guess the seed could answer beforehand.
            return;
        }
        let (netuid, validator) = (self.netuid, self.hotkey.public());
        let challenge = Challenge { netuid, validator, miner, issued_at_ms, answer_ms_max, seed, task };
        let signed = challenge.sign(&self.hotkey);
        let about = About { netuid, miner, at_ms: issued_at_ms };
        let finding = match self.outcome(&signed).await {
            Outcome::Shown => return rows.answered(&miner),
            Outcome::Wrong(wrong) => Finding::WrongAnswer(wrong),
            Outcome::Missed(why) => {
                if !self.still_says(&question) {
                    return tracing::debug!(%miner, why, "a miner that serves no more has missed a challenge");
                }
                tracing::info!(%miner, why, "a challenge was missed");
                let Some(row) = rows.missed(signed) else { return };
                Finding::Missed(row)
            }
        };
        tracing::warn!(%miner, "a miner did not show what it says it has");
        self.docket.record(about, finding).await;
    }

    /// Whether the miner goes on saying that it has what it was asked for.
    fn still_says(&self, question: &Question) -> bool {
        match &question.task {
            Task::Weights(task) => {
                let offer = self.offers.iter().find(|offer| offer.model.id == task.model);
                offer.is_some_and(|offer| self.fleet.holders_of(&offer.model).contains(&question.miner))
            }
            Task::Product(_) => self.of_products().contains(question),
        }
    }

    async fn outcome(&self, signed: &SignedChallenge) -> Outcome {
        let time = Duration::from_millis(signed.challenge.answer_ms_max.into());
        let answer = match self.fleet.challenge(signed, time).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Missed(error.to_string()),
        };
        // The answer was in time; checking a product takes time of its own.
        let checked = signed.clone();
        let checking = tokio::task::spawn_blocking(move || (answer.verify(&checked.challenge), answer));
        match checking.await {
            Ok((Ok(()), _)) => Outcome::Shown,
            Ok((Err(AnswerError::Wrong(wrong)), answer)) => {
                tracing::warn!(miner = %signed.challenge.miner, %wrong, "a challenge was answered wrongly");
                Outcome::Wrong(Box::new(WrongAnswer { challenge: signed.clone(), answer }))
            }
            Ok((Err(error), _)) => Outcome::Missed(error.to_string()),
            // Only when this process is about to end.
            Err(_) => Outcome::Shown,
        }
    }
}

/// What came of a challenge.
enum Outcome {
    Shown,
    Wrong(Box<WrongAnswer>),
    Missed(String),
}

#[cfg(test)]
mod tests;
