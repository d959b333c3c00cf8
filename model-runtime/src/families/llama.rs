//! Llama 1 to 3.2 and what is built like them, SmolLM2 for one.

use serde::Deserialize;
use serde_json::Value;

use super::json::{Rope, RopeJson, SizesJson};
use super::keys::Keys;
use super::{FamilyError, Sizes};
use crate::decoder::{DecoderSpec, LayerSpec, RopePairing, RopeSpec};

/// Configuration of a Llama.
#[derive(Clone, Debug, PartialEq)]
pub struct Llama {
    /// Sizes.
    pub sizes: Sizes,
    /// Rotary positions.
    pub rope: Rope,
    /// GGUF files have the rows of queries and keys in another order than Hugging Face's.
    pub pairing: RopePairing,
}

impl Llama {
    /// # Errors
    /// When a key is missing or makes no sense.
    pub fn from_gguf(keys: &Keys<'_>) -> Result<Self, FamilyError> {
        let sizes = keys.sizes()?;
        let rope = Rope {
            base: keys.positive("rope.freq_base", 10_000.0)?,
            scaling: keys.rope_scaling(sizes.head_dim)?,
        };
        Ok(Self { sizes, rope, pairing: RopePairing::Adjacent })
    }

    /// # Errors
    /// When a field is missing or makes no sense.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        let (sizes, rope) = (SizesJson::deserialize(config)?, RopeJson::deserialize(config)?);
        Ok(Self { sizes: sizes.sizes("silu")?, rope: rope.rope()?, pairing: RopePairing::Halves })
    }

    /// What an executor has to compute.
    #[must_use]
    pub fn spec(&self) -> DecoderSpec {
        let rope = RopeSpec::new(self.rope.base, self.sizes.head_dim, self.pairing, &self.rope.scaling);
        self.sizes.uniform(LayerSpec { rope, window: None })
    }
}
