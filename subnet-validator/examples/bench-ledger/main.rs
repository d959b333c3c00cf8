//! Measures what a log costs: ingest, verification, the tree, a tempo's head, its bundle and its review.
//!
//! Each number of receipts, miners and shards has ledgers of its own. Printed are a table, and how each cost grows along each of the
//! three: 1.00 is linear.
#![allow(missing_docs)]

mod cast;
mod logs;
mod report;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use clap::Parser;
use protocol::digest::Digest;
use protocol::merkle::{Frontier, inclusion_proof};
use protocol::receipt::UncheckedCountersigned;
use subnet_validator::audit::review::review;

use self::cast::{Cast, Log};
use self::logs::Logs;
use self::report::Run;

/// Measures the receipt ledger and its review.
#[derive(Parser)]
struct Arguments {
    /// Receipts in the logs together, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    receipts: Vec<u64>,
    /// Miners, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "16")]
    miners: Vec<u64>,
    /// Gateways of the validator, each with a log of its own, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u8).range(1..))]
    shards: Vec<u8>,
    /// Receipts under way at a time, at all gateways together.
    #[arg(long, default_value_t = 1_024)]
    in_flight: usize,
    /// Where ledgers and bundles are put, and removed again; a new temporary folder unless given.
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
    /// Leave ledgers and bundles in the folder.
    #[arg(long, requires = "folder")]
    keep: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { receipts, miners, shards, in_flight, folder, keep, json } = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    let (batch_s, single_s) = verification(&Cast::new(16)?)?;
    let mut runs = Vec::new();
    for miners in miners {
        let cast = Cast::new(miners)?;
        for shards in &shards {
            for receipts in &receipts {
                let place = folder.join(format!("bench-{receipts}-{miners}-{shards}"));
                runs.push(measure(&cast, *receipts, *shards, in_flight, &place).await?);
                if !keep {
                    fs::remove_dir_all(&place)?;
                }
            }
        }
    }
    report::print((batch_s, single_s), &runs, json)?;
    Ok(())
}

/// Countersigned calls verified each second (three signatures each): in batches of 512, and one by one.
fn verification(cast: &Cast) -> Result<(f64, f64), Box<dyn Error>> {
    const CALLS: u64 = 2_048;
    let log = Log { shard: 0, calls: CALLS };
    let mut bytes = Vec::new();
    for number in 0..CALLS {
        bytes.push(cast.call(log, number, Digest::ZERO)?.encode());
    }
    let read = |bytes: &[Vec<u8>]| {
        bytes.iter().map(|bytes| UncheckedCountersigned::from_bytes(bytes)).collect::<Result<Vec<_>, _>>()
    };
    let started = Instant::now();
    for part in bytes.chunks(512) {
        UncheckedCountersigned::verify_all(read(part)?).map_err(|(_, error)| error)?;
    }
    let batch = started.elapsed();
    let started = Instant::now();
    for call in read(&bytes)? {
        call.verify()?;
    }
    Ok((CALLS as f64 / batch.as_secs_f64(), CALLS as f64 / started.elapsed().as_secs_f64()))
}

async fn measure(
    cast: &Cast,
    receipts: u64,
    shards: u8,
    in_flight: usize,
    place: &Path,
) -> Result<Run, Box<dyn Error>> {
    let mut logs = Logs::open(cast, shards, receipts, place)?;
    let ingest = logs.ingest(in_flight).await?;

    let leaves: Vec<Digest> = (0..receipts).map(|number| Digest::of(&number.to_be_bytes())).collect();
    let started = Instant::now();
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let tree = started.elapsed();
    let proof = inclusion_proof(&leaves, leaves.len() / 3).unwrap_or_default();
    drop(leaves);

    let head = logs.head().await?;
    let (bundle, exported) = logs.export().await?;
    let folders = logs.folders();
    drop(logs);

    forget_peak()?;
    let started = Instant::now();
    review(&bundle, None, |_, _| ())?;
    let review = started.elapsed();
    let mut ledger_bytes = 0;
    for folder in folders {
        ledger_bytes += bytes_under(&folder)?;
    }
    Ok(Run {
        receipts,
        miners: cast.miners.len() as u64,
        shards,
        ingest_s: ingest.as_secs_f64(),
        tree_s: tree.as_secs_f64(),
        head_s: head.as_secs_f64(),
        export_s: exported.as_secs_f64(),
        review_s: review.as_secs_f64(),
        review_peak_bytes: peak_bytes()?,
        ledger_bytes,
        bundle_bytes: bytes_under(&bundle)?,
        proof_nodes: proof.len(),
    })
}

/// Lets the kernel count this process's peak memory anew (proc(5), clear_refs).
fn forget_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn peak_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kib * 1_024)
}

fn bytes_under(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes +=
            if entry.file_type()?.is_dir() { bytes_under(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
