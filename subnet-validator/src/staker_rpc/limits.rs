//! How often one client may ask: a bucket of calls for each address, refilled at a steady rate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jsonrpsee::Extensions;
use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::server::MethodResponse;
use jsonrpsee::types::{Id, Request};

use super::config::StakerRpcConfig;
use super::error::rate_limited;
use crate::clock::Clock;
use crate::connections::Client;

/// What one client has left.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a call.
    millicalls: u64,
    at_ms: u64,
}

/// The buckets. Time is an argument, so that this can be tested without waiting.
#[derive(Debug)]
struct Buckets {
    of: HashMap<Client, Bucket>,
    clients_max: usize,
    per_second: u64,
    burst_millicalls: u64,
}

impl Buckets {
    /// Takes so many calls, or says in how many milliseconds there will be enough.
    fn take(&mut self, client: Client, calls: u64, now_ms: u64) -> Result<(), u64> {
        if !self.of.contains_key(&client) && self.of.len() >= self.clients_max {
            self.forget(now_ms);
        }
        let (per_second, burst) = (self.per_second, self.burst_millicalls);
        let bucket = self.of.entry(client).or_insert(Bucket { millicalls: burst, at_ms: now_ms });
        *bucket = bucket.at(now_ms, per_second, burst);
        // Whoever asks for more than the bucket ever holds gets it from a full one.
        let wanted = calls.saturating_mul(1_000).min(burst);
        match bucket.millicalls.checked_sub(wanted) {
            Some(left) => {
                bucket.millicalls = left;
                Ok(())
            }
            None => Err((wanted - bucket.millicalls).div_ceil(per_second.max(1))),
        }
    }

    /// Forgets those whose buckets are full again; if there is none, the one with most left.
    fn forget(&mut self, now_ms: u64) {
        let (per_second, burst) = (self.per_second, self.burst_millicalls);
        self.of.retain(|_, bucket| bucket.at(now_ms, per_second, burst).millicalls < burst);
        if self.of.len() >= self.clients_max {
            let fullest = self.of.iter().max_by_key(|(client, bucket)| (bucket.millicalls, **client));
            if let Some(fullest) = fullest.map(|(client, _)| *client) {
                self.of.remove(&fullest);
            }
        }
    }
}

impl Bucket {
    fn at(self, now_ms: u64, per_second: u64, burst_millicalls: u64) -> Self {
        // A thousandth of a call each millisecond is a call each second.
        let refill = now_ms.saturating_sub(self.at_ms).saturating_mul(per_second);
        let millicalls = self.millicalls.saturating_add(refill).min(burst_millicalls);
        Self { millicalls, at_ms: self.at_ms.max(now_ms) }
    }
}

/// A handle to the buckets. Clones share them.
#[derive(Clone)]
pub(super) struct CallLimit {
    buckets: Arc<Mutex<Buckets>>,
    clock: Arc<Clock>,
}

impl CallLimit {
    pub(super) fn new(config: &StakerRpcConfig, clock: Arc<Clock>) -> Self {
        let buckets = Buckets {
            of: HashMap::new(),
            clients_max: config.clients_max.get(),
            per_second: config.calls_per_second_max.into(),
            burst_millicalls: u64::from(config.calls_burst_max).saturating_mul(1_000),
        };
        Self { buckets: Arc::new(Mutex::new(buckets)), clock }
    }

    /// Takes so many calls, or says in how many milliseconds to come again.
    pub(super) fn take(&self, client: Client, calls: u64) -> Result<(), u64> {
        let now_ms = self.clock.now_ms();
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).take(client, calls, now_ms)
    }

    fn take_for(&self, extensions: &Extensions, calls: usize) -> Result<(), u64> {
        let Some(client) = extensions.get::<Client>() else { return Ok(()) };
        self.take(*client, u64::try_from(calls).unwrap_or(u64::MAX))
    }
}

/// Refuses calls of clients that ask too often.
#[derive(Clone)]
pub(super) struct Limited<S> {
    pub(super) service: S,
    pub(super) limit: CallLimit,
}

impl<S> RpcServiceT for Limited<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Send
        + Sync
        + Clone
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = Self::MethodResponse> + Send + 'a {
        let refused = self.limit.take_for(request.extensions(), 1).err();
        let service = self.service.clone();
        async move {
            match refused {
                Some(retry_after_ms) => MethodResponse::error(request.id(), rate_limited(retry_after_ms)),
                None => service.call(request).await,
            }
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = Self::BatchResponse> + Send + 'a {
        let calls = batch.iter().count();
        let client = batch.iter().flatten().find_map(|entry| entry.extensions().get::<Client>().copied());
        let calls = u64::try_from(calls).unwrap_or(u64::MAX);
        let refused = client.and_then(|client| self.limit.take(client, calls).err());
        let service = self.service.clone();
        async move {
            match refused {
                Some(retry_after_ms) => MethodResponse::error(Id::Null, rate_limited(retry_after_ms)),
                None => service.batch(batch).await,
            }
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        // Answered with nothing either way.
        self.service.notification(notification)
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Client};
    use std::collections::HashMap;
    use std::net::IpAddr;

    fn buckets(clients_max: usize) -> Buckets {
        Buckets { of: HashMap::new(), clients_max, per_second: 10, burst_millicalls: 20_000 }
    }

    fn client(address: &str) -> Client {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_client_may_burst_and_then_waits_for_the_steady_rate() {
        let (mut buckets, one) = (buckets(10), client("192.0.2.1"));
        assert!((0..20).all(|_| buckets.take(one, 1, 1_000).is_ok()));
        assert_eq!(buckets.take(one, 1, 1_000), Err(100), "ten calls a second: the next in 100 ms");
        assert_eq!(buckets.take(client("192.0.2.2"), 5, 1_000), Ok(()), "others have their own");
        assert_eq!(buckets.take(one, 2, 1_100), Err(100));
        assert_eq!(buckets.take(one, 2, 1_200), Ok(()));
        assert_eq!(buckets.take(one, 1_000, 60_000), Ok(()), "no batch is larger than a full bucket");
        assert_eq!(buckets.take(one, 1, 0), Err(100), "a clock that steps back gives nothing");
    }

    #[test]
    fn the_number_of_clients_remembered_is_bounded() {
        let mut buckets = buckets(3);
        for last in 1..=200_u8 {
            let _ = buckets.take(client(&format!("192.0.2.{last}")), 1, 1_000);
            assert!(buckets.of.len() <= 3);
        }
        let greedy = client("198.51.100.1");
        assert_eq!(buckets.take(greedy, 20, 5_000), Ok(()));
        for last in 1..=200_u8 {
            let _ = buckets.take(client(&format!("203.0.113.{last}")), 1, 5_000);
        }
        assert!(buckets.take(greedy, 1, 5_000).is_err(), "whoever has used most is remembered longest");
    }

    #[test]
    fn one_household_of_ipv6_is_one_client() {
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }
}
