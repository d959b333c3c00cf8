//! Qwen 2 and 2.5: a Llama with biases on queries, keys and values.

use serde::Deserialize;
use serde_json::Value;

use super::json::{Rope, RopeJson, SizesJson, required};
use super::keys::Keys;
use super::{FamilyError, Sizes};
use crate::decoder::{DecoderSpec, LayerSpec, RopePairing, RopeSpec};

/// Configuration of a Qwen 2.
#[derive(Clone, Debug, PartialEq)]
pub struct Qwen2 {
    /// Sizes.
    pub sizes: Sizes,
    /// Rotary positions.
    pub rope: Rope,
    /// Tokens that a token of layer `windows_from` or above sees. Published models have none.
    pub window: Option<usize>,
    /// The first layer with a window.
    pub windows_from: usize,
}

#[derive(Deserialize)]
struct Json {
    #[serde(default)]
    use_sliding_window: bool,
    sliding_window: Option<usize>,
    #[serde(default)]
    max_window_layers: usize,
}

impl Qwen2 {
    /// # Errors
    /// When a key is missing or makes no sense.
    pub fn from_gguf(keys: &Keys<'_>) -> Result<Self, FamilyError> {
        let sizes = keys.sizes()?;
        let rope = Rope {
            base: keys.positive("rope.freq_base", 10_000.0)?,
            scaling: keys.rope_scaling(sizes.head_dim)?,
        };
        Ok(Self { sizes, rope, window: None, windows_from: 0 })
    }

    /// # Errors
    /// When a field is missing or makes no sense.
    pub fn from_json(config: &Value) -> Result<Self, FamilyError> {
        let (sizes, rope) = (SizesJson::deserialize(config)?, RopeJson::deserialize(config)?);
        let Json { use_sliding_window, sliding_window, max_window_layers } = Json::deserialize(config)?;
        let window = sliding_window.filter(|_| use_sliding_window);
        window.map(|window| required("sliding window", Some(window as f64))).transpose()?;
        Ok(Self { sizes: sizes.sizes("silu")?, rope: rope.rope()?, window, windows_from: max_window_layers })
    }

    /// What an executor has to compute.
    #[must_use]
    pub fn spec(&self) -> DecoderSpec {
        let rope =
            RopeSpec::new(self.rope.base, self.sizes.head_dim, RopePairing::Halves, &self.rope.scaling);
        let layer = |index| LayerSpec {
            rope: rope.clone(),
            window: self.window.filter(|_| index >= self.windows_from),
        };
        self.sizes.spec((0..self.sizes.layers).map(layer).collect())
    }
}
