//! The client: one connection to the chain at a time, a deadline on every call, and the next endpoint when one is lost.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::blocks::BlockRef;
use crate::drift::{DriftReport, Seen};
use crate::error::{Fault, QueryError};
use crate::submit::progress::{Audience, SubmitProgress};

mod link;
mod paced;
mod reader;
mod session;

use link::Link;
pub(crate) use reader::{Reader, Slot, Values};
pub(crate) use session::{AtBlock, Chain, Session};

/// Where to connect, and how long to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectConfig {
    /// WebSocket URLs, the first preferred; see [`crate::network::resolve`].
    pub urls: Vec<String>,
    /// How long one call may take, connecting included. Default 20,000 ms.
    pub request_timeout_ms: u64,
    /// How long one submission may take in all, from signing to a finalised block. What is in a block by then is reported as
    /// not final yet. Default 30,000 ms.
    pub submit_timeout_ms: u64,
    /// How many requests a second go to an endpoint on another machine, after a burst of five seconds' worth; 0 for no limit.
    /// Default 20.
    pub requests_per_second_max: u32,
    /// How long an endpoint may finalise nothing before the next of the list is asked, where there is one. Default
    /// 120,000 ms: ten blocks of public networks.
    pub silence_ms_max: u64,
}

/// A client of one chain. Clones share the connection.
#[derive(Clone, Debug)]
pub struct ChainClient {
    link: Arc<Link>,
    drift: Arc<Seen>,
    /// Held from reading a nonce until the pool has accepted the extrinsic that uses it.
    submitting: Arc<tokio::sync::Mutex<()>>,
    request_timeout: Duration,
    submit_timeout: Duration,
    silence_max: Duration,
    audience: Audience,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The configuration lists no endpoint.
    #[error("no chain endpoint is configured")]
    NoEndpoint,
    /// Every endpoint was tried; each with what happened.
    #[error("no chain endpoint answered: {}", describe(.tried))]
    Unreachable {
        /// URL and reason, in the order tried.
        tried: Vec<(String, String)>,
    },
    /// The endpoint answers, but for another chain than the one first connected to.
    #[error("{url} serves another chain than before (genesis {found} instead of {expected})")]
    OtherChain {
        /// The endpoint.
        url: String,
        /// The genesis hash seen first.
        expected: String,
        /// The genesis hash that this endpoint reports.
        found: String,
    },
}

impl Default for ConnectConfig {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            request_timeout_ms: 20_000,
            submit_timeout_ms: 30_000,
            requests_per_second_max: 20,
            silence_ms_max: 120_000,
        }
    }
}

impl ConnectConfig {
    /// These endpoints with the default limits.
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { urls: urls.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

impl ChainClient {
    /// Connects to the first endpoint that answers, within the time of one request.
    pub async fn connect(config: ConnectConfig) -> Result<Self, ConnectError> {
        let ConnectConfig {
            urls,
            request_timeout_ms,
            submit_timeout_ms,
            requests_per_second_max,
            silence_ms_max,
        } = config;
        let request_timeout = Duration::from_millis(request_timeout_ms);
        let deadline = Instant::now() + request_timeout;
        let link = Link::new(urls, request_timeout, requests_per_second_max);
        link.session().await?;
        let client = Self {
            link: Arc::new(link),
            drift: Arc::default(),
            submitting: Arc::default(),
            request_timeout,
            submit_timeout: Duration::from_millis(submit_timeout_ms),
            silence_max: Duration::from_millis(silence_ms_max),
            audience: Audience::default(),
        };
        // Not being told early what will be refused later is no reason to refuse now, or to wait.
        match timeout_at(deadline, client.drift_now()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot look at the runtime's metadata yet"
            ),
            Err(_) => {
                tracing::warn!("the runtime's metadata takes long; it is looked at with the first read")
            }
        }
        Ok(client)
    }

    /// The same client, whose submissions may take this long in all; see [`ConnectConfig::submit_timeout_ms`].
    #[must_use]
    pub fn with_submit_timeout(self, submit_timeout: Duration) -> Self {
        Self { submit_timeout, ..self }
    }

    /// The same client, telling how far each of its submissions is, at least every ten seconds.
    #[must_use]
    pub fn telling(self, tell: impl Fn(SubmitProgress) + Send + Sync + 'static) -> Self {
        Self { audience: Audience::new(tell), ..self }
    }

    /// How the runtime of the newest finalised block differs from the one this software was built for. Costs nothing where
    /// that runtime was seen before.
    pub async fn drift_now(&self) -> Result<Arc<DriftReport>, QueryError> {
        self.bounded("comparing the runtime's metadata", async {
            let session = self.session().await?;
            let block = session.finalized().await?;
            let at = self.at(&session, block).await?;
            Ok(self.drift.report(at.metadata_ref(), at.spec_version()))
        })
        .await
    }

    /// The client at one block. A runtime that was not seen before is compared with the pinned metadata first.
    pub(crate) async fn at(&self, session: &Session, block: BlockRef) -> Result<AtBlock, Fault> {
        let at = session.at(block).await?;
        self.drift.report(at.metadata_ref(), at.spec_version());
        Ok(at)
    }

    /// The endpoint in use, or the one used last.
    pub async fn url(&self) -> Option<String> {
        self.link.url().await
    }

    /// The chain's genesis hash: what tells one network from another.
    pub async fn genesis_hash(&self) -> Result<[u8; 32], QueryError> {
        self.bounded("reading the genesis hash", async { Ok(self.link.session().await?.genesis_hash()) })
            .await
    }

    pub(crate) fn submitting(&self) -> &tokio::sync::Mutex<()> {
        &self.submitting
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    pub(crate) fn submit_timeout(&self) -> Duration {
        self.submit_timeout
    }

    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    pub(crate) async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        self.link.session().await
    }

    pub(crate) fn distrust(&self) {
        self.link.distrust();
    }

    /// How long to wait for a finalised block before another endpoint is asked; `None` where there is no other.
    pub(crate) fn silence_max(&self) -> Option<Duration> {
        self.link.has_others().then_some(self.silence_max)
    }

    /// Gives up the endpoint of this session, if it is still in use, for the next of the list.
    pub(crate) async fn leave(&self, session: &Arc<Session>) {
        self.link.leave(session).await;
    }

    pub(crate) fn saw_final(&self, number: u32) {
        self.link.saw_final(number);
    }

    /// Runs one operation under the request deadline. An operation that overruns costs the connection its trust: it may be
    /// half open, so the next call opens another.
    pub(crate) async fn bounded<T>(
        &self,
        doing: &'static str,
        operation: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, QueryError> {
        match timeout(self.request_timeout, operation).await {
            Ok(result) => result.map_err(|fault| fault.during(doing)),
            Err(_) => {
                self.link.distrust();
                let after_ms = u64::try_from(self.request_timeout.as_millis()).unwrap_or(u64::MAX);
                Err(QueryError::TimedOut { doing, after_ms })
            }
        }
    }
}

impl ConnectError {
    /// Whether trying again later may succeed by itself.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoEndpoint => {
                "name a network (finney, test, local) or give a ws:// or wss:// URL with --network"
            }
            Self::Unreachable { .. } => {
                "check the URL, that the node is running and reachable from here, and that no firewall blocks it; for a local chain start localnet first"
            }
            Self::OtherChain { .. } => "list only endpoints of one network, then restart",
        }
    }
}

fn describe(tried: &[(String, String)]) -> String {
    tried.iter().map(|(url, reason)| format!("{url} ({reason})")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
