//! One thread per loaded model. In every pass it computes the next token of all running requests together, and reads on in the prompts of
//! those that have none yet; [`crate::scheduler`] decides which, and draws nothing from time or chance.
//!
//! Hidden states go to who listens to them on a thread of its own (`engine/listening.rs`).
//!
//! A model gives a sequence the same numbers whatever else is in the pass, and a request draws from its own numbers only: its tokens are
//! the same whether it is alone or not.

pub(crate) mod answer;
pub mod ingress;
pub(crate) mod listening;
pub mod metrics;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use self::answer::Step as AnswerStep;
use self::ingress::{Event, FinishReason, Finished, Request};
use self::listening::{Heard, Last, Listening, Told};
use self::metrics::MetricsBoard;
use crate::decoder::{Model, Part, Place, Rows, Step};
use crate::sampling::NotFinite;
use crate::scheduler::{Arrival, Planned, Scheduler, SchedulerConfig};

/// The loop and its state.
pub(crate) struct Engine<M: Model> {
    // Interfaces.
    model: M,
    queue: mpsc::UnboundedReceiver<Request>,
    metrics: Arc<MetricsBoard>,
    listening: Listening,
    // State.
    scheduler: Scheduler,
    active: BTreeMap<u64, Active>,
    arrivals: u64,
    open: bool,
}

impl<M: Model> Engine<M> {
    /// The queue needs no bound of its own: every request in it holds a permit of a bounded number.
    pub(crate) fn new(
        model: M,
        queue: mpsc::UnboundedReceiver<Request>,
        metrics: Arc<MetricsBoard>,
        listening: Listening,
        config: SchedulerConfig,
    ) -> Self {
        let scheduler = Scheduler::new(config);
        Self { model, queue, metrics, listening, scheduler, active: BTreeMap::new(), arrivals: 0, open: true }
    }

    /// Works until every handle is gone and every request is answered.
    pub(crate) fn run(mut self) {
        while self.take_requests() {
            let plan = self.scheduler.plan();
            self.begin(&plan);
            self.compute(&plan);
            self.metrics.scheduled(self.scheduler.load(), self.scheduler.counts(), plan.len());
        }
    }

    /// Takes what has arrived, and waits when there is nothing else to do. False when nothing will come any more.
    fn take_requests(&mut self) -> bool {
        if self.open && self.active.is_empty() {
            self.listening.flush();
            match self.queue.blocking_recv() {
                Some(request) => self.arrive(request),
                None => self.open = false,
            }
        }
        while self.open {
            match self.queue.try_recv() {
                Ok(request) => self.arrive(request),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => self.open = false,
            }
        }
        let left: Vec<u64> = self
            .active
            .iter()
            .filter(|(_, active)| active.request.events.is_closed())
            .map(|(id, _)| *id)
            .collect();
        for id in left {
            self.end(id);
        }
        self.open || !self.active.is_empty()
    }

    fn arrive(&mut self, request: Request) {
        let id = self.arrivals;
        self.arrivals += 1;
        let arrival = Arrival {
            id,
            tokens: request.prompt.tokens.clone(),
            priority: request.priority,
            account: request.account,
            draft_tokens_max: request.draft_tokens_max as usize,
            tokens_max: request.prompt.tokens.len().saturating_add(request.answer.tokens_max() as usize),
            dictated: request.dictated.clone(),
            salt: request.salt,
        };
        let active = Active { request, started: None, first_token: None, last_token: None, cached_tokens: 0 };
        match self.scheduler.arrive(arrival) {
            Ok(()) => drop(self.active.insert(id, active)),
            Err(error) => active.send(Event::Failed(error.to_string())),
        }
    }

    fn end(&mut self, id: u64) {
        self.scheduler.leave(id);
        self.active.remove(&id);
    }

    fn begin(&mut self, plan: &[Planned]) {
        let now = Instant::now();
        for planned in plan {
            if let Some(active) = self.active.get_mut(&planned.id) {
                active.started.get_or_insert(now);
            }
        }
    }

    /// One pass. When it fails, its sequences are computed one by one, so that only the one it fails on is given up.
    fn compute(&mut self, plan: &[Planned]) {
        if plan.is_empty() {
            return;
        }
        let likeliest = |planned: &Planned| {
            self.active.get(&planned.id).and_then(|active| active.likeliest()).map(<[u32]>::to_vec)
        };
        let choices: Vec<Option<Vec<u32>>> = plan.iter().map(likeliest).collect();
        let parts: Vec<Part<'_>> =
            plan.iter().zip(&choices).map(|(planned, choice)| part(planned, choice.as_deref())).collect();
        let hidden = plan.iter().any(|p| self.active.get(&p.id).is_some_and(|a| a.request.hidden.is_some()));
        let step = Step { parts: &parts, hidden };
        let Self { model, scheduler, active, metrics, listening, .. } = self;
        let failure = match catch_unwind(AssertUnwindSafe(move || {
            // Moved in, so that the rows may leave.
            let model = model;
            model.forward(&step)
        })) {
            Ok(Ok(rows)) => {
                let mut row = 0;
                let mut told = Told { width: rows.hidden_width, ..Told::default() };
                for planned in plan {
                    let ended = match active.get_mut(&planned.id) {
                        Some(active) => active.take(planned, rows, row, scheduler, metrics, &mut told),
                        None => true,
                    };
                    row += if planned.complete { planned.drafts + 1 } else { 0 };
                    if ended {
                        scheduler.leave(planned.id);
                        active.remove(&planned.id);
                    }
                }
                if hidden {
                    told.states = self.model.take_hidden(listening.buffer());
                    listening.pass(told);
                }
                return;
            }
            Ok(Err(error)) => error.to_string(),
            // The panic's own message went to the process's panic hook.
            Err(_) => "the model failed on this request".to_owned(),
        };
        match plan {
            [only] => {
                tracing::error!(%failure, "a request failed inside of the model");
                let mut told = Told::default();
                if let Some(active) = self.active.get(&only.id) {
                    active.close(only.id, Event::Failed(failure), &mut told);
                }
                self.listening.pass(told);
                self.end(only.id);
            }
            several => several.chunks(1).for_each(|one| self.compute(one)),
        }
    }
}

fn part<'a>(planned: &'a Planned, likeliest: Option<&'a [u32]>) -> Part<'a> {
    let Planned { tokens, start, pages, drafts, complete, .. } = planned;
    let rows_from = if *complete { tokens.len() - 1 - drafts } else { tokens.len() };
    Part { tokens, start: *start, pages, rows_from, likeliest }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Finished,
    Failed,
}

/// A request that is waiting or running.
struct Active {
    request: Request,
    started: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
    /// Prompt tokens found in the cache.
    cached_tokens: u32,
}

impl Active {
    /// Draws what a pass allows: a token, and one more for every guess that was right. True when the request is over.
    fn take(
        &mut self,
        planned: &Planned,
        rows: Rows<'_>,
        first_row: usize,
        scheduler: &mut Scheduler,
        metrics: &MetricsBoard,
        told: &mut Told,
    ) -> bool {
        if !planned.complete {
            scheduler.advance(planned, &[]);
            return false;
        }
        if self.first_token.is_none() {
            self.cached_tokens = scheduler.shared(planned.id) as u32;
        }
        let guesses = &planned.tokens[planned.tokens.len() - planned.drafts..];
        let position = planned.start + planned.tokens.len() - planned.drafts;
        let mut drawn = Vec::with_capacity(guesses.len() + 1);
        for index in 0..=guesses.len() {
            let heard = (planned.id, first_row + index, position + index);
            match self.draw(rows, heard, metrics, told) {
                Ok(token) => drawn.push(token),
                Err(over) => {
                    if over == Over::Finished {
                        // What was read is worth keeping, also where one pass was the whole answer.
                        scheduler.advance(planned, &drawn);
                    }
                    return true;
                }
            }
            let token = drawn[index];
            if guesses.get(index) != Some(&token) {
                break;
            }
        }
        scheduler.advance(planned, &drawn);
        false
    }

    /// Tokens that may not come next, where the likeliest of all others does.
    fn likeliest(&self) -> Option<&[u32]> {
        let Request { sampler, constraint, dictated, answer, .. } = &self.request;
        let plain = constraint.is_none() && dictated.is_empty() && sampler.takes_likeliest();
        plain.then(|| answer.forbidden())
    }

    /// Draws the token at `position` of request `id` from row `row` and tells about it, unless the request is over with it.
    fn draw(
        &mut self,
        rows: Rows<'_>,
        (id, row, position): (u64, usize, usize),
        metrics: &MetricsBoard,
        told: &mut Told,
    ) -> Result<u32, Over> {
        let request = &mut self.request;
        let forbidden = request.answer.forbidden();
        let logits = rows.logits(row);
        let mut draw = || {
            if let Place::Likeliest(token) = rows.place(row) {
                let token = token.ok_or(NotFinite).map_err(|error| error.to_string())?;
                return Ok(request.sampler.take(logits, token));
            }
            if !request.dictated.is_empty() {
                let token = request.dictated.get(request.answer.tokens() as usize);
                let token =
                    token.ok_or_else(|| "the answer goes on after its last dictated token".to_owned())?;
                return Ok(request.sampler.take(logits, *token));
            }
            let Some(constraint) = &mut request.constraint else {
                return request.sampler.draw(logits, forbidden).map_err(|error| error.to_string());
            };
            let mask = constraint.mask().map_err(|error| error.to_string())?;
            let drawn = request.sampler.draw_allowed(logits, forbidden, Some(&mask));
            let drawn = drawn.map_err(|error| error.to_string())?;
            constraint.take(drawn.token).map_err(|error| error.to_string())?;
            Ok(drawn)
        };
        let drawn = match draw() {
            Ok(drawn) => drawn,
            Err(error) => {
                self.close(id, Event::Failed(error), told);
                return Err(Over::Failed);
            }
        };
        if let Some(sink) = &request.hidden {
            told.heard.push(Heard { id, sink: sink.clone(), position, row });
        }
        let AnswerStep { text, end } = request.answer.push(drawn.token);
        let now = Instant::now();
        match self.last_token.replace(now) {
            Some(last) => metrics.next_token(now - last),
            None => metrics.first_token(now - request.submitted),
        }
        self.first_token.get_or_insert(now);
        self.send(Event::Token { text, id: drawn.token, logprobs: drawn.logprobs });
        match end {
            None => Ok(drawn.token),
            Some(reason) => {
                self.close(id, Event::Finished(self.finished(reason)), told);
                Err(Over::Finished)
            }
        }
    }

    fn finished(&self, reason: FinishReason) -> Finished {
        let submitted = self.request.submitted;
        let now = Instant::now();
        let since = |moment: Option<Instant>| {
            u64::try_from((moment.unwrap_or(now) - submitted).as_millis()).unwrap_or(u64::MAX)
        };
        Finished {
            reason,
            prompt_tokens: self.request.prompt.tokens.len() as u32,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.request.answer.tokens(),
            queued_ms: since(self.started),
            first_token_ms: since(self.first_token),
            total_ms: since(None),
        }
    }

    /// Sends the last event: after the request's states, where somebody listens to them.
    fn close(&self, id: u64, event: Event, told: &mut Told) {
        match self.request.hidden {
            Some(_) => told.last.push(Last { id, events: self.request.events.clone(), event }),
            None => self.send(event),
        }
    }

    /// The channel holds an answer's every event, so this fails only when the listener is gone, which the next pass notices.
    fn send(&self, event: Event) {
        drop(self.request.events.try_send(event));
    }
}

#[cfg(test)]
mod tests;
