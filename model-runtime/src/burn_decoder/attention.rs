use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::cache;
use crate::decoder::Part;

/// Which positions the new tokens of a part see.
pub(super) struct Visible {
    /// Where the positions lie that any of them sees.
    pub(super) slots: Tensor<1, Int>,
    /// What is added to scores so that each token sees only its own part of them: [1, tokens, positions]. A single token sees all.
    mask: Option<Tensor<3>>,
}

impl Visible {
    pub(super) fn new(part: &Part<'_>, window: Option<usize>, device: &Device) -> Self {
        let tokens = part.tokens.len();
        let end = part.start + tokens;
        let first = |position: usize| window.map_or(0, |window| (position + 1).saturating_sub(window));
        let positions = first(part.start)..end;
        let mask = (tokens > 1).then(|| {
            let row = |position: usize| {
                let sees = first(position)..=position;
                positions.clone().map(move |at| if sees.contains(&at) { 0.0 } else { f32::NEG_INFINITY })
            };
            let values: Vec<f32> = (part.start..end).flat_map(row).collect();
            Tensor::from_data(TensorData::new(values, [1, tokens, positions.len()]), device)
        });
        Self { slots: cache::slots(part, positions, device), mask }
    }

    /// Attention of `queries` [tokens, heads, head], already scaled, over keys and values [positions, kv heads * head]: [tokens, heads * head].
    pub(super) fn attend(&self, queries: Tensor<3>, keys: Tensor<2>, values: Tensor<2>) -> Tensor<2> {
        let [tokens, heads, head] = queries.dims();
        let [positions, width] = keys.dims();
        let kv_heads = width / head;
        let by_head = |x: Tensor<2>| x.reshape([positions, kv_heads, head]).swap_dims(0, 1);
        // The query heads that share a key head are rows of one product, so keys and values are never repeated.
        let queries = queries.swap_dims(0, 1).reshape([kv_heads, heads / kv_heads * tokens, head]);
        let scores = queries.matmul(by_head(keys).swap_dims(1, 2));
        let weights = match &self.mask {
            None => softmax(scores, 2),
            Some(mask) => {
                let [_, rows, _] = scores.dims();
                let scores = scores.reshape([heads, tokens, positions]) + mask.clone();
                softmax(scores, 2).reshape([kv_heads, rows, positions])
            }
        };
        let mixed = weights.matmul(by_head(values)).reshape([heads, tokens, head]).swap_dims(0, 1);
        mixed.reshape([tokens, heads * head])
    }
}
