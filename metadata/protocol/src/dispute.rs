//! Proof against a node, from papers that it signed itself. Whoever holds them convinces anybody, offline.
//!
//! - Two papers that contradict each other ([`Contradiction`]) are whole by themselves: two heads of one log, the head of a
//!   shard and another head that says otherwise of it, or two countersigned calls under one number.
//! - A countersigned call that is missing from a log ([`Omission`]) is proven against the log's leaves: they must have
//!   the root of the head, which only the whole and unaltered log has. Where the validator has several logs, the call's number says
//!   into which it belongs; a head that does not name that shard lacks all its calls.

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};

use crate::account::AccountId;
use crate::bounded::decode_list;
use crate::head::shards::{AWAY_MS_MAX, SignedShardHead};
use crate::head::{Clash, HeadError, SignedHead, ValidHead};
use crate::receipt::{COUNTERSIGNED_BYTES_MAX, Countersigned, ReceiptError, UncheckedCountersigned};
use crate::replay::LATE_MS_MAX;
use crate::signing::BadSignature;

/// Two papers as they travel: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Contradiction {
    /// Two heads of one validator.
    #[codec(index = 0)]
    Heads(Box<SignedHead>, Box<SignedHead>),
    /// Two countersigned calls of one validator to one miner, under one sequence number.
    #[codec(index = 1)]
    Calls(RecordBytes, RecordBytes),
    /// Two heads of one shard.
    #[codec(index = 2)]
    ShardHeads(Box<SignedShardHead>, Box<SignedShardHead>),
    /// The head of a shard, and a tree head that says otherwise of it.
    #[codec(index = 3)]
    Denied(Box<SignedShardHead>, Box<SignedHead>),
}

/// The bytes of a countersigned call, of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct RecordBytes(Vec<u8>);

/// Who is at fault, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guilt {
    /// The validator signed two heads that fit no one log.
    ForkedLog {
        /// The validator.
        validator: AccountId,
    },
    /// The validator signed two heads that fit no one log of this shard, or left the shard out.
    ForkedShard {
        /// The validator.
        validator: AccountId,
        /// The shard.
        shard: u8,
    },
    /// The validator gave two tickets one number, or countersigned one call in two ways.
    DoubledCall {
        /// The validator.
        validator: AccountId,
    },
    /// The miner signed two receipts for one ticket.
    DoubledReceipt {
        /// The miner.
        miner: AccountId,
    },
}

/// Why papers prove nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisputeError {
    /// Not one whole statement.
    #[error("the papers do not decode")]
    Decode,
    /// A head is not what it seems.
    #[error("checking a head")]
    Head(#[source] HeadError),
    /// The head of a shard is not what it seems.
    #[error("checking a shard's head")]
    ShardHead(#[source] BadSignature),
    /// A call is not what it seems.
    #[error("checking a call")]
    Call(#[source] ReceiptError),
    /// Both can be true.
    #[error("the two papers do not contradict each other")]
    Consistent,
    /// The head is another log's.
    #[error("the call belongs to another log than the head")]
    OtherLog,
    /// The call need not be in that log yet, or no more.
    #[error(
        "the call was issued at {issued_at_ms} ms; the head's log must hold calls issued from {from_ms} to {until_ms} ms"
    )]
    OutsideHead {
        /// The call's time.
        issued_at_ms: u64,
        /// The first time that the head answers for.
        from_ms: u64,
        /// The last.
        until_ms: u64,
    },
}

impl RecordBytes {
    /// The bytes of this call.
    pub fn of(call: &Countersigned) -> Self {
        Self(call.encode())
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Checks all three signatures.
    pub fn verify(&self) -> Result<Countersigned, DisputeError> {
        let unchecked = UncheckedCountersigned::from_bytes(&self.0).map_err(DisputeError::Call)?;
        unchecked.verify().map_err(DisputeError::Call)
    }
}

impl Decode for RecordBytes {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        decode_list(input, COUNTERSIGNED_BYTES_MAX).map(Self)
    }
}

impl Contradiction {
    /// Reads one whole statement; trailing bytes are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DisputeError> {
        Self::decode_all(&mut &*bytes).map_err(|_| DisputeError::Decode)
    }

    /// Checks the signatures and that the two cannot both be honest.
    pub fn verify(self) -> Result<Guilt, DisputeError> {
        match self {
            Self::Heads(one, other) => {
                let one = one.verify().map_err(DisputeError::Head)?;
                let other = other.verify().map_err(DisputeError::Head)?;
                let validator = one.validator;
                match one.clash(&other) {
                    None => Err(DisputeError::Consistent),
                    Some(Clash::Chain) => Ok(Guilt::ForkedLog { validator }),
                    Some(Clash::Shard(shard)) => Ok(Guilt::ForkedShard { validator, shard }),
                }
            }
            Self::ShardHeads(one, other) => {
                let one = one.verify().map_err(DisputeError::ShardHead)?;
                let other = other.verify().map_err(DisputeError::ShardHead)?;
                let (validator, shard) = (one.validator, one.shard);
                let forked = one.contradicts(&other);
                if forked {
                    Ok(Guilt::ForkedShard { validator, shard })
                } else {
                    Err(DisputeError::Consistent)
                }
            }
            Self::Denied(own, head) => {
                let own = own.verify().map_err(DisputeError::ShardHead)?;
                let head = head.verify().map_err(DisputeError::Head)?;
                let (validator, shard) = (own.validator, own.shard);
                let denied = own.denied_by(&head);
                if denied {
                    Ok(Guilt::ForkedShard { validator, shard })
                } else {
                    Err(DisputeError::Consistent)
                }
            }
            Self::Calls(one, other) => guilt_of(&one.verify()?, &other.verify()?),
        }
    }
}

fn guilt_of(one: &Countersigned, other: &Countersigned) -> Result<Guilt, DisputeError> {
    let (ticket, other_ticket) = (one.ticket(), other.ticket());
    let number = |call: &Countersigned| {
        let ticket = call.ticket();
        (ticket.netuid, ticket.validator, ticket.miner, ticket.sequence)
    };
    // Signatures are deterministic by our code only, so the same statements under other signatures are no offence.
    if number(one) != number(other) {
        return Err(DisputeError::Consistent);
    }
    if ticket != other_ticket {
        return Ok(Guilt::DoubledCall { validator: ticket.validator });
    }
    if one.receipt() != other.receipt() {
        return Ok(Guilt::DoubledReceipt { miner: ticket.miner });
    }
    if one.observation() != other.observation() {
        return Ok(Guilt::DoubledCall { validator: ticket.validator });
    }
    Err(DisputeError::Consistent)
}

/// A search for one call among the leaves of a head's log.
///
/// Feed it every receipt that [`crate::replay::Replay::push_all`] gives back, for the same head.
#[derive(Debug)]
pub struct Omission {
    call: Countersigned,
    found: Option<Found>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The log holds the call.
    InLog,
    /// The log holds another record under the call's number: [`Contradiction::Calls`] with it.
    Altered(Box<Countersigned>),
    /// The log lacks the call: once the replay has finished, the validator is proven to have dropped it.
    Omitted,
}

impl Omission {
    /// Begins a search for a call that the head's log, or that of the call's shard, must hold.
    pub fn new(call: Countersigned, head: &ValidHead) -> Result<Self, DisputeError> {
        let ticket = call.ticket();
        if (ticket.validator, ticket.netuid) != (head.validator, head.netuid) {
            return Err(DisputeError::OtherLog);
        }
        // Later than this it could still be appended; earlier, the window does not show it. A shard may be away, but not for longer
        // than it may.
        let named_ms =
            head.shard(ticket.shard()).map_or(0, |shard| shard.window_end_ms.saturating_sub(LATE_MS_MAX));
        let until_ms = named_ms.max(head.window_end_ms.saturating_sub(AWAY_MS_MAX));
        let from_ms = head.window_start_ms;
        let issued_at_ms = ticket.issued_at_ms;
        if !(from_ms..=until_ms).contains(&issued_at_ms) {
            return Err(DisputeError::OutsideHead { issued_at_ms, from_ms, until_ms });
        }
        Ok(Self { call, found: None })
    }

    /// Looks at one receipt of the log. Those of other shards may be shown too.
    pub fn see(&mut self, receipt: &Countersigned) {
        let (ticket, own) = (receipt.ticket(), self.call.ticket());
        if (ticket.miner, ticket.sequence) != (own.miner, own.sequence) {
            return;
        }
        let same = guilt_of(receipt, &self.call) == Err(DisputeError::Consistent);
        self.found = Some(if same { Found::InLog } else { Found::Altered(Box::new(receipt.clone())) });
    }

    /// The finding, after all receipts.
    pub fn finish(self) -> Found {
        self.found.unwrap_or(Found::Omitted)
    }
}

#[cfg(test)]
mod tests;
