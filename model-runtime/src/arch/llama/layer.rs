//! One layer: attention over the cache, then the gated feed-forward.

use std::ops::Range;

use burn::tensor::activation::{silu, softmax};
use burn::tensor::{Device, Tensor, TensorData};

use super::rope::Rotation;
use crate::kv_cache::LayerCache;

/// Weights of a layer. Matrices are [input, output], ready to be multiplied from the right.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) head: usize,
    pub(super) norm_epsilon: f32,
    pub(super) attention_norm: Tensor<2>,
    /// Queries, keys and values side by side.
    pub(super) query_key_value: Tensor<2>,
    pub(super) attention_output: Tensor<2>,
    pub(super) feed_forward_norm: Tensor<2>,
    /// Gate and up side by side.
    pub(super) gate_up: Tensor<2>,
    pub(super) down: Tensor<2>,
}

impl Layer {
    /// [tokens, hidden] to [tokens, hidden]; the tokens' keys and values are appended to the cache.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        cache: &mut LayerCache,
        rotation: &Rotation,
        mask: Option<&Tensor<3>>,
    ) -> Tensor<2> {
        let normed = rms_norm(x.clone(), &self.attention_norm, self.norm_epsilon);
        let x = x + self.attention(normed, cache, rotation, mask);
        let normed = rms_norm(x.clone(), &self.feed_forward_norm, self.norm_epsilon);
        x + self.feed_forward(normed)
    }

    fn attention(
        &self,
        x: Tensor<2>,
        cache: &mut LayerCache,
        rotation: &Rotation,
        mask: Option<&Tensor<3>>,
    ) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let (heads, kv_heads, head) = (self.heads, self.kv_heads, self.head);
        let all = x.matmul(self.query_key_value.clone());
        let part = |start: usize, heads: usize| {
            let columns = start * head..(start + heads) * head;
            all.clone().slice([0..tokens, columns]).reshape([tokens, heads, head])
        };
        let queries = rotation.apply(part(0, heads)).mul_scalar(1.0 / (head as f32).sqrt());
        let keys = rotation.apply(part(heads, kv_heads));
        let values = part(heads + kv_heads, kv_heads);
        let (keys, values) = cache.append(keys.swap_dims(0, 1), values.swap_dims(0, 1));
        // The query heads that share a key head are rows of one product, so keys and values are never repeated.
        let queries = queries.swap_dims(0, 1).reshape([kv_heads, heads / kv_heads * tokens, head]);
        let weights = attention_weights(queries.matmul(keys.swap_dims(1, 2)), heads, tokens, mask);
        let mixed = weights.matmul(values).reshape([heads, tokens, head]).swap_dims(0, 1);
        mixed.reshape([tokens, heads * head]).matmul(self.attention_output.clone())
    }

    fn feed_forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let [width, _] = self.down.dims();
        let both = x.matmul(self.gate_up.clone());
        let gate = both.clone().slice([0..tokens, 0..width]);
        let up = both.slice([0..tokens, width..2 * width]);
        (silu(gate) * up).matmul(self.down.clone())
    }
}

/// Softmax of the scores [kv heads, group * tokens, positions], after the mask.
fn attention_weights(scores: Tensor<3>, heads: usize, tokens: usize, mask: Option<&Tensor<3>>) -> Tensor<3> {
    let [kv_heads, rows, positions] = scores.dims();
    match mask {
        None => softmax(scores, 2),
        Some(mask) => {
            let scores = scores.reshape([heads, tokens, positions]) + mask.clone();
            softmax(scores, 2).reshape([kv_heads, rows, positions])
        }
    }
}

/// `x / rms(x) * weight`, row by row.
pub(super) fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, epsilon: f32) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    x * mean_square.add_scalar(epsilon).sqrt().recip() * weight.clone()
}

/// What is added to the scores so that a token sees only itself and those before: [1, tokens, positions]. A single token sees all, and
/// needs none.
pub(super) fn causal_mask(positions: &Range<usize>, device: &Device) -> Option<Tensor<3>> {
    let tokens = positions.len();
    if tokens == 1 {
        return None;
    }
    let row = |position: usize| {
        (0..positions.end).map(move |seen| if seen <= position { 0.0 } else { f32::NEG_INFINITY })
    };
    let values: Vec<f32> = positions.clone().flat_map(row).collect();
    Some(Tensor::from_data(TensorData::new(values, [1, tokens, positions.end]), device))
}
