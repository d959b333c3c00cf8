//! Several gateways of one validator: the private exchange between them.
//!
//! ```text
//! head gateway (shard 0)                         gateway of shard n
//! collect: POST /shards/v1/head  ==signed==>  door: cut its head, add up its window
//!    ledger: head, sums, evidence  <==signed==   head, sums, evidence
//! papers:  GET /audit/v1/shards/n/...  -->    what its bundle needs, as files
//! ```
//!
//! The gateway of a shard serves a *door* at a private address. Only the validator's own hotkey is let in (`btauth/1`, each request
//! once), and its answer is signed together with the request, so that neither side believes anybody else. The head gateway asks
//! before it cuts a tempo's head ([`collect`]); who has not answered by `give_up_percent` of the tempo is named as it was. What the
//! bundle needs of a shard is fetched afterwards ([`papers`]), as plain files: their digests are in a manifest that the validator signed.
//!
//! Only the head gateway checks other validators, commits, publishes the catalogue, pays bounties and sets weights. All gateways serve
//! users, challenge miners and keep receipts.
//!
//! Deliberately absent: TLS at the door (put it into a private network), shared accounts, quotas and usage, and a page of the stakers'
//! side that sums up all gateways: each shows its own log.

pub mod collect;
pub mod config;
pub mod door;
pub mod papers;

use parity_scale_codec::{Decode, DecodeAll, Encode, Error, Input};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::evidence::SignedEvidence;
use protocol::head::shards::SignedShardHead;
use protocol::scoring::Sums;
use protocol::signing::{self, BadSignature, Domain, Keypair, Signature};
use serde::{Deserialize, Serialize};

pub use self::config::{Peer, ShardsConfig};

/// Where the door is.
pub const TARGET: &str = "/shards/v1/head";

/// The header with the signature over request and answer.
pub const SIGNATURE: &str = "x-subnet-shard-signature";

/// What the head gateway asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ask {
    /// The shard that is meant.
    pub shard: u8,
    /// The tempo.
    pub epoch_index: u64,
    /// Where its window ends, by the chain's time.
    pub window_end_ms: u64,
    /// Hash of the policy document: both gateways must score by the same rules.
    pub policy: Digest,
    /// Hash of the secret that payers are hashed with: both gateways must name a payer alike.
    pub payer_salt: Digest,
}

/// What a gateway answers.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct Answer {
    /// The head of its shard.
    pub head: SignedShardHead,
    /// What the window of that head adds up to.
    pub sums: Sums,
    /// Evidence against miners about what happened in the window.
    pub evidence: Vec<SignedEvidence>,
}

impl Decode for Answer {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Self {
            head: Decode::decode(input)?,
            sums: Decode::decode(input)?,
            evidence: Decode::decode(input)?,
        })
    }
}

impl Answer {
    /// Reads one whole answer. Its length was limited when it was received.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::decode_all(&mut &*bytes).ok()
    }
}

/// Names the secret that payers are hashed with.
#[must_use]
pub fn salt_hash(salt: &[u8; 32]) -> Digest {
    Digest::of(&[b"SN_PAYER_SALT_V1\0".as_slice(), salt].concat())
}

/// Signs an answer to a request.
fn sign_answer(hotkey: &Keypair, request: &[u8], answer: &[u8]) -> Signature {
    hotkey.sign(Domain::ShardAnswer, &signed_bytes(request, answer))
}

/// Checks that an answer is the validator's own, to this request.
fn verify_answer(
    validator: &AccountId,
    request: &[u8],
    answer: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    signing::verify(Domain::ShardAnswer, validator, &signed_bytes(request, answer), signature)
}

fn signed_bytes(request: &[u8], answer: &[u8]) -> Vec<u8> {
    (Digest::of(request), Digest::of(answer)).encode()
}
