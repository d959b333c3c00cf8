//! From logits to a token. Pure: the same logits, settings and seed give the same tokens.

mod logprobs;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::grammar::Mask;

pub use self::logprobs::{Logprobs, TOP_MAX};

/// How tokens are drawn. In this order: penalties and biases change logits, then top-k, temperature, min-p and top-p choose among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 takes the likeliest token always.
    pub temperature: f32,
    /// Keep the likeliest tokens whose probabilities reach this sum; 1 keeps all.
    pub top_p: f32,
    /// Keep so many of the likeliest tokens.
    pub top_k: Option<u32>,
    /// Makes the draw repeatable. Without it, every request draws its own.
    pub seed: Option<u64>,
    /// Keep tokens at least this likely, in parts of the likeliest's probability; 0 keeps all.
    pub min_p: f32,
    /// Subtracted from the logit of every token the answer has, -2 to 2.
    pub presence_penalty: f32,
    /// Subtracted from a token's logit for every time the answer has it, -2 to 2.
    pub frequency_penalty: f32,
    /// Divides positive logits and multiplies negative ones of tokens that prompt or answer have; 1 changes nothing.
    pub repetition_penalty: f32,
    /// Added to tokens' logits, -100 to 100.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Tell the log-probability of every token, and of so many of the likeliest.
    pub logprobs: Option<u32>,
}

/// Tokens whose logits may be biased.
pub const BIASES_MAX: usize = 1024;

impl Default for Sampling {
    fn default() -> Self {
        Self::greedy()
    }
}

impl Sampling {
    /// Always the likeliest token.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: None,
            seed: None,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            logit_bias: BTreeMap::new(),
            logprobs: None,
        }
    }

    /// Checks the numbers once, before a request is queued.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn validate(&self) -> Result<(), SamplingError> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(SamplingError::Temperature(self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(SamplingError::TopP(self.top_p));
        }
        if self.top_k == Some(0) {
            return Err(SamplingError::TopK);
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return Err(SamplingError::MinP(self.min_p));
        }
        for penalty in [self.presence_penalty, self.frequency_penalty] {
            if !(-2.0..=2.0).contains(&penalty) {
                return Err(SamplingError::Penalty(penalty));
            }
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty <= 10.0) {
            return Err(SamplingError::Repetition(self.repetition_penalty));
        }
        if self.logit_bias.len() > BIASES_MAX {
            return Err(SamplingError::Biases(self.logit_bias.len()));
        }
        if let Some(bias) = self.logit_bias.values().find(|bias| !(-100.0..=100.0).contains(*bias)) {
            return Err(SamplingError::Bias(*bias));
        }
        match self.logprobs {
            Some(top) if top > TOP_MAX => Err(SamplingError::Logprobs(top)),
            _ => Ok(()),
        }
    }

    fn changes_logits(&self) -> bool {
        self.presence_penalty != 0.0
            || self.frequency_penalty != 0.0
            || self.repetition_penalty != 1.0
            || !self.logit_bias.is_empty()
    }
}

/// Settings that mean nothing.
#[derive(Clone, Debug, PartialEq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
#[non_exhaustive]
pub enum SamplingError {
    #[error("temperature must be a number from 0 up, not {0}")]
    Temperature(f32),
    #[error("top_p must be above 0 and at most 1, not {0}")]
    TopP(f32),
    #[error("top_k must be at least 1")]
    TopK,
    #[error("min_p must be from 0 to 1, not {0}")]
    MinP(f32),
    #[error("a penalty must be from -2 to 2, not {0}")]
    Penalty(f32),
    #[error("repetition_penalty must be above 0 and at most 10, not {0}")]
    Repetition(f32),
    #[error("at most {BIASES_MAX} tokens may be biased, not {0}")]
    Biases(usize),
    #[error("a logit bias must be from -100 to 100, not {0}")]
    Bias(f32),
    #[error("at most {TOP_MAX} log-probabilities can be told per token, not {0}")]
    Logprobs(u32),
}

/// The model gave logits no token can be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the model gave no finite logit")]
pub struct NotFinite;

/// A token that was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The token.
    pub token: u32,
    /// If they were asked for: by the model's own logits, before any setting changed them.
    pub logprobs: Option<Logprobs>,
}

/// Draws the tokens of one request.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: SplitMix64,
    /// Tokens of prompt and answer, and how often the answer has each.
    seen: BTreeMap<u32, u32>,
    changed: Vec<f32>,
}

impl Sampler {
    /// `fallback_seed` is used when the settings have none.
    #[must_use]
    pub fn new(sampling: Sampling, fallback_seed: u64, prompt: &[u32]) -> Self {
        let rng = SplitMix64(sampling.seed.unwrap_or(fallback_seed));
        let mut seen = BTreeMap::new();
        if sampling.repetition_penalty != 1.0 {
            seen.extend(prompt.iter().map(|token| (*token, 0)));
        }
        Self { sampling, rng, seen, changed: Vec::new() }
    }

    /// The next token, none of `forbidden`.
    ///
    /// # Errors
    /// When no logit is finite.
    pub fn draw(&mut self, logits: &[f32], forbidden: &[u32]) -> Result<Drawn, NotFinite> {
        self.draw_allowed(logits, forbidden, None)
    }

    /// Whether nothing of the logits is needed but which is the greatest.
    pub(crate) fn takes_likeliest(&self) -> bool {
        let Sampling { temperature, top_k, logprobs, .. } = self.sampling;
        (temperature == 0.0 || top_k == Some(1)) && logprobs.is_none() && !self.sampling.changes_logits()
    }

    /// Takes a token as if it had been drawn, whatever the settings.
    pub(crate) fn take(&mut self, logits: &[f32], token: u32) -> Drawn {
        *self.seen.entry(token).or_insert(0) += 1;
        let logprobs = self.sampling.logprobs.map(|top| Logprobs::of(logits, token, top as usize));
        Drawn { token, logprobs }
    }

    /// The next token, none of `forbidden` and one that `mask` allows.
    pub(crate) fn draw_allowed(
        &mut self,
        logits: &[f32],
        forbidden: &[u32],
        mask: Option<&Mask>,
    ) -> Result<Drawn, NotFinite> {
        // A form that can only end is stronger than a wish for more tokens: otherwise nothing could be drawn.
        let ends = mask.is_some_and(|mask| !mask.allows_others_than(forbidden));
        let forbidden = if ends { &[] } else { forbidden };
        let token = if self.sampling.changes_logits() || !forbidden.is_empty() || mask.is_some() {
            let mut changed = std::mem::take(&mut self.changed);
            self.change(logits, forbidden, &mut changed);
            if let Some(mask) = mask {
                let forbidden = (0..).zip(&mut changed).filter(|(token, _)| !mask.allows(*token));
                forbidden.for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
            }
            let token = self.choose(&changed);
            self.changed = changed;
            token?
        } else {
            self.choose(logits)?
        };
        Ok(self.take(logits, token))
    }

    fn change(&self, logits: &[f32], forbidden: &[u32], changed: &mut Vec<f32>) {
        let Sampling { presence_penalty, frequency_penalty, repetition_penalty, logit_bias, .. } =
            &self.sampling;
        changed.clear();
        changed.extend_from_slice(logits);
        for (token, count) in &self.seen {
            let Some(logit) = changed.get_mut(*token as usize) else { continue };
            *logit = if *logit > 0.0 { *logit / repetition_penalty } else { *logit * repetition_penalty };
            if *count > 0 {
                *logit -= presence_penalty + frequency_penalty * *count as f32;
            }
        }
        for (token, bias) in logit_bias {
            if let Some(logit) = changed.get_mut(*token as usize) {
                *logit += bias;
            }
        }
        for token in forbidden {
            if let Some(logit) = changed.get_mut(*token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
    }

    fn choose(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let likeliest = argmax(logits).ok_or(NotFinite)?;
        if self.sampling.temperature == 0.0 || self.sampling.top_k == Some(1) {
            return Ok(likeliest);
        }
        let candidates = self.candidates(logits, logits[likeliest as usize]);
        Ok(pick(&candidates, self.rng.unit()).unwrap_or(likeliest))
    }

    /// Tokens that may be drawn with their weights, not normalised; the likeliest weighs 1.
    fn candidates(&self, logits: &[f32], max: f32) -> Vec<Candidate> {
        let Sampling { temperature, top_p, top_k, min_p, .. } = self.sampling;
        let mut candidates: Vec<Candidate> = (0_u32..)
            .zip(logits)
            .filter(|(_, logit)| logit.is_finite())
            .map(|(token, logit)| Candidate {
                token,
                weight: (f64::from(logit - max) / f64::from(temperature)).exp(),
            })
            .collect();
        if let Some(top_k) = top_k {
            keep_top_k(&mut candidates, top_k as usize);
        }
        if min_p > 0.0 {
            candidates.retain(|candidate| candidate.weight >= f64::from(min_p));
        }
        if top_p < 1.0 {
            keep_top_p(&mut candidates, f64::from(top_p));
        }
        candidates
    }
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    token: u32,
    weight: f64,
}

impl Candidate {
    /// Likeliest first; of equals the lower token first, so that the order never depends on the sort.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        other.weight.total_cmp(&self.weight).then(self.token.cmp(&other.token))
    }
}

fn keep_top_k(candidates: &mut Vec<Candidate>, top_k: usize) {
    if top_k < candidates.len() {
        candidates.select_nth_unstable_by(top_k, Candidate::order);
        candidates.truncate(top_k);
        candidates.sort_unstable_by_key(|candidate| candidate.token);
    }
}

fn keep_top_p(candidates: &mut Vec<Candidate>, top_p: f64) {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    // All tokens below this share together weigh less than 1 - top_p, so none of them can be needed: sorting a handful is enough.
    let floor = total * (1.0 - top_p) / candidates.len() as f64;
    candidates.retain(|candidate| candidate.weight >= floor);
    candidates.sort_unstable_by(Candidate::order);
    let mut sum = 0.0;
    let kept = candidates.iter().position(|candidate| {
        sum += candidate.weight;
        sum >= total * top_p
    });
    candidates.truncate(kept.map_or(candidates.len(), |last| last + 1));
}

/// The candidate at the share `unit` (0 to 1) of the total weight.
fn pick(candidates: &[Candidate], unit: f64) -> Option<u32> {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut left = unit * total;
    for candidate in candidates {
        left -= candidate.weight;
        if left < 0.0 {
            return Some(candidate.token);
        }
    }
    candidates.last().map(|candidate| candidate.token)
}

/// The likeliest token, the lowest of equals; `None` when no logit is finite.
#[must_use]
pub fn argmax(logits: &[f32]) -> Option<u32> {
    let mut best: Option<(u32, f32)> = None;
    for (token, &logit) in (0_u32..).zip(logits) {
        if logit.is_finite() && best.is_none_or(|(_, max)| logit > max) {
            best = Some((token, logit));
        }
    }
    best.map(|(token, _)| token)
}

/// Steele, Lea and Flood's generator: eight bytes of state are plenty for one request's draws, and its output never changes under us
/// with a library's version.
#[derive(Clone, Debug)]
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, not including, 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;
