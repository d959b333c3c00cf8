//! Challenges beside calls ([`protocol::challenge`]): miners are asked for pieces of the weights that they say they serve, and for products
//! that the device they say they have computes in a given time.
//!
//! At random times, a random miner each, one challenge of a kind at a time. A wrong answer is evidence at once. A missed one, or one that
//! came too late, counts only if the miner goes on saying that it serves, or says so again within an hour: whoever cannot be reached loses
//! its calls anyway, and whoever says that it has gone has lied to nobody. A row of those is evidence too ([`super::rows`]).

use std::sync::Arc;
use std::time::Duration;

use protocol::account::AccountId;
use protocol::catalogue_document::Offer;
use protocol::challenge::Task;
use protocol::evidence::Finding;
use protocol::signing::Keypair;
use tokio_util::sync::CancellationToken;

use super::docket::{About, Docket};
use super::question::{Outcome, Question, judge, pieces_of};
use super::rows::Rows;
use super::{ChallengesConfig, draw};
use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::metrics::{Asked, Came, Metrics};

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
    /// Counts them.
    pub(super) metrics: Arc<Metrics>,
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
            self.look_for_returned(&mut rows).await;
        }
    }

    /// A question to each miner for each file that it should have.
    fn of_weights(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for offer in &self.offers {
            let tasks = pieces_of(offer, self.config.weight_pieces.get());
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
        let (netuid, miner) = (self.netuid, question.miner);
        let asked = match &question.task {
            Task::Weights(_) => Asked::Weights,
            Task::Product(_) => Asked::Product,
        };
        let Some(signed) = question.clone().ask(netuid, &self.hotkey, issued_at_ms) else { return };
        let time = Duration::from_millis(question.answer_ms_max.into());
        let about = About { netuid, miner, at_ms: issued_at_ms };
        self.metrics.challenged(asked, Came::Sent);
        let finding = match judge(&signed, self.fleet.challenge(&signed, time).await).await {
            Outcome::Shown => {
                self.metrics.challenged(asked, Came::Answered);
                return rows.answered(miner, &question.task);
            }
            Outcome::Wrong(wrong) => {
                self.metrics.challenged(asked, Came::Wrong);
                Finding::WrongAnswer(wrong)
            }
            Outcome::Missed(why) => {
                self.metrics.challenged(asked, Came::Missed);
                if !self.says(miner, &question.task) {
                    tracing::debug!(%miner, why, "a miner that serves no more has missed a challenge");
                    return rows.gone(signed);
                }
                tracing::info!(%miner, why, "a challenge was missed");
                let Some(row) = rows.missed(signed) else { return };
                self.metrics.challenged(asked, Came::Doubted);
                Finding::Missed(row)
            }
        };
        tracing::warn!(%miner, "a miner did not show what it says it has");
        self.docket.record(about, finding).await;
    }

    /// Whether the miner says that it has what it is asked for.
    fn says(&self, miner: AccountId, task: &Task) -> bool {
        match task {
            Task::Weights(task) => {
                let offer = self.offers.iter().find(|offer| offer.model.id == task.model);
                offer.is_some_and(|offer| self.fleet.holders_of(&offer.model).contains(&miner))
            }
            Task::Product(_) => {
                self.of_products().iter().any(|question| (question.miner, &question.task) == (miner, task))
            }
        }
    }

    /// What miners missed that had gone and came back counts as well.
    async fn look_for_returned(&self, rows: &mut Rows) {
        let found = rows.returned(self.clock.now_ms(), |asked| self.says(asked.miner, &asked.task));
        for row in found {
            let Some(last) = row.0.last().map(|last| &last.challenge) else { continue };
            let about = About { netuid: self.netuid, miner: last.miner, at_ms: last.issued_at_ms };
            tracing::warn!(miner = %last.miner, "a miner goes whenever it is challenged");
            self.docket.record(about, Finding::Missed(row)).await;
        }
    }
}

#[cfg(test)]
mod tests;
