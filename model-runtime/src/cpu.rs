//! The CPU executor: any [`DecoderSpec`] on own kernels, weights as the file has them, repacked once.
//!
//! Matrices of integers meet rows rounded to 8 bits per block of 32, as in llama.cpp; matrices of floats meet f32 rows. What a sequence
//! gets has the same bits alone and in a batch, in one piece or in many, and on every instruction set (see [`crate::kernels`]).

mod forward;
mod load;

use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::decoder::{DecoderSpec, DecoderWeights, MatrixView, RopeSpec};
use crate::kernels::positions::Turns;
use crate::kernels::{Activations, Isa, KvPages, KvShape, PackedMatrix, Team};

/// How a model is executed.
#[derive(Clone, Copy, Debug)]
pub struct CpuConfig {
    /// Pages of the cache.
    pub pages: usize,
    /// Keep keys and values as f32 instead of f16.
    pub exact_cache: bool,
    /// Instructions to use.
    pub isa: Isa,
}

/// A model on the processor's own kernels.
#[derive(Debug)]
pub struct CpuModel {
    spec: DecoderSpec,
    weights: DecoderWeights<PackedMatrix>,
    cache: KvPages,
    isa: Isa,
    team: Arc<Team>,
    /// The different ways of turning, and which of them each layer has.
    ropes: Vec<RopeSpec>,
    rope_of_layer: Vec<usize>,
    buffers: Buffers,
}

/// Rows in the making; kept from pass to pass.
#[derive(Debug, Default)]
struct Buffers {
    /// [tokens, hidden].
    x: Vec<f32>,
    /// What products take.
    input: Activations,
    /// What products give.
    output: Vec<f32>,
    turns: Vec<Turns>,
    logits: Vec<f32>,
}

/// Weights that do not make the model that the specification describes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CpuError {
    /// A matrix or vector of another size.
    #[error("{what} has the sizes {found:?} instead of {expected:?}")]
    Shape {
        /// Which one.
        what: String,
        /// Rows and columns by the specification; a vector has one column.
        expected: (usize, usize),
        /// Rows and columns that were given.
        found: (usize, usize),
    },
    /// Numbers that make no model.
    #[error("the specification has {0}")]
    Specification(&'static str),
    /// Not enough memory.
    #[error("cannot get {bytes} bytes of memory for {what}")]
    Memory {
        /// What for.
        what: &'static str,
        /// How much.
        bytes: u64,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl CpuModel {
    /// Packs the weights, on the threads of the rayon pool it is called in.
    ///
    /// # Errors
    /// When sizes do not fit each other, or memory is short.
    pub fn new(
        spec: DecoderSpec,
        weights: &DecoderWeights<MatrixView<'_>>,
        config: CpuConfig,
        team: Arc<Team>,
    ) -> Result<Self, CpuError> {
        load::check(&spec, weights)?;
        let weights = load::pack(weights)?;
        let shape = cache_shape(&spec, config.pages, config.exact_cache);
        let cache = KvPages::new(shape).map_err(|source| CpuError::Memory {
            what: "keys and values",
            bytes: shape.page_bytes() * config.pages as u64,
            source,
        })?;
        let mut ropes: Vec<RopeSpec> = Vec::new();
        let mut rope_of_layer = Vec::new();
        for layer in &spec.layers {
            let known = ropes.iter().position(|rope| *rope == layer.rope);
            rope_of_layer.push(known.unwrap_or(ropes.len()));
            if known.is_none() {
                ropes.push(layer.rope.clone());
            }
        }
        let buffers = Buffers::default();
        Ok(Self { spec, weights, cache, isa: config.isa, team, ropes, rope_of_layer, buffers })
    }

    /// Sizes and constants.
    #[must_use]
    pub fn spec(&self) -> &DecoderSpec {
        &self.spec
    }

    /// Bytes of weights held, matrices and norms.
    #[must_use]
    pub fn weights_bytes(&self) -> u64 {
        self.weights.bytes(PackedMatrix::bytes)
    }

    /// Bytes that the cache may come to take.
    #[must_use]
    pub fn cache_bytes_max(&self) -> u64 {
        self.cache.shape().page_bytes() * self.cache.shape().pages as u64
    }
}

/// Checks that weights make the model that a specification describes.
///
/// # Errors
/// Names the first that does not.
pub fn check(spec: &DecoderSpec, weights: &DecoderWeights<MatrixView<'_>>) -> Result<(), CpuError> {
    load::check(spec, weights)
}

/// Bytes that weights will take when they are packed.
#[must_use]
pub fn packed_bytes(weights: &DecoderWeights<MatrixView<'_>>) -> u64 {
    weights.bytes(PackedMatrix::bytes_of)
}

/// Bytes that one page of a model's cache takes.
#[must_use]
pub fn page_bytes(spec: &DecoderSpec, exact: bool) -> u64 {
    cache_shape(spec, 0, exact).page_bytes()
}

fn cache_shape(spec: &DecoderSpec, pages: usize, exact: bool) -> KvShape {
    KvShape { layers: spec.layers.len(), pages, kv_heads: spec.kv_heads, head_dim: spec.head_dim, exact }
}
