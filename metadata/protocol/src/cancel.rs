//! How a validator tells a miner to end an answer that nobody waits for any more.
//!
//! A btauth-signed `POST` to [`TARGET`] with a [`CancelRequest`] as JSON. The miner stops generating, and ends the answer's own
//! stream with the receipt for what it has sent, its finish reason [`crate::receipt::FinishReason::Cancelled`].

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Where answers are cancelled at a miner.
pub const TARGET: &str = "/v1/cancel";

/// Which answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelRequest {
    /// [`crate::ticket::Ticket::hash`] of the ticket that ordered it.
    pub ticket_hash: Digest,
}
