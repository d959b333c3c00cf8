//! A pass, kernel by kernel.

use cubecl::prelude::*;
use half::f16;

use crate::cube::attend::{self, AttendShape, CacheOrder, SPLITS};
use crate::cube::board::{self, Board, Grid};
use crate::cube::choose::{self, CHOOSE_PLANES, SLICES};
use crate::cube::flash;
use crate::cube::packing::UNITS;
use crate::cube::place::{self, PlaceShape};
use crate::cube::product::{self, Form, HeadsShape, PlainShape, ProductShape};
use crate::cube::rows::{self, Before, EmbedShape, GateKind, NormShape, ROW_PLANES};
use crate::cube::store::{GateUp, Layer, Matrix, Qkv, ROWS_MAX, Store, parts};
use crate::decoder::{Activation, DecoderSpec, LayerSpec, RopePairing};

/// Everything a pass is made of.
pub(super) struct Passes<B: Board> {
    pub(super) board: B,
    pub(super) spec: DecoderSpec,
    pub(super) exact: bool,
    pub(super) store: Store<B>,
    pub(super) kinds: Kinds,
}

/// The same on its way to the board.
pub(super) struct Launches<'a, B: Board> {
    pub(super) board: &'a mut B,
    pub(super) spec: &'a DecoderSpec,
    pub(super) exact: bool,
    pub(super) store: &'a Store<B>,
    pub(super) kinds: Kinds,
}

/// Kinds of kernels, for measurements: what a pass without the others takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the kinds")]
pub struct Kinds {
    pub qkv: bool,
    pub attention: bool,
    pub attention_output: bool,
    pub gate_up: bool,
    pub down: bool,
    pub logits: bool,
    pub rest: bool,
    /// Another way to divide products of few rows with numbers of 8 bits, to be compared with the usual one, 0.
    pub division: u8,
}

impl Kinds {
    /// All of them.
    #[must_use]
    pub const fn all() -> Self {
        let all = true;
        Self {
            qkv: all,
            attention: all,
            attention_output: all,
            gate_up: all,
            down: all,
            logits: all,
            rest: all,
            division: 0,
        }
    }

    /// None of them.
    #[must_use]
    pub const fn none() -> Self {
        let all = false;
        Self {
            qkv: all,
            attention: all,
            attention_output: all,
            gate_up: all,
            down: all,
            logits: all,
            rest: all,
            division: 0,
        }
    }
}

/// Cubes that keep a card busy: most have as many processors.
const CUBES_MIN: usize = 120;

fn units(x: usize, y: usize) -> KernelSettings {
    let dim = CubeDim::new_2d(x as u32, y as u32);
    KernelSettings::new(*dim, ExecutionMode::Unchecked, AddressType::U32)
}

/// Launches a kernel of so many buffers and a shape.
macro_rules! launch {
    (@argument $buffer:expr) => { BufferCompilationArg { inplace: None } };
    ($launches:expr, $kernel:ty, $settings:expr, $grid:expr, [$($buffer:expr),+ $(,)?], $($shape:expr),+ $(,)?) => {{
        let settings = $settings;
        let kernel = <$kernel>::new(
            settings.clone(),
            board::properties(),
            board::target(),
            $(launch!(@argument $buffer),)+
            $($shape),+
        );
        $launches.board.launch(kernel, settings, $grid, &[$($buffer),+]);
    }};
    ($launches:expr, $kernel:ty, $settings:expr, $grid:expr, [$($buffer:expr),+ $(,)?]) => {{
        let settings = $settings;
        let kernel = <$kernel>::new(
            settings.clone(),
            board::properties(),
            board::target(),
            $(launch!(@argument $buffer)),+
        );
        $launches.board.launch(kernel, settings, $grid, &[$($buffer),+]);
    }};
}

impl<B: Board> Launches<'_, B> {
    /// From tokens to the last layer's sums, in the stream.
    pub(super) fn body(&mut self, rows: usize, split: bool) {
        let store = self.store;
        self.embed(rows);
        let count = store.layers.len();
        for (index, layer) in store.layers.iter().enumerate() {
            let next = store.layers.get(index + 1).map_or(&store.output_norm, |next| &next.attention_norm);
            let spec = &self.spec.layers[index];
            if !self.sums_in_products() {
                let before = if index == 0 { None } else { Some(&store.layers[index - 1]) };
                let after = before.map(|before| before.post_feed_forward_norm.as_ref());
                self.norm(rows, after, &layer.attention_norm);
            }
            self.qkv(rows, spec, layer);
            self.attend(rows, spec, layer, split);
            self.add(
                rows,
                &layer.attention_output,
                &store.work.attended,
                &layer.feed_forward_norm,
                |kinds| kinds.attention_output,
            );
            if !self.sums_in_products() {
                self.norm(rows, Some(layer.post_attention_norm.as_ref()), &layer.feed_forward_norm);
            }
            self.gate_up(rows, layer);
            self.add(rows, &layer.down, &store.work.gated, next, |kinds| kinds.down);
        }
        if !self.sums_in_products() {
            // The last sum; what it is normed to is not used.
            let after = store.layers[count - 1].post_feed_forward_norm.as_ref();
            self.norm(rows, Some(after), &store.output_norm);
        }
    }

    /// From the stream to logits, and their likeliest.
    pub(super) fn head(&mut self, rows: usize, choose: bool) {
        let (spec, work) = (self.spec, &self.store.work);
        let matrix = self.store.output.as_ref().unwrap_or(&self.store.embedding);
        let shape = NormShape { before: Before::Pick, out: true, ..self.norm_shape() };
        if self.kinds.rest {
            let none = &work.nothing;
            launch!(
                self,
                rows::norm::Norm,
                units(UNITS, ROW_PLANES),
                Grid::new([rows, 1, 1]),
                [&work.stream, none, none, &self.store.output_norm, &work.picks, &work.hidden, &work.picked],
                shape
            );
        }
        if self.kinds.logits {
            let cap = spec.final_logit_softcap.map_or(0, f32::to_bits);
            let to = PlainShape { outputs: spec.vocabulary, stride: spec.vocabulary, offset: 0, cap };
            self.plain(matrix, (&work.picked, false), &work.logits, rows, to);
        }
        if choose && self.kinds.rest {
            launch!(
                self,
                choose::slices::Slices,
                units(UNITS, CHOOSE_PLANES),
                Grid::new([SLICES, rows, 1]),
                [&work.logits, &work.forbidden, &work.best],
                spec.vocabulary
            );
            launch!(
                self,
                choose::choose::Choose,
                units(UNITS, 1),
                Grid::new([rows, 1, 1]),
                [&work.best, &work.chosen]
            );
        }
    }

    /// How the cache lies.
    fn order(&self) -> CacheOrder {
        let DecoderSpec { heads, kv_heads, head_dim, .. } = *self.spec;
        let tensor = !self.exact && flash::fits(heads, kv_heads, head_dim);
        if tensor { CacheOrder::Tensor } else { CacheOrder::Plain }
    }

    /// Whether residual sums are made where products are: not if they are normed before.
    fn sums_in_products(&self) -> bool {
        let normed =
            |layer: &Layer<B>| layer.post_attention_norm.is_some() || layer.post_feed_forward_norm.is_some();
        self.spec.hidden.is_multiple_of(16) && !self.store.layers.iter().any(normed)
    }

    /// Parts and width of sums of squares, where rows are not normed before a product.
    fn squares(&self) -> (usize, usize) {
        if self.sums_in_products() { (self.spec.hidden / 16, self.spec.hidden) } else { (0, 0) }
    }

    fn embed(&mut self, rows: usize) {
        let (store, work) = (self.store, &self.store.work);
        let Matrix { packing, chunks, words, scales, .. } = &store.embedding;
        let shape = EmbedShape {
            packing: *packing,
            columns: self.spec.hidden,
            chunks: *chunks,
            scale: self.spec.embedding_scale.to_bits(),
            squares: self.squares().0,
            parts: parts(self.exact),
        };
        if self.kinds.rest {
            let weight = &store.layers[0].attention_norm;
            launch!(
                self,
                rows::embed::Embed,
                units(UNITS, ROW_PLANES),
                Grid::new([rows, 1, 1]),
                [words, scales, &work.inputs, weight, &work.stream, &work.normed, &work.squares],
                shape
            );
        }
    }

    fn norm_shape(&self) -> NormShape {
        NormShape {
            width: self.spec.hidden,
            epsilon: self.spec.norm_epsilon.to_bits(),
            before: Before::Nothing,
            out: false,
            chunks: crate::cube::packing::chunks(self.spec.hidden),
            parts: parts(self.exact),
        }
    }

    /// See [`rows::norm`]; `more` is that something is added, and its norm's weight where it has one.
    fn norm(&mut self, rows: usize, more: Option<Option<&B::Buffer>>, weight: &B::Buffer) {
        let before = match more {
            None => Before::Nothing,
            Some(None) => Before::Add,
            Some(Some(_)) => Before::NormAdd,
        };
        let shape = NormShape { before, ..self.norm_shape() };
        let work = &self.store.work;
        let after = more.flatten().unwrap_or(&work.nothing);
        if self.kinds.rest {
            launch!(
                self,
                rows::norm::Norm,
                units(UNITS, ROW_PLANES),
                Grid::new([rows, 1, 1]),
                [&work.stream, &work.plain, after, weight, &work.nothing, &work.nothing, &work.normed],
                shape
            );
        }
    }

    fn qkv(&mut self, rows: usize, spec: &LayerSpec, layer: &Layer<B>) {
        if !self.kinds.qkv {
            return;
        }
        let DecoderSpec { heads, kv_heads, head_dim, .. } = *self.spec;
        let work = &self.store.work;
        let bias = layer.bias.as_ref().unwrap_or(&work.nothing);
        let angles = &self.store.angles[layer.rope];
        let matrices = match &layer.qkv {
            Qkv::Turned(matrix) => {
                let heads = HeadsShape {
                    heads,
                    kv_heads,
                    head_dim,
                    adjacent: spec.rope.pairing == RopePairing::Adjacent,
                    biased: layer.bias.is_some(),
                    scale: self.spec.attention_scale.to_bits(),
                    order: self.order(),
                    rows_max: ROWS_MAX,
                };
                let (shape, settings, grid) = self.shape(matrix, rows, true);
                let buffers = [
                    &matrix.words,
                    &matrix.scales,
                    &work.normed,
                    &work.squares,
                    bias,
                    angles,
                    &work.inputs,
                    &work.queries,
                    &layer.keys,
                    &layer.values,
                ];
                let [words, scales, x, squares, bias, angles, inputs, queries, keys, values] = buffers;
                if self.exact {
                    launch!(
                        self,
                        product::heads::Heads<f32>,
                        settings,
                        grid,
                        [words, scales, x, squares, bias, angles, inputs, queries, keys, values],
                        shape,
                        heads
                    );
                } else {
                    launch!(
                        self,
                        product::heads::Heads<f16>,
                        settings,
                        grid,
                        [words, scales, x, squares, bias, angles, inputs, queries, keys, values],
                        shape,
                        heads
                    );
                }
                return;
            }
            Qkv::Plain(matrices) => matrices,
        };
        self.plains(matrices, &work.normed, &work.plain, rows);
        let shape = PlaceShape {
            heads,
            kv_heads,
            head_dim,
            pairs: spec.rope.frequencies.len(),
            adjacent: spec.rope.pairing == RopePairing::Adjacent,
            biased: layer.bias.is_some(),
            query_norm: layer.query_norm.is_some(),
            key_norm: layer.key_norm.is_some(),
            epsilon: self.spec.norm_epsilon.to_bits(),
            scale: self.spec.attention_scale.to_bits(),
            order: self.order(),
            rows_max: ROWS_MAX,
        };
        let or_nothing = |buffer| Option::as_ref(buffer).unwrap_or(&work.nothing);
        let (query_norm, key_norm) = (or_nothing(&layer.query_norm), or_nothing(&layer.key_norm));
        let grid = Grid::new([rows, heads + 2 * kv_heads, 1]);
        let (from, inputs, to) = (&work.plain, &work.inputs, &work.queries);
        let (keys, values) = (&layer.keys, &layer.values);
        if self.exact {
            launch!(
                self,
                place::place::Place<f32>,
                units(UNITS, 1),
                grid,
                [from, bias, query_norm, key_norm, angles, inputs, to, keys, values],
                shape
            );
        } else {
            launch!(
                self,
                place::place::Place<f16>,
                units(UNITS, 1),
                grid,
                [from, bias, query_norm, key_norm, angles, inputs, to, keys, values],
                shape
            );
        }
    }

    fn attend(&mut self, rows: usize, spec: &LayerSpec, layer: &Layer<B>, split: bool) {
        if !self.kinds.attention {
            return;
        }
        let DecoderSpec { heads, kv_heads, head_dim, .. } = *self.spec;
        let shape = AttendShape {
            heads,
            kv_heads,
            head_dim,
            window: spec.window.unwrap_or(0),
            split,
            chunks: crate::cube::packing::chunks(heads * head_dim),
            parts: parts(self.exact),
            rows_max: ROWS_MAX,
        };
        let work = &self.store.work;
        let cubes = [rows, kv_heads, if split { SPLITS } else { 1 }];
        let settings = units(UNITS, shape.planes());
        let (queries, keys, values) = (&work.queries, &layer.keys, &layer.values);
        let (inputs, out, mixed, sums) = (&work.inputs, &work.attended, &work.mixed, &work.sums);
        if self.order() == CacheOrder::Tensor {
            // Tokens of a prompt share what they read.
            let beside = if rows > 64 { 1 << (flash::ROWS / (heads / kv_heads)).ilog2() } else { 1 };
            let cubes = [rows / beside, cubes[1], cubes[2]];
            let planes = flash::planes(head_dim);
            let at_once = if cubes[0] * cubes[1] > CUBES_MIN { planes.min(4) } else { planes };
            launch!(
                self,
                flash::flash::Flash,
                units(UNITS, at_once),
                Grid::new(cubes),
                [queries, keys, values, inputs, out, mixed, sums],
                shape,
                beside,
                planes,
                at_once
            );
        } else if self.exact {
            launch!(
                self,
                attend::attend::Attend<f32>,
                settings,
                Grid::new(cubes),
                [queries, keys, values, inputs, out, mixed, sums],
                shape
            );
        } else {
            launch!(
                self,
                attend::attend::Attend<f16>,
                settings,
                Grid::new(cubes),
                [queries, keys, values, inputs, out, mixed, sums],
                shape
            );
        }
        if split {
            let cubes = [rows, heads, 1];
            launch!(
                self,
                attend::merge::Merge,
                units(UNITS, 1),
                Grid::new(cubes),
                [mixed, sums, inputs, out],
                shape
            );
        }
    }

    fn gate_up(&mut self, rows: usize, layer: &Layer<B>) {
        if !self.kinds.gate_up {
            return;
        }
        let work = &self.store.work;
        let width = self.spec.feed_forward;
        let chunks = crate::cube::packing::chunks(width);
        let kind = match self.spec.activation {
            Activation::Silu => GateKind::Silu,
            Activation::GeluTanh => GateKind::GeluTanh,
        };
        match &layer.gate_up {
            GateUp::Gated(matrix) => {
                let (shape, settings, grid) = self.shape(matrix, rows, true);
                launch!(
                    self,
                    product::gated::Gated,
                    settings,
                    grid,
                    [&matrix.words, &matrix.scales, &work.normed, &work.squares, &work.gated],
                    shape,
                    chunks,
                    kind
                );
            }
            GateUp::Plain(matrices) => {
                self.plains(matrices, &work.normed, &work.plain, rows);
                let cubes = [width.div_ceil(512), rows, 1];
                let parts = parts(self.exact);
                launch!(
                    self,
                    rows::gate::Gate,
                    units(256, 1),
                    Grid::new(cubes),
                    [&work.plain, &work.gated],
                    width,
                    kind,
                    chunks,
                    parts
                );
            }
        }
    }

    /// What attention or the feed-forward adds to the stream: at once, or, where it is normed before, later.
    fn add(
        &mut self,
        rows: usize,
        matrix: &Matrix<B>,
        x: &B::Buffer,
        weight: &B::Buffer,
        kind: impl Fn(Kinds) -> bool,
    ) {
        if !kind(self.kinds) {
            return;
        }
        let work = &self.store.work;
        if !self.sums_in_products() {
            let hidden = self.spec.hidden;
            let to = PlainShape { outputs: hidden, stride: hidden, offset: 0, cap: 0 };
            return self.plain(matrix, (x, false), &work.plain, rows, to);
        }
        let (shape, settings, grid) = self.shape(matrix, rows, false);
        let chunks = crate::cube::packing::chunks(self.spec.hidden);
        launch!(
            self,
            product::add::Add,
            settings,
            grid,
            [&matrix.words, &matrix.scales, x, &work.stream, weight, &work.normed, &work.squares],
            shape,
            chunks
        );
    }

    /// Matrices whose outputs lie side by side.
    fn plains(&mut self, matrices: &[Matrix<B>], x: &B::Buffer, y: &B::Buffer, rows: usize) {
        let stride = matrices.iter().map(|matrix| matrix.outputs).sum();
        let mut offset = 0;
        for matrix in matrices {
            let to = PlainShape { outputs: matrix.outputs, stride, offset, cap: 0 };
            self.plain(matrix, (x, true), y, rows, to);
            offset += matrix.outputs;
        }
    }

    /// `x` and whether its rows may not be normed yet.
    fn plain(
        &mut self,
        matrix: &Matrix<B>,
        x: (&B::Buffer, bool),
        y: &B::Buffer,
        rows: usize,
        to: PlainShape,
    ) {
        let (shape, settings, grid) = self.shape(matrix, rows, x.1);
        let squares = &self.store.work.squares;
        launch!(
            self,
            product::plain::Plain,
            settings,
            grid,
            [&matrix.words, &matrix.scales, x.0, squares, y],
            shape,
            to
        );
    }

    /// How a product is divided: its columns always in the same parts, so that a row's sums are the same beside any others.
    fn shape(
        &self,
        matrix: &Matrix<B>,
        rows: usize,
        of_stream: bool,
    ) -> (ProductShape, KernelSettings, Grid) {
        let Matrix { packing, tiles, chunks, .. } = *matrix;
        let few = tiles <= 256;
        let division = if packing.vectors() == 2 { self.kinds.division } else { 0 };
        // Long columns of few rows by more planes.
        let split = match (few, chunks) {
            (true, 128..) if division & 4 == 0 => 32,
            (true, _) => 16,
            (false, _) => 8,
        };
        let split = split.min(chunks);
        let groups = if few && split.is_multiple_of(2) { 2 } else { 1 };
        let eights = rows.div_ceil(8);
        let (form, plane_tiles, plane_eights) = if rows <= 64 {
            // More than four eights at once are more than registers hold: cubes that share a tile then follow each other.
            let two = eights >= 4 || eights == 1 && matches!(division & 3, 1 | 2);
            (Form::Thin, if two && !few { 2 } else { 1 }, eights.min(4))
        } else {
            (Form::Staged { rows: if few { 2 } else { 4 }, tokens: 2 }, 2, 8)
        };
        // Two chunks on their way to each plane keep memory busy, and leave registers for two cubes at once.
        let whole = chunks.is_multiple_of(2 * split);
        let ahead = if form == Form::Thin && eights <= 2 && packing.vectors() <= 4 && whole { 2 } else { 1 };
        let ahead = match (few, division) {
            (false, _) if eights == 1 && division & 3 == 1 => 1,
            (false, _) if eights == 1 && division & 3 == 3 && chunks.is_multiple_of(4 * split) => 4,
            (true, 4..) if eights == 1 && chunks.is_multiple_of(4 * split) => 4,
            _ => ahead,
        };
        let mut shape = ProductShape {
            packing,
            tiles,
            chunks,
            x_parts: parts(self.exact),
            split,
            groups,
            ahead,
            plane_tiles,
            plane_eights,
            form,
            rows: rows.min(8),
            squares: if of_stream { self.squares() } else { (0, 0) },
            epsilon: self.spec.norm_epsilon.to_bits(),
        };
        let cubes = |shape: &ProductShape| {
            [eights.div_ceil(shape.cube_eights()), tiles.div_ceil(shape.cube_tiles()), 1]
        };
        // Great tiles read least; small ones where great ones do not fit, or would leave most of the card idle.
        while let Some(smaller) = shape.smaller() {
            let [x, y, _] = cubes(&shape);
            if shape.shared_bytes() <= self.board.shared_bytes_max() && x * y >= CUBES_MIN {
                break;
            }
            shape = smaller;
        }
        let together = match (form, eights) {
            (Form::Thin, 1) if (!few && division & 3 >= 2) || shape.ahead == 4 => {
                (512 / (shape.planes() * UNITS)).max(1)
            }
            (Form::Thin, 1) => (1024 / (shape.planes() * UNITS)).max(1),
            (Form::Thin, _) => (512 / (shape.planes() * UNITS)).max(1),
            (Form::Staged { .. }, _) => 1,
        };
        (shape, units(UNITS, shape.planes()), Grid { cubes: cubes(&shape), together })
    }
}
