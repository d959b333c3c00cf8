//! What happens to rows between products.

use cubecl::prelude::*;

use super::fragment::{Words, eight_numbers, put};
use super::order::{let_next_begin, wait_for_last};
use super::packing::{Packing, UNITS};

/// Planes of a cube that works on a row.
pub const ROW_PLANES: usize = 8;

/// What a norm does first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Before {
    /// Nothing: the row is normed as it is.
    Nothing,
    /// Row `picks[cube]` is normed instead of row `cube`.
    Pick,
    /// `x += y`.
    Add,
    /// `x += norm(y) * after`.
    NormAdd,
}

/// Sizes of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NormShape {
    /// Numbers of a row; even.
    pub width: usize,
    /// Bits of the f32 that is added to the mean square.
    pub epsilon: u32,
    /// See there.
    pub before: Before,
    /// Whether `out` is wanted.
    pub out: bool,
    /// Chunks and parts of the product's rows.
    pub chunks: usize,
    /// See there.
    pub parts: usize,
}

/// `x / rms(x) * weight`, after what [`Before`] says, as rows of a product (`next`) and as they are (`out`). Cubes: one per row. Units:
/// ([`UNITS`], [`ROW_PLANES`]).
///
/// `x`, `y`, `out`: [rows, width]; `weight`, `after`: `[width]`; `picks`: `[rows]`. What `before` does not need is not touched.
#[cube(launch_unchecked)]
pub fn norm(
    x: &mut [f32],
    y: &[f32],
    after: &[f32],
    weight: &[f32],
    picks: &[u32],
    out: &mut [f32],
    next: &mut [u32],
    #[comptime] shape: NormShape,
) {
    let_next_begin();
    wait_for_last();
    let width = comptime!(shape.width);
    let threads = comptime!(UNITS * ROW_PLANES);
    let row = CUBE_POS_X as usize;
    let mut from = row * width;
    if comptime!(shape.before == Before::Pick) {
        from = picks[row] as usize * width;
    }
    let unit = UNIT_POS as usize;
    let mut parts = Shared::<[f32]>::new_slice(ROW_PLANES);
    if comptime!(shape.before == Before::NormAdd) {
        let mut square = 0.0f32;
        let mut at = unit;
        while at < width {
            square += y[from + at] * y[from + at];
            at += threads;
        }
        let scale = inverse_root(square, &mut parts, width, shape.epsilon);
        // A unit's own numbers, as below.
        let mut at = unit * 2;
        while at < width {
            x[from + at] += y[from + at] * scale * after[at];
            x[from + at + 1] += y[from + at + 1] * scale * after[at + 1];
            at += comptime!(2 * threads);
        }
        // Before the parts are written again.
        sync_cube();
    }
    let mut square = 0.0f32;
    let mut at = unit * 2;
    while at < width {
        if comptime!(shape.before == Before::Add) {
            x[from + at] += y[from + at];
            x[from + at + 1] += y[from + at + 1];
        }
        square += x[from + at] * x[from + at] + x[from + at + 1] * x[from + at + 1];
        at += comptime!(2 * threads);
    }
    let scale = inverse_root(square, &mut parts, width, shape.epsilon);
    let mut at = unit * 2;
    while at < width {
        let a = x[from + at] * scale * weight[at];
        let b = x[from + at + 1] * scale * weight[at + 1];
        if comptime!(shape.out) {
            out[row * width + at] = a;
            out[row * width + at + 1] = b;
        }
        put(next, row, at, a, b, shape.chunks, shape.parts);
        at += comptime!(2 * threads);
    }
}

/// `1 / sqrt(mean + epsilon)` of the squares that the cube's units summed up.
#[cube]
fn inverse_root(
    square: f32,
    parts: &mut Shared<[f32]>,
    #[comptime] width: usize,
    #[comptime] epsilon: u32,
) -> f32 {
    let share = comptime!(1.0 / width as f32);
    let epsilon = comptime!(f32::from_bits(epsilon));
    (sum_of_cube(square, parts) * share + epsilon).sqrt().recip()
}

/// What the cube's units have, together.
#[cube]
fn sum_of_cube(own: f32, parts: &mut Shared<[f32]>) -> f32 {
    let sum = plane_sum(own);
    if UNIT_POS_X == 0 {
        parts[UNIT_POS_Y as usize] = sum;
    }
    sync_cube();
    let mut total = 0.0f32;
    #[unroll]
    for plane in 0..ROW_PLANES {
        total += parts[plane];
    }
    total
}

/// The feed-forward's activation, as [`crate::decoder::Activation`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateKind {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// The approximation by a hyperbolic tangent.
    GeluTanh,
}

/// See [`GateKind`].
#[cube]
pub fn activation(g: f32, #[comptime] kind: GateKind) -> f32 {
    if comptime!(kind == GateKind::Silu) {
        g / (1.0f32 + (-g).exp())
    } else {
        // 2 / pi, its root.
        let inner = (g + g * g * g * 0.044_715f32) * 0.797_884_6f32;
        g * 0.5f32 * (inner.tanh() + 1.0f32)
    }
}

/// `activation(g) * u` as rows of a product, of `chunks` and `parts`. Cubes: (width / 512, rows). Units: 256.
///
/// `gate_up`: [rows, 2 * width], `g` first.
#[cube(launch_unchecked)]
pub fn gate(
    gate_up: &[f32],
    next: &mut [u32],
    #[comptime] width: usize,
    #[comptime] kind: GateKind,
    #[comptime] chunks: usize,
    #[comptime] parts: usize,
) {
    let_next_begin();
    wait_for_last();
    let at = ABSOLUTE_POS_X as usize * 2;
    if at < width {
        let row = CUBE_POS_Y as usize;
        let from = row * comptime!(2 * width) + at;
        let a = activation(gate_up[from], kind) * gate_up[from + width];
        let b = activation(gate_up[from + 1], kind) * gate_up[from + width + 1];
        put(next, row, at, a, b, chunks, parts);
    }
}

/// Sizes of an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmbedShape {
    /// How it lies.
    pub packing: Packing,
    /// Its columns: whole eights.
    pub columns: usize,
    /// Its chunks, and those of the product's rows.
    pub chunks: usize,
    /// Bits of the f32 it is multiplied with.
    pub scale: u32,
    /// Parts of the sum of squares; the first gets all of it. 0: neither they nor the product's rows are wanted.
    pub squares: usize,
    /// Parts of the product's rows.
    pub parts: usize,
}

/// Rows `inputs[..]` of a matrix: `x`, [rows, columns]; times `weight` as rows of a product. Cubes: one per row. Units: ([`UNITS`],
/// [`ROW_PLANES`]).
#[cube(launch_unchecked)]
pub fn embed(
    words: &[Words],
    scales: &[u32],
    inputs: &[u32],
    weight: &[f32],
    x: &mut [f32],
    next: &mut [u32],
    squares: &mut [f32],
    #[comptime] shape: EmbedShape,
) {
    let_next_begin();
    wait_for_last();
    let row = CUBE_POS_X as usize;
    let token = inputs[row] as usize;
    let mut parts = Shared::<[f32]>::new_slice(ROW_PLANES);
    let mut numbers = Array::<f32>::new(8usize);
    let mut square = 0.0f32;
    let mut eight = UNIT_POS as usize;
    while eight < comptime!(shape.columns / 8) {
        eight_numbers(words, scales, token, eight, &mut numbers, shape.packing, shape.chunks);
        #[unroll]
        for i in 0..8usize {
            let scale = comptime!(f32::from_bits(shape.scale));
            let number = numbers[i] * scale;
            numbers[i] = number;
            x[row * comptime!(shape.columns) + eight * 8 + i] = number;
            square += number * number;
        }
        if comptime!(shape.squares > 0) {
            #[unroll]
            for i in 0..4usize {
                let k = eight * 8 + comptime!(2 * i);
                let a = numbers[comptime!(2 * i)] * weight[k];
                let b = numbers[comptime!(2 * i + 1)] * weight[k + 1];
                put(next, row, k, a, b, shape.chunks, shape.parts);
            }
        }
        eight += comptime!(UNITS * ROW_PLANES);
    }
    if comptime!(shape.squares > 0) {
        let total = sum_of_cube(square, &mut parts);
        let mut at = UNIT_POS as usize;
        while at < shape.squares {
            squares[row * shape.squares + at] = select(at == 0, total, 0.0f32);
            at += comptime!(UNITS * ROW_PLANES);
        }
    }
}
