//! The validator's settings: one struct per part, every field with its unit, unknown fields refused.
//!
//! `config.default.toml` beside this crate's manifest holds the same values with an explanation of each;
//! `subnet-validator config --print-default` prints it, and a test keeps the two equal.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chain_client::cli::logging::traces::TelemetryConfig;
use chain_client::cli::settings::{self, BadVariable};
use protocol::bounty::{APART_MS, CLAIMS_MAX};
use serde::{Deserialize, Serialize};

use crate::accounts::config::AccountsConfig;
use crate::audit::store::StoreConfig;
use crate::challenges::ChallengesConfig;
use crate::demand::DemandConfig;
use crate::gateway::CorsConfig;
use crate::shards::ShardsConfig;
pub use crate::staker_rpc::config::StakerRpcConfig;
use crate::tls::TlsConfig;

/// The default configuration file, with comments.
pub const DEFAULT_TOML: &str = include_str!("../config.default.toml");

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The subnet to validate.
    pub netuid: u16,
    /// `finney`, `test`, `local`, `archive`, or a `ws://` or `wss://` address.
    pub network: String,
    /// Name of the wallet.
    pub wallet: String,
    /// Name of its hotkey; the only key this program reads while it runs.
    pub wallet_hotkey: String,
    /// Folder of the wallets; a leading `~/` is the home folder.
    pub wallet_path: String,
    /// Start although an unencrypted coldkey can be read beside the hotkey.
    pub allow_coldkey_present: bool,
    /// Folder of the ledger, the API keys and the weights journal. Empty: `subnet-validator/<netuid>-<hotkey>` in the user's
    /// state folder.
    pub state_path: String,
    /// File with the models users may ask for (TOML or JSON). Empty: the built-in catalogue.
    pub catalogue: String,
    /// Longest wait for one answer of the chain, in milliseconds.
    pub chain_timeout_ms: u64,
    /// error, warn, info, debug, trace, or tracing's filter language.
    pub log_level: String,
    /// Whether logs are JSON lines.
    pub json_logs: bool,
    /// The users' side.
    pub gateway: GatewayConfig,
    /// The miners' side.
    pub fleet: FleetConfig,
    /// The receipt ledger.
    pub ledger: LedgerLimits,
    /// Scores and weights.
    pub weights: WeightsConfig,
    /// What auditors can fetch.
    pub audit: AuditConfig,
    /// What miners are checked by.
    pub challenges: ChallengesConfig,
    /// Several gateways under one hotkey.
    pub shards: ShardsConfig,
    /// The stakers' side.
    pub staker_rpc: StakerRpcConfig,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
}

/// Settings of the OpenAI-compatible gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Address to listen on; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether `/v1` needs an API key. Without one anybody who reaches the port can use the miners.
    pub require_api_key: bool,
    /// Connections open at once; the next ones wait unaccepted.
    pub connections_max: usize,
    /// Those of one address (IPv6: one /64 network); the next ones are closed. Behind a proxy all have the proxy's address.
    pub connections_per_address_max: u32,
    /// Calls in progress at once; the next one gets 429.
    pub requests_in_flight_max: usize,
    /// Longest wait for a request's head, in milliseconds.
    pub header_read_timeout_ms: u64,
    /// Longest wait for a client to take a byte of its answer, in milliseconds.
    pub unread_timeout_ms: u64,
    /// Longest wait for a request's body, in milliseconds.
    pub body_read_timeout_ms: u64,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Silence in a stream after which a comment is sent to keep it open, in milliseconds.
    pub ping_interval_ms: u64,
    /// Longest wait for open calls when the validator stops, in milliseconds.
    pub drain_timeout_ms: u64,
    /// Limits of accounts that have none of their own, and signed requests.
    pub accounts: AccountsConfig,
    /// Web pages that may call from a browser.
    pub cors: CorsConfig,
    /// The certificate.
    pub tls: TlsConfig,
}

/// Settings of the fleet: how miners are found, asked and judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FleetConfig {
    /// Miners asked for one call before giving up.
    pub attempts_max: u32,
    /// Whether only miners are asked that serve TLS and have their certificate on chain. Without it those that have none are asked in
    /// the clear; who has one is never asked without it.
    pub require_tls: bool,
    /// Longest wait for a connection to a miner, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Longest wait for a miner's first byte, in milliseconds; at least 60,000.
    pub first_byte_timeout_ms: u64,
    /// Longest silence inside a miner's stream, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Longest time for one attempt from ticket to receipt, in milliseconds.
    pub request_timeout_ms: u64,
    /// Largest whole answer of a miner, in bytes.
    pub answer_bytes_max: usize,
    /// Largest single event of a miner's stream, in bytes.
    pub event_bytes_max: usize,
    /// Events held for a client that reads slowly; past it the miner is read no further.
    pub relay_events_max: usize,
    /// Tokens a ticket allows when the user set no limit.
    pub completion_tokens_max: u32,
    /// Tokens that a model's chat template may add to what a request says. No prompt is believed to have more tokens than its request has
    /// bytes and these.
    pub template_tokens_max: u32,
    /// Sequence numbers reserved on disk at a time; a restart skips at most this many per miner.
    pub sequence_block: u64,
    /// Tokens an answer is expected to have at most, for balancing the load.
    pub answer_tokens_expected: u32,
    /// Bytes of one block of a prompt's beginning.
    pub affinity_block_bytes: usize,
    /// Leading blocks by which calls that begin alike go to the same miner; 0 switches this off.
    pub affinity_blocks_max: usize,
    /// Load above the average up to which a miner gets such calls, in percent.
    pub affinity_excess_percent: u32,
    /// Silence after which a second miner is asked as well, in milliseconds; 0 never does.
    pub hedge_after_ms: u64,
    /// Longest wait for the receipt of an answer whose user left, in milliseconds; 0 drops the miner's connection at once.
    pub cancel_timeout_ms: u64,
    /// Failures in a row after which a miner is left alone with a model.
    pub breaker_failures_max: u32,
    /// Share of failures among the latest calls after which it is left alone, in percent.
    pub breaker_failures_percent_max: u32,
    /// Calls that count as the latest.
    pub breaker_calls_window: u32,
    /// How long it is left alone before one call tries it again, in milliseconds.
    pub breaker_cooldown_ms: u64,
    /// How long at most, after such calls failed, in milliseconds.
    pub breaker_cooldown_ms_max: u64,
    /// Time between two rounds of asking miners what they run, in milliseconds.
    pub inventory_poll_ms: u64,
    /// Longest wait for one miner's inventory, in milliseconds.
    pub inventory_timeout_ms: u64,
    /// Age at which an inventory no longer counts, in milliseconds.
    pub inventory_max_age_ms: u64,
    /// Largest inventory, in bytes.
    pub inventory_bytes_max: usize,
    /// Inventories asked for at once.
    pub inventory_polls_max: usize,
    /// Cold models: who waits, what is offered, what miners are told.
    pub demand: DemandConfig,
}

/// Limits of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerLimits {
    /// Receipts waiting for the writer.
    pub queue_receipts_max: std::num::NonZeroUsize,
    /// Receipts written together.
    pub group_receipts_max: std::num::NonZeroUsize,
    /// Groups written and not yet synced; past it answers wait for the disk.
    pub unsynced_groups_max: std::num::NonZeroUsize,
    /// Days after which receipts are removed; none are for 0. What the newest head's window needs stays in any case.
    pub retention_days: u32,
}

/// Settings of scoring and weight setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeightsConfig {
    /// Whether weights are set at all. Scores are computed either way.
    pub enabled: bool,
    /// Share of the tempo that passes before this tempo's head is cut, committed and published, in percent.
    pub head_after_percent: u8,
    /// Share of the tempo that passes before this tempo's vector is decided, in percent. The time since the head is for other
    /// validators to check it, and for this one to check theirs.
    pub submit_after_percent: u8,
    /// Make weights from this validator's own log alone, instead of from all committed logs that it could verify.
    pub own_log_only: bool,
    /// When finality is further behind than this many blocks, no vector is decided: it could reach another tempo.
    pub finality_lag_blocks_max: u32,
    /// Least time between two computations of the scores, in milliseconds.
    pub score_interval_ms: u64,
}

/// Settings of the bundles that auditors fetch from the gateway under `/audit/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// Bundles kept; older ones are removed. 0 publishes none.
    pub bundles_max: usize,
    /// New leaves in the largest bundle that is written by itself; a larger one waits for `audit export`.
    pub bundle_leaves_max: u64,
    /// Where other validators' bundles are fetched from: gateways, or static hosts with the same folders. Validators with an
    /// address on chain are asked there too.
    pub peers: Vec<String>,
    /// Largest bundle fetched of another validator, in bytes.
    pub peer_bundle_bytes_max: u64,
    /// Longest time for fetching one bundle, in milliseconds.
    pub peer_fetch_timeout_ms: u64,
    /// Object storage that bundles are put into as well.
    pub store: StoreConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            netuid: 64,
            network: "finney".into(),
            wallet: "default".into(),
            wallet_hotkey: "default".into(),
            wallet_path: "~/.bittensor/wallets".into(),
            allow_coldkey_present: false,
            state_path: String::new(),
            catalogue: String::new(),
            chain_timeout_ms: 20_000,
            log_level: "info".into(),
            json_logs: false,
            gateway: GatewayConfig::default(),
            fleet: FleetConfig::default(),
            ledger: LedgerLimits::default(),
            weights: WeightsConfig::default(),
            audit: AuditConfig::default(),
            challenges: ChallengesConfig::default(),
            shards: ShardsConfig::default(),
            staker_rpc: StakerRpcConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 8064)),
            require_api_key: true,
            connections_max: 4096,
            connections_per_address_max: 1024,
            requests_in_flight_max: 2048,
            header_read_timeout_ms: 10_000,
            unread_timeout_ms: 60_000,
            body_read_timeout_ms: 10_000,
            body_bytes_max: 1 << 20,
            ping_interval_ms: 15_000,
            drain_timeout_ms: 10_000,
            accounts: AccountsConfig::default(),
            cors: CorsConfig::default(),
            tls: TlsConfig::default(),
        }
    }
}

impl Default for FleetConfig {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            require_tls: false,
            connect_timeout_ms: 3_000,
            first_byte_timeout_ms: 60_000,
            idle_timeout_ms: 30_000,
            request_timeout_ms: 600_000,
            answer_bytes_max: 16 << 20,
            event_bytes_max: 1 << 20,
            relay_events_max: 64,
            completion_tokens_max: 4096,
            template_tokens_max: 1024,
            sequence_block: 256,
            answer_tokens_expected: 512,
            affinity_block_bytes: 256,
            affinity_blocks_max: 4,
            affinity_excess_percent: 25,
            hedge_after_ms: 0,
            cancel_timeout_ms: 1_000,
            breaker_failures_max: 3,
            breaker_failures_percent_max: 30,
            breaker_calls_window: 40,
            breaker_cooldown_ms: 30_000,
            breaker_cooldown_ms_max: 300_000,
            inventory_poll_ms: 5_000,
            inventory_timeout_ms: 3_000,
            inventory_max_age_ms: 30_000,
            inventory_bytes_max: 256 << 10,
            inventory_polls_max: 32,
            demand: DemandConfig::default(),
        }
    }
}

impl Default for LedgerLimits {
    fn default() -> Self {
        const QUEUE: std::num::NonZeroUsize = std::num::NonZeroUsize::new(4096).expect("not zero");
        const GROUP: std::num::NonZeroUsize = std::num::NonZeroUsize::new(256).expect("not zero");
        const UNSYNCED: std::num::NonZeroUsize = std::num::NonZeroUsize::new(256).expect("not zero");
        Self {
            queue_receipts_max: QUEUE,
            group_receipts_max: GROUP,
            unsynced_groups_max: UNSYNCED,
            retention_days: 0,
        }
    }
}

impl Default for WeightsConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            head_after_percent: 40,
            submit_after_percent: 60,
            own_log_only: false,
            finality_lag_blocks_max: 24,
            score_interval_ms: 1_000,
        }
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            bundles_max: 3,
            bundle_leaves_max: 2_000_000,
            peers: Vec::new(),
            peer_bundle_bytes_max: 16 << 30,
            peer_fetch_timeout_ms: 900_000,
            store: StoreConfig::default(),
        }
    }
}

/// Settings, by the beginning of their name, that a running validator takes over on SIGHUP.
const RELOADED: [&str; 9] = [
    "log_level",
    "gateway.accounts.requests_per_minute",
    "gateway.accounts.tokens_per_minute",
    "gateway.accounts.calls_in_flight_max",
    "gateway.accounts.tokens_per_day",
    "gateway.accounts.tokens_per_month",
    "gateway.accounts.units_per_day",
    "gateway.accounts.units_per_month",
    "gateway.cors.origins",
];

/// The configuration file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It could not be read.
    #[error("cannot read the configuration file {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not a valid configuration.
    #[error("the configuration file {path} is not valid", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("`{field}` {problem}")]
    Value {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An environment variable.
    #[error(transparent)]
    Variable(BadVariable),
}

impl Config {
    /// Reads a TOML file; what it does not name keeps its default.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config: Self = toml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        config.check()?;
        Ok(config)
    }

    /// The settings that differ in `new` and come into force only by a restart, by name.
    #[must_use]
    pub fn restart_needed(&self, new: &Self) -> Vec<String> {
        settings::differing(self, new, &RELOADED)
    }

    /// This configuration under the environment's `SUBNET_VALIDATOR__...` variables.
    pub fn under_environment(self) -> Result<Self, ConfigError> {
        settings::under_environment(self, "SUBNET_VALIDATOR", settings::environment())
            .map_err(ConfigError::Variable)
    }

    /// Checks what the types cannot say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let demand = &self.fleet.demand;
        if demand.bounty_cooldown_ms < APART_MS || demand.bounty_claims_max > CLAIMS_MAX {
            let problem = "bounty_cooldown_ms must be at least 60000 and bounty_claims_max at most 1000: auditors would take more \
                           for a bounty that is paid twice";
            return Err(ConfigError::Value { field: "fleet.demand", problem });
        }
        if self.fleet.first_byte_timeout_ms < APART_MS {
            let problem = "must be at least 60000: a bounty goes to the next claimant when the first was silent for so long, and auditors \
                           would take two within that time for a bounty that is paid twice";
            return Err(ConfigError::Value { field: "fleet.first_byte_timeout_ms", problem });
        }
        if let Some((field, problem)) = self.shards.fault() {
            return Err(ConfigError::Value { field, problem });
        }
        if !self.shards.peers.is_empty() && self.shards.give_up_percent > self.weights.submit_after_percent {
            let problem = "must be at most weights.submit_after_percent: weights follow from heads";
            return Err(ConfigError::Value { field: "shards.give_up_percent", problem });
        }
        let at_least_one: [(&'static str, u64); 9] = [
            ("gateway.connections_max", self.gateway.connections_max as u64),
            ("gateway.connections_per_address_max", self.gateway.connections_per_address_max.into()),
            ("gateway.requests_in_flight_max", self.gateway.requests_in_flight_max as u64),
            ("gateway.ping_interval_ms", self.gateway.ping_interval_ms),
            ("fleet.attempts_max", self.fleet.attempts_max.into()),
            ("fleet.relay_events_max", self.fleet.relay_events_max as u64),
            ("fleet.sequence_block", self.fleet.sequence_block),
            ("fleet.inventory_poll_ms", self.fleet.inventory_poll_ms),
            ("fleet.inventory_polls_max", self.fleet.inventory_polls_max as u64),
        ];
        if let Some((field, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(ConfigError::Value { field, problem: "must be at least 1" });
        }
        if self.staker_rpc.niceness > 19 {
            return Err(ConfigError::Value { field: "staker_rpc.niceness", problem: "must be at most 19" });
        }
        if self.weights.head_after_percent > self.weights.submit_after_percent {
            return Err(ConfigError::Value {
                field: "weights.head_after_percent",
                problem: "must be at most weights.submit_after_percent: weights follow from heads",
            });
        }
        let accounts = &self.gateway.accounts;
        if accounts.nonce_retention_ms < accounts.retention_ms_min() {
            return Err(ConfigError::Value {
                field: "gateway.accounts.nonce_retention_ms",
                problem: "must be at least twice signature_age_ms_max and signature_ahead_ms_max together",
            });
        }
        if self.weights.submit_after_percent > 95 {
            return Err(ConfigError::Value {
                field: "weights.submit_after_percent",
                problem: "must be at most 95, so that the vector is final before the tempo ends",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError, DEFAULT_TOML};

    #[test]
    fn the_printed_default_file_says_what_the_program_does_without_one() {
        let printed: Config = toml::from_str(DEFAULT_TOML).unwrap();
        assert_eq!(printed, Config::default());
    }

    #[test]
    fn the_printed_default_file_names_every_setting() {
        let printed: toml::Table = DEFAULT_TOML.parse().unwrap();
        let known = toml::Table::try_from(Config::default()).unwrap();
        assert_eq!(printed, known);
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(toml::from_str::<Config>("netuidd = 3").is_err());
        assert!(toml::from_str::<Config>("[gateway]\nport = 3").is_err());
    }

    #[test]
    fn a_limit_of_zero_is_refused_by_name() {
        let config: Config = toml::from_str("[fleet]\nattempts_max = 0").unwrap();
        let Err(ConfigError::Value { field, .. }) = config.check() else { panic!("accepted") };
        assert_eq!(field, "fleet.attempts_max");
    }

    #[test]
    fn a_wait_for_claimants_shorter_than_auditors_expect_is_refused_by_name() {
        let config =
            |ms: u64| toml::from_str::<Config>(&format!("[fleet]\nfirst_byte_timeout_ms = {ms}")).unwrap();
        assert!(config(60_000).check().is_ok());
        let Err(ConfigError::Value { field, .. }) = config(59_999).check() else { panic!("accepted") };
        assert_eq!(field, "fleet.first_byte_timeout_ms");
    }

    #[test]
    fn a_niceness_that_no_system_has_is_refused() {
        let config: Config = toml::from_str("[staker_rpc]\nniceness = 20").unwrap();
        let Err(ConfigError::Value { field, .. }) = config.check() else { panic!("accepted") };
        assert_eq!(field, "staker_rpc.niceness");
    }

    #[test]
    fn what_needs_a_restart_is_named_and_what_is_reloaded_is_not() {
        let mut new = Config::default();
        new.gateway.accounts.tokens_per_day = 5;
        new.gateway.cors.origins.push("https://example.org".into());
        assert!(Config::default().restart_needed(&new).is_empty());
        new.gateway.bind.set_port(1);
        new.staker_rpc.batch_calls_max = 3;
        assert_eq!(Config::default().restart_needed(&new), ["gateway.bind", "staker_rpc.batch_calls_max"]);
    }

    #[test]
    fn every_setting_that_is_reloaded_exists() {
        let names = super::settings::flat(&Config::default());
        for name in super::RELOADED {
            assert!(names.contains_key(name), "{name}");
        }
    }
}
