//! Admission over loopback connections that are kept alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::cast::{Asked, Make};
use crate::cpu::Cpu;
use crate::floor::Floor;
use crate::host::{Host, Limited};
use crate::machine::Times;
use crate::wire::{self, Wire, percentile};

pub struct Run {
    pub what: &'static str,
    pub make: Make,
    /// Of the answer to a request that was admitted.
    pub status: u16,
    pub requests: usize,
    pub connections: usize,
}

#[derive(Serialize)]
pub struct Http {
    pub what: &'static str,
    pub connections: usize,
    pub requests_per_s: f64,
    pub p50_us: u64,
    pub p99_us: u64,
    /// Processor time of the axon and of the load for each request.
    pub axon_us_each: f64,
    pub load_us_each: f64,
    /// Its signatures of what those threads verify one by one, in percent.
    pub floor_percent: f64,
    pub others_percent: Option<u64>,
}

impl Run {
    pub fn measure(self, threads: usize, floor: &Floor) -> Http {
        let host = Host::start(threads, Limited::No);
        let asked = host.cast.sign_all(self.requests, self.make);
        let asked: Arc<Vec<_>> = Arc::new(asked.iter().map(Asked::bytes).collect());
        let (next, load) = (Arc::new(AtomicUsize::new(0)), wire::runtime());
        let (others, before, started) = (Times::now(), Cpu::now(), Instant::now());
        let mut times = load.block_on(async {
            let mut connections = tokio::task::JoinSet::new();
            for _ in 0..self.connections {
                let (asked, next) = (Arc::clone(&asked), Arc::clone(&next));
                let (mut wire, expected) = (Wire::new(wire::address(2), host.address), self.status);
                connections.spawn(async move {
                    let mut times = Vec::new();
                    while let Some(request) = asked.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let sent = Instant::now();
                        let status = wire.ask(request).await;
                        assert_eq!(status, Some(expected), "a good request was refused");
                        times.push(u64::try_from(sent.elapsed().as_micros()).unwrap());
                    }
                    times
                });
            }
            connections.join_all().await.concat()
        });
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), Cpu::now().since(before));
        times.sort_unstable();
        let (requests, requests_per_s) = (self.requests as f64, self.requests as f64 / seconds);
        Http {
            what: self.what,
            connections: self.connections,
            requests_per_s,
            p50_us: percentile(&times, 50),
            p99_us: percentile(&times, 99),
            axon_us_each: cpu.axon.as_secs_f64() * 1e6 / requests,
            load_us_each: cpu.load.as_secs_f64() * 1e6 / requests,
            floor_percent: 200.0 * requests_per_s / floor.all,
            others_percent: others.zip(Times::now()).map(|(then, now)| now.others_percent_since(then)),
        }
    }
}
