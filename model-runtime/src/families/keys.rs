//! A family's metadata in a GGUF file: keys that begin with the family's name.

use super::sizes::cannot_be;
use super::{FamilyError, Sizes};
use crate::decoder::RopeScaling;
use crate::weights::gguf::Gguf;

/// Reads `family.key`.
#[derive(Clone, Copy, Debug)]
pub struct Keys<'a> {
    gguf: &'a Gguf,
    family: &'a str,
}

impl<'a> Keys<'a> {
    /// Keys of `gguf` that begin with `family` and a dot.
    #[must_use]
    pub fn new(gguf: &'a Gguf, family: &'a str) -> Self {
        Self { gguf, family }
    }

    fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.family)
    }

    /// The sizes every family has, checked.
    ///
    /// # Errors
    /// When one is missing or makes no sense, or the model is a mixture of experts.
    pub fn sizes(&self) -> Result<Sizes, FamilyError> {
        if self.optional_size("expert_count")?.is_some_and(|experts| experts > 0) {
            return Err(FamilyError::Feature("a mixture of experts".to_owned()));
        }
        let (heads, hidden) = (self.size("attention.head_count")?, self.size("embedding_length")?);
        let head_dim = match self.optional_size("attention.key_length")? {
            Some(head_dim) => head_dim,
            None => hidden.checked_div(heads).ok_or_else(|| cannot_be("number of heads", heads))?,
        };
        for key in ["attention.value_length", "rope.dimension_count"] {
            if let Some(width) = self.optional_size(key)?.filter(|width| *width != head_dim) {
                return Err(FamilyError::Feature(format!("heads of {head_dim} with a {key} of {width}")));
            }
        }
        // The embedding's rows are what the model computes with, whatever the metadata says.
        let embedding = self.gguf.tensor("token_embd.weight")?;
        Sizes {
            layers: self.size("block_count")?,
            hidden,
            feed_forward: self.size("feed_forward_length")?,
            heads,
            kv_heads: self.optional_size("attention.head_count_kv")?.unwrap_or(heads),
            head_dim,
            vocabulary: embedding.dimensions.get(1).copied().unwrap_or(0),
            context: self.size("context_length")?,
            norm_epsilon: self.positive("attention.layer_norm_rms_epsilon", 1e-5)? as f32,
        }
        .checked()
    }

    /// A whole number.
    ///
    /// # Errors
    /// When it is missing or not one.
    pub fn size(&self, key: &str) -> Result<usize, FamilyError> {
        let value = self.gguf.unsigned(&self.name(key))?;
        usize::try_from(value).map_err(|_| cannot_be(self.name(key), value))
    }

    /// A whole number, if the key is there.
    ///
    /// # Errors
    /// When it is not one.
    pub fn optional_size(&self, key: &str) -> Result<Option<usize>, FamilyError> {
        if self.gguf.has(&self.name(key)) { self.size(key).map(Some) } else { Ok(None) }
    }

    /// A number above zero; `default` when the key is missing.
    ///
    /// # Errors
    /// When it is something else.
    pub fn positive(&self, key: &str, default: f64) -> Result<f64, FamilyError> {
        let name = self.name(key);
        if !self.gguf.has(&name) {
            return Ok(default);
        }
        let value = self.gguf.float(&name)?;
        if value.is_finite() && value > 0.0 { Ok(value) } else { Err(cannot_be(name, value)) }
    }

    /// A number above zero, if the key is there and not zero, which stands for absence in places.
    ///
    /// # Errors
    /// When it is something else.
    pub fn positive_or_none(&self, key: &str) -> Result<Option<f64>, FamilyError> {
        let name = self.name(key);
        if !self.gguf.has(&name) || self.gguf.float(&name)? == 0.0 {
            return Ok(None);
        }
        self.positive(key, 1.0).map(Some)
    }

    /// How rotary frequencies are stretched: by `rope.scaling.*` and by the tensor `rope_freqs.weight`, whose `head_dim / 2` factors
    /// hold what Llama 3.1 does.
    ///
    /// # Errors
    /// When it is stretched in a way we do not compute.
    pub fn rope_scaling(&self, head_dim: usize) -> Result<RopeScaling, FamilyError> {
        const KIND: &str = "rope.scaling.type";
        let kind = if self.gguf.has(&self.name(KIND)) { self.gguf.text(&self.name(KIND))? } else { "none" };
        let linear = match kind {
            "none" => 1.0,
            "linear" => self.positive("rope.scaling.factor", 1.0)?,
            other => return Err(FamilyError::Feature(format!("rope scaling {other:?}"))),
        };
        if self.gguf.has_tensor("rope_freqs.weight") {
            let factors = self.gguf.tensor("rope_freqs.weight")?;
            if factors.dimensions != [head_dim / 2] {
                return Err(FamilyError::Shape {
                    name: "rope_freqs.weight".to_owned(),
                    expected: vec![head_dim / 2],
                    found: factors.dimensions.to_vec(),
                });
            }
            let factors = factors.dequantize().into_iter().map(|factor| f64::from(factor) * linear);
            let factors: Vec<f64> = factors.collect();
            if let Some(factor) = factors.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
                return Err(cannot_be("rope factor", factor));
            }
            return Ok(RopeScaling::Factors(factors));
        }
        Ok(if linear == 1.0 { RopeScaling::None } else { RopeScaling::Linear(linear) })
    }
}
