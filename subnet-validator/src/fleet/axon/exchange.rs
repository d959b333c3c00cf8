//! What passes between validator and miner beside calls: fingerprints come, countersigned copies go.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use parity_scale_codec::Encode;
use protocol::account::AccountId;
use protocol::btauth;
use protocol::challenge::{self, AnswerError, SignedAnswer, SignedChallenge};
use protocol::countersigned::CopyList;
use protocol::digest::Digest;
use protocol::fingerprint::{self, Fingerprint, FingerprintError};
use protocol::receipt::Countersigned;

use super::{Axon, AxonClient};
use crate::fleet::Fleet;

/// Nothing was exchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The miner is not known, or has no axon.
    #[error("the miner has no axon now")]
    NoAxon,
    /// It could not be reached.
    #[error("the miner could not be reached")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// Its answer broke off or is too large.
    #[error("the miner's answer could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("the miner did not answer in time")]
    Timeout,
    /// It refused.
    #[error("the miner answered with status {0}")]
    Status(StatusCode),
    /// Its fingerprint is none, or not the one that was asked for.
    #[error("the miner gave other bytes than the fingerprint that its receipt names")]
    OtherFingerprint,
    /// The same, by its form.
    #[error("the miner's fingerprint is unreadable")]
    Unreadable(#[source] FingerprintError),
    /// Its answer to a challenge is none.
    #[error("the miner's answer to a challenge is unreadable")]
    Answer(#[source] AnswerError),
}

impl AxonClient {
    async fn exchange(
        &self,
        axon: Axon,
        method: Method,
        target: &str,
        body: Vec<u8>,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), ExchangeError> {
        let parts = btauth::RequestParts { method: method.as_str(), target, body_sha256: Digest::of(&body) };
        let uri = axon.address.uri(target);
        let text = |text: &str| HeaderValue::from_str(text).expect("addresses and signatures are plain text");
        let mut request = Request::new(Full::new(Bytes::from(body)));
        for (name, value) in btauth::sign(&self.hotkey, &parts, &axon.hotkey, self.clock.nonce_ns()) {
            request.headers_mut().insert(name, text(&value));
        }
        request.headers_mut().insert(HOST, text(&axon.address.socket.to_string()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let answer = self.http.request(request).await.map_err(ExchangeError::Connection)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), bytes_max).collect().await;
        Ok((status, body.map_err(ExchangeError::Body)?.to_bytes()))
    }

    /// What a miner answers to a challenge. Nothing of it is checked but its form.
    pub async fn challenge(
        &self,
        axon: Axon,
        challenge: &SignedChallenge,
        timeout: Duration,
    ) -> Result<SignedAnswer, ExchangeError> {
        let (target, bytes_max) = (challenge::TARGET, challenge::ANSWER_BYTES_MAX);
        let asked = self.exchange(axon, Method::POST, target, challenge.encode(), bytes_max);
        let (status, bytes) =
            tokio::time::timeout(timeout, asked).await.map_err(|_| ExchangeError::Timeout)??;
        if !status.is_success() {
            return Err(ExchangeError::Status(status));
        }
        SignedAnswer::from_bytes(&bytes).map_err(ExchangeError::Answer)
    }
}

impl Fleet {
    fn axon_of(&self, miner: AccountId) -> Result<Axon, ExchangeError> {
        let view = self.shared.view.borrow();
        let entry = view.miners.get(&miner).ok_or(ExchangeError::NoAxon)?;
        Ok(Axon { hotkey: miner, address: entry.axon })
    }

    /// The fingerprint of this digest, from the miner whose receipt names it.
    pub async fn fingerprint(
        &self,
        miner: AccountId,
        digest: Digest,
        timeout: Duration,
    ) -> Result<Fingerprint, ExchangeError> {
        let axon = self.axon_of(miner)?;
        let target = format!("/fingerprints/{digest}");
        let asked =
            self.shared.client.exchange(axon, Method::GET, &target, Vec::new(), fingerprint::BYTES_MAX);
        let (status, bytes) =
            tokio::time::timeout(timeout, asked).await.map_err(|_| ExchangeError::Timeout)??;
        if !status.is_success() {
            return Err(ExchangeError::Status(status));
        }
        let found = Fingerprint::from_bytes(&bytes).map_err(ExchangeError::Unreadable)?;
        if found.digest() == digest { Ok(found) } else { Err(ExchangeError::OtherFingerprint) }
    }

    /// What a miner answers to a challenge. Nothing of it is checked but its form.
    pub async fn challenge(
        &self,
        challenge: &SignedChallenge,
        timeout: Duration,
    ) -> Result<SignedAnswer, ExchangeError> {
        let axon = self.axon_of(challenge.challenge.miner)?;
        self.shared.client.challenge(axon, challenge, timeout).await
    }

    /// Gives a miner its countersigned calls.
    pub async fn bring_copies<'c>(
        &self,
        miner: AccountId,
        calls: impl IntoIterator<Item = &'c Countersigned>,
        timeout: Duration,
    ) -> Result<(), ExchangeError> {
        let axon = self.axon_of(miner)?;
        let body = CopyList::of(calls).encode();
        let brought = self.shared.client.exchange(axon, Method::POST, "/countersigned", body, 64 << 10);
        let (status, _) =
            tokio::time::timeout(timeout, brought).await.map_err(|_| ExchangeError::Timeout)??;
        if status.is_success() { Ok(()) } else { Err(ExchangeError::Status(status)) }
    }
}
