//! Looking whether miners do what their receipts say.
//!
//! - **Probes**: at random times the validator asks for something itself, by the way of users' requests and in their form (`probe`).
//! - **Samples**: some of the users' calls are looked at too.
//! - Both are **executed again** with the validator's own copy of the model ([`execution`]): one pass over prompt and answer, compared with
//!   the fingerprint that the receipt names, which the miner is asked for only then.
//! - An answer that comes twice is a **replay** (`replays`); that needs no model.
//!
//! - Beside calls miners are asked for pieces of their weights, and for products that their device computes in a time (`proofs`).
//!
//! What a probe or a challenge shows, and a replay, becomes signed evidence in the ledger; `protocol::standing` says what follows. A user's words never
//! leave this process, so a sample that fails makes no evidence: it makes the validator probe sooner.
//!
//! All of it is beside the calls: a bounded queue before the executions, and nobody waits for them. The countersigned records go back to
//! their miners from here too (`copies`).
//!
//! Not here: requests with tools, forms, log-probabilities or several answers are not executed again, nor are completions and embeddings; a
//! fingerprint that a miner withholds is counted and leads to nothing but the next probe, because only the validator's word would stand for it.

mod asking;
mod config;
mod copies;
mod docket;
pub mod execution;
mod probe;
mod proofs;
pub mod question;
mod replays;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model_runtime::{LoadError, ModelHandle, ModelSource, Runtime, RuntimeConfig, StartError};
use protocol::catalogue_document::Offer;
use protocol::dispute::RecordBytes;
use protocol::evidence::{Finding, Reexecution, TEXT_BYTES_MAX};
use protocol::receipt::Countersigned;
use protocol::signing::Keypair;
use protocol::ticket::{Kind, ModelId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::config::{ChallengesConfig, DeviceBand};
use self::docket::{About, Docket};
use self::execution::{Claim, Execution, execute};
use self::probe::Forms;
use self::proofs::Proofs;
use self::replays::Replays;
use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::fleet::settled::SettledCall;
use crate::ledger::Ledger;
use crate::metrics::{Asked, Came, Metrics};

/// What the challenges are built from.
pub struct ChallengesParts {
    /// Settings.
    pub config: ChallengesConfig,
    /// Whom to ask, and what came of calls.
    pub fleet: Fleet,
    /// Where evidence goes.
    pub ledger: Ledger,
    /// Signs evidence.
    pub hotkey: Keypair,
    /// The clock.
    pub clock: Arc<Clock>,
    /// The subnet.
    pub netuid: u16,
    /// The models with their files, of which miners are asked for pieces.
    pub offers: Vec<Offer>,
    /// Counts challenges and what came of them.
    pub metrics: Arc<Metrics>,
}

/// The models for executing again cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The runtime does not start.
    #[error("cannot start the model runtime")]
    Start(#[from] StartError),
    /// A model does not load.
    #[error("cannot load `{model}` for checking it")]
    Load {
        /// Which one.
        model: ModelId,
        /// Why.
        #[source]
        source: LoadError,
    },
}

/// A call to be executed again.
struct Case {
    call: Countersigned,
    request: Bytes,
    /// What was delivered, of a probe.
    output: Option<Vec<u8>>,
}

impl Case {
    fn asked(&self) -> Asked {
        if self.output.is_some() { Asked::Probe } else { Asked::Sample }
    }
}

/// The running whole.
struct Challenges {
    config: ChallengesConfig,
    fleet: Fleet,
    docket: Arc<Docket>,
    models: Arc<BTreeMap<ModelId, ModelHandle>>,
    forms: Forms,
    replays: Replays,
    cases: mpsc::Sender<Case>,
    metrics: Arc<Metrics>,
}

/// Loads the models that calls are executed again with.
///
/// # Errors
/// When one of them cannot be loaded.
pub async fn load(config: &ChallengesConfig) -> Result<BTreeMap<ModelId, ModelHandle>, ModelsError> {
    let mut models = BTreeMap::new();
    if config.models.is_empty() {
        return Ok(models);
    }
    let runtime =
        Runtime::start(RuntimeConfig { threads: Some(config.threads), ..RuntimeConfig::default() })?;
    for (model, path) in &config.models {
        let loaded = runtime.load(model.as_str(), ModelSource::Gguf(path.clone())).await;
        let handle = loaded.map_err(|source| ModelsError::Load { model: model.clone(), source })?;
        models.insert(model.clone(), handle);
    }
    Ok(models)
}

/// Challenges until told to stop.
pub async fn run(parts: ChallengesParts, models: BTreeMap<ModelId, ModelHandle>, stop: CancellationToken) {
    let ChallengesParts { config, fleet, ledger, hotkey, clock, netuid, offers, metrics } = parts;
    let docket = Arc::new(Docket::new(ledger, hotkey.clone(), Arc::clone(&clock)));
    let proofs = Proofs {
        config: config.clone(),
        netuid,
        fleet: fleet.clone(),
        docket: Arc::clone(&docket),
        hotkey,
        clock,
        offers,
        metrics: Arc::clone(&metrics),
    };
    let proving = proofs.run(stop.clone());
    let (cases, waiting) = mpsc::channel(config.queue_calls_max.get());
    let models = Arc::new(models);
    let copying = copies::run(fleet.clone(), config.clone(), fleet.settled(), stop.clone());
    let (suspicions, suspected) = mpsc::channel(16);
    let judge = Judge {
        fleet: fleet.clone(),
        docket: Arc::clone(&docket),
        models: Arc::clone(&models),
        timeout: Duration::from_millis(config.exchange_timeout_ms),
        suspicions,
        metrics: Arc::clone(&metrics),
    };
    let challenges = Challenges {
        config,
        fleet,
        docket,
        models,
        forms: Forms::default(),
        replays: Replays::default(),
        cases,
        metrics,
    };
    tokio::join!(copying, proving, judge.run(waiting, stop.clone()), challenges.run(suspected, stop));
}

impl Challenges {
    async fn run(mut self, mut suspected: mpsc::Receiver<ModelId>, stop: CancellationToken) {
        let mut settled = self.fleet.settled();
        let probed: Vec<ModelId> = self.models.keys().cloned().collect();
        let mut pause = Box::pin(tokio::time::sleep(self.next_pause(probed.len())));
        let mut asked = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                call = settled.recv() => match call {
                    Ok(call) => self.look_at(call).await,
                    Err(RecvError::Lagged(calls)) => tracing::debug!(calls, "calls passed without a look"),
                    Err(RecvError::Closed) => return,
                },
                () = &mut pause, if !probed.is_empty() && self.config.probes_per_hour > 0 => {
                    let index = usize::try_from(draw() % probed.len() as u64).unwrap_or(0);
                    self.probe(&probed[index], &mut asked);
                    pause = Box::pin(tokio::time::sleep(self.next_pause(probed.len())));
                }
                Some(model) = suspected.recv() => self.probe(&model, &mut asked),
                Some(answered) = asked.join_next(), if !asked.is_empty() => {
                    if let Ok(Some(case)) = answered {
                        self.offer(case);
                    }
                }
            }
        }
    }

    fn next_pause(&self, models: usize) -> Duration {
        random_pause(3_600_000, u64::from(self.config.probes_per_hour).saturating_mul(models.max(1) as u64))
    }

    fn probe(&self, model: &ModelId, asked: &mut tokio::task::JoinSet<Option<Case>>) {
        let Some(handle) = self.models.get(model) else { return };
        if asked.len() >= self.config.queue_calls_max.get() {
            return;
        }
        let shape = self.forms.shape(model, self.config.probe_tokens_max, draw());
        let asking = asking::Asking {
            fleet: self.fleet.clone(),
            own: handle.clone(),
            model: model.clone(),
            shape,
            prompt_tokens_max: self.config.probe_prompt_tokens_max,
            draw: draw(),
            metrics: Arc::clone(&self.metrics),
        };
        asked.spawn(asking.ask());
    }

    async fn look_at(&mut self, settled: SettledCall) {
        let SettledCall { call, request } = settled;
        if let Some(earlier) = self.replays.see(&call) {
            let papers = (RecordBytes::of(&earlier), RecordBytes::of(&call));
            tracing::warn!(miner = %call.ticket().miner, "an answer was given twice");
            self.metrics.challenged(Asked::Replay, Came::Wrong);
            let finding = Finding::ReplayedAnswer(papers.0, papers.1);
            self.docket.record(About::from(&call), finding).await;
        }
        let Some(request) = request.filter(|_| call.ticket().kind == Kind::Chat) else { return };
        self.forms.learn(&request);
        let is_drawn = draw() % 10_000 < u64::from(self.config.samples_bps);
        if is_drawn && call.counts() && self.models.contains_key(&call.ticket().model) {
            self.metrics.challenged(Asked::Sample, Came::Sent);
            self.offer(Case { call, request, output: None });
        }
    }

    fn offer(&self, case: Case) {
        if self.cases.try_send(case).is_err() {
            tracing::debug!("too many calls wait to be executed again; one is not");
        }
    }
}

/// Executes calls again, one after the other.
struct Judge {
    fleet: Fleet,
    docket: Arc<Docket>,
    models: Arc<BTreeMap<ModelId, ModelHandle>>,
    timeout: Duration,
    suspicions: mpsc::Sender<ModelId>,
    metrics: Arc<Metrics>,
}

impl Judge {
    async fn run(self, mut cases: mpsc::Receiver<Case>, stop: CancellationToken) {
        loop {
            let case = tokio::select! {
                () = stop.cancelled() => return,
                case = cases.recv() => case,
            };
            let Some(case) = case else { return };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.judge(case) => {}
            }
        }
    }

    async fn judge(&self, case: Case) {
        let asked = case.asked();
        let Case { call, request, output } = case;
        let (ticket, receipt) = (call.ticket(), call.receipt());
        let Some(model) = self.models.get(&ticket.model) else { return };
        let fingerprint = match receipt.fingerprint {
            None => None,
            Some(digest) => match self.fleet.fingerprint(ticket.miner, digest, self.timeout).await {
                Ok(fingerprint) => Some(fingerprint),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(miner = %ticket.miner, error, "a fingerprint was withheld");
                    self.metrics.challenged(asked, Came::Doubted);
                    let _ = self.suspicions.try_send(ticket.model.clone());
                    return;
                }
            },
        };
        let claim = Claim {
            request: &request,
            output: output.as_deref(),
            prompt_tokens: receipt.prompt_tokens,
            completion_tokens: receipt.completion_tokens,
            fingerprint: fingerprint.as_ref(),
        };
        let fault = match execute(model, claim).await {
            Ok(Execution { fault: Some(fault), .. }) => fault,
            Ok(_) => {
                self.metrics.challenged(asked, Came::Answered);
                return tracing::debug!(miner = %ticket.miner, "a call executed again is as it was");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                return tracing::debug!(error, "a call could not be executed again");
            }
        };
        tracing::warn!(miner = %ticket.miner, model = %ticket.model, ?fault, "a call executed again is not as it was");
        let _ = self.suspicions.try_send(ticket.model.clone());
        // A user's words are nobody's evidence.
        let Some(output) = output.filter(|output| output.len().max(request.len()) <= TEXT_BYTES_MAX) else {
            return self.metrics.challenged(asked, Came::Doubted);
        };
        self.metrics.challenged(asked, Came::Wrong);
        let again = Reexecution {
            call: RecordBytes::of(&call),
            request: request.to_vec(),
            output,
            fingerprint: fingerprint
                .map(|found| parity_scale_codec::Encode::encode(&found))
                .unwrap_or_default(),
            fault,
        };
        let finding = Finding::Reexecution(Box::new(again));
        self.docket.record(About::from(&call), finding).await;
    }
}

/// A random time whose mean is so many shares of `time_ms`: whoever knows the last probe knows nothing of the next.
fn random_pause(time_ms: u64, shares: u64) -> Duration {
    let unit = (draw() >> 11) as f64 / (1_u64 << 53) as f64;
    Duration::from_millis(time_ms / shares.max(1)).mul_f64(-(1.0 - unit).ln())
}

/// Randomness of the system; without any, the time of day would be guessed, so then it is 0 and nothing is drawn.
fn draw() -> u64 {
    getrandom::u64().unwrap_or(0)
}
