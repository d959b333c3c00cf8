//! Each signed request is accepted once, also across a restart of the miner.
//!
//! While the miner runs, [`ReplayGuard`] remembers every nonce for longer than it could stay fresh. For the time after a
//! restart each caller has a mark on disk: nonces up to it count as used. Writing the mark at every request would cost a
//! synced write each, so it is written [`RESERVE_NS`] ahead, at most once per such span and caller, before the request that
//! passes it is let in. After a crash a caller's requests signed less than that span after its last accepted one are
//! refused once and succeed when signed anew; a miner that is stopped properly writes the exact marks and refuses nothing.
//! (The other way, refusing everything signed before the process started plus the allowed clock skew, would turn away
//! honest callers at every start, and fails when the clock was set back in between.)

use std::collections::BTreeMap;

use protocol::account::AccountId;
use protocol::btauth::{Claim, ReplayError, ReplayGuard, VerifiedCaller};

/// How far ahead of the newest nonce the mark on disk is put: one second.
const RESERVE_NS: u64 = 1_000_000_000;

/// One caller's nonces.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The mark found at start: nonces up to here may have been used before.
    floor_ns: u64,
    /// The mark on disk now.
    durable_ns: u64,
    /// The newest nonce accepted by this process.
    newest_ns: u64,
}

/// The guard and the marks.
#[derive(Debug)]
pub(super) struct Replays {
    guard: ReplayGuard,
    marks: BTreeMap<AccountId, Mark>,
}

/// What must happen before an accepted request may be acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Nothing: the mark on disk is ahead of it.
    Covered,
    /// The caller's mark must be on disk first.
    Reserve {
        /// The mark to write.
        mark_ns: u64,
    },
}

impl Replays {
    /// A guard for a process that starts with the marks found on disk.
    pub fn new(guard: ReplayGuard, marks_ns: BTreeMap<AccountId, u64>) -> Self {
        let found = |mark_ns| Mark { floor_ns: mark_ns, durable_ns: mark_ns, newest_ns: 0 };
        Self {
            guard,
            marks: marks_ns.into_iter().map(|(caller, mark_ns)| (caller, found(mark_ns))).collect(),
        }
    }

    /// Whether a request with this sender and nonce was let in before, so that this one is a replay or a forgery. Asked before its
    /// signature is checked, and changes nothing.
    pub fn has(&self, claim: &Claim) -> bool {
        let hotkey = claim.hotkey();
        let floor_ns = self.marks.get(&hotkey).map_or(0, |mark| mark.floor_ns);
        claim.nonce_ns() <= floor_ns || self.guard.has(&hotkey, claim.nonce_ns())
    }

    /// Uses up the caller's nonce.
    pub fn admit(&mut self, caller: &VerifiedCaller, now_ns: u64) -> Result<Accepted, ReplayError> {
        let mark = self.marks.entry(caller.hotkey).or_default();
        if caller.nonce_ns <= mark.floor_ns {
            return Err(ReplayError::Replayed);
        }
        self.guard.admit(caller, now_ns)?;
        mark.newest_ns = mark.newest_ns.max(caller.nonce_ns);
        if caller.nonce_ns <= mark.durable_ns {
            return Ok(Accepted::Covered);
        }
        Ok(Accepted::Reserve { mark_ns: caller.nonce_ns.saturating_add(RESERVE_NS) })
    }

    /// The caller's mark has reached the disk.
    pub fn reserved(&mut self, caller: AccountId, mark_ns: u64) {
        let mark = self.marks.entry(caller).or_default();
        mark.durable_ns = mark.durable_ns.max(mark_ns);
    }

    /// The exact marks of callers seen by this process, to be written when it stops and admits nothing more.
    pub fn settle(&self) -> Vec<(AccountId, u64)> {
        self.marks
            .iter()
            .filter(|(_, mark)| mark.newest_ns > 0)
            .map(|(caller, mark)| (*caller, mark.newest_ns))
            .collect()
    }
}
