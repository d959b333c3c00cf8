//! Settings of the challenges.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

/// What this validator checks by doing it again, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChallengesConfig {
    /// Models that this validator can run itself: name = "path". Only their calls are executed again.
    pub models: BTreeMap<ModelId, PathBuf>,
    /// Own requests sent in an hour for each of these models, at random times; none for 0.
    pub probes_per_hour: u32,
    /// Users' calls of these models that are executed again, of ten thousand.
    pub samples_bps: u16,
    /// Calls that may wait to be executed again; more are not looked at.
    pub queue_calls_max: NonZeroUsize,
    /// Tokens of the words that a probe asks with, at most.
    pub probe_prompt_tokens_max: u32,
    /// Tokens of a probe's answer at most.
    pub probe_tokens_max: u32,
    /// Threads that execute again.
    pub threads: NonZeroUsize,
    /// Longest wait for a miner's fingerprint, or for it to take its copies, in milliseconds.
    pub exchange_timeout_ms: u64,
    /// Time that countersigned copies may wait to go to their miner together, in milliseconds.
    pub copies_interval_ms: u64,
    /// Copies that may wait for one miner; the oldest are given up past it.
    pub copies_waiting_max: NonZeroUsize,
}

impl Default for ChallengesConfig {
    fn default() -> Self {
        const QUEUE: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const COPIES: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
        Self {
            models: BTreeMap::new(),
            probes_per_hour: 12,
            samples_bps: 100,
            queue_calls_max: QUEUE,
            probe_prompt_tokens_max: 48,
            probe_tokens_max: 96,
            threads: NonZeroUsize::MIN,
            exchange_timeout_ms: 5_000,
            copies_interval_ms: 2_000,
            copies_waiting_max: COPIES,
        }
    }
}
