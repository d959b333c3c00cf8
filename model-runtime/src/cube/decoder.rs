//! The formula of [`crate::decoder`], launch by launch.
//!
//! Rows of a step, whoever's they are, go through the same launches; their number is rounded up to a power of two, beyond
//! [`TOKENS_MAX`] to whole [`TOKENS_MAX`], and rows too many write to a page of their own that nobody reads. A row's numbers come from
//! its own inputs in an order that the others do not change.
//!
//! What has never run on a card: all of it. Tests run the same kernels, compiled for a card, on the processor. What is left before it can
//! be what a miner serves with: the tensor cores for prompts (here a matrix is read again for every eight rows), the capture of a step in a
//! graph (every number that changes from step to step is in a buffer already, which would have to be kept and written in place), and
//! figures.

use std::sync::Arc;

use cubecl::prelude::*;
use half::f16;

use super::attend::{AttendShape, SPAN, attend, merge};
use super::board::Board;
use super::place::{PlaceShape, place};
use super::product::{PLANES, ProductShape, TOKENS_MAX, UNITS, product};
use super::rows::{Before, EmbedShape, GateKind, NormShape, ROW_PLANES, cap, embed, gate, norm};
use super::weights::Packed;
use crate::decoder::{
    Activation, DecoderSpec, DecoderWeights, ForwardError, LayerWeights, MatrixView, Model, PAGE_TOKENS,
    Part, RopePairing, RopeSpec, Rows, Step,
};

/// Positions from which on a token's pages are divided over cubes, and how many share them then.
const SPLIT_FROM: usize = 256;
const SPLITS: usize = 8;

/// A decoder on a board.
pub struct CubeDecoder<B: Board> {
    board: B,
    spec: DecoderSpec,
    exact_cache: bool,
    pages: usize,
    embedding: Matrix<B>,
    output: Option<Matrix<B>>,
    output_norm: B::Buffer,
    layers: Arc<[Layer<B>]>,
    ropes: Vec<RopeSpec>,
    rope_of_layer: Vec<usize>,
    windows: Vec<Option<usize>>,
    window_of_layer: Vec<usize>,
    /// In place of what a kernel does not read.
    nothing: B::Buffer,
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

struct Matrix<B: Board> {
    packing: super::product::Packing,
    outputs: usize,
    columns: usize,
    words: B::Buffer,
    scales: B::Buffer,
}

struct Layer<B: Board> {
    attention_norm: B::Buffer,
    qkv: Vec<Matrix<B>>,
    bias: Option<B::Buffer>,
    query_norm: Option<B::Buffer>,
    key_norm: Option<B::Buffer>,
    attention_output: Matrix<B>,
    post_attention_norm: Option<B::Buffer>,
    feed_forward_norm: B::Buffer,
    gate_up: Vec<Matrix<B>>,
    down: Matrix<B>,
    post_feed_forward_norm: Option<B::Buffer>,
    keys: B::Buffer,
    values: B::Buffer,
}

/// What a step's kernels read and write.
struct Work<B: Board> {
    rows: usize,
    splits: usize,
    slots: B::Buffer,
    /// One per window.
    spans: Vec<B::Buffer>,
    tables: B::Buffer,
    angles: Vec<B::Buffer>,
    /// [rows, hidden].
    x: B::Buffer,
    y: B::Buffer,
    normed: B::Buffer,
}

fn units(x: usize, y: usize) -> KernelSettings {
    let dim = CubeDim::new_2d(x as u32, y as u32);
    KernelSettings::new(*dim, ExecutionMode::Unchecked, AddressType::U32)
}

/// A kernel of so many buffers and a shape.
macro_rules! kernel {
    (@argument $buffer:expr) => { BufferCompilationArg { inplace: None } };
    ($board:expr, $settings:expr, $kernel:ty, [$($buffer:expr),+], $($shape:expr),+) => {
        <$kernel>::new(
            $settings.clone(),
            $board.properties(),
            $board.target(),
            $(kernel!(@argument $buffer),)+
            $($shape),+
        )
    };
}

/// Launches it on the same buffers.
macro_rules! launch {
    ($board:expr, $kernel:ty, $settings:expr, $cubes:expr, [$($buffer:expr),+ $(,)?], $($shape:expr),+ $(,)?) => {{
        let settings = $settings;
        let kernel = kernel!($board, settings, $kernel, [$($buffer),+], $($shape),+);
        $board.launch(kernel, settings, $cubes, &[$($buffer),+]);
    }};
}

impl<B: Board> CubeDecoder<B> {
    /// Puts the weights on the board, with a cache of `pages` pages, of f32 if it is to be exact and of f16 else.
    ///
    /// # Panics
    /// When sizes are not those that [`crate::cpu::check`] accepts, or a matrix's rows are not of whole fours.
    #[must_use]
    pub fn new(
        spec: DecoderSpec,
        weights: &DecoderWeights<MatrixView<'_>>,
        mut board: B,
        pages: usize,
        exact_cache: bool,
    ) -> Self {
        let (ropes, rope_of_layer) = distinct(spec.layers.iter().map(|layer| layer.rope.clone()));
        let (windows, window_of_layer) = distinct(spec.layers.iter().map(|layer| layer.window));
        // One page more, for rows that only fill up a step.
        let cached = (pages + 1) * PAGE_TOKENS * spec.kv_heads * spec.head_dim;
        let cached = if exact_cache { cached } else { cached.div_ceil(2) };
        let layers =
            weights.layers.iter().map(|layer| Layer::new(&mut board, &spec, layer, cached)).collect();
        Self {
            embedding: Matrix::new(&mut board, &weights.embedding),
            output: weights.output.as_ref().map(|output| Matrix::new(&mut board, output)),
            output_norm: board.buffer(&bits(&weights.output_norm)),
            nothing: board.buffer(&[0; 4]),
            board,
            spec,
            exact_cache,
            pages,
            layers,
            ropes,
            rope_of_layer,
            windows,
            window_of_layer,
            logits: Vec::new(),
            hidden: Vec::new(),
        }
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

    /// Buffers of a step of so many tokens, `x` of them embedded.
    fn work(&mut self, parts: &[Part<'_>], tokens: usize) -> Work<B> {
        let rows = padded(tokens);
        let spare = self.pages * PAGE_TOKENS;
        let (mut ids, mut slots, mut tables) = (Vec::new(), Vec::new(), Vec::new());
        let mut positions = Vec::new();
        for part in parts {
            ids.extend_from_slice(part.tokens);
            for position in part.start..part.start + part.tokens.len() {
                let page = part.pages[position / PAGE_TOKENS] as usize;
                slots.push((page * PAGE_TOKENS + position % PAGE_TOKENS) as u32);
                positions.push((position, tables.len() as u32));
            }
            tables.extend_from_slice(part.pages);
        }
        ids.resize(rows, 0);
        slots.resize_with(rows, || spare as u32);
        let spans = self.windows.iter().map(|window| {
            let mut spans = vec![0; rows * SPAN];
            for (span, (position, table)) in spans.chunks_exact_mut(SPAN).zip(&positions) {
                let first = window.map_or(0, |window| (position + 1).saturating_sub(window));
                span.copy_from_slice(&[first as u32, *position as u32 + 1, *table]);
            }
            self.board.buffer(&spans)
        });
        let spans = spans.collect();
        let longest = positions.iter().map(|(position, _)| position + 1).max().unwrap_or(0);
        let angles = self.ropes.iter().map(|rope| {
            let mut angles = Vec::with_capacity(rows * rope.dims());
            for (position, _) in &positions {
                for frequency in &rope.frequencies {
                    let (sin, cos) = (*position as f64 * frequency).sin_cos();
                    angles.extend([cos, sin].map(|turn| (turn as f32 * rope.magnitude).to_bits()));
                }
            }
            angles.resize(rows * rope.dims(), 0);
            self.board.buffer(&angles)
        });
        let angles = angles.collect();
        let x = self.empty(rows * self.spec.hidden);
        let ids = self.board.buffer(&ids);
        let Matrix { packing, columns, .. } = self.embedding;
        let shape = EmbedShape { packing, columns, scale: self.spec.embedding_scale.to_bits() };
        let (words, scales) = (&self.embedding.words, &self.embedding.scales);
        launch!(self.board, embed::Embed, units(256, 1), [rows, 1, 1], [words, scales, &ids, &x], shape);
        Work {
            rows,
            splits: if longest >= SPLIT_FROM { SPLITS } else { 1 },
            slots: self.board.buffer(&slots),
            spans,
            tables: self.board.buffer(&if tables.is_empty() { vec![0] } else { tables }),
            angles,
            y: self.empty(rows * self.spec.hidden),
            normed: self.empty(rows * self.spec.hidden),
            x,
        }
    }

    fn empty(&mut self, words: usize) -> B::Buffer {
        self.board.buffer(&vec![0; words])
    }

    /// `y[.., offset..] = matrix x`, where `y` has rows of `stride`.
    fn product(
        &mut self,
        matrix: &Matrix<B>,
        x: &B::Buffer,
        y: &B::Buffer,
        rows: usize,
        place: (usize, usize),
    ) {
        let &Matrix { packing, outputs, columns, .. } = matrix;
        let tokens = rows.min(TOKENS_MAX);
        let shape = ProductShape { packing, outputs, columns, stride: place.0, offset: place.1, tokens };
        let cubes = [outputs.div_ceil(PLANES), rows / tokens, 1];
        let (words, scales) = (&matrix.words, &matrix.scales);
        launch!(self.board, product::Product, units(UNITS, PLANES), cubes, [words, scales, x, y], shape);
    }

    /// Matrices whose outputs lie side by side.
    fn products(&mut self, matrices: &[Matrix<B>], x: &B::Buffer, y: &B::Buffer, rows: usize) {
        let stride = matrices.iter().map(|matrix| matrix.outputs).sum();
        let mut offset = 0;
        for matrix in matrices {
            self.product(matrix, x, y, rows, (stride, offset));
            offset += matrix.outputs;
        }
    }

    /// See [`norm`]; `more` is what is added, and its norm's weight where it has one.
    fn norm(&mut self, work: &Work<B>, more: Option<Option<&B::Buffer>>, weight: &B::Buffer) {
        let before = match more {
            None => Before::Nothing,
            Some(None) => Before::Add,
            Some(Some(_)) => Before::NormAdd,
        };
        let shape = NormShape { width: self.spec.hidden, epsilon: self.spec.norm_epsilon.to_bits(), before };
        let nothing = self.nothing.clone();
        let after = more.flatten().unwrap_or(&nothing);
        let y = if before == Before::Nothing { &nothing } else { &work.y };
        let buffers = [&work.x, y, after, weight, &nothing, &work.normed];
        let [x, y, after, weight, picks, out] = buffers;
        let settings = units(UNITS, ROW_PLANES);
        launch!(
            self.board,
            norm::Norm,
            settings,
            [work.rows, 1, 1],
            [x, y, after, weight, picks, out],
            shape
        );
    }

    /// From normed rows to what attention adds, in `y`.
    fn attention(&mut self, work: &Work<B>, index: usize, layer: &Layer<B>) {
        let DecoderSpec { heads, kv_heads, head_dim, .. } = self.spec;
        let (rows, splits) = (work.rows, work.splits);
        let all = heads + 2 * kv_heads;
        let qkv = self.empty(rows * all * head_dim);
        self.products(&layer.qkv, &work.normed, &qkv, rows);
        let rope = &self.spec.layers[index].rope;
        let shape = PlaceShape {
            heads,
            kv_heads,
            head_dim,
            pairs: rope.frequencies.len(),
            adjacent: rope.pairing == RopePairing::Adjacent,
            biased: layer.bias.is_some(),
            query_norm: layer.query_norm.is_some(),
            key_norm: layer.key_norm.is_some(),
            epsilon: self.spec.norm_epsilon.to_bits(),
            scale: self.spec.attention_scale.to_bits(),
        };
        let queries = self.empty(rows * heads * head_dim);
        let nothing = self.nothing.clone();
        let or_nothing = |buffer: &Option<B::Buffer>| buffer.clone().unwrap_or_else(|| nothing.clone());
        let (bias, query_norm, key_norm) =
            (or_nothing(&layer.bias), or_nothing(&layer.query_norm), or_nothing(&layer.key_norm));
        let angles = &work.angles[self.rope_of_layer[index]];
        let (slots, keys, values) = (&work.slots, &layer.keys, &layer.values);
        let cubes = [rows, all, 1];
        let (from, bias, query_norm, key_norm, to) = (&qkv, &bias, &query_norm, &key_norm, &queries);
        if self.exact_cache {
            launch!(
                self.board,
                place::Place<f32>,
                units(UNITS, 1),
                cubes,
                [from, bias, query_norm, key_norm, angles, slots, to, keys, values],
                shape
            );
        } else {
            launch!(
                self.board,
                place::Place<f16>,
                units(UNITS, 1),
                cubes,
                [from, bias, query_norm, key_norm, angles, slots, to, keys, values],
                shape
            );
        }
        let shape = AttendShape { heads, kv_heads, head_dim, splits };
        let mixed = self.empty(rows * heads * splits * head_dim);
        let sums = self.empty(rows * heads * splits * 2);
        let (spans, tables) = (&work.spans[self.window_of_layer[index]], &work.tables);
        let (settings, cubes) = (units(UNITS, heads / kv_heads), [rows, kv_heads, splits]);
        let (mix, sum) = (&mixed, &sums);
        if self.exact_cache {
            launch!(
                self.board,
                attend::Attend<f32>,
                settings,
                cubes,
                [to, keys, values, spans, tables, mix, sum],
                shape
            );
        } else {
            launch!(
                self.board,
                attend::Attend<f16>,
                settings,
                cubes,
                [to, keys, values, spans, tables, mix, sum],
                shape
            );
        }
        if splits > 1 {
            let cubes = [rows, heads, 1];
            launch!(self.board, merge::Merge, units(UNITS, 1), cubes, [mix, sum, to], shape);
        }
        let attended = if splits > 1 { to } else { mix };
        self.product(&layer.attention_output, attended, &work.y, rows, (self.spec.hidden, 0));
    }

    /// From normed rows to what the feed-forward adds, in `y`.
    fn feed_forward(&mut self, work: &Work<B>, layer: &Layer<B>) {
        let (rows, width) = (work.rows, self.spec.feed_forward);
        let both = self.empty(rows * 2 * width);
        self.products(&layer.gate_up, &work.normed, &both, rows);
        let gated = self.empty(rows * width);
        let kind = match self.spec.activation {
            Activation::Silu => GateKind::Silu,
            Activation::GeluTanh => GateKind::GeluTanh,
        };
        let cubes = [width.div_ceil(256), rows, 1];
        let (from, to) = (&both, &gated);
        launch!(self.board, gate::Gate, units(256, 1), cubes, [from, to], width, kind);
        self.product(&layer.down, &gated, &work.y, rows, (self.spec.hidden, 0));
    }

    /// Rows `picks` of `x`, normed, and their logits.
    fn output(&mut self, work: &Work<B>, picks: &[u32]) -> Result<(), ForwardError> {
        let (rows, hidden, vocabulary) = (padded(picks.len()), self.spec.hidden, self.spec.vocabulary);
        let mut padded_picks = picks.to_vec();
        padded_picks.resize(rows, 0);
        let (picks_buffer, normed) = (self.board.buffer(&padded_picks), self.empty(rows * hidden));
        let shape =
            NormShape { width: hidden, epsilon: self.spec.norm_epsilon.to_bits(), before: Before::Pick };
        let (nothing, weight) = (self.nothing.clone(), self.output_norm.clone());
        let (x, none, weight, from, to) = (&work.x, &nothing, &weight, &picks_buffer, &normed);
        let settings = units(UNITS, ROW_PLANES);
        launch!(self.board, norm::Norm, settings, [rows, 1, 1], [x, none, none, weight, from, to], shape);
        let logits = self.empty(rows * vocabulary);
        let matrix = self.output.as_ref().unwrap_or(&self.embedding).clone();
        self.product(&matrix, to, &logits, rows, (vocabulary, 0));
        if let Some(limit) = self.spec.final_logit_softcap {
            let cubes = [vocabulary.div_ceil(256), rows, 1];
            let logits = &logits;
            launch!(self.board, cap::Cap, units(256, 1), cubes, [logits], vocabulary, limit.to_bits());
        }
        self.logits = self.read(&logits, picks.len() * vocabulary)?;
        self.hidden = self.read(&normed, picks.len() * hidden)?;
        Ok(())
    }

    fn read(&mut self, buffer: &B::Buffer, count: usize) -> Result<Vec<f32>, ForwardError> {
        let words = self.board.read(buffer, count).map_err(ForwardError::Device)?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }
}

impl<B: Board> Model for CubeDecoder<B> {
    fn forward(&mut self, step: &Step<'_>) -> Result<Rows<'_>, ForwardError> {
        step.parts.iter().try_for_each(|part| self.check(part))?;
        let tokens = step.parts.iter().map(|part| part.tokens.len()).sum();
        let work = self.work(step.parts, tokens);
        let layers = self.layers.clone();
        let mut more: Option<Option<&B::Buffer>> = None;
        for (index, layer) in layers.iter().enumerate() {
            self.norm(&work, more, &layer.attention_norm);
            self.attention(&work, index, layer);
            self.norm(&work, Some(layer.post_attention_norm.as_ref()), &layer.feed_forward_norm);
            self.feed_forward(&work, layer);
            more = Some(layer.post_feed_forward_norm.as_ref());
        }
        // The last sum; what it is normed to is not used.
        let weight = self.output_norm.clone();
        self.norm(&work, more, &weight);

        let (mut picks, mut row) = (Vec::new(), 0);
        for part in step.parts {
            let end = row + part.tokens.len();
            picks.extend((row + part.rows_from.min(part.tokens.len())..end).map(|row| row as u32));
            row = end;
        }
        self.logits.clear();
        self.hidden.clear();
        if !picks.is_empty() {
            self.output(&work, &picks)?;
        }
        let (hidden_width, hidden) =
            if step.hidden { (self.spec.hidden, self.hidden.as_slice()) } else { (0, [].as_slice()) };
        Ok(Rows { vocabulary: self.spec.vocabulary, logits: &self.logits, hidden_width, hidden })
    }
}

impl<B: Board> Clone for Matrix<B> {
    fn clone(&self) -> Self {
        Self { words: self.words.clone(), scales: self.scales.clone(), ..*self }
    }
}

impl<B: Board> Matrix<B> {
    fn new(board: &mut B, view: &MatrixView<'_>) -> Self {
        let Packed { packing, words, scales } = Packed::new(view);
        let (words, scales) = (board.buffer(&words), board.buffer(&scales));
        Self { packing, outputs: view.rows, columns: view.columns, words, scales }
    }

    /// As one where all are stored the same way.
    fn stacked(board: &mut B, views: &[&MatrixView<'_>]) -> Vec<Self> {
        let first = views[0];
        if !views.iter().all(|view| (view.kind, view.columns) == (first.kind, first.columns)) {
            return views.iter().map(|view| Self::new(board, view)).collect();
        }
        let bytes: Vec<u8> = views.iter().flat_map(|view| view.bytes).copied().collect();
        let rows = views.iter().map(|view| view.rows).sum();
        let all = MatrixView::new(rows, first.columns, first.kind, &bytes);
        vec![Self::new(board, &all.expect("the bytes of all views"))]
    }
}

impl<B: Board> Layer<B> {
    fn new(
        board: &mut B,
        spec: &DecoderSpec,
        weights: &LayerWeights<MatrixView<'_>>,
        cached_words: usize,
    ) -> Self {
        let biases = [
            (&weights.q_bias, spec.heads),
            (&weights.k_bias, spec.kv_heads),
            (&weights.v_bias, spec.kv_heads),
        ];
        let bias = biases.iter().any(|(bias, _)| bias.is_some()).then(|| {
            let part = |(bias, heads): &(&Option<Vec<f32>>, usize)| {
                (*bias).clone().unwrap_or_else(|| vec![0.0; heads * spec.head_dim])
            };
            biases.iter().flat_map(part).map(f32::to_bits).collect::<Vec<u32>>()
        });
        let mut vector = |values: &Vec<f32>| board.buffer(&bits(values));
        let attention_norm = vector(&weights.attention_norm);
        let query_norm = weights.q_norm.as_ref().map(&mut vector);
        let key_norm = weights.k_norm.as_ref().map(&mut vector);
        let post_attention_norm = weights.post_attention_norm.as_ref().map(&mut vector);
        let feed_forward_norm = vector(&weights.feed_forward_norm);
        let post_feed_forward_norm = weights.post_feed_forward_norm.as_ref().map(&mut vector);
        Self {
            attention_norm,
            qkv: Matrix::stacked(board, &[&weights.q, &weights.k, &weights.v]),
            bias: bias.map(|bias| board.buffer(&bias)),
            query_norm,
            key_norm,
            attention_output: Matrix::new(board, &weights.o),
            post_attention_norm,
            feed_forward_norm,
            gate_up: Matrix::stacked(board, &[&weights.gate, &weights.up]),
            down: Matrix::new(board, &weights.down),
            post_feed_forward_norm,
            keys: board.buffer(&vec![0; cached_words]),
            values: board.buffer(&vec![0; cached_words]),
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Rows that are computed for so many.
fn padded(rows: usize) -> usize {
    if rows <= TOKENS_MAX { rows.next_power_of_two() } else { rows.next_multiple_of(TOKENS_MAX) }
}

/// The different ones of `all`, and which of them each is.
fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> (Vec<T>, Vec<usize>) {
    let (mut different, mut which) = (Vec::new(), Vec::new());
    for one in all {
        let known = different.iter().position(|other| *other == one);
        which.push(known.unwrap_or(different.len()));
        if known.is_none() {
            different.push(one);
        }
    }
    (different, which)
}
