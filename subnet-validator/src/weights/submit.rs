//! Carrying a decision out, journal first.

use chain_client::{PoolRejection, SubmitError};

use super::decide::Decision;
use super::journal::{Entry, Journal, JournalError};

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// In a finalised block.
    Landed {
        /// That block.
        in_block: u64,
    },
    /// Refused: it is not on the chain and cannot get there any more.
    Refused,
    /// Nobody can tell; the chain will show.
    Unknown,
}

/// Carries out one decision. `new` is the vector at hand, `best_block` the best block now, `submit` gives a vector to the chain.
/// Dropping this future at any await leaves the journal telling the truth.
pub async fn act(
    journal: &mut Journal,
    decision: Decision,
    new: Option<Entry>,
    best_block: u32,
    submit: impl AsyncFnOnce(Vec<(u16, u16)>) -> Fate,
) -> Result<(), JournalError> {
    match (decision, new) {
        (Decision::SubmitNew, Some(entry)) => journal.decide(entry)?,
        (Decision::SubmitDecided, _) => {}
        (Decision::Confirm { in_block }, _) => return journal.confirm(in_block),
        (Decision::SubmitNew, None) | (Decision::Settled | Decision::Wait(_), _) => return Ok(()),
    }
    let Some(vector) = journal.entry().map(|entry| entry.vector.clone()) else { return Ok(()) };
    journal.submit(best_block)?;
    match submit(vector).await {
        Fate::Landed { in_block } => journal.confirm(in_block),
        Fate::Refused => journal.reject(),
        Fate::Unknown => Ok(()),
    }
}

/// Whether the chain has refused the submission for good, as opposed to its fate being unknown.
#[must_use]
pub fn is_refusal(error: &SubmitError) -> bool {
    match error {
        SubmitError::Dispatch { .. } | SubmitError::CommitRevealEnabled { .. } => true,
        // These two say that something of ours is in the pool already.
        SubmitError::Pool(rejection) => {
            !matches!(rejection, PoolRejection::AlreadyImported | PoolRejection::PriorityTooLow)
        }
        _ => false,
    }
}
