//! Products of quantised groups with quantised rows.
#![expect(clippy::needless_range_loop, reason = "one index runs through several arrays of registers")]
#![expect(unsafe_code, reason = "pointers into a group and into rows whose sizes the caller has checked")]

use super::lanes::Lanes;
use super::packed::Integers;
use super::product::Rows;
use super::quantize::{BLOCK, TILE, tiles};

/// How far ahead of the weights being read the next ones are asked for, in bytes.
const AHEAD: usize = 2048;

/// Sixteen outputs of all rows. `out` is the place of the group's first output in row 0.
///
/// # Safety
/// `group` must be a whole group of `form`, and `out` with `rows.stride` must have `rows.outputs` writable places in each row.
#[inline(always)]
pub(super) unsafe fn group<L: Lanes>(l: L, form: Integers, group: *const u8, rows: &Rows<'_>) {
    macro_rules! tiles {
        ($nibbles:literal, $sixteen:literal, $wide:literal, $minimum:literal) => {{
            for (token, size) in tiles(rows.x.tokens) {
                // SAFETY: the caller's promise; tiles are inside of the rows.
                unsafe {
                    match size {
                        1 => tile::<L, 1, $nibbles, $sixteen, $wide, $minimum>(l, form, group, rows, token),
                        2 => tile::<L, 2, $nibbles, $sixteen, $wide, $minimum>(l, form, group, rows, token),
                        4 => tile::<L, 4, $nibbles, $sixteen, $wide, $minimum>(l, form, group, rows, token),
                        _ => {
                            tile::<L, TILE, $nibbles, $sixteen, $wide, $minimum>(l, form, group, rows, token)
                        }
                    }
                }
            }
        }};
    }
    match (form.nibbles, form.block, form.wide, form.minimum) {
        (true, _, false, false) => tiles!(true, false, false, false),
        (true, _, false, true) => tiles!(true, false, false, true),
        (true, _, true, _) => tiles!(true, false, true, true),
        (false, 16, _, _) => tiles!(false, true, true, false),
        (false, _, false, false) => tiles!(false, false, false, false),
        (false, _, false, true) => tiles!(false, false, false, true),
        (false, _, true, _) => tiles!(false, false, true, true),
    }
}

/// # Safety
/// As [`group`], and `token + T` must not exceed the number of tokens.
#[inline(always)]
unsafe fn tile<
    L: Lanes,
    const T: usize,
    const NIBBLES: bool,
    const SIXTEEN: bool,
    const WIDE: bool,
    const MINIMUM: bool,
>(
    l: L,
    form: Integers,
    group: *const u8,
    rows: &Rows<'_>,
    token: usize,
) {
    let x = rows.x;
    let blocks = x.blocks();
    let quants = x.quants.as_ptr().cast::<i32>().wrapping_add(token * blocks * (BLOCK / 4));
    let scales = x.scales.as_ptr().wrapping_add(token * blocks);
    let sums = x.sums.as_ptr().wrapping_add(token * blocks * 2);
    let scaled_sums = x.scaled_sums.as_ptr().wrapping_add(token * blocks);
    let offset = if NIBBLES {
        form.offset
    } else if L::CENTRED {
        0
    } else {
        128
    };
    let (scale_bytes, words) = (if WIDE { 64 } else { 32 }, if SIXTEEN { 4 } else { 8 });
    let mut total = [l.splat(0.0); T];
    let mut at = group;
    for block in 0..if SIXTEEN { 2 * blocks } else { blocks } {
        // The block of 32 activations this block of weights meets, and the first of its words of four.
        let (of_x, first_word) = if SIXTEEN { (block / 2, block % 2 * 4) } else { (block, 0) };
        // SAFETY: the group has this block, and rows have `blocks` blocks.
        unsafe {
            let number = |at: *const u8| if WIDE { l.load(at.cast()) } else { l.load_f16(at.cast()) };
            let scale = number(at);
            at = at.wrapping_add(scale_bytes);
            let mut minimum = scale;
            if MINIMUM {
                minimum = number(at);
                at = at.wrapping_add(scale_bytes);
            }
            let words_of_x = quants.wrapping_add((of_x * (BLOCK / 4) + first_word) * T);
            let mut sum = [l.splat_integer(0); T];
            if offset != 0 {
                for t in 0..T {
                    let first = sums.wrapping_add(2 * of_x * T + t);
                    let all = if SIXTEEN {
                        *first.wrapping_add(block % 2 * T)
                    } else {
                        *first + *first.wrapping_add(T)
                    };
                    sum[t] = l.splat_integer(-offset * all);
                }
            }
            // A second sum shortens the chain of additions where few tokens fill it.
            let mut other = [l.splat_integer(0); T];
            for pair in 0..words / 2 {
                let (low, high) = if NIBBLES {
                    let bytes = l.load_bytes(at);
                    l.prefetch(at.wrapping_add(AHEAD));
                    at = at.wrapping_add(64);
                    (l.low(bytes), l.high(bytes))
                } else {
                    let both = (l.load_bytes(at), l.load_bytes(at.wrapping_add(64)));
                    l.prefetch(at.wrapping_add(AHEAD));
                    l.prefetch(at.wrapping_add(AHEAD + 64));
                    at = at.wrapping_add(128);
                    both
                };
                for t in 0..T {
                    let a = words_of_x.wrapping_add(2 * pair * T + t).read_unaligned();
                    let b = words_of_x.wrapping_add((2 * pair + 1) * T + t).read_unaligned();
                    let second = if T <= 2 { &mut other[t] } else { &mut sum[t] };
                    if NIBBLES {
                        *second = l.dot_nibbles(*second, high, b);
                        sum[t] = l.dot_nibbles(sum[t], low, a);
                    } else {
                        *second = l.dot_bytes(*second, high, b);
                        sum[t] = l.dot_bytes(sum[t], low, a);
                    }
                }
            }
            for t in 0..T {
                let whole = if T <= 2 { l.add_integer(sum[t], other[t]) } else { sum[t] };
                let both = l.mul(scale, l.splat(*scales.wrapping_add(of_x * T + t)));
                total[t] = l.fma(l.float(whole), both, total[t]);
                if MINIMUM {
                    total[t] = l.fma(minimum, l.splat(*scaled_sums.wrapping_add(of_x * T + t)), total[t]);
                }
            }
        }
    }
    for t in 0..T {
        // SAFETY: the caller's promise.
        unsafe { rows.put(l, token + t, total[t]) };
    }
}
