//! Tells hidden states to who listens to them, on a thread of its own: the engine's computes the next pass meanwhile.
//!
//! A request's states are told in the order of their positions, and its last event follows them. Nothing is dropped: once
//! [`BUNDLES_MAX`] bundles wait, the engine waits too. A listener that panics fails its own request.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::{io, mem, thread};

use tokio::sync::mpsc as events;

use super::ingress::Event;
use crate::runtime::HiddenSink;

/// Rows that are gathered before the thread is woken, unless a request ends before: waking costs more than a row.
pub(super) const ROWS_GATHERED: usize = 32;
/// Bundles of gathered rows that may wait for the thread.
pub(super) const BUNDLES_MAX: usize = 16;

/// The engine's end.
pub(crate) struct Listening {
    /// `None` only while this is dropped.
    bundles: Option<SyncSender<Vec<Told>>>,
    emptied: Receiver<Vec<f32>>,
    gathered: Vec<Told>,
    rows: usize,
    thread: Option<JoinHandle<()>>,
}

/// What there is to tell of one pass.
#[derive(Default)]
pub(super) struct Told {
    /// [rows, width] of the pass, listened to or not.
    pub(super) states: Vec<f32>,
    /// Numbers of a row; 0 for a model without states.
    pub(super) width: usize,
    /// In the order of their rows.
    pub(super) heard: Vec<Heard>,
    /// Last events of requests that listened.
    pub(super) last: Vec<Last>,
}

/// A row that somebody listens to.
pub(super) struct Heard {
    pub(super) id: u64,
    pub(super) sink: HiddenSink,
    /// Of the token that was drawn from it.
    pub(super) position: usize,
    pub(super) row: usize,
}

/// The end of a request.
pub(super) struct Last {
    pub(super) id: u64,
    pub(super) events: events::Sender<Event>,
    pub(super) event: Event,
}

impl Listening {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub(crate) fn start() -> io::Result<Self> {
        let (bundles, work) = sync_channel(BUNDLES_MAX);
        let (back, emptied) = channel();
        let thread = thread::Builder::new().name("states".to_owned()).spawn(move || tell(&work, &back))?;
        Ok(Self { bundles: Some(bundles), emptied, gathered: Vec::new(), rows: 0, thread: Some(thread) })
    }

    /// A buffer for rows: one that was told before, if there is one.
    pub(super) fn buffer(&self) -> Vec<f32> {
        self.emptied.try_recv().unwrap_or_default()
    }

    /// Takes what one pass has to tell.
    pub(super) fn pass(&mut self, told: Told) {
        if told.heard.is_empty() && told.last.is_empty() {
            return;
        }
        self.rows += told.heard.len();
        let ends = !told.last.is_empty();
        self.gathered.push(told);
        if ends || self.rows >= ROWS_GATHERED {
            self.flush();
        }
    }

    /// Gives the thread what was gathered, and waits while it has too much already.
    pub(super) fn flush(&mut self) {
        self.rows = 0;
        let gathered = mem::take(&mut self.gathered);
        if let (Some(bundles), false) = (&self.bundles, gathered.is_empty()) {
            // The thread ends when this is dropped, and not before: it catches what listeners throw.
            drop(bundles.send(gathered));
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.flush();
        self.bundles = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The thread.
fn tell(work: &Receiver<Vec<Told>>, back: &Sender<Vec<f32>>) {
    let mut failed = BTreeSet::new();
    for told in work.iter().flatten() {
        let Told { mut states, width, heard, last } = told;
        for Heard { id, sink, position, row } in heard {
            let give = || sink.give(position, &states[row * width..(row + 1) * width]);
            if !failed.contains(&id) && catch_unwind(AssertUnwindSafe(give)).is_err() {
                // The panic's own message went to the process's panic hook.
                tracing::error!("a listener to hidden states failed");
                failed.insert(id);
            }
        }
        for Last { id, events, event } in last {
            let event = if failed.remove(&id) {
                Event::Failed("the listener to the answer's states failed".to_owned())
            } else {
                event
            };
            // There is room for an answer's every event: this fails only when nobody reads them.
            drop(events.try_send(event));
        }
        states.clear();
        drop(back.send(states));
    }
}
