//! Probabilities of tokens, as chat answers tell them.

use serde::{Deserialize, Serialize};

/// What stands for a probability of zero, since JSON has no infinity.
pub const LOGPROB_MIN: f32 = -9999.0;

/// A token with its probability and those of the likeliest in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprobs {
    /// The token's text; bytes that are no text are replaced.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// The token's bytes.
    pub bytes: Option<Vec<u8>>,
    /// The likeliest tokens in its place, likeliest first.
    pub top_logprobs: Vec<TokenLogprob>,
}

/// A token with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// The token's text; bytes that are no text are replaced.
    pub token: String,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// The token's bytes.
    pub bytes: Option<Vec<u8>>,
}

impl TokenLogprob {
    /// A token by its bytes.
    pub fn new(bytes: &[u8], logprob: f32) -> Self {
        let token = String::from_utf8_lossy(bytes).into_owned();
        Self { token, logprob: logprob.max(LOGPROB_MIN), bytes: Some(bytes.to_vec()) }
    }
}

impl TokenLogprobs {
    /// A token with the likeliest in its place.
    pub fn new(drawn: TokenLogprob, top_logprobs: Vec<TokenLogprob>) -> Self {
        let TokenLogprob { token, logprob, bytes } = drawn;
        Self { token, logprob, bytes, top_logprobs }
    }
}
