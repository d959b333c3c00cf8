/// Likeliest tokens that can be told beside the one that was drawn.
pub const TOP_MAX: u32 = 20;

/// Natural logarithms of probabilities, over the model's whole vocabulary.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Logprobs {
    /// Of the token that was drawn.
    pub drawn: f32,
    /// Of the likeliest tokens, likeliest first; of equals the lower token first.
    pub top: Vec<(u32, f32)>,
}

impl Logprobs {
    pub(super) fn of(logits: &[f32], token: u32, top: usize) -> Self {
        let max = logits.iter().copied().filter(|logit| logit.is_finite()).fold(f32::NEG_INFINITY, f32::max);
        let weigh = |logit: &f32| if logit.is_finite() { f64::from(logit - max).exp() } else { 0.0 };
        let total: f64 = logits.iter().map(weigh).sum();
        let logprob = |logit: f32| (f64::from(logit - max) - total.ln()) as f32;
        let mut likeliest: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
        likeliest.retain(|(_, logit)| logit.is_finite());
        let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if top < likeliest.len() {
            likeliest.select_nth_unstable_by(top, order);
            likeliest.truncate(top);
        }
        likeliest.sort_unstable_by(order);
        let top = likeliest.into_iter().map(|(token, logit)| (token, logprob(logit))).collect();
        Self { drawn: logits.get(token as usize).map_or(f32::NEG_INFINITY, |logit| logprob(*logit)), top }
    }
}
