//! The command line: btcli's names for what btcli has, with the older dotted spellings accepted but not shown.

mod audit;
mod catalogue;
mod keys;
mod ledger;

use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::amount::parse_tao;
use chain_client::cli::generate::Generate;
use chain_client::cli::{ChainCommand, ChainFlags, LogFlags, Output, Register, ShowConfig, WalletCommand};
use clap::{Args, Parser, Subcommand};

pub use self::audit::{Audit, Dispute, Equivocation, Recheck, Replay};
pub use self::catalogue::{BuildCatalogue, CatalogueCommand};
pub use self::keys::{CreateKey, Keys};
pub use self::ledger::{LedgerCommand, Receipts};
use crate::config::Config;

/// Gives users the subnet's models, keeps signed receipts of every answer, and sets weights by them.
#[derive(Debug, Parser)]
#[command(name = "subnet-validator", version, about, propagate_version = true, max_term_width = 110)]
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
    /// The folder for the ledger, the API keys and the weights journal.
    #[arg(long = "state", global = true, value_name = "FOLDER", alias = "state-path")]
    pub state_path: Option<String>,
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
    /// Stake TAO of the coldkey to the hotkey.
    Stake(Stake),
    /// Show what the chain knows of the hotkey.
    Status(Output),
    /// Make, list or revoke users' accounts, and see what they used.
    #[command(subcommand)]
    Keys(Keys),
    /// Check the receipt ledger, copy it, put a copy back.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say which models are paid for and where miners get them.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Check what a validator says of single receipts.
    #[command(subcommand)]
    Receipts(Receipts),
    /// Publish what this validator did, or check what another one did.
    #[command(subcommand)]
    Audit(Audit),
    /// Look at the chain and act on it.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Make, show and use keys.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Show or check the configuration.
    Config(ShowConfig),
    /// Make completions, man pages and the reference page.
    #[command(subcommand, hide = true)]
    Generate(Generate),
}

/// Flags of `run`.
#[derive(Debug, Default, Args)]
pub struct Run {
    /// Address of the OpenAI-compatible gateway; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", alias = "bind")]
    pub gateway_bind: Option<SocketAddr>,
    /// Address of the JSON-RPC server; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub rpc_bind: Option<SocketAddr>,
    /// File with the models users may ask for (TOML or JSON).
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<String>,
    /// Let anybody who reaches the gateway use it. For development.
    #[arg(long)]
    pub no_api_keys: bool,
    /// Compute scores but set no weights.
    #[arg(long)]
    pub no_weights: bool,
    /// Start although an unencrypted coldkey can be read beside the hotkey. For development.
    #[arg(long)]
    pub allow_coldkey_present: bool,
}

/// Flags of `stake`.
#[derive(Debug, Args)]
pub struct Stake {
    /// How much, in TAO with up to nine decimals.
    #[arg(long = "amount-tao", value_name = "TAO", value_parser = parse_tao)]
    pub amount_rao: u64,
    /// Show what would be staked and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before staking.
    #[arg(long, short = 'y', alias = "no-prompt")]
    pub yes: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

impl Global {
    /// Puts what was given on the command line or in the environment over `config`.
    pub fn apply(&self, config: &mut Config) {
        let ChainFlags { network, netuid, wallet, wallet_hotkey, wallet_path, .. } = &self.chain;
        set(&mut config.network, network.clone());
        set(&mut config.netuid, *netuid);
        set(&mut config.wallet, wallet.clone());
        set(&mut config.wallet_hotkey, wallet_hotkey.clone());
        set(&mut config.wallet_path, wallet_path.clone());
        set(&mut config.state_path, self.state_path.clone());
        set(&mut config.log_level, self.log.level());
        config.json_logs |= self.log.json_logs;
        set(&mut config.telemetry.otlp_endpoint, self.log.otlp_endpoint.clone());
    }
}

impl Run {
    /// Puts what was given on the command line over `config`.
    pub fn apply(&self, config: &mut Config) {
        set(&mut config.gateway.bind, self.gateway_bind);
        set(&mut config.staker_rpc.bind, self.rpc_bind);
        set(&mut config.catalogue, self.catalogue.clone());
        config.gateway.require_api_key &= !self.no_api_keys;
        config.weights.enabled &= !self.no_weights;
        config.allow_coldkey_present |= self.allow_coldkey_present;
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, Command};
    use crate::config::Config;
    use clap::{CommandFactory, Parser};

    fn config(arguments: &[&str]) -> Config {
        let cli = Cli::try_parse_from([&["subnet-validator"], arguments].concat()).unwrap();
        let mut config = Config::default();
        cli.global.apply(&mut config);
        if let Command::Run(run) = &cli.command {
            run.apply(&mut config);
        }
        config
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_win_over_the_file_and_the_rest_keeps_its_value() {
        let config = config(&["run", "--netuid", "3", "--gateway-bind", "127.0.0.1:0", "--no-weights"]);
        assert_eq!((config.netuid, config.gateway.bind.port(), config.weights.enabled), (3, 0, false));
        assert_eq!(config.staker_rpc, Config::default().staker_rpc);
    }

    #[test]
    fn older_spellings_mean_the_same() {
        let new = config(&["status", "--wallet", "a", "--wallet-hotkey", "b", "--network", "ws://c"]);
        let old = config(&[
            "status",
            "--wallet.name",
            "a",
            "--wallet.hotkey",
            "b",
            "--subtensor.chain_endpoint",
            "ws://c",
        ]);
        assert_eq!(new, old);
    }

    #[test]
    fn every_setting_in_the_default_file_stands_under_an_explanation() {
        let mut explained = false;
        for line in crate::config::DEFAULT_TOML.lines() {
            match line {
                "" => explained = false,
                _ if line.starts_with('#') => explained = true,
                _ if line.starts_with('[') => explained = false,
                _ => assert!(explained, "`{line}` has no comment above it"),
            }
        }
    }
}
