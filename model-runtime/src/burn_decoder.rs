//! Computes any [`DecoderSpec`] with burn's tensors, in f32.
//!
//! This is the plain implementation that the kernels of the processor and of cards (`cube`) are compared with. Each sequence of a step is
//! computed by itself, so what it gets cannot depend on the others.
//!
//! It is correct before it is fast: weights and cache are f32, a step is some hundred launches a sequence, and nothing is captured in a
//! graph.

mod attention;
mod cache;
mod layer;
mod rotation;

use burn::tensor::{Device, Int, Tensor, TensorData};

use self::attention::Visible;
use self::cache::LayerCache;
use self::layer::{Layer, rms_norm};
use self::rotation::Rotation;
use crate::decoder::{
    DecoderSpec, DecoderWeights, ForwardError, MatrixView, Model, PAGE_TOKENS, Part, RopeSpec, Rows, Step,
};
use crate::device::ComputeDevice;

/// A decoder on one of burn's devices.
#[derive(Debug)]
pub struct BurnDecoder {
    spec: DecoderSpec,
    device: Device,
    /// One row per token.
    embedding: Tensor<2>,
    layers: Vec<Layer>,
    /// [1, hidden].
    output_norm: Tensor<2>,
    /// [hidden, vocabulary]; the embedding's transpose where the two are tied.
    output: Tensor<2>,
    /// Rotary positions that differ, and which of them each layer has.
    ropes: Vec<RopeSpec>,
    rope_of_layer: Vec<usize>,
    cache: Vec<LayerCache>,
    pages: usize,
    memory_bytes: u64,
    /// What the last step gave.
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

impl BurnDecoder {
    /// Expands the weights to f32 on `device`, with a cache of `pages` pages.
    #[must_use]
    pub fn new(
        spec: DecoderSpec,
        weights: &DecoderWeights<MatrixView<'_>>,
        device: &ComputeDevice,
        pages: usize,
    ) -> Self {
        let device = device.tensors();
        let embedding = matrix(&weights.embedding, device);
        let output =
            weights.output.as_ref().map_or_else(|| embedding.clone(), |output| matrix(output, device));
        let layers: Vec<Layer> =
            weights.layers.iter().map(|layer| Layer::new(&spec, layer, device)).collect();
        let mut ropes: Vec<RopeSpec> = Vec::new();
        let rope_of_layer = spec.layers.iter().map(|layer| {
            ropes.iter().position(|rope| *rope == layer.rope).unwrap_or_else(|| {
                ropes.push(layer.rope.clone());
                ropes.len() - 1
            })
        });
        let rope_of_layer = rope_of_layer.collect();
        let slots = pages * PAGE_TOKENS;
        let cache = (0..layers.len())
            .map(|_| LayerCache::new(slots, spec.kv_heads * spec.head_dim, device))
            .collect();
        Self {
            output_norm: row(&weights.output_norm, device),
            output: output.transpose(),
            memory_bytes: weights_bytes(weights),
            embedding,
            layers,
            ropes,
            rope_of_layer,
            cache,
            pages,
            device: device.clone(),
            spec,
            logits: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// What is computed.
    #[must_use]
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Bytes of weights held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    fn check(&self, part: &Part<'_>) -> Result<(), ForwardError> {
        let vocabulary = self.spec.vocabulary;
        if let Some(&token) = part.tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Err(ForwardError::UnknownToken { token, vocabulary });
        }
        let positions = part.start + part.tokens.len();
        if positions > self.spec.context_max {
            return Err(ForwardError::Context { positions, context_max: self.spec.context_max });
        }
        let exist = part.pages.iter().all(|page| (*page as usize) < self.pages);
        if positions.div_ceil(PAGE_TOKENS) > part.pages.len() || !exist {
            return Err(ForwardError::Pages { positions });
        }
        Ok(())
    }

    /// One sequence; its rows are appended to the answer.
    fn part(&mut self, part: &Part<'_>, want_hidden: bool) {
        let tokens = part.tokens.len();
        let device = self.device.clone();
        let ids: Vec<i32> = part.tokens.iter().map(|token| token.cast_signed()).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens]), &device);
        let mut x = self.embedding.clone().select(0, ids).mul_scalar(self.spec.embedding_scale);
        let rotations: Vec<Rotation> = self
            .ropes
            .iter()
            .map(|rope| Rotation::new(rope, part.start..part.start + tokens, &device))
            .collect();
        let mut visible: Option<(Option<usize>, Visible)> = None;
        for (index, layer) in self.layers.iter().enumerate() {
            let window = self.spec.layers[index].window;
            if visible.as_ref().is_none_or(|(of, _)| *of != window) {
                visible = Some((window, Visible::new(part, window, &device)));
            }
            let (_, visible) = visible.as_ref().expect("it was set above");
            x = layer.forward(
                x,
                &rotations[self.rope_of_layer[index]],
                &mut self.cache[index],
                part,
                visible,
            );
        }
        let rows = part.rows_from.min(tokens)..tokens;
        if rows.is_empty() {
            return;
        }
        let x = rms_norm(x.slice([rows, 0..self.spec.hidden]), &self.output_norm, self.spec.norm_epsilon);
        if want_hidden {
            self.hidden.extend(floats(x.clone()));
        }
        let logits = x.matmul(self.output.clone());
        let logits = match self.spec.final_logit_softcap {
            None => logits,
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
        };
        self.logits.extend(floats(logits));
    }
}

impl Model for BurnDecoder {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        step.parts.iter().try_for_each(|part| self.check(part))?;
        self.logits.clear();
        self.hidden.clear();
        for part in step.parts.iter().filter(|part| !part.tokens.is_empty()) {
            self.part(part, step.hidden);
        }
        let hidden_width = if step.hidden { self.spec.hidden } else { 0 };
        Ok(Rows {
            vocabulary: self.spec.vocabulary,
            logits: &self.logits,
            hidden_width,
            hidden: &self.hidden,
            places: &[],
        })
    }

    fn take_hidden(&mut self, mut emptied: Vec<f32>) -> Vec<f32> {
        emptied.clear();
        std::mem::replace(&mut self.hidden, emptied)
    }
}

fn floats(tensor: Tensor<2>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("all tensors of this decoder are f32")
}

/// Bytes that weights will take on a device.
#[must_use]
pub fn weights_bytes(weights: &DecoderWeights<MatrixView<'_>>) -> u64 {
    weights.bytes(|view| (view.rows * view.columns * size_of::<f32>()) as u64)
}

/// Bytes that one page of a model's cache takes.
#[must_use]
pub fn page_bytes(spec: &DecoderSpec) -> u64 {
    (PAGE_TOKENS * spec.cache_values_per_token() * size_of::<f32>()) as u64
}

/// [rows, columns].
fn matrix(view: &MatrixView<'_>, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(view.kind.dequantize(view.bytes), [view.rows, view.columns]), device)
}

/// [1, width].
fn row(values: &[f32], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
}
