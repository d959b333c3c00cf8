//! `localnet`: starts a dev chain and serves it until interrupted.
//!
//! Standard output carries the readiness line of `--json` and nothing else; everything for people goes to standard error.

mod banner;

use std::{
    io::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use anyhow::Context as _;
use clap::Parser;
use localnet::{Blocks, Config, Localnet, config::PORT_DEFAULT};
use tracing_subscriber::EnvFilter;

/// An embedded Substrate dev chain shaped like subtensor: subnet 64 is ready, the development accounts are funded.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Port to listen on; 0 takes any free one.
    #[arg(long, env = "LOCALNET_PORT", default_value_t = PORT_DEFAULT)]
    port: u16,
    /// Address to listen on.
    #[arg(long, env = "LOCALNET_HOST", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Milliseconds between blocks; 0 makes a block for every transaction, at once.
    #[arg(long, env = "LOCALNET_BLOCK_TIME_MS", default_value_t = 0)]
    block_time_ms: u64,
    /// Make blocks only when `dev_newBlock` asks for them.
    #[arg(long, conflicts_with = "block_time_ms")]
    manual: bool,
    /// Blocks between two epochs of subnet 64.
    #[arg(long, env = "LOCALNET_TEMPO", default_value_t = 20)]
    tempo: u16,
    /// Blocks a newly registered neuron of subnet 64 cannot be pruned.
    #[arg(long, default_value_t = 100)]
    immunity: u16,
    /// Print one line of JSON to standard output once the chain listens.
    #[arg(long)]
    json: bool,
    /// Do not print the banner.
    #[arg(long)]
    quiet: bool,
}

impl Arguments {
    fn config(&self) -> Config {
        let blocks = match (self.manual, self.block_time_ms) {
            (true, _) => Blocks::Manual,
            (false, 0) => Blocks::Instant,
            (false, ms) => Blocks::Interval { ms },
        };
        let mut config = Config::new(blocks);
        config.bind = SocketAddr::new(self.host, self.port);
        for subnet in &mut config.genesis.subnets {
            subnet.tempo_blocks = self.tempo;
            subnet.immunity_blocks = self.immunity;
        }
        config
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
    let arguments = Arguments::parse();
    let config = arguments.config();
    let chain = localnet::spawn(config.clone()).await.context("could not start the chain")?;
    if !arguments.quiet {
        eprint!("{}", banner::of(&chain, &config));
    }
    if arguments.json {
        announce(&chain)?;
    }
    tokio::signal::ctrl_c().await.context("could not wait for the interrupt")?;
    chain.shutdown().await;
    Ok(())
}

/// Tells a program that the chain listens, and where.
fn announce(chain: &Localnet) -> anyhow::Result<()> {
    let ready = serde_json::json!({
        "event": "ready",
        "ws_url": chain.ws_url(),
        "http_url": chain.http_url(),
        "port": chain.address().port(),
        "genesis": chain.block(0).map(|block| format!("{:?}", block.hash())),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{ready}").and_then(|()| out.flush()).context("could not write the readiness line")
}
