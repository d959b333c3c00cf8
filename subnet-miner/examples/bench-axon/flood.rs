//! Invalid requests at a steady rate from one address, and a good caller at another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use protocol::openai::Endpoint;
use protocol::signing::Keypair;
use serde::Serialize;

use crate::cast::{Asked, Cast};
use crate::cpu::Cpu;
use crate::host::Host;
use crate::machine::Times;
use crate::wire::{self, Wire, percentile};

/// Connections of the flood; an address may hold 256.
const CONNECTIONS: u32 = 100;
/// The good caller's requests: one each 20 ms, which its limits allow.
const GOOD_EACH: Duration = Duration::from_millis(20);
/// Requests of one kind that are signed ahead and sent in turn.
const VARIETY: usize = 512;
/// How long requests signed once look new: then others are signed.
const FRESH: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No flood: what the good caller waits for on an idle machine.
    None,
    /// Nothing signed at all.
    NoHeaders,
    /// In the validator's name, with a signature that another key made.
    Forged,
    /// In the validator's name, with bytes for a body that nobody signed.
    Garbage,
    /// Signed by a key that has no permit.
    Stranger,
    /// Signed by the validator an hour ago.
    Stale,
    /// One good request again and again.
    Replayed,
}

#[derive(Serialize)]
pub struct Flood {
    pub kind: &'static str,
    pub limits: &'static str,
    pub sent_per_s: f64,
    /// The axon's processor time, in percent of one core.
    pub core_percent: f64,
    pub good_p50_us: u64,
    pub good_p99_us: u64,
    pub good_answered: usize,
    pub good_asked: usize,
    /// The flood's answers by status; 0 is a connection that was closed.
    pub statuses: BTreeMap<u16, usize>,
    pub others_percent: Option<u64>,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::NoHeaders,
        Self::Forged,
        Self::Garbage,
        Self::Stranger,
        Self::Stale,
        Self::Replayed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no flood",
            Self::NoHeaders => "no headers",
            Self::Forged => "bad signature",
            Self::Garbage => "garbage body",
            Self::Stranger => "no permit",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
        }
    }

    /// Some of its requests, which differ where an attacker's would.
    fn requests(self, cast: &Cast) -> Vec<Vec<u8>> {
        let count = if self == Self::Replayed { 1 } else { VARIETY };
        (0..count).map(|number| self.request(cast, number).bytes()).collect()
    }

    fn request(self, cast: &Cast, number: usize) -> Asked {
        let mut asked = cast.chat();
        let eve = Keypair::from_dev_uri("//Eve").unwrap();
        let endpoint = Endpoint::Chat;
        let replace = |asked: &mut Asked, with: Vec<(&'static str, String)>| {
            for (name, value) in with {
                asked
                    .headers
                    .iter_mut()
                    .filter(|(other, _)| *other == name)
                    .for_each(|field| field.1 = value.clone());
            }
        };
        match self {
            Self::None | Self::Replayed => {}
            Self::NoHeaders => asked.headers.clear(),
            Self::Forged => asked = cast.forged(),
            Self::Garbage => {
                let mut state = number as u64 + 1;
                asked.body = std::iter::repeat_with(|| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8
                })
                .take(1_024)
                .collect();
            }
            Self::Stranger => {
                let signed = cast.sign(&eve, endpoint, &asked.body, cast.nonce_ns());
                replace(&mut asked, signed);
            }
            Self::Stale => {
                let signed =
                    cast.sign(&cast.validator, endpoint, &asked.body, cast.nonce_ns() - 3_600_000_000_000);
                replace(&mut asked, signed);
            }
        }
        asked
    }
}

pub fn measure(host: &Host, kind: Kind, rate: u32, wait: Duration, limits: &'static str) -> Flood {
    let load = wire::runtime();
    let good = host.cast.sign_all((wait.as_millis() / GOOD_EACH.as_millis()) as usize + 1, Cast::answered);
    let good: Vec<_> = good.iter().map(Asked::bytes).collect();
    let requests = kind.requests(&host.cast);
    let rate = if kind == Kind::None { 0 } else { rate };
    assert!(wait <= FRESH, "requests are signed once and would grow old in more than {FRESH:?}");
    load.block_on(async {
        let mut warm = Wire::new(wire::address(3), host.address);
        if kind == Kind::Replayed {
            // Its first one is good, and tells that admission is passed.
            assert_eq!(warm.ask(&requests[0]).await, Some(404));
        }
        let (others, before, started) = (Times::now(), Cpu::now(), Instant::now());
        let mut flood = tokio::task::JoinSet::new();
        for number in 0..CONNECTIONS.min(rate) {
            let requests: Vec<_> = requests
                .iter()
                .cycle()
                .skip(number as usize * 7)
                .take(requests.len().min(32))
                .cloned()
                .collect();
            let wire = Wire::new(wire::address(1), host.address);
            let each = Duration::from_secs(1) * CONNECTIONS / rate;
            flood.spawn(pour(wire, requests, started + each * number / CONNECTIONS, each, started + wait));
        }
        let caller = Wire::new(wire::address(2), host.address);
        let good = tokio::spawn(call(caller, good, started, started + wait));
        let (mut times, good_asked) = good.await.unwrap();
        let sent = flood.join_all().await;
        let (seconds, cpu) = (started.elapsed().as_secs_f64(), Cpu::now().since(before));
        times.sort_unstable();
        let mut statuses = BTreeMap::new();
        for (status, count) in sent.into_iter().flatten() {
            *statuses.entry(status).or_default() += count;
        }
        let count: usize = statuses.values().sum();
        Flood {
            kind: kind.name(),
            limits,
            sent_per_s: count as f64 / seconds,
            core_percent: 100.0 * cpu.axon.as_secs_f64() / seconds,
            good_p50_us: percentile(&times, 50),
            good_p99_us: percentile(&times, 99),
            good_answered: times.len(),
            good_asked,
            statuses,
            others_percent: others.zip(Times::now()).map(|(then, now)| now.others_percent_since(then)),
        }
    })
}

/// Sends at its times whether or not the answers keep up, on one connection: what is late is sent at once.
async fn pour(
    mut wire: Wire,
    requests: Vec<Vec<u8>>,
    first: Instant,
    each: Duration,
    end: Instant,
) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    let mut due = first;
    for request in requests.iter().cycle() {
        if Instant::now() >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        due += each;
        *statuses.entry(wire.ask(request).await.unwrap_or(0)).or_default() += 1;
    }
    statuses
}

/// The good caller: how long each of its answers took, from when it was due, and how many were asked for.
async fn call(mut wire: Wire, requests: Vec<Vec<u8>>, started: Instant, end: Instant) -> (Vec<u64>, usize) {
    let (mut times, mut asked) = (Vec::new(), 0);
    for (number, request) in (0..).zip(&requests) {
        let due = started + GOOD_EACH * number;
        if due >= end {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        asked += 1;
        if wire.ask(request).await == Some(200) {
            times.push(u64::try_from(sent.elapsed().as_micros()).unwrap());
        }
    }
    (times, asked)
}
