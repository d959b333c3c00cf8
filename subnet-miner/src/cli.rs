//! The command line: btcli's names for what btcli has, with the older dotted spellings accepted but not shown.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use chain_client::cli::generate::Generate;
use chain_client::cli::{ChainCommand, ChainFlags, LogFlags, Output, Register, ShowConfig, WalletCommand};
use clap::{Args, Parser, Subcommand};
use model_runtime::DeviceChoice;
use protocol::account::AccountId;

use crate::config::Config;
use crate::models::ModelArgument;

/// Serves models to the subnet's validators and signs a receipt for every answer.
#[derive(Debug, Parser)]
#[command(name = "subnet-miner", version, about, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Configuration file (TOML); see `config --print-default`.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The chain, the subnet and the keys.
    #[command(flatten)]
    pub chain: ChainFlags,
    /// The wallet's name, as the oldest guides spell it.
    #[arg(long = "name", global = true, hide = true, value_name = "NAME")]
    pub old_wallet: Option<String>,
    /// The folder for receipts and nonce marks.
    #[arg(long = "state", global = true, value_name = "FOLDER", alias = "state-path")]
    pub state_path: Option<PathBuf>,
    /// What is logged.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until interrupted.
    Run(Run),
    /// Register the hotkey on the subnet; the same as `chain register`.
    Register(Register),
    /// Show what the chain knows of the hotkey.
    Status(Output),
    /// Look at the chain and act on it.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Make, show and use keys.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Read the receipts this miner has signed.
    #[command(subcommand)]
    Receipts(Receipts),
    /// Check keys, chain, ports, clock, disk, device and models, with what to do about each failure.
    Doctor(Output),
    /// Watch a running miner in the terminal.
    Top(Top),
    /// Compare what the strategist would have earned on a trace of demand with the best that was possible.
    Simulate(Simulate),
    /// Show or check the configuration.
    Config(ShowConfig),
    /// Make completions, man pages and the reference page.
    #[command(subcommand, hide = true)]
    Generate(Generate),
}

/// Flags of `run`.
#[derive(Debug, Default, Args)]
pub struct Run {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub bind: Option<SocketAddr>,
    /// The port to listen on.
    #[arg(long = "axon.port", hide = true, alias = "axon_port")]
    pub axon_port: Option<u16>,
    /// Address that validators reach this miner under.
    #[arg(long, value_name = "ADDRESS", aliases = ["axon.external_ip", "external_ip"])]
    pub external_ip: Option<IpAddr>,
    /// Port that validators reach this miner under.
    #[arg(long, value_name = "PORT", aliases = ["axon.external_port", "external_port"])]
    pub external_port: Option<NonZeroU16>,
    /// Do not publish the axon's address on the chain.
    #[arg(long)]
    pub no_serve_axon: bool,
    /// Address and port of metrics and status; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<SocketAddr>,
    /// A model to serve: its name and its GGUF file. May be given several times.
    #[arg(long, value_name = "ID=PATH")]
    pub model: Vec<ModelArgument>,
    /// Where models are computed [default: a card where the program can use one].
    #[arg(long, value_enum, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Least stake of a validator, in rao of the subnet's alpha.
    #[arg(long, value_name = "RAO")]
    pub stake_min_rao: Option<u64>,
    /// A hotkey that may call without permit or stake. May be given several times.
    #[arg(long, value_name = "SS58")]
    pub allow_hotkey: Vec<AccountId>,
    /// A hotkey that may never call. May be given several times.
    #[arg(long, value_name = "SS58")]
    pub deny_hotkey: Vec<AccountId>,
    /// Start although an unencrypted coldkey can be read beside the hotkey. For development.
    #[arg(long)]
    pub allow_coldkey_present: bool,
}

/// Flags of `top`.
#[derive(Debug, Args)]
pub struct Top {
    /// The operator's side of the running miner; by default that of the configuration.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Print the status once, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `simulate`.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The trace: a JSON file such as those in subnet-miner/traces.
    #[arg(long, value_name = "FILE")]
    pub trace: PathBuf,
    /// Draw what was earned over time, as SVG.
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Commands about receipts.
#[derive(Debug, Subcommand)]
pub enum Receipts {
    /// List the newest receipts, oldest first.
    List {
        /// Receipts to list.
        #[arg(long, default_value_t = 20, value_name = "RECEIPTS")]
        max: u64,
        /// Only those for this validator.
        #[arg(long, value_name = "SS58")]
        validator: Option<AccountId>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Write the countersigned record of one call into a file: with it anybody can be convinced.
    Export {
        /// The validator that asked.
        #[arg(long, value_name = "SS58")]
        validator: AccountId,
        /// The call's number, as `list` shows it.
        #[arg(long, value_name = "NUMBER")]
        sequence: u64,
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check the three signatures of a countersigned record in a file.
    Verify {
        /// The record: its bytes, or 0x and their digits.
        record: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Look for a countersigned record in an audit bundle of its validator: if its head must hold it and the log does not, the
    /// validator is proven to have dropped it.
    ProveOmission {
        /// The record: its bytes, or 0x and their digits.
        #[arg(long, value_name = "FILE")]
        record: PathBuf,
        /// The folder of bundles, as `subnet-validator audit fetch` makes it, or one tempo's folder in it.
        #[arg(long, value_name = "FOLDER")]
        bundle: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

impl Global {
    /// Puts what was given on the command line or in the environment over `config`.
    pub fn apply(&self, config: &mut Config) {
        let ChainFlags { network, local_endpoint, fallback_endpoints, netuid, .. } = &self.chain;
        let ChainFlags { wallet, wallet_hotkey, wallet_path, .. } = &self.chain;
        set(&mut config.network, network.clone());
        if local_endpoint.is_some() {
            config.local_endpoint.clone_from(local_endpoint);
        }
        if fallback_endpoints.is_some() {
            config.fallback_endpoints.clone_from(fallback_endpoints);
        }
        set(&mut config.netuid, *netuid);
        set(&mut config.wallet, wallet.clone().or_else(|| self.old_wallet.clone()));
        set(&mut config.wallet_hotkey, wallet_hotkey.clone());
        set(&mut config.wallet_path, wallet_path.clone().map(PathBuf::from));
        set(&mut config.state_path, self.state_path.clone());
        set(&mut config.log_level, self.log.level());
        config.json_logs |= self.log.json_logs;
        set(&mut config.telemetry.otlp_endpoint, self.log.otlp_endpoint.clone());
    }
}

impl Run {
    /// Puts what was given on the command line over `config`.
    pub fn apply(&self, config: &mut Config) {
        set(&mut config.axon.bind, self.bind);
        set(&mut config.operations.bind, self.metrics_bind);
        if let Some(port) = self.axon_port {
            config.axon.bind.set_port(port);
        }
        config.serve.axon &= !self.no_serve_axon;
        config.serve.external_ip = self.external_ip.or(config.serve.external_ip);
        config.serve.external_port = self.external_port.or(config.serve.external_port);
        config.models.extend(self.model.iter().map(|model| (model.id.clone(), model.location.clone())));
        set(&mut config.runtime.device, self.device);
        set(&mut config.permits.stake_min_rao, self.stake_min_rao);
        config.permits.allow.extend(&self.allow_hotkey);
        config.permits.deny.extend(&self.deny_hotkey);
        config.allow_coldkey_present |= self.allow_coldkey_present;
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[cfg(test)]
mod tests;
