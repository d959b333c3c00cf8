//! The models that this subnet pays for, and what a token of each is worth.

use std::collections::BTreeMap;

use parity_scale_codec::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ticket::{ModelId, Ticket};

/// How many models a catalogue may have.
pub const MODELS_MAX: usize = 65_536;

/// How much accelerator memory one model may take: 1 PiB. With [`MODELS_MAX`] this keeps every sum of scoring
/// exact.
pub const MEMORY_BYTES_MAX: u64 = 1 << 50;

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
pub struct Model {
    /// Its name in requests.
    pub id: ModelId,
    /// SHA-256 of its weights.
    pub weights_digest: Digest,
    /// Thousandths of a compute unit for each prompt token.
    pub prompt_multiplier: u32,
    /// Thousandths of a compute unit for each generated token.
    pub completion_multiplier: u32,
    /// Accelerator memory that it holds while it is ready.
    pub memory_bytes: u64,
}

/// All models, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogue {
    models: BTreeMap<ModelId, Model>,
}

/// Why a list of models is no catalogue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Two models with one name.
    #[error("model {0} is listed twice")]
    Twice(ModelId),
    /// Memory out of range.
    #[error("model {0} takes no memory, or more than {MEMORY_BYTES_MAX} bytes")]
    Memory(ModelId),
    /// Too many.
    #[error("a catalogue has at most {MODELS_MAX} models")]
    TooMany,
}

impl Catalogue {
    /// A catalogue of these models.
    pub fn new(models: impl IntoIterator<Item = Model>) -> Result<Self, CatalogueError> {
        let mut by_id = BTreeMap::new();
        for model in models {
            if by_id.len() >= MODELS_MAX {
                return Err(CatalogueError::TooMany);
            }
            if model.memory_bytes == 0 || model.memory_bytes > MEMORY_BYTES_MAX {
                return Err(CatalogueError::Memory(model.id));
            }
            let id = model.id.clone();
            if by_id.insert(id.clone(), model).is_some() {
                return Err(CatalogueError::Twice(id));
            }
        }
        Ok(Self { models: by_id })
    }

    /// The model of this name.
    pub fn get(&self, id: &ModelId) -> Option<&Model> {
        self.models.get(id)
    }

    /// All models in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// The model that a ticket orders: the name and the weights must both be the catalogue's.
    pub fn ordered_by(&self, ticket: &Ticket) -> Option<&Model> {
        self.get(&ticket.model).filter(|model| model.weights_digest == ticket.weights_digest)
    }
}

impl Model {
    /// What a call of so many tokens is worth, in thousandths of a compute unit: each token times its
    /// multiplier.
    #[must_use]
    pub fn compute_units(&self, prompt_tokens: u32, completion_tokens: u32) -> u128 {
        // Two products of 32-bit numbers, so neither these nor their sum can overflow 128 bits.
        let prompt = u128::from(prompt_tokens).saturating_mul(self.prompt_multiplier.into());
        let completion = u128::from(completion_tokens).saturating_mul(self.completion_multiplier.into());
        prompt.saturating_add(completion)
    }
}
