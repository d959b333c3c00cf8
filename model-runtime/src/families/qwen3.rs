//! Qwen 3 (dense): a Qwen 2 without biases whose queries and keys are normed head by head, and whose head width is its own number.

use serde_json::Value;

use super::keys::Keys;
use super::{FamilyError, Qwen2};
use crate::decoder::DecoderSpec;

/// Configuration of a Qwen 3.
#[derive(Clone, Debug, PartialEq)]
pub struct Qwen3 {
    /// The numbers are those of a Qwen 2.
    pub base: Qwen2,
}

impl Qwen3 {
    /// # Errors
    /// When a key is missing or makes no sense.
    pub fn from_gguf(keys: &Keys<'_>) -> Result<Self, FamilyError> {
        Ok(Self { base: Qwen2::from_gguf(keys)? })
    }

    /// # Errors
    /// When a field is missing or makes no sense.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        Ok(Self { base: Qwen2::from_json(config)? })
    }

    /// What an executor has to compute.
    #[must_use]
    pub fn spec(&self) -> DecoderSpec {
        self.base.spec()
    }
}
