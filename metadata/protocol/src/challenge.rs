//! What a validator asks a miner to prove beside calls: that it holds the weights it says it serves, and that its device computes as fast
//! as it says.
//!
//! A [`Challenge`] is signed by the validator and drawn anew each time; an [`Answer`] is signed by the miner and names the challenge. So
//! - an old answer is none, and under a new signature it is a wrong one: other pieces are asked for ([`weights`]), another product
//!   ([`product`]);
//! - a wrong answer is proof by itself, for ever and to everybody: the two papers show it. A miner therefore checks its answer before it
//!   signs ([`Answer::check`]), and no validator can make an honest one sign a wrong answer, whatever root it names;
//! - no answer, or a late one, is the validator's word. What follows from either is said in [`crate::standing`].

pub mod product;
pub mod weights;

use parity_scale_codec::{Decode, DecodeAll, Encode};

pub use self::product::{OpenedRow, Product, ProductTask};
pub use self::weights::{Piece, Pieces, WeightsTask};
use crate::account::AccountId;
use crate::digest::Digest;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

/// Where a miner's axon takes a [`SignedChallenge`] and answers a [`SignedAnswer`], both as SCALE bytes.
pub const TARGET: &str = "/challenge";

/// More than the longest challenge has, in bytes.
pub const CHALLENGE_BYTES_MAX: usize = 1_024;

/// More than the longest answer has, in bytes.
pub const ANSWER_BYTES_MAX: usize = (1 << 20) + (1 << 18);

/// The longest time that an answer may be given, in milliseconds.
pub const ANSWER_MS_MAX: u32 = 600_000;

/// How far ahead of the miner's clock a challenge may be dated.
pub const ISSUED_AHEAD_MS_MAX: u64 = 10_000;

/// What the validator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// The subnet.
    pub netuid: u16,
    /// Who asks.
    pub validator: AccountId,
    /// Who is to answer.
    pub miner: AccountId,
    /// Unix time of the asking.
    pub issued_at_ms: u64,
    /// How long the answer may take.
    pub answer_ms_max: u32,
    /// Random bytes that decide what exactly is to be shown.
    pub seed: Digest,
    /// What is to be shown.
    pub task: Task,
}

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Task {
    /// Pieces of a weight file.
    #[codec(index = 0)]
    Weights(WeightsTask),
    /// A product of two matrices.
    #[codec(index = 1)]
    Product(ProductTask),
}

/// What the miner shows.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Shown {
    /// The pieces.
    #[codec(index = 0)]
    Weights(Pieces),
    /// The product's commitment and some of its rows.
    #[codec(index = 1)]
    Product(Product),
}

/// The miner's answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The challenge it is for: [`Challenge::digest`].
    pub challenge: Digest,
    /// What is shown.
    pub shown: Shown,
}

/// A challenge as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedChallenge {
    /// What is asked for.
    pub challenge: Challenge,
    /// The validator's signature, unchecked.
    pub signature: Signature,
}

/// An answer as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedAnswer {
    /// What is shown.
    pub answer: Answer,
    /// The miner's signature, unchecked.
    pub signature: Signature,
}

/// What a miner expects of a challenge.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// The subnet.
    pub netuid: u16,
    /// Who sent it.
    pub validator: AccountId,
    /// Whom it must be for.
    pub miner: AccountId,
    /// The miner's clock.
    pub now_ms: u64,
}

/// Why a challenge is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// Not one whole challenge.
    #[error("the challenge does not decode")]
    Decode,
    /// Not signed by the validator it names.
    #[error("the challenge is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// For another subnet or miner, or not of who sent it.
    #[error("the challenge is of another subnet, validator or miner")]
    Stranger,
    /// From the future, or its time is over.
    #[error("the challenge was issued at {issued_at_ms} ms and its time is over, or it is dated ahead")]
    Time {
        /// Its time.
        issued_at_ms: u64,
    },
    /// Its size.
    #[error("the challenge asks for nothing, or for more than one may")]
    Size,
}

/// Why an answer does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not one whole answer.
    #[error("the answer does not decode")]
    Decode,
    /// Not signed by the miner that was asked.
    #[error("the answer is not signed by the miner that was asked")]
    Signature(#[source] BadSignature),
    /// For another challenge.
    #[error("the answer is for another challenge")]
    OtherChallenge,
    /// Signed, for this challenge, and wrong: this is proof against the miner.
    #[error("the answer is wrong: {0}")]
    Wrong(Wrong),
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It shows something else than was asked for.
    #[error("it shows something else than was asked for")]
    OtherTask,
    /// It shows more or less than was asked for.
    #[error("it shows {found} parts of {expected}")]
    Count {
        /// Parts asked for.
        expected: u64,
        /// Parts shown.
        found: u64,
    },
    /// A part is not in the file or product that it should be of.
    #[error("part {index} is not at its place under the root")]
    Place {
        /// Which of the parts, in the order they were drawn.
        index: u64,
    },
    /// A row is not that of the product.
    #[error("row {row} is not that of the product")]
    Row {
        /// The row's number.
        row: u32,
    },
}

impl Challenge {
    /// Names the challenge.
    pub fn digest(&self) -> Digest {
        Digest::of_prefixed(Domain::Challenge.prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedChallenge {
        let signature = validator.sign(Domain::Challenge, &self.encode());
        SignedChallenge { challenge: self, signature }
    }

    /// When the answer must be there.
    pub fn answer_by_ms(&self) -> u64 {
        self.issued_at_ms.saturating_add(self.answer_ms_max.into())
    }

    fn check(&self) -> Result<(), ChallengeError> {
        let is_sound = match &self.task {
            Task::Weights(task) => task.is_sound(),
            Task::Product(task) => task.is_sound(),
        };
        let has_time = (1..=ANSWER_MS_MAX).contains(&self.answer_ms_max);
        if is_sound && has_time { Ok(()) } else { Err(ChallengeError::Size) }
    }
}

impl SignedChallenge {
    /// Reads one whole challenge; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChallengeError> {
        if bytes.len() > CHALLENGE_BYTES_MAX {
            return Err(ChallengeError::Decode);
        }
        Self::decode_all(&mut &*bytes).map_err(|_| ChallengeError::Decode)
    }

    /// Checks the signature and that it asks for something, within limits.
    pub fn verify(&self) -> Result<&Challenge, ChallengeError> {
        let challenge = &self.challenge;
        challenge.check()?;
        signing::verify(Domain::Challenge, &challenge.validator, &challenge.encode(), &self.signature)
            .map_err(ChallengeError::Signature)?;
        Ok(challenge)
    }

    /// The same for the miner that got it.
    pub fn admit(&self, expected: &Expected) -> Result<&Challenge, ChallengeError> {
        let challenge = &self.challenge;
        let named = (challenge.netuid, challenge.validator, challenge.miner);
        if named != (expected.netuid, expected.validator, expected.miner) {
            return Err(ChallengeError::Stranger);
        }
        let issued_at_ms = challenge.issued_at_ms;
        let is_ahead = issued_at_ms > expected.now_ms.saturating_add(ISSUED_AHEAD_MS_MAX);
        if is_ahead || challenge.answer_by_ms() < expected.now_ms {
            return Err(ChallengeError::Time { issued_at_ms });
        }
        self.verify()
    }
}

impl Answer {
    /// Whether it shows what the challenge asks for. A miner signs nothing else.
    pub fn check(&self, challenge: &Challenge) -> Result<(), Wrong> {
        match (&challenge.task, &self.shown) {
            (Task::Weights(task), Shown::Weights(pieces)) => pieces.check(&challenge.seed, task),
            (Task::Product(task), Shown::Product(product)) => product.check(&challenge.seed, task),
            _ => Err(Wrong::OtherTask),
        }
    }

    /// Signs. With a key that is not that of the challenge's miner the result will not verify.
    pub fn sign(self, miner: &Keypair) -> SignedAnswer {
        let signature = miner.sign(Domain::ChallengeAnswer, &self.encode());
        SignedAnswer { answer: self, signature }
    }
}

impl SignedAnswer {
    /// Reads one whole answer; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AnswerError> {
        if bytes.len() > ANSWER_BYTES_MAX {
            return Err(AnswerError::Decode);
        }
        Self::decode_all(&mut &*bytes).map_err(|_| AnswerError::Decode)
    }

    /// Checks that it is the answer of the miner that was asked, for this challenge, and right.
    pub fn verify(&self, challenge: &Challenge) -> Result<(), AnswerError> {
        signing::verify(Domain::ChallengeAnswer, &challenge.miner, &self.answer.encode(), &self.signature)
            .map_err(AnswerError::Signature)?;
        if self.answer.challenge != challenge.digest() {
            return Err(AnswerError::OtherChallenge);
        }
        self.answer.check(challenge).map_err(AnswerError::Wrong)
    }
}

/// The `index`th number below `below` that these bytes draw; 0 if there is none.
fn drawn(from: &Digest, index: u64, below: u64) -> u64 {
    let bytes = Digest::of_prefixed(b"SN_DRAW_V1\0", &(from, index).encode());
    let mut first = [0; 16];
    first.copy_from_slice(bytes.0.first_chunk::<16>().unwrap_or(&[0; 16]));
    // 128 bits for at most 64: no number is likelier than another by anything that counts.
    let number = u128::from_le_bytes(first).checked_rem(below.into()).unwrap_or(0);
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests;
