//! What validators' users ask for, kept up to date over each validator's demand log.
//!
//! One task per validator reads its log ([`protocol::demand`]) under this miner's hotkey, resumes after breaks from where it
//! stopped, starts again from the whole state when the log no longer reaches back, and waits longer after each failure. Whoever
//! decides which models to hold watches [`DemandFeed::watch`]. The same tasks send this miner's inventory whenever
//! [`DemandParts::inventory_changes`] says that it changed, so that a model is used the moment it is ready.
//!
//! Which validators there are, and where, is a value that changes under the feed: the operator's list, and whatever else the
//! composition root adds. Validators that are not in it are not asked, and their demand is forgotten.

mod follow;
mod sse;

use std::collections::BTreeMap;
use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use protocol::account::AccountId;
use protocol::demand::{Cursor, DemandBook};
use protocol::inventory::SignedInventory;
use protocol::signing::Keypair;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::follow::FollowError;
use self::follow::Follower;

/// How demand logs are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemandConfig {
    /// Validators' gateways: hotkey = "http://host:port". Default none.
    pub validators: BTreeMap<AccountId, String>,
    /// Follow the gateways too that validators which may call this miner have announced on chain. Default true.
    pub follow_announced: bool,
    /// Validators followed, those of the operator's list included; the ones with the most stake first. Default 64.
    pub validators_max: NonZeroUsize,
    /// Time for a connection to a validator and its answer's head, in milliseconds. Default 10000.
    pub connect_ms_max: NonZeroU32,
    /// Silence after which a log's connection counts as broken, in milliseconds. Default 45000.
    pub silence_ms_max: NonZeroU32,
    /// Wait before the second try after a failure, in milliseconds; doubled with each further failure. Default 500.
    pub retry_ms_min: NonZeroU32,
    /// Longest wait between two tries, in milliseconds. Default 30000.
    pub retry_ms_max: NonZeroU32,
    /// Largest event of a log, in bytes; the whole state comes as one. Default 8 MiB.
    pub event_bytes_max: NonZeroUsize,
}

impl Default for DemandConfig {
    fn default() -> Self {
        let number = |value| NonZeroU32::new(value).expect("a literal above zero");
        Self {
            validators: BTreeMap::new(),
            follow_announced: true,
            validators_max: NonZeroUsize::new(64).expect("a literal above zero"),
            connect_ms_max: number(10_000),
            silence_ms_max: number(45_000),
            retry_ms_min: number(500),
            retry_ms_max: number(30_000),
            event_bytes_max: NonZeroUsize::new(8 << 20).expect("a literal above zero"),
        }
    }
}

/// Where validators serve their logs, by hotkey.
pub type Sources = BTreeMap<AccountId, String>;

/// Makes this miner's inventory as of now.
#[derive(Clone)]
pub struct InventorySource(Arc<dyn Fn() -> SignedInventory + Send + Sync>);

/// What the feed is built from.
#[derive(Debug)]
pub struct DemandParts {
    /// Signs the requests.
    pub hotkey: Keypair,
    /// Whom to ask.
    pub sources: watch::Receiver<Sources>,
    /// What to send when it changed.
    pub inventory: InventorySource,
    /// Changes when another inventory is worth sending; the number means nothing.
    pub inventory_changes: watch::Receiver<u64>,
}

/// What one validator's users want, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidatorDemand {
    /// The state that its log adds up to.
    pub book: DemandBook,
    /// Up to where the log was read; nothing before the first state.
    pub cursor: Option<Cursor>,
    /// Whether the log is being read now.
    pub connected: bool,
    /// When something of it was last heard, in milliseconds since the Unix epoch.
    pub heard_at_ms: u64,
}

/// What all validators' users want.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// By the validator's hotkey.
    pub validators: BTreeMap<AccountId, ValidatorDemand>,
}

/// The running feed. Stops when dropped.
#[derive(Debug)]
pub struct DemandFeed {
    demand: watch::Receiver<Demand>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl InventorySource {
    /// A source that calls this.
    pub fn new(make: impl Fn() -> SignedInventory + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The inventory as of now.
    pub fn make(&self) -> SignedInventory {
        (self.0)()
    }
}

impl fmt::Debug for InventorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InventorySource")
    }
}

impl DemandFeed {
    /// Starts reading the logs of `parts.sources`, and of those that are added later.
    pub fn start(config: DemandConfig, parts: DemandParts) -> Result<Self, FollowError> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (sender, demand) = watch::channel(Demand::default());
        let http = follow::client(&config)?;
        let DemandParts { hotkey, sources, inventory, inventory_changes } = parts;
        let follower = Follower {
            http,
            hotkey,
            config,
            inventory,
            inventory_changes,
            demand: sender,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(supervise(follower, sources));
        Ok(Self { demand, stop, tasks })
    }

    /// The demand as it is, and when it changes.
    pub fn watch(&self) -> watch::Receiver<Demand> {
        self.demand.clone()
    }

    /// Stops reading and waits until every connection is closed.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for DemandFeed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Keeps one task per source.
async fn supervise(follower: Follower, mut sources: watch::Receiver<Sources>) {
    let mut running: BTreeMap<AccountId, (String, CancellationToken)> = BTreeMap::new();
    loop {
        let wanted = sources.borrow_and_update().clone();
        running.retain(|validator, (url, stop)| {
            let keep = wanted.get(validator) == Some(url);
            if !keep {
                stop.cancel();
                follower.forget(validator);
            }
            keep
        });
        for (validator, url) in wanted {
            running.entry(validator).or_insert_with(|| {
                let stop = follower.stop.child_token();
                follower.tasks.spawn(follower.clone().run(validator, url.clone(), stop.clone()));
                (url, stop)
            });
        }
        tokio::select! {
            () = follower.stop.cancelled() => return,
            changed = sources.changed() => if changed.is_err() {
                // Nobody will add or remove validators any more; those there are stay.
                return follower.stop.cancelled().await;
            },
        }
    }
}

/// The wait before try number `failures` (from 1) after a success.
fn pause(config: &DemandConfig, failures: u32) -> Duration {
    let doubled = u64::from(config.retry_ms_min.get()) << failures.saturating_sub(1).min(20);
    Duration::from_millis(doubled.min(config.retry_ms_max.get().into()))
}

#[cfg(test)]
mod tests {
    use super::{DemandConfig, pause};

    #[test]
    fn waits_double_up_to_their_limit() {
        let waits: Vec<u64> = [1, 2, 3, 6, 7, 8, u32::MAX]
            .map(|failures| pause(&DemandConfig::default(), failures).as_millis() as u64)
            .into();
        assert_eq!(waits, [500, 1_000, 2_000, 16_000, 30_000, 30_000, 30_000]);
    }
}
