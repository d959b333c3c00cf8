//! Every limit of the axon, with its unit.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rate_limit::Rate;

/// What one client, and all of them together, may cost this miner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections open at once. Default 1024.
    pub connections_max: NonZeroUsize,
    /// Connections open at once from one address (IPv6: one /64 network). Default 256.
    pub connections_per_address_max: NonZeroU32,
    /// Request line and header fields together, in bytes; at least 8192. Default 16384.
    pub head_bytes_max: NonZeroUsize,
    /// Header fields of a request. Default 100.
    pub head_fields_max: NonZeroUsize,
    /// Time for a request's head to arrive, and for an idle connection to send the next one, in milliseconds. Default 6000.
    pub head_ms_max: NonZeroU32,
    /// Time for a request's body to arrive after its head, in milliseconds. Default 6000.
    pub body_ms_max: NonZeroU32,
    /// A request's body, in bytes. Default 1 MiB.
    pub body_bytes_max: NonZeroU32,
    /// All request bodies held at once, in bytes. Default 64 MiB.
    pub bodies_bytes_max: NonZeroU32,
    /// Requests from one address, before anything is verified. Default 200 per second, 400 at once.
    pub per_address: Rate,
    /// Requests from one verified hotkey. Default 100 per second, 200 at once.
    pub per_hotkey: Rate,
    /// Answers in the making at once for one model, which takes no more than it computes together. Default 16.
    pub answers_max: NonZeroU16,
    /// The same for one hotkey. Default 16.
    pub answers_per_hotkey_max: NonZeroU16,
    /// Requests that may wait for a place at a model, shared by the callers' stake; 0 lets none wait. Default 32.
    pub answers_waiting_max: u16,
    /// Time that a request may wait, in milliseconds; then it gets 429 and a time to come back. Default 10000.
    pub answer_wait_ms_max: u64,
    /// Time for one answer, in milliseconds, whatever the ticket's deadline. Default 300000.
    pub answer_ms_max: NonZeroU32,
    /// Longest silence in a stream, in milliseconds; then a comment says that the answer is still in the making. Default 10000.
    pub silence_ms_max: NonZeroU32,
    /// Chunks written ahead of a slow reader. Default 64.
    pub chunks_waiting_max: NonZeroUsize,
    /// How old a signed request may be, in milliseconds. Default 10000.
    pub signature_age_ms_max: u64,
    /// How far ahead of our clock a signed request may be, in milliseconds. Default 2000.
    pub signature_ahead_ms_max: u64,
    /// How long a used nonce is remembered, in milliseconds; at least twice the two limits above. Default 60000.
    pub nonce_retention_ms: u64,
    /// Nonces remembered at once; beyond that requests are refused with 503. Default 262144.
    pub nonces_max: NonZeroUsize,
    /// Time for answers in the making to finish when the miner stops, in milliseconds. Default 10000.
    pub drain_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: size(1024),
            connections_per_address_max: number(256),
            head_bytes_max: size(16_384),
            head_fields_max: size(100),
            head_ms_max: number(6_000),
            body_ms_max: number(6_000),
            body_bytes_max: number(1 << 20),
            bodies_bytes_max: number(64 << 20),
            per_address: Rate { per_s: number(200), burst: number(400) },
            per_hotkey: Rate { per_s: number(100), burst: number(200) },
            answers_max: short(16),
            answers_per_hotkey_max: short(16),
            answers_waiting_max: 32,
            answer_wait_ms_max: 10_000,
            answer_ms_max: number(300_000),
            silence_ms_max: number(10_000),
            chunks_waiting_max: size(64),
            signature_age_ms_max: 10_000,
            signature_ahead_ms_max: 2_000,
            nonce_retention_ms: 60_000,
            nonces_max: size(262_144),
            drain_ms_max: 10_000,
        }
    }
}

impl Limits {
    /// The time for one answer.
    pub(super) fn answer_time_max(&self) -> Duration {
        Duration::from_millis(self.answer_ms_max.get().into())
    }
}

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).expect("a literal above zero")
}

fn short(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).expect("a literal above zero")
}

fn size(value: usize) -> NonZeroUsize {
    NonZeroUsize::new(value).expect("a literal above zero")
}
