//! The demand log: bounded, in order, readable from any place that it still reaches back to.

use std::collections::VecDeque;
use std::sync::Mutex;

use protocol::demand::{Cursor, DemandBook, DemandChange, DemandEvent};
use tokio::sync::watch;

use super::lock;

/// The log.
#[derive(Debug)]
pub struct EventLog {
    log: u64,
    events_max: usize,
    state: Mutex<State>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    sequence: u64,
    book: DemandBook,
    events: VecDeque<DemandEvent>,
}

/// The log does not reach back to a cursor, or the cursor is another log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log begins after event {oldest}; start again without a cursor")]
pub struct Gone {
    /// The oldest place from which it can be read.
    pub oldest: u64,
}

impl EventLog {
    /// An empty log.
    #[must_use]
    pub fn new(log: u64, events_max: usize) -> Self {
        Self { log, events_max: events_max.max(1), state: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// Adds an event.
    pub fn append(&self, at_ms: u64, change: DemandChange) {
        let mut state = lock(&self.state);
        if let Err(error) = state.book.apply(&change) {
            // Only models of the catalogue are logged, so the book cannot be full.
            tracing::error!(%error, "an event is not taken into the demand log");
            return;
        }
        state.sequence = state.sequence.saturating_add(1);
        let event = DemandEvent { sequence: state.sequence, at_ms, change };
        state.events.push_back(event);
        if state.events.len() > self.events_max {
            state.events.pop_front();
        }
        let sequence = state.sequence;
        drop(state);
        self.newest.send_replace(sequence);
    }

    /// What all events so far add up to, and the place after them.
    pub fn state(&self) -> (Cursor, DemandBook) {
        let state = lock(&self.state);
        (Cursor { log: self.log, sequence: state.sequence }, state.book.clone())
    }

    /// Up to `events_max` events after a place.
    pub fn after(&self, cursor: Cursor, events_max: usize) -> Result<Vec<DemandEvent>, Gone> {
        let state = lock(&self.state);
        let kept = u64::try_from(state.events.len()).unwrap_or(u64::MAX);
        let oldest = state.sequence.saturating_sub(kept);
        if cursor.log != self.log || cursor.sequence < oldest || cursor.sequence > state.sequence {
            return Err(Gone { oldest });
        }
        let skipped = usize::try_from(cursor.sequence - oldest).unwrap_or(usize::MAX);
        Ok(state.events.iter().skip(skipped).take(events_max).cloned().collect())
    }

    /// Changes with each event; holds the newest sequence number.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::{EventLog, Gone};
    use protocol::demand::{Cursor, DemandBook, DemandChange, ModelDemand};

    fn demand(calls: u64) -> DemandChange {
        let demand = ModelDemand { calls, ..ModelDemand::default() };
        DemandChange::Demand { model: "m".parse().unwrap(), demand }
    }

    fn filled(count: u64) -> EventLog {
        let log = EventLog::new(9, 4);
        (1..=count).for_each(|calls| log.append(calls, demand(calls)));
        log
    }

    #[test]
    fn a_reader_gets_exactly_what_it_missed_from_any_place_still_kept() {
        let log = filled(10);
        let read = |sequence| {
            let events = log.after(Cursor { log: 9, sequence }, 100);
            events.map(|events| events.iter().map(|event| event.sequence).collect::<Vec<_>>())
        };
        assert_eq!(read(6), Ok(vec![7, 8, 9, 10]));
        assert_eq!(read(8), Ok(vec![9, 10]));
        assert_eq!(read(10), Ok(vec![]));
        assert_eq!(read(5), Err(Gone { oldest: 6 }));
        assert_eq!(read(11), Err(Gone { oldest: 6 }), "a place that this log has not reached");
        assert_eq!(log.after(Cursor { log: 8, sequence: 8 }, 100), Err(Gone { oldest: 6 }));
    }

    #[test]
    fn the_state_and_the_events_after_it_give_the_same_book_as_all_events() {
        let log = filled(3);
        let (mut cursor, mut book) = log.state();
        (4..=7).for_each(|calls| log.append(calls, demand(calls)));
        while let Some(event) = log.after(cursor, 2).unwrap().first() {
            book.follow(&mut cursor, event).unwrap();
        }
        assert_eq!((cursor, book), log.state());
        assert_ne!(log.state().1, DemandBook::default());
    }
}
