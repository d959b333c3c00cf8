//! Which nonces have been accepted, in bounded memory and whatever the clock does.
//!
//! The guard forgets nonces in the order of the nonces themselves, oldest first, and remembers the newest one
//! forgotten: the floor. A nonce at or below the floor may have been accepted before, so it is refused. While
//! time goes forward this never happens to a fresh request, because only nonces older than the retention are
//! forgotten, and the retention is longer than the freshness window. When the clock is set back far enough
//! that forgotten nonces look fresh again, they are still refused, and the server says that its clock went
//! back until it has caught up. A step smaller than the retention less the window (48 s with the defaults of
//! 60 s, 10 s and 2 s) is not noticed at all, and is just as safe.

use std::collections::BTreeSet;

use super::VerifiedCaller;
use crate::account::AccountId;

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// Remembers accepted nonces. Pure: time is an argument.
#[derive(Debug)]
pub struct ReplayGuard {
    capacity: usize,
    retention_ns: u64,
    accepted: BTreeSet<(u64, AccountId)>,
    floor_ns: Option<u64>,
}

/// Why a request with a good signature is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Accepted before.
    #[error("this nonce has been accepted before")]
    Replayed,
    /// As many nonces are remembered as may be. Nothing is forgotten early to make room.
    #[error("too many requests within the replay window")]
    Full,
    /// The nonce looks fresh but is older than what has been forgotten: this server's clock went back.
    #[error("the server's clock went back; waiting until it has caught up")]
    ClockWentBack,
}

impl ReplayGuard {
    /// Remembers up to `capacity` nonces for `retention_ms`, which must be at least twice the freshness
    /// window (age and skew together; the protocol's defaults are 12 s and 60 s).
    pub fn new(capacity: usize, retention_ms: u64) -> Self {
        let retention_ns = retention_ms.saturating_mul(NANOSECONDS_PER_MILLISECOND);
        Self { capacity, retention_ns, accepted: BTreeSet::new(), floor_ns: None }
    }

    /// Refuses every nonce up to this one from now on. A server that starts with empty memory and cannot know
    /// what it accepted before passes its start time plus the skew it allows.
    pub fn refuse_through(&mut self, nonce_ns: u64) {
        self.floor_ns = self.floor_ns.max(Some(nonce_ns));
    }

    /// Admits a caller's nonce once.
    pub fn admit(&mut self, caller: &VerifiedCaller, now_ns: u64) -> Result<(), ReplayError> {
        self.forget_before(now_ns.saturating_sub(self.retention_ns));
        let entry = (caller.nonce_ns, caller.hotkey);
        if self.accepted.contains(&entry) {
            return Err(ReplayError::Replayed);
        }
        if self.floor_ns.is_some_and(|floor_ns| caller.nonce_ns <= floor_ns) {
            return Err(ReplayError::ClockWentBack);
        }
        if self.accepted.len() >= self.capacity {
            return Err(ReplayError::Full);
        }
        self.accepted.insert(entry);
        Ok(())
    }

    /// Whether this nonce was admitted and is remembered. A request that bears it again is a replay or a forgery, whatever its
    /// signature.
    pub fn has(&self, hotkey: &AccountId, nonce_ns: u64) -> bool {
        self.accepted.contains(&(nonce_ns, *hotkey))
    }

    /// How many nonces are remembered.
    pub fn len(&self) -> usize {
        self.accepted.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty()
    }

    fn forget_before(&mut self, nonce_ns: u64) {
        while let Some(oldest) = self.accepted.first().copied() {
            if oldest.0 >= nonce_ns {
                break;
            }
            self.accepted.remove(&oldest);
            self.refuse_through(oldest.0);
        }
    }
}
