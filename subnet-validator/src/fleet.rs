//! The fleet: which miners there are, which of them gets a call, and what came of it.
//!
//! One call runs like this: [`selector`] says which models the user would take; [`affinity`] or [`picker`] chooses a miner that
//! holds one and whose [`breaker`] lets it through; a fresh ticket is signed for it and sent ([`axon`]); what it answers is hashed while it is relayed; its receipt is checked, countersigned and stored before the
//! user's answer ends. A miner that fails before its first byte is replaced by another, up to a limit; after the first byte the
//! user sees an error event.

pub mod affinity;
pub mod axon;
pub mod breaker;
pub mod call;
pub mod census;
pub mod cold;
pub mod miners;
pub mod picker;
pub mod refresh;
pub mod relay;
pub mod selector;
pub mod settled;
pub mod sse;
pub mod view;

mod attempt;
mod delivered;
mod load;
mod route;
mod sequences;
mod settle;

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::account::AccountId;
use protocol::catalogue::Catalogue;
use protocol::digest::Digest;
use protocol::signing::Keypair;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::axon::AxonClient;
use self::breaker::BreakerPolicy;
use self::load::Loads;
use self::miners::Door;
use self::sequences::Sequences;
use self::settled::{Settled, SettledCall};
use self::view::View;
use crate::clock::Clock;
use crate::config::FleetConfig;
use crate::demand::Demand;
use crate::ledger::Ledger;
use crate::metrics::Metrics;

/// What the fleet is built from.
pub struct FleetParts {
    /// Limits and waits.
    pub limits: FleetConfig,
    /// The subnet.
    pub netuid: u16,
    /// Signs tickets and countersignatures.
    pub hotkey: Keypair,
    /// The models users may ask for.
    pub catalogue: Arc<Catalogue>,
    /// Where receipts go.
    pub ledger: Ledger,
    /// Keeps payers' hashes from being guessed.
    pub payer_salt: [u8; 32],
    /// The clock.
    pub clock: Arc<Clock>,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// A handle to the fleet. Clones share everything.
#[derive(Clone)]
pub struct Fleet {
    shared: Arc<Shared>,
}

/// What all calls share.
pub(crate) struct Shared {
    limits: FleetConfig,
    netuid: u16,
    hotkey: Keypair,
    catalogue: Arc<Catalogue>,
    ledger: Ledger,
    payer_salt: [u8; 32],
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    client: AxonClient,
    sequences: Sequences,
    loads: Loads,
    view: watch::Sender<View>,
    relays: TaskTracker,
    stopping: CancellationToken,
    demand: Demand,
    door: Door,
    settled: Arc<Settled>,
}

/// How one miner stands with this validator right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinerStatus {
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Where it listens.
    pub axon: SocketAddr,
    /// Names of the models it holds; empty if its inventory is missing or too old.
    pub models: Vec<String>,
    /// The device it says it has.
    pub device: Option<String>,
    /// Whether its inventory is fresh.
    pub online: bool,
    /// Calls open with it.
    pub in_flight: u32,
}

impl Fleet {
    /// A fleet that knows no miners yet; [`refresh::run`] keeps it up to date.
    #[must_use]
    pub fn new(parts: FleetParts) -> Self {
        let FleetParts { limits, netuid, hotkey, catalogue, ledger, payer_salt, clock, metrics } = parts;
        let policy = BreakerPolicy {
            failures_max: limits.breaker_failures_max,
            failures_percent_max: limits.breaker_failures_percent_max,
            calls_window: limits.breaker_calls_window,
            cooldown_ms: limits.breaker_cooldown_ms,
            cooldown_ms_max: limits.breaker_cooldown_ms_max,
        };
        // Another run, another log: two runs that begin within a nanosecond of each other cannot be of one validator.
        let demand = Demand::new(limits.demand.clone(), clock.nonce_ns());
        let door = Door::new(&limits.demand);
        let client = AxonClient::new(hotkey.clone(), Arc::clone(&clock), limits.clone());
        let relays = TaskTracker::new();
        let sequences = Sequences::new(ledger.clone(), limits.sequence_block, relays.clone());
        let shared = Shared {
            limits,
            netuid,
            hotkey,
            catalogue,
            ledger,
            payer_salt,
            clock,
            metrics,
            client,
            sequences,
            loads: Loads::new(policy),
            view: watch::Sender::new(View::default()),
            relays,
            stopping: CancellationToken::new(),
            demand,
            door,
            settled: Arc::new(Settled::new()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A fleet whose miners are given once and for all.
    #[must_use]
    pub fn with_static_view(parts: FleetParts, view: View) -> Self {
        let fleet = Self::new(parts);
        fleet.shared.view.send_replace(view);
        fleet
    }

    /// The models users may ask for.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }

    /// What users ask for beyond what is hot.
    #[must_use]
    pub fn demand(&self) -> &Demand {
        &self.shared.demand
    }

    /// Tells of calls whose receipts are on disk, from now on. Who is behind by more than a thousand misses the oldest.
    #[must_use]
    pub fn settled(&self) -> broadcast::Receiver<SettledCall> {
        self.shared.settled.subscribe()
    }

    /// The same, to be kept.
    #[must_use]
    pub fn shared_catalogue(&self) -> Arc<Catalogue> {
        Arc::clone(&self.shared.catalogue)
    }

    /// Tells when miners or their inventories change.
    #[must_use]
    pub fn view_changes(&self) -> watch::Receiver<View> {
        self.shared.view.subscribe()
    }

    /// How the miners stand now, by hotkey.
    #[must_use]
    pub fn miners(&self) -> Vec<MinerStatus> {
        let now_ms = self.shared.clock.now_ms();
        let view = self.shared.view.borrow();
        view.miners.values().map(|miner| self.shared.status(miner, now_ms)).collect()
    }

    /// Takes no more calls; those under way go on.
    pub fn stop(&self) {
        self.shared.stopping.cancel();
    }

    /// Waits until the calls under way have ended.
    pub async fn drain(&self) {
        self.shared.relays.close();
        self.shared.relays.wait().await;
    }
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    fn status(&self, miner: &view::MinerEntry, now_ms: u64) -> MinerStatus {
        let fresh = miner.fresh_inventory(now_ms, self.limits.inventory_max_age_ms);
        MinerStatus {
            hotkey: miner.hotkey,
            axon: miner.axon.socket,
            models: fresh.iter().flat_map(|known| &known.models).map(|model| model.id.to_string()).collect(),
            device: fresh.map(|known| known.device.clone()),
            online: fresh.is_some(),
            in_flight: self.loads.in_flight(&miner.hotkey),
        }
    }

    fn payer(&self, payer: &str) -> Digest {
        crate::accounts::payer(&self.payer_salt, payer)
    }
}
