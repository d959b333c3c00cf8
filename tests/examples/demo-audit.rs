//! `scripts/demo-audit`: validators that cheat, and what the others and the chain make of them, with the evidence in a folder.
#![allow(missing_docs)]

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use subnet_tests::cheats::{Caught, play};

/// Plays a subnet with cheating validators on a development chain.
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
    let outcome = Box::pin(play(&folder, |line| {
        // A terminal that went away is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{line}");
    }))
    .await;
    let mut out = std::io::stdout().lock();
    let mut line = |cheat: &str, caught: &Caught| {
        let verdict = &caught.verdicts[0];
        let why = verdict.reason.iter().chain(&verdict.findings).next().map_or("", String::as_str);
        writeln!(out, "{cheat}: {} - {why} - evidence: {}", caught.by, caught.evidence.display())
    };
    line("dropped", &outcome.dropped)?;
    line("inflated", &outcome.inflated)?;
    let [honest, auditor] = &outcome.merged;
    ensure!(honest == auditor && outcome.weights[0] == outcome.weights[1], "the honest validators differ");
    writeln!(out, "the honest agree: {} on weights {:?}", honest.digest(), outcome.weights[0])?;
    let (incentive, share) = outcome.friend_incentive;
    writeln!(
        out,
        "paid: the friend has {incentive} of 65535 incentive (honest share {share}); trust of honest, dropper, inflator, auditor: {:?}",
        outcome.validators.map(|(trust, _)| trust)
    )?;
    writeln!(
        out,
        "check it yourself: subnet-validator audit dispute {} --bundle {}",
        outcome.dropped.evidence.display(),
        outcome.dropped.bundle.display()
    )?;
    Ok(())
}
