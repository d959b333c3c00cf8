//! `scripts/demo-audit`: validators and miners that cheat, and what the others and the chain make of them, with the evidence in a folder.
#![allow(missing_docs)]

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use subnet_tests::cheats::{CaughtMiner, CaughtValidator, play};
use subnet_tests::smollm2_path;

/// Plays a subnet with cheating validators and miners on a development chain.
#[derive(Parser)]
struct Arguments {
    /// Where the evidence is put.
    #[arg(long, value_name = "FOLDER")]
    state: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { state } = Arguments::parse();
    std::fs::create_dir_all(&state).with_context(|| format!("cannot make {}", state.display()))?;
    let folder = state.join(std::process::id().to_string());
    let begun = std::time::Instant::now();
    let outcome = Box::pin(play(&folder, |line| {
        // A terminal that went away is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{:5.1} s  {line}", begun.elapsed().as_secs_f32());
    }))
    .await;
    let mut out = std::io::stdout().lock();
    let mut validator = |cheat: &str, caught: &CaughtValidator| {
        let verdict = &caught.verdicts[0];
        let why = verdict.reason.iter().chain(&verdict.findings).next().map_or("", String::as_str);
        writeln!(out, "{cheat}: validator {} - {why} - evidence: {}", caught.by, caught.evidence.display())
    };
    validator("dropped", &outcome.dropped)?;
    validator("inflated", &outcome.inflated)?;
    let mut miner = |cheat: &str, caught: &CaughtMiner, why: &str| {
        let file = caught.evidence.first().context("a cheat without evidence")?;
        writeln!(out, "{cheat}: miner {} - {why} - evidence: {}", caught.by, file.display())?;
        anyhow::Ok(())
    };
    let calls = outcome.smaller.found.len();
    miner("smaller model", &outcome.smaller, &format!("{calls} calls, executed again, have other states"))?;
    miner("replayed", &outcome.replayed, "one answer for two tickets, byte for byte")?;
    let [honest, auditor] = &outcome.merged;
    ensure!(honest == auditor && outcome.weights[0] == outcome.weights[1], "the honest validators differ");
    writeln!(out, "the honest agree: {} on weights {:?}", honest.digest(), outcome.weights[0])?;
    writeln!(
        out,
        "paid: incentive of smaller model and replayed {:?} of 65535, of the honest miners {:?}; trust of honest, dropper, inflator, auditor: {:?}",
        outcome.cheats_incentive,
        outcome.honest_incentive,
        outcome.validators.map(|(trust, _)| trust)
    )?;
    writeln!(
        out,
        "check it yourself: subnet-validator audit dispute {} --bundle {}; subnet-validator audit recheck {} --model {}",
        outcome.dropped.evidence.display(),
        outcome.dropped.bundle.display(),
        outcome.smaller.evidence[0].display(),
        smollm2_path().display()
    )?;
    Ok(())
}
