//! Mistral 7B and its kin: a Llama whose tokens may see only a window of those before. (Its GGUF files call themselves `llama`.)

use serde::Deserialize;
use serde_json::Value;

use super::json::{Rope, RopeJson, SizesJson, required};
use super::{FamilyError, Sizes};
use crate::decoder::{DecoderSpec, LayerSpec, RopePairing, RopeSpec};

/// Configuration of a Mistral.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistral {
    /// Sizes.
    pub sizes: Sizes,
    /// Rotary positions.
    pub rope: Rope,
    /// Tokens that a token sees, itself among them.
    pub window: Option<usize>,
}

#[derive(Deserialize)]
struct Json {
    sliding_window: Option<usize>,
}

impl Mistral {
    /// # Errors
    /// When a field is missing or makes no sense.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        let (sizes, rope) = (SizesJson::deserialize(config)?, RopeJson::deserialize(config)?);
        let window = Json::deserialize(config)?.sliding_window;
        window.map(|window| required("sliding window", Some(window as f64))).transpose()?;
        Ok(Self { sizes: sizes.sizes("silu")?, rope: rope.rope()?, window })
    }

    /// What an executor has to compute.
    #[must_use]
    pub fn spec(&self) -> DecoderSpec {
        let rope =
            RopeSpec::new(self.rope.base, self.sizes.head_dim, RopePairing::Halves, &self.rope.scaling);
        self.sizes.uniform(LayerSpec { rope, window: self.window })
    }
}
