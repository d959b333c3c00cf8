//! From bytes of unknown origin to an order this miner will serve.
//!
//! In this order, from cheap to dear, each step changing the type:
//!
//! ```text
//! head and body within their limits        server, body
//! RawHeaders        headers of the right shape, once each
//! Claim             meant for this hotkey, fresh; of a sender with permit and stake; its nonce not accepted before
//! SignedTicket      of that sender, for this miner and these bytes, in time
//! VerifiedCaller, ValidTicket    both signatures good, checked in one
//! PermittedCaller   the first of its nonce, not too fast
//! ```
//!
//! Permission is asked for before a signature is checked, because anybody can claim anything: whoever has none costs next to nothing, and
//! anybody can sign with a key made up a moment ago, so only validators may take up the guard's memory. The per-hotkey rate comes
//! after the guard, so that replaying a validator's request cannot use up that validator's rate. What is wrong with a ticket is told to
//! whoever signed the request and to nobody else.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http::request::Parts;
use protocol::account::AccountId;
use protocol::btauth::{
    AuthError, Claim, Freshness, RawHeaders, ReplayError, ReplayGuard, RequestParts, VerifiedCaller,
};
use protocol::digest::Digest;
use protocol::ticket::{self, Expectation, SignedTicket, ValidTicket};
use tokio::sync::watch;

use super::error::AxonError;
use super::limits::Limits;
use super::rate_limit::{Rate, RateLimiter};
use super::replay::{Accepted, Replays};
use super::verifier::Verifier;
use crate::clock;
use crate::permits::Permits;
use crate::receipts::{ReceiptStore, Recovered, SequenceWindow, Shard};

/// A caller that may use this miner, and this request the first of its nonce. Made only by [`Admission::admit`].
#[derive(Debug)]
pub(super) struct PermittedCaller {
    hotkey: AccountId,
}

impl PermittedCaller {
    pub fn hotkey(&self) -> AccountId {
        self.hotkey
    }
}

/// What admission remembers and compares with.
#[derive(Debug)]
pub(super) struct Admission {
    netuid: u16,
    miner: AccountId,
    freshness: Freshness,
    permits: watch::Receiver<Permits>,
    receipts: ReceiptStore,
    verifier: Verifier,
    replays: Mutex<Replays>,
    rates: Mutex<RateLimiter<AccountId>>,
    sequences: Mutex<BTreeMap<Shard, SequenceWindow>>,
}

impl Admission {
    pub fn new(
        netuid: u16,
        miner: AccountId,
        limits: &Limits,
        permits: watch::Receiver<Permits>,
        receipts: ReceiptStore,
        recovered: Recovered,
    ) -> Self {
        let guard = ReplayGuard::new(limits.nonces_max.get(), limits.nonce_retention_ms);
        Self {
            netuid,
            miner,
            freshness: Freshness {
                max_age_ms: limits.signature_age_ms_max,
                max_ahead_ms: limits.signature_ahead_ms_max,
            },
            permits,
            receipts,
            verifier: Verifier::new(std::thread::available_parallelism().map_or(1, |threads| threads.get())),
            replays: Mutex::new(Replays::new(guard, recovered.nonce_marks_ns)),
            rates: Mutex::new(RateLimiter::new(limits.per_hotkey)),
            sequences: Mutex::new(recovered.sequences),
        }
    }

    /// How many validators this miner would serve now.
    pub fn validators(&self) -> usize {
        self.permits.borrow().len()
    }

    /// A caller's share of this miner against that of others.
    pub fn weight(&self, caller: &AccountId) -> u64 {
        self.permits.borrow().weight(caller)
    }

    /// Another rate for every hotkey from now on.
    pub fn set_rate(&self, per_hotkey: Rate) {
        lock(&self.rates).set_rate(per_hotkey);
    }

    /// The btauth headers, before the body is read: refuses what is not even of the right shape.
    pub fn headers(&self, headers: &HeaderMap) -> Result<RawHeaders, AxonError> {
        RawHeaders::collect(headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
            .map_err(AxonError::Auth)
    }

    /// Verifies who sent the request and lets in each signed request of a permitted caller once.
    pub async fn admit(
        &self,
        raw: &RawHeaders,
        parts: &Parts,
        body: Digest,
    ) -> Result<PermittedCaller, AxonError> {
        let now_ns = clock::unix_ns();
        let caller = self.claim(raw, parts, body, now_ns)?.verify().map_err(AxonError::Auth)?;
        self.enter(&caller, now_ns).await
    }

    /// Admits a request that carries a ticket, all of it checked but its sequence number, which [`use_up`](Self::use_up) takes last.
    pub async fn order(
        &self,
        raw: &RawHeaders,
        parts: &Parts,
        body: Digest,
    ) -> Result<ValidTicket, AxonError> {
        let now_ns = clock::unix_ns();
        let claim = self.claim(raw, parts, body, now_ns)?;
        let (caller, ticket) = match self.ticket(&parts.headers, &claim.hotkey(), body, now_ns) {
            Ok(ticket) => {
                let verdict = self.verifier.check(claim, ticket).await.ok_or(AxonError::Busy)?;
                let (caller, ticket) = verdict.map_err(AxonError::Auth)?;
                (caller, ticket.map_err(|_| AxonError::TicketSignature))
            }
            Err(error) => (claim.verify().map_err(AxonError::Auth)?, Err(error)),
        };
        self.enter(&caller, now_ns).await?;
        ticket
    }

    /// Everything about the sender that needs no signature.
    fn claim(&self, raw: &RawHeaders, parts: &Parts, body: Digest, now_ns: u64) -> Result<Claim, AxonError> {
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = RequestParts { method: parts.method.as_str(), target, body_sha256: body };
        let claim =
            Claim::of(raw, &request, &self.miner, now_ns, &self.freshness).map_err(AxonError::Auth)?;
        self.permits.borrow().check(&claim.hotkey(), now_ns / 1_000_000).map_err(AxonError::Forbidden)?;
        if lock(&self.replays).has(&claim) {
            return Err(AxonError::Auth(AuthError::Replayed));
        }
        Ok(claim)
    }

    /// The request's ticket, all of it checked that needs no signature.
    fn ticket(
        &self,
        headers: &HeaderMap,
        sender: &AccountId,
        body: Digest,
        now_ns: u64,
    ) -> Result<SignedTicket, AxonError> {
        let mut values = headers.get_all(ticket::HEADER).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(AxonError::TicketMissing);
        };
        // A value that is not text has no hex digits either.
        let text = value.to_str().unwrap_or_default();
        let signed = SignedTicket::from_header(text).map_err(AxonError::TicketMalformed)?;
        let expected = Expectation {
            netuid: self.netuid,
            miner: self.miner,
            request_sha256: body,
            now_ms: now_ns / 1_000_000,
        };
        signed.ticket.sent_by(sender).map_err(AxonError::Ticket)?;
        signed.ticket.admit(&expected).map_err(AxonError::Ticket)?;
        Ok(signed)
    }

    /// Lets a permitted caller in that has proved who it is: once with each nonce, and not too fast.
    async fn enter(&self, caller: &VerifiedCaller, now_ns: u64) -> Result<PermittedCaller, AxonError> {
        let accepted = lock(&self.replays).admit(caller, now_ns).map_err(|error| match error {
            ReplayError::Replayed => AxonError::Auth(AuthError::Replayed),
            ReplayError::Full => AxonError::NoncesFull,
            ReplayError::ClockWentBack => AxonError::ClockWentBack,
        })?;
        lock(&self.rates)
            .take(caller.hotkey, now_ns / 1_000_000)
            .map_err(|error| AxonError::TooFast { retry_after_ms: error.retry_after_ms })?;
        if let Accepted::Reserve { mark_ns } = accepted {
            self.receipts.set_nonce_marks(vec![(caller.hotkey, mark_ns)]).await.map_err(|error| {
                tracing::error!(%error, "a caller's nonce mark could not be written");
                AxonError::Storage
            })?;
            lock(&self.replays).reserved(caller.hotkey, mark_ns);
        }
        Ok(PermittedCaller { hotkey: caller.hotkey })
    }

    /// Takes the ticket's sequence number; from here on it is spent.
    pub fn use_up(&self, ticket: &ValidTicket) -> Result<(), AxonError> {
        let mut sequences = lock(&self.sequences);
        sequences
            .entry((ticket.validator, ticket.shard()))
            .or_default()
            .admit(ticket.sequence)
            .map_err(AxonError::TicketSequence)
    }

    /// Puts the exact nonce marks on disk. Called when nothing more is admitted.
    pub async fn settle(&self) {
        let marks_ns = lock(&self.replays).settle();
        if let Err(error) = self.receipts.set_nonce_marks(marks_ns).await {
            tracing::warn!(%error, "nonce marks stay ahead; callers may have to sign their first request again");
        }
    }
}

/// Nothing here panics while holding a lock, and the values stay whole if it did.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
