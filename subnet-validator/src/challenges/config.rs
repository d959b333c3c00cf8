//! Settings of the challenges.

use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use protocol::challenge::ProductTask;
use protocol::challenge::product::{
    COLUMNS_MAX, INNER_MAX, RIGHT_VALUES_MAX, ROWS_MAX, SHOWN_MAX, SHOWN_VALUES_MAX,
};
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
    /// Tokens of the words that a probe asks with, all of its messages together, about. This validator's own model writes them.
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
    /// How often in an hour each miner is asked for pieces of each weight file that it should have, at random times; never for 0. Only
    /// files whose root the catalogue names.
    pub weight_challenges_per_hour: u32,
    /// Pieces of 64 KiB in one such answer, at most 16.
    pub weight_pieces: NonZeroU8,
    /// Time for such an answer, in milliseconds.
    pub weight_answer_ms_max: NonZeroU32,
    /// How often in a day each miner whose device has a band below is asked for a product, at random times; never for 0.
    pub product_challenges_per_day: u32,
    /// What devices can do. Of several that fit a device the first counts; a device that none fits is not asked.
    pub devices: Vec<DeviceBand>,
}

/// What one kind of device computes, and in which time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceBand {
    /// A part of the device's name as inventories have it; letters may be large or small.
    pub name: String,
    /// How much of the memory that the miner declares the product takes, in thousandths.
    pub memory_milli: u16,
    /// Columns of the product; its rows follow from the memory.
    #[serde(default = "columns")]
    pub columns: NonZeroU32,
    /// Length of the sums: the work grows with it, and the memory does not.
    #[serde(default = "inner")]
    pub inner: NonZeroU32,
    /// Time for the answer, in milliseconds.
    pub answer_ms_max: NonZeroU32,
}

fn columns() -> NonZeroU32 {
    const { NonZeroU32::new(8_192).expect("not zero") }
}

fn inner() -> NonZeroU32 {
    const { NonZeroU32::new(1_024).expect("not zero") }
}

impl DeviceBand {
    /// Whether it is for a device of this name.
    #[must_use]
    pub fn is_of(&self, device: &str) -> bool {
        device.to_lowercase().contains(&self.name.to_lowercase())
    }

    /// The product for a device that declares so much memory; `None` if that is not enough for a row.
    #[must_use]
    pub fn task(&self, memory_bytes: u64) -> Option<ProductTask> {
        let columns = self.columns.get().min(COLUMNS_MAX);
        let bytes = memory_bytes / 1_000 * u64::from(self.memory_milli);
        let rows = u32::try_from(bytes / 4 / u64::from(columns)).unwrap_or(u32::MAX).min(ROWS_MAX);
        let shown = u8::try_from(SHOWN_VALUES_MAX / columns).unwrap_or(u8::MAX).min(SHOWN_MAX);
        let inner = self.inner.get().min(INNER_MAX).min(RIGHT_VALUES_MAX / columns);
        (rows > 0).then_some(ProductTask { rows, inner, columns, shown })
    }
}

impl Default for ChallengesConfig {
    fn default() -> Self {
        const QUEUE: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
        const COPIES: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
        const PIECES: NonZeroU8 = NonZeroU8::new(4).expect("not zero");
        const ANSWER_MS: NonZeroU32 = NonZeroU32::new(30_000).expect("not zero");
        Self {
            models: BTreeMap::new(),
            probes_per_hour: 12,
            samples_bps: 100,
            queue_calls_max: QUEUE,
            probe_prompt_tokens_max: 256,
            probe_tokens_max: 96,
            threads: NonZeroUsize::MIN,
            exchange_timeout_ms: 5_000,
            copies_interval_ms: 2_000,
            copies_waiting_max: COPIES,
            weight_challenges_per_hour: 1,
            weight_pieces: PIECES,
            weight_answer_ms_max: ANSWER_MS,
            product_challenges_per_day: 4,
            devices: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_takes_its_share_of_the_declared_memory_and_shows_as_many_rows_as_an_answer_holds() {
        let answer_ms_max = NonZeroU32::new(1).unwrap();
        let band = DeviceBand {
            name: "h100".to_owned(),
            memory_milli: 100,
            columns: columns(),
            inner: inner(),
            answer_ms_max,
        };
        assert!(band.is_of("NVIDIA H100 80GB HBM3, cpu: x") && !band.is_of("cpu: x"));
        let task = band.task(80_000_000_000).unwrap();
        assert_eq!(task, ProductTask { rows: 244_140, inner: 1_024, columns: 8_192, shown: 32 });
        assert!((7_990_000_000..=8_300_000_000).contains(&task.bytes()), "{}", task.bytes());
        assert_eq!(band.task(1_000), None);
    }
}
