//! Few rows: planes share a tile's columns, and the matrix comes from memory once.

use cubecl::prelude::*;

use super::block::{add_block, sum_rows};
use super::{ProductShape, STRIDE, TILE_SUMS, factor, root_mean_squares};
use crate::cube::fragment::{Four, Words};
use crate::cube::order::wait_for_last;
use crate::cube::packing::UNITS;

/// Asks for chunk `chunk` of a plane's tiles, and puts it at place `place` of those that are on their way.
#[cube]
fn ask(
    words: &[Words],
    scales: &[u32],
    a: &mut Array<Words>,
    scale: &mut Array<u32>,
    chunk: usize,
    #[comptime] place: usize,
    #[comptime] shape: ProductShape,
) {
    let vectors = comptime!(shape.packing.vectors());
    let kinds = comptime!(shape.packing.scales());
    let unit = UNIT_POS_X as usize;
    #[unroll]
    for m in 0..shape.plane_tiles {
        let tile = CUBE_POS_Y as usize * comptime!(shape.cube_tiles()) + m;
        let at = min(tile, comptime!(shape.tiles - 1)) * comptime!(shape.chunks) + chunk;
        // From a place of memory at fixed distances: one address for all.
        let from = at * comptime!(vectors * UNITS) + unit;
        let own = &words[from..from + comptime!((vectors - 1) * UNITS + 1)];
        #[unroll]
        for v in 0..vectors {
            a[comptime!((place * shape.plane_tiles + m) * vectors + v)] = own[comptime!(v * UNITS)];
        }
        if comptime!(kinds > 0) {
            let from = at * comptime!(2 * kinds * 8) + unit / 4;
            let own = &scales[from..from + comptime!((2 * kinds - 1) * 8 + 1)];
            #[unroll]
            for s in 0..comptime!(2 * kinds) {
                scale[comptime!((place * shape.plane_tiles + m) * 2 * kinds + s)] = own[comptime!(s * 8)];
            }
        }
    }
}

/// Sums of all planes' parts, and the factors of rows.
///
/// What a plane needs of the matrix is asked for before the last kernel has ended, as far as registers hold it; from then on each chunk
/// that was used makes room for one further on.
#[cube]
pub(super) fn thin_sums(
    words: &[Words],
    scales: &[u32],
    x: &[Words],
    squares: &[f32],
    sums: &mut Shared<[f32]>,
    factors: &mut Shared<[f32]>,
    #[comptime] shape: ProductShape,
) {
    let tiles = comptime!(shape.plane_tiles);
    let eights = comptime!(shape.plane_eights);
    let vectors = comptime!(shape.packing.vectors());
    let kinds = comptime!(shape.packing.scales());
    let x_parts = comptime!(shape.x_parts);
    let chunks = comptime!(shape.chunks);
    let ahead = comptime!(shape.ahead);
    let least_of = comptime!(shape.packing.has_least());
    let unit = UNIT_POS_X as usize;
    let plane = UNIT_POS_Y as usize;
    let first_eight = CUBE_POS_X as usize * eights;
    // Where there are fewer than eight rows, units of the others take the first's: nobody reads what they give.
    let mut row_unit = unit;
    if comptime!(shape.rows < 8) {
        row_unit = select(unit / 4 < shape.rows, unit, unit % 4);
    }

    let per_part = comptime!(chunks.div_ceil(shape.split));
    let mut chunk = plane * per_part;
    let end = min(chunk + per_part, chunks);
    let mut a = Array::<Words>::new(comptime!(ahead * tiles * vectors));
    let mut scale = Array::<u32>::new(comptime!((ahead * tiles * 2 * kinds).max(1)));
    #[unroll]
    for place in 0..ahead {
        // The last planes may have nothing to do.
        ask(words, scales, &mut a, &mut scale, min(chunk + place, comptime!(chunks - 1)), place, shape);
    }
    wait_for_last();

    // The norm's division, a plane per row: asked for before rows, and looked at last.
    let count = comptime!(shape.squares.0);
    let steps = comptime!(count.div_ceil(UNITS));
    let rows = comptime!(shape.factor_rows());
    let turns = comptime!(rows.div_ceil(shape.planes()));
    let mut square = Array::<f32>::new(comptime!(if turns == 1 { steps.max(1) } else { 1 }));
    if comptime!(count > 0 && turns == 1) {
        let row = min(plane, comptime!(rows - 1));
        let from = (CUBE_POS_X as usize * comptime!(eights * 8) + row) * count;
        #[unroll]
        for step in 0..steps {
            let at = unit + comptime!(step * UNITS);
            let found = squares[from + min(at, comptime!(count - 1))];
            square[step] = select(at < count, found, 0.0f32);
        }
    }

    let mut b = Array::<Words>::new(comptime!(eights * x_parts));
    let mut ones = Array::<Four>::new(eights);
    let mut acc = Array::<Four>::new(comptime!(tiles * eights));
    #[unroll]
    for i in 0..comptime!(tiles * eights) {
        acc[i] = Four::zeroed();
    }
    while chunk < end {
        let from = (first_eight * chunks + chunk) * comptime!(2 * x_parts * UNITS) + row_unit;
        let own_x =
            &x[from..from + comptime!((((eights - 1) * chunks + ahead) * 2 * x_parts - 1) * UNITS + 1)];
        #[unroll]
        for place in 0..ahead {
            #[unroll]
            for block in 0..2usize {
                #[unroll]
                for n in 0..eights {
                    #[unroll]
                    for p in 0..x_parts {
                        let at = comptime!((n * chunks + place) * 2 * x_parts + block * x_parts + p);
                        b[comptime!(n * x_parts + p)] = own_x[comptime!(at * UNITS)];
                    }
                }
                if comptime!(least_of) {
                    sum_rows(&b, &mut ones, eights, x_parts);
                }
                #[unroll]
                for m in 0..tiles {
                    let tile = comptime!(place * tiles + m);
                    let first_scale = comptime!((tile * 2 + block) * kinds);
                    let first_sum = comptime!(m * eights);
                    add_block(&a, &scale, &b, &ones, &mut acc, shape, tile, first_scale, block, first_sum);
                }
            }
            if comptime!(per_part > ahead) {
                let next = chunk + comptime!(place + ahead);
                if next < end {
                    ask(words, scales, &mut a, &mut scale, next, place, shape);
                }
            }
        }
        chunk += ahead;
    }

    let part = plane * comptime!(shape.slots() * TILE_SUMS);
    #[unroll]
    for m in 0..tiles {
        #[unroll]
        for n in 0..eights {
            let at =
                part + comptime!((m * eights + n) * TILE_SUMS) + unit % 4 * comptime!(2 * STRIDE) + unit / 4;
            let sum = acc[comptime!(m * eights + n)];
            sums[at] = sum.extract(0usize);
            sums[at + STRIDE] = sum.extract(1usize);
            sums[at + 8] = sum.extract(2usize);
            sums[at + comptime!(STRIDE + 8)] = sum.extract(3usize);
        }
    }

    if comptime!(count > 0) {
        if comptime!(turns == 1) {
            let mut own = 0.0f32;
            #[unroll]
            for step in 0..steps {
                own += square[step];
            }
            let factor = factor(own, shape);
            if unit == 0 && plane < rows {
                factors[plane] = factor;
            }
        } else {
            root_mean_squares(squares, factors, shape);
        }
    }
}
