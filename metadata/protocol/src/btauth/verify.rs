//! Receiver, freshness, signature: in this order, and the signature under the declared scheme only.

use super::payload::payload;
use super::{AuthError, RawHeaders, RequestParts, Scheme};
use crate::account::AccountId;
use crate::signing::{self, Domain, Signature};
use crate::ticket::{SignedTicket, ValidTicket};

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

/// What a request says of itself: by whom it was signed, for whom and when. Receiver and time are right, the signature is unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    hotkey: AccountId,
    nonce_ns: u64,
    scheme: Scheme,
    pub(super) signature: Signature,
    payload: Vec<u8>,
}

/// Checks that the request was signed for `receiver`, recently, by the sender it names.
pub fn verify(
    headers: &RawHeaders,
    parts: &RequestParts<'_>,
    receiver: &AccountId,
    now_ns: u64,
    freshness: &Freshness,
) -> Result<VerifiedCaller, AuthError> {
    Claim::of(headers, parts, receiver, now_ns, freshness)?.verify()
}

impl Claim {
    /// Everything that [`verify()`] checks but the signature.
    pub fn of(
        headers: &RawHeaders,
        parts: &RequestParts<'_>,
        receiver: &AccountId,
        now_ns: u64,
        freshness: &Freshness,
    ) -> Result<Self, AuthError> {
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
        let payload = payload(headers.scheme, parts, nonce_ns, &headers.sender.to_ss58(), &receiver);
        let (hotkey, scheme, signature) = (headers.sender, headers.scheme, headers.signature);
        Ok(Self { hotkey, nonce_ns, scheme, signature, payload })
    }

    /// Who the request says has sent it. To look up who that would be, not to trust.
    pub fn hotkey(&self) -> AccountId {
        self.hotkey
    }

    /// When it says it was signed.
    pub fn nonce_ns(&self) -> u64 {
        self.nonce_ns
    }

    /// Checks the signature, under the declared scheme only.
    pub fn verify(&self) -> Result<VerifiedCaller, AuthError> {
        match self.scheme {
            Scheme::Sr25519 => {
                signing::verify(Domain::Btauth, &self.hotkey, &self.payload, &self.signature)
                    .map_err(|_| AuthError::BadSignature)?;
            }
            Scheme::Ed25519 => verify_ed25519(&self.hotkey, &self.payload, &self.signature)?,
        }
        Ok(VerifiedCaller { hotkey: self.hotkey, nonce_ns: self.nonce_ns })
    }
}

/// Checks the signatures of many requests and of the tickets that they carry together, which is cheaper than one by one. `None` if any of
/// them is bad, without saying which; a request that is not signed with sr25519 is checked by itself.
pub fn verify_all(requests: &[(Claim, SignedTicket)]) -> Option<Vec<(VerifiedCaller, ValidTicket)>> {
    let mut items = Vec::with_capacity(requests.len().saturating_mul(2));
    let mut verified = Vec::with_capacity(requests.len());
    for (claim, ticket) in requests {
        match claim.scheme {
            Scheme::Sr25519 => {
                items.push((Domain::Btauth, claim.hotkey, claim.payload.clone(), claim.signature));
            }
            Scheme::Ed25519 => verify_ed25519(&claim.hotkey, &claim.payload, &claim.signature).ok()?,
        }
        items.push(ticket.signed_item());
        verified.push(VerifiedCaller { hotkey: claim.hotkey, nonce_ns: claim.nonce_ns });
    }
    signing::verify_batch(&items).ok()?;
    let tickets = requests.iter().map(|(_, ticket)| ValidTicket::checked_in_batch(ticket.clone()));
    Some(verified.into_iter().zip(tickets).collect())
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
