//! Measures what a log costs: ingest, verification, the tree, a tempo's head, its bundle and its review.
//!
//! Each size has a ledger of its own. Printed are a table, and how each cost grows from one size to the next: 1.00 is linear.
#![allow(missing_docs)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain_client::BlockRef;
use clap::Parser;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::merkle::{Frontier, inclusion_proof};
use protocol::policy_document::PolicyDocument;
use protocol::receipt::{
    Countersigned, FinishReason, MinerSigned, Observation, Outcome, Receipt, UncheckedCountersigned,
};
use protocol::replay::Rules;
use protocol::scoring::{HOUR_MS, Miner, Policy};
use protocol::signing::Keypair;
use protocol::ticket::{Kind, Ticket};
use serde_json::json;
use subnet_validator::audit::export::export;
use subnet_validator::audit::review::review;
use subnet_validator::heads::{TempoFacts, cut};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};

const NETUID: u16 = 64;
const MINERS: u64 = 16;
const PAYERS: u64 = 64;
const NOW_MS: u64 = 1_000_000 * HOUR_MS;
/// Receipts signed ahead, outside of what is timed.
const PART: u64 = 8_192;

/// Measures the receipt ledger and its review.
#[derive(Parser)]
struct Arguments {
    /// Receipts in the log, one run for each.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    receipts: Vec<u64>,
    /// Receipts under way at a time.
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

struct Cast {
    validator: Keypair,
    miners: Vec<Keypair>,
    catalogue: Catalogue,
}

/// One size's figures. Seconds, bytes and counts.
#[derive(Debug, Clone, Copy)]
struct Run {
    receipts: u64,
    ingest_s: f64,
    tree_s: f64,
    head_s: f64,
    export_s: f64,
    review_s: f64,
    review_peak_bytes: u64,
    ledger_bytes: u64,
    bundle_bytes: u64,
    proof_nodes: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Arguments { receipts: sizes, in_flight, folder, keep, json } = Arguments::parse();
    let temporary = tempfile::tempdir()?;
    let folder = folder.unwrap_or_else(|| temporary.path().to_owned());
    let cast = Cast::new()?;
    let (batch_s, single_s) = verification(&cast)?;
    let mut runs = Vec::new();
    for receipts in sizes {
        let place = folder.join(format!("bench-{receipts}"));
        runs.push(measure(&cast, receipts, in_flight, &place).await?);
        if !keep {
            fs::remove_dir_all(&place)?;
        }
    }
    let mut out = std::io::stdout().lock();
    if json {
        let runs: Vec<_> = runs.iter().map(Run::json).collect();
        writeln!(
            out,
            "{}",
            json!({ "verifyBatchPerS": batch_s, "verifySinglePerS": single_s, "runs": runs })
        )?;
        return Ok(());
    }
    writeln!(
        out,
        "verified in batches {batch_s:.0}/s, one by one {single_s:.0}/s: {:.2}x",
        batch_s / single_s
    )?;
    writeln!(
        out,
        "{:>9} {:>10} {:>11} {:>8} {:>8} {:>8} {:>10} {:>10} {:>10} {:>7}",
        "receipts",
        "ingest/s",
        "tree/s",
        "head s",
        "export s",
        "review s",
        "peak MiB",
        "disk B/r",
        "bundle B/r",
        "proof B"
    )?;
    for run in &runs {
        let (count, mib) = (run.receipts as f64, f64::from(1 << 20));
        writeln!(
            out,
            "{:>9} {:>10.0} {:>11.0} {:>8.2} {:>8.2} {:>8.2} {:>10.0} {:>10.0} {:>10.0} {:>7}",
            run.receipts,
            count / run.ingest_s,
            count / run.tree_s,
            run.head_s,
            run.export_s,
            run.review_s,
            run.review_peak_bytes as f64 / mib,
            run.ledger_bytes as f64 / count,
            run.bundle_bytes as f64 / count,
            run.proof_nodes * 32,
        )?;
    }
    for pair in runs.windows(2) {
        let [small, large] = pair else { continue };
        let slope = |of: fn(&Run) -> f64| {
            (of(large) / of(small)).ln() / (large.receipts as f64 / small.receipts as f64).ln()
        };
        writeln!(
            out,
            "growth from {} to {}: ingest {:.2}, head {:.2}, export {:.2}, review {:.2}, bundle {:.2}",
            small.receipts,
            large.receipts,
            slope(|run| run.ingest_s),
            slope(|run| run.head_s),
            slope(|run| run.export_s),
            slope(|run| run.review_s),
            slope(|run| run.bundle_bytes as f64),
        )?;
    }
    Ok(())
}

impl Cast {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let miners = (0..MINERS).map(|number| Keypair::from_dev_uri(&format!("//Miner{number}")));
        let model = Model {
            id: "echo".parse()?,
            weights_digest: Digest::of(b"echo"),
            prompt_multiplier: 250,
            completion_multiplier: 1_000,
            memory_bytes: 1 << 30,
        };
        Ok(Self {
            validator: Keypair::from_dev_uri("//Alice")?,
            miners: miners.collect::<Result<_, _>>()?,
            catalogue: Catalogue::new([model])?,
        })
    }

    /// Call `number` of `count`, spread over the last 100 hours or less: those under way together must be of one hour, or the log
    /// would refuse the older ones.
    fn call(
        &self,
        number: u64,
        count: u64,
        previous: Digest,
    ) -> Result<Countersigned, Box<dyn std::error::Error>> {
        let (ticket, receipt) = self.papers(number, count, previous)?;
        let output_sha256 = receipt.output_sha256;
        let observation = Observation {
            first_byte_ms: 90,
            last_byte_ms: 2_050,
            tokens_delivered: 200,
            output_sha256,
            outcome: Outcome::Delivered,
        };
        let miner = &self.miners[(number % MINERS) as usize];
        let ticket = ticket.sign(&self.validator).verify()?;
        Ok(MinerSigned::check(ticket, receipt.sign(miner))?.countersign(observation, &self.validator)?)
    }

    /// A call's papers before they are signed.
    fn papers(
        &self,
        number: u64,
        count: u64,
        previous: Digest,
    ) -> Result<(Ticket, Receipt), Box<dyn std::error::Error>> {
        let miner = &self.miners[(number % MINERS) as usize];
        let step_ms = (100 * HOUR_MS / count).min(1_000);
        let issued_at_ms = NOW_MS - (count - number) * step_ms;
        let ticket = Ticket {
            netuid: NETUID,
            validator: self.validator.public(),
            miner: miner.public(),
            model: "echo".parse()?,
            weights_digest: Digest::of(b"echo"),
            request_sha256: Digest::of(&number.to_be_bytes()),
            sequence: number / MINERS,
            issued_at_ms,
            deadline_ms: issued_at_ms + 60_000,
            prompt_tokens_max: 4_096,
            completion_tokens_max: 4_096,
            payer: Digest::of(&(number % PAYERS).to_le_bytes()),
            kind: Kind::Chat,
        };
        let output_sha256 = Digest::of(&number.to_le_bytes());
        let receipt = Receipt {
            ticket_hash: ticket.hash(),
            output_sha256,
            prompt_tokens: 300,
            completion_tokens: 200,
            first_token_ms: 80,
            total_ms: 2_000,
            finish_reason: FinishReason::Stop,
            fingerprint: None,
            previous,
        };
        Ok((ticket, receipt))
    }

    /// What each of these calls' receipts names as the one before it: each miner's own, as honest miners do. `last` is carried on.
    fn previous(
        &self,
        numbers: std::ops::Range<u64>,
        count: u64,
        last: &mut [Digest],
    ) -> Result<Vec<Digest>, Box<dyn std::error::Error>> {
        let mut named = Vec::new();
        for number in numbers {
            let last = &mut last[(number % MINERS) as usize];
            named.push(*last);
            *last = self.papers(number, count, *last)?.1.hash();
        }
        Ok(named)
    }
}

/// Countersigned calls verified each second (three signatures each): in batches of 512, and one by one.
fn verification(cast: &Cast) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    const CALLS: u64 = 2_048;
    let mut bytes = Vec::new();
    for number in 0..CALLS {
        bytes.push(cast.call(number, CALLS, Digest::ZERO)?.encode());
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

/// Signs calls on all cores, in order.
fn sign_all(
    cast: &Cast,
    numbers: std::ops::Range<u64>,
    count: u64,
    last: &mut [Digest],
) -> Result<Vec<Countersigned>, Box<dyn std::error::Error>> {
    let previous = cast.previous(numbers.clone(), count, last)?;
    let threads = std::thread::available_parallelism()?.get() as u64;
    let share = (numbers.end - numbers.start).div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let shares = numbers.clone().step_by(share as usize).map(|first| {
            let part = first..numbers.end.min(first + share);
            let (previous, start) = (&previous, numbers.start);
            let sign = move |number| {
                let previous = previous[(number - start) as usize];
                cast.call(number, count, previous).map_err(|error| error.to_string())
            };
            scope.spawn(move || part.map(sign).collect::<Result<Vec<_>, _>>())
        });
        let mut calls = Vec::new();
        for share in shares.collect::<Vec<_>>() {
            calls.extend(share.join().map_err(|_| "signing stopped")??);
        }
        Ok(calls)
    })
}

async fn measure(
    cast: &Cast,
    receipts: u64,
    in_flight: usize,
    place: &Path,
) -> Result<Run, Box<dyn std::error::Error>> {
    let path = place.join("ledger");
    let owner = Owner::single(cast.validator.public(), NETUID);
    let ledger = Ledger::open(LedgerConfig::new(path.clone(), owner))?;
    let mut ingest = Duration::ZERO;
    let mut last = vec![Digest::ZERO; MINERS as usize];
    let mut next = 0;
    while next < receipts {
        let end = receipts.min(next + PART);
        let part = sign_all(cast, next..end, receipts, &mut last)?;
        let started = Instant::now();
        let mut under_way = FuturesUnordered::new();
        for call in part {
            if under_way.len() == in_flight {
                under_way.next().await.transpose()?;
            }
            under_way.push(ledger.append(call));
        }
        while under_way.next().await.transpose()?.is_some() {}
        ingest += started.elapsed();
        next = end;
    }

    let leaves: Vec<Digest> = (0..receipts).map(|number| Digest::of(&number.to_be_bytes())).collect();
    let started = Instant::now();
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let tree = started.elapsed();
    let proof = inclusion_proof(&leaves, leaves.len() / 3).unwrap_or_default();
    drop(leaves);

    let rules = Arc::new(Rules::new(PolicyDocument::new(NETUID, Policy::default(), &cast.catalogue))?);
    let miners = cast.miners.iter().map(|miner| Miner::new(miner.public(), miner.public())).collect();
    let facts = TempoFacts {
        epoch_index: 1,
        block: BlockRef { number: 1, hash: [1; 32] },
        timestamp_ms: NOW_MS,
        miners,
    };
    let started = Instant::now();
    cut(&ledger, &rules, &cast.validator, facts).await?;
    let head = started.elapsed();

    let (bundle, signer, to) = (place.join("bundle"), cast.validator.clone(), place.join("bundle"));
    let started = Instant::now();
    ledger.read(move |reader| Ok(export(reader, &signer, None, &to, |_, _| ()))).await??;
    let exported = started.elapsed();
    drop(ledger);

    forget_peak()?;
    let started = Instant::now();
    review(&bundle, None, |_, _| ())?;
    Ok(Run {
        receipts,
        ingest_s: ingest.as_secs_f64(),
        tree_s: tree.as_secs_f64(),
        head_s: head.as_secs_f64(),
        export_s: exported.as_secs_f64(),
        review_s: started.elapsed().as_secs_f64(),
        review_peak_bytes: peak_bytes()?,
        ledger_bytes: bytes_under(&path)?,
        bundle_bytes: bytes_under(&bundle)?,
        proof_nodes: proof.len(),
    })
}

impl Run {
    fn json(&self) -> serde_json::Value {
        json!({
            "receipts": self.receipts, "ingestS": self.ingest_s, "treeS": self.tree_s, "headS": self.head_s,
            "exportS": self.export_s, "reviewS": self.review_s, "reviewPeakBytes": self.review_peak_bytes,
            "ledgerBytes": self.ledger_bytes, "bundleBytes": self.bundle_bytes, "proofBytes": self.proof_nodes * 32,
        })
    }
}

/// Lets the kernel count this process's peak memory anew (proc(5), clear_refs).
fn forget_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn peak_bytes() -> Result<u64, Box<dyn std::error::Error>> {
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
