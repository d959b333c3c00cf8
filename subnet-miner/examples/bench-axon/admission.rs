//! Admission without a wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::cast::Cast;
use crate::cpu::Cpu;
use crate::floor::Floor;
use crate::host::{Host, Limited};
use crate::machine::Times;

/// Requests under way at a time, for each thread.
const UNDER_WAY: usize = 32;

#[derive(Serialize)]
pub struct Admission {
    pub what: &'static str,
    pub threads: usize,
    pub requests_per_s: f64,
    pub cpu_us_each: f64,
    /// Its signatures of what those threads verify one by one, in percent.
    pub floor_percent: f64,
    pub others_percent: Option<u64>,
}

/// With one forged request beside so many good ones, signatures are checked one by one.
const GOOD_FOR_EACH_FORGED: usize = 64;

pub fn measure(threads: usize, requests: usize, forged: bool, floor: &Floor) -> Admission {
    let host = Host::start(threads, Limited::No);
    let bad = Arc::new(host.cast.forged());
    let asked = host.cast.sign_all(requests, Cast::chat);
    let asked: Arc<Vec<_>> = Arc::new(asked.into_iter().map(|asked| (asked.parts(), asked.body)).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let (others, before, started) = (Times::now(), Cpu::now(), Instant::now());
    host.runtime.block_on(async {
        let mut under_way = tokio::task::JoinSet::new();
        for _ in 0..threads * UNDER_WAY {
            let (asked, next, gate) = (Arc::clone(&asked), Arc::clone(&next), host.gate.clone());
            let bad = Arc::clone(&bad);
            under_way.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((parts, body)) = asked.get(number) else { return };
                    if forged && number.is_multiple_of(GOOD_FOR_EACH_FORGED) {
                        assert!(gate.admit(&bad.parts(), &bad.body).await.is_err());
                    }
                    gate.admit(parts, body).await.unwrap();
                }
            });
        }
        under_way.join_all().await;
    });
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), Cpu::now().since(before));
    let requests_per_s = requests as f64 / seconds;
    let verified_per_s = if threads == 1 { floor.one } else { floor.all };
    Admission {
        what: if forged { "one in 65 forged" } else { "all good" },
        threads,
        requests_per_s,
        cpu_us_each: cpu.axon.as_secs_f64() * 1e6 / requests as f64,
        floor_percent: 200.0 * requests_per_s / verified_per_s,
        others_percent: others.zip(Times::now()).map(|(then, now)| now.others_percent_since(then)),
    }
}
