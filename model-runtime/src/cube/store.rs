//! A model's weights and working memory on a board.

use super::board::Board;
use super::inputs::{FORBIDDEN, TABLES};
use super::packing::{Packed, Packing, TILE, chunks};
use crate::decoder::{
    DecoderSpec, DecoderWeights, LayerWeights, MatrixView, PAGE_TOKENS, RopePairing, RopeSpec,
};

/// Rows of a pass; more are computed in several.
pub const ROWS_MAX: usize = 512;

/// Rows whose logits are computed at once.
pub const PICKS_MAX: usize = 64;

/// Words of all block tables of a pass, where a sequence's own are not more.
const TABLE_WORDS: usize = 1 << 16;

/// A matrix on the board.
pub(super) struct Matrix<B: Board> {
    pub(super) packing: Packing,
    pub(super) outputs: usize,
    pub(super) tiles: usize,
    pub(super) chunks: usize,
    pub(super) words: B::Buffer,
    pub(super) scales: B::Buffer,
}

/// From normed rows to attention's queries and the cache.
pub(super) enum Qkv<B: Board> {
    /// One matrix whose tiles hold what turns together.
    Turned(Matrix<B>),
    /// Matrices whose products lie side by side, for heads that are normed before they are turned, and for mixed kinds.
    Plain(Vec<Matrix<B>>),
}

/// From normed rows to the feed-forward's inside.
pub(super) enum GateUp<B: Board> {
    /// One matrix whose tiles hold gates and what they multiply.
    Gated(Matrix<B>),
    /// Matrices of different kinds.
    Plain(Vec<Matrix<B>>),
}

/// Weights and cache of a layer.
pub(super) struct Layer<B: Board> {
    pub(super) attention_norm: B::Buffer,
    pub(super) qkv: Qkv<B>,
    pub(super) bias: Option<B::Buffer>,
    pub(super) query_norm: Option<B::Buffer>,
    pub(super) key_norm: Option<B::Buffer>,
    pub(super) attention_output: Matrix<B>,
    pub(super) post_attention_norm: Option<B::Buffer>,
    pub(super) feed_forward_norm: B::Buffer,
    pub(super) gate_up: GateUp<B>,
    pub(super) down: Matrix<B>,
    pub(super) post_feed_forward_norm: Option<B::Buffer>,
    pub(super) keys: B::Buffer,
    pub(super) values: B::Buffer,
    /// Of its rope, among [`Store::angles`].
    pub(super) rope: usize,
}

/// Everything that stays.
pub(super) struct Store<B: Board> {
    pub(super) embedding: Matrix<B>,
    pub(super) output: Option<Matrix<B>>,
    pub(super) output_norm: B::Buffer,
    pub(super) layers: Vec<Layer<B>>,
    /// [positions, pairs, 2] of each different rope.
    pub(super) angles: Vec<B::Buffer>,
    pub(super) work: Work<B>,
}

/// What passes read and write. Rows of products are in tensor cores' order.
pub(super) struct Work<B: Board> {
    /// See [`crate::cube::inputs`].
    pub(super) inputs: B::Buffer,
    /// Words that block tables may have.
    pub(super) table_words: usize,
    /// [rows, hidden].
    pub(super) stream: B::Buffer,
    /// What is added to it, where that is normed before; and the products that are not finished in their kernel.
    pub(super) plain: B::Buffer,
    /// Rows of `hidden`, normed or about to be.
    pub(super) normed: B::Buffer,
    /// [rows, hidden / 16].
    pub(super) squares: B::Buffer,
    pub(super) queries: B::Buffer,
    pub(super) mixed: B::Buffer,
    pub(super) sums: B::Buffer,
    /// Rows of `heads * head_dim`.
    pub(super) attended: B::Buffer,
    /// Rows of `feed_forward`.
    pub(super) gated: B::Buffer,
    /// Rows whose logits are wanted.
    pub(super) picks: B::Buffer,
    pub(super) forbidden: B::Buffer,
    pub(super) picked: B::Buffer,
    /// [picks, hidden].
    pub(super) hidden: B::Buffer,
    /// [picks, vocabulary].
    pub(super) logits: B::Buffer,
    pub(super) best: B::Buffer,
    pub(super) chosen: B::Buffer,
    /// In place of what a kernel does not read.
    pub(super) nothing: B::Buffer,
}

/// Whether a layer's queries and keys can be turned by the product's own kernel.
fn turns_in_product(spec: &DecoderSpec, rope: &RopeSpec, weights: &LayerWeights<MatrixView<'_>>) -> bool {
    let kinds = [&weights.q, &weights.k, &weights.v].map(|view| view.kind);
    spec.head_dim.is_multiple_of(TILE)
        && rope.dims() == spec.head_dim
        && weights.q_norm.is_none()
        && weights.k_norm.is_none()
        && kinds.iter().all(|kind| *kind == kinds[0])
}

/// The number of a head that has place `row` in the head's tiles.
fn turned_row(row: usize, head_dim: usize, pairing: RopePairing) -> usize {
    let (pair, second) = (row / TILE * 8 + row % 8, row % TILE / 8);
    match pairing {
        RopePairing::Adjacent => 2 * pair + second,
        RopePairing::Halves => pair + second * head_dim / 2,
    }
}

impl<B: Board> Matrix<B> {
    fn new(board: &mut B, packed: &Packed, outputs: usize) -> Result<Self, String> {
        let (words, scales) = (board.buffer(&packed.words)?, board.buffer(&packed.scales)?);
        let Packed { packing, tiles, chunks, .. } = *packed;
        Ok(Self { packing, outputs, tiles, chunks, words, scales })
    }

    fn natural(board: &mut B, view: &MatrixView<'_>) -> Result<Self, String> {
        Self::new(board, &Packed::natural(view), view.rows)
    }
}

impl<B: Board> Layer<B> {
    fn new(
        board: &mut B,
        spec: &DecoderSpec,
        rope: (usize, &RopeSpec),
        weights: &LayerWeights<MatrixView<'_>>,
        cached_words: usize,
    ) -> Result<Self, String> {
        let LayerWeights { q, k, v, gate, up, .. } = weights;
        let (dim, pairing) = (spec.head_dim, rope.1.pairing);
        let turned = turns_in_product(spec, rope.1, weights);
        let head_of = |row: usize| {
            let (head, row) = (row / dim, turned_row(row % dim, dim, pairing));
            let (view, head) = match head {
                head if head < spec.heads => (0, head),
                head if head < spec.heads + spec.kv_heads => (1, head - spec.heads),
                head => (2, head - spec.heads - spec.kv_heads),
            };
            (view, head * dim + row)
        };
        let all = (spec.heads + 2 * spec.kv_heads) * dim;
        let qkv = if turned {
            Qkv::Turned(Matrix::new(board, &Packed::new(&[q, k, v], all, |row| Some(head_of(row))), all)?)
        } else {
            Qkv::Plain(
                [q, k, v].into_iter().map(|view| Matrix::natural(board, view)).collect::<Result<_, _>>()?,
            )
        };
        let width = spec.feed_forward;
        let gate_up = if gate.kind == up.kind && width.is_multiple_of(8) {
            let order = |row: usize| Some((row % TILE / 8, row / TILE * 8 + row % 8));
            GateUp::Gated(Matrix::new(board, &Packed::new(&[gate, up], 2 * width, order), 2 * width)?)
        } else {
            GateUp::Plain(
                [gate, up].into_iter().map(|view| Matrix::natural(board, view)).collect::<Result<_, _>>()?,
            )
        };
        let bias = bias(spec, weights).map(|bias| {
            let at = |row: usize| {
                let (view, row) = head_of(row);
                bias[[0, spec.heads, spec.heads + spec.kv_heads][view] * dim + row]
            };
            if turned { (0..all).map(at).collect() } else { bias.clone() }
        });
        let mut vector = |values: &Vec<f32>| board.buffer(&bits(values));
        Ok(Self {
            attention_norm: vector(&weights.attention_norm)?,
            query_norm: weights.q_norm.as_ref().map(&mut vector).transpose()?,
            key_norm: weights.k_norm.as_ref().map(&mut vector).transpose()?,
            post_attention_norm: weights.post_attention_norm.as_ref().map(&mut vector).transpose()?,
            feed_forward_norm: vector(&weights.feed_forward_norm)?,
            post_feed_forward_norm: weights.post_feed_forward_norm.as_ref().map(&mut vector).transpose()?,
            bias: bias.as_ref().map(&mut vector).transpose()?,
            qkv,
            gate_up,
            attention_output: Matrix::natural(board, &weights.o)?,
            down: Matrix::natural(board, &weights.down)?,
            keys: board.zeros(cached_words)?,
            values: board.zeros(cached_words)?,
            rope: rope.0,
        })
    }
}

/// Of queries, keys and values.
fn bias(spec: &DecoderSpec, weights: &LayerWeights<MatrixView<'_>>) -> Option<Vec<f32>> {
    let biases =
        [(&weights.q_bias, spec.heads), (&weights.k_bias, spec.kv_heads), (&weights.v_bias, spec.kv_heads)];
    biases.iter().any(|(bias, _)| bias.is_some()).then(|| {
        let part = |(bias, heads): &(&Option<Vec<f32>>, usize)| {
            (*bias).clone().unwrap_or_else(|| vec![0.0; heads * spec.head_dim])
        };
        biases.iter().flat_map(part).collect()
    })
}

impl<B: Board> Store<B> {
    pub(super) fn new(
        board: &mut B,
        spec: &DecoderSpec,
        weights: &DecoderWeights<MatrixView<'_>>,
        pages: usize,
        exact: bool,
    ) -> Result<Self, String> {
        let mut ropes: Vec<&RopeSpec> = Vec::new();
        let rope_of_layer: Vec<usize> = spec
            .layers
            .iter()
            .map(|layer| {
                ropes.iter().position(|rope| **rope == layer.rope).unwrap_or_else(|| {
                    ropes.push(&layer.rope);
                    ropes.len() - 1
                })
            })
            .collect();
        // One page more, for rows that only fill up a pass.
        let cached = (pages + 1) * PAGE_TOKENS * spec.kv_heads * spec.head_dim;
        let cached = if exact { cached } else { cached.div_ceil(2) };
        let layers = weights
            .layers
            .iter()
            .zip(&rope_of_layer)
            .map(|(layer, rope)| Layer::new(board, spec, (*rope, ropes[*rope]), layer, cached))
            .collect::<Result<_, _>>()?;
        let angles = ropes.iter().map(|rope| board.buffer(&angles(rope, spec.context_max)));
        let angles = angles.collect::<Result<_, _>>()?;
        Ok(Self {
            embedding: Matrix::natural(board, &weights.embedding)?,
            output: weights.output.as_ref().map(|output| Matrix::natural(board, output)).transpose()?,
            output_norm: board.buffer(&bits(&weights.output_norm))?,
            layers,
            angles,
            work: Work::new(board, spec, exact)?,
        })
    }
}

/// Cosine and sine of every position's and pair's turn.
fn angles(rope: &RopeSpec, positions: usize) -> Vec<u32> {
    let turn = |position: usize, frequency: &f64| {
        let (sin, cos) = (position as f64 * frequency).sin_cos();
        [cos, sin].map(|turn| (turn as f32 * rope.magnitude).to_bits())
    };
    (0..positions)
        .flat_map(|position| rope.frequencies.iter().flat_map(move |frequency| turn(position, frequency)))
        .collect()
}

impl<B: Board> Work<B> {
    fn new(board: &mut B, spec: &DecoderSpec, exact: bool) -> Result<Self, String> {
        let DecoderSpec { heads, kv_heads, head_dim, hidden, feed_forward, vocabulary, .. } = *spec;
        let parts = parts(exact);
        let rows = |rows: usize, columns: usize| rows * chunks(columns) * super::packing::CHUNK / 2 * parts;
        let table_words = TABLE_WORDS.max(spec.context_max.div_ceil(PAGE_TOKENS));
        let plain = ((heads + 2 * kv_heads) * head_dim).max(2 * feed_forward).max(hidden);
        let all_splits = ROWS_MAX * heads * super::attend::SPLITS;
        Ok(Self {
            inputs: board.zeros(TABLES * ROWS_MAX + table_words)?,
            table_words,
            stream: board.zeros(ROWS_MAX * hidden)?,
            plain: board.zeros(ROWS_MAX * plain)?,
            normed: board.zeros(rows(ROWS_MAX, hidden))?,
            squares: board.zeros(ROWS_MAX * hidden.div_ceil(TILE))?,
            queries: board.zeros(ROWS_MAX * heads * head_dim)?,
            mixed: board.zeros(all_splits * head_dim)?,
            sums: board.zeros(all_splits * 2)?,
            attended: board.zeros(rows(ROWS_MAX, heads * head_dim))?,
            gated: board.zeros(rows(ROWS_MAX, feed_forward))?,
            picks: board.zeros(PICKS_MAX)?,
            forbidden: board.zeros(PICKS_MAX * FORBIDDEN)?,
            picked: board.zeros(rows(PICKS_MAX, hidden))?,
            hidden: board.zeros(PICKS_MAX * hidden)?,
            logits: board.zeros(PICKS_MAX * vocabulary)?,
            best: board.zeros(PICKS_MAX * super::choose::SLICES * 2)?,
            chosen: board.zeros(PICKS_MAX)?,
            nothing: board.zeros(4)?,
        })
    }
}

/// Parts of the numbers of rows: exact ones have two.
pub(super) fn parts(exact: bool) -> usize {
    if exact { 2 } else { 1 }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
