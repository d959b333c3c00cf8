//! The result, as a table or as JSON.

use serde::Serialize;

use crate::load::{Cancelled, Latency, Relay};

#[derive(Default, Serialize)]
pub struct Report {
    pub rows: Vec<Row>,
    pub relay: Vec<Relay>,
    pub cancelled: Option<Cancelled>,
    /// Receipts in the ledger at the end: one for each of the gateway's calls.
    pub receipts: u64,
    /// Of its synced writes, one of which the end of each of the gateway's answers waits for; estimated from a histogram.
    pub write_p50_us: Option<u64>,
    pub write_p99_us: Option<u64>,
}

#[derive(Serialize)]
pub struct Row {
    path: &'static str,
    streamed: bool,
    rate: u32,
    #[serde(flatten)]
    latency: Latency,
    /// Beyond the same load straight to the miner.
    added_p50_us: i64,
    added_p99_us: i64,
}

impl Row {
    pub fn of(path: &'static str, streamed: bool, rate: u32, latency: Latency, floor: Latency) -> Self {
        let added = |through: u64, straight: u64| through as i64 - straight as i64;
        let added_p50_us = added(latency.p50_us, floor.p50_us);
        let added_p99_us = added(latency.p99_us, floor.p99_us);
        Self { path, streamed, rate, latency, added_p50_us, added_p99_us }
    }
}

impl Report {
    pub fn print(&self, json: bool) {
        if json {
            println!("{}", serde_json::to_string(self).unwrap());
            return;
        }
        if !self.rows.is_empty() {
            println!(
                "path     answers  requests/s  p50 us  p99 us  added p50 us  added p99 us  others  answered"
            );
        }
        for Row { path, streamed, rate, latency, added_p50_us, added_p99_us } in &self.rows {
            let Latency { p50_us, p99_us, answered, asked, others_percent } = latency;
            let others = others_percent.map_or_else(|| "?".to_owned(), |percent| format!("{percent} %"));
            let form = if *streamed { "streamed" } else { "whole" };
            println!(
                "{path:<8} {form:<8} {rate:>10} {p50_us:>7} {p99_us:>7} {added_p50_us:>13} {added_p99_us:>13} {others:>7}  {answered} of {asked}"
            );
        }
        for Relay { path, events_per_s, streams } in &self.relay {
            println!("{path:<8} {events_per_s} events/s over {streams} streams");
        }
        if let Some(Cancelled { p50_us, worst_us, left }) = self.cancelled {
            println!(
                "a miner has stopped {p50_us} us after its user left (the worst of {left}: {worst_us} us)"
            );
        }
        let [half, most] = [self.write_p50_us, self.write_p99_us].map(Option::unwrap_or_default);
        println!(
            "receipts in the ledger: {}; a synced write took {half} us (p50), {most} us (p99)",
            self.receipts
        );
    }
}
