//! Rows of any length, sixteen numbers at a time; what is missing of the last sixteen is zero.
#![expect(unsafe_code, reason = "vector loads and stores inside of slices whose lengths were just compared")]

use super::lanes::Lanes;

/// Numbers `at..at + 16` of a row.
#[inline(always)]
pub(super) fn get<L: Lanes>(l: L, row: &[f32], at: usize) -> L::F {
    let rest = &row[at..];
    if rest.len() >= 16 {
        // SAFETY: sixteen are there.
        return unsafe { l.load(rest.as_ptr()) };
    }
    let mut padded = [0.0; 16];
    padded[..rest.len()].copy_from_slice(rest);
    // SAFETY: sixteen are there.
    unsafe { l.load(padded.as_ptr()) }
}

/// Writes numbers `at..at + 16` of a row, as far as it has them.
#[inline(always)]
pub(super) fn put<L: Lanes>(l: L, row: &mut [f32], at: usize, value: L::F) {
    let rest = &mut row[at..];
    if rest.len() >= 16 {
        // SAFETY: sixteen are there.
        return unsafe { l.store(rest.as_mut_ptr(), value) };
    }
    let lanes = l.lanes(value);
    let length = rest.len();
    rest.copy_from_slice(&lanes[..length]);
}

/// `1 / sqrt(mean square + epsilon)`.
#[inline(always)]
pub(super) fn inverse_rms<L: Lanes>(l: L, row: &[f32], epsilon: f32) -> f32 {
    let mut squares = l.splat(0.0);
    for at in (0..row.len()).step_by(16) {
        let x = get(l, row, at);
        squares = l.fma(x, x, squares);
    }
    let mean = super::lanes::sum(l, squares) / row.len() as f32;
    1.0 / (mean + epsilon).sqrt()
}

/// `row * inverse_rms(row) * weight`, in place.
#[inline(always)]
pub(super) fn norm_in_place<L: Lanes>(l: L, row: &mut [f32], weight: &[f32], epsilon: f32) {
    let scale = l.splat(inverse_rms(l, row, epsilon));
    for at in (0..row.len()).step_by(16) {
        let value = l.mul(l.mul(get(l, row, at), scale), get(l, weight, at));
        put(l, row, at, value);
    }
}
