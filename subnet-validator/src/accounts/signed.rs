//! Requests signed by a hotkey (btauth/1): who sent this one, and that it was not here before.

use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use protocol::account::AccountId;
use protocol::btauth::{
    self, AuthError, Claim, Freshness, RawHeaders, ReplayError, ReplayGuard, RequestParts, VerifiedCaller,
};
use protocol::digest::Digest;

use super::config::AccountsConfig;

/// Checks signed requests.
#[derive(Debug)]
pub struct SignedRequests {
    receiver: AccountId,
    freshness: Freshness,
    replays: Mutex<ReplayGuard>,
}

/// Why a signed request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedError {
    /// It is not signed as it must be.
    #[error(transparent)]
    Auth(AuthError),
    /// It may have been taken before the validator was started, or its clock went back.
    #[error(
        "the validator cannot tell yet whether this request was here before; sign it again in {retry_after_ms} ms"
    )]
    TooEarly {
        /// When a newly signed one is taken.
        retry_after_ms: u64,
    },
    /// No more nonces can be remembered.
    #[error("the validator cannot remember more signed requests at the moment")]
    Full,
}

impl SignedRequests {
    /// For requests to `receiver`. Nothing is known of what an earlier process took, so nothing signed before now is taken.
    #[must_use]
    pub fn new(receiver: AccountId, config: &AccountsConfig, now_ms: u64) -> Self {
        let freshness = Freshness {
            max_age_ms: config.signature_age_ms_max,
            max_ahead_ms: config.signature_ahead_ms_max,
        };
        let mut guard =
            ReplayGuard::new(config.nonces_max, config.nonce_retention_ms.max(config.retention_ms_min()));
        guard.refuse_through(now_ms.saturating_add(config.signature_ahead_ms_max).saturating_mul(1_000_000));
        Self { receiver, freshness, replays: Mutex::new(guard) }
    }

    /// Whether a request claims to be signed.
    #[must_use]
    pub fn claimed(headers: &HeaderMap) -> bool {
        headers.contains_key(btauth::HOTKEY)
    }

    /// The headers, before the body is read: refuses what is not even of the right shape.
    pub fn headers(headers: &HeaderMap) -> Result<RawHeaders, SignedError> {
        let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        RawHeaders::collect(pairs).map_err(SignedError::Auth)
    }

    /// Refuses what is for another receiver, or too old, before its body is read.
    pub fn check_head(
        &self,
        raw: &RawHeaders,
        method: &str,
        target: &str,
        now_ns: u64,
    ) -> Result<(), SignedError> {
        let head = RequestParts { method, target, body_sha256: Digest::ZERO };
        let claim = Claim::of(raw, &head, &self.receiver, now_ns, &self.freshness);
        claim.map(drop).map_err(SignedError::Auth)
    }

    /// Who signed this request. Its nonce is used up only by [`SignedRequests::once`].
    pub fn verify(
        &self,
        raw: &RawHeaders,
        request: &RequestParts<'_>,
        now_ns: u64,
    ) -> Result<VerifiedCaller, SignedError> {
        btauth::verify(raw, request, &self.receiver, now_ns, &self.freshness).map_err(SignedError::Auth)
    }

    /// Takes the request's nonce. Only for callers with an account: anybody can sign with a key made up a moment ago, and
    /// those must not take up memory.
    pub fn once(&self, caller: &VerifiedCaller, now_ns: u64) -> Result<(), SignedError> {
        let mut replays = self.replays.lock().unwrap_or_else(PoisonError::into_inner);
        replays.admit(caller, now_ns).map_err(|error| match error {
            ReplayError::Replayed => SignedError::Auth(AuthError::Replayed),
            ReplayError::Full => SignedError::Full,
            ReplayError::ClockWentBack => {
                SignedError::TooEarly { retry_after_ms: self.freshness.max_ahead_ms.max(1_000) }
            }
        })
    }
}
