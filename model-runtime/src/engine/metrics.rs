//! How an engine is doing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::durations::Durations;
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
    /// From a request's submission to its first token.
    pub first_token: Durations,
    /// From a token to the next.
    pub next_token: Durations,
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
        self.change(|metrics| metrics.first_token.took(after));
    }

    pub(super) fn next_token(&self, after: Duration) {
        self.change(|metrics| metrics.next_token.took(after));
    }

    fn change(&self, change: impl FnOnce(&mut Metrics)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
