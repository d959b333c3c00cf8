//! Counters of what the validator did, printed in Prometheus' text format. No hotkeys, addresses or keys in labels.
//!
//! Every metric stands in `docs/reference/metrics.md` and on the dashboard `packaging/grafana-validator.json`; a test compares.

mod challenges;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model_runtime::Durations;

use self::challenges::ChallengeCounts;
pub use self::challenges::{Asked, Came};

/// Something that is counted, with its metric name and label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// A call that was answered to its end.
    CallAnswered,
    /// A call refused before any miner was asked.
    CallRefused,
    /// A call that no miner answered.
    CallFailed,
    /// A call whose client went away.
    CallAbandoned,
    /// A miner asked.
    AttemptStarted,
    /// A miner that failed its attempt.
    AttemptFailed,
    /// A receipt stored as delivered.
    ReceiptDelivered,
    /// A receipt stored with another outcome.
    ReceiptUnpaid,
    /// Tokens read, by receipts.
    PromptTokens,
    /// Tokens written, by receipts.
    CompletionTokens,
    /// Weight vectors confirmed on chain.
    WeightsConfirmed,
}

const ALL: [(Count, &str, &str); 11] = [
    (Count::CallAnswered, "subnet_validator_calls_total", "outcome=\"answered\""),
    (Count::CallRefused, "subnet_validator_calls_total", "outcome=\"refused\""),
    (Count::CallFailed, "subnet_validator_calls_total", "outcome=\"failed\""),
    (Count::CallAbandoned, "subnet_validator_calls_total", "outcome=\"abandoned\""),
    (Count::AttemptStarted, "subnet_validator_attempts_total", "result=\"started\""),
    (Count::AttemptFailed, "subnet_validator_attempts_total", "result=\"failed\""),
    (Count::ReceiptDelivered, "subnet_validator_receipts_total", "outcome=\"delivered\""),
    (Count::ReceiptUnpaid, "subnet_validator_receipts_total", "outcome=\"unpaid\""),
    (Count::PromptTokens, "subnet_validator_tokens_total", "kind=\"prompt\""),
    (Count::CompletionTokens, "subnet_validator_tokens_total", "kind=\"completion\""),
    (Count::WeightsConfirmed, "subnet_validator_weights_total", "state=\"confirmed\""),
];

/// Something that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// A whole answer: from asking its miner to the stored receipt.
    Answer,
    /// A streamed answer: from asking its miner to the first chunk.
    FirstChunk,
}

const ALL_TIMED: [(Timed, &str); 2] = [
    (Timed::Answer, "subnet_validator_answer_seconds"),
    (Timed::FirstChunk, "subnet_validator_first_chunk_seconds"),
];

/// What the page shows beside the counters; read when it is made.
#[derive(Debug)]
pub struct Read<'page> {
    /// Single values.
    pub gauges: &'page [Gauge],
    /// How long the ledger's groups took from the beginning of their write to the end of their sync.
    pub ledger_writes: Durations,
}

/// A value read when the page is made.
#[derive(Debug, Clone, Copy)]
pub struct Gauge {
    /// Metric name.
    pub name: &'static str,
    /// Its value now.
    pub value: u64,
}

/// All counters.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: [AtomicU64; ALL.len()],
    challenges: ChallengeCounts,
    timed: [Mutex<Durations>; ALL_TIMED.len()],
}

impl Metrics {
    /// Counts one.
    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&self, what: Count, amount: u64) {
        if let Some(counter) = self.counts.get(what as usize) {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self, what: Count) -> u64 {
        self.counts.get(what as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Counts how long something took.
    pub fn took(&self, what: Timed, duration: Duration) {
        if let Some(timed) = self.timed.get(what as usize) {
            timed.lock().unwrap_or_else(PoisonError::into_inner).took(duration);
        }
    }

    /// Counts what came of a challenge.
    pub fn challenged(&self, asked: Asked, came: Came) {
        if let Some(counter) = self.challenges.slot(asked, came) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many challenges came to this so far.
    #[must_use]
    pub fn challenges(&self, asked: Asked, came: Came) -> u64 {
        self.challenges.slot(asked, came).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// The page.
    #[must_use]
    pub fn render(&self, read: &Read<'_>) -> String {
        let mut page = String::new();
        let mut named = "";
        for (count, name, label) in ALL {
            if name != named {
                let _ = writeln!(page, "# TYPE {name} counter");
                named = name;
            }
            let _ = writeln!(page, "{name}{{{label}}} {}", self.get(count));
        }
        let _ = writeln!(page, "# TYPE {} counter", challenges::NAME);
        self.challenges.render(&mut page);
        for Gauge { name, value } in read.gauges {
            let _ = writeln!(page, "# TYPE {name} gauge\n{name} {value}");
        }
        let timed = ALL_TIMED.iter().zip(&self.timed).map(|((_, name), durations)| {
            let durations = *durations.lock().unwrap_or_else(PoisonError::into_inner);
            (*name, durations)
        });
        for (name, durations) in timed.chain([("subnet_validator_ledger_write_seconds", read.ledger_writes)])
        {
            let _ = writeln!(page, "# TYPE {name} histogram");
            durations.render(&mut page, name, "");
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model_runtime::Durations;

    use super::{ALL, ALL_TIMED, Count, Gauge, Metrics, Read, Timed};

    #[test]
    fn every_counter_has_its_own_slot_and_line() {
        for (slot, (count, _, _)) in ALL.into_iter().enumerate() {
            assert_eq!(count as usize, slot);
        }
        let metrics = Metrics::default();
        metrics.add(Count::CompletionTokens, 7);
        let gauges = [Gauge { name: "subnet_validator_ledger_receipts", value: 3 }];
        let page = metrics.render(&Read { gauges: &gauges, ledger_writes: Durations::default() });
        assert!(page.contains("subnet_validator_tokens_total{kind=\"completion\"} 7\n"));
        assert!(page.contains("\nsubnet_validator_ledger_receipts 3\n"));
        let other = ["#", "subnet_validator_challenges", "_seconds_"];
        let lines = page.lines().filter(|line| !other.iter().any(|other| line.contains(other)));
        assert_eq!(lines.count(), ALL.len() + 1);
    }

    #[test]
    fn every_timed_thing_has_its_own_histogram() {
        for (slot, (timed, _)) in ALL_TIMED.into_iter().enumerate() {
            assert_eq!(timed as usize, slot);
        }
        let metrics = Metrics::default();
        metrics.took(Timed::FirstChunk, Duration::from_millis(3));
        let mut ledger_writes = Durations::default();
        ledger_writes.took(Duration::from_micros(300));
        let page = metrics.render(&Read { gauges: &[], ledger_writes });
        for line in [
            "# TYPE subnet_validator_first_chunk_seconds histogram",
            "subnet_validator_first_chunk_seconds_bucket{le=\"0.0025\"} 0",
            "subnet_validator_first_chunk_seconds_bucket{le=\"0.005\"} 1",
            "subnet_validator_answer_seconds_count 0",
            "subnet_validator_ledger_write_seconds_sum 0.000300",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
