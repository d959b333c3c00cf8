//! Products of float groups with f32 rows. Four partial sums by column modulo four, joined at the end.
#![expect(clippy::needless_range_loop, reason = "one index runs through several arrays of registers")]
#![expect(unsafe_code, reason = "pointers into a group and into rows whose sizes the caller has checked")]

use super::lanes::Lanes;
use super::packed::Form;
use super::product::Rows;

/// Sixteen outputs of all rows.
///
/// # Safety
/// `group` must be a whole group of the float form `form`, and `rows` as [`Rows::put`] wants it.
#[inline(always)]
pub(super) unsafe fn group<L: Lanes>(l: L, form: Form, group: *const u8, rows: &Rows<'_>) {
    // SAFETY: the caller's promise; a column holds sixteen numbers.
    unsafe {
        match form {
            Form::F32 => tiles(l, rows, |column| l.load(group.cast::<f32>().wrapping_add(column * 16))),
            Form::F16 => tiles(l, rows, |column| l.load_f16(group.cast::<u16>().wrapping_add(column * 16))),
            Form::Bf16 => tiles(l, rows, |column| l.load_bf16(group.cast::<u16>().wrapping_add(column * 16))),
            Form::Integers(_) => {}
        }
    }
}

/// # Safety
/// As [`group`].
#[inline(always)]
unsafe fn tiles<L: Lanes>(l: L, rows: &Rows<'_>, weights: impl Fn(usize) -> L::F + Copy) {
    let mut token = 0;
    // SAFETY: the caller's promise; tokens stay below their number.
    unsafe {
        while L::FLOAT_TOKENS >= 4 && token + 4 <= rows.x.tokens {
            tile::<L, 4>(l, rows, token, weights);
            token += 4;
        }
        while token < rows.x.tokens {
            tile::<L, 1>(l, rows, token, weights);
            token += 1;
        }
    }
}

/// # Safety
/// As [`group`], and `token + T` must not exceed the number of tokens.
#[inline(always)]
unsafe fn tile<L: Lanes, const T: usize>(
    l: L,
    rows: &Rows<'_>,
    token: usize,
    weights: impl Fn(usize) -> L::F + Copy,
) {
    let columns = rows.x.columns;
    let x: [*const f32; T] =
        std::array::from_fn(|t| rows.x.values.as_ptr().wrapping_add((token + t) * columns));
    let mut sums = [[l.splat(0.0); 4]; T];
    let whole = columns / 4 * 4;
    for column in (0..whole).step_by(4) {
        for part in 0..4 {
            let w = weights(column + part);
            for t in 0..T {
                // SAFETY: the row has the column.
                let x = unsafe { *x[t].wrapping_add(column + part) };
                sums[t][part] = l.fma(w, l.splat(x), sums[t][part]);
            }
        }
    }
    for column in whole..columns {
        let w = weights(column);
        for t in 0..T {
            // SAFETY: the row has the column.
            let x = unsafe { *x[t].wrapping_add(column) };
            sums[t][column - whole] = l.fma(w, l.splat(x), sums[t][column - whole]);
        }
    }
    for t in 0..T {
        let [a, b, c, d] = sums[t];
        // SAFETY: the caller's promise.
        unsafe { rows.put(l, token + t, l.add(l.add(a, b), l.add(c, d))) };
    }
}
