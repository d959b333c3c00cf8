//! Brings models in and takes them out while the miner serves, as the strategist decides.
//!
//! One task, one change at a time. For a newcomer: its files are fetched and checked while its victims go on serving; then the
//! victims whose memory is really needed stop taking requests and give their last answers; then it is loaded, its digest
//! compared, a few tokens asked of it, and only then does it take requests and does the inventory name it. Whatever fails leaves the
//! others as they are, and the model alone for a while. All models share the runtime's memory budget.

mod decide;
mod self_test;
mod status;

use std::collections::BTreeMap;
use std::time::Duration;

use model_runtime::{LoadError, ModelSource, Runtime};
use protocol::catalogue_document::{Expected, Modality, Offer};
use protocol::demand::OpenBounty;
use protocol::digest::Digest;
use protocol::ticket::ModelId;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::decide::Known;
pub use self::self_test::SelfTestError;
pub use self::status::{Doing, HeldModel, ResidencyStatus};
use crate::catalogues::{self, Catalogues};
use crate::clock;
use crate::demand::{Demand, Sources};
use crate::models::{Model, Models};
use crate::permits::Permits;
use crate::store::{ContentStore, FetchError};
use crate::strategist::{Mode, Plan, StrategistConfig, Strategy};

/// Pause between two looks at whether a model's memory is free yet.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// What residency works with.
pub struct ResidencyParts {
    /// How decisions are made and carried out.
    pub config: StrategistConfig,
    /// Memory for all models together, in bytes: the runtime's own limit.
    pub memory_bytes: u64,
    /// The rule.
    pub strategy: Box<dyn Strategy>,
    /// The subnet.
    pub netuid: u16,
    /// Runs the models.
    pub runtime: Runtime,
    /// The models that take requests. Those there from the start are the operator's and stay.
    pub models: Models,
    /// Has or gets the weights.
    pub store: ContentStore,
    /// Where validators' gateways are.
    pub sources: watch::Receiver<Sources>,
    /// What their users ask for.
    pub demand: watch::Receiver<Demand>,
    /// Who has a say, and how much.
    pub permits: watch::Receiver<Permits>,
    /// Told when the inventory changed.
    pub announce: watch::Sender<u64>,
    /// Ends the task.
    pub stop: CancellationToken,
}

/// A model that the strategist brought in.
#[derive(Clone, Debug)]
struct Held {
    memory_bytes: u64,
    since_ms: u64,
    weights: Digest,
    files: Vec<Digest>,
}

/// A model that could not be brought in.
#[derive(Clone, Debug)]
struct Failure {
    count: u32,
    until_ms: u64,
    reason: String,
}

/// Why a model is not ready.
#[derive(Debug, thiserror::Error)]
enum BringError {
    #[error("its weights could not be had")]
    Fetch(#[source] FetchError),
    #[error("the models that should make room for it are busy, or their memory did not become free")]
    Busy,
    #[error("it could not be loaded")]
    Load(#[source] LoadError),
    #[error("its weights have the digest {found}, and the catalogue names {expected}")]
    Weights { found: Digest, expected: Digest },
    #[error("it did not answer as it should")]
    SelfTest(#[source] SelfTestError),
}

/// The task.
struct Residency {
    parts: ResidencyParts,
    http: reqwest::Client,
    catalogues: Catalogues,
    catalogues_at_ms: Option<u64>,
    own: BTreeMap<ModelId, Model>,
    held: BTreeMap<ModelId, Held>,
    failures: BTreeMap<ModelId, Failure>,
    known: Known,
    bounties: Vec<(ModelId, OpenBounty)>,
    status: watch::Sender<ResidencyStatus>,
}

/// Starts the task; gives it and what it tells of itself.
pub fn start(
    parts: ResidencyParts,
) -> (watch::Receiver<ResidencyStatus>, impl Future<Output = ()> + Send + 'static) {
    let (status, told) = watch::channel(ResidencyStatus::default());
    // Fails only where another part has chosen already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let residency = Residency {
        http: reqwest::Client::new(),
        catalogues: Catalogues::default(),
        catalogues_at_ms: None,
        own: parts.models.all(),
        held: BTreeMap::new(),
        failures: BTreeMap::new(),
        known: Known::new(&parts.config),
        bounties: Vec::new(),
        status,
        parts,
    };
    (told, residency.run())
}

impl Residency {
    async fn run(mut self) {
        let stop = self.parts.stop.clone();
        let mut turns = tokio::time::interval(Duration::from_millis(self.parts.config.decide_ms.get()));
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = turns.tick() => {}
                () = new_bounty(&mut self.parts.demand, &mut self.bounties) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.turn() => {}
            }
        }
    }

    /// One look at everything, one plan, and its execution.
    async fn turn(&mut self) {
        self.refresh_catalogues().await;
        let now_ms = clock::unix_ms();
        let offers = self.catalogues.offers(&self.parts.permits.borrow(), now_ms);
        self.drop_outdated(&offers).await;
        let situation = self.situation(&offers, now_ms);
        let plan = self.parts.strategy.plan(&situation);
        let new = self.status.borrow().reasons != plan.reasons;
        if new && !plan.reasons.is_empty() {
            for reason in &plan.reasons {
                tracing::info!(mode = ?self.parts.config.mode, "strategist: {reason}");
            }
        }
        self.tell(&situation, &plan, &offers);
        if self.parts.config.mode != Mode::On {
            return;
        }
        for model in &plan.load {
            if let Some(offer) = offers.iter().find(|offer| offer.model.id == *model) {
                self.bring(offer, &plan).await;
            }
        }
        if !plan.load.is_empty() {
            let situation = self.situation(&offers, clock::unix_ms());
            self.tell(&situation, &plan, &offers);
        }
    }

    async fn refresh_catalogues(&mut self) {
        let now_ms = clock::unix_ms();
        let sources = self.parts.sources.borrow().clone();
        let every_ms = self.parts.config.catalogue_ms.get();
        // Until every validator has been heard once, each turn asks again.
        let complete = self.catalogues_at_ms.is_some_and(|at| now_ms.saturating_sub(at) < every_ms);
        if complete && !self.parts.sources.has_changed().unwrap_or(false) {
            return;
        }
        let _ = self.parts.sources.borrow_and_update();
        self.catalogues.retain(|validator| sources.contains_key(validator));
        let mut all = true;
        for (validator, gateway) in sources {
            let expected = Expected { netuid: self.parts.netuid, validator, now_ms };
            let permits = self.parts.permits.borrow().clone();
            let bytes_max = self.parts.config.catalogue_bytes_max;
            match catalogues::fetch(&self.http, &gateway, &expected, &permits, bytes_max).await {
                Ok(document) => self.catalogues.take(document),
                Err(error) => {
                    all = false;
                    tracing::warn!(%validator, gateway, error = %chain(&error), "a validator's catalogue is left out");
                }
            }
        }
        self.catalogues_at_ms = all.then_some(now_ms);
    }

    /// Takes out what goes by an offered name but has other weights: nobody pays for it.
    async fn drop_outdated(&mut self, offers: &[Offer]) {
        if self.parts.config.mode != Mode::On {
            return;
        }
        let outdated = |id: &ModelId, held: &Held| {
            offers.iter().any(|offer| offer.model.id == *id && offer.model.weights_digest != held.weights)
        };
        let outdated: Vec<ModelId> =
            self.held.iter().filter(|(id, held)| outdated(id, held)).map(|(id, _)| id.clone()).collect();
        for model in outdated {
            tracing::info!(%model, "the catalogues name other weights for it");
            self.take_out(&model).await;
        }
    }

    /// Fetches, makes room, loads, tests, and lets it serve.
    async fn bring(&mut self, offer: &Offer, plan: &Plan) {
        let model = &offer.model.id;
        match self.try_bring(offer, plan).await {
            Ok(()) => {
                self.failures.remove(model);
            }
            Err(error) => {
                let reason = chain(&error);
                let count = self.failures.get(model).map_or(0, |failure| failure.count) + 1;
                let busy = matches!(error, BringError::Busy);
                // Busy victims are no fault of the newcomer: it is tried again at the next turn.
                let pause = if busy {
                    0
                } else {
                    self.parts.config.retry_ms.saturating_mul(1 << (count - 1).min(10))
                };
                tracing::warn!(%model, %reason, again_in_ms = pause, "a model was not brought in");
                let until_ms = clock::unix_ms().saturating_add(pause);
                self.failures.insert(model.clone(), Failure { count, until_ms, reason });
            }
        }
        self.doing(None);
    }

    async fn try_bring(&mut self, offer: &Offer, plan: &Plan) -> Result<(), BringError> {
        let id = &offer.model.id;
        let began = clock::monotonic();
        if !self.parts.store.holds(offer) {
            self.doing(Some((id, "fetching")));
        }
        let keep = self.held.values().flat_map(|held| held.files.iter().copied()).collect();
        let missing = if self.parts.store.holds(offer) { 0 } else { offer.bytes() };
        let path = self.parts.store.provide(offer, &keep).await.map_err(BringError::Fetch)?;
        self.known.downloaded(missing, clock::elapsed_ms(began));

        self.doing(Some((id, "making room")));
        self.make_room(self.known.memory_bytes(offer), plan).await?;
        self.doing(Some((id, "loading")));
        let (before, loading) = (self.parts.runtime.memory_bytes(), clock::monotonic());
        let loaded = self.parts.runtime.load(id.as_str(), ModelSource::Gguf(path)).await;
        if let Err(LoadError::Memory { bytes, .. }) = &loaded {
            // What it really takes: the next plan counts with that.
            self.known.measured(id, *bytes, None);
        }
        let model =
            Model::new(loaded.map_err(BringError::Load)?).from_files(self.parts.store.weight_files(offer));
        let memory_bytes = self.parts.runtime.memory_bytes().saturating_sub(before);
        self.doing(Some((id, "testing")));
        let tested = self.check(offer, &model).await;
        if let Err(error) = tested {
            self.parts.runtime.unload(id.as_str());
            return Err(error);
        }
        self.known.measured(id, memory_bytes, Some(clock::elapsed_ms(loading)));
        self.parts.models.insert(id.clone(), model);
        let files = offer.files.iter().map(|file| file.sha256).collect();
        let (since_ms, weights) = (clock::unix_ms(), offer.model.weights_digest);
        self.held.insert(id.clone(), Held { memory_bytes, since_ms, weights, files });
        self.announce();
        tracing::info!(model = %id, memory_bytes, took_ms = clock::elapsed_ms(began), "a model is ready");
        Ok(())
    }

    async fn check(&self, offer: &Offer, model: &Model) -> Result<(), BringError> {
        let (found, expected) = (model.weights_digest(), offer.model.weights_digest);
        if found != expected {
            return Err(BringError::Weights { found, expected });
        }
        let time = Duration::from_millis(self.parts.config.self_test_ms_max.get());
        self_test::run(model.handle(), offer.modality == Modality::Embedding, time)
            .await
            .map_err(BringError::SelfTest)
    }

    /// Takes out victims until so many bytes are free, and no more than that.
    async fn make_room(&mut self, bytes: u64, plan: &Plan) -> Result<(), BringError> {
        let budget = self.parts.memory_bytes;
        let fits = |runtime: &Runtime| runtime.memory_bytes().saturating_add(bytes) <= budget;
        for victim in &plan.unload {
            if fits(&self.parts.runtime) {
                return Ok(());
            }
            self.take_out(victim).await;
        }
        // Without victims left, the runtime has the last word: what we know of a model's memory may be a guess.
        if fits(&self.parts.runtime) || plan.unload.iter().all(|victim| !self.held.contains_key(victim)) {
            Ok(())
        } else {
            Err(BringError::Busy)
        }
    }

    /// Stops giving requests to a model that has none, and waits until its memory is free.
    async fn take_out(&mut self, id: &ModelId) {
        let Some(held) = self.held.get(id).cloned() else { return };
        if self.parts.models.get(id).is_some_and(|model| model.in_flight() > 0) {
            return;
        }
        self.doing(Some((id, "taking out")));
        let before = self.parts.runtime.memory_bytes();
        drop(self.parts.models.remove(id));
        self.held.remove(id);
        self.announce();
        self.parts.runtime.unload(id.as_str());
        let until = clock::monotonic() + Duration::from_millis(self.parts.config.drain_ms_max.get());
        // A request may have come just before; its answer is waited for.
        while self.parts.runtime.memory_bytes().saturating_add(held.memory_bytes) > before {
            if clock::monotonic() >= until {
                tracing::warn!(model = %id, "a model's last answers take too long; its memory is not free yet");
                break;
            }
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        tracing::info!(model = %id, memory_bytes = held.memory_bytes, "a model was taken out");
    }

    fn announce(&self) {
        self.parts.announce.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Waits until a bounty is open that was not there before: that is worth a decision at once.
async fn new_bounty(demand: &mut watch::Receiver<Demand>, seen: &mut Vec<(ModelId, OpenBounty)>) {
    loop {
        if demand.changed().await.is_err() {
            // The feed has ended; turns go on by the clock.
            return std::future::pending().await;
        }
        let open: Vec<(ModelId, OpenBounty)> = demand
            .borrow_and_update()
            .validators
            .values()
            .flat_map(|validator| {
                validator.book.bounties.iter().map(|(model, bounty)| (model.clone(), *bounty))
            })
            .collect();
        let is_new = open.iter().any(|bounty| !seen.contains(bounty));
        *seen = open;
        if is_new {
            return;
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
