//! Llama: RMS norm, rotary positions, grouped-query attention, gated feed-forward. SmolLM2 is one.

pub mod config;
mod layer;
mod load;
mod rope;

use burn::tensor::{Int, Tensor, TensorData};

pub use self::config::LlamaConfig;
use self::layer::{Layer, rms_norm};
use self::rope::RopeTable;
use super::{ArchError, EncodedPrompt, Model};
use crate::device::ComputeDevice;
use crate::kv_cache::KvCache;
use crate::weights::gguf::Gguf;

/// A loaded model.
#[derive(Debug)]
pub struct Llama {
    config: LlamaConfig,
    device: ComputeDevice,
    /// One row per token.
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    output_norm: Tensor<2>,
    /// Hidden to vocabulary; the embedding's transpose where the two are tied.
    output: Tensor<2>,
    rope: RopeTable,
    memory_bytes: u64,
}

impl Llama {
    /// Builds the model from a file, with positions up to `context_tokens_max`.
    ///
    /// # Errors
    /// When the file does not hold what the configuration says.
    pub fn load(gguf: &Gguf, device: &ComputeDevice, context_tokens_max: u32) -> Result<Self, ArchError> {
        load::llama(gguf, device, context_tokens_max)
    }

    /// Sizes.
    #[must_use]
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Bytes of weights held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// Logits after each of the tokens that gave `hidden`, one row per token.
    #[must_use]
    pub fn logits_of_all(&self, hidden: &Tensor<2>) -> Vec<Vec<f32>> {
        let rows = self.project(hidden.clone());
        rows.chunks_exact(self.config.vocabulary_tokens).map(<[f32]>::to_vec).collect()
    }

    fn project(&self, hidden: Tensor<2>) -> Vec<f32> {
        let logits = hidden.matmul(self.output.clone());
        logits.into_data().try_into_vec().expect("logits are f32, as all tensors of this model")
    }
}

impl Model for Llama {
    type Cache = KvCache;
    /// One normed row per token.
    type Hidden = Tensor<2>;

    fn begin(&self, _prompt: &EncodedPrompt) -> KvCache {
        self.cache()
    }

    fn forward(&self, tokens: &[u32], cache: &mut KvCache) -> Tensor<2> {
        let positions = cache.len()..cache.len() + tokens.len();
        let device = self.device.tensors();
        let ids: Vec<i32> = tokens.iter().map(|token| token.cast_signed()).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), device);
        let mut x = self.embedding.clone().select(0, ids);
        let rotation = self.rope.at(positions.clone());
        let mask = layer::causal_mask(&positions, device);
        for (layer, cache) in self.layers.iter().zip(cache.layers_for(tokens.len())) {
            x = layer.forward(x, cache, &rotation, mask.as_ref());
        }
        cache.advance(tokens.len());
        rms_norm(x, &self.output_norm, self.config.norm_epsilon)
    }

    fn logits(&self, hidden: &Tensor<2>) -> Vec<f32> {
        let [rows, width] = hidden.dims();
        self.project(hidden.clone().slice([rows - 1..rows, 0..width]))
    }
}

impl Llama {
    /// An empty cache.
    #[must_use]
    pub fn cache(&self) -> KvCache {
        KvCache::new(self.config.cache_shape(), self.device.tensors())
    }
}
