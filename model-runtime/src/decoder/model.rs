//! What an executor does for the engine.
//!
//! Keys and values live in pages of [`PAGE_TOKENS`] positions. The executor allocates a number of pages when it is built and then only
//! reads block tables; who may use which page is the scheduler's business. A page may be read by several sequences at once (a shared
//! beginning of their prompts), but is written only while it belongs to one.

use thiserror::Error;

/// Positions of one page of the cache.
pub const PAGE_TOKENS: usize = 32;

/// One forward pass over several sequences.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The sequences, each with at least one new token.
    pub parts: &'a [Part<'a>],
    /// Whether [`Rows::hidden`] is wanted.
    pub hidden: bool,
}

/// The new tokens of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// At least one, all below the vocabulary's size.
    pub tokens: &'a [u32],
    /// Position of the first of them. Keys and values of every position before it are in the pages already.
    pub start: usize,
    /// Block table: position `p` lies in page `pages[p / PAGE_TOKENS]` at `p % PAGE_TOKENS`. Covers `start + tokens.len()` positions.
    pub pages: &'a [u32],
    /// Logits are wanted after the tokens from this index on; `tokens.len()` wants none.
    pub rows_from: usize,
    /// Nothing of those logits is wanted but the likeliest token that is none of these. An executor that computes far from the processor
    /// may then answer with that alone.
    pub likeliest: Option<&'a [u32]>,
}

/// Where a row's logits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among [`Rows::logits`], the row of this index.
    Logits(usize),
    /// Nowhere: this is the likeliest token, the lowest of equals; `None` where no logit is finite.
    Likeliest(Option<u32>),
}

/// What a pass gave, one row per token asked for, in the order of the parts and of their tokens.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Logits in a row.
    pub vocabulary: usize,
    /// [rows, vocabulary], of those rows that [`Rows::places`] has logits for.
    pub logits: &'a [f32],
    /// Numbers in a hidden row; 0 if they were not asked for.
    pub hidden_width: usize,
    /// [rows, hidden]: the normed state the logits were computed from; empty if it was not asked for.
    pub hidden: &'a [f32],
    /// One per row; empty where all rows have their logits in their order.
    pub places: &'a [Place],
}

impl<'a> Rows<'a> {
    /// Where the logits of row `index` are.
    #[must_use]
    pub fn place(&self, index: usize) -> Place {
        self.places.get(index).copied().unwrap_or(Place::Logits(index))
    }

    /// Logits of row `index`; empty where only its likeliest token is known.
    #[must_use]
    pub fn logits(&self, index: usize) -> &'a [f32] {
        let Place::Logits(index) = self.place(index) else { return &[] };
        &self.logits[index * self.vocabulary..(index + 1) * self.vocabulary]
    }

    /// Hidden state of row `index`; empty if it was not asked for.
    #[must_use]
    pub fn hidden(&self, index: usize) -> &'a [f32] {
        &self.hidden[index * self.hidden_width..(index + 1) * self.hidden_width]
    }
}

/// A model on some processor. One thread drives it.
pub trait Model: Send + 'static {
    /// One forward pass. Keys and values of the new tokens go to their sequences' pages.
    ///
    /// What a sequence gets must not depend on which others are in the step, nor on how its tokens were divided into steps.
    ///
    /// # Errors
    /// When the step does not fit the model, or the device failed. The pages of the step's sequences are then undefined.
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError>;

    /// [`Rows::hidden`] of the last pass for keeps, in a buffer that may be the empty one given, for which nothing need be allocated then.
    fn take_hidden(&mut self, emptied: Vec<f32>) -> Vec<f32>;
}

impl Model for Box<dyn Model> {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        (**self).forward(step)
    }

    fn take_hidden(&mut self, emptied: Vec<f32>) -> Vec<f32> {
        (**self).take_hidden(emptied)
    }
}

/// A pass that failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// A token the model does not have.
    #[error("token {token} does not exist, the vocabulary has {vocabulary}")]
    UnknownToken {
        /// The token.
        token: u32,
        /// Number of tokens.
        vocabulary: usize,
    },
    /// A block table that does not cover its sequence, or names a page that does not exist.
    #[error("the block table of a sequence of {positions} positions does not cover it")]
    Pages {
        /// Positions of the sequence after this step.
        positions: usize,
    },
    /// A sequence longer than the model's context.
    #[error("a sequence of {positions} positions does not fit a context of {context_max}")]
    Context {
        /// Positions of the sequence after this step.
        positions: usize,
        /// Positions a sequence may have.
        context_max: usize,
    },
    /// The device failed; the text is its own.
    #[error("the device failed: {0}")]
    Device(String),
}
