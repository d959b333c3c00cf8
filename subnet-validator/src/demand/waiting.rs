//! Who waits for a cold model: a bounded queue per model, let go in the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use protocol::ticket::ModelId;
use tokio::sync::{Notify, oneshot};

use super::lock;

/// The queues of all models. Clones share them.
#[derive(Debug, Clone)]
pub struct Waiting {
    max: usize,
    per_model_max: usize,
    state: Arc<Mutex<State>>,
    joined: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    arrivals: u64,
    count: usize,
    models: BTreeMap<ModelId, BTreeMap<u64, oneshot::Sender<()>>>,
    /// Places let go whose calls are not under way yet.
    going: BTreeMap<ModelId, usize>,
}

/// The queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} calls wait for this model already")]
pub struct Full {
    /// How many wait for the model.
    pub waiting: usize,
}

/// A place in a queue. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Place {
    waiting: Waiting,
    model: ModelId,
    /// The number of the arrival, which is the order.
    arrival: u64,
    released: oneshot::Receiver<()>,
}

impl Waiting {
    /// Empty queues.
    #[must_use]
    pub fn new(max: usize, per_model_max: usize) -> Self {
        Self { max, per_model_max, state: Arc::default(), joined: Arc::default() }
    }

    /// Takes the last place for a model.
    pub fn join(&self, model: &ModelId) -> Result<Place, Full> {
        let mut state = lock(&self.state);
        let waiting = state.models.get(model).map_or(0, BTreeMap::len);
        if state.count >= self.max || waiting >= self.per_model_max {
            return Err(Full { waiting });
        }
        state.arrivals = state.arrivals.saturating_add(1);
        let arrival = state.arrivals;
        let released = state.insert(model, arrival);
        drop(state);
        self.joined.notify_one();
        Ok(Place { waiting: self.clone(), model: model.clone(), arrival, released })
    }

    /// How many wait for a model.
    #[must_use]
    pub fn count(&self, model: &ModelId) -> usize {
        lock(&self.state).models.get(model).map_or(0, BTreeMap::len)
    }

    /// Places of a model that were let go and are still held.
    #[must_use]
    pub fn going(&self, model: &ModelId) -> usize {
        lock(&self.state).going.get(model).copied().unwrap_or(0)
    }

    /// Ends when somebody has joined a queue since the last time. For one caller.
    pub async fn joined(&self) {
        self.joined.notified().await;
    }

    /// The models that somebody waits for.
    #[must_use]
    pub fn models(&self) -> Vec<ModelId> {
        lock(&self.state).models.keys().cloned().collect()
    }

    /// Lets the first few go, in order. Gives how many.
    pub fn release(&self, model: &ModelId, count: usize) -> usize {
        let mut state = lock(&self.state);
        let mut released = 0;
        while released < count {
            let Some((arrival, sender)) = state.models.get_mut(model).and_then(BTreeMap::pop_first) else {
                break;
            };
            state.count = state.count.saturating_sub(1);
            *state.going.entry(model.clone()).or_default() += 1;
            // Who leaves in this moment lets the next one go instead.
            if sender.send(()).is_ok() {
                tracing::debug!(%model, arrival, "a call waits no more");
                released += 1;
            }
        }
        state.models.retain(|_, waiters| !waiters.is_empty());
        released
    }
}

impl State {
    /// A place that was let go is held no more.
    fn gone(&mut self, model: &ModelId) {
        if let Some(going) = self.going.get_mut(model) {
            *going = going.saturating_sub(1);
            if *going == 0 {
                self.going.remove(model);
            }
        }
    }

    fn insert(&mut self, model: &ModelId, arrival: u64) -> oneshot::Receiver<()> {
        let (sender, released) = oneshot::channel();
        self.models.entry(model.clone()).or_default().insert(arrival, sender);
        self.count = self.count.saturating_add(1);
        released
    }
}

impl Place {
    /// Waits until let go. Safe to cancel and call again.
    pub async fn released(&mut self) {
        if (&mut self.released).await.is_err() {
            // The queues are gone with the validator: nobody will let this go.
            std::future::pending::<()>().await;
        }
    }

    /// Place in the queue, from 1.
    #[must_use]
    pub fn position(&self) -> usize {
        let state = lock(&self.waiting.state);
        let before = state.models.get(&self.model).map_or(0, |waiters| waiters.range(..self.arrival).count());
        before + 1
    }

    /// Goes back to the same place: it was let go too early.
    pub fn wait_again(&mut self) {
        let mut state = lock(&self.waiting.state);
        state.gone(&self.model);
        self.released = state.insert(&self.model, self.arrival);
        drop(state);
        self.waiting.joined.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.waiting.state);
        let waited =
            state.models.get_mut(&self.model).is_some_and(|waiters| waiters.remove(&self.arrival).is_some());
        if waited {
            state.count = state.count.saturating_sub(1);
            state.models.retain(|_, waiters| !waiters.is_empty());
        } else {
            state.gone(&self.model);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, Waiting};
    use futures::FutureExt;
    use protocol::ticket::ModelId;

    fn model(id: &str) -> ModelId {
        id.parse().unwrap()
    }

    #[test]
    fn calls_are_let_go_in_the_order_in_which_they_came() {
        let (waiting, m) = (Waiting::new(10, 10), model("m"));
        let mut places: Vec<_> = (0..4).map(|_| waiting.join(&m).unwrap()).collect();
        assert_eq!(places.iter().map(|place| place.position()).collect::<Vec<_>>(), [1, 2, 3, 4]);
        drop(places.remove(1));
        assert_eq!(places.iter().map(|place| place.position()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(waiting.release(&m, 2), 2);
        let free: Vec<bool> =
            places.iter_mut().map(|place| place.released().now_or_never().is_some()).collect();
        assert_eq!(free, [true, true, false]);
        assert_eq!(waiting.going(&m), 2);
        drop(places.remove(0));
        assert_eq!(waiting.going(&m), 1);
        assert_eq!(waiting.release(&m, 9), 1);
        drop(places);
        assert_eq!((waiting.models().len(), waiting.going(&m)), (0, 0));
    }

    #[test]
    fn who_was_let_go_too_early_keeps_its_place() {
        let (waiting, m) = (Waiting::new(10, 10), model("m"));
        let (mut first, second) = (waiting.join(&m).unwrap(), waiting.join(&m).unwrap());
        waiting.release(&m, 1);
        assert_eq!(second.position(), 1);
        first.wait_again();
        assert_eq!((first.position(), second.position()), (1, 2));
        assert!(first.released().now_or_never().is_none());
        drop((first, second));
        assert_eq!(waiting.count(&m), 0);
    }

    #[test]
    fn the_queue_of_a_model_and_all_queues_together_are_bounded() {
        let (waiting, m, n) = (Waiting::new(3, 2), model("m"), model("n"));
        let _kept = [waiting.join(&m).unwrap(), waiting.join(&m).unwrap()];
        assert_eq!(waiting.join(&m).unwrap_err(), Full { waiting: 2 });
        let last = waiting.join(&n).unwrap();
        assert_eq!(waiting.join(&n).unwrap_err(), Full { waiting: 1 });
        drop(last);
        assert!(waiting.join(&n).is_ok());
    }
}
