//! The one connection that all calls share, replaced when it is lost.

use std::sync::atomic::{AtomicU32, Ordering};
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

/// How far an endpoint's finalised block may be behind the newest one that was seen before another endpoint is preferred.
const BEHIND_BLOCKS_MAX: u32 = 10;

#[derive(Debug)]
pub(super) struct Link {
    urls: Vec<String>,
    request_timeout: Duration,
    chain: Chain,
    genesis_hash: OnceLock<[u8; 32]>,
    /// Kept over connections: what a block says does not depend on who is asked.
    answers: Arc<Answers>,
    pace: Option<Arc<Pace>>,
    /// The newest finalised block that any endpoint told of.
    finalized: AtomicU32,
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
            finalized: AtomicU32::new(0),
            current: Mutex::default(),
        }
    }

    /// The open connection, or a new one to the first endpoint that answers, serves this chain and is not far behind; where
    /// all are behind, to the one that is least so. All endpoints together have one request's time; callers meanwhile wait
    /// for the same attempt. After a round without any answer the next begins later, and later still after each further one,
    /// at a moment that differs between clients.
    pub(super) async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.session.as_ref().filter(|session| session.is_connected()) {
            return Ok(Arc::clone(session));
        }
        // On the heap: every call of the client holds this future, and few connect.
        Box::pin(self.connect(&mut current)).await
    }

    async fn connect(&self, current: &mut Current) -> Result<Arc<Session>, ConnectError> {
        let count = self.urls.len();
        let share = self.request_timeout.checked_div(u32::try_from(count).unwrap_or(u32::MAX));
        let share = share.ok_or(ConnectError::NoEndpoint)?;
        if let Some(not_before) = current.not_before {
            sleep_until(not_before).await;
        }
        let (mut tried, mut other_chain) = (Vec::with_capacity(count), None);
        let mut behind: Option<(usize, Session, u32)> = None;
        for index in (0..count).map(|step| (current.next + step) % count) {
            let url = &self.urls[index];
            let opened = timeout(share, self.open(url, share)).await;
            let reason = match opened {
                Ok(Ok((session, missing))) => match self.check_genesis(&session) {
                    Ok(()) if missing <= BEHIND_BLOCKS_MAX => return Ok(current.take(index, session)),
                    Ok(()) => {
                        if behind.as_ref().is_none_or(|(_, _, least)| missing < *least) {
                            behind = Some((index, session, missing));
                        }
                        format!("{missing} finalised blocks behind")
                    }
                    Err(other) => other_chain.insert(other).to_string(),
                },
                Ok(Err(reason)) => reason,
                Err(_) => format!("no answer in {} ms", share.as_millis()),
            };
            tracing::warn!(url, reason, "a chain endpoint is passed over");
            tried.push((url.clone(), reason));
        }
        if let Some((index, session, _)) = behind {
            return Ok(current.take(index, session));
        }
        current.session = None;
        current.not_before = Some(Instant::now() + backoff(current.failures));
        current.failures = current.failures.saturating_add(1);
        Err(other_chain.unwrap_or(ConnectError::Unreachable { tried }))
    }

    /// A connection, and how many finalised blocks this endpoint lacks: looked at only where there are others to prefer.
    async fn open(&self, url: &str, share: Duration) -> Result<(Session, u32), String> {
        let (answers, pace) = (Arc::clone(&self.answers), self.pace.clone());
        let session = Session::open(url, self.chain.clone(), share, answers, pace).await?;
        let newest = self.finalized.load(Ordering::Relaxed);
        if !self.has_others() || newest == 0 {
            return Ok((session, 0));
        }
        let block = session.finalized().await;
        let block = block.map_err(|fault| fault.during("reading the finalised head").to_string())?;
        Ok((session, newest.saturating_sub(block.number)))
    }

    /// Whether there is another endpoint to go to.
    pub(super) fn has_others(&self) -> bool {
        self.urls.len() > 1
    }

    /// Remembers that this block was seen as final.
    pub(super) fn saw_final(&self, number: u32) {
        self.finalized.fetch_max(number, Ordering::Relaxed);
    }

    /// Drops this connection if it is still the one in use, as [`Link::distrust`] does.
    pub(super) async fn leave(&self, session: &Arc<Session>) {
        let mut current = self.current.lock().await;
        if current.session.as_ref().is_some_and(|current| Arc::ptr_eq(current, session)) {
            current.drop_for_the_next(self.urls.len());
        }
    }

    /// Drops the connection; the next call opens one to the next endpoint. Does nothing while another call is connecting.
    pub(super) fn distrust(&self) {
        let Ok(mut current) = self.current.try_lock() else {
            return;
        };
        current.drop_for_the_next(self.urls.len());
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

impl Current {
    fn take(&mut self, index: usize, session: Session) -> Arc<Session> {
        tracing::info!(url = session.url(), "connected to the chain");
        let session = Arc::new(session);
        *self = Self { session: Some(Arc::clone(&session)), next: index, ..Self::default() };
        session
    }

    fn drop_for_the_next(&mut self, count: usize) {
        if self.session.take().is_some() {
            self.next = (self.next + 1) % count.max(1);
        }
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
