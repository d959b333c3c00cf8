//! The loop on a model that only writes down what it was asked, run to its end on the test's own thread.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use tokio::sync::Semaphore;

use super::answer::{Answer, AnswerLimits};
use super::*;
use crate::decoder::ForwardError;
use crate::runtime::HiddenSink;
use crate::sampling::{Sampler, Sampling};
use crate::stop::StopScanner;
use crate::tokenizer::{EncodedPrompt, Vocabulary};

/// What one sequence did in a forward pass: its first token in the pass, and how many.
type Pass = Vec<(u32, usize)>;
/// Called before a pass, with the number of passes so far.
type Hook = Box<dyn Fn(usize, &Pass) + Send + Sync>;

/// Answers every token with the next one.
struct Scribe {
    passes: Arc<Mutex<Vec<Pass>>>,
    hook: Hook,
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

impl Model for Scribe {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        let pass: Pass = step.parts.iter().map(|part| (part.tokens[0], part.tokens.len())).collect();
        let count = self.passes.lock().unwrap().len();
        (self.hook)(count, &pass);
        self.passes.lock().unwrap().push(pass);
        self.logits.clear();
        self.hidden.clear();
        for token in step.parts.iter().flat_map(|part| &part.tokens[part.rows_from..]) {
            self.logits.extend((0..100).map(|other| f32::from(other == (*token + 1) % 100)));
            self.hidden.push(*token as f32);
        }
        let hidden = &self.hidden;
        Ok(Rows { vocabulary: 100, logits: &self.logits, hidden_width: 1, hidden, places: &[] })
    }

    fn take_hidden(&mut self, mut emptied: Vec<f32>) -> Vec<f32> {
        emptied.clear();
        std::mem::replace(&mut self.hidden, emptied)
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
        self.submit_guessing(prompt, tokens_max, 0, None)
    }

    fn submit_listening(
        &self,
        first: u32,
        tokens_max: u32,
        take: impl Fn(usize, &[f32]) + Send + Sync + 'static,
    ) -> mpsc::Receiver<Event> {
        self.submit_guessing(&[first], tokens_max, 0, Some(HiddenSink::new(take)))
    }

    fn submit_guessing(
        &self,
        prompt: &[u32],
        tokens_max: u32,
        draft_tokens_max: u32,
        hidden: Option<HiddenSink>,
    ) -> mpsc::Receiver<Event> {
        let pieces = (0..100).map(|token: u32| token.to_string().into_bytes());
        let vocabulary = Arc::new(Vocabulary::new(pieces, BTreeSet::new()));
        let (events, listener) = mpsc::channel(tokens_max as usize + 1);
        let limits = AnswerLimits { tokens_max, ..AnswerLimits::default() };
        let request = Request {
            prompt: EncodedPrompt { tokens: prompt.to_vec(), vocabulary: vocabulary.clone() },
            sampler: Sampler::new(Sampling::greedy(), 0, prompt),
            answer: Answer::new(vocabulary, StopScanner::new(Vec::new()).unwrap(), limits),
            events,
            submitted: Instant::now(),
            priority: 0,
            account: 0,
            draft_tokens_max,
            dictated: Vec::new(),
            hidden,
            salt: None,
            constraint: None,
            _place: self.places.clone().try_acquire_owned().unwrap(),
        };
        self.queue.send(request).unwrap();
        listener
    }

    /// Runs the engine until all is answered, and gives the passes.
    fn run(self, slots: usize, step_tokens_max: usize, hook: Hook) -> Vec<Pass> {
        let passes = Arc::new(Mutex::new(Vec::new()));
        let model = Scribe { passes: passes.clone(), hook, logits: Vec::new(), hidden: Vec::new() };
        let size = |size| NonZeroUsize::new(size).unwrap();
        let config =
            SchedulerConfig { slots: size(slots), step_tokens_max: size(step_tokens_max), pages: 64 };
        drop(self.queue);
        Engine::new(model, self.requests, Arc::default(), Listening::start().unwrap(), config).run();
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
fn answers_share_passes_and_a_long_prompt_does_not_keep_others_waiting() {
    let desk = Desk::new();
    let mut short = desk.submit(&[50], 3);
    let mut long = desk.submit(&[1, 2, 3, 4, 5], 2);
    let passes = desk.run(2, 3, no_hook());
    assert_eq!(passes, [vec![(50, 1), (1, 2)], vec![(51, 1), (3, 2)], vec![(52, 1), (5, 1)], vec![(6, 1)]]);
    assert_eq!(tokens(&mut long), [6, 7]);
    assert_eq!(tokens(&mut short), [51, 52, 53]);
}

#[test]
fn requests_beyond_the_slots_wait_in_order() {
    let desk = Desk::new();
    let _listeners = [desk.submit(&[10], 2), desk.submit(&[20], 2), desk.submit(&[30], 1)];
    let passes = desk.run(1, 8, no_hook());
    assert_eq!(passes, [[(10, 1)], [(11, 1)], [(20, 1)], [(21, 1)], [(30, 1)]]);
}

#[test]
fn a_dropped_answer_costs_no_further_pass() {
    let desk = Desk::new();
    let dropped = Mutex::new(Some(desk.submit(&[10], 50)));
    let mut other = desk.submit(&[20], 3);
    let hook = move |count, _: &Pass| {
        if count == 1 {
            drop(dropped.lock().unwrap().take());
        }
    };
    let passes = desk.run(2, 8, Box::new(hook));
    assert_eq!(passes, [vec![(10, 1), (20, 1)], vec![(11, 1), (21, 1)], vec![(22, 1)]]);
    assert_eq!(tokens(&mut other), [21, 22, 23]);
}

#[test]
fn an_answer_dropped_while_it_waits_is_never_begun() {
    let desk = Desk::new();
    let _first = desk.submit(&[10], 2);
    drop(desk.submit(&[20], 2));
    let _third = desk.submit(&[30], 1);
    assert_eq!(desk.run(1, 8, no_hook()), [[(10, 1)], [(11, 1)], [(30, 1)]]);
}

#[test]
fn a_prompt_dropped_half_way_is_not_read_to_its_end() {
    let desk = Desk::new();
    let dropped = Mutex::new(Some(desk.submit(&[10; 9], 1)));
    let hook = move |count, _: &Pass| {
        if count == 1 {
            drop(dropped.lock().unwrap().take());
        }
    };
    assert_eq!(desk.run(1, 3, Box::new(hook)), [[(10, 3)], [(10, 3)]]);
}

#[test]
fn a_panic_inside_of_the_model_fails_one_request_only() {
    let desk = Desk::new();
    let mut failing = desk.submit(&[10], 5);
    let mut other = desk.submit(&[20], 3);
    let hook = |_, pass: &Pass| assert!(pass.iter().all(|(token, _)| *token != 11), "as the test wants it");
    let passes = desk.run(2, 8, Box::new(hook));
    assert_eq!(passes, [vec![(10, 1), (20, 1)], vec![(21, 1)], vec![(22, 1)]]);
    assert_eq!(failing.try_recv().unwrap(), Event::Token { text: "11".into(), id: 11, logprobs: None });
    assert!(matches!(failing.try_recv().unwrap(), Event::Failed(_)));
    assert_eq!(tokens(&mut other), [21, 22, 23]);
}

#[test]
fn guesses_change_the_number_of_passes_and_nothing_else() {
    let prompt = [5, 6, 7, 8, 9, 10, 11, 12, 4, 5, 6];
    let desk = Desk::new();
    let mut plain = desk.submit(&prompt, 12);
    let passes = desk.run(1, 64, no_hook()).len();
    let desk = Desk::new();
    let mut guessing = desk.submit_guessing(&prompt, 12, 4, None);
    let fewer = desk.run(1, 64, no_hook()).len();
    assert_eq!(tokens(&mut plain), tokens(&mut guessing));
    assert!(fewer < passes, "{fewer} passes instead of {passes}");
}

#[test]
fn an_answer_of_one_token_leaves_its_prompt_in_the_cache() {
    let desk = Desk::new();
    let prompt: Vec<u32> = (0..70).collect();
    let _first = desk.submit(&prompt, 1);
    let mut second = desk.submit(&prompt, 1);
    assert_eq!(desk.run(1, 80, no_hook()), [[(0, 70)], [(64, 6)]]);
    assert_eq!(tokens(&mut second), [70]);
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

mod listening;
