//! Answers that come twice: every answer has an id of its own, so the same bytes for two tickets were not generated for both.

use std::collections::{HashMap, VecDeque};

use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::is_replay;
use protocol::receipt::Countersigned;

/// Calls remembered.
const CALLS_MAX: usize = 32_768;

/// The newest calls by miner and answer.
#[derive(Debug, Default)]
pub(super) struct Replays {
    known: HashMap<(AccountId, Digest), Countersigned>,
    order: VecDeque<(AccountId, Digest)>,
}

impl Replays {
    /// Looks at a call, and gives the earlier one whose answer it repeats.
    pub(super) fn see(&mut self, call: &Countersigned) -> Option<Countersigned> {
        let key = (call.ticket().miner, call.receipt().output_sha256);
        if let Some(known) = self.known.get(&key) {
            return is_replay(known, call).then(|| known.clone());
        }
        self.known.insert(key, call.clone());
        self.order.push_back(key);
        if self.order.len() > CALLS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        None
    }
}
