//! A Llama's sizes, as a file states them.

use crate::arch::ArchError;
use crate::kv_cache::CacheShape;
use crate::weights::gguf::{Gguf, GgufError};

/// Sizes and constants of a Llama, checked against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct LlamaConfig {
    /// Number of layers.
    pub layers: usize,
    /// Width between layers.
    pub hidden: usize,
    /// Width inside of the feed-forward.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head: usize,
    /// Number of tokens.
    pub vocabulary_tokens: usize,
    /// Positions: the model's own limit or the caller's, whichever is lower.
    pub context_tokens: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Positions are divided by this.
    pub rope_factor: f64,
    /// Added to the mean square before its root.
    pub norm_epsilon: f32,
}

impl LlamaConfig {
    /// Reads the configuration of a file.
    ///
    /// # Errors
    /// When a key is missing, a number makes no sense, or the model needs what we do not compute.
    pub fn from_gguf(gguf: &Gguf, context_tokens_max: u32) -> Result<Self, ArchError> {
        let heads = size(gguf, "llama.attention.head_count")?;
        let hidden = size(gguf, "llama.embedding_length")?;
        let head = optional(gguf, "llama.attention.key_length", || hidden / heads)?;
        let value = optional(gguf, "llama.attention.value_length", || head)?;
        let rotated = optional(gguf, "llama.rope.dimension_count", || head)?;
        let kv_heads = optional(gguf, "llama.attention.head_count_kv", || heads)?;
        if head == 0 || !head.is_multiple_of(2) {
            return Err(ArchError::Configuration { what: "head width", value: head.to_string() });
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(ArchError::Configuration {
                what: "number of key heads",
                value: kv_heads.to_string(),
            });
        }
        if value != head || rotated != head {
            return Err(ArchError::Feature(format!(
                "heads of {head} with values of {value} and {rotated} rotated"
            )));
        }
        if gguf.has("llama.expert_count") && gguf.unsigned("llama.expert_count")? > 0 {
            return Err(ArchError::Feature("a mixture of experts".to_owned()));
        }
        Ok(Self {
            layers: size(gguf, "llama.block_count")?,
            hidden,
            feed_forward: size(gguf, "llama.feed_forward_length")?,
            heads,
            kv_heads,
            head,
            vocabulary_tokens: vocabulary_tokens(gguf)?,
            context_tokens: size(gguf, "llama.context_length")?.min(context_tokens_max as usize),
            rope_base: positive(gguf, "llama.rope.freq_base", 10_000.0)?,
            rope_factor: rope_factor(gguf)?,
            norm_epsilon: positive(gguf, "llama.attention.layer_norm_rms_epsilon", 1e-5)? as f32,
        })
    }

    /// Shape of a request's cache.
    #[must_use]
    pub fn cache_shape(&self) -> CacheShape {
        CacheShape {
            layers: self.layers,
            heads: self.kv_heads,
            head: self.head,
            tokens_max: self.context_tokens,
        }
    }
}

/// The embedding's rows are what the model computes with, whatever the metadata says.
fn vocabulary_tokens(gguf: &Gguf) -> Result<usize, ArchError> {
    let embedding = gguf.tensor("token_embd.weight")?;
    Ok(embedding.dimensions.get(1).copied().unwrap_or(0))
}

fn rope_factor(gguf: &Gguf) -> Result<f64, ArchError> {
    const KIND: &str = "llama.rope.scaling.type";
    if !gguf.has(KIND) {
        return Ok(1.0);
    }
    match gguf.text(KIND)? {
        "none" => Ok(1.0),
        "linear" => positive(gguf, "llama.rope.scaling.factor", 1.0),
        other => Err(ArchError::Feature(format!("rope scaling {other:?}"))),
    }
}

fn size(gguf: &Gguf, key: &'static str) -> Result<usize, ArchError> {
    let value = gguf.unsigned(key)?;
    match usize::try_from(value) {
        Ok(size @ 1..=SIZE_MAX) => Ok(size),
        _ => Err(ArchError::Configuration { what: key, value: value.to_string() }),
    }
}

/// No size of an honest file is larger; products of two sizes cannot overflow.
const SIZE_MAX: usize = 1 << 28;

fn optional(gguf: &Gguf, key: &'static str, default: impl Fn() -> usize) -> Result<usize, ArchError> {
    if gguf.has(key) { size(gguf, key) } else { Ok(default()) }
}

fn positive(gguf: &Gguf, key: &'static str, default: f64) -> Result<f64, ArchError> {
    let value = match gguf.float(key) {
        Err(GgufError::MissingKey { .. }) => default,
        other => other?,
    };
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(ArchError::Configuration { what: key, value: value.to_string() })
    }
}
