//! How many answers of a model may be in the making at once, and who is next: one [fair queue](super::fair) a model, for tasks that wait.
//!
//! No more are let in than the model computes together: who waits inside of it looks silent to a gateway, and no stake counts there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::account::AccountId;
use protocol::ticket::ModelId;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::fair::{Asked, Asker, FairQueue, Room};
use super::limits::Limits;
use crate::clock;

/// The miner's slots. Cloning shares them.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By model; as many as were ever asked for here.
    queues: BTreeMap<ModelId, Queue>,
    limits: Limits,
}

#[derive(Debug)]
struct Queue {
    fair: FairQueue<oneshot::Sender<()>>,
    /// How many requests the model computes together.
    computed_max: u16,
}

/// Every slot is taken and so is every place, or the wait for a slot was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSlot {
    /// When to ask again, by the rate at which slots come free.
    pub retry_after_ms: u64,
}

/// One answer in the making; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    model: ModelId,
    caller: AccountId,
    since: Instant,
}

/// A place in the queue; dropping it gives it up, or the slot that it has become.
struct Place {
    slots: Slots,
    model: ModelId,
    caller: AccountId,
    number: u64,
    is_left: bool,
}

impl Slots {
    /// Slots that are all free.
    pub fn new(limits: &Limits) -> Self {
        let state = State { queues: BTreeMap::new(), limits: limits.clone() };
        Self(Arc::new(Inner { started: clock::monotonic(), state: Mutex::new(state) }))
    }

    /// Other limits from now on; what runs and what waits is not touched.
    pub fn set_limits(&self, limits: &Limits) {
        let mut state = self.lock();
        for queue in state.queues.values_mut() {
            queue.fair.set_room(room(limits, queue.computed_max));
        }
        state.limits = limits.clone();
    }

    /// Takes a slot of a model that computes so many requests together, after a wait for a limited time if all are taken.
    pub async fn take(&self, model: &ModelId, computed_max: u16, asker: Asker) -> Result<Slot, NoSlot> {
        let caller = asker.caller;
        let (wake, woken) = oneshot::channel();
        let (number, wait) = {
            let now_ms = self.now_ms();
            let mut state = self.lock();
            let wait = Duration::from_millis(state.limits.answer_wait_ms_max);
            match state.queue(model, computed_max).ask(asker, wake, now_ms) {
                Asked::Granted => return Ok(self.slot(model, caller)),
                Asked::Refused { retry_after_ms } => return Err(NoSlot { retry_after_ms }),
                // Dropping what woke the displaced one tells it.
                Asked::Waits { number, displaced: _ } => (number, wait),
            }
        };
        let mut place = Place { slots: self.clone(), model: model.clone(), caller, number, is_left: false };
        match tokio::time::timeout(wait, woken).await {
            Ok(Ok(())) => {
                place.is_left = true;
                Ok(self.slot(model, caller))
            }
            Ok(Err(_)) => {
                place.is_left = true;
                Err(self.refusal(model, caller))
            }
            Err(_) => {
                drop(place);
                Err(self.refusal(model, caller))
            }
        }
    }

    /// What a request is told that found no slot for another reason.
    pub fn refusal(&self, model: &ModelId, caller: AccountId) -> NoSlot {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let queue = state.queues.get_mut(model);
        NoSlot { retry_after_ms: queue.map_or(1_000, |queue| queue.fair.retry_after_ms(caller, now_ms)) }
    }

    fn slot(&self, model: &ModelId, caller: AccountId) -> Slot {
        Slot { slots: self.clone(), model: model.clone(), caller, since: clock::monotonic() }
    }

    /// Frees a slot and wakes who is next. One who has left meanwhile passes it on.
    fn release(&self, model: &ModelId, caller: AccountId, held_ms: u64) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let Some(Queue { fair, .. }) = state.queues.get_mut(model) else { return };
        let mut granted = fair.release(caller, held_ms, now_ms);
        while let Some((caller, wake)) = granted.pop() {
            if wake.send(()).is_err() {
                granted.extend(fair.release(caller, 0, now_ms));
            }
        }
    }

    fn leave(&self, model: &ModelId, caller: AccountId, number: u64) -> bool {
        self.lock().queues.get_mut(model).is_some_and(|queue| queue.fair.leave(caller, number))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Nothing here panics while holding the lock, and the state stays whole if it did.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The queue of a model, which may have been loaded anew to compute more or fewer requests together.
    fn queue(&mut self, model: &ModelId, computed_max: u16) -> &mut FairQueue<oneshot::Sender<()>> {
        let Self { queues, limits } = self;
        let room = room(limits, computed_max);
        let queue =
            queues.entry(model.clone()).or_insert_with(|| Queue { fair: FairQueue::new(room), computed_max });
        if queue.computed_max != computed_max {
            queue.computed_max = computed_max;
            queue.fair.set_room(room);
        }
        &mut queue.fair
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.release(&self.model, self.caller, clock::elapsed_ms(self.since).into());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_left && !self.slots.leave(&self.model, self.caller, self.number) {
            // It was granted in the meantime, and nobody came for it.
            self.slots.release(&self.model, self.caller, 0);
        }
    }
}

fn room(limits: &Limits, computed_max: u16) -> Room {
    Room {
        running_max: limits.answers_max.get().min(computed_max.max(1)).into(),
        running_per_caller_max: limits.answers_per_hotkey_max.get().into(),
        waiting_max: limits.answers_waiting_max.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::axon::fair::Priority;

    fn slots(max: u16, waiting: u16, wait_ms: u64) -> Slots {
        let number = NonZeroU16::new(max).unwrap();
        Slots::new(&Limits {
            answers_max: number,
            answers_per_hotkey_max: number,
            answers_waiting_max: waiting,
            answer_wait_ms_max: wait_ms,
            ..Limits::default()
        })
    }

    fn asker(caller: u8) -> Asker {
        Asker { caller: AccountId([caller; 32]), weight: 1, priority: Priority::Paid }
    }

    fn model() -> ModelId {
        "m".parse().unwrap()
    }

    /// How many run and how many wait.
    fn load(slots: &Slots) -> (u64, u64) {
        slots.lock().queues.get(&model()).map_or((0, 0), |queue| queue.fair.load())
    }

    /// Waits until so many wait.
    async fn waiting(slots: &Slots, count: u64) {
        while load(slots).1 != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_freed_slot_wakes_who_waits() {
        let slots = slots(1, 1, 60_000);
        let first = slots.take(&model(), 9, asker(1)).await.unwrap();
        let waiter = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(&model(), 9, asker(2)).await.map(|_| ()) }
        });
        waiting(&slots, 1).await;
        assert!(slots.take(&model(), 9, asker(3)).await.unwrap_err().retry_after_ms >= 1);
        drop(first);
        assert_eq!(waiter.await.unwrap(), Ok(()));
        assert_eq!(load(&slots), (0, 0));
    }

    #[tokio::test]
    async fn a_wait_that_is_too_long_ends_with_a_time_to_come_back() {
        let slots = slots(1, 1, 1);
        let _held = slots.take(&model(), 9, asker(1)).await.unwrap();
        assert!(slots.take(&model(), 9, asker(2)).await.is_err());
        assert_eq!(load(&slots), (1, 0), "its place is free again");
    }

    #[tokio::test]
    async fn a_waiter_whose_client_leaves_gives_up_its_place_or_its_slot() {
        let slots = slots(1, 2, 60_000);
        let held = slots.take(&model(), 9, asker(1)).await.unwrap();
        let leaves = tokio::spawn({
            let slots = slots.clone();
            async move { slots.take(&model(), 9, asker(2)).await.map(|_| ()) }
        });
        waiting(&slots, 1).await;
        leaves.abort();
        assert!(leaves.await.unwrap_err().is_cancelled());
        assert_eq!(load(&slots), (1, 0));
        // Granted and dropped before it was polled again: the slot comes back too.
        let slots_too = slots.clone();
        let mut unpolled = Box::pin(async move { slots_too.take(&model(), 9, asker(2)).await });
        assert!(futures::poll!(unpolled.as_mut()).is_pending());
        drop(held);
        assert_eq!(load(&slots), (1, 0), "granted");
        drop(unpolled);
        assert_eq!(load(&slots), (0, 0));
    }

    #[tokio::test]
    async fn a_model_takes_no_more_than_it_computes_together_and_takes_nothing_from_others() {
        let slots = slots(16, 0, 1);
        let other: ModelId = "other".parse().unwrap();
        let held = [slots.take(&model(), 2, asker(1)).await, slots.take(&model(), 2, asker(1)).await];
        assert!(held.iter().all(Result::is_ok));
        assert!(slots.take(&model(), 2, asker(2)).await.is_err());
        assert!(slots.take(&other, 2, asker(2)).await.is_ok());
        assert!(slots.take(&model(), 3, asker(2)).await.is_ok(), "it was loaded anew with more");
    }

    #[tokio::test]
    async fn more_slots_come_into_force_at_once() {
        let slots = slots(1, 0, 1);
        let _held = slots.take(&model(), 9, asker(1)).await.unwrap();
        assert!(slots.take(&model(), 9, asker(1)).await.is_err());
        let two = NonZeroU16::new(2).unwrap();
        slots.set_limits(&Limits { answers_max: two, answers_per_hotkey_max: two, ..Limits::default() });
        assert!(slots.take(&model(), 9, asker(1)).await.is_ok());
    }
}
