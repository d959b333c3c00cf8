//! Who gets the next free slot: a bounded waiting room, emptied fairly. Pure: the time is an argument.
//!
//! Callers share the slots by weight (their stake) while they compete, counted in the time that their answers hold a slot,
//! not in answers; what one does not use, others take, and nobody saves up. This is start-time fair queueing: each caller
//! has a virtual time that advances by its holding time divided by its weight, and the one that is furthest behind is next.
//! Among one caller's requests, and before any weight, paid work goes before probes and these before warm-ups.
//!
//! When the room is full, whoever takes the most of it for its weight gives way, and so does less urgent work to more urgent.

use std::collections::{BTreeMap, VecDeque};

use protocol::account::AccountId;
use protocol::ticket::Kind;

/// Virtual time of one millisecond at weight one.
const MS: i128 = 1 << 60;

/// A refused caller is never told to wait longer than this, in milliseconds: by then everything may be different.
const RETRY_MS_MAX: u64 = 30_000;

/// What an answer is taken to hold its slot for before any has ended, in milliseconds.
const HOLD_MS_FIRST: u64 = 2_000;

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// A user waits for it and it pays.
    Paid,
    /// An open check by the validator.
    Probe,
    /// The first call of a model that was cold: its user was told to wait.
    WarmUp,
}

/// How much there is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Answers in the making at once.
    pub running_max: u64,
    /// The same for one caller.
    pub running_per_caller_max: u64,
    /// Requests that may wait.
    pub waiting_max: u64,
}

/// Somebody who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub caller: AccountId,
    /// Its share against that of others; 0 counts as 1.
    pub weight: u64,
    pub priority: Priority,
}

/// What asking came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<T> {
    /// A slot is the caller's.
    Granted,
    /// It waits under this number. Somebody else may have lost their place to it.
    Waits { number: u64, displaced: Option<T> },
    /// No slot and no place.
    Refused { retry_after_ms: u64 },
}

#[derive(Debug)]
struct Waiting<T> {
    number: u64,
    handle: T,
}

#[derive(Debug, Default)]
struct Caller<T> {
    weight: i128,
    running: u64,
    /// By priority.
    waiting: BTreeMap<Priority, VecDeque<Waiting<T>>>,
    /// Its virtual time.
    time: i128,
    /// When the last refused request was told to come back.
    promised_ms: u64,
}

/// Slots and those who wait for them. `T` is what wakes a waiting request.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    room: Room,
    callers: BTreeMap<AccountId, Caller<T>>,
    running: u64,
    waiting: u64,
    /// The virtual time of the last grant: nobody who comes anew starts behind it.
    time: i128,
    /// Average time that an answer holds its slot, in milliseconds.
    hold_ms: u64,
    next_number: u64,
}

impl From<Kind> for Priority {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Chat | Kind::Completion | Kind::Embedding | Kind::Tokenize => Self::Paid,
            Kind::Probe => Self::Probe,
            Kind::BountyClaim => Self::WarmUp,
        }
    }
}

impl<T> Caller<T> {
    fn new(time: i128) -> Self {
        Self { weight: 1, running: 0, waiting: BTreeMap::new(), time, promised_ms: 0 }
    }

    fn waits(&self) -> u64 {
        self.waiting.values().map(|queue| queue.len() as u64).sum()
    }

    fn most_urgent(&self) -> Option<Priority> {
        self.waiting.iter().find(|(_, queue)| !queue.is_empty()).map(|(priority, _)| *priority)
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.waits() == 0
    }
}

impl<T> FairQueue<T> {
    pub(super) fn new(room: Room) -> Self {
        Self {
            room,
            callers: BTreeMap::new(),
            running: 0,
            waiting: 0,
            time: 0,
            hold_ms: HOLD_MS_FIRST,
            next_number: 0,
        }
    }

    /// Other limits from now on. Nobody who has a slot or a place loses it.
    pub(super) fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Answers in the making, and requests that wait.
    #[cfg(test)]
    pub(super) fn load(&self) -> (u64, u64) {
        (self.running, self.waiting)
    }

    /// Asks for a slot. `handle` is kept only if the answer is [`Asked::Waits`].
    pub(super) fn ask(&mut self, asker: Asker, handle: T, now_ms: u64) -> Asked<T> {
        let Asker { caller, weight, priority } = asker;
        let time = self.time;
        let entry = self.callers.entry(caller).or_insert_with(|| Caller::new(time));
        entry.weight = i128::from(weight.max(1));
        if entry.is_idle() {
            entry.time = entry.time.max(time);
        }
        // Whoever waits cannot be served now: they have their share, or there is no slot.
        let may_run = entry.running < self.room.running_per_caller_max && entry.waits() == 0;
        if may_run && self.running < self.room.running_max {
            self.grant(caller);
            return Asked::Granted;
        }
        let displaced = if self.waiting < self.room.waiting_max {
            None
        } else {
            match self.displace(&asker) {
                Some(displaced) => Some(displaced),
                None => return Asked::Refused { retry_after_ms: self.retry_after_ms(caller, now_ms) },
            }
        };
        self.next_number += 1;
        let number = self.next_number;
        let time = self.time;
        let entry = self.callers.entry(caller).or_insert_with(|| Caller::new(time));
        entry.waiting.entry(priority).or_default().push_back(Waiting { number, handle });
        self.waiting += 1;
        Asked::Waits { number, displaced }
    }

    /// Gives a slot back that was held for `held_ms`. Returns who gets the slots that are free now, already counted as theirs.
    pub(super) fn release(&mut self, caller: AccountId, held_ms: u64, now_ms: u64) -> Vec<(AccountId, T)> {
        let charged_ms = self.hold_ms;
        self.hold_ms = (self.hold_ms * 7 + held_ms).div_ceil(8).max(1);
        self.running = self.running.saturating_sub(1);
        if let Some(entry) = self.callers.get_mut(&caller) {
            entry.running = entry.running.saturating_sub(1);
            // The grant took the average; this makes it what the answer really held.
            entry.time += (i128::from(held_ms) - i128::from(charged_ms)) * MS / entry.weight;
        }
        if self.running == 0 && self.waiting == 0 {
            // Nobody competes: whoever comes next begins anew, and nobody is in debt.
            self.time = self.callers.values().map(|entry| entry.time).max().unwrap_or(0).max(self.time);
        }
        self.forget_idle(now_ms);
        let mut granted = Vec::new();
        while self.running < self.room.running_max {
            let Some((caller, priority)) = self.next() else { break };
            let entry = self.callers.get_mut(&caller);
            let Some(first) = entry.and_then(|entry| entry.waiting.get_mut(&priority)?.pop_front()) else {
                break;
            };
            self.waiting = self.waiting.saturating_sub(1);
            self.grant(caller);
            granted.push((caller, first.handle));
        }
        granted
    }

    /// Gives a place up. `false` if there is none of this number: it was granted or displaced.
    pub(super) fn leave(&mut self, caller: AccountId, number: u64) -> bool {
        let Some(entry) = self.callers.get_mut(&caller) else { return false };
        for queue in entry.waiting.values_mut() {
            if let Some(at) = queue.iter().position(|waiting| waiting.number == number) {
                queue.remove(at);
                self.waiting = self.waiting.saturating_sub(1);
                return true;
            }
        }
        false
    }

    /// When a refused request should come back: when what waits now will have been served at the rate at which slots come
    /// free, and after those of the same caller that were refused before it, spaced by the caller's share of that rate.
    pub(super) fn retry_after_ms(&mut self, caller: AccountId, now_ms: u64) -> u64 {
        let slots = self.room.running_max.max(1);
        let ahead_ms = self.hold_ms.saturating_mul(self.waiting + 1).div_ceil(slots);
        let total: i128 =
            self.callers.values().filter(|entry| !entry.is_idle()).map(|entry| entry.weight).sum();
        let Some(entry) = self.callers.get_mut(&caller) else { return ahead_ms.clamp(1, RETRY_MS_MAX) };
        let total = if entry.is_idle() { total + entry.weight } else { total };
        let spaced = i128::from(self.hold_ms) * total / (i128::from(slots) * entry.weight);
        let spaced_ms = u64::try_from(spaced).unwrap_or(RETRY_MS_MAX).max(1);
        let at_ms = (now_ms + ahead_ms).max(entry.promised_ms.saturating_add(spaced_ms));
        entry.promised_ms = at_ms.min(now_ms + RETRY_MS_MAX);
        (entry.promised_ms - now_ms).max(1)
    }

    fn grant(&mut self, caller: AccountId) {
        let hold_ms = i128::from(self.hold_ms);
        if let Some(entry) = self.callers.get_mut(&caller) {
            self.time = self.time.max(entry.time);
            entry.time += hold_ms * MS / entry.weight;
            entry.running += 1;
            self.running += 1;
        }
    }

    /// The most urgent work of whoever is furthest behind, among those who may have another slot.
    fn next(&self) -> Option<(AccountId, Priority)> {
        let may = self.callers.iter().filter(|(_, entry)| entry.running < self.room.running_per_caller_max);
        may.filter_map(|(caller, entry)| Some((entry.most_urgent()?, entry.time, *caller)))
            .min()
            .map(|(priority, _, caller)| (caller, priority))
    }

    /// Takes the place of whoever should give way to `asker`, if somebody should.
    fn displace(&mut self, asker: &Asker) -> Option<T> {
        let least = self.callers.values().flat_map(|entry| {
            entry.waiting.iter().filter(|(_, queue)| !queue.is_empty()).map(|(priority, _)| *priority)
        });
        let least = least.max().filter(|least| *least >= asker.priority)?;
        // Whose requests of that priority take the most room for their weight.
        let places = |entry: &Caller<T>| entry.waiting.get(&least).map_or(0, VecDeque::len) as i128;
        let (victim, entry) = self
            .callers
            .iter()
            .filter(|(_, entry)| places(entry) > 0)
            .max_by(|(_, a), (_, b)| (places(a) * b.weight).cmp(&(places(b) * a.weight)))?;
        let gives_way = least > asker.priority || {
            let weight = i128::from(asker.weight.max(1));
            let own = self.callers.get(&asker.caller).map_or(0, places) + 1;
            *victim != asker.caller && places(entry) * weight > own * entry.weight
        };
        let victim = gives_way.then_some(*victim)?;
        let displaced = self.callers.get_mut(&victim)?.waiting.get_mut(&least)?.pop_back()?;
        self.waiting = self.waiting.saturating_sub(1);
        Some(displaced.handle)
    }

    /// A caller that is not behind anybody, has nothing here and was told nothing is as good as unknown.
    fn forget_idle(&mut self, now_ms: u64) {
        let time = self.time;
        self.callers.retain(|_, entry| !entry.is_idle() || entry.time > time || entry.promised_ms > now_ms);
    }
}

#[cfg(test)]
mod tests;
