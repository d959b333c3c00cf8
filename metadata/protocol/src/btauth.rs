//! Signed HTTP requests, `btauth/1`: the protocol of the Bittensor SDK's `http_auth`, verified more strictly.
//!
//! The sender signs the method, the request target, the body's hash, a nonce (Unix time in nanoseconds) and
//! both hotkeys. A verifier goes from cheap to dear: shape and sizes ([`RawHeaders::collect`]), then
//! receiver, freshness and signature ([`verify()`]), then replay ([`ReplayGuard::admit`]), which thus remembers
//! only nonces whose signature was good. Who has cheap questions before the signature ([`ReplayGuard::has`], say) takes the
//! second step apart: [`Claim::of`], then [`Claim::verify`], or many of them with their tickets at once ([`verify_all`]).
//!
//! Stricter than the SDK: no header twice; the sender has exactly 48 characters before base58 (which takes
//! quadratic time) sees it; nonces are 1 to 20 digits; the scheme is `sr25519` or `ed25519` letter for
//! letter; signatures are `0x` and exactly 128 digits; a receiver is required; `<Bytes>`-wrapped payloads are
//! not tried; weak keys are refused.

mod headers;
mod payload;
mod replay;
mod verify;

pub use headers::{
    CRYPTO, HEADERS_MAX, HOTKEY, NONCE, RECEIVER, RawHeaders, SIGNATURE, VALUE_BYTES_MAX, VERSION,
};
pub use payload::{RequestParts, Scheme, sign};
pub use replay::{ReplayError, ReplayGuard};
pub use verify::{Claim, Freshness, VerifiedCaller, verify, verify_all};

/// Why a request is not authenticated. No variant repeats the caller's input, so each may be answered as it
/// is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A header is missing, doubled, too long or not of its form.
    #[error("{header}: {problem}")]
    Malformed {
        /// The header at fault.
        header: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Signed for another receiver, or for none.
    #[error("the request is not signed for this receiver")]
    WrongReceiver,
    /// Signed too long ago, or too far in the future.
    #[error("the nonce is outside the window in which a request is accepted")]
    Stale,
    /// Not signed by the hotkey it names.
    #[error("the signature does not verify")]
    BadSignature,
    /// This request has been accepted before.
    #[error("this nonce has been accepted before")]
    Replayed,
}

impl AuthError {
    /// A stable name, for answers and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "auth_malformed",
            Self::WrongReceiver => "auth_wrong_receiver",
            Self::Stale => "auth_stale",
            Self::BadSignature => "auth_bad_signature",
            Self::Replayed => "auth_replayed",
        }
    }
}

#[cfg(test)]
mod tests;
