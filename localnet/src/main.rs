//! `localnet`: starts a dev chain and serves it until interrupted.
//!
//! Standard output carries the readiness line of `--json` and nothing else; everything for people goes to standard error.

mod arguments;
mod banner;

use std::io::Write as _;

use anyhow::Context as _;
use arguments::Arguments;
use clap::Parser as _;
use localnet::{Localnet, genesis_file};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let arguments = Arguments::parse();
    if arguments.print_default_genesis {
        let mut out = std::io::stdout().lock();
        return out.write_all(genesis_file::DEFAULT.as_bytes()).context("could not print the genesis");
    }
    let config = arguments.config().context("could not read what the chain begins with")?;
    // Before anybody can be told to stop it.
    let stop = Stop::listen().context("could not wait for a signal")?;
    let chain = localnet::spawn(config.clone()).await.context("could not start the chain")?;
    if !arguments.quiet {
        eprint!("{}", banner::of(&chain, &config));
    }
    if arguments.json {
        announce(&chain)?;
    }
    stop.requested().await;
    chain.shutdown().await;
    Ok(())
}

/// The signals that ask the program to stop.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From here on they wait to be seen instead of ending the program.
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits until someone interrupts or terminates the program.
    async fn requested(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Tells a program that the chain listens, and where.
fn announce(chain: &Localnet) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "event": "ready",
        "ws_url": chain.ws_url(),
        "http_url": chain.http_url(),
        "port": chain.address().port(),
        "genesis": chain.block(0).map(|block| format!("{:?}", block.hash())),
        "best": chain.best_number(),
        "recovered_blocks": chain.recovered().blocks,
        "cut_bytes": chain.recovered().cut_bytes,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}").and_then(|()| out.flush()).context("could not write the readiness line")
}
