//! The loop on a model that only writes down what it was asked, run to its end on the test's own thread.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rayon::ThreadPoolBuilder;
use tokio::sync::Semaphore;

use super::answer::Answer;
use super::*;
use crate::arch::EncodedPrompt;
use crate::sampling::{Sampler, Sampling};
use crate::stop::StopScanner;
use crate::tokenizer::Vocabulary;

/// A forward pass: whose it was (the first token of the prompt) and how many tokens it took.
type Pass = (u32, usize);
/// Called before a pass, with the number of passes so far.
type Hook = Box<dyn Fn(usize, Pass) + Send + Sync>;

/// Answers every token with the next one.
struct Scribe {
    passes: Arc<Mutex<Vec<Pass>>>,
    hook: Hook,
}

impl Model for Scribe {
    type Cache = u32;
    type Hidden = u32;

    fn begin(&self, prompt: &EncodedPrompt) -> u32 {
        prompt.tokens[0]
    }

    fn forward(&self, tokens: &[u32], owner: &mut u32) -> u32 {
        let pass = (*owner, tokens.len());
        let count = self.passes.lock().unwrap().len();
        self.passes.lock().unwrap().push(pass);
        (self.hook)(count, pass);
        *tokens.last().unwrap()
    }

    fn logits(&self, last: &u32) -> Vec<f32> {
        let mut logits = vec![0.0; 100];
        logits[(*last as usize + 1) % 100] = 1.0;
        logits
    }
}

/// Requests and their listeners.
struct Desk {
    queue: mpsc::UnboundedSender<Request>,
    requests: mpsc::UnboundedReceiver<Request>,
    places: Arc<Semaphore>,
}

impl Desk {
    fn new() -> Self {
        let (queue, requests) = mpsc::unbounded_channel();
        Self { queue, requests, places: Arc::new(Semaphore::new(100)) }
    }

    fn submit(&self, prompt: &[u32], tokens_max: u32) -> mpsc::Receiver<Event> {
        let pieces = (0..100).map(|token: u32| token.to_string().into_bytes());
        let vocabulary = Arc::new(Vocabulary::new(pieces, BTreeSet::new()));
        let (events, listener) = mpsc::channel(tokens_max as usize + 1);
        let request = Request {
            prompt: EncodedPrompt { tokens: prompt.to_vec(), vocabulary: vocabulary.clone() },
            sampler: Sampler::new(Sampling::greedy(), 0),
            answer: Answer::new(vocabulary, StopScanner::new(Vec::new()).unwrap(), tokens_max),
            events,
            submitted: Instant::now(),
            _place: self.places.clone().try_acquire_owned().unwrap(),
        };
        self.queue.send(request).unwrap();
        listener
    }

    /// Runs the engine until all is answered, and gives the passes.
    fn run(self, slots: usize, prefill_tokens_max: usize, hook: Hook) -> Vec<Pass> {
        let passes = Arc::new(Mutex::new(Vec::new()));
        let model = Scribe { passes: passes.clone(), hook };
        let size = |size| NonZeroUsize::new(size).unwrap();
        let config = EngineConfig { slots: size(slots), prefill_tokens_max: size(prefill_tokens_max) };
        let threads = Arc::new(ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        drop(self.queue);
        Engine::new(model, self.requests, threads, config).run();
        assert_eq!(self.places.available_permits(), 100, "every request gave its place back");
        Arc::try_unwrap(passes).unwrap().into_inner().unwrap()
    }
}

fn no_hook() -> Hook {
    Box::new(|_, _| {})
}

fn tokens(listener: &mut mpsc::Receiver<Event>) -> Vec<u32> {
    let token = |event| if let Event::Token { id, .. } = event { Some(id) } else { None };
    std::iter::from_fn(|| listener.try_recv().ok()).filter_map(token).collect()
}

#[test]
fn requests_take_turns_and_a_long_prompt_does_not_keep_others_waiting() {
    let desk = Desk::new();
    let mut long = desk.submit(&[1, 2, 3, 4, 5], 2);
    let mut short = desk.submit(&[50], 3);
    let passes = desk.run(2, 2, no_hook());
    assert_eq!(passes, [(1, 2), (50, 1), (1, 2), (50, 1), (1, 1), (50, 1), (1, 1)]);
    assert_eq!(tokens(&mut long), [6, 7]);
    assert_eq!(tokens(&mut short), [51, 52, 53]);
}

#[test]
fn requests_beyond_the_slots_wait_in_order() {
    let desk = Desk::new();
    let _listeners = [desk.submit(&[10], 2), desk.submit(&[20], 2), desk.submit(&[30], 1)];
    let passes = desk.run(1, 8, no_hook());
    assert_eq!(passes, [(10, 1), (10, 1), (20, 1), (20, 1), (30, 1)]);
}

#[test]
fn a_dropped_answer_costs_no_further_pass() {
    let desk = Desk::new();
    let dropped = Mutex::new(Some(desk.submit(&[10], 50)));
    let mut other = desk.submit(&[20], 3);
    let hook = move |count, _| {
        if count == 2 {
            drop(dropped.lock().unwrap().take());
        }
    };
    let passes = desk.run(2, 8, Box::new(hook));
    assert_eq!(passes, [(10, 1), (20, 1), (10, 1), (20, 1), (20, 1)]);
    assert_eq!(tokens(&mut other), [21, 22, 23]);
}

#[test]
fn an_answer_dropped_while_it_waits_is_never_begun() {
    let desk = Desk::new();
    let _first = desk.submit(&[10], 2);
    drop(desk.submit(&[20], 2));
    let _third = desk.submit(&[30], 1);
    assert_eq!(desk.run(1, 8, no_hook()), [(10, 1), (10, 1), (30, 1)]);
}

#[test]
fn a_prompt_dropped_half_way_is_not_read_to_its_end() {
    let desk = Desk::new();
    let dropped = Mutex::new(Some(desk.submit(&[10; 9], 1)));
    let hook = move |count, _| {
        if count == 1 {
            drop(dropped.lock().unwrap().take());
        }
    };
    assert_eq!(desk.run(1, 3, Box::new(hook)), [(10, 3), (10, 3)]);
}

#[test]
fn a_panic_inside_of_the_model_fails_one_request_only() {
    let desk = Desk::new();
    let mut failing = desk.submit(&[10], 5);
    let mut other = desk.submit(&[20], 2);
    desk.run(2, 8, Box::new(|count, pass| assert!(count < 2 || pass.0 != 10, "as the test wants it")));
    assert_eq!(failing.try_recv().unwrap(), Event::Token { text: "11".into(), id: 11 });
    assert!(matches!(failing.try_recv().unwrap(), Event::Failed(_)));
    assert_eq!(tokens(&mut other), [21, 22]);
}

#[test]
fn the_last_event_tells_the_numbers() {
    let desk = Desk::new();
    let mut listener = desk.submit(&[1, 2, 3], 2);
    desk.run(1, 8, no_hook());
    let events: Vec<Event> = std::iter::from_fn(|| listener.try_recv().ok()).collect();
    let Some(Event::Finished(finished)) = events.last() else { panic!("{events:?}") };
    assert_eq!((finished.prompt_tokens, finished.completion_tokens), (3, 2));
    assert_eq!(finished.reason, FinishReason::Length);
    assert!(finished.queued_ms <= finished.first_token_ms && finished.first_token_ms <= finished.total_ms);
}
