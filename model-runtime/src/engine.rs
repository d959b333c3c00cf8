//! One thread per loaded model. It takes turns between the requests that hold a slot: a turn is one piece of a prompt or one token, so a
//! long prompt or a long answer never keeps the others waiting for longer than that.
//!
//! A request computes on its own state only, in pieces whose sizes do not depend on the others: its tokens are the same whether it is
//! alone or not.

pub(crate) mod answer;
pub mod ingress;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use self::answer::Step;
use self::ingress::{Event, FinishReason, Finished, Request};
use crate::arch::Model;

/// Limits of an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineConfig {
    /// Requests computed in turn; more wait.
    pub slots: NonZeroUsize,
    /// Tokens of a prompt computed in one turn.
    pub prefill_tokens_max: NonZeroUsize,
}

/// The loop and its state.
pub(crate) struct Engine<M: Model> {
    // Interfaces.
    model: M,
    queue: mpsc::UnboundedReceiver<Request>,
    threads: Arc<ThreadPool>,
    // Configuration.
    config: EngineConfig,
    // State.
    waiting: VecDeque<Request>,
    active: VecDeque<Active<M>>,
    open: bool,
}

impl<M: Model> Engine<M> {
    /// The queue needs no bound of its own: every request in it holds a permit of a bounded number.
    pub(crate) fn new(
        model: M,
        queue: mpsc::UnboundedReceiver<Request>,
        threads: Arc<ThreadPool>,
        config: EngineConfig,
    ) -> Self {
        Self { model, queue, threads, config, waiting: VecDeque::new(), active: VecDeque::new(), open: true }
    }

    /// Works until every handle is gone and every request is answered.
    pub(crate) fn run(mut self) {
        while self.take_requests() {
            self.fill_slots();
            let Some(mut turn) = self.active.pop_front() else { continue };
            if self.advance(&mut turn) {
                self.active.push_back(turn);
            }
        }
    }

    /// Takes what has arrived, and waits when there is nothing else to do. False when nothing will come any more.
    fn take_requests(&mut self) -> bool {
        if self.open && self.active.is_empty() && self.waiting.is_empty() {
            match self.queue.blocking_recv() {
                Some(request) => self.waiting.push_back(request),
                None => self.open = false,
            }
        }
        while self.open {
            match self.queue.try_recv() {
                Ok(request) => self.waiting.push_back(request),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.open = false,
            }
        }
        self.waiting.retain(|request| !request.events.is_closed());
        self.open || !self.active.is_empty() || !self.waiting.is_empty()
    }

    fn fill_slots(&mut self) {
        while self.active.len() < self.config.slots.get() {
            let Some(request) = self.waiting.pop_front() else { return };
            self.active.push_back(Active::new(&self.model, request));
        }
    }

    /// One turn of one request. False when it is over.
    fn advance(&self, active: &mut Active<M>) -> bool {
        let (model, prefill_tokens_max) = (&self.model, self.config.prefill_tokens_max.get());
        let turn = || self.threads.install(|| active.turn(model, prefill_tokens_max));
        match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(going) => going,
            Err(_) => {
                // The panic's own message went to the process's panic hook. Only this request's state can be torn.
                tracing::error!("a request failed inside of the model");
                active.send(Event::Failed("the model failed on this request".to_owned()));
                false
            }
        }
    }
}

/// A request that holds a slot.
struct Active<M: Model> {
    request: Request,
    cache: M::Cache,
    prompt_fed: usize,
    last_token: u32,
    started: Instant,
    first_token: Option<Instant>,
}

impl<M: Model> Active<M> {
    fn new(model: &M, request: Request) -> Self {
        let cache = model.begin(&request.prompt);
        Self { request, cache, prompt_fed: 0, last_token: 0, started: Instant::now(), first_token: None }
    }

    /// False when the request is over.
    fn turn(&mut self, model: &M, prefill_tokens_max: usize) -> bool {
        if self.request.events.is_closed() {
            return false;
        }
        let prompt = &self.request.prompt.tokens;
        let hidden = if self.prompt_fed < prompt.len() {
            let end = prompt.len().min(self.prompt_fed + prefill_tokens_max);
            let hidden = model.forward(&prompt[self.prompt_fed..end], &mut self.cache);
            self.prompt_fed = end;
            if end < prompt.len() {
                return true;
            }
            hidden
        } else {
            model.forward(&[self.last_token], &mut self.cache)
        };
        self.take(&model.logits(&hidden))
    }

    /// Draws the next token and tells about it.
    fn take(&mut self, logits: &[f32]) -> bool {
        let token = match self.request.sampler.sample(logits) {
            Ok(token) => token,
            Err(error) => {
                self.send(Event::Failed(error.to_string()));
                return false;
            }
        };
        self.last_token = token;
        self.first_token.get_or_insert_with(Instant::now);
        let Step { text, end } = self.request.answer.push(token);
        self.send(Event::Token { text, id: token });
        match end {
            None => true,
            Some(reason) => {
                let finished = self.finished(reason);
                self.send(Event::Finished(finished));
                false
            }
        }
    }

    fn finished(&self, reason: FinishReason) -> Finished {
        let submitted = self.request.submitted;
        let since = |moment: Instant| u64::try_from((moment - submitted).as_millis()).unwrap_or(u64::MAX);
        Finished {
            reason,
            prompt_tokens: self.request.prompt.tokens.len() as u32,
            completion_tokens: self.request.answer.tokens(),
            queued_ms: since(self.started),
            first_token_ms: since(self.first_token.unwrap_or(self.started)),
            total_ms: since(Instant::now()),
        }
    }

    /// The channel holds an answer's every event, so this fails only when the listener is gone, which the next turn notices.
    fn send(&self, event: Event) {
        drop(self.request.events.try_send(event));
    }
}

#[cfg(test)]
mod tests;
