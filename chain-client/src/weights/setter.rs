//! One step at a time: read the facts, decide, write the journal, talk to the chain. Never more than a few requests, and
//! never waiting for a block: what became of a submission shows in the facts of a later step.

use std::collections::BTreeMap;

use protocol::digest::Digest;

use super::chain::{Chain, Delivery, REVEAL_LIFE_BLOCKS, SignError};
use super::decide::{
    Decision, Facts, Reveal, Sendings, Timing, Wait, decide, is_on_itself, objection, reveal,
};
use super::journal::disk::Disk;
use super::journal::{Entry, Journal, JournalError, Manner, Progress, Submission};
use super::normalize::{NormalizeError, normalize};
use super::schedule::ScheduleError;
use super::timelock::TimelockError;
use crate::error::QueryError;
use crate::submit::error::SubmitError;

/// Blocks to wait after a refusal, the first time; twice as long each further time.
const REFUSED_BLOCKS_FIRST: u32 = 2;
const REFUSED_BLOCKS_MAX: u32 = 32;

/// Scores to be turned into weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Uid and score: finite, not negative; only ratios count.
    pub values: Vec<(u16, f64)>,
    /// The caller's name for them, which the journal keeps.
    pub label: Digest,
}

/// What one step did.
#[derive(Debug)]
pub enum Step {
    /// A signed vector was given to the chain, for the first time or again.
    Submitted {
        /// How it gets there.
        manner: Manner,
        /// The last block that can include it.
        last_block: u32,
    },
    /// The vector is in a finalised block.
    Confirmed {
        /// That block.
        in_block: u64,
    },
    /// This tempo has its vector already.
    Settled,
    /// Nothing can or should be done now.
    Waiting(Wait),
    /// The chain refused the vector; it is tried again later.
    Refused(SubmitError),
}

/// Why a step failed. Nothing is lost: the next one goes on from the journal.
#[derive(Debug, thiserror::Error)]
pub enum SetWeightsError {
    /// The journal could not be used, so nothing may be sent.
    #[error("the weights journal cannot be used")]
    Journal(#[from] JournalError),
    /// The chain could not be read.
    #[error("the chain cannot be read")]
    Query(#[from] QueryError),
    /// The scores are none.
    #[error("the scores cannot be turned into weights")]
    Normalize(#[from] NormalizeError),
    /// No reveal can be foreseen.
    #[error("no round of the beacon can be chosen")]
    Schedule(#[from] ScheduleError),
    /// The weights could not be encrypted.
    #[error("the weights cannot be encrypted")]
    Timelock(#[from] TimelockError),
}

impl SetWeightsError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Journal(JournalError::InUse { .. }) => "stop the other process",
            Self::Journal(_) => "check the state folder: its disk may be full, or not this user's",
            Self::Query(error) => error.hint(),
            Self::Normalize(_) => "report this as a bug: scores are finite and not negative",
            Self::Schedule(_) | Self::Timelock(_) => {
                "the subnet's owner or the chain has settings that no commit can satisfy: look at the hyperparameters"
            }
        }
    }

    /// Whether trying again can help without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Query(error) if error.is_passing())
    }
}

impl From<SignError> for SetWeightsError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Query(error) => Self::Query(error),
            SignError::Schedule(error) => Self::Schedule(error),
            SignError::Timelock(error) => Self::Timelock(error),
        }
    }
}

/// The driver, over any chain and disk.
#[derive(Debug)]
pub(crate) struct Setter<C, D> {
    pub(crate) chain: C,
    pub(crate) journal: Journal<D>,
    pub(crate) timing: Timing,
    pub(crate) mechanism: u8,
    sendings: Sendings,
    refusals: u32,
    /// When which hash was last shown.
    revealed_at: BTreeMap<Digest, u32>,
    /// The newest block that was decided on.
    newest_block: u32,
}

impl<C: Chain, D: Disk> Setter<C, D> {
    pub(crate) fn new(chain: C, journal: Journal<D>, timing: Timing, mechanism: u8) -> Self {
        let sendings = Sendings::default();
        let revealed_at = BTreeMap::new();
        Self { chain, journal, timing, mechanism, sendings, refusals: 0, revealed_at, newest_block: 0 }
    }

    /// Takes one step. `scores` is asked only when a new vector is due.
    pub(crate) async fn step(
        &mut self,
        scores: impl AsyncFnOnce() -> Scores,
    ) -> Result<Step, SetWeightsError> {
        let facts = self.chain.facts().await?;
        // Another endpoint may be behind the last: what it does not know yet is not over.
        if facts.block.number < self.newest_block {
            return Ok(Step::Waiting(Wait::OlderBlock { seen: self.newest_block }));
        }
        self.newest_block = facts.block.number;
        self.reveal_hashes(&facts).await?;
        let mut decision = self.decide(&facts);
        if decision == Decision::Withdraw {
            let failure = self.withdraw(&facts).await?;
            if let Some(error) = failure {
                return Ok(Step::Refused(error));
            }
            decision = self.decide(&facts);
        }
        match decision {
            Decision::Wait(wait) => Ok(Step::Waiting(wait)),
            Decision::Settled => Ok(Step::Settled),
            Decision::Confirm { in_block } => {
                self.journal.confirm(in_block)?;
                self.refusals = 0;
                self.sendings = Sendings::default();
                Ok(Step::Confirmed { in_block })
            }
            Decision::Resend => self.resend(&facts).await,
            Decision::SubmitDecided { life_blocks } => self.submit(&facts, life_blocks).await,
            Decision::SubmitNew { life_blocks } => {
                let Scores { values, label } = scores().await;
                let on_itself = is_on_itself(&facts, values.iter().map(|(uid, _)| *uid));
                let vector = normalize(&values, facts.max_weight_limit, on_itself)?;
                if let Some(wait) = objection(&facts, self.mechanism, &vector) {
                    return Ok(Step::Waiting(wait));
                }
                self.journal.decide(Entry {
                    epoch_index: facts.epoch_index,
                    decided_at_block: facts.block.number,
                    scores: label,
                    vector,
                    progress: Progress::Decided,
                })?;
                self.submit(&facts, life_blocks).await
            }
            Decision::Withdraw => Ok(Step::Settled),
        }
    }

    fn decide(&self, facts: &Facts) -> Decision {
        decide(facts, &self.timing, self.journal.entry(), &self.sendings)
    }

    /// Signs the vector in the journal and sends it, journal first.
    async fn submit(&mut self, facts: &Facts, life_blocks: u32) -> Result<Step, SetWeightsError> {
        let vector = self.journal.entry().map(|entry| entry.vector.clone()).unwrap_or_default();
        if let Some(wait) = objection(facts, self.mechanism, &vector) {
            return Ok(Step::Waiting(wait));
        }
        let turn = self.chain.turn().await;
        let submission = self.chain.sign(&vector, facts, life_blocks).await?;
        self.journal.submit(submission.clone())?;
        self.sendings.sent_at = Some(facts.block.number);
        let Submission { extrinsic, manner, last_block, .. } = submission;
        let delivery = self.chain.send(&extrinsic).await;
        drop(turn);
        match delivery {
            Delivery::Refused(rejection) => {
                // It was never sent before, so it is nowhere.
                self.journal.withdraw()?;
                self.back_off(facts);
                Ok(Step::Refused(SubmitError::Pool(rejection)))
            }
            Delivery::InPool => Ok(Step::Submitted { manner, last_block }),
            Delivery::Unknown(reason) => {
                tracing::debug!(reason, "the weights may or may not have arrived; they are sent again");
                Ok(Step::Submitted { manner, last_block })
            }
        }
    }

    async fn resend(&mut self, facts: &Facts) -> Result<Step, SetWeightsError> {
        let Some(Progress::Submitted(submission)) = self.journal.entry().map(|entry| &entry.progress) else {
            return Ok(Step::Settled);
        };
        self.sendings.sent_at = Some(facts.block.number);
        let delivery = self.chain.send(&submission.extrinsic).await;
        tracing::debug!(?delivery, "sent the same weights again");
        Ok(Step::Submitted { manner: submission.manner.clone(), last_block: submission.last_block })
    }

    /// Takes back a dead submission. If it is dead because it was included and failed, says why and backs off.
    async fn withdraw(&mut self, facts: &Facts) -> Result<Option<SubmitError>, SetWeightsError> {
        let failure = match self.journal.entry().map(|entry| &entry.progress) {
            Some(Progress::Submitted(submission)) if facts.nonce > submission.nonce => {
                self.chain.failure(submission, facts.block.number).await
            }
            _ => None,
        };
        self.journal.withdraw()?;
        self.sendings.sent_at = None;
        if failure.is_some() {
            self.back_off(facts);
        }
        Ok(failure)
    }

    fn back_off(&mut self, facts: &Facts) {
        let blocks = REFUSED_BLOCKS_FIRST.saturating_mul(1 << self.refusals.min(4)).min(REFUSED_BLOCKS_MAX);
        self.refusals = self.refusals.saturating_add(1);
        self.sendings =
            Sendings { sent_at: None, refused_until: Some(facts.block.number.saturating_add(blocks)) };
    }

    /// Shows what was hashed where it is time, and forgets what is over.
    async fn reveal_hashes(&mut self, facts: &Facts) -> Result<(), SetWeightsError> {
        let mut due = Vec::new();
        for hashed in self.journal.unrevealed() {
            let sent_at = self.revealed_at.get(&hashed.hash);
            let waiting =
                sent_at.is_some_and(|sent| facts.block.number < sent.saturating_add(REVEAL_LIFE_BLOCKS));
            if reveal(facts, &hashed.hash.0) == Reveal::Now && !waiting {
                due.push(hashed.clone());
            }
        }
        for hashed in due {
            let delivery = self.chain.reveal(&hashed, facts.block).await?;
            tracing::info!(hash = %hashed.hash, ?delivery, "revealing weights");
            self.revealed_at.insert(hashed.hash, facts.block.number);
        }
        self.journal.keep_unrevealed(|hashed| reveal(facts, &hashed.hash.0) != Reveal::Over)?;
        self.revealed_at.retain(|hash, _| facts.hashes.iter().any(|(known, _)| known == &hash.0));
        Ok(())
    }
}
