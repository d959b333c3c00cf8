//! The command line.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use clap::Parser;
use localnet::{
    Blocks, Config,
    config::PORT_DEFAULT,
    genesis_file::{self, GenesisFileError},
};

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
    /// What the chain begins with, as a TOML file; see --print-default-genesis.
    #[arg(long, env = "LOCALNET_GENESIS", value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// Print the default genesis file and exit.
    #[arg(long)]
    pub print_default_genesis: bool,
    /// Keep the chain in this folder, and continue the one that is there; in memory only without it.
    #[arg(long, env = "LOCALNET_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// States that can be read before the newest; more take more memory.
    #[arg(long, value_name = "BLOCKS")]
    states: Option<u32>,
    /// Blocks between two epochs of every subnet [default: what the genesis says].
    #[arg(long, env = "LOCALNET_TEMPO")]
    tempo: Option<u16>,
    /// Blocks a newly registered neuron cannot be pruned [default: what the genesis says].
    #[arg(long)]
    immunity: Option<u16>,
    /// Print one line of JSON to standard output once the chain listens.
    #[arg(long)]
    pub json: bool,
    /// Do not print the banner.
    #[arg(long)]
    pub quiet: bool,
}

impl Arguments {
    /// The chain they ask for.
    pub fn config(&self) -> Result<Config, GenesisFileError> {
        let blocks = match (self.manual, self.block_time_ms) {
            (true, _) => Blocks::Manual,
            (false, 0) => Blocks::Instant,
            (false, ms) => Blocks::Interval { ms },
        };
        let mut config = Config::new(blocks);
        config.bind = SocketAddr::new(self.host, self.port);
        config.data = self.data.clone();
        config.limits.states_max = self.states.unwrap_or(config.limits.states_max);
        if let Some(file) = &self.genesis {
            let told_ms = config.genesis.slot_duration_ms;
            config.genesis = genesis_file::read(file)?;
            if let Blocks::Interval { .. } = blocks {
                config.genesis.slot_duration_ms = told_ms;
            }
        }
        for subnet in &mut config.genesis.subnets {
            subnet.tempo_blocks = self.tempo.unwrap_or(subnet.tempo_blocks);
            subnet.immunity_blocks = self.immunity.unwrap_or(subnet.immunity_blocks);
        }
        Ok(config)
    }
}
