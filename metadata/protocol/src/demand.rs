//! The demand log: what a validator tells its miners about the models its users ask for, in order and resumable.
//!
//! A miner opens [`EVENTS_TARGET`] with a btauth-signed `GET` and reads server-sent events. Without a cursor the first event is
//! named [`STATE_EVENT`] and holds the whole [`DemandBook`]; every later one is named [`CHANGE_EVENT`], holds one
//! [`DemandEvent`], and follows the one before without a gap. Every event's SSE id is its [`Cursor`]. After a break the miner
//! asks with `?after=CURSOR` and gets exactly what it missed, or status 410 with code [`GONE`] when the log does not reach back
//! that far: then it starts again without a cursor. The log lives in the validator's memory; a restart begins another log.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::bounty::Growth;
use crate::catalogue;
use crate::digest::Digest;
use crate::ticket::ModelId;

/// Where the log is served.
pub const EVENTS_TARGET: &str = "/demand/v1/events";

/// Where a miner may send its signed inventory at once instead of waiting to be polled.
pub const INVENTORY_TARGET: &str = "/demand/v1/inventory";

/// The SSE name of the event that holds the whole state.
pub const STATE_EVENT: &str = "state";

/// The SSE name of the event that holds one change.
pub const CHANGE_EVENT: &str = "change";

/// The error code of an answer to a cursor that is older than the log, or of another log.
pub const GONE: &str = "cursor_gone";

/// A place in a log: everything up to and including this sequence number has been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    /// Names the log. A validator that restarts begins another one.
    pub log: u64,
    /// The last event seen; 0 before the first.
    pub sequence: u64,
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is 16 hexadecimal digits, a dash and a decimal number")]
pub struct BadCursor;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemandEvent {
    /// Counts the log's events from 1, without gaps.
    pub sequence: u64,
    /// Unix time of the entry, by the validator's clock.
    pub at_ms: u64,
    /// What happened.
    pub change: DemandChange,
}

/// What happened to the demand for one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DemandChange {
    /// How much a model was asked for lately. Replaces what was said of it before.
    Demand {
        /// The model.
        model: ModelId,
        /// How much.
        demand: ModelDemand,
    },
    /// A bounty is offered for a model that no miner holds.
    BountyOpened {
        /// The model.
        model: ModelId,
        /// The offer.
        bounty: OpenBounty,
    },
    /// A miner was first and has been sent its claims.
    BountyClaimed {
        /// The model.
        model: ModelId,
        /// Who was first.
        miner: AccountId,
        /// What the bounty had grown to.
        claims: u16,
    },
    /// The offer ended without a claim: nobody asks for the model any more, or it turned out to be hot.
    BountyWithdrawn {
        /// The model.
        model: ModelId,
    },
}

/// How much one model was asked for over the validator's last window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelDemand {
    /// Length of the window.
    pub window_ms: u64,
    /// Calls that asked for it, served or not.
    pub calls: u64,
    /// Prompt tokens by receipts.
    pub prompt_tokens: u64,
    /// Completion tokens by receipts.
    pub completion_tokens: u64,
    /// Calls that were turned away or failed.
    pub unserved: u64,
    /// Calls that wait for it now.
    pub waiting: u32,
    /// Miners that hold it now.
    pub holders: u32,
}

/// A bounty that can be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenBounty {
    /// SHA-256 of the weights that count.
    pub weights_digest: Digest,
    /// Unix time of its opening, by the validator's clock.
    pub opened_at_ms: u64,
    /// How it grows.
    pub growth: Growth,
}

impl OpenBounty {
    /// What it is worth now, in claims.
    #[must_use]
    pub fn claims(&self, now_ms: u64) -> u16 {
        self.growth.claims(now_ms.saturating_sub(self.opened_at_ms))
    }
}

/// The state that the log's events add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemandBook {
    /// By model, for models that were asked for within the window.
    pub demand: BTreeMap<ModelId, ModelDemand>,
    /// By model.
    pub bounties: BTreeMap<ModelId, OpenBounty>,
}

/// What the event named [`STATE_EVENT`] holds. Its place in the log is the event's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DemandState {
    /// The validator whose log this is.
    pub validator: AccountId,
    /// Unix time, by the validator's clock.
    pub at_ms: u64,
    /// The state.
    pub book: DemandBook,
}

/// An event cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Not the next one: events are missing, or come again.
    #[error("event {found} follows event {after} of the demand log")]
    Gap {
        /// The last one taken over.
        after: u64,
        /// The one offered.
        found: u64,
    },
    /// More models than a catalogue has.
    #[error("the demand log names more than {} models", catalogue::MODELS_MAX)]
    TooManyModels,
}

impl DemandBook {
    /// Takes over one change.
    pub fn apply(&mut self, change: &DemandChange) -> Result<(), ApplyError> {
        match change {
            DemandChange::Demand { model, demand } if *demand == ModelDemand::default() => {
                self.demand.remove(model);
            }
            DemandChange::Demand { model, demand } => {
                insert(&mut self.demand, model, *demand)?;
            }
            DemandChange::BountyOpened { model, bounty } => insert(&mut self.bounties, model, *bounty)?,
            DemandChange::BountyClaimed { model, .. } | DemandChange::BountyWithdrawn { model } => {
                self.bounties.remove(model);
            }
        }
        Ok(())
    }

    /// Takes over the event after `cursor` and moves the cursor on.
    pub fn follow(&mut self, cursor: &mut Cursor, event: &DemandEvent) -> Result<(), ApplyError> {
        if event.sequence != cursor.sequence.saturating_add(1) {
            return Err(ApplyError::Gap { after: cursor.sequence, found: event.sequence });
        }
        self.apply(&event.change)?;
        cursor.sequence = event.sequence;
        Ok(())
    }
}

fn insert<T>(map: &mut BTreeMap<ModelId, T>, model: &ModelId, value: T) -> Result<(), ApplyError> {
    if map.len() >= catalogue::MODELS_MAX && !map.contains_key(model) {
        return Err(ApplyError::TooManyModels);
    }
    map.insert(model.clone(), value);
    Ok(())
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.log, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (log, sequence) = text.split_once('-').ok_or(BadCursor)?;
        let hexadecimal = log.len() == 16 && log.bytes().all(|byte| byte.is_ascii_hexdigit());
        let decimal = sequence.len() <= 20 && sequence.bytes().all(|byte| byte.is_ascii_digit());
        if !hexadecimal || !decimal {
            return Err(BadCursor);
        }
        let log = u64::from_str_radix(log, 16).map_err(|_| BadCursor)?;
        Ok(Self { log, sequence: sequence.parse().map_err(|_| BadCursor)? })
    }
}

impl TryFrom<String> for Cursor {
    type Error = BadCursor;
    fn try_from(text: String) -> Result<Self, BadCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

#[cfg(test)]
mod tests;
