//! From tokens to shown text: whole characters, stop strings, the limit. Pure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::ingress::FinishReason;
use crate::stop::{Scan, StopScanner};
use crate::tokenizer::{Utf8Assembler, Vocabulary};

/// An answer as it grows.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    vocabulary: Arc<Vocabulary>,
    assembler: Utf8Assembler,
    stop: StopScanner,
    tokens: u32,
    limits: AnswerLimits,
    /// Tokens that end it: the model's own and the request's.
    ends: Vec<u32>,
}

/// When an answer ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerLimits {
    /// Tokens it may have.
    pub(crate) tokens_max: u32,
    /// Tokens it must have before a token or a stop string may end it.
    pub(crate) tokens_min: u32,
    /// The model's own end tokens end nothing.
    pub(crate) ignore_end: bool,
    /// More tokens that end it.
    pub(crate) stop_tokens: Vec<u32>,
    /// Tokens that show nothing are shown as they are written, but for the one that ends it.
    pub(crate) shows_special: bool,
    /// Set from outside when it has had its time: its next token is its last.
    pub(crate) enough: Arc<AtomicBool>,
}

/// What one token did to an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Text that became certain.
    pub(crate) text: String,
    /// Set when the answer is complete.
    pub(crate) end: Option<FinishReason>,
}

impl Answer {
    pub(crate) fn new(vocabulary: Arc<Vocabulary>, stop: StopScanner, limits: AnswerLimits) -> Self {
        let own = vocabulary.end_tokens().iter().filter(|_| !limits.ignore_end);
        let ends = own.chain(&limits.stop_tokens).copied().collect();
        Self { vocabulary, assembler: Utf8Assembler::default(), stop, tokens: 0, limits, ends }
    }

    /// Tokens that may not come next.
    pub(crate) fn forbidden(&self) -> &[u32] {
        if self.tokens < self.limits.tokens_min { &self.ends } else { &[] }
    }

    /// Tokens it may have.
    pub(crate) fn tokens_max(&self) -> u32 {
        self.limits.tokens_max
    }

    /// Tokens so far.
    pub(crate) fn tokens(&self) -> u32 {
        self.tokens
    }

    pub(crate) fn push(&mut self, token: u32) -> Step {
        self.tokens += 1;
        if self.ends.contains(&token) {
            return self.close(String::new(), FinishReason::Stop);
        }
        let shown = if self.limits.shows_special {
            self.vocabulary.written(token)
        } else {
            self.vocabulary.bytes(token)
        };
        let text = self.assembler.push(shown);
        // As vLLM has it, stop strings are looked for in what comes after the tokens that there must be.
        let scan = if self.tokens <= self.limits.tokens_min { Scan::Go(text) } else { self.stop.push(&text) };
        match scan {
            Scan::Stop(text) => Step { text, end: Some(FinishReason::Stop) },
            Scan::Go(text) if self.is_enough() => self.close(text, FinishReason::Length),
            Scan::Go(text) => Step { text, end: None },
        }
    }

    fn is_enough(&self) -> bool {
        self.tokens >= self.limits.tokens_max || self.limits.enough.load(Ordering::Relaxed)
    }

    /// Shows what was held back: nothing more will decide it.
    fn close(&mut self, mut text: String, reason: FinishReason) -> Step {
        let rest = self.assembler.finish();
        match self.stop.push(&rest) {
            Scan::Stop(last) => Step { text: text + &last, end: Some(FinishReason::Stop) },
            Scan::Go(last) => {
                text += &last;
                text += &self.stop.finish();
                Step { text, end: Some(reason) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
