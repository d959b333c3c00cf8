//! The one connection that all calls share, replaced when it is lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use subxt::config::SubstrateConfig;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use super::paced::{Answers, Pace};
use super::{Chain, ConnectError, Session};

/// How long after a round of endpoints without an answer the next may begin.
const BACKOFF_FIRST_MS: u64 = 250;
const BACKOFF_MAX_MS: u64 = 5_000;

#[derive(Debug)]
pub(super) struct Link {
    urls: Vec<String>,
    request_timeout: Duration,
    chain: Chain,
    genesis_hash: OnceLock<[u8; 32]>,
    /// Kept over connections: what a block says does not depend on who is asked.
    answers: Arc<Answers>,
    pace: Option<Arc<Pace>>,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    session: Option<Arc<Session>>,
    /// Index into `urls` of the endpoint to try first.
    next: usize,
    /// How often in a row no endpoint answered.
    failures: u32,
    /// No new round before this.
    not_before: Option<Instant>,
}

impl Link {
    pub(super) fn new(urls: Vec<String>, request_timeout: Duration, requests_per_second_max: u32) -> Self {
        Self {
            urls,
            request_timeout,
            chain: SubstrateConfig::new(),
            genesis_hash: OnceLock::new(),
            answers: Arc::default(),
            pace: Pace::new(requests_per_second_max).map(Arc::new),
            current: Mutex::default(),
        }
    }

    /// The open connection, or a new one to the first endpoint that answers. All endpoints together have one request's
    /// time; callers meanwhile wait for the same attempt. After a round without any answer the next begins later, and later
    /// still after each further one, at a moment that differs between clients.
    pub(super) async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.session.as_ref().filter(|session| session.is_connected()) {
            return Ok(Arc::clone(session));
        }
        let count = self.urls.len();
        let share = self.request_timeout.checked_div(u32::try_from(count).unwrap_or(u32::MAX));
        let share = share.ok_or(ConnectError::NoEndpoint)?;
        if let Some(not_before) = current.not_before {
            sleep_until(not_before).await;
        }
        let mut tried = Vec::with_capacity(count);
        for index in (0..count).map(|step| (current.next + step) % count) {
            let url = &self.urls[index];
            let (answers, pace) = (Arc::clone(&self.answers), self.pace.clone());
            let opening = Session::open(url, self.chain.clone(), share, answers, pace);
            let reason = match timeout(share, opening).await {
                Ok(Ok(session)) => {
                    self.check_genesis(&session)?;
                    tracing::info!(url, "connected to the chain");
                    let session = Arc::new(session);
                    let session_now = Some(Arc::clone(&session));
                    *current = Current { session: session_now, next: index, ..Current::default() };
                    return Ok(session);
                }
                Ok(Err(reason)) => reason,
                Err(_) => format!("no answer in {} ms", share.as_millis()),
            };
            tracing::warn!(url, reason, "a chain endpoint did not answer");
            tried.push((url.clone(), reason));
        }
        current.session = None;
        current.not_before = Some(Instant::now() + backoff(current.failures));
        current.failures = current.failures.saturating_add(1);
        Err(ConnectError::Unreachable { tried })
    }

    /// Drops the connection; the next call opens one to the next endpoint. Does nothing while another call is connecting.
    pub(super) fn distrust(&self) {
        let Ok(mut current) = self.current.try_lock() else {
            return;
        };
        if current.session.take().is_some() {
            current.next = (current.next + 1) % self.urls.len().max(1);
        }
    }

    pub(super) async fn url(&self) -> Option<String> {
        self.current.lock().await.session.as_ref().map(|session| session.url().to_owned())
    }

    fn check_genesis(&self, session: &Session) -> Result<(), ConnectError> {
        let found = session.genesis_hash();
        let expected = *self.genesis_hash.get_or_init(|| found);
        if found == expected {
            return Ok(());
        }
        Err(ConnectError::OtherChain {
            url: session.url().to_owned(),
            expected: hex::encode(expected),
            found: hex::encode(found),
        })
    }
}

/// Twice as long after each failure up to a limit, and of that between half and all, by chance: clients that lost the same
/// node do not come back together.
fn backoff(failures: u32) -> Duration {
    let longest = BACKOFF_FIRST_MS.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX_MS);
    let mut chance = [0u8; 1];
    // Without randomness there is no jitter, which is no reason not to reconnect.
    let _ = getrandom::fill(&mut chance);
    Duration::from_millis(longest / 2 + longest / 2 * u64::from(chance[0]) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_come_later_after_each_failure_but_never_too_late_and_not_together() {
        for (failures, longest) in [(0, 250), (1, 500), (3, 2_000), (5, 5_000), (1_000, 5_000)] {
            let waits: Vec<u128> = (0..50).map(|_| backoff(failures).as_millis()).collect();
            assert!(waits.iter().all(|wait| (longest / 2..=longest).contains(wait)), "{waits:?}");
            assert!(waits.iter().any(|wait| *wait != waits[0]), "no jitter: {waits:?}");
        }
    }
}
