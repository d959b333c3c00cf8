//! The one connection that all calls share, replaced when it is lost.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use subxt::config::SubstrateConfig;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Chain, ConnectError, Session};

#[derive(Debug)]
pub(super) struct Link {
    urls: Vec<String>,
    request_timeout: Duration,
    chain: Chain,
    genesis_hash: OnceLock<[u8; 32]>,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    session: Option<Arc<Session>>,
    /// Index into `urls` of the endpoint to try first.
    next: usize,
}

impl Link {
    pub(super) fn new(urls: Vec<String>, request_timeout: Duration) -> Self {
        Self {
            urls,
            request_timeout,
            chain: SubstrateConfig::new(),
            genesis_hash: OnceLock::new(),
            current: Mutex::default(),
        }
    }

    /// The open connection, or a new one to the first endpoint that answers. All endpoints together have one request's
    /// time; callers meanwhile wait for the same attempt.
    pub(super) async fn session(&self) -> Result<Arc<Session>, ConnectError> {
        let mut current = self.current.lock().await;
        if let Some(session) = current.session.as_ref().filter(|session| session.is_connected()) {
            return Ok(Arc::clone(session));
        }
        let count = self.urls.len();
        let share = self.request_timeout.checked_div(u32::try_from(count).unwrap_or(u32::MAX));
        let share = share.ok_or(ConnectError::NoEndpoint)?;
        let mut tried = Vec::with_capacity(count);
        for index in (0..count).map(|step| (current.next + step) % count) {
            let url = &self.urls[index];
            let reason = match timeout(share, Session::open(url, self.chain.clone(), share)).await {
                Ok(Ok(session)) => {
                    self.check_genesis(&session)?;
                    tracing::info!(url, "connected to the chain");
                    let session = Arc::new(session);
                    *current = Current { session: Some(Arc::clone(&session)), next: index };
                    return Ok(session);
                }
                Ok(Err(reason)) => reason,
                Err(_) => format!("no answer in {} ms", share.as_millis()),
            };
            tracing::warn!(url, reason, "a chain endpoint did not answer");
            tried.push((url.clone(), reason));
        }
        current.session = None;
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
