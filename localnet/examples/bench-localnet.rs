//! What a localnet does in a second, and what it takes: `scripts/bench-localnet` builds and runs this.
//!
//! Everything runs in this process, from signed bytes to sealed blocks, as the node does it; only JSON-RPC is left out.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has nothing to say")]

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use clap::Parser;
use localnet::{
    Blocks, Config, Genesis,
    accounts::{dev_account, sign},
    node::Node,
    runtime::{
        RuntimeCall,
        numbers::{NetUid, TaoBalance},
        subtensor::{self, genesis::Neuron},
    },
};
use parity_scale_codec::Encode as _;
use serde_json::{Value, json};
use sp_core::{Pair as _, sr25519};

const NEURONS: u16 = 256;
const VALIDATORS: u16 = 64;
const SENDERS: u32 = 20;
const TAO: u64 = 1_000_000_000;

/// Measures a localnet.
#[derive(Parser)]
struct Arguments {
    /// Blocks after which memory is measured.
    #[arg(long, default_value_t = 100_000)]
    blocks: u32,
    /// Transfers.
    #[arg(long, default_value_t = 4_000)]
    transfers: u32,
    /// Times that every validator sets its weights.
    #[arg(long, default_value_t = 8)]
    rounds: u32,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let started = start_to_listening();
    let empty = empty_blocks();
    let transfers = transfers(arguments.transfers);
    let (weights, epoch) = weights_and_epoch(arguments.rounds);
    let (nodes, memory) = memory(arguments.blocks);
    let rows = [
        ("start to listening", "start_ms", milliseconds(started), "ms"),
        ("empty blocks", "empty_blocks_per_s", empty, "/s"),
        ("transfers", "transfers_per_s", transfers, "/s"),
        ("set_weights (256 weights)", "set_weights_per_s", weights, "/s"),
        ("epoch, 256 neurons, 64 validators", "epoch_ms", milliseconds(epoch), "ms"),
        ("memory after the blocks", "memory_mib", memory, "MiB"),
    ];
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut figures: serde_json::Map<String, Value> =
            rows.iter().map(|(_, key, figure, _)| ((*key).to_owned(), json!(figure))).collect();
        figures.insert("blocks".into(), json!(arguments.blocks));
        figures.insert("trie_nodes".into(), json!(nodes));
        writeln!(out, "{}", Value::Object(figures)).unwrap();
        return;
    }
    for (name, _, figure, unit) in rows {
        writeln!(out, "{name:<36} {figure:>10.1} {unit}").unwrap();
    }
    writeln!(out, "({} blocks, {nodes} trie nodes kept)", arguments.blocks).unwrap();
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn start_to_listening() -> Duration {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let start = Instant::now();
        let chain = localnet::spawn(Config::test()).await.unwrap();
        let took = start.elapsed();
        chain.shutdown().await;
        took
    })
}

fn empty_blocks() -> f64 {
    let node = Node::new(&Config::test()).unwrap();
    let start = Instant::now();
    (0..2_000).for_each(|_| drop(node.produce().unwrap()));
    2_000.0 / start.elapsed().as_secs_f64()
}

/// Validates, includes and seals signed transfers, a few hundred in a block; signing is not counted.
fn transfers(count: u32) -> f64 {
    let senders: Vec<sr25519::Pair> = (0..SENDERS).map(|index| pair(&format!("//sender{index}"))).collect();
    let mut genesis = Genesis::default();
    genesis.balances.extend(senders.iter().map(|pair| (pair.public().into(), 1_000 * TAO)));
    let node = Node::new(&Config { genesis, ..Config::test() }).unwrap();
    let call = RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
        dest: dev_account("//Bob").unwrap().into(),
        value: TaoBalance::new(TAO / 1_000),
    });
    let genesis = node.chain.best().hash();
    let signed: Vec<Vec<u8>> = (0..count)
        .map(|index| sign(&senders[(index % SENDERS) as usize], index / SENDERS, genesis, &call.encode()))
        .collect();
    let start = Instant::now();
    for some in signed.chunks(400) {
        for bytes in some {
            node.submit(bytes.clone(), None).unwrap();
        }
        node.produce().unwrap();
    }
    let took = start.elapsed();
    assert!(node.pool().is_empty());
    f64::from(count) / took.as_secs_f64()
}

/// Weight settings in a second, and what the epoch adds to the time of a block.
fn weights_and_epoch(rounds: u32) -> (f64, Duration) {
    let mut genesis = Genesis::default();
    let subnet = &mut genesis.subnets[0];
    subnet.tempo_blocks = 1_000;
    subnet.neurons = (0..NEURONS)
        .map(|uid| Neuron {
            hotkey: dev_account(&format!("//neuron{uid}")).unwrap(),
            coldkey: dev_account("//Bob").unwrap(),
            stake_rao: if uid < VALIDATORS { u64::from(1_000 - uid) * TAO } else { 0 },
            permit: uid < VALIDATORS,
        })
        .collect();
    let node = Node::new(&Config { genesis, ..Config::new(Blocks::Manual) }).unwrap();
    let genesis = node.chain.best().hash();
    node.produce().unwrap();
    let signed: Vec<Vec<u8>> = (0..rounds)
        .flat_map(|round| (0..VALIDATORS).map(move |uid| (round, uid)))
        .map(|(round, uid)| {
            let weights: Vec<u16> =
                (0..NEURONS).map(|to| 1 + (to * 37 + uid * 11 + round as u16) % 997).collect();
            let call = RuntimeCall::SubtensorModule(subtensor::Call::set_weights {
                netuid: NetUid::new(64),
                dests: (0..NEURONS).collect(),
                weights,
                version_key: 0,
            });
            sign(&pair(&format!("//neuron{uid}")), round, genesis, &call.encode())
        })
        .collect();
    let start = Instant::now();
    for round in signed.chunks(usize::from(VALIDATORS)) {
        for bytes in round {
            node.submit(bytes.clone(), None).unwrap();
        }
        node.produce().unwrap();
    }
    let per_second = signed.len() as f64 / start.elapsed().as_secs_f64();
    assert!(node.pool().is_empty());
    let mut times = Vec::new();
    while node.chain.best().number() < 1_001 {
        let start = Instant::now();
        let block = node.produce().unwrap();
        times.push((start.elapsed(), block.number()));
    }
    let (longest, number) = times.iter().copied().max().unwrap();
    assert_eq!(number, 1_000, "the epoch is the longest block");
    times.sort();
    (per_second, longest - times[times.len() / 2].0)
}

/// Trie nodes and resident memory in MiB after so many blocks.
fn memory(blocks: u32) -> (usize, f64) {
    let node = Node::new(&Config::test()).unwrap();
    (0..blocks).for_each(|_| drop(node.produce().unwrap()));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<f64>().ok());
    (node.chain.nodes(), kib.unwrap_or(f64::NAN) / 1_024.0)
}

fn pair(uri: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(uri, None).unwrap()
}
