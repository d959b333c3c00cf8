//! From the ledger to the chain: scores of the window, one weight vector per tempo.
//!
//! `protocol::scoring` makes the vector; [`WeightSetter`] decides the moment, keeps the journal and talks to the chain. The
//! driver here turns receipts into scores whenever one of the two wants them.

pub mod window;

use std::sync::Arc;
use std::time::Duration;

use chain_client::weights::{Entry, Scores, SetWeightsError, Step, WeightSetter};
use protocol::catalogue::Catalogue;
use protocol::digest::Digest;
use protocol::scoring::{Miner, Policy, ScoreTable};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain_view::{ChainSnapshot, ChainView};
use crate::config::WeightsConfig;
use crate::ledger::Ledger;
use crate::metrics::{Count, Metrics};

/// What the driver is built from.
pub struct WeightsParts {
    /// Settings.
    pub config: WeightsConfig,
    /// How the terms are weighed.
    pub policy: Policy,
    /// What tokens are worth.
    pub catalogue: Arc<Catalogue>,
    /// Where receipts are.
    pub ledger: Ledger,
    /// The chain as it is.
    pub chain: ChainView,
    /// Sets the weights.
    pub setter: WeightSetter,
    /// The counters.
    pub metrics: Arc<Metrics>,
}

/// What the driver last computed and decided, for whoever shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightsState {
    /// The last score table with the weights that follow from it.
    pub scored: Option<Arc<Scored>>,
    /// The last vector decided, with how far it got.
    pub last: Option<Entry>,
    /// Why no vector is set right now, in words.
    pub waiting: Option<String>,
}

/// A score table and its weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// The finalised block whose time ends the window.
    pub block: u32,
    /// The table.
    pub table: ScoreTable,
    /// Uid and weight, ascending by uid.
    pub weights: Vec<(u16, u16)>,
}

/// Computes scores.
struct Scoring {
    config: WeightsConfig,
    policy: Policy,
    catalogue: Arc<Catalogue>,
    ledger: Ledger,
    state: watch::Sender<WeightsState>,
    again_at: Option<Instant>,
}

/// The driver's state between blocks.
struct Driver {
    scoring: Scoring,
    setter: WeightSetter,
    metrics: Arc<Metrics>,
    waiting: Option<String>,
}

/// Runs until stopped. `state` is kept up to date.
pub async fn run(parts: WeightsParts, state: watch::Sender<WeightsState>, stop: CancellationToken) {
    let WeightsParts { config, policy, catalogue, ledger, mut chain, setter, metrics } = parts;
    chain.mark_changed();
    state.send_modify(|state| state.last = setter.last().cloned());
    let scoring = Scoring { config, policy, catalogue, ledger, state, again_at: None };
    let mut driver = Driver { scoring, setter, metrics, waiting: None };
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = chain.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        let snapshot = Arc::clone(&chain.borrow_and_update());
        // Stopping in the middle of a submission leaves it in doubt, which the next start resolves.
        tokio::select! {
            () = stop.cancelled() => return,
            () = driver.step(&snapshot) => {}
        }
    }
}

impl Driver {
    async fn step(&mut self, snapshot: &ChainSnapshot) {
        let Self { scoring, setter, .. } = self;
        scoring.score(snapshot).await;
        if !scoring.config.enabled {
            return;
        }
        // The decision stands on the newest receipts, not on the last page shown.
        let step = setter.set_weights_from(async || scoring.score_anew(snapshot).await).await;
        self.report(step);
        let last = self.setter.last().cloned();
        self.scoring.state.send_if_modified(|state| {
            let changed = state.last != last;
            state.last = last;
            changed
        });
    }

    /// Says what was done, and why no weights are set, once for each reason.
    fn report(&mut self, step: Result<Step, SetWeightsError>) {
        let waiting = match step {
            Ok(Step::Submitted { manner, last_block }) => {
                tracing::info!(%manner, last_block, "weights are on their way");
                None
            }
            Ok(Step::Confirmed { in_block }) => {
                tracing::info!(in_block, "weights are set");
                self.metrics.count(Count::WeightsConfirmed);
                None
            }
            Ok(Step::Settled) => None,
            Ok(Step::Waiting(wait)) => Some(wait.to_string()),
            Ok(Step::Refused(error)) => {
                let hint = error.hint();
                tracing::warn!(hint, error = &error as &dyn std::error::Error, "weights were refused");
                Some(error.to_string())
            }
            Err(error) => {
                let hint = error.hint();
                tracing::warn!(hint, error = &error as &dyn std::error::Error, "no weights can be set now");
                Some(error.to_string())
            }
        };
        if waiting == self.waiting {
            return;
        }
        if let Some(waiting) = &waiting {
            tracing::info!("no weights are set now: {waiting}");
        }
        self.waiting.clone_from(&waiting);
        self.scoring.state.send_modify(|state| state.waiting = waiting);
    }
}

impl Scoring {
    async fn score_anew(&mut self, snapshot: &ChainSnapshot) -> Scores {
        self.again_at = None;
        self.score(snapshot).await;
        let scored = self.state.borrow().scored.clone();
        let of = |scored: &Scored| Scores {
            values: scored.weights.iter().map(|(uid, weight)| (*uid, f64::from(*weight))).collect(),
            label: window::digest(&scored.table),
        };
        scored.as_deref().map_or(Scores { values: Vec::new(), label: Digest::ZERO }, of)
    }

    /// Computes the scores again unless that was done a moment ago. A computation that took long is repeated the less often, so
    /// that a large window never takes more than a small share of the machine.
    async fn score(&mut self, snapshot: &ChainSnapshot) {
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let started = Instant::now();
        let registered = snapshot.metagraph.neurons.iter();
        let registered =
            registered.map(|neuron| (Miner::new(neuron.hotkey, neuron.coldkey), neuron.uid)).collect();
        let window = window::Window { policy: self.policy, end_ms: snapshot.timestamp_ms, registered };
        match window.score(&self.ledger, Arc::clone(&self.catalogue)).await {
            Ok((table, weights)) => {
                let scored = Scored { block: snapshot.block.number, table, weights };
                let pause = Duration::from_millis(self.config.score_interval_ms).max(started.elapsed() * 20);
                self.again_at = Some(Instant::now() + pause);
                self.state.send_modify(|state| state.scored = Some(Arc::new(scored)));
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot compute scores"),
        }
    }
}
