use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use super::attention::Visible;
use super::cache::LayerCache;
use super::rotation::Rotation;
use super::{matrix, row};
use crate::decoder::{Activation, DecoderSpec, LayerWeights, MatrixView, Part};

/// Weights of a layer. Matrices are [input, output], ready to be multiplied from the right; vectors are [1, width].
#[derive(Debug)]
pub(super) struct Layer {
    heads: usize,
    kv_heads: usize,
    head: usize,
    norm_epsilon: f32,
    attention_scale: f32,
    activation: Activation,
    attention_norm: Tensor<2>,
    queries: Linear,
    keys: Linear,
    values: Linear,
    attention_output: Tensor<2>,
    query_norm: Option<Tensor<2>>,
    key_norm: Option<Tensor<2>>,
    post_attention_norm: Option<Tensor<2>>,
    feed_forward_norm: Tensor<2>,
    gate: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
    post_feed_forward_norm: Option<Tensor<2>>,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor<2>,
    bias: Option<Tensor<2>>,
}

impl Linear {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let y = x.matmul(self.weight.clone());
        match &self.bias {
            None => y,
            Some(bias) => y + bias.clone(),
        }
    }
}

impl Layer {
    pub(super) fn new(spec: &DecoderSpec, weights: &LayerWeights<MatrixView<'_>>, device: &Device) -> Self {
        let vector = |values: &Vec<f32>| row(values, device);
        let optional = |values: &Option<Vec<f32>>| values.as_ref().map(vector);
        let transposed = |view: &MatrixView<'_>| matrix(view, device).transpose();
        let linear = |view: &MatrixView<'_>, bias: &Option<Vec<f32>>| Linear {
            weight: transposed(view),
            bias: optional(bias),
        };
        Self {
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            head: spec.head_dim,
            norm_epsilon: spec.norm_epsilon,
            attention_scale: spec.attention_scale,
            activation: spec.activation,
            attention_norm: vector(&weights.attention_norm),
            queries: linear(&weights.q, &weights.q_bias),
            keys: linear(&weights.k, &weights.k_bias),
            values: linear(&weights.v, &weights.v_bias),
            attention_output: transposed(&weights.o),
            query_norm: optional(&weights.q_norm),
            key_norm: optional(&weights.k_norm),
            post_attention_norm: optional(&weights.post_attention_norm),
            feed_forward_norm: vector(&weights.feed_forward_norm),
            gate: transposed(&weights.gate),
            up: transposed(&weights.up),
            down: transposed(&weights.down),
            post_feed_forward_norm: optional(&weights.post_feed_forward_norm),
        }
    }

    /// [tokens, hidden] to [tokens, hidden]; the tokens' keys and values go to the cache.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        rotation: &Rotation,
        cache: &mut LayerCache,
        part: &Part<'_>,
        visible: &Visible,
    ) -> Tensor<2> {
        let normed = self.norm(x.clone(), &self.attention_norm);
        let attended = self.attention(normed, rotation, cache, part, visible);
        let x = x + self.norm_if(attended, self.post_attention_norm.as_ref());
        let normed = self.norm(x.clone(), &self.feed_forward_norm);
        x + self.norm_if(self.feed_forward(normed), self.post_feed_forward_norm.as_ref())
    }

    fn attention(
        &self,
        x: Tensor<2>,
        rotation: &Rotation,
        cache: &mut LayerCache,
        part: &Part<'_>,
        visible: &Visible,
    ) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let turned = |x: Tensor<2>, norm: Option<&Tensor<2>>, heads: usize| {
            let normed = self.norm_if(x.reshape([tokens * heads, self.head]), norm);
            rotation.apply(normed.reshape([tokens, heads, self.head]))
        };
        let queries = turned(self.queries.forward(x.clone()), self.query_norm.as_ref(), self.heads);
        let keys = turned(self.keys.forward(x.clone()), self.key_norm.as_ref(), self.kv_heads);
        let values = self.values.forward(x);
        cache.write(part, keys.reshape([tokens, self.kv_heads * self.head]), values);
        let (keys, values) = cache.read(&visible.slots);
        let queries = queries.mul_scalar(self.attention_scale);
        visible.attend(queries, keys, values).matmul(self.attention_output.clone())
    }

    fn feed_forward(&self, x: Tensor<2>) -> Tensor<2> {
        let gate = x.clone().matmul(self.gate.clone());
        let gate = match self.activation {
            Activation::Silu => silu(gate),
            Activation::GeluTanh => gelu_tanh(gate),
        };
        (gate * x.matmul(self.up.clone())).matmul(self.down.clone())
    }

    fn norm(&self, x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
        rms_norm(x, weight, self.norm_epsilon)
    }

    fn norm_if(&self, x: Tensor<2>, weight: Option<&Tensor<2>>) -> Tensor<2> {
        match weight {
            None => x,
            Some(weight) => self.norm(x, weight),
        }
    }
}

/// `x / rms(x) * weight`, row by row.
pub(super) fn rms_norm(x: Tensor<2>, weight: &Tensor<2>, epsilon: f32) -> Tensor<2> {
    let mean_square = x.clone().square().mean_dim(1);
    x * mean_square.add_scalar(epsilon).sqrt().recip() * weight.clone()
}

fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    let cubed = x.clone() * x.clone().square();
    let inner = (x.clone() + cubed.mul_scalar(0.044_715)).mul_scalar((2.0 / std::f32::consts::PI).sqrt());
    x.mul_scalar(0.5) * inner.tanh().add_scalar(1.0)
}
