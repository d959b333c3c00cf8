//! Matrices times rows, spread over a team.
#![expect(unsafe_code, reason = "tasks write disjoint columns of one output")]

use super::lanes::{Isa, Kernel, Lanes};
use super::packed::{Form, PackedMatrix, ROWS};
use super::quantize::Activations;
use super::shared::Shared;
use super::team::Turn;
use super::{float_dot, integer_dot};

/// Bytes of weights a task reads at least, so that taking tasks costs nothing.
const TASK_BYTES: usize = 16 << 10;

/// `out[t] = x[t] * transposed(m)` for every matrix `m`, side by side: [tokens, sum of the matrices' rows].
///
/// # Panics
/// When a matrix has not as many columns as the rows of `x`, or needs them quantised and they are not.
pub fn multiply(
    turn: &mut Turn<'_>,
    isa: Isa,
    x: &Activations,
    matrices: &[&PackedMatrix],
    out: &mut Vec<f32>,
) {
    let stride: usize = matrices.iter().map(|matrix| matrix.rows).sum();
    out.resize(x.tokens * stride, 0.0);
    if x.tokens == 0 {
        return;
    }
    for matrix in matrices {
        assert_eq!(matrix.columns, x.columns, "a matrix of another width");
        let quants = x.tokens * x.blocks() * super::quantize::BLOCK / 4;
        assert!(!matrix.is_quantized() || x.quants.len() == quants, "rows that are not quantised");
    }
    let tasks = tasks(turn.threads(), x.tokens, matrices);
    let out = Shared::new(out);
    turn.run(tasks.len(), &|index| {
        let Task { matrix, column, groups: (from, to) } = tasks[index];
        isa.run(Groups { matrix, column, from, to, x, out, stride });
    });
}

#[derive(Clone, Copy)]
struct Task<'a> {
    matrix: &'a PackedMatrix,
    /// Where the matrix's outputs begin in a row of the output.
    column: usize,
    groups: (usize, usize),
}

fn tasks<'a>(threads: usize, tokens: usize, matrices: &[&'a PackedMatrix]) -> Vec<Task<'a>> {
    let mut tasks = Vec::new();
    let mut column = 0;
    for &matrix in matrices {
        let small = TASK_BYTES / (matrix.group_bytes() * tokens).max(1);
        // A large matrix has few tasks more than that a late thread can still be helped.
        let fair = matrix.groups() / (threads * 32);
        let size = small.max(fair).max(1);
        for from in (0..matrix.groups()).step_by(size) {
            tasks.push(Task { matrix, column, groups: (from, matrix.groups().min(from + size)) });
        }
        column += matrix.rows;
    }
    tasks
}

/// Some groups of a matrix, times all rows.
struct Groups<'a> {
    matrix: &'a PackedMatrix,
    column: usize,
    from: usize,
    to: usize,
    x: &'a Activations,
    out: Shared<'a, f32>,
    stride: usize,
}

impl Kernel for Groups<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { matrix, column, from, to, x, out, stride } = self;
        assert!(out.len() >= x.tokens * stride);
        let size = matrix.group_bytes();
        for index in from..to {
            let first = index * ROWS;
            let rows = Rows {
                x,
                out: out.pointer().wrapping_add(column + first),
                stride,
                outputs: ROWS.min(matrix.rows - first),
            };
            let group = matrix.bytes.bytes()[index * size..(index + 1) * size].as_ptr();
            // SAFETY: the group is whole; the outputs are this task's, inside of rows of `stride`.
            unsafe {
                match matrix.form {
                    Form::Integers(form) => integer_dot::group(l, form, group, &rows),
                    form => float_dot::group(l, form, group, &rows),
                }
            }
        }
    }
}

/// The rows a group is multiplied with, and where its outputs go.
pub(super) struct Rows<'a> {
    pub(super) x: &'a Activations,
    out: *mut f32,
    stride: usize,
    outputs: usize,
}

impl Rows<'_> {
    /// # Safety
    /// Row `token` of the output must have the group's places, and nobody else may touch them.
    #[inline(always)]
    pub(super) unsafe fn put<L: Lanes>(&self, l: L, token: usize, value: L::F) {
        let to = self.out.wrapping_add(token * self.stride);
        // SAFETY: the caller's promise.
        unsafe {
            if self.outputs == ROWS {
                l.store(to, value);
            } else {
                let lanes = l.lanes(value);
                std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, self.outputs);
            }
        }
    }
}
