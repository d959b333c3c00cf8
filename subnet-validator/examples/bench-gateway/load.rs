//! The loads: requests at a steady rate, streams read as fast as they come, users who leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::machine::Times;
use crate::miner::Miner;
use crate::target::{PATIENCE, Target};

/// Calls open at once; past them a call is not sent and counts as unanswered. Each takes four file descriptors.
const OPEN_MAX: usize = 1_024;
/// How long calls may take to end after the last was sent.
const TAIL: Duration = Duration::from_secs(3);
/// Calls that warm up connections and code before it counts.
const WARM_UP: usize = 64;
/// How long a target may take to recover from the load before, and what counts as recovered.
const SETTLE: Duration = Duration::from_secs(30);
const AT_ONCE: Duration = Duration::from_millis(250);
/// Streams read at once.
const STREAMS: usize = 16;

/// Latencies of one measurement, in microseconds.
#[derive(Clone, Copy, Serialize)]
pub struct Latency {
    pub p50_us: u64,
    pub p99_us: u64,
    /// Answers with status 200, of those asked for.
    pub answered: usize,
    pub asked: usize,
    /// Percent of the machine's processor time that other programs used meanwhile.
    pub others_percent: Option<u64>,
}

#[derive(Serialize)]
pub struct Relay {
    pub path: &'static str,
    pub events_per_s: u64,
    pub streams: usize,
}

/// From a client's disconnect to the miner's last word.
#[derive(Clone, Copy, Serialize)]
pub struct Cancelled {
    pub p50_us: u64,
    pub worst_us: u64,
    pub left: usize,
}

/// Waits until what an earlier load left behind is done: calls are answered at once again. Who stays slow is measured as it is.
async fn settle(target: &Target, streamed: bool) {
    let end = Instant::now() + SETTLE;
    while Instant::now() < end {
        let asked = Instant::now();
        if target.ask(streamed).await.0 && asked.elapsed() < AT_ONCE {
            return;
        }
    }
}

/// Asks at a steady rate, whether or not the answers keep up. A call's time counts from when it was due, so that whoever falls behind
/// cannot hide it.
pub async fn steady(target: &Target, streamed: bool, rate: u32, seconds: u32) -> Latency {
    settle(target, streamed).await;
    let warm = (0..WARM_UP).map(|_| target.ask(streamed));
    futures::future::join_all(warm).await;
    let asked = rate as usize * seconds as usize;
    let before = Times::now();
    let (ended, mut times) = mpsc::unbounded_channel();
    let open = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Handle::current();
    let sent_to = target.clone();
    // A thread of its own: the runtime's timer has ticks of a millisecond.
    let pace = std::thread::spawn(move || {
        let start = Instant::now() + Duration::from_millis(20);
        for number in 0..asked {
            let due = start + Duration::from_secs_f64(number as f64 / f64::from(rate));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if open.load(Ordering::Relaxed) >= OPEN_MAX {
                continue;
            }
            open.fetch_add(1, Ordering::Relaxed);
            let (target, open, ended) = (sent_to.clone(), Arc::clone(&open), ended.clone());
            runtime.spawn(async move {
                let (ok, _) = target.ask(streamed).await;
                let latency = due.elapsed();
                open.fetch_sub(1, Ordering::Relaxed);
                // After the tail nobody counts any more.
                let _ = ended.send(ok.then_some(latency));
            });
        }
    });
    let mut latencies = Vec::with_capacity(asked);
    let limit = tokio::time::Instant::now() + Duration::from_secs(seconds.into()) + TAIL;
    // The channel closes with the last call.
    while let Ok(Some(time)) = tokio::time::timeout_at(limit, times.recv()).await {
        latencies.extend(time.map(|time| u64::try_from(time.as_micros()).unwrap()));
    }
    pace.join().unwrap();
    let others_percent = before.zip(Times::now()).map(|(then, now)| now.others_percent_since(then));
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let last = latencies.len().saturating_sub(1);
        latencies.get(last * percent / 100).copied().unwrap_or(0)
    };
    Latency {
        p50_us: percentile(50),
        p99_us: percentile(99),
        answered: latencies.len(),
        asked,
        others_percent,
    }
}

/// Events that arrive each second over streams that are read as fast as they come.
pub async fn relay(target: &Target, seconds: u32) -> Relay {
    settle(target, true).await;
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds.into());
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..STREAMS {
        let target = target.clone();
        readers.spawn(async move {
            let mut events = 0;
            while Instant::now() < end {
                events += target.ask(true).await.1;
            }
            events
        });
    }
    let events: usize = readers.join_all().await.into_iter().sum();
    let events_per_s = (events as f64 / started.elapsed().as_secs_f64()) as u64;
    Relay { path: target.path, events_per_s, streams: STREAMS }
}

/// Clients that leave in the middle of an answer without end, one after the other.
pub async fn leave(target: &Target, miner: &Miner, left: usize) -> Result<Cancelled, String> {
    let mut waits = Vec::with_capacity(left);
    for _ in 0..left {
        let mut answer = target.begin_endless().await?;
        let first = tokio::time::timeout(PATIENCE, answer.frame()).await;
        first
            .ok()
            .flatten()
            .and_then(Result::ok)
            .ok_or("an endless answer broke off before its first event")?;
        let gone = Instant::now();
        drop(answer);
        let stopped = tokio::time::timeout(PATIENCE, miner.stopped()).await;
        stopped.map_err(|_| "the miner went on although nobody reads any more".to_owned())?;
        waits.push(u64::try_from(gone.elapsed().as_micros()).unwrap());
    }
    waits.sort_unstable();
    let worst_us = waits.last().copied().unwrap_or(0);
    Ok(Cancelled { p50_us: waits.get(left / 2).copied().unwrap_or(0), worst_us, left })
}
