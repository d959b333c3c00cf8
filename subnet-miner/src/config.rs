//! The configuration: a TOML file under flags and environment. Each field says its unit and default.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.
//! `subnet-miner config --print-default` prints the file with every default, which a test keeps equal to this code.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use chain_client::TlsKey;
use chain_client::cli::logging::traces::TelemetryConfig;
use chain_client::cli::settings::{self, BadVariable};
use chain_client::command::Site;
use chain_client::wallet::WalletPath;
use model_runtime::DeviceChoice;
use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

use crate::axon::AxonConfig;
use crate::demand::DemandConfig;
use crate::models::ModelLocation;
use crate::operations::OperationsConfig;
use crate::permits::PermitPolicy;
use crate::receipts::StoreConfig;
use crate::store::ContentConfig;
use crate::strategist::StrategistConfig;

/// The file that `config --print-default` prints.
pub const DEFAULT_FILE: &str = include_str!("../miner.default.toml");

/// Everything a miner can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The chain: finney, test, archive, devnet, local, or ws:// and wss:// URLs separated by commas. Default finney.
    pub network: String,
    /// What `network = "local"` stands for, a ws:// URL. Default ws://127.0.0.1:9944.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_endpoint: Option<String>,
    /// Endpoints to use when the network's own does not answer, separated by commas; "none" for no others. Default: the
    /// network's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_endpoints: Option<String>,
    /// The subnet. Default 64.
    pub netuid: u16,
    /// The wallet's name, a folder below `wallet_path`. Default "default".
    pub wallet: String,
    /// The hotkey's name within the wallet. Default "default".
    pub wallet_hotkey: String,
    /// The folder that holds wallets. Default ~/.bittensor/wallets.
    pub wallet_path: PathBuf,
    /// Start although an unencrypted coldkey can be read beside the hotkey. Default false.
    pub allow_coldkey_present: bool,
    /// The folder for receipts and nonce marks, in a folder per hotkey. Default ~/.local/state/subnet-miner.
    pub state_path: PathBuf,
    /// What to log: error, warn, info, debug, trace, or tracing's own filter language. Default info.
    pub log_level: String,
    /// Log JSON lines instead of text. Default false.
    pub json_logs: bool,
    /// The models to serve: name = "path of a GGUF file". Default none.
    pub models: BTreeMap<ModelId, ModelLocation>,
    /// How models run.
    pub runtime: RuntimeLimits,
    /// Where the axon listens and what it allows.
    pub axon: AxonConfig,
    /// What the chain is told about the axon.
    pub serve: ServeConfig,
    /// Who may call.
    pub permits: PermitPolicy,
    /// How validators' demand is followed.
    pub demand: DemandConfig,
    /// Whether and how models are chosen.
    pub strategist: StrategistConfig,
    /// Where weights are kept and how they are got.
    pub weights: ContentConfig,
    /// Where metrics and status are told.
    pub operations: OperationsConfig,
    /// How the chain is followed.
    pub chain: ChainConfig,
    /// Limits of the receipt store.
    pub receipts: StoreConfig,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
}

/// How models run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuntimeLimits {
    /// Threads for generation. Default: as the runtime chooses for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// Where models are computed: `auto`, `cpu` or `cuda`. Default `auto`: an NVIDIA card where there is one and the program was built
    /// with CUDA, else the processor.
    pub device: DeviceChoice,
    /// Requests that one model computes in turn. Default 4.
    pub slots: NonZeroUsize,
    /// Requests that may wait for a slot, per model. Default 64.
    pub queue_requests_max: NonZeroUsize,
    /// Prompt and answer together, in tokens, whatever more the model could take. Default 8192.
    pub context_tokens_max: NonZeroU32,
    /// Tokens of a prompt computed before other requests get their turn. Default 256.
    pub prefill_tokens_max: NonZeroUsize,
    /// Bytes of keys and values, per model; a model whose context does not fit gets a shorter one. Default 1 GiB.
    pub cache_bytes_max: u64,
}

/// What the chain is told about the axon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeConfig {
    /// Whether to publish the axon's address on the chain at all. Default true.
    pub axon: bool,
    /// The address validators reach this miner under. Default: the one listened on, unless that is 0.0.0.0 or ::.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ip: Option<IpAddr>,
    /// The port validators reach this miner under. Default: the one listened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_port: Option<NonZeroU16>,
    /// What is published for validators to pin where another program serves the axon's TLS: byte 32 and SHA-256 of its certificate's
    /// DER bytes, in hexadecimal. Default: what `axon.tls` makes of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<TlsKey>,
    /// Blocks to wait after a failed publication, where the chain's own limit is not longer. Default 5.
    pub retry_blocks: NonZeroU32,
}

/// How the chain is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChainConfig {
    /// Time for one request to the chain, in milliseconds. Default 20000.
    pub request_ms_max: u64,
    /// Least time between two reads of the metagraph, in milliseconds, however fast blocks come. Default 2000.
    pub metagraph_ms_min: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: "finney".to_owned(),
            local_endpoint: None,
            fallback_endpoints: None,
            netuid: 64,
            wallet: "default".to_owned(),
            wallet_hotkey: "default".to_owned(),
            wallet_path: "~/.bittensor/wallets".into(),
            allow_coldkey_present: false,
            state_path: "~/.local/state/subnet-miner".into(),
            log_level: "info".to_owned(),
            json_logs: false,
            models: BTreeMap::new(),
            runtime: RuntimeLimits::default(),
            axon: AxonConfig::default(),
            serve: ServeConfig::default(),
            permits: PermitPolicy::default(),
            demand: DemandConfig::default(),
            strategist: StrategistConfig::default(),
            operations: OperationsConfig::default(),
            weights: ContentConfig::default(),
            chain: ChainConfig::default(),
            receipts: StoreConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

impl Default for RuntimeLimits {
    fn default() -> Self {
        let size = |value| NonZeroUsize::new(value).expect("a literal above zero");
        Self {
            threads: None,
            device: DeviceChoice::Auto,
            slots: size(4),
            queue_requests_max: size(64),
            context_tokens_max: NonZeroU32::new(8_192).expect("a literal above zero"),
            prefill_tokens_max: size(256),
            cache_bytes_max: 1 << 30,
        }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self {
            axon: true,
            external_ip: None,
            external_port: None,
            tls_key: None,
            retry_blocks: NonZeroU32::new(5).expect("a literal above zero"),
        }
    }
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self { request_ms_max: 20_000, metagraph_ms_min: 2_000 }
    }
}

/// Settings that a running miner takes over on SIGHUP, and those below them.
const RELOADED: [&str; 8] = [
    "log_level",
    "axon.limits.per_address",
    "axon.limits.per_hotkey",
    "axon.limits.answers_max",
    "axon.limits.answers_per_hotkey_max",
    "axon.limits.answers_waiting_max",
    "axon.limits.answer_wait_ms_max",
    "permits",
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what a configuration looks like.
    #[error("cannot understand the configuration file {}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// An environment variable.
    #[error(transparent)]
    Variable(BadVariable),
}

impl Config {
    /// The file's configuration, or the default without one.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(path) = file else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// The settings that differ in `new` and come into force only by a restart, by name.
    pub fn restart_needed(&self, new: &Self) -> Vec<String> {
        settings::differing(self, new, &RELOADED)
    }

    /// This configuration under the environment's `SUBNET_MINER__...` variables.
    pub fn under_environment(self) -> Result<Self, ConfigError> {
        settings::under_environment(self, "SUBNET_MINER", settings::environment())
            .map_err(ConfigError::Variable)
    }

    /// Replaces a leading `~` in paths by the home folder.
    pub fn at_home(mut self, home: Option<&Path>) -> Self {
        self.wallet_path = expand_home(self.wallet_path, home);
        self.state_path = expand_home(self.state_path, home);
        self.weights.path = expand_home(self.weights.path, home);
        let local_paths = std::mem::take(&mut self.weights.local_paths);
        self.weights.local_paths = local_paths.into_iter().map(|path| expand_home(path, home)).collect();
        self.models = self.models.into_iter().map(|(id, location)| (id, location.at_home(home))).collect();
        self
    }

    /// Where the keys are.
    pub fn wallet(&self) -> WalletPath {
        WalletPath {
            root: self.wallet_path.clone(),
            wallet: self.wallet.clone(),
            hotkey: self.wallet_hotkey.clone(),
        }
    }

    /// Whether the miner can do without models of the operator's: its strategist knows validators, or finds them on chain.
    pub fn finds_models(&self) -> bool {
        let knows_validators = self.demand.follow_announced || !self.demand.validators.is_empty();
        self.strategist.mode == crate::strategist::Mode::On && knows_validators
    }

    /// Where the shared commands work.
    pub fn site(&self) -> Site {
        Site {
            program: "subnet-miner",
            network: self.network.clone(),
            local_endpoint: self.local_endpoint.clone(),
            fallback_endpoints: self.fallback_endpoints.clone(),
            netuid: self.netuid,
            wallet: self.wallet(),
            password_file: None,
            request_timeout_ms: self.chain.request_ms_max,
        }
    }

    /// Where the weights of `hotkey` are kept and how they are got.
    pub fn content(&self, hotkey: &protocol::account::AccountId) -> ContentConfig {
        let mut weights = self.weights.clone();
        if weights.path.as_os_str().is_empty() {
            weights.path = self.state_path.join(hotkey.to_ss58()).join("weights");
        }
        weights
    }

    /// Where the receipts of `hotkey` are kept.
    pub fn receipts_path(&self, hotkey: &protocol::account::AccountId) -> PathBuf {
        self.state_path.join(hotkey.to_ss58()).join("receipts")
    }
}

/// `~/x` below the home folder; any other path, or no home folder, leaves it as it is.
pub fn expand_home(path: PathBuf, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests;
