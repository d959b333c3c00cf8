//! A block of columns: what a plane adds to its sums.

use cubecl::prelude::*;

use super::ProductShape;
use crate::cube::fragment::{Four, Words, half_number, multiply, operands, pair};
use crate::cube::packing::Packing;

/// For kinds with a least number: sums of rows' numbers over the block.
#[cube]
pub(super) fn sum_rows(
    b: &Array<Words>,
    ones: &mut Array<Four>,
    #[comptime] eights: usize,
    #[comptime] x_parts: usize,
) {
    let one = Words::new(0x3f80_3f80u32);
    #[unroll]
    for n in 0..eights {
        let mut sum = Four::zeroed();
        #[unroll]
        for p in 0..x_parts {
            #[unroll]
            for first in 0..2usize {
                sum = multiply(one, pair(b[comptime!(n * x_parts + p)], first), sum);
            }
        }
        ones[n] = sum;
    }
}

/// Adds to sums `first_sum..` a tile's block times a plane's eights of rows. Of the tile, `a` has the vectors from `tile * vectors` on, and
/// `scale` from `first_scale` on the words of [`Packed::scales`](crate::cube::packing::Packed::scales), where the kind has them.
#[cube]
pub(super) fn add_block(
    a: &Array<Words>,
    scale: &Array<u32>,
    b: &Array<Words>,
    ones: &Array<Four>,
    acc: &mut Array<Four>,
    #[comptime] shape: ProductShape,
    #[comptime] tile: usize,
    #[comptime] first_scale: usize,
    #[comptime] block: usize,
    #[comptime] first_sum: usize,
) {
    let eights = comptime!(shape.plane_eights);
    let parts = comptime!(shape.packing.parts());
    let x_parts = comptime!(shape.x_parts);
    let kinds = comptime!(shape.packing.scales());
    let least_of = comptime!(shape.packing.has_least());
    let by_halves = comptime!(shape.packing == Packing::HalfBytes);
    let mut operand = Array::<Words>::new(comptime!(2 * parts));
    operands(a, &mut operand, shape.packing, tile, block);
    let mut scale_of = Four::zeroed();
    let mut other_of = Four::zeroed();
    if comptime!(kinds == 4) {
        scale_of = of_words(scale[first_scale], scale[comptime!(first_scale + 1)]);
        other_of = of_words(scale[comptime!(first_scale + 2)], scale[comptime!(first_scale + 3)]);
        if comptime!(shape.packing == Packing::Nibbles) {
            other_of -= scale_of * Four::new(128.0f32);
        }
    } else if comptime!(kinds > 0) {
        scale_of = of_rows(scale[first_scale]);
        if comptime!(shape.packing == Packing::Q4_0) {
            other_of = scale_of * Four::new(-136.0f32);
        } else if comptime!(shape.packing == Packing::Q4_1) {
            other_of = of_rows(scale[comptime!(first_scale + 1)]) - scale_of * Four::new(128.0f32);
        }
    }
    // A unit has columns of the first 16 or of the last: the other half is zero.
    let mut rest = Array::<Words>::new(2usize);
    if comptime!(by_halves) {
        let first_half = UNIT_POS_X % 4 < 2;
        #[unroll]
        for first in 0..2usize {
            let whole = operand[first];
            let none = Words::zeroed();
            operand[first] = select(first_half, whole, none);
            rest[first] = select(first_half, none, whole);
        }
    }
    #[unroll]
    for n in 0..eights {
        let mut sum = acc[comptime!(first_sum + n)];
        if comptime!(kinds > 0) {
            sum = Four::zeroed();
        }
        #[unroll]
        for part in 0..parts {
            #[unroll]
            for p in 0..x_parts {
                // What both have further down is below what f32 shows.
                if comptime!(part + p < 3) {
                    #[unroll]
                    for first in 0..2usize {
                        let own = operand[comptime!(2 * part + first)];
                        sum = multiply(own, pair(b[comptime!(n * x_parts + p)], first), sum);
                    }
                }
            }
        }
        if comptime!(kinds > 0) {
            // Said so, that every kernel rounds alike.
            sum = fma(sum, scale_of, acc[comptime!(first_sum + n)]);
            if comptime!(by_halves) {
                let mut others = Four::zeroed();
                #[unroll]
                for p in 0..x_parts {
                    #[unroll]
                    for first in 0..2usize {
                        others = multiply(rest[first], pair(b[comptime!(n * x_parts + p)], first), others);
                    }
                }
                sum = fma(others, other_of, sum);
            }
            if comptime!(least_of) {
                sum = fma(ones[n], other_of, sum);
            }
        }
        acc[comptime!(first_sum + n)] = sum;
    }
}

/// Numbers of 32 bits of rows `g` and `g + 8`, as sums have them.
#[cube]
fn of_words(first: u32, second: u32) -> Four {
    let low = f32::reinterpret(first);
    let high = f32::reinterpret(second);
    let mut four = Four::empty();
    four.insert(0usize, low);
    four.insert(1usize, low);
    four.insert(2usize, high);
    four.insert(3usize, high);
    four
}

/// Halves of a word, for rows `g` and `g + 8`, as sums have them.
#[cube]
fn of_rows(word: u32) -> Four {
    let low = half_number(word & 0xffffu32);
    let high = half_number(word >> 16u32);
    let mut four = Four::empty();
    four.insert(0usize, low);
    four.insert(1usize, low);
    four.insert(2usize, high);
    four.insert(3usize, high);
    four
}
