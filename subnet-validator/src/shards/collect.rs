//! The head gateway asks the others before it cuts a tempo's head.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::InvalidUri;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use protocol::btauth::{self, RequestParts};
use protocol::digest::Digest;
use protocol::evidence::{EvidenceError, SignedEvidence};
use protocol::replay::Rules;
use protocol::signing::{BadSignature, Keypair, Signature};

use super::{Answer, Ask, Peer, SIGNATURE, ShardsConfig, TARGET, salt_hash, verify_answer};
use crate::audit::verdict::with_causes;
use crate::clock::Clock;
use crate::ledger::shards::ShardSums;
use crate::ledger::{AppendError, Ledger, ReadError};

/// More than any words of a refusal have.
const WORDS_BYTES_MAX: usize = 4_096;

/// What a collector needs.
pub struct CollectorParts {
    /// Settings, with the other gateways.
    pub config: ShardsConfig,
    /// The validator's.
    pub hotkey: Keypair,
    /// What is scored by.
    pub rules: Arc<Rules>,
    /// Where the answers are kept.
    pub ledger: Ledger,
    /// What payers are hashed with.
    pub payer_salt: [u8; 32],
    /// The clock.
    pub clock: Arc<Clock>,
}

/// Asks the other gateways, each until it has answered for the tempo.
pub struct Collector {
    parts: CollectorParts,
    http: Client<HttpConnector, Full<Bytes>>,
    /// The tempo, and the shards that have answered for it.
    answered: (u64, BTreeSet<u8>),
}

/// A gateway's answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The address is none.
    #[error("{0:?} is no address")]
    Address(String, #[source] InvalidUri),
    /// The request cannot be written.
    #[error("the request cannot be written")]
    Request,
    /// It cannot be reached.
    #[error("it cannot be reached")]
    Connection(#[source] hyper_util::client::legacy::Error),
    /// It took too long.
    #[error("it did not answer within {0} ms")]
    Silent(u64),
    /// It refused.
    #[error("it answered {status}: {words}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its words.
        words: String,
    },
    /// The answer broke off, or is longer than it may be.
    #[error("its answer broke off, or has more than {0} bytes")]
    Body(usize),
    /// The answer is not signed.
    #[error("its answer is not signed by this validator")]
    Signature,
    /// The signature is another's.
    #[error("checking its answer")]
    BadSignature(#[source] BadSignature),
    /// The answer is none.
    #[error("its answer does not decode: both gateways must run the same version")]
    Form,
    /// The answer is about something else.
    #[error("its answer is of shard {shard} and epoch {epoch_index}")]
    Other {
        /// The shard it names.
        shard: u8,
        /// The tempo it names.
        epoch_index: u64,
    },
    /// Evidence in it is none.
    #[error("checking its evidence")]
    Evidence(#[source] EvidenceError),
    /// What was kept of it before cannot be read.
    #[error("cannot read what is kept of it")]
    Read(#[from] ReadError),
    /// The ledger did not take it.
    #[error("cannot keep its answer")]
    Keep(#[from] AppendError),
}

impl Collector {
    /// A collector that has asked nobody yet.
    #[must_use]
    pub fn new(parts: CollectorParts) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_millis(parts.config.answer_timeout_ms)));
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Self { parts, http, answered: (0, BTreeSet::new()) }
    }

    /// Share of the tempo after which a head is cut without those that have not answered, in percent.
    #[must_use]
    pub fn give_up_percent(&self) -> u8 {
        self.parts.config.give_up_percent
    }

    /// Asks those that have not answered for this tempo, all at once, and keeps what they say. Answers the shards still missing.
    pub async fn collect(&mut self, epoch_index: u64, window_end_ms: u64) -> Vec<u8> {
        if self.answered.0 != epoch_index {
            self.answered = (epoch_index, BTreeSet::new());
        }
        let peers = &self.parts.config.peers;
        let missing: Vec<Peer> =
            peers.iter().filter(|peer| !self.answered.1.contains(&peer.shard)).cloned().collect();
        let asked = join_all(missing.iter().map(|peer| self.ask(peer, epoch_index, window_end_ms))).await;
        let mut still = Vec::new();
        for (peer, outcome) in missing.iter().zip(asked) {
            match outcome {
                Ok(()) => {
                    self.answered.1.insert(peer.shard);
                }
                Err(error) => {
                    let (shard, error) = (peer.shard, with_causes(&error));
                    tracing::warn!(shard, epoch_index, error, "a gateway has not said how far its log is");
                    still.push(shard);
                }
            }
        }
        still
    }

    async fn ask(&self, peer: &Peer, epoch_index: u64, window_end_ms: u64) -> Result<(), CollectError> {
        let CollectorParts { config, rules, ledger, payer_salt, .. } = &self.parts;
        let ask = Ask {
            shard: peer.shard,
            epoch_index,
            window_end_ms,
            policy: rules.document().hash(),
            payer_salt: salt_hash(payer_salt),
        };
        let limit = Duration::from_millis(config.answer_timeout_ms);
        let answer = tokio::time::timeout(limit, self.send(peer, &ask)).await;
        let Answer { head, sums, evidence } =
            answer.map_err(|_| CollectError::Silent(config.answer_timeout_ms))??;
        for found in evidence {
            let found = SignedEvidence::verify(found).map_err(CollectError::Evidence)?;
            ledger.put_evidence(found).await?;
        }
        Ok(ledger.put_sums(ShardSums { head, sums }).await?)
    }

    async fn send(&self, peer: &Peer, ask: &Ask) -> Result<Answer, CollectError> {
        let CollectorParts { config, hotkey, clock, ledger, .. } = &self.parts;
        let body = Bytes::from(serde_json::to_vec(ask).map_err(|_| CollectError::Request)?);
        let uri = format!("{}{TARGET}", peer.url.trim_end_matches('/'));
        let uri: Uri = uri.parse().map_err(|source| CollectError::Address(uri.clone(), source))?;
        let host = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = Request::post(uri).header(HOST, host).header(CONTENT_TYPE, "application/json");
        let parts = RequestParts { method: "POST", target: TARGET, body_sha256: Digest::of(&body) };
        for (name, value) in btauth::sign(hotkey, &parts, &hotkey.public(), clock.nonce_ns()) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body.clone())).map_err(|_| CollectError::Request)?;
        let answer = self.http.request(request).await.map_err(CollectError::Connection)?;
        let (head, answer) = answer.into_parts();
        let bytes_max = if head.status.is_success() { config.answer_bytes_max } else { WORDS_BYTES_MAX };
        let answer = Limited::new(answer, bytes_max).collect().await;
        let answer = answer.map_err(|_| CollectError::Body(bytes_max))?.to_bytes();
        if !head.status.is_success() {
            let words = String::from_utf8_lossy(&answer).into_owned();
            return Err(CollectError::Refused { status: head.status, words });
        }
        let signature =
            head.headers.get(SIGNATURE).and_then(parse_signature).ok_or(CollectError::Signature)?;
        verify_answer(&hotkey.public(), &body, &answer, &signature).map_err(CollectError::BadSignature)?;
        let answer = Answer::from_bytes(&answer).ok_or(CollectError::Form)?;
        let valid = answer.head.clone().verify().map_err(CollectError::BadSignature)?;
        let (owner, window) = (ledger.owner(), valid.window_start_ms..valid.window_end_ms);
        let fits = (valid.validator, valid.netuid) == (owner.validator, owner.netuid)
            && (valid.shard, valid.epoch_index) == (ask.shard, ask.epoch_index)
            && (answer.sums.window_start_ms..answer.sums.window_end_ms) == window
            && valid.window_end_ms <= ask.window_end_ms;
        if !fits {
            return Err(CollectError::Other { shard: valid.shard, epoch_index: valid.epoch_index });
        }
        Ok(answer)
    }
}

fn parse_signature(value: &HeaderValue) -> Option<Signature> {
    value.to_str().ok()?.parse().ok()
}
