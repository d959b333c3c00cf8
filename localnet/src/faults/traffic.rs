//! Late answers and limited callers: a layer around every call.

use std::{
    collections::BTreeMap,
    future::Future,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jsonrpsee::{
    core::middleware::{Batch, BatchEntry, BatchEntryErr, Notification, RpcServiceT},
    server::MethodResponse,
    types::{ErrorObject, ErrorObjectOwned, Request},
};
use tokio::time::Instant;

/// Code of the error for callers that ask too often, as providers of chain nodes send it.
pub const LIMIT_EXCEEDED: i32 = -32005;
/// The name that stands for every method.
pub const EVERY_METHOD: &str = "*";
/// Methods that can have a delay of their own at a time.
const DELAYS_MAX: usize = 256;
/// What nobody is to be locked out of.
const SPARED: &str = "dev_";

/// How calls are treated.
#[derive(Default)]
pub struct Traffic(Mutex<Rules>);

#[derive(Default)]
struct Rules {
    delays: BTreeMap<String, Duration>,
    limit: Option<Limit>,
}

/// Calls that may still be made in this second.
struct Limit {
    per_second: NonZeroU32,
    since: Instant,
    left: u32,
}

impl Traffic {
    /// Answers this method, or every one (`*`), so much later; nothing ends it. False when too many methods have delays.
    pub fn delay(&self, method: &str, duration: Duration) -> bool {
        let mut rules = self.rules();
        if duration.is_zero() {
            rules.delays.remove(method);
            return true;
        }
        let room = rules.delays.len() < DELAYS_MAX || rules.delays.contains_key(method);
        if room {
            rules.delays.insert(method.to_owned(), duration);
        }
        room
    }

    /// Answers at most so many calls in a second, over all connections; the others get an error, and over HTTP the status 429.
    pub fn limit(&self, per_second: Option<NonZeroU32>) {
        self.rules().limit =
            per_second.map(|per_second| Limit { per_second, since: Instant::now(), left: per_second.get() });
    }

    /// Ends every delay and the limit.
    pub fn heal(&self) {
        *self.rules() = Rules::default();
    }

    /// How long to wait with a call, or why not to answer it.
    fn admit(&self, method: &str) -> Result<Duration, ErrorObjectOwned> {
        if method.starts_with(SPARED) {
            return Ok(Duration::ZERO);
        }
        let mut rules = self.rules();
        if let Some(limit) = &mut rules.limit {
            limit.take()?;
        }
        let delay = rules.delays.get(method).or_else(|| rules.delays.get(EVERY_METHOD));
        Ok(delay.copied().unwrap_or_default())
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Limit {
    fn take(&mut self) -> Result<(), ErrorObjectOwned> {
        let now = Instant::now();
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.left = self.per_second.get();
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => {
                let text = format!("limit exceeded: {} calls per second", self.per_second);
                return Err(ErrorObject::owned(LIMIT_EXCEEDED, text, None::<()>));
            }
        }
        Ok(())
    }
}

/// Marks an answer that refuses a caller who asks too often.
#[derive(Clone, Copy)]
pub(crate) struct LimitExceeded;

/// The layer around the methods.
#[derive(Clone)]
pub(crate) struct Throttled<S> {
    pub inner: S,
    pub traffic: Arc<Traffic>,
}

impl<S> RpcServiceT for Throttled<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        let admitted = self.traffic.admit(request.method_name());
        async move {
            match admitted {
                Ok(delay) => {
                    wait(delay).await;
                    inner.call(request).await
                }
                Err(error) => {
                    let mut response = MethodResponse::error(request.id(), error);
                    response.extensions_mut().insert(LimitExceeded);
                    response
                }
            }
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let inner = self.inner.clone();
        let mut delay = Duration::ZERO;
        let entries = batch
            .into_iter()
            .map(|entry| match entry {
                Ok(BatchEntry::Call(request)) => match self.traffic.admit(request.method_name()) {
                    Ok(wait) => {
                        delay = delay.max(wait);
                        Ok(BatchEntry::Call(request))
                    }
                    Err(error) => Err(BatchEntryErr::new(request.id(), error)),
                },
                other => other,
            })
            .collect();
        async move {
            wait(delay).await;
            inner.batch(Batch::from(entries)).await
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

async fn wait(delay: Duration) {
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
