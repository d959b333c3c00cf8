//! The six headers: collected once each, with sizes and shapes checked before any cryptography.

use super::{AuthError, Scheme};
use crate::account::{AccountId, SS58_CHARS};
use crate::signing::Signature;

/// Always `1`.
pub const VERSION: &str = "x-bittensor-version";
/// The sender's address.
pub const HOTKEY: &str = "x-bittensor-hotkey";
/// The receiver's address.
pub const RECEIVER: &str = "x-bittensor-receiver";
/// Unix time in nanoseconds, in decimal digits.
pub const NONCE: &str = "x-bittensor-nonce";
/// The signature scheme; absent means sr25519.
pub const CRYPTO: &str = "x-bittensor-crypto";
/// `0x` and 128 hexadecimal digits.
pub const SIGNATURE: &str = "x-bittensor-signature";

/// The longest value that any of these headers can have.
pub const VALUE_BYTES_MAX: usize = 130;

/// How many `X-Bittensor-*` headers a request may have, those unknown to us included.
pub const HEADERS_MAX: usize = 16;

const PREFIX: &str = "x-bittensor-";

/// A name is compared with at most this many bytes of itself.
const NAME_BYTES_MAX: usize = 64;

/// The headers of one request, of the right shape. Nothing is known about who sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawHeaders {
    pub(super) sender: AccountId,
    /// As sent; compared with the receiver's address as text.
    pub(super) receiver: Option<String>,
    /// `None`: more than 64 bits, so later than any clock.
    pub(super) nonce_ns: Option<u64>,
    pub(super) scheme: Scheme,
    pub(super) signature: Signature,
}

impl RawHeaders {
    /// Picks the `X-Bittensor-*` headers out of a request's headers and checks their shape. Names compare
    /// without regard to case. Unknown ones are left alone, as they are not signed, but like the known they
    /// may not come twice.
    pub fn collect<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Self, AuthError> {
        let mut found: Vec<(String, &'a [u8])> = Vec::new();
        for (name, value) in headers {
            let is_ours = name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
            if !is_ours {
                continue;
            }
            if found.len() >= HEADERS_MAX || name.len() > NAME_BYTES_MAX {
                return Err(malformed("x-bittensor-*", "too many headers, or too long a name"));
            }
            let name = name.to_ascii_lowercase();
            if found.iter().any(|(other, _)| *other == name) {
                return Err(malformed(canonical(&name), "present twice"));
            }
            found.push((name, value));
        }
        Self::parse(&Found(found))
    }

    /// Who the request says has sent it.
    pub fn sender(&self) -> AccountId {
        self.sender
    }

    fn parse(found: &Found<'_>) -> Result<Self, AuthError> {
        if found.required(VERSION)? != "1" {
            return Err(malformed(VERSION, "not a supported version"));
        }
        let sender = found.required(HOTKEY)?;
        if sender.len() != SS58_CHARS {
            return Err(malformed(HOTKEY, "not 48 characters"));
        }
        let nonce = found.required(NONCE)?;
        if nonce.is_empty() || nonce.len() > 20 || !nonce.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed(NONCE, "not 1 to 20 decimal digits"));
        }
        let scheme = match found.optional(CRYPTO)? {
            None | Some("sr25519") => Scheme::Sr25519,
            Some("ed25519") => Scheme::Ed25519,
            Some(_) => return Err(malformed(CRYPTO, "not sr25519 or ed25519")),
        };
        let signature = found
            .required(SIGNATURE)?
            .parse()
            .map_err(|_| malformed(SIGNATURE, "not 0x and 128 hexadecimal digits"))?;
        let receiver = found.optional(RECEIVER)?.map(str::to_owned);
        // Every other check is cheaper than this one.
        let sender =
            AccountId::from_ss58(sender).map_err(|_| malformed(HOTKEY, "not an address with prefix 42"))?;
        // Twenty digits may exceed 64 bits; what is left of the failures is that.
        let nonce_ns = nonce.parse().ok();
        Ok(Self { sender, receiver, nonce_ns, scheme, signature })
    }

    /// The hotkey that the request claims to come from. Nothing has been proved: use it to limit rates, not
    /// to decide.
    pub fn claimed_sender(&self) -> &AccountId {
        &self.sender
    }
}

struct Found<'a>(Vec<(String, &'a [u8])>);

impl Found<'_> {
    fn optional(&self, name: &'static str) -> Result<Option<&str>, AuthError> {
        let Some((_, value)) = self.0.iter().find(|(other, _)| other == name) else {
            return Ok(None);
        };
        if value.len() > VALUE_BYTES_MAX {
            return Err(malformed(name, "too long"));
        }
        if !value.iter().all(u8::is_ascii_graphic) {
            return Err(malformed(name, "not visible ASCII"));
        }
        std::str::from_utf8(value).map(Some).map_err(|_| malformed(name, "not visible ASCII"))
    }

    fn required(&self, name: &'static str) -> Result<&str, AuthError> {
        self.optional(name)?.ok_or(malformed(name, "missing"))
    }
}

fn canonical(name: &str) -> &'static str {
    let known = [VERSION, HOTKEY, RECEIVER, NONCE, CRYPTO, SIGNATURE];
    known.into_iter().find(|known| *known == name).unwrap_or("x-bittensor-*")
}

const fn malformed(header: &'static str, problem: &'static str) -> AuthError {
    AuthError::Malformed { header, problem }
}
