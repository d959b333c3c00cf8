//! How the cost of a decision grows with miners and models: each at once, ten and a hundred times as many, and the exponent between
//! them (1.00 is linear). What grows with receipts is measured by `scripts/bench-ledger`.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "it prints its result")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol::account::AccountId;
use protocol::catalogue::Model;
use protocol::digest::Digest;
use protocol::inventory::HotModel;
use protocol::ticket::ModelId;
use subnet_miner::strategist::{Candidate as Loadable, Knapsack, Place, Situation, Strategy};
use subnet_validator::fleet::affinity::{AffinityPolicy, Bearer, prefer, prefix_key};
use subnet_validator::fleet::axon::AxonAddress;
use subnet_validator::fleet::picker::{Candidate, Goal, pick};
use subnet_validator::fleet::view::{KnownInventory, MinerEntry, View};

const NOW_MS: u64 = 1_000_000;
const FACTORS: [usize; 3] = [1, 10, 100];
/// Each cost is the mean over at least so long.
const SPAN: Duration = Duration::from_millis(300);

/// What a decision takes among so many.
type Measure = fn(usize) -> Duration;

fn main() {
    let rows: [(&str, &str, usize, Measure); 6] = [
        ("who holds the model", "miners", 256, |miners| holders(miners, 8)),
        ("who holds the model", "models held by each of 256 miners", 8, |models| holders(256, models)),
        ("the cheaper of two", "miners", 256, |miners| picked(miners, Goal::Balance)),
        ("the cheapest", "miners", 256, |miners| picked(miners, Goal::Latency)),
        ("by the prompt's beginning", "miners", 256, by_prefix),
        ("a strategist's plan", "models on offer", 64, plan),
    ];
    println!("{:<27} {:<35} {:>30}  growth", "decision", "grows with", "microseconds at 1x, 10x, 100x");
    for (what, along, least, measure) in rows {
        let [one, ten, hundred] = FACTORS.map(|factor| measure(least * factor).as_secs_f64() * 1e6);
        let times = format!("{one:.1}, {ten:.1}, {hundred:.1}");
        let along = format!("{along}, from {least}");
        println!(
            "{what:<27} {along:<35} {times:>30}  {:.2}, {:.2}",
            (ten / one).log10(),
            (hundred / ten).log10()
        );
    }
}

fn mean(mut work: impl FnMut()) -> Duration {
    work();
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < SPAN {
        work();
        count += 1;
    }
    started.elapsed() / count
}

fn hotkey(number: usize) -> AccountId {
    AccountId(Digest::of(&number.to_le_bytes()).0)
}

fn model(number: usize) -> ModelId {
    format!("model-{number}").parse().unwrap()
}

fn holders(miners: usize, models: usize) -> Duration {
    let hot = |number| HotModel {
        id: model(number),
        weights_digest: Digest::ZERO,
        context_tokens: 2_048,
        slots: 4,
        in_flight: 0,
    };
    let models_held: Vec<HotModel> = (0..models).map(hot).collect();
    let entry = |number| MinerEntry {
        uid: 0,
        hotkey: hotkey(number),
        axon: AxonAddress { socket: ([127, 0, 0, 1], 8_091).into(), certificate: None },
        inventory: Some(KnownInventory {
            received_at_ms: NOW_MS,
            issued_at_ms: NOW_MS,
            hot_since_ms: BTreeMap::new(),
            device: String::new(),
            memory_bytes: 0,
            models: models_held.clone(),
        }),
    };
    let view = View::new((0..miners).map(entry));
    // The last one that each miner names, which is found last.
    let asked = Model {
        id: model(models - 1),
        weights_digest: Digest::ZERO,
        prompt_multiplier: 1,
        completion_multiplier: 1,
        memory_bytes: 1,
    };
    mean(|| assert_eq!(view.holders(black_box(&asked), NOW_MS, 60_000).count(), miners))
}

fn picked(miners: usize, goal: Goal) -> Duration {
    let candidate = |number: usize| Candidate {
        hotkey: hotkey(number),
        tokens_in_flight: (number % 7) as u64 * 100,
        slots: 4,
        first_token_ms: Some(100 + (number % 13) as u32),
        tokens_per_s: Some(50 + (number % 11) as u32),
    };
    let candidates: Vec<Candidate> = (0..miners).map(candidate).collect();
    let mut draw = 0_u64;
    mean(|| {
        draw = draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
        assert!(pick(black_box(&candidates), goal, draw).is_some());
    })
}

fn by_prefix(miners: usize) -> Duration {
    let policy = AffinityPolicy { block_bytes: 256, blocks_max: 8, excess_percent: 25 };
    let body = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":\"{}\"}}]}}", "word ".repeat(400));
    let bearers: Vec<Bearer> =
        (0..miners).map(|number| Bearer { hotkey: hotkey(number), load: (number % 7) as u64 }).collect();
    mean(|| {
        let key = prefix_key(policy, black_box(body.as_bytes())).unwrap();
        assert!(prefer(policy, key, &bearers, 1).is_some());
    })
}

fn plan(models: usize) -> Duration {
    let candidate = |number: usize| {
        let spread = Digest::of(&number.to_le_bytes()).0;
        Loadable {
            model: model(number),
            memory_bytes: (1 + u64::from(spread[0]) % 40) << 30,
            hourly: 1_000 + u64::from(u16::from_le_bytes([spread[1], spread[2]])),
            bounty: 0,
            load_ms: 60_000,
            place: if number < 4 { Place::Hot { since_ms: 0 } } else { Place::Cold },
        }
    };
    let situation = Situation {
        now_ms: NOW_MS * 10,
        memory_bytes: 160 << 30,
        candidates: (0..models).map(candidate).collect(),
    };
    mean(|| {
        black_box(Knapsack::default().plan(black_box(&situation)));
    })
}
