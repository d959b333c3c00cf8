//! From the ledger to the chain: scores of the window, one weight vector per tempo.
//!
//! `protocol::scoring` makes the vector; [`WeightSetter`] decides the moment, keeps the journal and talks to the chain. The
//! driver here turns receipts into scores whenever one of the two wants them. When a vector is decided, the tempo's head is
//! cut first ([`crate::heads`]) and its digest committed on chain; the vector is made from the scores that the head names.
//! While the chain does not hold that digest, no vector is decided: nobody is paid by data that nobody can be held to.

mod commitment;
pub mod window;

use std::sync::Arc;
use std::time::Duration;

use chain_client::ChainClient;
use chain_client::weights::{Entry, Scores, SetWeightsError, Step, WeightSetter};
use protocol::digest::Digest;
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::{Miner, ScoreTable};
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::commitment::Commitment;
use crate::audit::publish::Publisher;
use crate::chain_view::{ChainSnapshot, ChainView};
use crate::config::WeightsConfig;
use crate::heads::{self, TempoFacts};
use crate::ledger::Ledger;
use crate::metrics::{Count, Metrics};

/// What the driver is built from.
pub struct WeightsParts {
    /// Settings.
    pub config: WeightsConfig,
    /// Writes bundles for auditors.
    pub publisher: Publisher,
    /// How the terms are weighed, and what tokens are worth.
    pub rules: Arc<Rules>,
    /// Where receipts are.
    pub ledger: Ledger,
    /// Signs heads and commitments.
    pub hotkey: Keypair,
    /// The chain as it is.
    pub chain: ChainView,
    /// Takes commitments.
    pub client: ChainClient,
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
    publisher: Publisher,
    rules: Arc<Rules>,
    ledger: Ledger,
    hotkey: Keypair,
    commitment: Commitment,
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
    let WeightsParts { config, publisher, rules, ledger, hotkey, mut chain, client, setter, metrics } = parts;
    chain.mark_changed();
    state.send_modify(|state| state.last = setter.last().cloned());
    let commitment = Commitment::new(client, hotkey.clone());
    let scoring = Scoring { config, publisher, rules, ledger, hotkey, commitment, state, again_at: None };
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
        scoring.commit_newest_head(snapshot).await;
        // The decision stands on the newest receipts, not on the last page shown.
        let step = setter.set_weights_from(async || scoring.scores_of_head(snapshot).await).await;
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
    /// The scores of the tempo's head, which is cut and committed on chain first. None while nothing counts (such a tempo
    /// has no head) and while the chain does not hold the head's digest.
    async fn scores_of_head(&mut self, snapshot: &ChainSnapshot) -> Scores {
        let nothing = Scores { values: Vec::new(), label: Digest::ZERO };
        self.again_at = None;
        self.score(snapshot).await;
        if self.state.borrow().scored.as_ref().is_none_or(|scored| scored.weights.is_empty()) {
            return nothing;
        }
        let facts = TempoFacts {
            epoch_index: snapshot.epoch.epoch_index,
            block: snapshot.block,
            timestamp_ms: snapshot.timestamp_ms,
            miners: registered(snapshot).into_iter().map(|(miner, _)| miner).collect(),
        };
        let record = match heads::cut(&self.ledger, &self.rules, &self.hotkey, facts).await {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the tempo's head cannot be cut");
                return nothing;
            }
        };
        self.publisher.publish(record.head.head.epoch_index);
        if !self.commitment.ensure(record.head.head.digest(), snapshot).await {
            return nothing;
        }
        let uid_of = registered(snapshot).into_iter().map(|(miner, uid)| (miner.hotkey, uid)).collect();
        let weights = protocol::scoring::weights(&record.table, &uid_of);
        let values = weights.iter().map(|(uid, weight)| (*uid, f64::from(*weight))).collect();
        let scored = Scored { block: snapshot.block.number, table: record.table, weights };
        let label = window::digest(&scored.table);
        self.state.send_modify(|state| state.scored = Some(Arc::new(scored)));
        Scores { values, label }
    }

    /// Sees to it that the newest head's digest is on chain, also that of a tempo whose weights were not set.
    async fn commit_newest_head(&mut self, snapshot: &ChainSnapshot) {
        match self.ledger.read(|reader| reader.latest_head()).await {
            Ok(Some(record)) => {
                self.commitment.ensure(record.head.head.digest(), snapshot).await;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read the newest head");
            }
        }
    }

    /// Computes the scores again unless that was done a moment ago. A computation that took long is repeated the less often, so
    /// that a large window never takes more than a small share of the machine.
    async fn score(&mut self, snapshot: &ChainSnapshot) {
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let started = Instant::now();
        let PolicyDocument { policy, .. } = *self.rules.document();
        let window =
            window::Window { policy, end_ms: snapshot.timestamp_ms, registered: registered(snapshot) };
        match window.score(&self.ledger, Arc::clone(&self.rules)).await {
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

/// The subnet's neurons with their uids.
fn registered(snapshot: &ChainSnapshot) -> Vec<(Miner, u16)> {
    let neurons = snapshot.metagraph.neurons.iter();
    neurons.map(|neuron| (Miner::new(neuron.hotkey, neuron.coldkey), neuron.uid)).collect()
}
