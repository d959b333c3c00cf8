//! One miner or validator of a test subnet, with what is needed to start it again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use chain_client::wallet::{self, KeySource, Role, WalletPath};
use protocol::account::AccountId;
use protocol::signing::Keypair;
use subnet_miner::config::Config as MinerConfig;
use subnet_miner::miner::{Miner, StartError as MinerStartError};
use subnet_validator::catalogue::Listed;
use subnet_validator::challenges::ChallengesConfig;
use subnet_validator::gateway::access::ApiKeys;
use subnet_validator::validator::{
    KEYS_FILE, SALT_FILE, StartError as ValidatorStartError, Validator, ValidatorConfig,
};
use zeroize::Zeroizing;

/// A wallet on disk with both keys in the clear, as dev wallets are.
pub struct TestWallet {
    pub(crate) path: WalletPath,
    pub(crate) coldkey: Keypair,
    pub(crate) hotkey: Keypair,
}

impl TestWallet {
    /// Where it lies.
    pub fn path(&self) -> &WalletPath {
        &self.path
    }

    /// Its hotkey's pair, to sign as the node does.
    pub fn hotkey(&self) -> &Keypair {
        &self.hotkey
    }

    /// Keys derived from the wallet's name, so that a failing test fails the same way again.
    pub(crate) fn create(root: &Path, name: &str) -> Self {
        let path = WalletPath::new(root, name, "default");
        for (role, salt) in [(Role::Coldkey, "coldkey"), (Role::Hotkey, "hotkey")] {
            let seed = protocol::digest::Digest::of(format!("{name} {salt}").as_bytes()).0;
            wallet::create(&path, role, KeySource::Seed(Zeroizing::new(seed))).unwrap();
        }
        let coldkey = wallet::load_coldkey(&path).unwrap();
        let hotkey = wallet::load_hotkey(&path).unwrap();
        Self { path, coldkey, hotkey }
    }
}

/// A miner of the subnet. It can be stopped and started again on the same state.
pub struct MinerNode {
    pub(crate) config: MinerConfig,
    pub(crate) wallet: TestWallet,
    pub(crate) running: Option<Miner>,
}

impl MinerNode {
    /// Its hotkey.
    pub fn hotkey(&self) -> AccountId {
        self.wallet.hotkey.public()
    }

    /// The running miner.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn miner(&self) -> &Miner {
        self.running.as_ref().expect("the miner runs")
    }

    /// Its keys.
    pub fn wallet(&self) -> &TestWallet {
        &self.wallet
    }

    /// The settings of its next start.
    pub fn config_mut(&mut self) -> &mut MinerConfig {
        &mut self.config
    }

    /// The settings it is started with.
    pub fn config(&self) -> &MinerConfig {
        &self.config
    }

    /// Pulls the plug: open connections are cut.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Stops it as an operator would.
    pub async fn stop(&mut self) {
        if let Some(miner) = self.running.take() {
            miner.shutdown().await;
        }
    }

    /// Starts it, also again on the same state.
    pub async fn start(&mut self) -> Result<(), MinerStartError> {
        self.running = Some(Box::pin(Miner::bind(self.config.clone())).await?);
        Ok(())
    }
}

/// A validator of the subnet.
pub struct ValidatorNode {
    pub(crate) settings: subnet_validator::config::Config,
    /// What it pays for, and where miners get it.
    pub listed: Listed,
    pub(crate) endpoints: Vec<String>,
    pub(crate) state_dir: PathBuf,
    pub(crate) wallet: TestWallet,
    pub(crate) api_key: String,
    pub(crate) running: Option<Validator>,
}

impl ValidatorNode {
    /// Its hotkey.
    pub fn hotkey(&self) -> AccountId {
        self.wallet.hotkey.public()
    }

    /// The running validator.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn validator(&self) -> &Validator {
        self.running.as_ref().expect("the validator runs")
    }

    /// Its keys.
    pub fn wallet(&self) -> &TestWallet {
        &self.wallet
    }

    /// Its folder of everything that survives a restart.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Its hotkey with the secret, for tests in which it is misused.
    pub fn hotkey_secret(&self) -> &Keypair {
        &self.wallet.hotkey
    }

    /// Another gateway of this validator, which was started before: of shard `shard`, with its state in `state_dir`. Not started.
    pub fn another_gateway(&self, shard: u8, state_dir: PathBuf) -> Self {
        let api_key = Self::create_api_key(&state_dir);
        // A payer must have one name at both.
        std::fs::copy(self.state_dir.join(SALT_FILE), state_dir.join(SALT_FILE)).unwrap();
        let mut settings = self.settings.clone();
        settings.shards.own = shard;
        settings.shards.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let TestWallet { path, coldkey, hotkey } = &self.wallet;
        Self {
            settings,
            listed: self.listed.clone(),
            endpoints: self.endpoints.clone(),
            state_dir,
            wallet: TestWallet { path: path.clone(), coldkey: coldkey.clone(), hotkey: hotkey.clone() },
            api_key,
            running: None,
        }
    }

    /// The models it knows.
    pub fn catalogue(&self) -> &protocol::catalogue::Catalogue {
        &self.listed.catalogue
    }

    /// The settings it is started with.
    pub fn settings(&self) -> &subnet_validator::config::Config {
        &self.settings
    }

    /// The settings it is started with, to be changed while it is stopped.
    pub fn settings_mut(&mut self) -> &mut subnet_validator::config::Config {
        &mut self.settings
    }

    /// The chain's endpoints of its next start.
    pub fn set_endpoints(&mut self, endpoints: Vec<String>) {
        self.endpoints = endpoints;
    }

    /// A key that its gateway accepts.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Changes what it checks miners by, from its next start on.
    pub fn challenge(&mut self, change: impl FnOnce(&mut ChallengesConfig)) {
        change(&mut self.settings.challenges);
    }

    /// Stops it as an operator would.
    pub async fn stop(&mut self) {
        if let Some(validator) = self.running.take() {
            validator.shutdown().await;
        }
    }

    /// Starts it, also again on the same state.
    pub async fn start(&mut self) -> Result<(), ValidatorStartError> {
        self.running = Some(
            Box::pin(Validator::bind(ValidatorConfig {
                settings: self.settings.clone(),
                hotkey: self.wallet.hotkey.clone(),
                listed: self.listed.clone(),
                endpoints: self.endpoints.clone(),
                state_dir: self.state_dir.clone(),
            }))
            .await?,
        );
        Ok(())
    }

    pub(crate) fn create_api_key(state_dir: &Path) -> String {
        std::fs::create_dir_all(state_dir).unwrap();
        ApiKeys::new(&state_dir.join(KEYS_FILE)).create("tests", 0).unwrap().secret
    }
}
