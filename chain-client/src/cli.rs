//! The command line that miner and validator share: flags that name chain, subnet and keys, and the `chain` and `wallet`
//! commands. btcli's names, with the older dotted spellings accepted but not shown.
//!
//! A flag wins over a `BT_*` variable, which clap reads; below come the variables of [`settings`], the binary's configuration
//! file, and the defaults.

pub mod generate;
pub mod logging;
pub mod program;
pub mod settings;
pub mod tls;

use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use protocol::AccountId;
use protocol::signing::Signature;

use crate::amount::parse_tao;
use crate::submit::axon::TlsKey;

/// Flags that name the chain, the subnet and the keys.
#[derive(Debug, Clone, Default, Args)]
pub struct ChainFlags {
    /// finney, test, archive, devnet, local, or a ws:// or wss:// URL (several separated by commas).
    #[arg(
        long, short = 'n', global = true, env = "BT_NETWORK", value_name = "NETWORK",
        aliases = ["subtensor.network", "subtensor_network", "subtensor.chain_endpoint", "subtensor_chain_endpoint"]
    )]
    pub network: Option<String>,
    /// What `--network local` stands for.
    #[arg(long, global = true, env = "BT_CHAIN_ENDPOINT", hide = true, value_name = "URL")]
    pub local_endpoint: Option<String>,
    /// Endpoints to use when the network's own does not answer, separated by commas; `none` for no others.
    #[arg(
        long,
        global = true,
        env = "BT_FALLBACK_ENDPOINTS",
        value_name = "URLS",
        alias = "fallback_endpoints"
    )]
    pub fallback_endpoints: Option<String>,
    /// The subnet.
    #[arg(long, global = true, env = "BT_NETUID")]
    pub netuid: Option<u16>,
    /// The wallet's name.
    #[arg(
        long, short = 'w', global = true, env = "BT_WALLET", value_name = "NAME",
        aliases = ["wallet-name", "wallet_name", "wallet.name"]
    )]
    pub wallet: Option<String>,
    /// The hotkey's name within the wallet.
    #[arg(
        long, short = 'H', global = true, env = "BT_WALLET_HOTKEY", value_name = "NAME",
        aliases = ["wallet_hotkey", "wallet.hotkey", "hotkey"]
    )]
    pub wallet_hotkey: Option<String>,
    /// The folder that holds wallets.
    #[arg(
        long, short = 'p', global = true, env = "BT_WALLET_PATH", value_name = "FOLDER",
        aliases = ["wallet_path", "wallet.path"]
    )]
    pub wallet_path: Option<String>,
    /// A file whose first line is the coldkey's password; BT_WALLET_PASSWORD wins over it.
    #[arg(long, global = true, env = "BT_WALLET_PASSWORD_FILE", value_name = "FILE")]
    pub wallet_password_file: Option<PathBuf>,
}

/// Flags about what is logged, and how.
#[derive(Debug, Clone, Default, Args)]
pub struct LogFlags {
    /// error, warn, info, debug, trace, or tracing's filter language.
    #[arg(long, global = true, value_name = "LEVEL", aliases = ["logging.level"])]
    pub log_level: Option<String>,
    /// The same as --log-level debug.
    #[arg(long = "logging.debug", global = true, hide = true)]
    pub logging_debug: bool,
    /// The same as --log-level trace.
    #[arg(long = "logging.trace", global = true, hide = true)]
    pub logging_trace: bool,
    /// Log JSON lines instead of text.
    #[arg(long, global = true)]
    pub json_logs: bool,
    /// Send traces to an OpenTelemetry collector at http://ADDRESS:PORT.
    #[arg(long, global = true, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Output {
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `config`: without any, the configuration in force.
#[derive(Debug, Args)]
pub struct ShowConfig {
    /// Print the documented file with every default instead.
    #[arg(long, alias = "print-default-config")]
    pub print_default: bool,
    /// What else to do with it.
    #[command(subcommand)]
    pub action: Option<ConfigAction>,
}

/// What can be done with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Read it as `run` would, with the files that it names, and say what is wrong. Ends with code 2 if something is.
    Check(Output),
}

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a coldkey and a hotkey in btcli's layout, or a hotkey for the coldkey that is there. Never overwrites one.
    New(WalletNew),
    /// Show the wallet's public keys.
    Show(Output),
    /// Sign a text with the hotkey (or the coldkey).
    Sign(WalletSign),
    /// Check the signature of a text.
    Verify(WalletVerify),
}

/// Flags of `wallet new`.
#[derive(Debug, Default, Args)]
pub struct WalletNew {
    /// Leave the coldkey without a password. For development.
    #[arg(long, aliases = ["no-use-password", "no_password"])]
    pub no_password: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `wallet sign`.
#[derive(Debug, Args)]
pub struct WalletSign {
    /// The text to sign.
    #[arg(long, value_name = "TEXT")]
    pub message: String,
    /// Sign with the coldkey, which may ask for its password.
    #[arg(long, conflicts_with = "use_hotkey")]
    pub use_coldkey: bool,
    /// Sign with the hotkey, as is the default.
    #[arg(long, hide = true)]
    pub use_hotkey: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `wallet verify`.
#[derive(Debug, Args)]
pub struct WalletVerify {
    /// The text that was signed.
    #[arg(long, value_name = "TEXT")]
    pub message: String,
    /// The signature, 128 hexadecimal digits with or without 0x.
    #[arg(long, value_name = "HEX", value_parser = parse_signature)]
    pub signature: Signature,
    /// Who should have signed. Default: the wallet's hotkey.
    #[arg(long, value_name = "SS58", alias = "ss58")]
    pub address: Option<AccountId>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Commands about the chain. All but `register` and `axon` only read.
#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// The chain, the subnet and the hotkey at one finalised block.
    Status(Output),
    /// Every neuron of the subnet.
    Metagraph(Output),
    /// The rules that the subnet's owner has set.
    Hyperparameters(Output),
    /// Register the hotkey on the subnet.
    Register(Register),
    /// Show where the hotkey is said to serve, or announce it.
    Axon(Axon),
    /// The weights that validators have set.
    Weights(Weights),
    /// Prices, pools and the coldkey's stakes.
    Stake(StakeView),
}

/// How long a transaction is waited for.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Waiting {
    /// Milliseconds until the transaction must be final; what is in a block by then is reported as not final yet
    /// [default: 60000].
    #[arg(long, value_name = "MS")]
    pub submit_timeout_ms: Option<u64>,
}

/// Flags of `register`.
#[derive(Debug, Default, Args)]
pub struct Register {
    /// Show what would happen and what it costs, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before burning.
    #[arg(long, short = 'y', aliases = ["no-prompt", "no_prompt"])]
    pub yes: bool,
    /// The most to burn, in rao. The chain itself holds the price to it.
    #[arg(long, value_name = "RAO")]
    pub burn_max_rao: Option<u64>,
    /// The most to burn, in TAO with up to nine decimals.
    #[arg(long, value_name = "TAO", value_parser = parse_tao, conflicts_with = "burn_max_rao")]
    pub burn_max_tao: Option<u64>,
    /// Work for the uid instead of paying for it. Only on chains and subnets that allow it.
    #[arg(long, conflicts_with_all = ["burn_max_rao", "burn_max_tao"])]
    pub pow: bool,
    /// Threads that work. Default: all processors.
    #[arg(long, value_name = "THREADS", requires = "pow")]
    pub pow_threads: Option<NonZeroUsize>,
    /// Blocks to wait for what passes by itself: a price above the limit, a subnet full of immune neurons, a full block.
    #[arg(long, value_name = "BLOCKS", default_value_t = 0)]
    pub wait_blocks: u32,
    /// How the transaction is waited for.
    #[command(flatten)]
    pub waiting: Waiting,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `chain axon`. Without an address it only shows.
#[derive(Debug, Default, Args)]
pub struct Axon {
    /// Announce this address, such as 203.0.113.7:8091 (an IPv6 address stands in brackets).
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["external_ip", "external_port"])]
    pub address: Option<SocketAddr>,
    /// Announce this address.
    #[arg(long, value_name = "ADDRESS", requires = "external_port", aliases = ["axon.external_ip", "external_ip"])]
    pub external_ip: Option<IpAddr>,
    /// Announce this port.
    #[arg(long, value_name = "PORT", requires = "external_ip", aliases = ["axon.external_port", "external_port"])]
    pub external_port: Option<NonZeroU16>,
    /// Announce this public key of the axon's TLS certificate too: algorithm byte and at most 64 bytes, in hexadecimal.
    #[arg(long, value_name = "HEX")]
    pub tls_key: Option<TlsKey>,
    /// Blocks to wait where the chain's limit says that it is too early.
    #[arg(long, value_name = "BLOCKS", default_value_t = 0)]
    pub wait_blocks: u32,
    /// How the transaction is waited for.
    #[command(flatten)]
    pub waiting: Waiting,
    /// Show what would be announced and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `chain weights`.
#[derive(Debug, Default, Args)]
pub struct Weights {
    /// Only those of this validator.
    #[arg(long, value_name = "UID")]
    pub uid: Option<u16>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

/// Flags of `chain stake`.
#[derive(Debug, Default, Args)]
pub struct StakeView {
    /// Whose stakes to list. Default: the wallet's coldkey.
    #[arg(long, value_name = "SS58", alias = "ss58")]
    pub coldkey: Option<AccountId>,
    /// Also show what staking this much would give at the moment.
    #[arg(long = "amount-tao", value_name = "TAO", value_parser = parse_tao)]
    pub amount_rao: Option<u64>,
    /// How to print.
    #[command(flatten)]
    pub output: Output,
}

impl Waiting {
    /// Inclusion and finality take less than fifty seconds on public networks.
    const DEFAULT_MS: u64 = 60_000;

    /// The limit.
    pub fn limit(&self) -> Duration {
        Duration::from_millis(self.submit_timeout_ms.unwrap_or(Self::DEFAULT_MS))
    }
}

impl LogFlags {
    /// The level that was asked for, if one was.
    pub fn level(&self) -> Option<String> {
        let trace = self.logging_trace.then(|| "trace".to_owned());
        let debug = self.logging_debug.then(|| "debug".to_owned());
        self.log_level.clone().or(trace).or(debug)
    }
}

impl Axon {
    /// The address to announce, if one was given.
    pub fn wanted(&self) -> Option<SocketAddr> {
        let parts = self.external_ip.zip(self.external_port);
        self.address.or(parts.map(|(ip, port)| SocketAddr::new(ip, port.get())))
    }
}

impl Register {
    /// The operator's limit on the price, in rao.
    pub fn limit_rao(&self) -> Option<u64> {
        self.burn_max_rao.or(self.burn_max_tao)
    }
}

fn parse_signature(text: &str) -> Result<Signature, String> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    format!("0x{digits}").parse().map_err(|_| "a signature is 128 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests;
