//! The gateway under test, with everything behind it that a call needs: accounts, fleet, ledger.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model_runtime::Durations;
use protocol::catalogue::{Catalogue, Model};
use protocol::digest::Digest;
use protocol::inventory::HotModel;
use protocol::signing::Keypair;
use subnet_validator::accounts::{Accounts, AccountsParts};
use subnet_validator::clock::Clock;
use subnet_validator::config::Config;
use subnet_validator::fleet::view::{KnownInventory, MinerEntry, View};
use subnet_validator::fleet::{Fleet, FleetParts};
use subnet_validator::gateway::access::ApiKeys;
use subnet_validator::gateway::{Gateway, GatewayParts};
use subnet_validator::ledger::{Ledger, LedgerConfig, Owner};
use subnet_validator::metrics::Metrics;

const NETUID: u16 = 64;

/// A running gateway with its ledger.
pub struct Validator {
    pub api_key: String,
    gateway: Gateway,
    ledger: Ledger,
}

impl Validator {
    pub async fn start(folder: &Path, miner: &Keypair, axon: SocketAddr) -> Self {
        let hotkey = Keypair::from_dev_uri("//Alice").unwrap();
        let Config { mut gateway, mut fleet, .. } = Config::default();
        gateway.bind = (Ipv4Addr::LOCALHOST, 0).into();
        gateway.requests_in_flight_max = 1 << 16;
        fleet.breaker_failures_max = u32::MAX;
        let account = hotkey.public();
        let owner = Owner::single(account, NETUID);
        let ledger = Ledger::open(LedgerConfig::new(folder.join("ledger"), owner)).unwrap();
        let (clock, metrics) = (Arc::new(Clock::new()), Arc::new(Metrics::default()));
        let model = model();
        let view = View::new([entry(&model, miner, axon)]);
        let catalogue = Arc::new(Catalogue::new([model]).unwrap());
        let parts = FleetParts {
            limits: fleet,
            netuid: NETUID,
            hotkey,
            catalogue: Arc::clone(&catalogue),
            ledger: ledger.clone(),
            payer_salt: [7; 32],
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        let fleet = Fleet::with_static_view(parts, view);
        let keys = ApiKeys::new(&folder.join("keys.json"));
        let api_key = keys.create("bench", clock.now_ms()).unwrap().secret;
        let accounts = Accounts::open(AccountsParts {
            config: gateway.accounts.clone(),
            keys,
            usage: folder.join("usage.json"),
            hotkey: account,
            payer_salt: [7; 32],
            catalogue,
            ledger: ledger.clone(),
            clock: Arc::clone(&clock),
        })
        .unwrap();
        let bundles = folder.join("audit");
        let parts = GatewayParts {
            config: gateway,
            accounts,
            bundles,
            fleet,
            ledger: ledger.clone(),
            metrics,
            clock,
        };
        Self { api_key, gateway: Gateway::bind(parts).await.unwrap(), ledger }
    }

    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// How long the ledger's writes took.
    pub fn write_times(&self) -> Durations {
        self.ledger.write_times()
    }

    /// Receipts in the log, once it has stood still for half a second.
    pub async fn receipts(&self) -> u64 {
        let mut changes = self.ledger.head_changes();
        while tokio::time::timeout(Duration::from_millis(500), changes.changed()).await.is_ok() {}
        self.ledger.head().size
    }
}

fn model() -> Model {
    Model {
        id: "echo".parse().unwrap(),
        weights_digest: Digest::of(b"echo"),
        prompt_multiplier: 250,
        completion_multiplier: 1_000,
        memory_bytes: 1 << 20,
    }
}

fn entry(model: &Model, miner: &Keypair, axon: SocketAddr) -> MinerEntry {
    let hot = HotModel {
        id: model.id.clone(),
        weights_digest: model.weights_digest,
        context_tokens: 4_096,
        slots: 4_096,
        in_flight: 0,
    };
    MinerEntry {
        uid: 1,
        hotkey: miner.public(),
        axon: axon.into(),
        inventory: Some(KnownInventory {
            received_at_ms: u64::MAX,
            issued_at_ms: 0,
            hot_since_ms: std::collections::BTreeMap::new(),
            device: "none".into(),
            memory_bytes: 1 << 30,
            models: vec![hot],
        }),
    }
}
