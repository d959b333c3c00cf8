//! What was signed since the start, counted for the operator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::receipt::FinishReason;
use protocol::ticket::{Kind, ModelId};
use serde::{Deserialize, Serialize};

use super::Draft;

/// Calls of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCounts {
    /// Receipts whose answer ended as it should.
    pub finished: u64,
    /// Receipts whose answer was cut short.
    pub cut: u64,
    /// Receipts for bounties.
    pub bounties: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Tokens generated.
    pub completion_tokens: u64,
    /// Time to the first tokens together, in milliseconds.
    pub first_token_ms: u64,
}

/// Calls by model. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<ModelId, ModelCounts>>>);

/// What a draft counts for, kept while the draft itself is away to be stored.
pub(super) struct Counted {
    model: ModelId,
    counts: ModelCounts,
}

impl Counts {
    /// All of them as they are now.
    pub fn all(&self) -> BTreeMap<ModelId, ModelCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, counted: Counted) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (to, add) = (all.entry(counted.model).or_default(), counted.counts);
        to.finished += add.finished;
        to.cut += add.cut;
        to.bounties += add.bounties;
        to.prompt_tokens += add.prompt_tokens;
        to.completion_tokens += add.completion_tokens;
        to.first_token_ms += add.first_token_ms;
    }
}

impl Counted {
    pub fn of(draft: &Draft) -> Self {
        let finished = matches!(draft.finish_reason, FinishReason::Stop | FinishReason::Length);
        let counts = ModelCounts {
            finished: finished.into(),
            cut: (!finished).into(),
            bounties: (draft.ticket.kind == Kind::BountyClaim).into(),
            prompt_tokens: draft.prompt_tokens.into(),
            completion_tokens: draft.completion_tokens.into(),
            first_token_ms: draft.first_token_ms.into(),
        };
        Self { model: draft.ticket.model.clone(), counts }
    }
}
