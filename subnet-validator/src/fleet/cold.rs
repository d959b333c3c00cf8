//! Calls for models that no miner holds: they wait in order while a bounty draws a miner, and go as soon as one is ready.
//!
//! [`run`] watches the fleet. When a miner shows a model that has a bounty, it proves it by answering a claim: a ticket of
//! [`Kind::BountyClaim`], one for each claim that the bounty has grown to, answered and receipted as any call. The first miner
//! that was seen with the model is asked first, and nobody else while it proves itself. When miners have free slots, as many
//! waiting calls are let go, first come, first served; later calls for the same model queue behind them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::catalogue::Model;
use protocol::demand::DemandChange;
use protocol::openai::Endpoint;
use protocol::ticket::{Kind, ModelId};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::attempt::Errand;
use super::axon::Axon;
use super::axon::error::AttemptError;
use super::breaker::Admission;
use super::call::{Answer, Call, CallError};
use super::relay::{RelayEvent, RelayStream};
use super::route::Chosen;
use super::selector::Selection;
use super::view::Holder;
use super::{Fleet, Shared};
use crate::demand::board::Claim;
use crate::demand::waiting::Place;

/// Told to who must wait, when nothing better is known, in milliseconds.
const RETRY_UNKNOWN_MS: u64 = 30_000;
/// Pause of a call that found no room after all, in milliseconds.
const PAUSE_MS_MIN: u64 = 50;
const PAUSE_MS_MAX: u64 = 1_000;

/// How a model stands, for whoever wants it warm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warmth {
    /// The model.
    pub model: ModelId,
    /// Miners that hold it now.
    pub holders: usize,
    /// Calls that wait for it.
    pub waiting: usize,
    /// What its bounty is worth now, in claims, if one is open.
    pub bounty_claims: Option<u16>,
    /// When it may be ready, if that is known.
    pub estimate_ms: Option<u64>,
}

impl Fleet {
    /// Says that a model is wanted, and how it stands. A cold one gets a bounty.
    #[must_use]
    pub fn warm_up(&self, model: &ModelId) -> Option<Warmth> {
        let shared = &self.shared;
        let model = shared.catalogue.get(model)?;
        let now_ms = shared.clock.now_ms();
        let holders = shared.holders(model, now_ms);
        // A model's bounty is paid by one gateway: auditors would take one of each for a bounty that is paid twice.
        if holders == 0 && shared.ledger.owner().shard == 0 {
            shared.demand.want(model, now_ms);
        }
        let bounty = shared.demand.log.state().1.bounties.get(&model.id).copied();
        Some(Warmth {
            model: model.id.clone(),
            holders,
            waiting: shared.demand.waiting.count(&model.id),
            bounty_claims: bounty.map(|bounty| bounty.claims(now_ms)),
            estimate_ms: if holders > 0 { None } else { shared.estimate_ms(&model.id) },
        })
    }
}

/// Runs until stopped.
pub async fn run(fleet: Fleet, stop: CancellationToken) {
    let shared = fleet.shared;
    let mut view = shared.view.subscribe();
    let mut publish = tokio::time::interval(Duration::from_millis(shared.demand.config.publish_interval_ms));
    publish.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut proofs: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
    loop {
        for (model, claim) in shared.arrivals() {
            proofs.push(Box::pin(Arc::clone(&shared).prove(model, claim)));
        }
        shared.let_go();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = view.changed() => if changed.is_err() { return },
            () = shared.loads.freed() => {}
            () = shared.demand.waiting.joined() => {}
            Some(()) = proofs.next(), if !proofs.is_empty() => {}
            _ = publish.tick() => {
                let now_ms = shared.clock.now_ms();
                let holders = |id: &ModelId| {
                    let holders = shared.catalogue.get(id).map_or(0, |model| shared.holders(model, now_ms));
                    u32::try_from(holders).unwrap_or(u32::MAX)
                };
                shared.demand.publish(now_ms, holders);
            }
        }
    }
}

impl Shared {
    fn holders(&self, model: &Model, now_ms: u64) -> usize {
        self.view.borrow().holders(model, now_ms, self.limits.inventory_max_age_ms).count()
    }

    /// How long until the model is ready, by how long it took the last times.
    fn estimate_ms(&self, model: &ModelId) -> Option<u64> {
        let usual_ms = self.demand.warm_up_ms(model)?;
        let opened_at_ms = self.demand.board().opened_at_ms(model)?;
        let passed_ms = self.clock.now_ms().saturating_sub(opened_at_ms);
        Some(usual_ms.saturating_sub(passed_ms).max(1_000))
    }

    /// The claims that can be proven now: for each bounty, its model's holders by when they were first seen with it.
    fn arrivals(&self) -> Vec<(Model, Claim)> {
        let now_ms = self.clock.now_ms();
        let mut board = self.demand.board();
        let open: Vec<ModelId> = board.models().cloned().collect();
        let view = self.view.borrow();
        let mut claims = Vec::new();
        for model in open.iter().filter_map(|id| self.catalogue.get(id)) {
            let holders = view.holders(model, now_ms, self.limits.inventory_max_age_ms);
            let mut holders: Vec<Holder<'_>> = holders.collect();
            holders.sort_by_key(|holder| (holder.hot_since_ms(), holder.miner.hotkey));
            let hotkeys = holders.into_iter().map(|holder| holder.miner.hotkey);
            if let Some(claim) = board.arrive(&model.id, hotkeys, now_ms) {
                claims.push((model.clone(), claim));
            }
        }
        claims
    }

    /// Sends a bounty's claims to the miner that was first. The bounty is gone with the first receipt.
    async fn prove(self: Arc<Self>, model: Model, claim: Claim) {
        for number in 0..claim.claims {
            match self.claim_once(&model, &claim).await {
                Ok(()) if number > 0 => {}
                Ok(()) => {
                    let now_ms = self.clock.now_ms();
                    let mut board = self.demand.board();
                    if !board.confirm(&model.id, claim.miner, now_ms) {
                        return;
                    }
                    let (miner, claims) = (claim.miner, claim.claims);
                    tracing::info!(model = %model.id, %miner, claims, "a bounty is claimed");
                    let change = DemandChange::BountyClaimed { model: model.id.clone(), miner, claims };
                    self.demand.log.append(now_ms, change);
                    drop(board);
                    self.demand.warmed_up(&model.id, claim.age_ms);
                }
                Err(error) => {
                    let cause: &dyn std::error::Error = &error;
                    tracing::warn!(model = %model.id, miner = %claim.miner, number, error = cause, "a bounty's claim failed");
                    if number == 0 {
                        self.demand.board().fail(&model.id);
                    }
                    return;
                }
            }
        }
    }

    /// One claim: the shortest answer that shows that the model is there. Which endpoint it has is not known beforehand.
    async fn claim_once(self: &Arc<Self>, model: &Model, claim: &Claim) -> Result<(), AttemptError> {
        let chat = serde_json::json!({
            "model": model.id, "max_tokens": 1, "temperature": 0,
            "messages": [{ "role": "user", "content": "Are you ready?" }],
        });
        let embedding = serde_json::json!({ "model": model.id, "input": "Are you ready?" });
        let asked = match self.claim_by(model, claim, Endpoint::Chat, chat.to_string()).await {
            Err(AttemptError::Request(_) | AttemptError::Failed { .. }) => {
                self.claim_by(model, claim, Endpoint::Embedding, embedding.to_string()).await
            }
            asked => asked,
        };
        asked.map(drop)
    }

    async fn claim_by(
        self: &Arc<Self>,
        model: &Model,
        claim: &Claim,
        endpoint: Endpoint,
        body: String,
    ) -> Result<Answer, AttemptError> {
        let call = Call {
            endpoint,
            models: Selection::one(model.id.clone()),
            body: Bytes::from(body),
            stream: false,
            prompts: 1,
            answers: u32::from(endpoint != Endpoint::Embedding),
            completion_tokens_max: Some(1),
            payer: "bounty".into(),
            request_id: "bounty-claim".into(),
        };
        let errand = Errand { kind: Kind::BountyClaim, ..Errand::of_user(&call, model, 1) };
        let chosen = {
            let now_ms = self.clock.now_ms();
            let view = self.view.borrow();
            let mut holders = view.holders(model, now_ms, self.limits.inventory_max_age_ms);
            let holder = holders.find(|holder| holder.miner.hotkey == claim.miner);
            let holder = holder.ok_or(AttemptError::Silent { waited_ms: 0 })?;
            Chosen {
                axon: Axon { hotkey: holder.miner.hotkey, address: holder.miner.axon },
                context_tokens: holder.model.context_tokens,
                in_flight: self.loads.begin(holder.miner.hotkey, &model.id, errand.tokens),
            }
        };
        let waited_ms = self.limits.first_byte_timeout_ms;
        tokio::time::timeout(Duration::from_millis(waited_ms), self.attempt(&errand, chosen))
            .await
            .map_err(|_| AttemptError::Silent { waited_ms })?
    }

    /// Lets as many waiting calls go as there are free slots.
    fn let_go(&self) {
        let now_ms = self.clock.now_ms();
        for id in self.demand.waiting.models() {
            let Some(model) = self.catalogue.get(&id) else { continue };
            let view = self.view.borrow();
            let holders: Vec<Holder<'_>> =
                view.holders(model, now_ms, self.limits.inventory_max_age_ms).collect();
            let hotkeys = holders.iter().map(|holder| &holder.miner.hotkey);
            let standings = self.loads.standings(hotkeys, &id, now_ms);
            let (mut slots, mut open) = (0usize, 0usize);
            for (holder, standing) in holders.iter().zip(&standings) {
                if !matches!(standing.admission, Admission::Open { .. }) {
                    slots += usize::from(holder.model.slots.max(1));
                    open += usize::try_from(standing.in_flight).unwrap_or(usize::MAX);
                }
            }
            // A call that was let go a moment ago may not be open with a miner yet.
            let open = open.max(self.demand.waiting.going(&id));
            self.demand.waiting.release(&id, slots.saturating_sub(open));
        }
    }

    /// Whether a call must queue behind others for the model it wants most.
    pub(super) fn is_queued_for(&self, call: &Call) -> bool {
        self.demand.waiting.count(&call.models.first().model) > 0
    }

    /// Waits for a cold model and then serves the call. A stream begins at once and tells how the wait goes.
    pub(super) async fn wait(self: &Arc<Self>, call: &Call, model: ModelId) -> Result<Answer, CallError> {
        if self.demand.config.wait_ms_max == 0 {
            return Err(CallError::Cold { model, retry_after_ms: self.limits.inventory_poll_ms });
        }
        if let Some(model) = self.catalogue.get(&model)
            && self.holders(model, self.clock.now_ms()) == 0
        {
            self.demand.want(model, self.clock.now_ms());
        }
        let retry_after_ms = self.estimate_ms(&model).unwrap_or(RETRY_UNKNOWN_MS);
        let place = self.demand.waiting.join(&model);
        let mut place = place.map_err(|_| CallError::QueueFull { model: model.clone(), retry_after_ms })?;
        let deadline = Instant::now() + Duration::from_millis(self.demand.config.wait_ms_max);
        if !call.stream {
            return self.wait_and_serve(call, &model, &mut place, deadline, |_| {}).await;
        }
        let (sender, events) = mpsc::channel(self.limits.relay_events_max);
        let (shared, call) = (Arc::clone(self), call.clone());
        self.relays.spawn(async move {
            let tell = |event| {
                // Progress that does not fit is progress that nobody reads.
                let _ = sender.try_send(event);
            };
            let served = tokio::select! {
                () = sender.closed() => return,
                served = shared.wait_and_serve(&call, &model, &mut place, deadline, tell) => served,
            };
            drop(place);
            pass_on(served, &sender).await;
        });
        Ok(Answer::Stream(RelayStream::new(events)))
    }

    async fn wait_and_serve(
        self: &Arc<Self>,
        call: &Call,
        model: &ModelId,
        place: &mut Place,
        deadline: Instant,
        tell: impl Fn(RelayEvent),
    ) -> Result<Answer, CallError> {
        let mut progress =
            tokio::time::interval(Duration::from_millis(self.demand.config.progress_interval_ms.max(1)));
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return Err(CallError::Stopping),
                () = place.released() => {}
                () = tokio::time::sleep_until(deadline) => {
                    let retry_after_ms = self.estimate_ms(model).unwrap_or(RETRY_UNKNOWN_MS);
                    return Err(CallError::WaitedInVain { model: model.clone(), retry_after_ms });
                }
                _ = progress.tick() => {
                    let position = place.position();
                    tell(RelayEvent::Waiting { position, estimate_ms: self.estimate_ms(model) });
                    continue;
                }
            }
            match self.serve(call).await {
                // Gone again, or taken by somebody else: back to the same place, but not in the same moment.
                Err(CallError::Cold { .. } | CallError::NoMiner { .. } | CallError::Busy { .. }) => {
                    let pause_ms = self.drain_ms(model).clamp(PAUSE_MS_MIN, PAUSE_MS_MAX);
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    place.wait_again();
                }
                served => return served,
            }
        }
    }
}

/// Hands a stream that began late on to a user whose own began before.
async fn pass_on(served: Result<Answer, CallError>, sender: &mpsc::Sender<RelayEvent>) {
    let mut events = match served {
        Ok(Answer::Stream(events)) => events,
        Ok(Answer::Whole(json)) => {
            let _ = sender.send(RelayEvent::Chunk(json)).await;
            return;
        }
        Err(error) => {
            let _ = sender.send(RelayEvent::Refused(error)).await;
            return;
        }
    };
    loop {
        let event = tokio::select! {
            () = sender.closed() => return,
            event = events.next() => event,
        };
        let Some(event) = event else { return };
        if sender.send(event).await.is_err() {
            return;
        }
    }
}
