//! Receipts: what the miner says it delivered, and what the validator says it observed.
//!
//! ```text
//! ValidTicket + SignedReceipt --MinerSigned::check--> MinerSigned --countersign--> Countersigned
//!                        bytes --UncheckedCountersigned::verify------------------> Countersigned
//! ```
//!
//! There is no other way to a [`Countersigned`], so whoever holds one holds three good signatures over one
//! call.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input, Output};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::header::{self, HeaderError};
use crate::merkle;
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};
use crate::ticket::{Kind, SignedTicket, Ticket, ValidTicket};

/// The HTTP header that carries a receipt back with a whole answer.
pub const HEADER: &str = "x-subnet-receipt";

/// The SSE event that carries a receipt back at the end of a streamed answer.
pub const SSE_EVENT: &str = "receipt";

/// More than the largest possible signed receipt has.
const SIGNED_BYTES_MAX: usize = 256;

/// More than the largest possible countersigned receipt has.
pub const COUNTERSIGNED_BYTES_MAX: usize = 1_024;

/// The first byte of a countersigned receipt's encoding.
const COUNTERSIGNED_VERSION: u8 = 1;

/// Why the miner stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its answer, or a stop string was met.
    #[codec(index = 0)]
    Stop,
    /// The token limit was reached.
    #[codec(index = 1)]
    Length,
    /// The validator went away.
    #[codec(index = 2)]
    Cancelled,
    /// The runtime failed.
    #[codec(index = 3)]
    Error,
}

/// What the miner signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Receipt {
    /// The ticket this answers.
    pub ticket_hash: Digest,
    /// SHA-256 over, for each JSON body or streamed JSON chunk in order, its bytes and one line feed.
    pub output_sha256: Digest,
    /// Tokens of the prompt, after the chat template.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub completion_tokens: u32,
    /// From the request's arrival to the first token.
    pub first_token_ms: u32,
    /// From the request's arrival to the last token.
    pub total_ms: u32,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The digest of the output fingerprint, if the runtime makes one.
    pub fingerprint: Option<Digest>,
    /// Hash of this miner's previous receipt for this shard of this validator ([`Ticket::shard`]); [`Digest::ZERO`] for the first.
    pub previous: Digest,
}

/// A receipt as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What is claimed.
    pub receipt: Receipt,
    /// The miner's signature over it, unchecked.
    pub signature: Signature,
}

/// A ticket that its validator signed, and the answer that its miner signed, within the ticket's token
/// limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinerSigned {
    ticket: ValidTicket,
    receipt: SignedReceipt,
}

/// How the call ended for the validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer reached the user.
    #[codec(index = 0)]
    Delivered,
    /// The user went away before the end.
    #[codec(index = 1)]
    ClientGone,
    /// The miner broke off or answered with an error.
    #[codec(index = 2)]
    MinerFailed,
    /// The bytes relayed are not those the receipt names.
    #[codec(index = 3)]
    OutputMismatch,
}

/// What the validator measured itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Observation {
    /// From sending the request to the answer's first byte.
    pub first_byte_ms: u32,
    /// From sending the request to the answer's last byte.
    pub last_byte_ms: u32,
    /// Tokens passed on to the user.
    pub tokens_delivered: u32,
    /// SHA-256 over the bytes relayed, by the receipt's rule.
    pub output_sha256: Digest,
    /// How the call ended.
    pub outcome: Outcome,
}

/// One call with three good signatures: the validator's ticket, the miner's receipt, the validator's
/// observation.
///
/// Made only by [`MinerSigned::countersign`] and [`UncheckedCountersigned::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersigned {
    ticket: SignedTicket,
    receipt: SignedReceipt,
    observation: Observation,
    signature: Signature,
}

/// The signatures of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Signatures {
    /// The validator's, over the ticket.
    pub ticket: Signature,
    /// The miner's, over the receipt.
    pub receipt: Signature,
    /// The validator's, over what it observed.
    pub countersignature: Signature,
}

/// The same bytes, read from a store or another node: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncheckedCountersigned(Countersigned);

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The validator did not sign the ticket.
    #[error("checking the ticket's signature")]
    Ticket(#[source] BadSignature),
    /// The ticket's miner did not sign the receipt.
    #[error("checking the receipt's signature")]
    Receipt(#[source] BadSignature),
    /// The ticket's validator did not sign the observation.
    #[error("checking the countersignature")]
    Countersignature(#[source] BadSignature),
    /// The receipt answers another ticket.
    #[error("the receipt is for another ticket")]
    OtherTicket,
    /// More prompt tokens than the ticket allows.
    #[error("the receipt claims {claimed} prompt tokens, the ticket allows {max}")]
    PromptTokens {
        /// Claimed by the miner.
        claimed: u32,
        /// Allowed by the ticket.
        max: u32,
    },
    /// More completion tokens than the ticket allows.
    #[error("the receipt claims {claimed} completion tokens, the ticket allows {max}")]
    CompletionTokens {
        /// Claimed by the miner.
        claimed: u32,
        /// Allowed by the ticket.
        max: u32,
    },
    /// The first token came after the end.
    #[error("the receipt's first token comes after its end")]
    Times,
    /// Only the ticket's validator may countersign.
    #[error("the key {found} is not the ticket's validator")]
    OtherValidator {
        /// The account of the key given.
        found: AccountId,
    },
    /// The bytes are not one whole countersigned receipt.
    #[error("decoding a countersigned receipt")]
    Decode(#[source] Error),
}

impl Receipt {
    /// Names this receipt, whatever signature it carries.
    pub fn hash(&self) -> Digest {
        Digest::of_prefixed(Domain::Receipt.prefix(), &self.encode())
    }

    /// Signs as the miner.
    pub fn sign(self, miner: &Keypair) -> SignedReceipt {
        let signature = miner.sign(Domain::Receipt, &self.encode());
        SignedReceipt { receipt: self, signature }
    }
}

impl SignedReceipt {
    /// The header's value, and the SSE event's data: `0x` and the hexadecimal digits of the SCALE bytes.
    pub fn to_header(&self) -> String {
        header::to_text(self)
    }

    /// Reads a header's value; length first, then digits, then one whole receipt.
    pub fn from_header(value: &str) -> Result<Self, HeaderError> {
        header::from_text(value, SIGNED_BYTES_MAX)
    }
}

impl MinerSigned {
    /// Checks that the receipt answers this ticket within its limits, and that the ticket's miner signed it.
    pub fn check(ticket: ValidTicket, receipt: SignedReceipt) -> Result<Self, ReceiptError> {
        check_against(&ticket, &receipt.receipt)?;
        signing::verify(Domain::Receipt, &ticket.miner, &receipt.receipt.encode(), &receipt.signature)
            .map_err(ReceiptError::Receipt)?;
        Ok(Self { ticket, receipt })
    }

    /// Adds what the validator observed, under its signature.
    pub fn countersign(
        self,
        observation: Observation,
        validator: &Keypair,
    ) -> Result<Countersigned, ReceiptError> {
        let found = validator.public();
        if found != self.ticket.validator {
            return Err(ReceiptError::OtherValidator { found });
        }
        let signature = validator
            .sign(Domain::Countersignature, &countersigned_bytes(&self.receipt.receipt, &observation));
        Ok(Countersigned { ticket: self.ticket.into_signed(), receipt: self.receipt, observation, signature })
    }

    /// The ticket, signed by its validator.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// The receipt, signed by the ticket's miner.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt.receipt
    }
}

impl Countersigned {
    /// The ticket, signed by its validator.
    pub fn ticket(&self) -> &Ticket {
        &self.ticket.ticket
    }

    /// The receipt, signed by the ticket's miner.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt.receipt
    }

    /// The observation, signed by the ticket's validator.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// The three signatures that were checked.
    pub fn signatures(&self) -> Signatures {
        Signatures {
            ticket: self.ticket.signature,
            receipt: self.receipt.signature,
            countersignature: self.signature,
        }
    }

    /// The leaf of this receipt in a validator's log.
    pub fn leaf_hash(&self) -> Digest {
        merkle::leaf_hash(&self.encode())
    }

    /// Whether this call earns anything: a model computed, the whole answer arrived, is what the miner signed, and ended
    /// well.
    pub fn counts(&self) -> bool {
        self.ticket().kind != Kind::Tokenize
            && self.observation.outcome == Outcome::Delivered
            && self.observation.output_sha256 == self.receipt().output_sha256
            && matches!(self.receipt().finish_reason, FinishReason::Stop | FinishReason::Length)
    }

    /// The bytes to store and to hash: a version, then ticket, receipt, observation and their signatures.
    pub fn encode(&self) -> Vec<u8> {
        Encode::encode(self)
    }

    /// Puts the record back to where nothing is known of it, as if read from a store.
    pub fn into_unchecked(self) -> UncheckedCountersigned {
        UncheckedCountersigned(self)
    }
}

impl UncheckedCountersigned {
    /// Reads one whole record; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > COUNTERSIGNED_BYTES_MAX {
            return Err(ReceiptError::Decode("longer than any countersigned receipt".into()));
        }
        Self::decode_all(&mut &*bytes).map_err(ReceiptError::Decode)
    }

    /// The bytes that were read.
    pub fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    /// What the record says, unchecked: for counts over one's own store, never for what another node claims.
    pub fn claims(&self) -> (&Ticket, &Receipt, &Observation) {
        (self.0.ticket(), self.0.receipt(), self.0.observation())
    }

    /// The record as what it was found to be when this node checked the same bytes before. Only for bytes that nobody else can have
    /// written since: of one's own log, or of a file whose hash one has kept with the finding.
    pub fn verified_before(self) -> Countersigned {
        self.0
    }

    /// Checks everything that [`SignedTicket::verify`], [`MinerSigned::check`] and
    /// [`MinerSigned::countersign`] check.
    pub fn verify(self) -> Result<Countersigned, ReceiptError> {
        let Countersigned { ticket, receipt, observation, signature } = self.0;
        let ticket = ticket.verify().map_err(ReceiptError::Ticket)?;
        let MinerSigned { ticket, receipt } = MinerSigned::check(ticket, receipt)?;
        let bytes = countersigned_bytes(&receipt.receipt, &observation);
        signing::verify(Domain::Countersignature, &ticket.validator, &bytes, &signature)
            .map_err(ReceiptError::Countersignature)?;
        Ok(Countersigned { ticket: ticket.into_signed(), receipt, observation, signature })
    }

    /// Checks many records with one batch verification. On failure each is checked alone, to name the first
    /// that fails.
    pub fn verify_all(records: Vec<Self>) -> Result<Vec<Countersigned>, (usize, ReceiptError)> {
        let mut items = Vec::with_capacity(records.len().saturating_mul(3));
        for (index, Self(record)) in records.iter().enumerate() {
            check_against(record.ticket(), record.receipt()).map_err(|error| (index, error))?;
            let validator = record.ticket().validator;
            let observed = countersigned_bytes(record.receipt(), &record.observation);
            items.push((Domain::Ticket, validator, record.ticket().encode(), record.ticket.signature));
            items.push((
                Domain::Receipt,
                record.ticket().miner,
                record.receipt().encode(),
                record.receipt.signature,
            ));
            items.push((Domain::Countersignature, validator, observed, record.signature));
        }
        if signing::verify_batch(&items).is_ok() {
            return Ok(records.into_iter().map(|record| record.0).collect());
        }
        let check = |(index, record): (usize, Self)| record.verify().map_err(|error| (index, error));
        records.into_iter().enumerate().map(check).collect()
    }
}

/// What the receipt's content must satisfy, signatures aside.
fn check_against(ticket: &Ticket, receipt: &Receipt) -> Result<(), ReceiptError> {
    if receipt.ticket_hash != ticket.hash() {
        return Err(ReceiptError::OtherTicket);
    }
    if receipt.prompt_tokens > ticket.prompt_tokens_max {
        return Err(ReceiptError::PromptTokens {
            claimed: receipt.prompt_tokens,
            max: ticket.prompt_tokens_max,
        });
    }
    if receipt.completion_tokens > ticket.completion_tokens_max {
        return Err(ReceiptError::CompletionTokens {
            claimed: receipt.completion_tokens,
            max: ticket.completion_tokens_max,
        });
    }
    if receipt.first_token_ms > receipt.total_ms {
        return Err(ReceiptError::Times);
    }
    Ok(())
}

/// What a countersignature signs: the receipt's hash, through it the ticket's, and the observation.
fn countersigned_bytes(receipt: &Receipt, observation: &Observation) -> Vec<u8> {
    (receipt.hash(), observation).encode()
}

impl Encode for Countersigned {
    fn encode_to<T: Output + ?Sized>(&self, dest: &mut T) {
        dest.push_byte(COUNTERSIGNED_VERSION);
        self.ticket.encode_to(dest);
        self.receipt.encode_to(dest);
        self.observation.encode_to(dest);
        self.signature.encode_to(dest);
    }
}

impl Decode for UncheckedCountersigned {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        if input.read_byte()? != COUNTERSIGNED_VERSION {
            return Err("unknown version of a countersigned receipt".into());
        }
        let ticket = SignedTicket::decode(input)?;
        let receipt = SignedReceipt::decode(input)?;
        let observation = Observation::decode(input)?;
        let signature = Signature::decode(input)?;
        Ok(Self(Countersigned { ticket, receipt, observation, signature }))
    }
}

#[cfg(test)]
impl Countersigned {
    /// A record with signatures of zeroes, for tests of what is done with records once they are verified.
    pub(crate) fn with_zero_signatures(ticket: Ticket, receipt: Receipt, observation: Observation) -> Self {
        let signature = Signature([0; 64]);
        Self {
            ticket: SignedTicket { ticket, signature },
            receipt: SignedReceipt { receipt, signature },
            observation,
            signature,
        }
    }
}

#[cfg(test)]
mod tests;
