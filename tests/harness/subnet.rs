//! A whole subnet: the chain, its validators and its miners.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use chain_client::{ChainClient, ConnectConfig};
use localnet::Localnet;
use localnet::config::{Blocks, Config as ChainConfig, Finality};
use model_runtime::{ModelSource, Runtime, RuntimeConfig};
use protocol::account::AccountId;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::signing::Keypair;
use protocol::ticket::ModelId;
use serde_json::json;
use subnet_miner::config::Config as MinerConfig;
use subnet_miner::miner::StartError as MinerStartError;
use subnet_miner::models::ModelLocation;
use subnet_validator::catalogue::Listed;
use subnet_validator::config::Config as ValidatorSettings;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::cheats::{Cheat, CheatingAxon, Pretence};
use crate::nodes::{MinerNode, TestWallet, ValidatorNode};
use crate::wait;

/// The subnet.
pub const NETUID: u16 = 64;
const TAO: u64 = 1_000_000_000;
/// The chain refuses 127.0.0.1 as an axon; the rest of the loopback range is as local and allowed.
pub(crate) const AXON_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The id of the runtime's model without weights.
pub const ECHO_MODEL: &str = "echo";
/// The id of the default model.
pub const SMOLLM2: &str = "SmolLM2-135M-Instruct";

/// What the miners serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestModel {
    /// The runtime's echo model: no weights, answers at once.
    Echo,
    /// The real default model, from the file that `scripts/get-model` fetched.
    SmolLm2,
}

/// What to start.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Validators, each with the same stake.
    pub validators: usize,
    /// Miners, each serving `model`.
    pub miners: usize,
    /// What they serve.
    pub model: TestModel,
    /// Blocks of one tempo.
    pub tempo_blocks: u16,
}

/// A running subnet. Everything stops when it is dropped.
pub struct Subnet {
    /// Its validators.
    pub validators: Vec<ValidatorNode>,
    /// Its miners.
    pub miners: Vec<MinerNode>,
    client: ChainClient,
    chain: Localnet,
    plan: Plan,
    folder: TempDir,
}

/// A registered miner that cheats. Stops when it is dropped.
pub struct CheatingMiner {
    wallet: TestWallet,
    _axon: CheatingAxon,
}

impl CheatingMiner {
    /// Its hotkey.
    pub fn hotkey(&self) -> AccountId {
        self.wallet.hotkey.public()
    }
}

impl Subnet {
    /// Registers a miner that cheats, and publishes its axon. It pretends to serve the default model.
    pub async fn add_cheat(&self, name: &str, cheat: Cheat) -> CheatingMiner {
        let wallet = TestWallet::create(&self.folder.path().join("wallets"), name);
        self.register(&wallet).await;
        let Listed { catalogue, .. } = self.listed().await;
        let model = catalogue.iter().next().expect("a catalogue has a model");
        let pretence =
            Pretence { netuid: NETUID, model: model.id.clone(), weights_digest: model.weights_digest, cheat };
        let bind = SocketAddr::from((AXON_IP, 0));
        let axon = CheatingAxon::start(bind, wallet.hotkey.clone(), pretence).await;
        self.client.serve_axon(&wallet.hotkey, NETUID, axon.address()).await.unwrap();
        CheatingMiner { wallet, _axon: axon }
    }

    /// A subnet whose miners serve the echo model, with a tempo of 20 blocks.
    pub async fn start(validators: usize, miners: usize) -> Self {
        Self::start_with(Plan { validators, miners, model: TestModel::Echo, tempo_blocks: 20 }).await
    }

    /// The subnet of a plan; its validators have permits and see every miner hot when this returns.
    pub async fn start_with(plan: Plan) -> Self {
        Self::start_on(plan, |_| {}).await
    }

    /// The subnet of a plan, on a chain that differs from the usual one.
    pub async fn start_on(plan: Plan, change: impl FnOnce(&mut ChainConfig)) -> Self {
        let mut config = ChainConfig {
            blocks: Blocks::Instant,
            finality: Finality { lag_blocks: 0, delay_ms: 1 },
            ..ChainConfig::test()
        };
        for subnet in &mut config.genesis.subnets {
            subnet.tempo_blocks = plan.tempo_blocks;
        }
        change(&mut config);
        let chain = localnet::spawn(config).await.unwrap();
        let client = ChainClient::connect(ConnectConfig::new(vec![chain.ws_url()])).await.unwrap();
        let folder = TempDir::new().unwrap();
        let mut subnet = Self { validators: Vec::new(), miners: Vec::new(), client, chain, plan, folder };
        for index in 0..plan.validators {
            subnet.register_validator(&format!("validator-{index}")).await;
        }
        // Permits are given at the end of a tempo.
        subnet.produce_blocks(u32::from(plan.tempo_blocks) + 1).await;
        for index in 0..plan.miners {
            let mut miner = subnet.new_miner(&format!("miner-{index}")).await;
            subnet.register(&miner.wallet).await;
            miner.start().await.unwrap();
            subnet.miners.push(miner);
        }
        for validator in &mut subnet.validators {
            validator.start().await.unwrap();
        }
        subnet.wait_until_hot(plan.miners).await;
        subnet
    }

    /// The chain.
    pub fn chain(&self) -> &Localnet {
        &self.chain
    }

    /// A connection to the chain, independent of the nodes'.
    pub fn client(&self) -> &ChainClient {
        &self.client
    }

    /// Makes blocks; time passes by them.
    pub async fn produce_blocks(&self, count: u32) {
        self.chain.produce_blocks(count).await.unwrap();
    }

    /// Waits until every validator sees `count` miners with a model loaded.
    pub async fn wait_until_hot(&self, count: usize) {
        for validator in &self.validators {
            wait::until("the validator sees the miners' models", || async {
                let miners = validator.rpc("subnet_v1_miners", json!([])).await;
                let hot = miners["data"]["items"].as_array().unwrap().iter();
                (hot.filter(|row| row["models"].as_array().is_some_and(|models| !models.is_empty())).count()
                    >= count)
                    .then_some(())
            })
            .await;
        }
    }

    /// Starts a miner whose hotkey nobody registered.
    pub async fn start_unregistered_miner(&self) -> MinerStartError {
        let mut miner = self.new_miner("stranger").await;
        miner.start().await.expect_err("an unregistered miner must not start")
    }

    /// Registers and starts more miners at the same time, each with its configuration changed.
    pub async fn start_miners(&mut self, names: &[&str], change: impl Fn(&mut MinerConfig)) {
        let mut starting = JoinSet::new();
        for name in names {
            let mut node = self.new_miner(name).await;
            change(&mut node.config);
            self.register(&node.wallet).await;
            starting.spawn(async move {
                node.start().await.unwrap();
                node
            });
        }
        while let Some(node) = starting.join_next().await {
            self.miners.push(node.unwrap());
        }
    }

    /// Waits until every validator has heard of `count` miners lately, whatever they hold.
    pub async fn wait_until_online(&self, count: usize) {
        for validator in &self.validators {
            wait::until("the validator sees the miners", || async {
                let miners = validator.validator().fleet().miners();
                (miners.iter().filter(|miner| miner.online).count() >= count).then_some(())
            })
            .await;
        }
    }

    /// A miner with its own wallet and state, not started and not registered.
    pub async fn new_miner(&self, name: &str) -> MinerNode {
        let wallet = TestWallet::create(&self.folder.path().join("wallets"), name);
        let (id, location) = match self.plan.model {
            TestModel::Echo => (ECHO_MODEL, ModelLocation::Echo),
            TestModel::SmolLm2 => (SMOLLM2, ModelLocation::Gguf(smollm2_path())),
        };
        let mut config = MinerConfig {
            network: self.chain.ws_url(),
            netuid: NETUID,
            wallet: wallet.path.wallet.clone(),
            wallet_path: wallet.path.root.clone(),
            allow_coldkey_present: true,
            state_path: self.folder.path().join(name),
            models: BTreeMap::from([(model_id(id), location)]),
            ..MinerConfig::default()
        };
        config.axon.bind = SocketAddr::from((AXON_IP, 0));
        config.operations.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        config.chain.metagraph_ms_min = 20;
        MinerNode { config, wallet, running: None }
    }

    async fn register_validator(&mut self, name: &str) {
        let wallet = TestWallet::create(&self.folder.path().join("wallets"), name);
        self.register(&wallet).await;
        let stake =
            self.client.add_stake(&wallet.coldkey, &wallet.hotkey.public(), NETUID, 1_000 * TAO).await;
        stake.unwrap();
        let state_dir = self.folder.path().join(name);
        let mut settings = ValidatorSettings { netuid: NETUID, ..ValidatorSettings::default() };
        settings.gateway.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        settings.staker_rpc.bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        settings.fleet.inventory_poll_ms = 50;
        // Random challenges would make tests of other things random; those that are about them ask for them.
        settings.challenges.weight_challenges_per_hour = 0;
        // Tempos are short here, and blocks come faster than a validator can follow.
        (settings.weights.head_after_percent, settings.weights.submit_after_percent) = (25, 50);
        self.validators.push(ValidatorNode {
            settings,
            listed: self.listed().await,
            endpoints: vec![self.chain.ws_url()],
            api_key: ValidatorNode::create_api_key(&state_dir),
            state_dir,
            wallet,
            running: None,
        });
    }

    /// Funds the coldkey from a development account and burns for a uid.
    pub async fn register(&self, wallet: &TestWallet) {
        let alice = Keypair::from_dev_uri("//Alice").unwrap();
        self.client.transfer(&alice, &wallet.coldkey.public(), 2_000 * TAO).await.unwrap();
        self.client.register_burned(&wallet.coldkey, &wallet.hotkey.public(), NETUID).await.unwrap();
    }

    /// The catalogue that prices the plan's model, with the digest the runtime itself reports.
    async fn listed(&self) -> Listed {
        match self.plan.model {
            TestModel::SmolLm2 => subnet_validator::catalogue::built_in(),
            TestModel::Echo => {
                let runtime = Runtime::start(RuntimeConfig::default()).unwrap();
                let handle = runtime.load(ECHO_MODEL, ModelSource::Echo).await.unwrap();
                let weights_digest = Digest(handle.facts().weights_sha256);
                let id = model_id(ECHO_MODEL);
                let model = Model {
                    id,
                    weights_digest,
                    prompt_multiplier: 1_000,
                    completion_multiplier: 2_000,
                    memory_bytes: 1 << 20,
                };
                Listed::without_files(Catalogue::new([model]).unwrap())
            }
        }
    }

    /// Puts more stake behind a validator.
    pub async fn add_stake(&self, validator: &ValidatorNode, tao: u64) {
        let (alice, wallet) = (Keypair::from_dev_uri("//Alice").unwrap(), &validator.wallet);
        self.client.transfer(&alice, &wallet.coldkey.public(), (tao + 1) * TAO).await.unwrap();
        self.client.add_stake(&wallet.coldkey, &wallet.hotkey.public(), NETUID, tao * TAO).await.unwrap();
    }

    /// The uid of a hotkey at the newest final block.
    pub async fn uid(&self, hotkey: &AccountId) -> u16 {
        let block = self.client.finalized().await.unwrap();
        let metagraph = self.client.metagraph(NETUID, block).await.unwrap();
        metagraph.by_hotkey(hotkey).expect("the hotkey is registered").uid
    }

    /// The weights on chain at the newest final block: by validator uid, (miner uid, weight).
    pub async fn weights_on_chain(&self) -> BTreeMap<u16, Vec<(u16, u16)>> {
        let block = self.client.finalized().await.unwrap();
        self.client.weights(NETUID, block).await.unwrap()
    }
}

fn model_id(id: &str) -> ModelId {
    ModelId::try_from(id.to_owned()).expect("a valid model id")
}

/// Where `scripts/get-model` puts the default model.
///
/// # Panics
/// When it is not there: a test of the real model must not pass without it.
pub fn smollm2_path() -> PathBuf {
    let path = model_file();
    assert!(path.is_file(), "{} is missing: run scripts/get-model", path.display());
    path
}

fn model_file() -> PathBuf {
    if let Some(path) = std::env::var_os("SUBNET64_MODEL") {
        return path.into();
    }
    let cache = std::env::var_os("SUBNET64_CACHE").map(PathBuf::from).unwrap_or_else(|| {
        let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        user.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"))
            .join("subnet64")
    });
    cache.join("models").join("SmolLM2-135M-Instruct.Q4_1.gguf")
}
