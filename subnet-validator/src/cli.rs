//! The command line: btcli's names for what btcli has, with the older dotted spellings accepted but not shown.

use std::net::SocketAddr;
use std::path::PathBuf;

use chain_client::amount::parse_tao;
use chain_client::cli::generate::Generate;
use chain_client::cli::{ChainCommand, ChainFlags, LogFlags, Output, Register, ShowConfig, WalletCommand};
use clap::{Args, Parser, Subcommand};
use protocol::account::AccountId;
use protocol::ticket::ModelId;

use crate::accounts::calendar;
use crate::accounts::keys::NewAccount;
use crate::accounts::rights::{Limits, Scopes};
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

/// Commands about accounts: API keys, and hotkeys that sign their requests. A running validator notices changes by itself.
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make a key and show it: the only time it can be seen.
    Create(Box<CreateKey>),
    /// List accounts; secrets are not stored.
    List(Output),
    /// Revoke an account by its id.
    Revoke {
        /// The id that `list` shows.
        id: String,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// What accounts have used today, this month and on each day before. The validator may be running.
    Usage {
        /// Only this account.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
}

/// Flags of `keys create`. Limits that are not given follow `[gateway.accounts]` of the configuration; 0 lifts one.
#[derive(Debug, Default, Args)]
pub struct CreateKey {
    /// What to call it.
    #[arg(long, default_value = "")]
    pub name: String,
    /// Make an account for this hotkey, which signs its requests (btauth/1), instead of a key.
    #[arg(long = "for-hotkey", value_name = "SS58")]
    pub for_hotkey: Option<AccountId>,
    /// Days until it expires. Default: never.
    #[arg(long, value_name = "DAYS")]
    pub expires_in_days: Option<u64>,
    /// A model it may use. May be given several times. Default: all.
    #[arg(long = "model", value_name = "ID")]
    pub models: Vec<ModelId>,
    /// A path below /v1/ that it may use, such as chat/completions. May be given several times. Default: all but admin.
    #[arg(long = "endpoint", value_name = "PATH")]
    pub endpoints: Vec<String>,
    /// Let it use what is below /v1/admin/, such as the usage of all accounts.
    #[arg(long)]
    pub admin: bool,
    /// Requests a minute.
    #[arg(long, value_name = "REQUESTS")]
    pub requests_per_minute: Option<u64>,
    /// Prompt and completion tokens a minute.
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_minute: Option<u64>,
    /// Calls in progress at once.
    #[arg(long, value_name = "CALLS")]
    pub calls_in_flight_max: Option<u64>,
    /// Prompt and completion tokens a day (UTC).
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_day: Option<u64>,
    /// Prompt and completion tokens a calendar month (UTC).
    #[arg(long, value_name = "TOKENS")]
    pub tokens_per_month: Option<u64>,
    /// Compute units a day (UTC).
    #[arg(long, value_name = "UNITS")]
    pub units_per_day: Option<u64>,
    /// Compute units a calendar month (UTC).
    #[arg(long, value_name = "UNITS")]
    pub units_per_month: Option<u64>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

impl CreateKey {
    /// The account that these flags describe, made at `now_ms`.
    #[must_use]
    pub fn account(&self, now_ms: u64) -> NewAccount {
        let expires_at_ms =
            self.expires_in_days.map(|days| now_ms.saturating_add(days.saturating_mul(calendar::DAY_MS)));
        NewAccount {
            name: self.name.clone(),
            expires_at_ms,
            scopes: Scopes {
                models: self.models.clone(),
                endpoints: self.endpoints.clone(),
                admin: self.admin,
            },
            limits: Limits {
                requests_per_minute: self.requests_per_minute,
                tokens_per_minute: self.tokens_per_minute,
                calls_in_flight_max: self.calls_in_flight_max,
                tokens_per_day: self.tokens_per_day,
                tokens_per_month: self.tokens_per_month,
                units_per_day: self.units_per_day,
                units_per_month: self.units_per_month,
            },
        }
    }
}

/// Commands about the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Check every signature and recompute the Merkle root. The validator must not be running.
    Verify(Output),
    /// Write a whole and consistent copy of the ledger. The validator may be running.
    Backup {
        /// A new folder for the copy.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Check a copy and put it where the ledger belongs, which must be empty.
    Restore {
        /// The copy's folder.
        folder: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Remove receipts that are older than so many days and that the newest head's window does not need. Heads, rules and all that
    /// proofs need stay. The validator must not be running; a running one does it by itself with `ledger.retention_days`.
    Prune {
        /// Days that receipts are kept.
        #[arg(long, value_name = "DAYS")]
        older_than_days: u32,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Let the database give back the space that it no longer needs. The validator must not be running.
    Compact(Output),
}

/// Commands about single receipts.
#[derive(Debug, Subcommand)]
pub enum Receipts {
    /// Check that a call is in a log, from the answer of `subnet_v1_receiptProof` in a file. Ends with code 4 if not.
    VerifyProof {
        /// The answer, with or without the JSON-RPC envelope.
        file: PathBuf,
        /// A signed tree head (SCALE) whose size and root the proof must be for.
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
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
        /// The folder of bundles: leaves that an earlier tempo's bundle there has are not written again.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// Send the bundle to the object storage of the configuration as well.
        #[arg(long)]
        upload: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Fetch a bundle from a validator's gateway. Goes on where an earlier fetch into the same folder broke off, and brings only what
    /// earlier tempos have not brought.
    Fetch {
        /// The gateway, such as http://203.0.113.7:8064, or s3://bucket/prefix or file:///folder with [audit.store]'s settings.
        url: String,
        /// The tempo, by the chain's epoch index; the newest unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// The folder of bundles.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute a bundle's scores again and compare. Ends with code 4 if the validator is found to be wrong.
    Review {
        /// The folder of bundles, whose newest is reviewed, or one tempo's folder in it; or s3://bucket/prefix or file:///folder.
        #[arg(value_name = "FOLDER")]
        bundle: String,
        /// In object storage: the tempo, by the chain's epoch index; the newest unless given.
        #[arg(long, value_name = "INDEX")]
        epoch: Option<u64>,
        /// File with the parts that were verified before; made if it is not there. A review that was stopped goes on, and that of a
        /// later tempo verifies new parts only. Believed, so keep it where nobody else writes.
        #[arg(long, value_name = "FILE")]
        resume: Option<PathBuf>,
        /// The validator it must be of (ss58).
        #[arg(long, value_name = "HOTKEY")]
        validator: Option<AccountId>,
        /// Bundles of the same tempo of other validators, whose logs this one's weights may follow from too.
        #[arg(long, value_name = "FOLDER")]
        with: Vec<PathBuf>,
        /// Only the files: do not compare with the chain.
        #[arg(long)]
        offline: bool,
        /// How to print.
        #[command(flatten)]
        output: Output,
    },
    /// Compute the weights that one or more validators' bundles give together. Ends with code 4 if one of them is wrong.
    Replay(Replay),
    /// Check papers that prove a node guilty, from files alone. Ends with code 4 if they prove nothing.
    Dispute(Dispute),
    /// Check evidence against a miner again: its signatures, and what it says of an answer by executing the call once more. Ends with code 4 if it proves nothing, with 2 if the model's file is needed and was not given.
    Recheck(Recheck),
}

/// Flags of `audit recheck`.
#[derive(Debug, Args)]
pub struct Recheck {
    /// The evidence, in SCALE: one record, or a bundle's evidence.scale.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The file of the model that the call was about.
    #[arg(long, value_name = "PATH")]
    pub model: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `audit replay`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Bundles of one tempo, of one validator each.
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<PathBuf>,
    /// What a validator's log weighs, in rao; the stakes on chain unless given.
    #[arg(long = "stake", value_name = "HOTKEY=RAO", value_parser = parse_stake)]
    pub stakes: Vec<(AccountId, u64)>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `audit dispute`.
#[derive(Debug, Args)]
pub struct Dispute {
    /// The papers: two statements that contradict each other, or with --bundle one countersigned call, in SCALE.
    #[arg(value_name = "FILE")]
    pub papers: PathBuf,
    /// The bundle whose log must hold the call.
    #[arg(long, value_name = "FOLDER")]
    pub bundle: Option<PathBuf>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

fn parse_stake(text: &str) -> Result<(AccountId, u64), String> {
    let (hotkey, rao) = text.split_once('=').ok_or("write HOTKEY=RAO")?;
    let hotkey = hotkey.parse().map_err(|_| format!("{hotkey} is no ss58 address"))?;
    let rao = rao.parse().map_err(|_| format!("{rao} is no whole number of rao"))?;
    Ok((hotkey, rao))
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
