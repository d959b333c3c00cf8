//! The sizes that every family has.

use super::FamilyError;
use crate::decoder::{Activation, DecoderSpec, LayerSpec};

/// Sizes of a decoder, checked against each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// Number of layers.
    pub layers: usize,
    /// Width between layers.
    pub hidden: usize,
    /// Width inside of the feed-forward.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Number of tokens.
    pub vocabulary: usize,
    /// Positions the model was made for.
    pub context: usize,
    /// Added to the mean square before its root.
    pub norm_epsilon: f32,
}

/// No honest model has more; products of two sizes cannot overflow, and what is allocated per layer, position or number of a head stays small.
const SIZE_MAX: usize = 1 << 28;
const LAYERS_MAX: usize = 1 << 10;
const HEAD_DIM_MAX: usize = 1 << 12;

impl Sizes {
    /// The same sizes, if they make sense.
    pub(super) fn checked(self) -> Result<Self, FamilyError> {
        let Self {
            layers,
            hidden,
            feed_forward,
            heads,
            kv_heads,
            head_dim,
            vocabulary,
            context,
            norm_epsilon,
        } = self;
        for (what, value, limit) in [
            ("number of layers", layers, LAYERS_MAX),
            ("width", hidden, SIZE_MAX),
            ("feed-forward width", feed_forward, SIZE_MAX),
            ("number of heads", heads, SIZE_MAX),
            ("number of key heads", kv_heads, heads),
            ("head width", head_dim, HEAD_DIM_MAX),
            ("vocabulary", vocabulary, SIZE_MAX),
            ("context", context, SIZE_MAX),
        ] {
            if !(1..=limit).contains(&value) {
                return Err(cannot_be(what, value));
            }
        }
        if !head_dim.is_multiple_of(2) {
            return Err(cannot_be("head width", head_dim));
        }
        if !heads.is_multiple_of(kv_heads) {
            return Err(cannot_be("number of key heads", kv_heads));
        }
        if !(norm_epsilon.is_finite() && norm_epsilon > 0.0) {
            return Err(cannot_be("norm epsilon", norm_epsilon));
        }
        Ok(self)
    }

    /// A decoder of these sizes with SiLU, plain embeddings, scores by the root of the head's width, and no cap.
    pub(super) fn spec(&self, layers: Vec<LayerSpec>) -> DecoderSpec {
        DecoderSpec {
            vocabulary: self.vocabulary,
            hidden: self.hidden,
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            feed_forward: self.feed_forward,
            context_max: self.context,
            norm_epsilon: self.norm_epsilon,
            activation: Activation::Silu,
            embedding_scale: 1.0,
            attention_scale: 1.0 / (self.head_dim as f32).sqrt(),
            layers,
            final_logit_softcap: None,
        }
    }

    /// Layers that are all alike.
    pub(super) fn uniform(&self, layer: LayerSpec) -> DecoderSpec {
        self.spec(vec![layer; self.layers])
    }
}

pub(super) fn cannot_be(what: impl Into<String>, value: impl ToString) -> FamilyError {
    FamilyError::Configuration { what: what.into(), value: value.to_string() }
}
