//! The composition root: takes the configuration apart, hands each part its own piece, and holds the running whole.

mod error;
mod folders;
mod tasks;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chain_client::weights::{Timing, WeightSetter, WeightsTarget};
use chain_client::{ChainClient, ConnectConfig, patience};
use protocol::account::AccountId;
use protocol::catalogue_document::CatalogueDocument;
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::Policy;
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use self::error::StartError;
pub use self::folders::{
    AUDIT_DIR, DISPUTES_DIR, JOURNAL_DIR, KEYS_FILE, LEDGER_DIR, MERGES_DIR, PEERS_DIR, SALT_FILE, USAGE_FILE,
};
use self::tasks::Tasks;
use crate::accounts::keys::ApiKeys;
use crate::accounts::{Accounts, AccountsParts};
use crate::audit::peers::{self, Peers, PeersParts};
use crate::audit::publish::Publisher;
use crate::audit::verdicts::Verdicts;
use crate::catalogue::{Listed, build};
use crate::chain_view::{self, ChainSnapshot, ChainView, Follow};
use crate::challenges::{self, ChallengesParts};
use crate::clock::Clock;
use crate::config::Config;
use crate::fleet::{self, Fleet, FleetParts};
use crate::gateway::{BindError, Gateway, GatewayParts};
use crate::ledger::{Ledger, LedgerConfig, OpenError, Owner, retention};
use crate::market;
use crate::market::desk::Desk;
use crate::market::history::History;
use crate::metrics::Metrics;
use crate::registration::{self, Standing, standing};
use crate::shards::collect::{Collector, CollectorParts};
use crate::shards::door::{Door, DoorParts};
use crate::staker_rpc::{self, StakerRpc, StakerRpcParts};
use crate::state_dir;
use crate::usage;
use crate::usage::follow::UsageView;
use crate::weights::{self, WeightsParts, WeightsState};

/// Everything a validator is started with.
pub struct ValidatorConfig {
    /// The settings; wallet and network names in them are not looked at here.
    pub settings: Config,
    /// Signs requests, tickets, countersignatures and weights.
    pub hotkey: Keypair,
    /// The models users may ask for, and where miners get them.
    pub listed: Listed,
    /// WebSocket endpoints of the chain.
    pub endpoints: Vec<String>,
    /// Folder of everything that must survive a restart.
    pub state_dir: PathBuf,
}

/// A running validator. Dropping it stops it at once; [`Validator::shutdown`] lets open calls end first.
pub struct Validator {
    hotkey: AccountId,
    settings: Config,
    accounts: Arc<Accounts>,
    gateway: Gateway,
    rpc: StakerRpc,
    fleet: Fleet,
    ledger: Ledger,
    chain: ChainView,
    weights: watch::Receiver<WeightsState>,
    peers: Peers,
    tasks: Tasks,
    door: Option<Door>,
    stop: CancellationToken,
    drain_timeout: Duration,
}

impl Validator {
    /// Starts a validator; its servers are bound and its ledger is open when this returns.
    pub async fn bind(config: ValidatorConfig) -> Result<Self, StartError> {
        let ValidatorConfig { settings, hotkey, listed, endpoints, state_dir } = config;
        let in_force = settings.clone();
        let Config {
            netuid,
            chain_timeout_ms,
            gateway,
            fleet,
            ledger,
            weights,
            audit,
            shards,
            staker_rpc,
            challenges,
            ..
        } = settings;
        let (account, clock, metrics) =
            (hotkey.public(), Arc::new(Clock::new()), Arc::new(Metrics::default()));
        let policy = Policy::default();
        let Listed { catalogue, offers } = listed;
        let rules =
            Rules::new(PolicyDocument::new(netuid, policy, &catalogue)).map_err(StartError::Catalogue)?;
        let (catalogue, rules, signer) = (Arc::new(catalogue), Arc::new(rules), hotkey.clone());

        let connect = ConnectConfig { request_timeout_ms: chain_timeout_ms, ..ConnectConfig::new(endpoints) };
        let arrival = || arrive(&connect, netuid, &clock, &account);
        let (client, snapshot) = patience::until_it_passes(StartError::is_passing, arrival).await?;
        let (chain_sender, chain) = watch::channel(Arc::new(snapshot));

        let at_state = |source| StartError::State { path: state_dir.clone(), source };
        state_dir::create(&state_dir).map_err(at_state)?;
        let published = state_dir.join(AUDIT_DIR).join(build::PUBLISHED_FILE);
        let document = CatalogueDocument::new(netuid, account, clock.now_ms(), offers.clone());
        if shards.own == 0 {
            build::publish(&published, document.sign(&hotkey)).map_err(at_state)?;
        }
        let payer_salt = state_dir::secret(&state_dir.join(SALT_FILE)).map_err(at_state)?;
        let target = WeightsTarget {
            netuid,
            mechanism: 0,
            version_key: None,
            timing: Timing {
                submit_after_percent: weights.submit_after_percent,
                finality_lag_blocks_max: weights.finality_lag_blocks_max,
            },
            journal_folder: state_dir.join(JOURNAL_DIR),
        };
        let setter = WeightSetter::open(client.clone(), hotkey.clone(), target).await;
        let setter = setter.map_err(StartError::Journal)?;
        let keys = ApiKeys::new(&state_dir.join(KEYS_FILE));
        let retention_days = ledger.retention_days;
        let ledger = open_ledger(LedgerConfig {
            path: state_dir.join(LEDGER_DIR),
            owner: Owner { validator: account, netuid, shard: shards.own },
            queue_receipts_max: ledger.queue_receipts_max,
            group_receipts_max: ledger.group_receipts_max,
            unsynced_groups_max: ledger.unsynced_groups_max,
        })
        .await?;

        let checked = challenges::load(&challenges).await.map_err(StartError::Challenges)?;
        let fleet = Fleet::new(FleetParts {
            limits: fleet,
            netuid,
            hotkey,
            catalogue: Arc::clone(&catalogue),
            ledger: ledger.clone(),
            payer_salt,
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        });
        let accounts = Accounts::open(AccountsParts {
            config: gateway.accounts.clone(),
            keys,
            usage: state_dir.join(USAGE_FILE),
            hotkey: account,
            payer_salt,
            catalogue: Arc::clone(&catalogue),
            ledger: ledger.clone(),
            clock: Arc::clone(&clock),
        })
        .map_err(at_state)?;
        let (weights_sender, weights_state) = watch::channel(WeightsState::default());
        let (market_sender, market) = watch::channel(None);
        let history = History::open(&state_dir).map_err(at_state)?;
        let (desk, questions) = Desk::new(staker_rpc.chain_questions_max);
        let usage = UsageView::new(staker_rpc.usage_hours_max);
        let (gateway_bind, rpc_bind) = (gateway.bind, staker_rpc.bind);
        let drain_timeout = Duration::from_millis(gateway.drain_timeout_ms);
        let gateway = Gateway::bind(GatewayParts {
            config: gateway,
            accounts: Arc::clone(&accounts),
            bundles: state_dir.join(AUDIT_DIR),
            fleet: fleet.clone(),
            ledger: ledger.clone(),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        })
        .await
        .map_err(|error| match error {
            BindError::Listen(source) => {
                StartError::Bind { server: "gateway", address: gateway_bind, source }
            }
            BindError::Tls(error) => StartError::Tls(error),
        })?;
        let peers = Peers::default();
        let rpc = StakerRpc::bind(StakerRpcParts {
            config: staker_rpc,
            hotkey: account,
            policy,
            chain: chain.clone(),
            market,
            history: history.clone(),
            desk,
            fleet: fleet.clone(),
            ledger: ledger.clone(),
            usage: usage.clone(),
            weights: weights_state.clone(),
            peers: peers.clone(),
            verdicts: Verdicts::new(&state_dir),
            bundles: state_dir.join(AUDIT_DIR),
            clock: Arc::clone(&clock),
        })
        .await
        .map_err(|error| match error {
            staker_rpc::BindError::Listen(source) => {
                StartError::Bind { server: "JSON-RPC server", address: rpc_bind, source }
            }
            staker_rpc::BindError::Threads(source) => StartError::Threads(source),
            staker_rpc::BindError::Tls(error) => StartError::Tls(error),
        })?;

        let stop = CancellationToken::new();
        let mut tasks = Tasks::default();
        let summing = usage::follow::Follow {
            ledger: ledger.clone(),
            catalogue,
            view: usage,
            now_ms: clock.now_ms(),
            stop: stop.clone(),
        };
        if retention_days > 0 {
            let pruning = retention::run(ledger.clone(), retention_days, Arc::clone(&clock), stop.clone());
            tasks.spawn("removing old receipts", pruning);
        }
        tasks.spawn("summing up usage", usage::follow::run(summing));
        let pricing = market::Follow {
            client: client.clone(),
            chain: chain.clone(),
            view: market_sender,
            history,
            stop: stop.clone(),
        };
        tasks.spawn("reading the market", market::follow(pricing));
        let answering = market::desk::answer(client.clone(), netuid, questions, stop.clone());
        tasks.spawn("answering stakers' questions", answering);
        let following = Follow {
            client: client.clone(),
            clock: Arc::clone(&clock),
            view: chain_sender,
            stop: stop.clone(),
        };
        tasks.spawn("following the chain", chain_view::follow(following));
        tasks.spawn("watching the registration", registration::follow(chain.clone(), account, stop.clone()));
        tasks.spawn("counting usage", Arc::clone(&accounts).follow(stop.clone()));
        tasks.spawn("watching the fleet", fleet::refresh::run(fleet.clone(), chain.clone(), stop.clone()));
        let door = if shards.own > 0 {
            let parts = DoorParts {
                config: shards.clone(),
                hotkey: signer.clone(),
                rules: Arc::clone(&rules),
                ledger: ledger.clone(),
                payer_salt,
                bundles: state_dir.join(AUDIT_DIR),
                leaves_max: audit.bundle_leaves_max,
                clock: Arc::clone(&clock),
            };
            let at = shards.bind;
            let opened = Door::bind(parts).await;
            Some(opened.map_err(|source| StartError::Bind {
                server: "door of this shard",
                address: at,
                source,
            })?)
        } else {
            None
        };
        let is_head = door.is_none();
        let collector = (!shards.peers.is_empty()).then(|| {
            Collector::new(CollectorParts {
                config: shards.clone(),
                hotkey: signer.clone(),
                rules: Arc::clone(&rules),
                ledger: ledger.clone(),
                payer_salt,
                clock: Arc::clone(&clock),
            })
        });
        if is_head && !weights.own_log_only {
            let checking = PeersParts {
                config: audit.clone(),
                folder: state_dir.join(PEERS_DIR),
                disputes: state_dir.join(DISPUTES_DIR),
                hotkey: account,
                policy: rules.document().hash(),
                chain: chain.clone(),
                client: client.clone(),
                peers: peers.clone(),
            };
            tasks.spawn("checking other validators", peers::run(checking, stop.clone()));
        }
        tasks.spawn("watching demand", fleet::cold::run(fleet.clone(), stop.clone()));
        let setting = WeightsParts {
            config: weights,
            peers: peers.clone(),
            merges: state_dir.join(MERGES_DIR),
            payers: {
                let accounts = Arc::clone(&accounts);
                Arc::new(move || accounts.signing_payers())
            },
            publisher: Publisher::new(ledger.clone(), signer.clone(), state_dir.join(AUDIT_DIR), audit)
                .with_shards(shards),
            collector,
            rules,
            ledger: ledger.clone(),
            hotkey: signer.clone(),
            chain: chain.clone(),
            client,
            setter,
            metrics: Arc::clone(&metrics),
        };
        let challenging = ChallengesParts {
            config: challenges,
            fleet: fleet.clone(),
            ledger: ledger.clone(),
            hotkey: signer,
            clock,
            netuid,
            offers,
            metrics,
        };
        tasks.spawn("challenging miners", challenges::run(challenging, checked, stop.clone()));
        if is_head {
            tasks.spawn("setting weights", weights::run(setting, weights_sender, stop.clone()));
        }

        let (gateway_address, rpc_address) = (gateway.address(), rpc.address());
        tracing::info!(hotkey = %account, netuid, gateway = %gateway_address, rpc = %rpc_address, "validator is up");
        let weights = weights_state;
        Ok(Self {
            hotkey: account,
            settings: in_force,
            accounts,
            gateway,
            rpc,
            fleet,
            ledger,
            chain,
            weights,
            peers,
            tasks,
            door,
            stop,
            drain_timeout,
        })
    }

    /// The validator's hotkey.
    #[must_use]
    pub fn hotkey(&self) -> AccountId {
        self.hotkey
    }

    /// Where the OpenAI-compatible gateway listens.
    #[must_use]
    pub fn gateway_addr(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Where the JSON-RPC server listens.
    #[must_use]
    pub fn rpc_addr(&self) -> SocketAddr {
        self.rpc.address()
    }

    /// Where this gateway answers the head gateway, if it is of another shard than 0.
    #[must_use]
    pub fn door_addr(&self) -> Option<SocketAddr> {
        self.door.as_ref().map(Door::address)
    }

    /// The fleet.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The chain as this validator last saw it.
    #[must_use]
    pub fn chain(&self) -> ChainView {
        self.chain.clone()
    }

    /// Scores and weights as they are, and when they change.
    #[must_use]
    pub fn weights(&self) -> watch::Receiver<WeightsState> {
        self.weights.clone()
    }

    /// What it knows of the other validators' logs.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Takes over what of `new` needs no restart: limits and quotas of accounts, the accounts themselves, origins and the
    /// certificate. Everything else that changed is named in the log.
    pub fn reload(&mut self, new: Config) {
        for setting in self.settings.restart_needed(&new) {
            tracing::warn!(setting, "this setting has changed and comes into force only by a restart");
        }
        match self.accounts.reload(&new.gateway.accounts) {
            Ok(accounts) => tracing::info!(accounts, "limits and accounts are read again"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the accounts cannot be read again; those last read stay");
            }
        }
        for reloaded in [self.gateway.reload(&new.gateway), self.rpc.reload()] {
            let Err(error) = reloaded else { continue };
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the certificate cannot be read again; the one in force stays");
        }
    }

    /// Waits until a part ends by itself, which none should; names it. Safe to cancel and call again.
    pub async fn join(&mut self) -> &'static str {
        self.tasks.first_to_end().await
    }

    /// Lets open calls end, up to the drain limit, while new ones are told to come back later; then stops listening and closes
    /// the ledger.
    pub async fn shutdown(mut self) {
        self.fleet.stop();
        if tokio::time::timeout(self.drain_timeout, self.fleet.drain()).await.is_err() {
            tracing::warn!("answers still under way after the drain time are cut off");
        }
        self.gateway.shutdown().await;
        self.rpc.shutdown().await;
        drop(self.door);
        self.stop.cancel();
        self.tasks.all_to_end().await;
        // Closing waits for the writer and for RocksDB, which no executor thread should.
        let parts = (self.fleet, self.ledger, self.accounts, self.gateway);
        let _ = tokio::task::spawn_blocking(move || drop(parts)).await;
    }
}

async fn open_ledger(config: LedgerConfig) -> Result<Ledger, StartError> {
    let opened = tokio::task::spawn_blocking(move || Ledger::open(config)).await;
    opened
        .map_err(|error| StartError::Ledger(OpenError::Thread(io::Error::other(error))))?
        .map_err(StartError::Ledger)
}

/// Connects, looks at the subnet for the first time, and says how the hotkey stands in it. One that a block of long ago does
/// not know may be registered since.
async fn arrive(
    connect: &ConnectConfig,
    netuid: u16,
    clock: &Clock,
    hotkey: &AccountId,
) -> Result<(ChainClient, ChainSnapshot), StartError> {
    let client = ChainClient::connect(connect.clone()).await.map_err(StartError::Connect)?;
    let block = client.finalized().await.map_err(StartError::Chain)?;
    let snapshot = ChainSnapshot::read(&client, netuid, clock, block).await.map_err(StartError::Chain)?;
    let Err(unknown) = check_standing(&snapshot, netuid, hotkey) else {
        return Ok((client, snapshot));
    };
    let behind = client.minutes_behind(block, clock.now_ms()).await.map_err(StartError::Chain)?;
    Err(behind.map_or(unknown, |minutes| StartError::Behind { netuid, minutes }))
}

fn check_standing(snapshot: &ChainSnapshot, netuid: u16, hotkey: &AccountId) -> Result<(), StartError> {
    match standing(&snapshot.metagraph, hotkey) {
        Standing::NotRegistered => Err(StartError::NotRegistered { netuid }),
        Standing::Permitted { uid } => {
            tracing::info!(%hotkey, uid, "registered, with a validator permit");
            Ok(())
        }
        Standing::WithoutPermit { uid } => {
            tracing::warn!(
                %hotkey,
                uid,
                "registered, but WITHOUT a validator permit: calls are served, and no weights can be set until the hotkey has \
                 enough stake at the end of a tempo"
            );
            Ok(())
        }
    }
}
