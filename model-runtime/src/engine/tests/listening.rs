//! Listeners to hidden states, which do their work beside the engine's.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use super::*;
use crate::engine::listening::{BUNDLES_MAX, ROWS_GATHERED};

/// Longer than any of these tests takes when it passes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Positions and states.
type Heard = Arc<Mutex<Vec<(usize, f32)>>>;

/// Waits until something holds; false after [`PATIENCE`].
fn until(holds: impl Fn() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

/// Counts passes.
fn counting() -> (Arc<AtomicUsize>, Hook) {
    let passes = Arc::new(AtomicUsize::new(0));
    let counted = passes.clone();
    (
        passes,
        Box::new(move |_, _| {
            counted.fetch_add(1, SeqCst);
        }),
    )
}

#[test]
fn states_are_told_in_order_each_with_its_own_row_and_position() {
    let desk = Desk::new();
    let heard: Vec<Heard> = (0..3).map(|_| Arc::default()).collect();
    let mut listeners = Vec::new();
    for (first, heard) in [10, 30, 50].into_iter().zip(&heard) {
        // One that nobody listens to between them.
        listeners.push(desk.submit(&[first + 10], 40));
        let heard = heard.clone();
        let take = move |position, state: &[f32]| heard.lock().unwrap().push((position, state[0]));
        listeners.push(desk.submit_listening(first, 40, take));
    }
    desk.run(6, 64, no_hook());
    for (first, heard) in [10, 30, 50].into_iter().zip(&heard) {
        let expected: Vec<(usize, f32)> = (0..40).map(|at| (at + 1, ((first + at) % 100) as f32)).collect();
        assert_eq!(*heard.lock().unwrap(), expected);
    }
    assert!(listeners.iter_mut().all(|listener| tokens(listener).len() == 40));
}

#[test]
fn the_model_goes_on_while_a_listener_works() {
    let desk = Desk::new();
    let (passes, hook) = counting();
    let went_on = Arc::new(AtomicUsize::new(0));
    let noted = went_on.clone();
    let take = move |position, _: &[f32]| {
        if position == 1 && until(|| passes.load(SeqCst) >= 2 * ROWS_GATHERED) {
            noted.store(1, SeqCst);
        }
    };
    let _listener = desk.submit_listening(10, 3 * ROWS_GATHERED as u32, take);
    desk.run(1, 8, hook);
    assert_eq!(went_on.load(SeqCst), 1);
}

#[test]
fn the_last_event_comes_after_the_last_state_was_taken() {
    let desk = Desk::new();
    let places = desk.places.clone();
    let early = Arc::new(Mutex::new(None));
    let (listener, found) = (Arc::new(Mutex::new(None::<mpsc::Receiver<Event>>)), early.clone());
    let reading = listener.clone();
    let take = move |position, _: &[f32]| {
        if position == 5 {
            // The engine has done with the request: if it told the end by itself, that is there.
            assert!(until(|| places.available_permits() == 100));
            let mut reading = reading.lock().unwrap();
            let events = reading.as_mut().unwrap();
            *found.lock().unwrap() = Some(std::iter::from_fn(|| events.try_recv().ok()).collect::<Vec<_>>());
        }
    };
    *listener.lock().unwrap() = Some(desk.submit_listening(10, 5, take));
    desk.run(1, 8, no_hook());
    let early = early.lock().unwrap().take().unwrap();
    assert_eq!(early.len(), 5, "tokens are told at once: {early:?}");
    assert!(early.iter().all(|event| matches!(event, Event::Token { .. })), "{early:?}");
    let last = listener.lock().unwrap().as_mut().unwrap().try_recv();
    assert!(matches!(last, Ok(Event::Finished(_))), "{last:?}");
}

#[test]
fn a_slow_listener_holds_the_model_up_and_loses_nothing() {
    let desk = Desk::new();
    let (passes, hook) = counting();
    // Waiting, under way, and gathered.
    let ahead_max = (BUNDLES_MAX + 2) * ROWS_GATHERED;
    let tokens_max = 2 * ahead_max;
    let taken = Arc::new(Mutex::new(Vec::new()));
    let noted = taken.clone();
    let take = move |position, _: &[f32]| {
        if position == 1 {
            assert!(until(|| passes.load(SeqCst) >= ahead_max), "the queue is as long as it may be");
            (0..10_000).for_each(|_| std::thread::yield_now());
        }
        noted.lock().unwrap().push((position, passes.load(SeqCst)));
    };
    let _listener = desk.submit_listening(10, tokens_max as u32, take);
    desk.run(1, 8, hook);
    let taken = taken.lock().unwrap();
    assert!(taken.iter().map(|(position, _)| *position).eq(1..=tokens_max));
    let ahead = taken.iter().map(|(position, passes)| passes + 1 - position).max();
    assert!(ahead <= Some(ahead_max + 1), "{ahead:?} passes ahead, at most {ahead_max}");
}

#[test]
fn a_listener_that_panics_fails_its_own_answer_only() {
    let desk = Desk::new();
    let mut failing =
        desk.submit_listening(10, 5, |position, _| assert!(position != 3, "as the test wants it"));
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let mut other = desk.submit_listening(20, 5, move |_, _| {
        counted.fetch_add(1, SeqCst);
    });
    desk.run(2, 8, no_hook());
    let last = |listener: &mut mpsc::Receiver<Event>| {
        std::iter::from_fn(|| listener.try_recv().ok()).last().unwrap()
    };
    assert!(matches!(last(&mut failing), Event::Failed(error) if error.contains("listener")));
    assert!(matches!(last(&mut other), Event::Finished(_)));
    assert_eq!(count.load(SeqCst), 5);
}
