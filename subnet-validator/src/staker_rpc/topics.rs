//! What can be subscribed to. Each notification is written out once, whoever reads it, and waits for slow readers in a queue of
//! bounded length; a reader that falls out of it is dropped and told why.

use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::core::{JsonRawValue, RegisterMethodError};
use jsonrpsee::server::SubscriptionMessage;
use jsonrpsee::{PendingSubscriptionSink, RpcModule, SendTimeoutError, SubscriptionSink};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use tokio::sync::{broadcast, watch};

use super::state::{At, State};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// Finalised blocks.
    Heads,
    /// Tempos and their heads.
    Epochs,
    /// Sums of calls.
    Usage,
    /// Miners that come, go, or load models.
    Fleet,
    /// Reviews of other validators.
    Audits,
    /// Outages and changes of rules.
    Incidents,
}

const TOPICS: usize = 6;

/// A subscription's names and shape.
pub(super) struct Subscription {
    pub(super) topic: Topic,
    pub(super) subscribe: &'static str,
    pub(super) unsubscribe: &'static str,
    pub(super) notification: &'static str,
    pub(super) about: &'static str,
    pub(super) result: fn(&mut SchemaGenerator) -> Schema,
}

/// A notification, written out.
type Note = Arc<JsonRawValue>;

/// Where notifications go. Clones share it.
#[derive(Clone)]
pub(super) struct Topics {
    feeds: Arc<[Feed; TOPICS]>,
}

struct Feed {
    notes: broadcast::Sender<Note>,
    last: watch::Sender<Option<Note>>,
}

impl Topics {
    /// Topics of which so many notifications wait for slow readers.
    pub(super) fn new(notifications_max: usize) -> Self {
        let feed =
            |_| Feed { notes: broadcast::Sender::new(notifications_max), last: watch::Sender::new(None) };
        Self { feeds: Arc::new(std::array::from_fn(feed)) }
    }

    /// Tells everybody who subscribed, and whoever subscribes until the next one.
    pub(super) fn tell<T: Serialize>(&self, topic: Topic, at: &At, data: T) {
        let Ok(note) = at.answer(data) else { return };
        let note: Note = note.into();
        let feed = &self.feeds[topic as usize];
        feed.last.send_replace(Some(Arc::clone(&note)));
        // An error says that nobody listens.
        let _ = feed.notes.send(note);
    }

    fn feed(&self, topic: Topic) -> (Option<Note>, broadcast::Receiver<Note>) {
        let feed = &self.feeds[topic as usize];
        let notes = feed.notes.subscribe();
        (feed.last.borrow().clone(), notes)
    }
}

impl Subscription {
    pub(super) fn new<T: JsonSchema>(topic: Topic, names: [&'static str; 3], about: &'static str) -> Self {
        let [subscribe, unsubscribe, notification] = names;
        let result = |generator: &mut SchemaGenerator| generator.subschema_for::<T>();
        Self { topic, subscribe, unsubscribe, notification, about, result }
    }
}

pub(super) fn register(
    module: &mut RpcModule<Arc<State>>,
    subscription: &Subscription,
) -> Result<(), RegisterMethodError> {
    let Subscription { topic, subscribe, unsubscribe, notification, .. } = *subscription;
    module.register_subscription(
        subscribe,
        notification,
        unsubscribe,
        move |_params, pending: PendingSubscriptionSink, state, _| async move {
            let (last, notes) = state.topics.feed(topic);
            let patience = Duration::from_millis(state.config.notification_timeout_ms);
            let Ok(sink) = pending.accept().await else { return Ok(()) };
            relay(&sink, last, notes, patience).await
        },
    )?;
    Ok(())
}

/// Passes notifications on until the reader leaves or is too slow.
async fn relay(
    sink: &SubscriptionSink,
    last: Option<Note>,
    mut notes: broadcast::Receiver<Note>,
    patience: Duration,
) -> Result<(), jsonrpsee::core::SubscriptionError> {
    let mut next = last;
    loop {
        if let Some(note) = next.take() {
            let message = SubscriptionMessage::from(JsonRawValue::to_owned(&note));
            match sink.send_timeout(message, patience).await {
                Ok(()) => {}
                Err(SendTimeoutError::Closed(_)) => return Ok(()),
                Err(SendTimeoutError::Timeout(_)) => {
                    return Err("dropped: notifications were not read in time; subscribe again".into());
                }
            }
        }
        next = tokio::select! {
            () = sink.closed() => return Ok(()),
            note = notes.recv() => match note {
                Ok(note) => Some(note),
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Err(format!("dropped: {missed} notifications behind; subscribe again").into());
                }
            },
        };
    }
}
