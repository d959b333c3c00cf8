//! The command line: btcli's names for what btcli has, with the older dotted spellings accepted but not shown.

use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::amount::parse_tao;
use chain_client::cli::{ChainCommand, ChainFlags, LogFlags, Output, Register, WalletCommand};
use clap::{Args, Parser, Subcommand};
use protocol::account::AccountId;
use protocol::ticket::ModelId;

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
    /// Make, list or revoke users' API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Check the receipt ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Say which models are paid for and where miners get them.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Publish what this validator did, or check what another one did.
    #[command(subcommand)]
    Audit(Audit),
    /// Look at the chain and act on it.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Make, show and use keys.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Show the configuration.
    Config(ShowConfig),
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

/// Commands about API keys. A running validator notices changes by itself.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and show it: the only time it can be seen.
    Create {
        /// What to call it.
        #[arg(long, default_value = "")]
        name: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// List keys; their secrets are not stored.
    List(Output),
    /// Revoke a key by its id.
    Revoke {
        /// The id that `list` shows.
        id: String,
    },
}

/// Commands about the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check every signature and recompute the Merkle root. The validator must not be running.
    Verify(Output),
}

/// Commands about the catalogue.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Add a model to a catalogue file, from the model's own files.
    Build(BuildCatalogue),
    /// Sign the catalogue as it is published, for another server than the gateway.
    Sign {
        /// Where to put the signed catalogue.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show a signed catalogue and check it: a file, or a gateway's URL; without one, the catalogue of the configuration.
    Show {
        /// The file or the gateway.
        from: Option<String>,
        /// The validator it must be of (ss58).
        #[arg(long, value_name = "HOTKEY")]
        validator: Option<AccountId>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Flags of `catalogue build`.
#[derive(Debug, Args)]
pub struct BuildCatalogue {
    /// The catalogue file (JSON); made if it is not there. A model of the same name is replaced.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The model's name in requests.
    #[arg(long, value_name = "ID")]
    pub id: ModelId,
    /// Its GGUF file, or its folder of safetensors.
    #[arg(long, value_name = "PATH")]
    pub path: PathBuf,
    /// Where miners get it: the URL of the file, or of the folder that has the files. May be given several times.
    #[arg(long, value_name = "URL")]
    pub source: Vec<String>,
    /// Thousandths of a compute unit for each prompt token.
    #[arg(long, default_value_t = 250, value_name = "MILLIUNITS")]
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each generated token.
    #[arg(long, default_value_t = 1_000, value_name = "MILLIUNITS")]
    pub completion_multiplier: u32,
    /// Memory it takes while it is ready; by default a quarter more than its weights.
    #[arg(long, value_name = "BYTES")]
    pub memory_bytes: Option<u64>,
    /// It makes embeddings.
    #[arg(long)]
    pub embedding: bool,
}

/// Commands about audits.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Write a tempo's bundle: everything that its scores follow from. The validator may be running.
    Export {
        /// The tempo, by the chain's epoch index; the newest that has a head unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// A new folder for the bundle.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Fetch a bundle from a validator's gateway. Goes on where an earlier fetch into the same folder broke off.
    Fetch {
        /// The gateway, such as http://203.0.113.7:8064.
        url: String,
        /// The tempo, by the chain's epoch index; the newest unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// The bundle's folder.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute a bundle's scores again and compare. Ends with code 4 if the validator is found to be wrong.
    Review {
        /// The bundle's folder.
        folder: PathBuf,
        /// The validator it must be of (ss58).
        #[arg(long, value_name = "HOTKEY")]
        validator: Option<AccountId>,
        /// Only the files: do not compare with the chain.
        #[arg(long)]
        offline: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Flags of `config`.
#[derive(Debug, Args)]
pub struct ShowConfig {
    /// Print the documented file with every default, instead of the configuration in force.
    #[arg(long)]
    pub print_default: bool,
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
}
