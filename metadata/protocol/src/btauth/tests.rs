//! Golden vectors of the Python SDK, every category of refusal, mutated requests, many requests at once, and the replay guard.

mod golden;
mod mutated;
mod refusals;
mod replay;
mod together;

use super::*;
use crate::account::AccountId;
use crate::digest::Digest;
use crate::fixtures::{account, key};

const NOW_NS: u64 = 1_752_076_800_000_000_000;

/// A request as the server sees it.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    target: String,
    body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// Alice to Bob, now.
    fn signed() -> Self {
        Self::signed_at(NOW_NS)
    }

    fn signed_at(nonce_ns: u64) -> Self {
        let body = br#"{"prompt": "hello"}"#.to_vec();
        let (method, target) = ("POST".to_owned(), "/generate?stream=false".to_owned());
        let parts = RequestParts { method: &method, target: &target, body_sha256: Digest::of(&body) };
        let headers = sign(&key("Alice"), &parts, &account("Bob"), nonce_ns);
        let headers =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
        Self { method, target, body, headers }
    }

    fn collect(&self) -> Result<RawHeaders, AuthError> {
        RawHeaders::collect(self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    }

    fn verify_as(&self, receiver: &AccountId, now_ns: u64) -> Result<VerifiedCaller, AuthError> {
        let parts =
            RequestParts { method: &self.method, target: &self.target, body_sha256: Digest::of(&self.body) };
        verify(&self.collect()?, &parts, receiver, now_ns, &Freshness::default())
    }

    fn claim(&self) -> Claim {
        let parts =
            RequestParts { method: &self.method, target: &self.target, body_sha256: Digest::of(&self.body) };
        Claim::of(&self.collect().unwrap(), &parts, &account("Bob"), NOW_NS, &Freshness::default()).unwrap()
    }

    fn verify(&self) -> Result<VerifiedCaller, AuthError> {
        self.verify_as(&account("Bob"), NOW_NS)
    }

    fn set(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn get(&self, name: &str) -> String {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    }
}
