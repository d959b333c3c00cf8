//! How an engine is doing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::scheduler::Counts;

/// A snapshot; counters run from when the model was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Requests that run now.
    pub running: usize,
    /// Requests that wait now.
    pub waiting: usize,
    /// Forward passes.
    pub passes: u64,
    /// Sequences in all passes together: by `passes`, the mean batch.
    pub sequences_in_passes: u64,
    /// Sequences in the largest pass.
    pub batch_max: usize,
    /// The scheduler's counters: tokens computed, found in the cache, guessed.
    pub counts: Counts,
    /// Requests that got a first token, and how long they waited for it together, in microseconds.
    pub first_tokens: u64,
    /// See above.
    pub first_token_us_total: u64,
    /// Tokens after a first one, and how long after the ones before they came, in microseconds.
    pub next_tokens: u64,
    /// See above.
    pub next_token_us_total: u64,
}

/// Where an engine writes and others read.
#[derive(Debug, Default)]
pub(crate) struct MetricsBoard(Mutex<Metrics>);

impl MetricsBoard {
    pub(crate) fn read(&self) -> Metrics {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn scheduled(&self, (running, waiting): (usize, usize), counts: Counts, batch: usize) {
        self.change(|metrics| {
            (metrics.running, metrics.waiting, metrics.counts) = (running, waiting, counts);
            metrics.passes += u64::from(batch > 0);
            metrics.sequences_in_passes += batch as u64;
            metrics.batch_max = metrics.batch_max.max(batch);
        });
    }

    pub(super) fn first_token(&self, after: Duration) {
        self.change(|metrics| {
            metrics.first_tokens += 1;
            metrics.first_token_us_total += micros(after);
        });
    }

    pub(super) fn next_token(&self, after: Duration) {
        self.change(|metrics| {
            metrics.next_tokens += 1;
            metrics.next_token_us_total += micros(after);
        });
    }

    fn change(&self, change: impl FnOnce(&mut Metrics)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
