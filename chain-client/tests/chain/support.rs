//! A chain and a client of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chain_client::{ChainClient, ConnectConfig};
use localnet::config::{Setting, SettingValue};
use localnet::runtime::subtensor::genesis::{Neuron, Subnet};
use localnet::runtime::upgrade::{
    Upgrade,
    drift::{Change, Drift},
};
use localnet::{Blocks, Config, Localnet};
use protocol::AccountId;
use protocol::signing::Keypair;
use subxt::ext::jsonrpsee::ws_client::WsClientBuilder;
use subxt::rpcs::client::{RawValue, RpcClientT};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The subnet that every dev chain has.
pub const NETUID: u16 = localnet::config::NETUID;
pub const TAO: u64 = localnet::accounts::TAO;
/// Registered by [`World::with_validator`].
pub const VALIDATOR: &str = "//Validator";

const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub localnet: Localnet,
    pub chain: ChainClient,
}

impl World {
    /// Each accepted extrinsic makes a block at once.
    pub async fn instant() -> Self {
        Self::start(Blocks::Instant, |_| {}).await
    }

    /// Blocks are made only by [`Localnet::produce_blocks`].
    pub async fn manual() -> Self {
        Self::start(Blocks::Manual, |_| {}).await
    }

    /// An instant chain whose subnet differs from the usual one.
    pub async fn with_subnet(change: impl FnOnce(&mut Subnet)) -> Self {
        Self::start(Blocks::Instant, |config| change(&mut config.genesis.subnets[0])).await
    }

    /// An instant chain on whose subnet this many seals register a neuron, on average.
    pub async fn with_work(difficulty: u32) -> Self {
        let value = SettingValue::Number(difficulty.into());
        let difficulty = Setting { netuid: Some(NETUID), name: "difficulty".into(), value };
        Self::start(Blocks::Instant, |config| config.genesis.settings.push(difficulty)).await
    }

    /// An instant chain of spec 462, which knows no registration by work.
    pub async fn without_work() -> Self {
        let world = Self::instant().await;
        let gone = Drift { item: "SubtensorModule.pow_register".to_owned(), change: Change::Removed };
        world.localnet.upgrade(Upgrade::to(462).with(gone)).await.unwrap();
        world
    }

    /// An instant chain on which [`VALIDATOR`] has uid 0, stake and a permit, and `//Miner` uid 1.
    pub async fn with_validator(change: impl FnOnce(&mut Subnet)) -> Self {
        Self::with_subnet(|subnet| {
            subnet.neurons = validator_and_miner();
            change(subnet);
        })
        .await
    }

    /// The same, but blocks are made only by [`Localnet::produce_blocks`].
    pub async fn manual_with_validator(change: impl FnOnce(&mut Subnet)) -> Self {
        Self::start(Blocks::Manual, |config| {
            let subnet = &mut config.genesis.subnets[0];
            subnet.neurons = validator_and_miner();
            change(subnet);
        })
        .await
    }

    /// Writes a value into the chain's state, in a block made for it. Key and value as hex.
    pub async fn set_storage(&self, key: &str, value: &str) {
        let socket = WsClientBuilder::new().build(self.localnet.ws_url()).await.unwrap();
        let items = RawValue::from_string(format!(r#"[[["{key}","{value}"]]]"#)).unwrap();
        socket.request_raw("dev_setStorage", Some(items)).await.unwrap();
    }

    async fn start(blocks: Blocks, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config { bind: any_port(), ..Config::new(blocks) };
        change(&mut config);
        let localnet = localnet::spawn(config).await.unwrap();
        let chain = client(&[localnet.ws_url()]).await;
        Self { localnet, chain }
    }
}

pub async fn client(urls: &[String]) -> ChainClient {
    ChainClient::connect(ConnectConfig::new(urls)).await.unwrap()
}

pub fn key(uri: &str) -> Keypair {
    Keypair::from_dev_uri(uri).unwrap()
}

pub fn account(uri: &str) -> AccountId {
    key(uri).public()
}

/// Waits for something that is certain to come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("still waiting for {what}"))
}

/// Waits until a condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        let mut tick = tokio::time::interval(Duration::from_millis(2));
        while !condition() {
            tick.tick().await;
        }
    };
    soon(what, poll).await;
}

pub fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

fn validator_and_miner() -> Vec<Neuron> {
    vec![neuron(VALIDATOR, 1_000 * TAO, true), neuron("//Miner", 0, false)]
}

fn neuron(hotkey: &str, stake_rao: u64, permit: bool) -> Neuron {
    let account = |uri| localnet::accounts::dev_account(uri).unwrap();
    Neuron { hotkey: account(hotkey), coldkey: account("//Alice"), stake_rao, permit }
}

/// A wire between client and chain that can be cut.
pub struct Wire {
    listener: TcpListener,
    target: SocketAddr,
    open: JoinSet<()>,
}

impl Wire {
    pub async fn to(localnet: &Localnet) -> Self {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        Self { listener, target: localnet.address(), open: JoinSet::new() }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.listener.local_addr().unwrap())
    }

    /// Carries connections as long as it is polled; cutting the wire ends them.
    pub async fn carry(&mut self) {
        loop {
            let (mut near, _) = self.listener.accept().await.unwrap();
            let target = self.target;
            self.open.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(target).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    }

    /// Ends every connection at once. New ones are carried again by [`Wire::carry`].
    pub async fn cut(&mut self) {
        self.open.shutdown().await;
    }
}
