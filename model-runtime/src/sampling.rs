//! From logits to a token. Pure: the same logits, settings and seed give the same tokens.

use thiserror::Error;

/// How tokens are drawn. Filters apply in the order top-k, temperature, top-p.
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
}

impl Sampling {
    /// Always the likeliest token.
    #[must_use]
    pub fn greedy() -> Self {
        Self { temperature: 0.0, top_p: 1.0, top_k: None, seed: None }
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
        Ok(())
    }
}

/// Settings that mean nothing.
#[derive(Clone, Debug, PartialEq, Error)]
#[expect(missing_docs, reason = "the texts say it")]
pub enum SamplingError {
    #[error("temperature must be a number from 0 up, not {0}")]
    Temperature(f32),
    #[error("top_p must be above 0 and at most 1, not {0}")]
    TopP(f32),
    #[error("top_k must be at least 1")]
    TopK,
}

/// The model gave logits no token can be drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the model gave no finite logit")]
pub struct NotFinite;

/// Draws the tokens of one request.
#[derive(Clone, Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: SplitMix64,
}

impl Sampler {
    /// `fallback_seed` is used when the settings have none.
    #[must_use]
    pub fn new(sampling: Sampling, fallback_seed: u64) -> Self {
        let rng = SplitMix64(sampling.seed.unwrap_or(fallback_seed));
        Self { sampling, rng }
    }

    /// The next token.
    ///
    /// # Errors
    /// When no logit is finite.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32, NotFinite> {
        let likeliest = argmax(logits).ok_or(NotFinite)?;
        if self.sampling.temperature == 0.0 || self.sampling.top_k == Some(1) {
            return Ok(likeliest);
        }
        let candidates = self.candidates(logits, logits[likeliest as usize]);
        Ok(draw(&candidates, self.rng.unit()).unwrap_or(likeliest))
    }

    /// Tokens that may be drawn with their weights, not normalised.
    fn candidates(&self, logits: &[f32], max: f32) -> Vec<Candidate> {
        let Sampling { temperature, top_p, top_k, .. } = self.sampling;
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
fn draw(candidates: &[Candidate], unit: f64) -> Option<u32> {
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
