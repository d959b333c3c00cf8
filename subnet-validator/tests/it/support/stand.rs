//! A gateway with its fleet and ledger, without a chain: the miners are given.

use std::sync::Arc;

use protocol::inventory::SignedInventory;
use subnet_validator::accounts::{Accounts, AccountsParts};
use subnet_validator::clock::Clock;
use subnet_validator::config::{Config, FleetConfig, GatewayConfig};
use subnet_validator::fleet::view::View;
use subnet_validator::fleet::{Fleet, FleetParts, cold};
use subnet_validator::gateway::access::ApiKeys;
use subnet_validator::gateway::{Gateway, GatewayParts};
use subnet_validator::ledger::{Ledger, Stored};
use subnet_validator::metrics::Metrics;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::miner::TestMiner;
use super::{Ask, NETUID, Reply, catalogue, open_ledger, validator};

pub struct Stand {
    pub gateway: Gateway,
    pub fleet: Fleet,
    pub ledger: Ledger,
    pub metrics: Arc<Metrics>,
    pub keys: ApiKeys,
    pub accounts: Arc<Accounts>,
    pub secret: String,
    pub folder: TempDir,
    _cold: DropGuard,
}

impl Stand {
    pub async fn start(miners: &[&TestMiner]) -> Self {
        Self::start_with(miners, |_, _| {}).await
    }

    pub async fn start_with(
        miners: &[&TestMiner],
        change: impl FnOnce(&mut GatewayConfig, &mut FleetConfig),
    ) -> Self {
        let view = View::new(miners.iter().zip(1u16..).map(|(miner, uid)| miner.entry(uid)));
        Self::with_view(view, change).await
    }

    /// Miners that are online and hold nothing yet.
    pub async fn cold(miners: &[&TestMiner], change: impl FnOnce(&mut FleetConfig)) -> Self {
        let view = View::new(miners.iter().zip(1u16..).map(|(miner, uid)| miner.cold_entry(uid)));
        Self::with_view(view, |_, fleet| change(fleet)).await
    }

    async fn with_view(view: View, change: impl FnOnce(&mut GatewayConfig, &mut FleetConfig)) -> Self {
        let Config { mut gateway, mut fleet, .. } = Config::default();
        gateway.bind.set_port(0);
        change(&mut gateway, &mut fleet);
        let folder = tempfile::tempdir().unwrap();
        let ledger = open_ledger(&folder.path().join("ledger"));
        let keys_path = folder.path().join("keys.json");
        let keys = ApiKeys::new(&keys_path);
        let secret = keys.create("test", 1).unwrap().secret;
        let (clock, metrics) = (Arc::new(Clock::new()), Arc::new(Metrics::default()));
        let parts = FleetParts {
            limits: fleet,
            netuid: NETUID,
            hotkey: validator(),
            catalogue: Arc::new(catalogue()),
            ledger: ledger.clone(),
            payer_salt: [7; 32],
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        let fleet = Fleet::with_static_view(parts, view);
        let accounts = Accounts::open(AccountsParts {
            config: gateway.accounts.clone(),
            keys: ApiKeys::new(&keys_path),
            usage: folder.path().join("usage.json"),
            hotkey: validator().public(),
            payer_salt: [7; 32],
            catalogue: Arc::new(catalogue()),
            ledger: ledger.clone(),
            clock: Arc::clone(&clock),
        })
        .unwrap();
        tokio::spawn(Arc::clone(&accounts).follow(CancellationToken::new()));
        let cold = CancellationToken::new();
        tokio::spawn(cold::run(fleet.clone(), cold.clone()));
        let parts = GatewayParts {
            config: gateway,
            accounts: Arc::clone(&accounts),
            bundles: folder.path().join("audit"),
            fleet: fleet.clone(),
            ledger: ledger.clone(),
            metrics: Arc::clone(&metrics),
            clock,
        };
        let gateway = Gateway::bind(parts).await.unwrap();
        Self { gateway, fleet, ledger, metrics, keys, accounts, secret, folder, _cold: cold.drop_guard() }
    }

    /// Sends a miner's inventory as the miner would.
    pub async fn push(&self, inventory: &SignedInventory) -> Reply {
        let body = serde_json::to_vec(inventory).unwrap();
        Ask::new("POST", self.gateway.address(), protocol::demand::INVENTORY_TARGET).body(body).send().await
    }

    /// A request with a valid key.
    pub fn ask(&self, method: &str, target: &str) -> Ask {
        Ask::new(method, self.gateway.address(), target).key(&self.secret)
    }

    pub fn chat(&self, body: &str) -> Ask {
        self.ask("POST", "/v1/chat/completions").body(body.to_owned())
    }

    /// One chat with a valid request.
    pub async fn hello(&self, stream: bool) -> Reply {
        self.chat(&hello(stream)).send().await
    }

    /// All receipts stored so far.
    pub fn receipts(&self) -> Vec<Stored> {
        self.ledger.reader().from(0, usize::MAX).unwrap()
    }
}

pub fn hello(stream: bool) -> String {
    format!(
        r#"{{"model":"echo","messages":[{{"role":"user","content":"Hi"}}],"stream":{stream},"unknown_field":1}}"#
    )
}

/// The data of each event of a stream, in order.
pub fn events(stream: &str) -> Vec<&str> {
    let events = stream.split("\n\n").filter(|event| !event.is_empty() && !event.starts_with(':'));
    events.map(|event| event.strip_prefix("data: ").expect("only data events reach users")).collect()
}
