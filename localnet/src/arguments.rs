//! The command line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Parser;
use localnet::{Blocks, Config, config::PORT_DEFAULT};

/// An embedded Substrate dev chain shaped like subtensor: subnet 64 is ready, the development accounts are funded.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
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
    pub json: bool,
    /// Do not print the banner.
    #[arg(long)]
    pub quiet: bool,
}

impl Arguments {
    /// The chain they ask for.
    pub fn config(&self) -> Config {
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
