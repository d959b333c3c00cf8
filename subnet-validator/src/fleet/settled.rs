//! What came of calls, for those who look at them afterwards: the copies for miners, the checks.
//!
//! A bounded ring that nobody waits for. Requests are kept beside it, for as many and as long as memory is allowed, and only while
//! somebody listens.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use protocol::digest::Digest;
use protocol::receipt::Countersigned;
use tokio::sync::broadcast;

/// Calls held for a listener that is behind.
const CALLS_MAX: usize = 1_024;
/// Requests held until their calls are settled.
const REQUESTS_MAX: usize = 1_024;
/// Bytes of them together.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// A call whose receipt is on disk.
#[derive(Debug, Clone)]
pub struct SettledCall {
    /// As it is in the log.
    pub call: Countersigned,
    /// The request's body, if it is still there.
    pub request: Option<Bytes>,
}

/// Where calls are told of.
#[derive(Debug)]
pub(super) struct Settled {
    sender: broadcast::Sender<SettledCall>,
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    held: VecDeque<(Digest, Bytes)>,
    bytes: usize,
}

impl Settled {
    pub(super) fn new() -> Self {
        Self { sender: broadcast::Sender::new(CALLS_MAX), requests: Mutex::default() }
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<SettledCall> {
        self.sender.subscribe()
    }

    /// Whether anybody listens.
    pub(super) fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Keeps a request until its call is settled.
    pub(super) fn begin(&self, request_sha256: Digest, request: &Bytes) {
        if self.is_heard() {
            self.requests().keep(request_sha256, request);
        }
    }

    /// Tells of a call whose receipt is on disk.
    pub(super) fn tell(&self, call: &Countersigned) {
        if self.is_heard() {
            let request = self.requests().find(&call.ticket().request_sha256);
            // Without a listener there is nobody to tell.
            let _ = self.sender.send(SettledCall { call: call.clone(), request });
        }
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn keep(&mut self, request_sha256: Digest, request: &Bytes) {
        self.held.push_back((request_sha256, request.clone()));
        self.bytes = self.bytes.saturating_add(request.len());
        while self.held.len() > REQUESTS_MAX || self.bytes > REQUEST_BYTES_MAX {
            let Some((_, oldest)) = self.held.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
    }

    fn find(&self, request_sha256: &Digest) -> Option<Bytes> {
        self.held
            .iter()
            .rev()
            .find(|(digest, _)| digest == request_sha256)
            .map(|(_, request)| request.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_requests_are_forgotten_past_the_limits() {
        let mut requests = Requests::default();
        let large = Bytes::from(vec![0; REQUEST_BYTES_MAX / 2]);
        for number in 0..3_u8 {
            requests.keep(Digest([number; 32]), &large);
        }
        assert_eq!(requests.find(&Digest([0; 32])), None);
        assert_eq!(requests.find(&Digest([2; 32])), Some(large));
        for number in 0..REQUESTS_MAX {
            requests.keep(Digest::of(&number.to_be_bytes()), &Bytes::new());
        }
        assert_eq!((requests.held.len(), requests.bytes), (REQUESTS_MAX, 0));
    }
}
