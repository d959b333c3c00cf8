//! A ticket: a validator's signed order to one miner for one request. It travels in the [`HEADER`] header.
//!
//! `SignedTicket` is what arrives, and proves nothing. [`SignedTicket::verify`] turns it into a
//! [`ValidTicket`]: the validator it names signed it. That validator itself gets one by [`Ticket::issue`]. Whether it is meant for this miner, this request and
//! this moment is [`Ticket::admit`]'s question, and whether that validator may order anything is the
//! caller's.

use std::ops::Deref;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::digest::Digest;
use crate::header::{self, HeaderError};
use crate::signing::{self, BadSignature, Domain, Keypair, Signature};

mod model_id;

pub use model_id::{BadModelId, MODEL_ID_BYTES_MAX, ModelId};

/// The HTTP header that carries a ticket to the miner.
pub const HEADER: &str = "x-subnet-ticket";

/// How far ahead of the miner's clock a ticket may have been issued; the same as for signed requests.
pub const ISSUED_AHEAD_MS_MAX: u64 = 2_000;

/// More than the largest possible signed ticket has.
const SIGNED_BYTES_MAX: usize = 512;

/// Where the shard begins in a sequence number, counted from the lowest bit.
const SHARD_BITS: u32 = 56;

/// What is being ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A chat completion.
    #[codec(index = 0)]
    Chat,
    /// A text completion.
    #[codec(index = 1)]
    Completion,
    /// Embeddings.
    #[codec(index = 2)]
    Embedding,
    /// An open check of the validator's own, which counts like a user's request: it costs the miner the same. A check
    /// that the miner must not recognise is ordered as what it imitates.
    #[codec(index = 3)]
    Probe,
    /// The proof that a cold model was brought up first. Counts as a bounty and as nothing else.
    #[codec(index = 4)]
    BountyClaim,
    /// Text to tokens or back. Costs next to nothing and earns nothing.
    #[codec(index = 5)]
    Tokenize,
}

/// What the validator signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Ticket {
    /// The subnet.
    pub netuid: u16,
    /// The hotkey that signs this ticket.
    pub validator: AccountId,
    /// The hotkey that is to serve.
    pub miner: AccountId,
    /// The model to serve with.
    pub model: ModelId,
    /// SHA-256 of that model's weights.
    pub weights_digest: Digest,
    /// SHA-256 of the HTTP request's body.
    pub request_sha256: Digest,
    /// Counts this validator's tickets for this miner, without gaps: the shard in the upper eight bits ([`first_sequence`]).
    pub sequence: u64,
    /// Unix time of issue.
    pub issued_at_ms: u64,
    /// Unix time after which the validator does not wait any more.
    pub deadline_ms: u64,
    /// The most prompt tokens the receipt may claim.
    pub prompt_tokens_max: u32,
    /// The most completion tokens the receipt may claim.
    pub completion_tokens_max: u32,
    /// Salted hash of who pays, so that payer concentration can be seen without names.
    pub payer: Digest,
    /// What is being ordered.
    pub kind: Kind,
}

/// A ticket as it travels: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct SignedTicket {
    /// What is claimed.
    pub ticket: Ticket,
    /// The validator's signature over it, unchecked.
    pub signature: Signature,
}

/// A ticket that the validator it names has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidTicket(SignedTicket);

/// A ticket names another validator than the one whose key is to sign it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key {found} is not that of the ticket's validator")]
pub struct NotTheValidator {
    /// The account of the key given.
    pub found: AccountId,
}

/// What a miner knows when a ticket arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// The subnet this miner serves.
    pub netuid: u16,
    /// This miner's hotkey.
    pub miner: AccountId,
    /// SHA-256 of the body that came with the ticket.
    pub request_sha256: Digest,
    /// Unix time now.
    pub now_ms: u64,
}

/// Why a valid ticket is not one to serve here and now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// For another subnet.
    #[error("the ticket is for subnet {found}")]
    Netuid {
        /// The subnet it names.
        found: u16,
    },
    /// For another miner.
    #[error("the ticket is for another miner")]
    Miner,
    /// For another request body.
    #[error("the ticket is for another request body")]
    Request,
    /// Issued too far ahead of this clock.
    #[error("the ticket was issued {ahead_ms} ms in the future")]
    IssuedAhead {
        /// How far.
        ahead_ms: u64,
    },
    /// The deadline has passed, or lies before the time of issue.
    #[error("the ticket's deadline has passed")]
    Expired,
    /// The sender is not the validator that signed the ticket.
    #[error("the ticket was signed by another validator than the one that sent it")]
    Sender,
}

/// The first sequence number that a shard of a validator gives to a miner. Two gateways thereby never give the same one, and each has
/// 2^56 of them.
pub const fn first_sequence(shard: u8) -> u64 {
    (shard as u64) << SHARD_BITS
}

/// The shard whose number this is.
pub const fn shard_of(sequence: u64) -> u8 {
    (sequence >> SHARD_BITS) as u8
}

impl Ticket {
    /// The shard of the validator that gave the ticket.
    pub fn shard(&self) -> u8 {
        shard_of(self.sequence)
    }

    /// Checks that the ticket is for this miner, request and moment. It says nothing of the signature.
    pub fn admit(&self, expected: &Expectation) -> Result<(), TicketError> {
        if self.netuid != expected.netuid {
            return Err(TicketError::Netuid { found: self.netuid });
        }
        if self.miner != expected.miner {
            return Err(TicketError::Miner);
        }
        if self.request_sha256 != expected.request_sha256 {
            return Err(TicketError::Request);
        }
        let ahead_ms = self.issued_at_ms.saturating_sub(expected.now_ms);
        if ahead_ms > ISSUED_AHEAD_MS_MAX {
            return Err(TicketError::IssuedAhead { ahead_ms });
        }
        if self.deadline_ms <= expected.now_ms || self.deadline_ms <= self.issued_at_ms {
            return Err(TicketError::Expired);
        }
        Ok(())
    }

    /// Checks that the caller that sent the ticket is the validator that it names.
    pub fn sent_by(&self, caller: &AccountId) -> Result<(), TicketError> {
        if self.validator == *caller { Ok(()) } else { Err(TicketError::Sender) }
    }

    /// Names this ticket, whatever signature it carries.
    pub fn hash(&self) -> Digest {
        Digest::of_prefixed(Domain::Ticket.prefix(), &self.encode())
    }

    /// Signs. With a key that is not `self.validator`'s the result will not verify.
    pub fn sign(self, validator: &Keypair) -> SignedTicket {
        let signature = validator.sign(Domain::Ticket, &self.encode());
        SignedTicket { ticket: self, signature }
    }

    /// Signs with the key of the validator it names. What one has signed oneself is valid without a check.
    pub fn issue(self, validator: &Keypair) -> Result<ValidTicket, NotTheValidator> {
        let found = validator.public();
        if found != self.validator {
            return Err(NotTheValidator { found });
        }
        Ok(ValidTicket(self.sign(validator)))
    }
}

impl SignedTicket {
    /// Checks that `ticket.validator` signed this ticket, and nothing else.
    pub fn verify(self) -> Result<ValidTicket, BadSignature> {
        signing::verify(Domain::Ticket, &self.ticket.validator, &self.ticket.encode(), &self.signature)?;
        Ok(ValidTicket(self))
    }

    /// Its signature, to be checked together with others.
    pub(crate) fn signed_item(&self) -> (Domain, AccountId, Vec<u8>, Signature) {
        (Domain::Ticket, self.ticket.validator, self.ticket.encode(), self.signature)
    }

    /// The header's value: `0x` and the hexadecimal digits of the SCALE bytes.
    pub fn to_header(&self) -> String {
        header::to_text(self)
    }

    /// Reads a header's value; length first, then digits, then one whole ticket.
    pub fn from_header(value: &str) -> Result<Self, HeaderError> {
        header::from_text(value, SIGNED_BYTES_MAX)
    }
}

impl ValidTicket {
    /// For whoever has checked its [`signed_item`](SignedTicket::signed_item).
    pub(crate) fn checked_in_batch(ticket: SignedTicket) -> Self {
        Self(ticket)
    }

    /// The ticket with its signature, to send or store.
    pub fn into_signed(self) -> SignedTicket {
        self.0
    }

    /// The ticket with its signature.
    pub fn as_signed(&self) -> &SignedTicket {
        &self.0
    }
}

impl Deref for ValidTicket {
    type Target = Ticket;
    fn deref(&self) -> &Ticket {
        &self.0.ticket
    }
}

#[cfg(test)]
mod tests;
