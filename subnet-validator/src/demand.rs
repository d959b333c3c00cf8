//! What users ask for beyond what is hot: counted, offered to miners as bounties, published as a log, and waited for in order.
//!
//! Each part is plain data behind one lock, with time as an argument; [`crate::fleet::cold`] drives them.

pub mod board;
pub mod log;
pub mod tracker;
pub mod waiting;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::bounty::Growth;
use protocol::catalogue::Model;
use protocol::demand::DemandChange;
use protocol::ticket::ModelId;
use serde::{Deserialize, Serialize};

use self::board::{Board, BoardPolicy};
use self::log::EventLog;
use self::tracker::Tracker;
use self::waiting::Waiting;

/// Settings of demand, bounties and waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DemandConfig {
    /// Longest wait of a call for a model that no miner holds, in milliseconds; 0 refuses such calls at once.
    pub wait_ms_max: u64,
    /// Calls waiting for one model.
    pub waiting_per_model_max: usize,
    /// Calls waiting altogether.
    pub waiting_max: usize,
    /// Time between two words of progress to a user who waits, in milliseconds.
    pub progress_interval_ms: u64,
    /// How far back demand is counted, in milliseconds.
    pub window_ms: u64,
    /// Time between two looks at what changed, in milliseconds.
    pub publish_interval_ms: u64,
    /// Age by which a bounty grows by one claim, in milliseconds.
    pub bounty_step_ms: u64,
    /// Claims a bounty grows to at most.
    pub bounty_claims_max: u16,
    /// How long after a claim no bounty is offered for the same model, in milliseconds.
    pub bounty_cooldown_ms: u64,
    /// How long after a claim the same miner cannot claim the same model again, in milliseconds.
    pub bounty_repeat_ms: u64,
    /// How long a bounty stays after the last call for its model, in milliseconds.
    pub bounty_idle_ms: u64,
    /// Events kept for miners that come back.
    pub events_max: usize,
    /// Miners reading the log at once.
    pub streams_max: usize,
    /// Connections of one miner that read the log at once.
    pub streams_per_miner_max: usize,
}

impl Default for DemandConfig {
    fn default() -> Self {
        Self {
            wait_ms_max: 120_000,
            waiting_per_model_max: 256,
            waiting_max: 1_024,
            progress_interval_ms: 2_000,
            window_ms: 300_000,
            publish_interval_ms: 5_000,
            bounty_step_ms: 30_000,
            bounty_claims_max: 20,
            bounty_cooldown_ms: 600_000,
            bounty_repeat_ms: 7_200_000,
            bounty_idle_ms: 600_000,
            events_max: 10_000,
            streams_max: 512,
            streams_per_miner_max: 2,
        }
    }
}

/// All of it.
#[derive(Debug)]
pub struct Demand {
    /// The settings.
    pub config: DemandConfig,
    /// What miners are told.
    pub log: EventLog,
    /// Who waits.
    pub waiting: Waiting,
    board: Mutex<Board>,
    tracker: Mutex<Tracker>,
    warm_ups_ms: Mutex<BTreeMap<ModelId, u64>>,
}

impl Demand {
    /// Nothing asked for yet. `log` names the log that begins here: another number than any log before it.
    #[must_use]
    pub fn new(config: DemandConfig, log: u64) -> Self {
        let policy = BoardPolicy {
            growth: Growth { step_ms: config.bounty_step_ms, claims_max: config.bounty_claims_max },
            cooldown_ms: config.bounty_cooldown_ms,
            repeat_ms: config.bounty_repeat_ms,
            idle_ms: config.bounty_idle_ms,
        };
        Self {
            log: EventLog::new(log, config.events_max),
            waiting: Waiting::new(config.waiting_max, config.waiting_per_model_max),
            board: Mutex::new(Board::new(policy)),
            tracker: Mutex::new(Tracker::new(config.window_ms)),
            warm_ups_ms: Mutex::default(),
            config,
        }
    }

    /// The bounties.
    pub fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    /// The counts.
    pub fn tracker(&self) -> MutexGuard<'_, Tracker> {
        lock(&self.tracker)
    }

    /// How long it usually takes from a bounty to a hot model.
    pub fn warm_up_ms(&self, model: &ModelId) -> Option<u64> {
        lock(&self.warm_ups_ms).get(model).copied()
    }

    /// It took this long. The last time counts for half.
    pub fn warmed_up(&self, model: &ModelId, took_ms: u64) {
        let mut known = lock(&self.warm_ups_ms);
        let average_ms = known.get(model).map_or(took_ms, |before_ms| before_ms.midpoint(took_ms));
        known.insert(model.clone(), average_ms);
    }

    /// Somebody wants a model that no miner holds: opens a bounty unless there is one, or it is too soon for one.
    pub fn want(&self, model: &Model, now_ms: u64) {
        // The board stays locked until the log has it, so that the log's order is the board's.
        let mut board = self.board();
        if let Some(bounty) = board.want(model, now_ms) {
            tracing::info!(model = %model.id, "a bounty is offered");
            self.log.append(now_ms, DemandChange::BountyOpened { model: model.id.clone(), bounty });
        }
    }

    /// Publishes what changed in the counts since the last time, and withdraws bounties that nobody wants any more.
    pub fn publish(&self, now_ms: u64, holders: impl Fn(&ModelId) -> u32) {
        let waiting = |model: &ModelId| u32::try_from(self.waiting.count(model)).unwrap_or(u32::MAX);
        let changed = self.tracker().changes(now_ms, waiting, holders);
        for (model, demand) in changed {
            self.log.append(now_ms, DemandChange::Demand { model, demand });
        }
        let mut board = self.board();
        for model in board.sweep(now_ms, |model| self.waiting.count(model) > 0) {
            self.log.append(now_ms, DemandChange::BountyWithdrawn { model });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing can panic between two states of these tables, so a poisoned lock still guards a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
