//! From the ledger to the chain: scores of the window, one weight vector per tempo.
//!
//! What is decided is decided by pure functions: `protocol::scoring` for the vector and [`decide()`] for the moment. The driver
//! here reads the facts, keeps the [`journal`], and talks to the chain.

pub mod decide;
pub mod journal;
pub mod submit;
pub mod window;

use std::sync::Arc;
use std::time::Duration;

use chain_client::ChainClient;
use protocol::account::AccountId;
use protocol::catalogue::Catalogue;
use protocol::scoring::{Policy, ScoreTable};
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::decide::{Decision, Facts, OwnNeuron, Timing, Wait, decide};
use self::journal::{Entry, Journal, JournalError, Progress};
use self::submit::{Fate, act};
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
    /// The connection.
    pub client: ChainClient,
    /// The chain as it is.
    pub chain: ChainView,
    /// Signs the submission.
    pub hotkey: Keypair,
    /// What was decided before.
    pub journal: Journal,
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

/// The driver's state between blocks.
struct Driver {
    parts: WeightsParts,
    state: watch::Sender<WeightsState>,
    score_again_at: Option<Instant>,
    waiting: Option<Wait>,
}

/// Runs until stopped. `state` is kept up to date.
pub async fn run(parts: WeightsParts, state: watch::Sender<WeightsState>, stop: CancellationToken) {
    let mut chain = parts.chain.clone();
    chain.mark_changed();
    state.send_modify(|state| state.last = parts.journal.entry().cloned());
    let mut driver = Driver { parts, state, score_again_at: None, waiting: None };
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
        let step = tokio::select! {
            () = stop.cancelled() => return,
            step = driver.step(&snapshot) => step,
        };
        if let Err(error) = step {
            tracing::error!(error = &error as &dyn std::error::Error, "no weights can be set");
        }
    }
}

impl Driver {
    async fn step(&mut self, snapshot: &ChainSnapshot) -> Result<(), JournalError> {
        self.score(snapshot).await;
        if !self.parts.config.enabled {
            return Ok(());
        }
        let vector =
            self.state.borrow().scored.as_ref().map(|scored| scored.weights.clone()).unwrap_or_default();
        let decision = self.decide(snapshot, &vector);
        if matches!(decision, Decision::SubmitNew) {
            // The decision stands on the newest receipts, not on the last page shown.
            self.score_again_at = None;
            self.score(snapshot).await;
        }
        let scored = self.state.borrow().scored.clone();
        let decision = match (&decision, &scored) {
            (Decision::SubmitNew, Some(scored)) => self.decide(snapshot, &scored.weights),
            _ => decision,
        };
        self.report(&decision);
        self.act(snapshot, scored.as_deref(), decision).await?;
        let last = self.parts.journal.entry().cloned();
        self.state.send_if_modified(|state| {
            let changed = state.last != last;
            state.last = last;
            changed
        });
        Ok(())
    }

    fn decide(&self, snapshot: &ChainSnapshot, vector: &[(u16, u16)]) -> Decision {
        let WeightsConfig { submit_after_percent, submission_lifetime_blocks, .. } = self.parts.config;
        let timing = Timing { submit_after_percent, submission_lifetime_blocks };
        decide(&facts(snapshot, &self.parts.hotkey.public()), &timing, vector, self.parts.journal.entry())
    }

    async fn act(
        &mut self,
        snapshot: &ChainSnapshot,
        scored: Option<&Scored>,
        decision: Decision,
    ) -> Result<(), JournalError> {
        let new = scored.map(|scored| Entry {
            netuid: snapshot.metagraph.netuid,
            mechanism: 0,
            epoch_index: snapshot.epoch.epoch_index,
            decided_at_block: snapshot.block.number,
            scores: window::digest(&scored.table),
            vector: scored.weights.clone(),
            progress: Progress::Decided,
        });
        let WeightsParts { client, hotkey, journal, metrics, .. } = &mut self.parts;
        let (netuid, version_key) = (snapshot.metagraph.netuid, snapshot.hyperparameters.weights_version_key);
        let best = match &decision {
            Decision::SubmitNew | Decision::SubmitDecided => client.best().await,
            _ => Ok(snapshot.block),
        };
        let best = match best {
            Ok(best) => best.number,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot submit weights now");
                return Ok(());
            }
        };
        let submission = async |vector: Vec<(u16, u16)>| {
            tracing::info!(netuid, miners = vector.len(), "submitting weights");
            match client.set_weights(hotkey, netuid, &vector, version_key).await {
                Ok(block) => {
                    tracing::info!(netuid, block = block.number, "weights are set");
                    metrics.count(Count::WeightsConfirmed);
                    Fate::Landed { in_block: block.number.into() }
                }
                Err(error) => {
                    let fate = if submit::is_refusal(&error) { Fate::Refused } else { Fate::Unknown };
                    let hint = error.hint();
                    tracing::warn!(
                        netuid,
                        ?fate,
                        hint,
                        error = &error as &dyn std::error::Error,
                        "weights were not set"
                    );
                    fate
                }
            }
        };
        act(journal, decision, new, best, submission).await
    }

    /// Says why no weights are set, once for each reason.
    fn report(&mut self, decision: &Decision) {
        let wait = match decision {
            Decision::Wait(wait) => Some(*wait),
            _ => None,
        };
        if wait == self.waiting {
            return;
        }
        if let Some(wait) = wait {
            tracing::info!("no weights are set now: {wait}");
        }
        self.waiting = wait;
        self.state.send_modify(|state| state.waiting = wait.map(|wait| wait.to_string()));
    }

    /// Computes the scores again unless that was done a moment ago. A computation that took long is repeated the less often, so
    /// that a large window never takes more than a small share of the machine.
    async fn score(&mut self, snapshot: &ChainSnapshot) {
        let WeightsParts { config, policy, catalogue, ledger, .. } = &self.parts;
        if self.score_again_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let started = Instant::now();
        let registered: Vec<(AccountId, u16)> =
            snapshot.metagraph.neurons.iter().map(|neuron| (neuron.hotkey, neuron.uid)).collect();
        let window = window::Window { policy: *policy, end_ms: snapshot.timestamp_ms, registered };
        match window.score(ledger, Arc::clone(catalogue)).await {
            Ok((table, weights)) => {
                let scored = Scored { block: snapshot.block.number, table, weights };
                let pause = Duration::from_millis(config.score_interval_ms).max(started.elapsed() * 20);
                self.score_again_at = Some(Instant::now() + pause);
                self.state.send_modify(|state| state.scored = Some(Arc::new(scored)));
            }
            Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "cannot compute scores"),
        }
    }
}

fn facts(snapshot: &ChainSnapshot, own: &AccountId) -> Facts {
    let ChainSnapshot { block, metagraph, hyperparameters, epoch, .. } = snapshot;
    Facts {
        block: block.number,
        epoch_index: epoch.epoch_index,
        last_epoch_block: epoch.last_epoch_block,
        next_epoch_block: epoch.next_epoch_block,
        own: metagraph.by_hotkey(own).map(|neuron| OwnNeuron {
            validator_permit: neuron.validator_permit,
            last_update: neuron.last_update,
            registered_at: neuron.registered_at,
        }),
        neurons: metagraph.neurons.len(),
        weights_rate_limit: hyperparameters.weights_rate_limit,
        min_allowed_weights: hyperparameters.min_allowed_weights,
        commit_reveal_enabled: hyperparameters.commit_reveal_enabled,
    }
}
