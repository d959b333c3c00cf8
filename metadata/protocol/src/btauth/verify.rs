//! Receiver, freshness, signature: in this order, and the signature under the declared scheme only.

use super::payload::payload;
use super::{AuthError, RawHeaders, RequestParts, Scheme};
use crate::account::AccountId;
use crate::signing::{self, Domain, Signature};

const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// How far a nonce may lie from the verifier's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// How old a request may be.
    pub max_age_ms: u64,
    /// How far the sender's clock may be ahead of ours.
    pub max_ahead_ms: u64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self { max_age_ms: 10_000, max_ahead_ms: 2_000 }
    }
}

/// The sender of a request whose signature is good and fresh. Made only by [`verify()`].
///
/// It says nothing of replay, which is [`super::ReplayGuard::admit`]'s part, nor of what the caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCaller {
    /// The account that signed.
    pub hotkey: AccountId,
    /// When it signed, by its own clock.
    pub nonce_ns: u64,
}

/// Checks that the request was signed for `receiver`, recently, by the sender it names.
pub fn verify(
    headers: &RawHeaders,
    parts: &RequestParts<'_>,
    receiver: &AccountId,
    now_ns: u64,
    freshness: &Freshness,
) -> Result<VerifiedCaller, AuthError> {
    // The payload separates its lines by line feeds, so nothing inside a line may hold one.
    if !is_one_word(parts.method) || !is_one_word(parts.target) {
        return Err(AuthError::Malformed { header: "request line", problem: "not visible ASCII" });
    }
    let receiver = receiver.to_ss58();
    if headers.receiver.as_deref() != Some(receiver.as_str()) {
        return Err(AuthError::WrongReceiver);
    }
    let nonce_ns = headers.nonce_ns.ok_or(AuthError::Stale)?;
    let age_ns_max = freshness.max_age_ms.saturating_mul(NANOSECONDS_PER_MILLISECOND);
    let ahead_ns_max = freshness.max_ahead_ms.saturating_mul(NANOSECONDS_PER_MILLISECOND);
    if now_ns.saturating_sub(nonce_ns) > age_ns_max || nonce_ns.saturating_sub(now_ns) > ahead_ns_max {
        return Err(AuthError::Stale);
    }
    let bytes = payload(headers.scheme, parts, nonce_ns, &headers.sender.to_ss58(), &receiver);
    match headers.scheme {
        Scheme::Sr25519 => signing::verify(Domain::Btauth, &headers.sender, &bytes, &headers.signature)
            .map_err(|_| AuthError::BadSignature)?,
        Scheme::Ed25519 => verify_ed25519(&headers.sender, &bytes, &headers.signature)?,
    }
    Ok(VerifiedCaller { hotkey: headers.sender, nonce_ns })
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The strict form also refuses public keys and nonce points of small order.
fn verify_ed25519(sender: &AccountId, bytes: &[u8], signature: &Signature) -> Result<(), AuthError> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(&sender.0).map_err(|_| AuthError::BadSignature)?;
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    key.verify_strict(bytes, &signature).map_err(|_| AuthError::BadSignature)
}
