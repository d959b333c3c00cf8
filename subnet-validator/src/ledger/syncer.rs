//! The second thread: syncs what the writer has written, and answers those who wait for that.
//!
//! While one sync is under way the writer goes on; the next sync covers all that it wrote meanwhile. A disk that is slow for a moment so
//! delays no user's answer, and makes the writer wait only when too many groups are ahead of it.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use model_runtime::Durations;

use super::ingress::Answers;
use super::store::Store;

/// A group that is written and whose answers wait for the sync.
pub(super) struct Unsynced {
    /// The database it was written to.
    pub(super) store: Arc<Store>,
    /// When its write began; `None` if there was nothing to write.
    pub(super) wrote_from: Option<Instant>,
    pub(super) answers: Answers,
}

/// Works until the writer is gone.
pub(super) fn run(groups: &Receiver<Unsynced>, groups_max: usize, write_times: &Mutex<Durations>) {
    let mut waiting: Vec<Unsynced> = Vec::with_capacity(groups_max);
    while let Ok(first) = groups.recv() {
        waiting.push(first);
        waiting.extend(groups.try_iter().take(groups_max));
        while let Some(Unsynced { store, .. }) = waiting.first() {
            let store = Arc::clone(store);
            // After the database was opened again, groups of the old one may be before those of the new.
            let same = waiting.iter().take_while(|group| Arc::ptr_eq(&group.store, &store)).count();
            settle(&store, waiting.drain(..same).collect(), write_times);
        }
    }
}

fn settle(store: &Store, groups: Vec<Unsynced>, write_times: &Mutex<Durations>) {
    let wrote = groups.iter().any(|group| group.wrote_from.is_some());
    let synced = if wrote || store.has_lost_a_sync() { store.sync() } else { Ok(()) };
    if let Err(error) = &synced {
        tracing::error!(error = error as &dyn std::error::Error, "the ledger's log could not be synced");
    }
    for Unsynced { wrote_from, answers, .. } in groups {
        match &synced {
            Ok(()) => {
                if let Some(from) = wrote_from {
                    write_times.lock().unwrap_or_else(PoisonError::into_inner).took(from.elapsed());
                }
                answers.send();
            }
            Err(error) => answers.refuse(error),
        }
    }
}
