//! One challenge about weights, from what the catalogue says to what came of it.

use protocol::account::AccountId;
use protocol::catalogue_document::{Offer, WeightFile};
use protocol::challenge::{
    AnswerError, Challenge, SignedAnswer, SignedChallenge, Task, WeightsTask, weights,
};
use protocol::digest::Digest;
use protocol::evidence::WrongAnswer;
use protocol::signing::Keypair;

use crate::fleet::axon::exchange::ExchangeError;

/// What is asked, of whom, and how long the answer may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Of whom.
    pub miner: AccountId,
    /// What.
    pub task: Task,
    /// Time for the answer, in milliseconds.
    pub answer_ms_max: u32,
}

/// What came of a challenge.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was shown.
    Shown,
    /// Something else was shown: proof.
    Wrong(Box<WrongAnswer>),
    /// Nothing that counts came in time; why, in words.
    Missed(String),
}

/// Pieces of each of the model's files whose root is known.
pub fn pieces_of(offer: &Offer, pieces: u8) -> Vec<Task> {
    let pieces = pieces.min(weights::PIECES_MAX);
    let task = |file: &WeightFile| {
        let (model, root) = (offer.model.id.clone(), file.root?);
        Some(Task::Weights(WeightsTask { model, file: file.sha256, bytes: file.bytes, root, pieces }))
    };
    offer.files.iter().filter_map(task).collect()
}

impl Question {
    /// The challenge, with a seed that nobody could know before; `None` if the system has no randomness.
    pub fn ask(self, netuid: u16, hotkey: &Keypair, issued_at_ms: u64) -> Option<SignedChallenge> {
        let Self { miner, task, answer_ms_max } = self;
        let mut seed = Digest::ZERO;
        getrandom::fill(&mut seed.0).ok()?;
        let validator = hotkey.public();
        let challenge = Challenge { netuid, validator, miner, issued_at_ms, answer_ms_max, seed, task };
        Some(challenge.sign(hotkey))
    }
}

/// What an answer that came in time, or none, comes to. Checking a product takes a processor for a while.
pub async fn judge(signed: &SignedChallenge, answer: Result<SignedAnswer, ExchangeError>) -> Outcome {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return Outcome::Missed(error.to_string()),
    };
    let checked = signed.clone();
    let checking = tokio::task::spawn_blocking(move || (answer.verify(&checked.challenge), answer));
    match checking.await {
        Ok((Ok(()), _)) => Outcome::Shown,
        Ok((Err(AnswerError::Wrong(wrong)), answer)) => {
            tracing::warn!(miner = %signed.challenge.miner, %wrong, "a challenge was answered wrongly");
            Outcome::Wrong(Box::new(WrongAnswer { challenge: signed.clone(), answer }))
        }
        Ok((Err(error), _)) => Outcome::Missed(error.to_string()),
        // Only when this process is about to end; then nothing is held against anybody.
        Err(_) => Outcome::Shown,
    }
}
