//! Evidence against a miner: papers that anybody can check again, under the signature of the validator that collected them.
//!
//! [`SignedEvidence`] is what travels; [`SignedEvidence::verify`] turns it into [`ValidEvidence`], of which everything is true that can be
//! seen without running a model. What two signed papers show is proven for ever. What a re-execution showed anybody can repeat who has
//! the model: the request, the delivered answer and the fingerprint's tokens are all there. For that reason evidence of this kind is made
//! from the validator's own requests only: no user's words are ever published.
//!
//! What evidence leads to is [`crate::standing`]'s question.

pub mod limit;
mod repeatable;

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};

pub use self::repeatable::{NotRepeatable, repeatable};
use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::challenge::{self, AnswerError, ChallengeError, SignedAnswer, SignedChallenge};
use crate::digest::Digest;
use crate::dispute::{Contradiction, DisputeError, Guilt, RecordBytes};
use crate::fingerprint::{self, Comparison, Fingerprint, Thresholds, Verdict};
use crate::receipt::{Countersigned, FinishReason, UncheckedCountersigned};
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::ticket::Kind;

/// How long a request or an answer in evidence may be, in bytes. Longer ones are not checked by re-execution.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// More than the largest evidence has, in bytes.
pub const BYTES_MAX: usize = 2 * TEXT_BYTES_MAX + 2 * fingerprint::BYTES_MAX;

/// Tokens of an answer that a model would hardly have said, in thousandths, beyond which nobody drew them from it.
pub const IMPROBABLE_MILLI_MAX: u64 = 50;

/// Challenges missed in a row that count: fewer happen to any machine.
pub const MISSED_MIN: usize = 3;

/// How many of them one piece of evidence holds at most.
pub const MISSED_MAX: usize = 8;

/// The least time between two challenges of a row, so that one short absence is not several.
pub const MISSED_GAP_MS: u64 = 600_000;

/// What is brought against a miner.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Evidence {
    /// The subnet.
    pub netuid: u16,
    /// Who collected it.
    pub validator: AccountId,
    /// Against whom.
    pub miner: AccountId,
    /// Unix time of the collection.
    pub observed_at_ms: u64,
    /// What was found.
    pub finding: Finding,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Finding {
    /// Two receipts for one ticket.
    #[codec(index = 0)]
    DoubledReceipt(RecordBytes, RecordBytes),
    /// One answer for two tickets, byte for byte, although every answer has an id of its own.
    #[codec(index = 1)]
    ReplayedAnswer(RecordBytes, RecordBytes),
    /// An answer that the model does not give.
    #[codec(index = 2)]
    Reexecution(Box<Reexecution>),
    /// A signed answer to a challenge, and a wrong one.
    #[codec(index = 3)]
    WrongAnswer(Box<WrongAnswer>),
    /// Challenges one after the other that were not answered, or too late.
    #[codec(index = 4)]
    Missed(Missed),
}

/// A challenge and what the miner signed for it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct WrongAnswer {
    /// What was asked.
    pub challenge: SignedChallenge,
    /// What was shown.
    pub answer: SignedAnswer,
}

/// Challenges that the validator says were missed, in the order of their times: [`MISSED_MIN`] to [`MISSED_MAX`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Missed(pub Vec<SignedChallenge>);

/// A call, what it was about, and what came of doing it again.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Reexecution {
    /// The call.
    pub call: RecordBytes,
    /// The request's body.
    pub request: Vec<u8>,
    /// The answer as delivered: each JSON text and a line feed, as receipts hash it.
    pub output: Vec<u8>,
    /// SCALE bytes of the [`Fingerprint`]; empty if the receipt names none.
    pub fingerprint: Vec<u8>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an answer. In the order in which it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Fault {
    /// The receipt names no fingerprint, though the model has states.
    #[codec(index = 0)]
    NoFingerprint,
    /// The fingerprint has another number of tokens than the receipt.
    #[codec(index = 1)]
    TokenCount,
    /// The model's template makes a prompt of another length than the receipt says.
    #[codec(index = 2)]
    PromptLength {
        /// Tokens of the prompt as found again.
        found: u32,
    },
    /// The fingerprint's tokens do not spell the delivered answer, or end after the answer does.
    #[codec(index = 3)]
    Text,
    /// The states are others.
    #[codec(index = 4)]
    States(Comparison),
    /// The model would hardly have said these tokens.
    #[codec(index = 5)]
    Improbable {
        /// How many of them.
        tokens: u32,
    },
}

/// Evidence as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SignedEvidence {
    /// What is claimed.
    pub evidence: Evidence,
    /// The validator's signature over it, unchecked.
    pub signature: Signature,
}

/// Evidence whose every paper and signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidEvidence {
    signed: SignedEvidence,
    at_ms: u64,
    call: Option<Countersigned>,
}

/// Why evidence is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Not one whole record within its limits.
    #[error("the evidence does not decode")]
    Decode,
    /// Not signed by the validator it names.
    #[error("the evidence is not signed by the validator that it names")]
    Signature(#[source] BadSignature),
    /// A paper is not what it seems.
    #[error("checking the papers")]
    Papers(#[source] DisputeError),
    /// The papers are of another miner or subnet than is named.
    #[error("the papers are not of the miner and subnet that the evidence names")]
    OtherMiner,
    /// The papers show nothing wrong.
    #[error("the papers show nothing wrong")]
    Innocent,
    /// Request, answer or fingerprint are not those of the call.
    #[error("the request, the answer or the fingerprint is not the one that the call names")]
    OtherTexts,
    /// The request cannot be executed again.
    #[error("the request cannot be executed again")]
    NotRepeatable(#[source] NotRepeatable),
    /// A challenge is not what it seems.
    #[error("checking a challenge")]
    Challenge(#[source] ChallengeError),
    /// An answer is not the miner's to that challenge.
    #[error("checking an answer")]
    Answer(#[source] AnswerError),
}

/// What evidence is about.
struct Subject {
    netuid: u16,
    miner: AccountId,
    at_ms: u64,
    call: Option<Countersigned>,
}

impl Finding {
    /// Whether it raises doubt only, and proves nothing.
    pub fn is_doubt(&self) -> bool {
        matches!(self, Self::Missed(_))
    }

    /// When what it is about happened, by papers that nobody has checked: [`ValidEvidence::at_ms`] if they turn out to be good. None if
    /// they are none.
    pub fn claimed_at_ms(&self) -> Option<u64> {
        let issued = |call: &RecordBytes| Some(call.unchecked()?.claims().0.issued_at_ms);
        match self {
            Self::DoubledReceipt(one, other) | Self::ReplayedAnswer(one, other) => {
                Some(issued(one)?.max(issued(other)?))
            }
            Self::Reexecution(again) => issued(&again.call),
            Self::WrongAnswer(wrong) => Some(wrong.challenge.challenge.issued_at_ms),
            Self::Missed(missed) => missed.0.last().map(|signed| signed.challenge.issued_at_ms),
        }
    }
}

impl RecordBytes {
    fn unchecked(&self) -> Option<UncheckedCountersigned> {
        UncheckedCountersigned::from_bytes(self.as_bytes()).ok()
    }
}

impl Evidence {
    /// Names this evidence, whatever signature it carries.
    pub fn digest(&self) -> Digest {
        Digest::of_prefixed(Domain::Evidence.prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedEvidence {
        let signature = validator.sign(Domain::Evidence, &self.encode());
        SignedEvidence { evidence: self, signature }
    }
}

impl SignedEvidence {
    /// Reads one whole record; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > BYTES_MAX {
            return Err(EvidenceError::Decode);
        }
        Self::decode_all(&mut &*bytes).map_err(|_| EvidenceError::Decode)
    }

    /// Checks the signature, the papers' signatures, that they belong together, and that they show what is claimed; all but what only the
    /// model could tell.
    pub fn verify(self) -> Result<ValidEvidence, EvidenceError> {
        let Evidence { netuid, validator, miner, finding, .. } = &self.evidence;
        signing::verify(Domain::Evidence, validator, &self.evidence.encode(), &self.signature)
            .map_err(EvidenceError::Signature)?;
        let subject = match finding {
            Finding::DoubledReceipt(one, other) => Subject::of_call(doubled(one, other, miner)?),
            Finding::ReplayedAnswer(one, other) => Subject::of_call(replayed(one, other)?),
            Finding::Reexecution(again) => Subject::of_call(again.check(validator)?),
            Finding::WrongAnswer(wrong) => wrong.check()?,
            Finding::Missed(missed) => missed.check(validator)?,
        };
        if (subject.netuid, subject.miner) != (*netuid, *miner) {
            return Err(EvidenceError::OtherMiner);
        }
        let Subject { at_ms, call, .. } = subject;
        Ok(ValidEvidence { signed: self, at_ms, call })
    }
}

impl ValidEvidence {
    /// Against whom.
    pub fn miner(&self) -> AccountId {
        self.signed.evidence.miner
    }

    /// What was found.
    pub fn finding(&self) -> &Finding {
        &self.signed.evidence.finding
    }

    /// Names the evidence.
    pub fn digest(&self) -> Digest {
        self.signed.evidence.digest()
    }

    /// The call it is about: the later one of two. None if it is about challenges.
    pub fn call(&self) -> Option<&Countersigned> {
        self.call.as_ref()
    }

    /// When what it is about happened: Unix time of the call's ticket, or of the last challenge.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// With its signature, to store or send.
    pub fn signed(&self) -> &SignedEvidence {
        &self.signed
    }
}

fn later(one: Countersigned, other: Countersigned) -> Countersigned {
    if other.ticket().issued_at_ms > one.ticket().issued_at_ms { other } else { one }
}

fn doubled(
    one: &RecordBytes,
    other: &RecordBytes,
    miner: &AccountId,
) -> Result<Countersigned, EvidenceError> {
    let guilt = Contradiction::Calls(one.clone(), other.clone()).verify().map_err(EvidenceError::Papers)?;
    if guilt != (Guilt::DoubledReceipt { miner: *miner }) {
        return Err(EvidenceError::Innocent);
    }
    let [one, other] = [one, other].map(|call| call.verify().map_err(EvidenceError::Papers));
    Ok(later(one?, other?))
}

fn replayed(one: &RecordBytes, other: &RecordBytes) -> Result<Countersigned, EvidenceError> {
    let [one, other] = [one, other].map(|call| call.verify().map_err(EvidenceError::Papers));
    let (one, other) = (one?, other?);
    if one.ticket().miner != other.ticket().miner {
        return Err(EvidenceError::OtherMiner);
    }
    if !is_replay(&one, &other) {
        return Err(EvidenceError::Innocent);
    }
    Ok(later(one, other))
}

/// Whether two calls of one miner have one answer that can only have been given once: answers with a generated text carry an id.
pub fn is_replay(one: &Countersigned, other: &Countersigned) -> bool {
    let generated = |call: &Countersigned| {
        matches!(call.ticket().kind, Kind::Chat | Kind::Completion | Kind::Probe)
            && matches!(call.receipt().finish_reason, FinishReason::Stop | FinishReason::Length)
            && call.receipt().completion_tokens > 0
    };
    generated(one)
        && generated(other)
        && one.ticket().miner == other.ticket().miner
        && one.receipt().ticket_hash != other.receipt().ticket_hash
        && one.receipt().output_sha256 == other.receipt().output_sha256
}

impl Subject {
    fn of_call(call: Countersigned) -> Self {
        let ticket = call.ticket();
        Self { netuid: ticket.netuid, miner: ticket.miner, at_ms: ticket.issued_at_ms, call: Some(call) }
    }

    fn of_challenge(challenge: &challenge::Challenge) -> Self {
        let (netuid, miner, at_ms) = (challenge.netuid, challenge.miner, challenge.issued_at_ms);
        Self { netuid, miner, at_ms, call: None }
    }
}

impl WrongAnswer {
    fn check(&self) -> Result<Subject, EvidenceError> {
        let challenge = self.challenge.verify().map_err(EvidenceError::Challenge)?;
        match self.answer.verify(challenge) {
            Err(AnswerError::Wrong(_)) => Ok(Subject::of_challenge(challenge)),
            Err(error) => Err(EvidenceError::Answer(error)),
            Ok(()) => Err(EvidenceError::Innocent),
        }
    }
}

impl Missed {
    fn check(&self, validator: &AccountId) -> Result<Subject, EvidenceError> {
        let mut last: Option<Subject> = None;
        for signed in &self.0 {
            let challenge = signed.verify().map_err(EvidenceError::Challenge)?;
            // Only who asked can say that nothing came.
            if challenge.validator != *validator {
                return Err(EvidenceError::OtherMiner);
            }
            let next = Subject::of_challenge(challenge);
            if let Some(last) = &last {
                if (last.netuid, last.miner) != (next.netuid, next.miner) {
                    return Err(EvidenceError::OtherMiner);
                }
                if next.at_ms < last.at_ms.saturating_add(MISSED_GAP_MS) {
                    return Err(EvidenceError::Innocent);
                }
            }
            last = Some(next);
        }
        last.filter(|_| (MISSED_MIN..=MISSED_MAX).contains(&self.0.len())).ok_or(EvidenceError::Innocent)
    }
}

impl Reexecution {
    /// The fingerprint, if the receipt names one and this is it.
    pub fn fingerprint(&self, call: &Countersigned) -> Result<Option<Fingerprint>, EvidenceError> {
        let Some(named) = call.receipt().fingerprint else {
            return if self.fingerprint.is_empty() { Ok(None) } else { Err(EvidenceError::OtherTexts) };
        };
        let fingerprint =
            Fingerprint::from_bytes(&self.fingerprint).map_err(|_| EvidenceError::OtherTexts)?;
        if fingerprint.digest() != named {
            return Err(EvidenceError::OtherTexts);
        }
        Ok(Some(fingerprint))
    }

    fn check(&self, validator: &AccountId) -> Result<Countersigned, EvidenceError> {
        let call = self.call.verify().map_err(EvidenceError::Papers)?;
        let texts = (Digest::of(&self.request), Digest::of(&self.output));
        // Nobody else knows which of a validator's requests were its own.
        let named = (call.ticket().request_sha256, call.receipt().output_sha256);
        if texts != named || call.ticket().validator != *validator {
            return Err(EvidenceError::OtherTexts);
        }
        // An answer that cannot be executed again cannot be wrong: a receipt for two answers, for one, rightly counts more tokens than
        // its fingerprint, and one for an embedding rightly names none.
        if !repeatable::is_repeatable(call.ticket().kind) {
            return Err(EvidenceError::Innocent);
        }
        repeatable(&self.request).map_err(EvidenceError::NotRepeatable)?;
        let fingerprint = self.fingerprint(&call)?;
        let tokens = fingerprint.as_ref().map_or(0, |fingerprint| fingerprint.tokens().len() as u64);
        let wrong = match &self.fault {
            Fault::NoFingerprint => fingerprint.is_none(),
            Fault::TokenCount => {
                fingerprint.is_some() && tokens != u64::from(call.receipt().completion_tokens)
            }
            Fault::PromptLength { found } => *found != call.receipt().prompt_tokens,
            Fault::Text => fingerprint.is_some(),
            Fault::States(comparison) => {
                let proofs = fingerprint.as_ref().map_or(0, |fingerprint| fingerprint.proofs().len());
                comparison.measures.len() == proofs
                    && comparison.verdict(&Thresholds::default()) == Verdict::Different
            }
            Fault::Improbable { tokens: improbable } => {
                fingerprint.is_some()
                    && u64::from(*improbable) <= tokens
                    && is_improbable(u64::from(*improbable), tokens)
            }
        };
        if wrong { Ok(call) } else { Err(EvidenceError::Innocent) }
    }
}

/// Whether an answer of `tokens` tokens has more improbable ones than chance or another precision give: a few are always allowed.
pub fn is_improbable(improbable: u64, tokens: u64) -> bool {
    improbable.saturating_mul(1_000) > tokens.saturating_mul(IMPROBABLE_MILLI_MAX).saturating_add(2_000)
}

impl Decode for Missed {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, MISSED_MAX).map(Self)
    }
}

impl Decode for Reexecution {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self {
            call: RecordBytes::decode(input)?,
            request: decode_list(input, TEXT_BYTES_MAX)?,
            output: decode_list(input, TEXT_BYTES_MAX)?,
            fingerprint: decode_list(input, fingerprint::BYTES_MAX)?,
            fault: Fault::decode(input)?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
