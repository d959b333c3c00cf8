//! Which miner gets the next call.
//!
//! What a miner would cost a call is how long it lately took to its first token, times the tokens that are already open with it
//! for each of its slots (linkerd's "peak EWMA", counted in tokens): a slow miner and a busy one are the same to who waits.
//! Ordinarily the cheaper of two miners drawn at random is asked. Always asking the cheapest one makes every caller with the
//! same slightly old view run to the same miner; two random choices spread the load almost as evenly and never herd. A user who
//! asks for latency or throughput gets the best of all. Pure: the caller supplies the random draw.

use protocol::account::AccountId;

/// Tokens that an idle slot counts for, so that speed matters among idle miners too.
const TOKENS_IDLE: u64 = 64;
/// Added to every time to the first token: differences below this are noise.
const FIRST_TOKEN_FLOOR_MS: u64 = 20;

/// A miner that could take the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its hotkey.
    pub hotkey: AccountId,
    /// Tokens of the calls that this validator has open with it: prompts and the answers they may have.
    pub tokens_in_flight: u64,
    /// Calls it says it can run at once for this model; 0 counts as 1.
    pub slots: u16,
    /// Its recent time to the first token, if one was seen.
    pub first_token_ms: Option<u32>,
    /// Its recent speed in one stream, if one was seen.
    pub tokens_per_s: Option<u32>,
}

/// What the user wants most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Goal {
    /// An even load; miners with the prompt's beginning in their cache first.
    #[default]
    Balance,
    /// The first token soon.
    Latency,
    /// Many tokens per second.
    Throughput,
}

/// Index of the candidate to ask, or `None` when there is nobody. `draw` is any uniformly random number; the same candidates
/// and the same draw give the same answer.
#[must_use]
pub fn pick(candidates: &[Candidate], goal: Goal, draw: u64) -> Option<usize> {
    let best = Best::of(candidates);
    match goal {
        Goal::Balance => cheaper_of_two(candidates, draw, |candidate| best.wait(candidate)),
        Goal::Latency => cheapest(candidates, draw, |candidate| best.wait(candidate)),
        Goal::Throughput => cheapest(candidates, draw, |candidate| best.pace(candidate)),
    }
}

/// Tokens that an average call would find open for each slot; comparable between miners of different size.
#[must_use]
pub fn occupancy(candidate: &Candidate) -> u64 {
    candidate.tokens_in_flight / u64::from(candidate.slots.max(1))
}

/// The best figures of all candidates: a miner of which nothing is known is believed to be as good, and so is tried.
struct Best {
    first_token_ms: u32,
    tokens_per_s: u32,
}

impl Best {
    fn of(candidates: &[Candidate]) -> Self {
        let first_token_ms = candidates.iter().filter_map(|candidate| candidate.first_token_ms).min();
        let tokens_per_s = candidates.iter().filter_map(|candidate| candidate.tokens_per_s).max();
        Self { first_token_ms: first_token_ms.unwrap_or(0), tokens_per_s: tokens_per_s.unwrap_or(1) }
    }

    /// How long the first token may take, in milliseconds times tokens.
    fn wait(&self, candidate: &Candidate) -> u128 {
        let first_token_ms = candidate.first_token_ms.unwrap_or(self.first_token_ms);
        let first_token_ms = u64::from(first_token_ms).saturating_add(FIRST_TOKEN_FLOOR_MS);
        u128::from(first_token_ms) * u128::from(per_slot(candidate))
    }

    /// How long a token may take, in units of its own.
    fn pace(&self, candidate: &Candidate) -> u128 {
        let tokens_per_s = candidate.tokens_per_s.unwrap_or(self.tokens_per_s).max(1);
        (u128::from(per_slot(candidate)) << 32) / u128::from(tokens_per_s)
    }
}

/// Open tokens for each slot, in 256ths, idle ones included.
fn per_slot(candidate: &Candidate) -> u64 {
    let slots = u64::from(candidate.slots.max(1));
    let open = candidate.tokens_in_flight.saturating_mul(256) / slots;
    open.saturating_add(TOKENS_IDLE * 256)
}

fn cheaper_of_two(candidates: &[Candidate], draw: u64, cost: impl Fn(&Candidate) -> u128) -> Option<usize> {
    let count = u64::try_from(candidates.len()).ok()?;
    let first = draw.checked_rem(count)?;
    if count == 1 {
        return Some(0);
    }
    // The second is drawn among the others, from the part of the draw that the first did not use.
    let step = (draw / count) % (count - 1) + 1;
    let second = (first + step) % count;
    let (first, second) = (usize::try_from(first).ok()?, usize::try_from(second).ok()?);
    let cheaper = cost(candidates.get(second)?) < cost(candidates.get(first)?);
    Some(if cheaper { second } else { first })
}

/// The cheapest of all; among equals any, by the draw.
fn cheapest(candidates: &[Candidate], draw: u64, cost: impl Fn(&Candidate) -> u128) -> Option<usize> {
    let start = usize::try_from(draw % u64::try_from(candidates.len()).ok()?.max(1)).ok()?;
    let turned = (0..candidates.len()).map(|offset| (start + offset) % candidates.len());
    turned.min_by_key(|index| candidates.get(*index).map_or(u128::MAX, &cost))
}

#[cfg(test)]
mod tests;
