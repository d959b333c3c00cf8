//! What happens to rows between products: norms, residuals, gates.
#![expect(unsafe_code, reason = "tasks write disjoint rows of one output")]

use super::elementwise::{get, inverse_rms, put};
use super::lanes::{Isa, Kernel, Lanes, exp};
use super::shared::Shared;
use super::team::Turn;
use crate::decoder::Activation;

/// A root-mean-square norm: its weights, as wide as a row, and what is added to the mean square.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// Multiplied into the row.
    pub weight: &'a [f32],
    /// Added to the mean square.
    pub epsilon: f32,
}

/// `out[t] = norm(x[t])`.
///
/// # Panics
/// When the lengths do not fit.
pub fn norm(turn: &mut Turn<'_>, isa: Isa, norm: Norm<'_>, x: &[f32], out: &mut [f32]) {
    let width = norm.weight.len();
    assert!(x.len() == out.len() && x.len().is_multiple_of(width), "rows of {width}");
    each_row(turn, out, width, |row, out| {
        isa.run(NormRow { norm, x: &x[row * width..(row + 1) * width], out })
    });
}

/// `x[t] += y[t]`, or `x[t] += norm(y[t])`.
///
/// # Panics
/// When the lengths do not fit.
pub fn add(turn: &mut Turn<'_>, isa: Isa, norm: Option<Norm<'_>>, width: usize, y: &[f32], x: &mut [f32]) {
    assert!(x.len() == y.len() && x.len().is_multiple_of(width), "rows of {width}");
    assert!(norm.is_none_or(|norm| norm.weight.len() == width), "a norm of another width");
    each_row(turn, x, width, |row, x| isa.run(AddRow { norm, y: &y[row * width..(row + 1) * width], x }));
}

/// `out[t] = activation(both[t][..width]) * both[t][width..]`.
///
/// # Panics
/// When the lengths do not fit.
pub fn gate(
    turn: &mut Turn<'_>,
    isa: Isa,
    activation: Activation,
    width: usize,
    both: &[f32],
    out: &mut [f32],
) {
    assert!(both.len() == 2 * out.len() && out.len().is_multiple_of(width), "rows of {width}");
    each_row(turn, out, width, |row, out| {
        let (gate, up) = both[2 * row * width..2 * (row + 1) * width].split_at(width);
        isa.run(GateRow { activation, gate, up, out });
    });
}

/// Gives every row to some task.
fn each_row(turn: &mut Turn<'_>, out: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = out.len() / width;
    let shared = Shared::new(out);
    // A few rows take less time than waking somebody for them.
    const ROWS: usize = 4;
    turn.run(rows.div_ceil(ROWS), &|task| {
        for row in task * ROWS..rows.min((task + 1) * ROWS) {
            // SAFETY: every row belongs to one task.
            work(row, unsafe { shared.slice(row * width, width) });
        }
    });
}

struct NormRow<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for NormRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let scale = l.splat(inverse_rms(l, self.x, self.norm.epsilon));
        for at in (0..self.x.len()).step_by(16) {
            let value = l.mul(l.mul(get(l, self.x, at), scale), get(l, self.norm.weight, at));
            put(l, self.out, at, value);
        }
    }
}

struct AddRow<'a> {
    norm: Option<Norm<'a>>,
    y: &'a [f32],
    x: &'a mut [f32],
}

impl Kernel for AddRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let scale = self.norm.map(|norm| l.splat(inverse_rms(l, self.y, norm.epsilon)));
        for at in (0..self.y.len()).step_by(16) {
            let mut y = get(l, self.y, at);
            if let (Some(norm), Some(scale)) = (self.norm, scale) {
                y = l.mul(l.mul(y, scale), get(l, norm.weight, at));
            }
            let sum = l.add(get(l, self.x, at), y);
            put(l, self.x, at, sum);
        }
    }
}

struct GateRow<'a> {
    activation: Activation,
    gate: &'a [f32],
    up: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for GateRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for at in (0..self.out.len()).step_by(16) {
            let gate = get(l, self.gate, at);
            let active = match self.activation {
                Activation::Silu => silu(l, gate),
                Activation::GeluTanh => gelu(l, gate),
            };
            put(l, self.out, at, l.mul(active, get(l, self.up, at)));
        }
    }
}

#[inline(always)]
fn silu<L: Lanes>(l: L, x: L::F) -> L::F {
    l.div(x, l.add(l.splat(1.0), exp(l, l.sub(l.splat(0.0), x))))
}

/// `x / 2 * (1 + tanh(u))` is `x / (1 + exp(-2 u))`.
#[inline(always)]
fn gelu<L: Lanes>(l: L, x: L::F) -> L::F {
    let cubic = l.fma(l.mul(l.splat(0.044_715), x), l.mul(x, x), x);
    let twice_u = l.mul(l.splat(2.0 * 0.797_884_6), cubic);
    l.div(x, l.add(l.splat(1.0), exp(l, l.sub(l.splat(0.0), twice_u))))
}
