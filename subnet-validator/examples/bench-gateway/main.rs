//! What the gateway adds to a call: latency at a steady rate of requests, how many stream events it relays each second, and how soon
//! a miner has stopped after its user left.
//!
//! A miner that answers at once stands in for the fleet. Each rate is measured twice with the same open-loop load, which does not
//! wait for slow answers: straight to the miner, and through the gateway with its key, ticket, signatures and synced receipt. The
//! difference of the percentiles is what the gateway adds. `--peer URL` measures another gateway in front of the same miner,
//! whose address is then given with `--miner`.
//!
//! Every wait ends: a call that has no answer after ten seconds counts as unanswered, and so does one that could not be sent because
//! too many were open. What goes on is said on stderr; stdout has the result only.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, reason = "it prints its result")]

mod load;
mod machine;
mod miner;
mod report;
mod target;
mod validator;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use protocol::signing::Keypair;

use self::miner::Miner;
use self::report::{Report, Row};
use self::target::Target;
use self::validator::Validator;

/// Seconds of each measurement of the short form.
const SHORT_SECONDS: u32 = 2;

#[derive(Parser)]
#[command(about = "Measures what the gateway adds to a call, before a miner that answers at once.")]
struct Options {
    /// What to measure, separated by commas.
    #[arg(long, value_enum, default_value = "whole,streamed,relay,cancel", value_delimiter = ',')]
    parts: Vec<Part>,
    /// Requests per second, separated by commas.
    #[arg(long, default_value = "100,1000,3000", value_delimiter = ',')]
    rates: Vec<u32>,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// The short form: 100 and 1000 requests per second for two seconds each, and 20 users who leave.
    #[arg(long, conflicts_with_all = ["rates", "seconds"])]
    short: bool,
    /// Base URL of another OpenAI-compatible gateway before the same miner.
    #[arg(long)]
    peer: Option<String>,
    /// The peer's API key.
    #[arg(long, default_value = "sk-peer")]
    peer_key: String,
    /// Address of the miner, for a peer that must know it beforehand; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    miner: SocketAddr,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Added latency of whole answers.
    Whole,
    /// Added latency of streamed answers, until their last byte.
    Streamed,
    /// Stream events relayed each second.
    Relay,
    /// Users who leave in the middle of an answer.
    Cancel,
}

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    match measure(&options).await {
        Ok(report) => {
            report.print(options.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("FAILED: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells who waits what goes on.
fn say(what: &str) {
    eprintln!("bench-gateway: {what}");
}

async fn measure(options: &Options) -> Result<Report, String> {
    raise_file_limit();
    let (rates, seconds, leaves) = if options.short {
        (vec![100, 1_000], SHORT_SECONDS, 20)
    } else {
        (options.rates.clone(), options.seconds, 100)
    };
    let key = Keypair::from_dev_uri("//Bob").unwrap();
    let miner = Miner::serve(options.miner, key.clone()).await?;
    let folder = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let validator = Validator::start(folder.path(), &key, miner.address).await;

    let direct = Target::new("miner", format!("http://{}/v1", miner.address), "none");
    let gateway = Target::new("gateway", format!("http://{}/v1", validator.address()), &validator.api_key);
    let mut targets = vec![gateway.clone()];
    targets.extend(options.peer.clone().map(|url| Target::new("peer", url, &options.peer_key)));
    for target in std::iter::once(&direct).chain(&targets) {
        say(&format!("is {} at {} there?", target.path, target.url));
        target.check().await?;
    }

    let mut report = Report::default();
    for (part, streamed) in [(Part::Whole, false), (Part::Streamed, true)] {
        for rate in rates.iter().filter(|_| options.parts.contains(&part)) {
            let form = if streamed { "streamed" } else { "whole" };
            say(&format!("{form} answers at {rate} requests/s for {seconds} s: straight to the miner"));
            let floor = load::steady(&direct, streamed, *rate, seconds).await;
            for target in &targets {
                say(&format!(
                    "{form} answers at {rate} requests/s for {seconds} s: through the {}",
                    target.path
                ));
                let latency = load::steady(target, streamed, *rate, seconds).await;
                report.rows.push(Row::of(target.path, streamed, *rate, latency, floor));
            }
        }
    }
    for target in std::iter::once(&direct).chain(&targets).filter(|_| options.parts.contains(&Part::Relay)) {
        say(&format!("stream events for {seconds} s: {}", target.path));
        report.relay.push(load::relay(target, seconds).await);
    }
    if options.parts.contains(&Part::Cancel) {
        say(&format!("{leaves} users leave in the middle of an answer"));
        report.cancelled = Some(load::leave(&gateway, &miner, leaves).await?);
    }
    report.receipts = validator.receipts().await;
    let writes = validator.write_times();
    (report.write_p50_us, report.write_p99_us) = (writes.percentile_us(50), writes.percentile_us(99));
    Ok(report)
}

/// Every open call takes four descriptors here: both ends of both connections.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // With what the system gives by itself the highest rates may fail, and are then reported as unanswered.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
