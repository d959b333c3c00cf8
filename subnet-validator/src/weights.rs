//! From the ledger to the chain: scores of the window, one weight vector per tempo.
//!
//! `protocol::scoring` makes the vector; [`WeightSetter`] decides the moment, keeps the journal and talks to the chain. The
//! driver here does two things in each tempo. First, after `head_after_percent` of it, it cuts the tempo's head
//! ([`crate::heads`]), commits its digest on chain and publishes its bundle. Later, after `submit_after_percent`, the vector is
//! made from all heads of the tempo that are on chain and could be verified ([`crate::audit::merged`]), its own among them.
//! While the chain does not hold the own head's digest, no vector is decided: nobody is paid by data that nobody can be held
//! to. A validator without receipts of its own has no head and pays by the others' logs.

mod commitment;
pub mod window;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chain_client::weights::{Entry, Scores, SetWeightsError, Step, WeightSetter};
use chain_client::{BlockRef, ChainClient, QueryError};
use protocol::account::AccountId;
use protocol::digest::Digest;
use protocol::policy_document::PolicyDocument;
use protocol::replay::Rules;
use protocol::scoring::{Miner, ScoreTable};
use protocol::signing::Keypair;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::commitment::Commitment;
use crate::audit::chain::committed;
use crate::audit::merged::{Closing, Merged, merge_committed, related_payers};
use crate::audit::peers::Peers;
use crate::audit::publish::Publisher;
use crate::chain_view::{ChainSnapshot, ChainView};
use crate::config::WeightsConfig;
use crate::heads::{self, TempoFacts};
use crate::ledger::{HeadRecord, Ledger};
use crate::metrics::{Count, Metrics};
use crate::shards::collect::Collector;

/// Of how many tempos it is kept on disk what their weights were made from: some fifty days on public networks.
const MERGES_KEPT: u64 = 1_000;

/// What the driver is built from.
pub struct WeightsParts {
    /// Settings.
    pub config: WeightsConfig,
    /// Writes bundles for auditors.
    pub publisher: Publisher,
    /// What is known of the other validators' logs.
    pub peers: Peers,
    /// Where each tempo's merge is written down.
    pub merges: PathBuf,
    /// The accounts that sign their requests, with the hash that tickets name them by.
    pub payers: SigningPayers,
    /// How the terms are weighed, and what tokens are worth.
    pub rules: Arc<Rules>,
    /// Asks the other gateways, at a head gateway.
    pub collector: Option<Collector>,
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

/// Tells the accounts that sign their requests, with the hash that tickets name them by.
pub type SigningPayers = Arc<dyn Fn() -> io::Result<Vec<(AccountId, Digest)>> + Send + Sync>;

/// What the driver last computed and decided, for whoever shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WeightsState {
    /// The last score table with the weights that follow from it.
    pub scored: Option<Arc<Scored>>,
    /// The last vector decided, with how far it got.
    pub last: Option<Entry>,
    /// Why no vector is set right now, in words.
    pub waiting: Option<String>,
    /// Whether that is a failure: a refusal of the chain, or that it cannot be asked. Ordinary waiting is none.
    pub failed: bool,
    /// The logs that the last vector was made from.
    pub merged: Option<Arc<Merged>>,
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
    peers: Peers,
    merges: PathBuf,
    payers: SigningPayers,
    rules: Arc<Rules>,
    collector: Option<Collector>,
    ledger: Ledger,
    hotkey: Keypair,
    client: ChainClient,
    commitment: Commitment,
    state: watch::Sender<WeightsState>,
    again_at: Option<Instant>,
    /// The tempo whose head this process has seen on disk.
    head_of: Option<u64>,
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
    let WeightsParts { config, publisher, peers, merges, payers, rules, ledger, hotkey, .. } = parts;
    let WeightsParts { mut chain, client, setter, metrics, collector, .. } = parts;
    chain.mark_changed();
    state.send_modify(|state| state.last = setter.last().cloned());
    let commitment = Commitment::new(client.clone(), hotkey.clone());
    let scoring = Scoring {
        config,
        publisher,
        peers,
        merges,
        payers,
        rules,
        collector,
        ledger,
        hotkey,
        client,
        commitment,
        state,
        again_at: None,
        head_of: None,
    };
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
        scoring.keep_head(snapshot).await;
        scoring.commit_newest_head(snapshot).await;
        let step = setter.set_weights_from(async || scoring.scores_of_tempo(snapshot).await).await;
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
        let failed = matches!(step, Ok(Step::Refused(_)) | Err(_));
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
        self.scoring.state.send_modify(|state| (state.waiting, state.failed) = (waiting, failed));
    }
}

impl Scoring {
    /// Cuts and publishes the tempo's head once it is due. Such a tempo in which nothing counts has no head.
    async fn keep_head(&mut self, snapshot: &ChainSnapshot) {
        let epoch_index = snapshot.epoch.epoch_index;
        if self.head_of == Some(epoch_index) || !is_due(snapshot, self.config.head_after_percent) {
            return;
        }
        // The head stands on the newest receipts, not on the last page shown.
        self.again_at = None;
        self.score(snapshot).await;
        let nothing = self.state.borrow().scored.as_ref().is_none_or(|scored| scored.weights.is_empty());
        if let Some(collector) = &mut self.collector {
            // Who has not answered may still do so at the next block.
            let missing = collector.collect(epoch_index, snapshot.timestamp_ms).await;
            if !missing.is_empty() && !is_due(snapshot, collector.give_up_percent()) {
                return;
            }
        } else if nothing {
            return;
        }
        let registered = match self.registered(snapshot) {
            Ok(registered) => registered,
            Err(error) => return tracing::error!(%error, "cannot read the accounts: no head is cut"),
        };
        let facts = TempoFacts {
            epoch_index,
            block: snapshot.block,
            timestamp_ms: snapshot.timestamp_ms,
            miners: registered.into_iter().map(|(miner, _)| miner).collect(),
        };
        match heads::cut(&self.ledger, &self.rules, &self.hotkey, facts).await {
            Ok(_) => {
                self.head_of = Some(epoch_index);
                self.publisher.publish(epoch_index);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the tempo's head cannot be cut");
            }
        }
    }

    /// What the tempo's logs give together. None while nothing counts, and while the chain does not hold the own head.
    async fn scores_of_tempo(&mut self, snapshot: &ChainSnapshot) -> Scores {
        let nothing = Scores { values: Vec::new(), label: Digest::ZERO };
        self.keep_head(snapshot).await;
        let epoch_index = snapshot.epoch.epoch_index;
        let own = match self.ledger.read(move |reader| reader.head(epoch_index)).await {
            Ok(own) => own,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read the tempo's head");
                return nothing;
            }
        };
        if let Some(own) = &own
            && !self.commitment.ensure(own.head.head.digest(), snapshot).await
        {
            return nothing;
        }
        let merged = match self.merge(own.as_ref(), snapshot).await {
            Ok(merged) => Arc::new(merged),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot read the tempo's heads");
                return nothing;
            }
        };
        if let Err(error) = self.write_down(&merged) {
            tracing::error!(%error, "cannot write the tempo's merge down: its weights wait for that");
            return nothing;
        }
        if !merged.left_out.is_empty() {
            tracing::info!(left_out = ?merged.left_out, "weights are made without these validators' logs");
        }
        let values = merged.weights.iter().map(|(uid, weight)| (*uid, f64::from(*weight))).collect();
        let label = merged.digest();
        self.state.send_modify(|state| {
            if let Some(own) = own {
                let (block, weights) = (snapshot.block.number, merged.weights.clone());
                state.scored = Some(Arc::new(Scored { block, table: own.table, weights }));
            }
            state.merged = Some(merged);
        });
        Scores { values, label }
    }

    /// Merges at the closing block; at this one if the own head came on chain after that.
    async fn merge(&self, own: Option<&HeadRecord>, snapshot: &ChainSnapshot) -> Result<Merged, QueryError> {
        let own = own.map(|record| (record.head.head.digest(), Arc::new(record.table.clone())));
        let validator = self.hotkey.public();
        let is_there = |committed: &BTreeMap<AccountId, Digest>| {
            own.as_ref().is_none_or(|(digest, _)| committed.get(&validator) == Some(digest))
        };
        let netuid = snapshot.metagraph.netuid;
        let mut at = self.closing_block(snapshot).await?;
        let mut on_chain = committed(&self.client, netuid, at).await?;
        if !is_there(&on_chain) {
            at = self.client.finalized().await?;
            on_chain = committed(&self.client, netuid, at).await?;
        }
        let metagraph = self.client.metagraph(netuid, at).await?;
        let epoch_index = snapshot.epoch.epoch_index;
        let closing = Closing { epoch_index, metagraph: &metagraph, committed: &on_chain };
        Ok(merge_committed(closing, |hotkey, digest| match &own {
            Some((head, table)) if *hotkey == validator => (head == digest).then(|| Arc::clone(table)),
            _ if *hotkey == validator || self.config.own_log_only => None,
            _ => self.peers.table(hotkey, digest, epoch_index),
        }))
    }

    /// The block at which the tempo's vectors are due, or this one if that is not reached.
    async fn closing_block(&self, snapshot: &ChainSnapshot) -> Result<BlockRef, QueryError> {
        let due = due_at(snapshot, self.config.submit_after_percent);
        match u32::try_from(due) {
            Ok(due) if due < snapshot.block.number => self.client.block_at(due).await,
            _ => Ok(snapshot.block),
        }
    }

    /// Keeps what a tempo's weights are made from, so that they can be computed again.
    fn write_down(&self, merged: &Merged) -> io::Result<()> {
        fs::create_dir_all(&self.merges)?;
        let text = serde_json::to_vec_pretty(merged).map_err(io::Error::other)?;
        let name = format!("{}.json", merged.epoch_index);
        let beside = self.merges.join(format!("{name}.part"));
        fs::write(&beside, text)?;
        fs::rename(beside, self.merges.join(name))?;
        forget_before(&self.merges, merged.epoch_index.saturating_sub(MERGES_KEPT))
    }

    /// The subnet's neurons with their uids, and the payers that belong to them.
    fn registered(&self, snapshot: &ChainSnapshot) -> io::Result<Vec<(Miner, u16)>> {
        let mut related = related_payers(&snapshot.metagraph, &(self.payers)()?);
        let neurons = snapshot.metagraph.neurons.iter();
        let miner = |neuron: &chain_client::Neuron| Miner {
            related_payers: related.remove(&neuron.hotkey).unwrap_or_default(),
            ..Miner::new(neuron.hotkey, neuron.coldkey)
        };
        let uids = snapshot.metagraph.neurons.iter().map(|neuron| neuron.uid);
        Ok(neurons.map(miner).zip(uids).collect())
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
        let registered = match self.registered(snapshot) {
            Ok(registered) => registered,
            Err(error) => return tracing::error!(%error, "cannot read the accounts: no scores are computed"),
        };
        let window = window::Window { policy, end_ms: snapshot.timestamp_ms, registered };
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

/// Removes what was written down for earlier tempos.
fn forget_before(merges: &Path, epoch_index: u64) -> io::Result<()> {
    for entry in fs::read_dir(merges)? {
        let path = entry?.path();
        let epoch = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if epoch.is_some_and(|epoch| epoch < epoch_index) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The block of this tempo after which so much of it has passed.
fn due_at(snapshot: &ChainSnapshot, percent: u8) -> u64 {
    let epoch = &snapshot.epoch;
    let length = epoch.next_epoch_block.unwrap_or(u64::MAX).saturating_sub(epoch.last_epoch_block);
    epoch.last_epoch_block.saturating_add(length.saturating_mul(percent.into()) / 100)
}

fn is_due(snapshot: &ChainSnapshot, percent: u8) -> bool {
    u64::from(snapshot.block.number) >= due_at(snapshot, percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_old_weights_were_made_from_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["8.json", "9.json", "10.json", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        forget_before(folder.path(), 9).unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["10.json", "9.json", "notes.txt"]);
    }
}
