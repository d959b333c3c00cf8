//! The composition root: takes the configuration apart and hands each part its own piece.

mod error;

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use chain_client::command::{CommandError as SiteError, Site};
use chain_client::{Announcement, ChainClient, patience, wallet};
use model_runtime::{Runtime, RuntimeConfig};
use protocol::account::AccountId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::error::StartError;
use crate::axon::{Axon, AxonParts};
use crate::axon_publisher::Publisher;
use crate::chain_watch::{self, Sighting};
use crate::clock;
use crate::config::{Config, RuntimeLimits, ServeConfig};
use crate::demand::{Demand, DemandFeed, DemandParts, Sources};
use crate::device::Device;
use crate::models::Models;
use crate::operations::{Operations, StatusParts};
use crate::permits::PermitPolicy;
use crate::receipts::ReceiptStore;
use crate::residency::{self, ResidencyParts, ResidencyStatus};
use crate::store::ContentStore;
use crate::strategist::{Knapsack, Mode, StrategistConfig};
use crate::validators;

/// A running miner. Stops when dropped; [`shutdown`](Self::shutdown) lets answers in the making finish.
#[derive(Debug)]
pub struct Miner {
    settings: Config,
    policy: watch::Sender<PermitPolicy>,
    hotkey: AccountId,
    axon: Option<Axon>,
    axon_addr: SocketAddr,
    receipts: Option<ReceiptStore>,
    demand: DemandFeed,
    listed: watch::Sender<Sources>,
    inventory_changes: watch::Sender<u64>,
    told: watch::Receiver<ResidencyStatus>,
    operations: Operations,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Miner {
    /// Starts a miner; returns when its axon is bound. What fails cheaply is tried first: keys, files, chain, then models.
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        if !config.allow_coldkey_present {
            wallet::refuse_open_coldkey(&config.wallet()).map_err(SiteError::Wallet)?;
        }
        let site = config.site();
        let keypair = site.hotkey()?;
        let hotkey = keypair.public();
        let receipts_path = config.receipts_path(&hotkey);
        let weights = config.content(&hotkey);
        let (settings, finds_models) = (config.clone(), config.finds_models());
        let Config { netuid, models, runtime, axon, serve, permits: policy, demand, chain, receipts, .. } =
            config;
        let (strategist, operations) = (config.strategist, config.operations);

        if !(models.is_empty() && finds_models) {
            Models::check(&models).map_err(StartError::Model)?;
        }
        check_external(&serve, axon.bind)?;
        let arrival = || arrive(&site, netuid, hotkey);
        let (client, sighting, block_time_ms) =
            patience::until_it_passes(SiteError::is_passing, arrival).await?;

        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&receipts_path)
            .map_err(|source| StartError::State { path: receipts_path.clone(), source })?;
        let receipts =
            ReceiptStore::open(&receipts_path, &receipts, keypair.clone()).map_err(StartError::Receipts)?;
        let device = Device::detect().with_card(runtime.device.card_memory_bytes());
        let memory_bytes = memory_for_models(&strategist, &device);
        let runtime = Runtime::start(to_runtime(&runtime, memory_bytes)).map_err(StartError::Runtime)?;
        let device = device.computing_on(runtime.device());
        let models = Models::load(&runtime, &models).await.map_err(StartError::Model)?;

        let (permits, permitted) = watch::channel(validators::permits(&policy, &sighting));
        let (sightings, seen) = watch::channel(sighting);
        let parts = AxonParts {
            netuid,
            hotkey: keypair.clone(),
            models: models.clone(),
            device: device.clone(),
            permits: permitted.clone(),
            receipts: receipts.clone(),
        };
        let axon = Axon::bind(axon, parts).await.map_err(StartError::Axon)?;
        let axon_addr = axon.address();
        let tls_key = axon.tls_key().cloned();
        let counts = receipts.counts();
        tracing::info!(%hotkey, netuid, axon = %axon_addr, "serving");

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (listed, on_list) = watch::channel(demand.validators.clone());
        let (sources, asked) = watch::channel(demand.validators.clone());
        let finding = demand.clone();
        let (inventory_changes, changes) = watch::channel(0);
        let parts = DemandParts {
            hotkey: keypair.clone(),
            sources: asked.clone(),
            inventory: axon.inventory(),
            inventory_changes: changes,
        };
        let demand = DemandFeed::start(demand, parts).map_err(StartError::Demand)?;
        let told = if strategist.mode == Mode::Off {
            watch::channel(ResidencyStatus::default()).1
        } else {
            let store = ContentStore::open(weights).map_err(StartError::Weights)?;
            let strategy = Box::new(Knapsack::new(strategist.policy.clone()));
            let (told, residency) = residency::start(ResidencyParts {
                config: strategist,
                memory_bytes,
                strategy,
                netuid,
                runtime,
                models: models.clone(),
                store,
                sources: asked.clone(),
                demand: demand.watch(),
                permits: permitted.clone(),
                announce: inventory_changes.clone(),
                stop: stop.clone(),
            });
            tasks.spawn(residency);
            told
        };
        let status = StatusParts {
            netuid,
            block_time_ms,
            hotkey,
            axon: external(&serve, axon_addr).unwrap_or(axon_addr).to_string(),
            started: clock::monotonic(),
            device,
            models,
            counts,
            sightings: seen.clone(),
            permits: permitted.clone(),
            demand: demand.watch(),
            residency: told.clone(),
        };
        let bind = operations.bind;
        let operations = Operations::bind(&operations, status)
            .await
            .map_err(|source| StartError::Operations { address: bind, source })?;
        tracing::info!(metrics = %operations.address(), "the operator's side is up");

        let policy = watch::Sender::new(policy);
        tasks.spawn(validators::follow(policy.subscribe(), seen.clone(), permits));
        tasks.spawn(validators::follow_gateways(finding, on_list, permitted, seen.clone(), sources));
        if let Some(address) = external(&serve, axon_addr) {
            let retry_blocks = serve.retry_blocks.get();
            let desired = Announcement { address, tls_key: serve.tls_key.or(tls_key) };
            let publisher =
                Publisher { client: client.clone(), hotkey: keypair, netuid, desired, retry_blocks };
            tasks.spawn(publisher.follow(seen, stop.clone()));
        }
        let pause = Duration::from_millis(chain.metagraph_ms_min);
        tasks.spawn(chain_watch::follow(client, netuid, pause, sightings, stop.clone()));
        tasks.close();
        let (axon, receipts) = (Some(axon), Some(receipts));
        Ok(Self {
            settings,
            policy,
            hotkey,
            axon,
            axon_addr,
            receipts,
            demand,
            listed,
            inventory_changes,
            told,
            operations,
            tasks,
            stop,
        })
    }

    /// Takes over what of `new` needs no restart: rates, numbers of answers, and who may call. Everything else that changed is
    /// named in the log.
    pub fn reload(&self, new: &Config) {
        for setting in self.settings.restart_needed(new) {
            tracing::warn!(setting, "this setting has changed and comes into force only by a restart");
        }
        if let Some(axon) = &self.axon {
            axon.reload(&new.axon.limits);
        }
        self.policy.send_replace(new.permits.clone());
        tracing::info!("limits and permits are read again");
    }

    /// The address the axon listens on.
    pub fn axon_addr(&self) -> SocketAddr {
        self.axon_addr
    }

    /// The key this miner serves under.
    pub fn hotkey(&self) -> AccountId {
        self.hotkey
    }

    /// What validators' users ask for.
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.watch()
    }

    /// Whose demand is followed, and where; replaces what the configuration said.
    pub fn follow_demand(&self, sources: Sources) {
        self.listed.send_replace(sources);
    }

    /// Where metrics and status are.
    pub fn operations_addr(&self) -> SocketAddr {
        self.operations.address()
    }

    /// Which models the strategist holds, and why.
    pub fn residency(&self) -> watch::Receiver<ResidencyStatus> {
        self.told.clone()
    }

    /// Says that the inventory changed, so that validators hear of it at once.
    pub fn announce_inventory(&self) {
        self.inventory_changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Stops taking requests, lets answers in the making finish, writes what must be written, and ends.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        self.demand.shutdown().await;
        if let Some(axon) = self.axon.take() {
            axon.shutdown().await;
        }
        self.tasks.wait().await;
        if let Some(receipts) = self.receipts.take() {
            receipts.close().await;
        }
    }

    /// Waits until the miner's background work has ended, which it does only when told to stop.
    pub async fn join(&self) {
        self.tasks.wait().await;
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        // The axon, if still there, stops by being dropped after this.
        self.stop.cancel();
    }
}

/// Connects and looks at the subnet for the first time; gives the block time too. A hotkey that a block of long ago does not
/// know may be registered since.
async fn arrive(
    site: &Site,
    netuid: u16,
    hotkey: AccountId,
) -> Result<(ChainClient, Sighting, u64), SiteError> {
    let client = site.connect().await?;
    let sighting = chain_watch::look(&client, netuid, None).await.map_err(SiteError::Chain)?;
    let block_time_ms = client.block_time_ms().await.map_err(SiteError::Chain)?;
    if sighting.metagraph.by_hotkey(&hotkey).is_some() {
        return Ok((client, sighting, block_time_ms));
    }
    let behind = client.minutes_behind(sighting.metagraph.block, clock::unix_ms()).await;
    Err(match behind.map_err(SiteError::Chain)? {
        Some(minutes) => SiteError::Behind { hotkey, netuid, minutes },
        None => site.not_registered(hotkey),
    })
}

/// The strategist's budget; without one, three quarters of the memory of the card or the machine, or no limit where that is not known.
fn memory_for_models(strategist: &StrategistConfig, device: &Device) -> u64 {
    match (strategist.memory_bytes_max, device.memory_bytes) {
        (0, 0) => u64::MAX,
        (0, machine) => machine / 4 * 3,
        (given, _) => given,
    }
}

fn to_runtime(limits: &RuntimeLimits, memory_bytes: u64) -> RuntimeConfig {
    RuntimeConfig {
        cache_bytes_max: limits.cache_bytes_max,
        memory_bytes_max: Some(memory_bytes),
        threads: limits.threads,
        device: limits.device,
        slots: limits.slots,
        queue_requests_max: limits.queue_requests_max,
        context_tokens_max: limits.context_tokens_max.get(),
        prefill_tokens_max: limits.prefill_tokens_max,
    }
}

/// Where validators reach the axon, or nothing when it is not to be published.
fn external(serve: &ServeConfig, bound: SocketAddr) -> Option<SocketAddr> {
    if !serve.axon {
        return None;
    }
    let ip = serve.external_ip.unwrap_or(bound.ip());
    Some(SocketAddr::new(ip, serve.external_port.map_or(bound.port(), u16::from)))
}

/// An axon that listens everywhere has no one address to publish.
fn check_external(serve: &ServeConfig, bind: SocketAddr) -> Result<(), StartError> {
    if serve.axon && serve.external_ip.unwrap_or(bind.ip()).is_unspecified() {
        return Err(StartError::NoExternalAddress { bind });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
