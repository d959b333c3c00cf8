//! What happens to rows between products.

use cubecl::prelude::*;

use super::product::{Packing, UNITS, Words, unpack};

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
    /// Numbers of a row.
    pub width: usize,
    /// Bits of the f32 that is added to the mean square.
    pub epsilon: u32,
    /// See there.
    pub before: Before,
}

/// `out = x / rms(x) * weight`, after what [`Before`] says. Cubes: one per row. Units: ([`UNITS`], [`ROW_PLANES`]).
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
    #[comptime] shape: NormShape,
) {
    let width = comptime!(shape.width);
    let threads = comptime!(UNITS * ROW_PLANES);
    let row = CUBE_POS_X as usize;
    let mut from = row * width;
    if comptime!(shape.before == Before::Pick) {
        from = picks[row] as usize * width;
    }
    let unit = UNIT_POS as usize;
    let mut parts = Shared::<[f32]>::new_slice(ROW_PLANES);
    if comptime!(shape.before == Before::Add) {
        let mut at = unit;
        while at < width {
            x[from + at] += y[from + at];
            at += threads;
        }
    }
    if comptime!(shape.before == Before::NormAdd) {
        let mut square = 0.0f32;
        let mut at = unit;
        while at < width {
            square += y[from + at] * y[from + at];
            at += threads;
        }
        let scale = inverse_root(square, &mut parts, width, shape.epsilon);
        let mut at = unit;
        while at < width {
            x[from + at] += y[from + at] * scale * after[at];
            at += threads;
        }
        // Before the parts are written again.
        sync_cube();
    }
    let mut square = 0.0f32;
    let mut at = unit;
    while at < width {
        square += x[from + at] * x[from + at];
        at += threads;
    }
    let scale = inverse_root(square, &mut parts, width, shape.epsilon);
    let mut at = unit;
    while at < width {
        out[row * width + at] = x[from + at] * scale * weight[at];
        at += threads;
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
    let sum = plane_sum(square);
    if UNIT_POS_X == 0 {
        parts[UNIT_POS_Y as usize] = sum;
    }
    sync_cube();
    let mut total = 0.0f32;
    #[unroll]
    for plane in 0..ROW_PLANES {
        total += parts[plane];
    }
    let share = comptime!(1.0 / width as f32);
    let epsilon = comptime!(f32::from_bits(epsilon));
    (total * share + epsilon).sqrt().recip()
}

/// The feed-forward's activation, as [`crate::decoder::Activation`] has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GateKind {
    /// `x / (1 + exp(-x))`.
    Silu,
    /// The approximation by a hyperbolic tangent.
    GeluTanh,
}

/// `out = activation(g) * u`. Cubes: (width / 256, rows). Units: 256.
///
/// `gate_up`: [rows, 2 * width], `g` first; `out`: [rows, width].
#[cube(launch_unchecked)]
pub fn gate(gate_up: &[f32], out: &mut [f32], #[comptime] width: usize, #[comptime] kind: GateKind) {
    let at = ABSOLUTE_POS_X as usize;
    if at < width {
        let row = CUBE_POS_Y as usize;
        let g = gate_up[row * comptime!(2 * width) + at];
        let u = gate_up[row * comptime!(2 * width) + width + at];
        if comptime!(kind == GateKind::Silu) {
            out[row * width + at] = g / (1.0f32 + (g * -1.0f32).exp()) * u;
        } else {
            // 2 / pi, its root.
            let inner = (g + g * g * g * 0.044_715f32) * 0.797_884_6f32;
            out[row * width + at] = g * 0.5f32 * (inner.tanh() + 1.0f32) * u;
        }
    }
}

/// Sizes of an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmbedShape {
    /// How it lies.
    pub packing: Packing,
    /// Its columns.
    pub columns: usize,
    /// Bits of the f32 it is multiplied with.
    pub scale: u32,
}

/// Rows `tokens` of a matrix: `out`, [rows, columns]. Cubes: one per row. Units: 256.
#[cube(launch_unchecked)]
pub fn embed(
    words: &[Words],
    scales: &[u32],
    tokens: &[u32],
    out: &mut [f32],
    #[comptime] shape: EmbedShape,
) {
    let per_vector = comptime!(shape.packing.per_vector());
    let vectors = comptime!(shape.columns / per_vector);
    let row = CUBE_POS_X as usize;
    let token = tokens[row] as usize;
    let mut numbers = Array::<f32>::new(per_vector);
    let mut at = UNIT_POS as usize;
    while at < vectors {
        unpack(words[token * vectors + at], scales, token, at, &mut numbers, shape.packing, vectors);
        #[unroll]
        for i in 0..per_vector {
            let scale = comptime!(f32::from_bits(shape.scale));
            out[row * comptime!(shape.columns) + at * per_vector + i] = numbers[i] * scale;
        }
        at += 256;
    }
}

/// `x = cap * tanh(x / cap)`. Cubes: (width / 256, rows). Units: 256. `x`: [rows, width].
#[cube(launch_unchecked)]
pub fn cap(x: &mut [f32], #[comptime] width: usize, #[comptime] cap: u32) {
    let at = ABSOLUTE_POS_X as usize;
    if at < width {
        let index = CUBE_POS_Y as usize * width + at;
        let cap = comptime!(f32::from_bits(cap));
        x[index] = (x[index] / cap).tanh() * cap;
    }
}
