//! Which tokens of which sequences go into the next pass, and where their keys and values lie. Pure: no clock, no thread, no model.
//!
//! - Every running sequence that waits for its next token is in every pass; what is left of a pass's tokens reads prompts, in the order
//!   the sequences were taken in.
//! - Sequences are taken in while there are slots and pages for their whole prompt: the highest priority first, then the account that was
//!   served least, then the oldest. Nobody overtakes a sequence that merely does not fit yet.
//! - Prompts that begin alike share pages: those of others, running or gone, and those that another is just reading, for which a
//!   sequence waits.
//! - When an answer needs a page and none is left, the sequence of the lowest priority that came last gives up its pages and waits; its
//!   tokens are kept, and what it had computed may still be found in the cache.
//!
//! The same arrivals, in the same order between the same passes, give the same plans.

mod draft;
mod pages;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

pub use self::draft::look_up;
pub use self::pages::{Node, Pages};
use crate::decoder::PAGE_TOKENS;

/// Limits of a scheduler.
#[derive(Clone, Copy, Debug)]
pub struct SchedulerConfig {
    /// Sequences that run at once.
    pub slots: NonZeroUsize,
    /// Tokens of a pass, where answers alone do not need more.
    pub step_tokens_max: NonZeroUsize,
    /// Pages of the cache.
    pub pages: usize,
}

/// A sequence as it arrives.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// A number nobody else has.
    pub id: u64,
    /// The prompt; at least one token.
    pub tokens: Vec<u32>,
    /// Higher goes first.
    pub priority: i8,
    /// Who pays: accounts of one priority take turns by the tokens they were served.
    pub account: u64,
    /// Tokens to guess ahead at most.
    pub draft_tokens_max: usize,
    /// Tokens that prompt and answer may have together; none past them is guessed.
    pub tokens_max: usize,
    /// The answer's tokens where they are known before: they take the place of guesses, a pass's worth at a time.
    pub dictated: Vec<u32>,
    /// Prompts share pages with those of the same salt only.
    pub salt: Option<[u8; 32]>,
}

/// What one sequence does in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which sequence.
    pub id: u64,
    /// Position of its first token in the pass.
    pub start: usize,
    /// Its tokens, guessed ones last.
    pub tokens: Vec<u32>,
    /// How many of them are guesses.
    pub drafts: usize,
    /// Its block table.
    pub pages: Vec<u32>,
    /// Whether its known tokens are all in, so that the next one can be drawn.
    pub complete: bool,
}

/// A prompt that can never be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a prompt of {tokens} tokens does not fit a cache of {cache_tokens}")]
pub struct TooLarge {
    /// Of the prompt.
    pub tokens: usize,
    /// Of the cache.
    pub cache_tokens: usize,
}

/// Numbers of a scheduler's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Prompt tokens that were found in the cache.
    pub prompt_tokens_shared: u64,
    /// Tokens computed, guesses included.
    pub tokens_computed: u64,
    /// Guesses made.
    pub drafts: u64,
    /// Guesses that were right.
    pub drafts_right: u64,
    /// Sequences that had to give up their pages.
    pub preemptions: u64,
}

#[derive(Debug)]
struct Sequence {
    arrival: Arrival,
    order: u64,
    /// Positions whose keys and values are in its pages.
    computed: usize,
    pages: Vec<u32>,
    /// Pages from the first on that others may share, and the last of them.
    registered: usize,
    node: Node,
    /// Prompt tokens that were found in the cache when it was first taken in.
    shared: usize,
    /// Whether it had to give up its pages.
    preempted: bool,
}

/// The state.
#[derive(Debug)]
pub struct Scheduler {
    config: SchedulerConfig,
    pages: Pages,
    waiting: Vec<Sequence>,
    /// In the order they were taken in.
    running: Vec<Sequence>,
    /// Tokens served to every account that has a sequence here.
    served: BTreeMap<u64, u64>,
    arrivals: u64,
    counts: Counts,
}

impl Scheduler {
    /// An empty one.
    #[must_use]
    pub fn new(config: SchedulerConfig) -> Self {
        let pages = Pages::new(config.pages);
        let (waiting, running, served) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { config, pages, waiting, running, served, arrivals: 0, counts: Counts::default() }
    }

    /// Numbers so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Prompt tokens of a sequence that were found in the cache; zero for one that is not here.
    #[must_use]
    pub fn shared(&self, id: u64) -> usize {
        let mut all = self.running.iter().chain(&self.waiting);
        all.find(|sequence| sequence.arrival.id == id).map_or(0, |sequence| sequence.shared)
    }

    /// Sequences that run, and sequences that wait.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.running.len(), self.waiting.len())
    }

    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Puts a sequence among those that wait.
    ///
    /// # Errors
    /// When the cache cannot hold its prompt and one more token even alone.
    pub fn arrive(&mut self, arrival: Arrival) -> Result<(), TooLarge> {
        let tokens = arrival.tokens.len();
        if pages_for(tokens + 1) > self.config.pages {
            return Err(TooLarge { tokens, cache_tokens: self.config.pages * PAGE_TOKENS });
        }
        let least = self.served.values().min().copied().unwrap_or(0);
        self.served.entry(arrival.account).or_insert(least);
        let order = self.arrivals;
        self.arrivals += 1;
        let (pages, node) = (Vec::new(), Node::Root(arrival.salt));
        let sequence =
            Sequence { arrival, order, computed: 0, pages, registered: 0, node, shared: 0, preempted: false };
        self.waiting.push(sequence);
        Ok(())
    }

    /// Forgets a sequence, wherever it is.
    pub fn leave(&mut self, id: u64) {
        let take = |list: &mut Vec<Sequence>| {
            let index = list.iter().position(|sequence| sequence.arrival.id == id)?;
            Some(list.remove(index))
        };
        let Some(mut sequence) = take(&mut self.waiting).or_else(|| take(&mut self.running)) else { return };
        sequence.give_up(&mut self.pages);
        let account = sequence.arrival.account;
        if !self.waiting.iter().chain(&self.running).any(|other| other.arrival.account == account) {
            self.served.remove(&account);
        }
    }

    /// The next pass; empty when there is nothing to compute. Every planned sequence must be [`Scheduler::advance`]d or left afterwards.
    pub fn plan(&mut self) -> Vec<Planned> {
        self.take_in();
        let mut plan = Vec::new();
        self.plan_answers(&mut plan);
        self.plan_prompts(&mut plan);
        for planned in &plan {
            self.counts.tokens_computed += planned.tokens.len() as u64;
            self.counts.drafts += planned.drafts as u64;
            if let Some(sequence) = self.running.iter().find(|sequence| sequence.arrival.id == planned.id) {
                *self.served.entry(sequence.arrival.account).or_insert(0) += planned.tokens.len() as u64;
            }
        }
        plan
    }

    /// After a pass: `drawn` are the tokens drawn from it, none while a prompt is not read to its end. All but the last of them were
    /// guessed rightly.
    pub fn advance(&mut self, planned: &Planned, drawn: &[u32]) {
        let Some(sequence) = self.running.iter_mut().find(|sequence| sequence.arrival.id == planned.id)
        else {
            return;
        };
        let right = drawn.len().saturating_sub(1);
        self.counts.drafts_right += right as u64;
        sequence.computed = planned.start + planned.tokens.len() - planned.drafts + right;
        sequence.arrival.tokens.extend_from_slice(drawn);
        sequence.arrival.dictated.drain(..drawn.len().min(sequence.arrival.dictated.len()));
        sequence.register(&mut self.pages);
    }

    fn take_in(&mut self) {
        while self.running.len() < self.config.slots.get() {
            let best = (0..self.waiting.len()).min_by_key(|index| {
                let Sequence { arrival, order, .. } = &self.waiting[*index];
                (-i16::from(arrival.priority), self.served.get(&arrival.account).copied(), *order)
            });
            let Some(index) = best else { return };
            loop {
                if self.waiting[index].take_pages(&mut self.pages, &mut self.counts) {
                    let sequence = self.waiting.remove(index);
                    self.running.push(sequence);
                    break;
                }
                if !self.give_way(self.waiting[index].arrival.priority) {
                    return;
                }
            }
        }
    }

    /// Takes the pages of a running sequence of a lower priority; false when there is none.
    fn give_way(&mut self, priority: i8) -> bool {
        let lower = |sequence: &Sequence| sequence.arrival.priority < priority;
        match self.last_running().filter(|index| lower(&self.running[*index])) {
            Some(index) => self.preempt(index),
            None => return false,
        }
        true
    }

    /// Of the lowest priority, the one that arrived last.
    fn last_running(&self) -> Option<usize> {
        let rank = |sequence: &Sequence| (-i16::from(sequence.arrival.priority), sequence.order);
        (0..self.running.len()).max_by_key(|index| rank(&self.running[*index]))
    }

    fn preempt(&mut self, index: usize) {
        let mut sequence = self.running.remove(index);
        sequence.give_up(&mut self.pages);
        sequence.preempted = true;
        self.counts.preemptions += 1;
        self.waiting.push(sequence);
    }

    fn plan_answers(&mut self, plan: &mut Vec<Planned>) {
        let ids: Vec<u64> = self.running.iter().filter(|s| s.left() == 1).map(|s| s.arrival.id).collect();
        for id in ids {
            while let Some(index) = self.running.iter().position(|sequence| sequence.arrival.id == id) {
                let sequence = &mut self.running[index];
                let mut drafts = sequence.drafts(self.config.step_tokens_max.get());
                if !drafts.is_empty()
                    && !sequence.reach(sequence.arrival.tokens.len() + drafts.len(), &mut self.pages)
                {
                    drafts.clear();
                }
                if sequence.reach(sequence.arrival.tokens.len(), &mut self.pages) {
                    plan.push(sequence.planned(1, drafts));
                    break;
                }
                // Somebody must give up pages, perhaps this sequence itself. Those in the plan keep theirs.
                let Some(last) = self.last_running() else { break };
                let chosen = self.running[last].arrival.id;
                plan.retain(|planned| planned.id != chosen);
                self.preempt(last);
            }
        }
    }

    fn plan_prompts(&mut self, plan: &mut Vec<Planned>) {
        let used: usize = plan.iter().map(|planned| planned.tokens.len()).sum();
        let mut left = self.config.step_tokens_max.get().saturating_sub(used);
        let mut being_read: Vec<(Node, Vec<u32>)> = Vec::new();
        for sequence in &mut self.running {
            if left == 0 {
                return;
            }
            if sequence.left() <= 1 && plan.iter().any(|planned| planned.id == sequence.arrival.id) {
                continue;
            }
            sequence.adopt(&mut self.pages, &mut self.counts);
            if sequence.next_page().is_some_and(|page| being_read.contains(&page)) {
                continue;
            }
            let count = sequence.left().min(left);
            if let Some(page) = sequence.next_page().filter(|_| count >= PAGE_TOKENS) {
                being_read.push(page);
            }
            left -= count;
            plan.push(sequence.planned(count, Vec::new()));
        }
    }
}

fn pages_for(positions: usize) -> usize {
    positions.div_ceil(PAGE_TOKENS)
}

impl Sequence {
    /// Known tokens that are not computed.
    fn left(&self) -> usize {
        self.arrival.tokens.len() - self.computed
    }

    /// What comes next, probably or certainly. The last dictated token is drawn and never read.
    fn drafts(&self, step_tokens_max: usize) -> Vec<u32> {
        let Arrival { tokens, draft_tokens_max, tokens_max, dictated, .. } = &self.arrival;
        match dictated.split_last() {
            Some((_, before)) => before[..before.len().min(step_tokens_max - 1)].to_vec(),
            // The answer's last token is drawn and never read.
            None => look_up(tokens, (*draft_tokens_max).min(tokens_max.saturating_sub(tokens.len() + 1))),
        }
    }

    fn planned(&self, count: usize, drafts: Vec<u32>) -> Planned {
        let mut tokens = self.arrival.tokens[self.computed..self.computed + count].to_vec();
        let guessed = drafts.len();
        tokens.extend(drafts);
        Planned {
            id: self.arrival.id,
            start: self.computed,
            pages: self.pages[..pages_for(self.computed + tokens.len())].to_vec(),
            tokens,
            drafts: guessed,
            complete: self.computed + count == self.arrival.tokens.len(),
        }
    }

    /// Gets pages up to `positions`; takes none when there are not enough.
    fn reach(&mut self, positions: usize, pages: &mut Pages) -> bool {
        let missing = pages_for(positions).saturating_sub(self.pages.len());
        if missing > pages.available() {
            return false;
        }
        self.pages.extend((0..missing).map_while(|_| pages.take()));
        true
    }

    /// Shares what is there of the prompt, and gets pages for the rest of it; keeps nothing when there are not enough.
    fn take_pages(&mut self, pages: &mut Pages, counts: &mut Counts) -> bool {
        let before = (*counts, self.shared);
        self.adopt(pages, counts);
        if self.reach(self.arrival.tokens.len(), pages) {
            return true;
        }
        (*counts, self.shared) = before;
        self.give_up(pages);
        false
    }

    /// The next page's tokens and what is before them, when it begins a page that is not the prompt's last.
    fn next_page(&self) -> Option<(Node, Vec<u32>)> {
        let whole = self.computed == self.registered * PAGE_TOKENS && self.left() > PAGE_TOKENS;
        let tokens = || self.arrival.tokens[self.computed..self.computed + PAGE_TOKENS].to_vec();
        whole.then(|| (self.node, tokens()))
    }

    /// Goes on by pages that others have computed. The last token is always left: its logits are wanted.
    fn adopt(&mut self, pages: &mut Pages, counts: &mut Counts) {
        while let Some((node, tokens)) = self.next_page() {
            let Some((page, found)) = pages.find(node, &tokens) else { return };
            pages.share(page);
            match self.pages.get_mut(self.registered) {
                Some(own) => pages.release(std::mem::replace(own, page)),
                None => self.pages.push(page),
            }
            (self.node, self.registered) = (found, self.registered + 1);
            self.computed += PAGE_TOKENS;
            counts.prompt_tokens_shared += PAGE_TOKENS as u64;
            if !self.preempted {
                self.shared += PAGE_TOKENS;
            }
        }
    }

    /// Lets others share the pages that are full.
    fn register(&mut self, pages: &mut Pages) {
        while (self.registered + 1) * PAGE_TOKENS <= self.computed {
            let from = self.registered * PAGE_TOKENS;
            let tokens = &self.arrival.tokens[from..from + PAGE_TOKENS];
            self.node = pages.register(self.pages[self.registered], self.node, tokens);
            self.registered += 1;
        }
    }

    fn give_up(&mut self, pages: &mut Pages) {
        // The last first, so that the cache forgets the ends of prompts before their beginnings.
        self.pages.drain(..).rev().for_each(|page| pages.release(page));
        (self.computed, self.registered, self.node) = (0, 0, Node::Root(self.arrival.salt));
    }
}

#[cfg(test)]
mod tests;
