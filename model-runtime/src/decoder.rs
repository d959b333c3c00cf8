//! What a dense decoder-only transformer is, whatever its family, file format, or the processor that computes it.
//!
//! A family turns a file into a [`DecoderSpec`] and [`DecoderWeights`] of [`MatrixView`]s; an executor turns those into a [`Model`]; the
//! engine drives the model. None of the three knows the others.
//!
//! One layer, with everything optional in brackets, `x` one row per token:
//!
//! ```text
//! a  = norm(x, attention_norm)
//! q, k, v = q a [+ q_bias], k a [+ k_bias], v a [+ v_bias]      heads of `head_dim`
//! q, k = rope([norm(q, q_norm)]), rope([norm(k, k_norm)])        the norms are per head
//! y  = o softmax(attention_scale q k^T, causal, [window]) v      each key head serves heads / kv_heads query heads
//! x += [norm(] y [, post_attention_norm)]
//! f  = norm(x, feed_forward_norm)
//! y  = down (activation(gate f) * (up f))
//! x += [norm(] y [, post_feed_forward_norm)]
//! ```
//!
//! Before the first layer `x = embedding_scale * embedding[token]`; after the last, `logits = output norm(x, output_norm)`, and
//! `final_logit_softcap * tanh(logits / final_logit_softcap)` where a cap is set. All norms are root-mean-square norms with
//! `norm_epsilon`, and their weights are multiplied as they stand (a family that stores `weight - 1` adds the one).

pub mod model;
pub mod rope;
pub mod view;

pub use self::model::{ForwardError, Model, PAGE_TOKENS, Part, Place, Rows, Step};
pub use self::rope::{RopePairing, RopeScaling, RopeSpec};
pub use self::view::{BlockKind, MatrixView};

/// Sizes and constants of a decoder.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderSpec {
    /// Number of tokens: rows of the embedding and of the output.
    pub vocabulary: usize,
    /// Width between layers.
    pub hidden: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; each serves `heads / kv_heads` query heads.
    pub kv_heads: usize,
    /// Width of a head. `heads * head_dim` need not be `hidden`.
    pub head_dim: usize,
    /// Width inside of the feed-forward.
    pub feed_forward: usize,
    /// Positions a sequence may have: the model's own limit or the configured one, whichever is lower.
    pub context_max: usize,
    /// Added to the mean square before its root.
    pub norm_epsilon: f32,
    /// Of the feed-forward's gate.
    pub activation: Activation,
    /// Multiplies embeddings: 1, or `sqrt(hidden)` in Gemma.
    pub embedding_scale: f32,
    /// Multiplies scores: usually `1 / sqrt(head_dim)`.
    pub attention_scale: f32,
    /// In order; as many as there are layers of weights.
    pub layers: Vec<LayerSpec>,
    /// Bounds the logits.
    pub final_logit_softcap: Option<f32>,
}

/// What may differ from layer to layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// How positions turn queries and keys.
    pub rope: RopeSpec,
    /// A token sees itself and the `window - 1` tokens before it; `None` sees all.
    pub window: Option<usize>,
}

/// The feed-forward's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
    GeluTanh,
}

/// Weights of a decoder; `T` is a matrix: [`MatrixView`] on the way from a file, an executor's own form after.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderWeights<T> {
    /// [vocabulary, hidden].
    pub embedding: T,
    /// [vocabulary, hidden]; `None` where the embedding serves.
    pub output: Option<T>,
    /// `[hidden]`.
    pub output_norm: Vec<f32>,
    /// In order.
    pub layers: Vec<LayerWeights<T>>,
}

/// Weights of a layer. Matrices are [outputs, inputs].
#[derive(Clone, Debug, PartialEq)]
pub struct LayerWeights<T> {
    /// `[hidden]`.
    pub attention_norm: Vec<f32>,
    /// [heads * head_dim, hidden].
    pub q: T,
    /// [kv_heads * head_dim, hidden].
    pub k: T,
    /// [kv_heads * head_dim, hidden].
    pub v: T,
    /// [hidden, heads * head_dim].
    pub o: T,
    /// [heads * head_dim].
    pub q_bias: Option<Vec<f32>>,
    /// [kv_heads * head_dim].
    pub k_bias: Option<Vec<f32>>,
    /// [kv_heads * head_dim].
    pub v_bias: Option<Vec<f32>>,
    /// `[head_dim]`.
    pub q_norm: Option<Vec<f32>>,
    /// `[head_dim]`.
    pub k_norm: Option<Vec<f32>>,
    /// `[hidden]`.
    pub post_attention_norm: Option<Vec<f32>>,
    /// `[hidden]`.
    pub feed_forward_norm: Vec<f32>,
    /// [feed_forward, hidden].
    pub gate: T,
    /// [feed_forward, hidden].
    pub up: T,
    /// [hidden, feed_forward].
    pub down: T,
    /// `[hidden]`.
    pub post_feed_forward_norm: Option<Vec<f32>>,
}

impl DecoderSpec {
    /// Values that one position keeps in the cache: keys and values of all layers.
    #[must_use]
    pub fn cache_values_per_token(&self) -> usize {
        self.layers.len() * 2 * self.kv_heads * self.head_dim
    }
}

impl<T> DecoderWeights<T> {
    /// Bytes of all weights, where a matrix has as many as `matrix` says.
    pub fn bytes(&self, matrix: impl Fn(&T) -> u64) -> u64 {
        let vectors = |vectors: &[Option<&Vec<f32>>]| -> u64 {
            vectors.iter().flatten().map(|vector| size_of_val(vector.as_slice()) as u64).sum()
        };
        let layer = |layer: &LayerWeights<T>| {
            let matrices = [&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down];
            matrices.map(&matrix).iter().sum::<u64>()
                + vectors(&[
                    Some(&layer.attention_norm),
                    Some(&layer.feed_forward_norm),
                    layer.q_bias.as_ref(),
                    layer.k_bias.as_ref(),
                    layer.v_bias.as_ref(),
                    layer.q_norm.as_ref(),
                    layer.k_norm.as_ref(),
                    layer.post_attention_norm.as_ref(),
                    layer.post_feed_forward_norm.as_ref(),
                ])
        };
        matrix(&self.embedding)
            + self.output.as_ref().map_or(0, &matrix)
            + vectors(&[Some(&self.output_norm)])
            + self.layers.iter().map(layer).sum::<u64>()
    }
}
