//! The eight signed lines, and signing them.

use super::headers::{HOTKEY, NONCE, RECEIVER, SIGNATURE, VERSION};
use crate::account::AccountId;
use crate::digest::Digest;
use crate::signing::{Domain, Keypair};

/// What of a request is signed, apart from who and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestParts<'a> {
    /// The method, signed in upper case.
    pub method: &'a str,
    /// The percent-encoded path, and `?` and the query if there is one, exactly as in the request line.
    pub target: &'a str,
    /// SHA-256 of the raw body.
    pub body_sha256: Digest,
}

/// A signature scheme that a caller may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Schnorr signatures on Ristretto, as Substrate accounts use.
    Sr25519,
    /// RFC 8032.
    Ed25519,
}

impl Scheme {
    /// The name in the payload and in the header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sr25519 => "sr25519",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Signs a request with an sr25519 key; returns the five headers to send. Every attempt needs a fresh nonce.
pub fn sign(
    sender: &Keypair,
    parts: &RequestParts<'_>,
    receiver: &AccountId,
    nonce_ns: u64,
) -> [(&'static str, String); 5] {
    let hotkey = sender.public().to_ss58();
    let receiver = receiver.to_ss58();
    let signature =
        sender.sign(Domain::Btauth, &payload(Scheme::Sr25519, parts, nonce_ns, &hotkey, &receiver));
    [
        (VERSION, "1".to_owned()),
        (HOTKEY, hotkey),
        (RECEIVER, receiver),
        (NONCE, nonce_ns.to_string()),
        (SIGNATURE, signature.to_string()),
    ]
}

pub(super) fn payload(
    scheme: Scheme,
    parts: &RequestParts<'_>,
    nonce_ns: u64,
    sender: &str,
    receiver: &str,
) -> Vec<u8> {
    let method = parts.method.to_ascii_uppercase();
    let body = hex::encode(parts.body_sha256.0);
    let (scheme, target) = (scheme.name(), parts.target);
    format!("btauth/1\n{scheme}\n{method}\n{target}\n{body}\n{nonce_ns}\n{sender}\n{receiver}").into_bytes()
}
