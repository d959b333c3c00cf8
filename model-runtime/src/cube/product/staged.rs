//! Many rows: planes have tiles of their own, and what several of them read goes through the cube's shared memory, a chunk ahead of its use.

use cubecl::prelude::barrier::copy_async;
use cubecl::prelude::*;

use super::block::{add_block, sum_rows};
use super::shape::{Copies, STAGES};
use super::{ProductShape, STRIDE, TILE_SUMS, root_mean_squares};
use crate::cube::fragment::{Four, Words};
use crate::cube::order::{commit_copies, wait_for_copies, wait_for_last};
use crate::cube::packing::UNITS;

/// Begins to copy a chunk for each group to a stage: this unit's vectors, from `base` on in what `copies` lays out.
#[cube]
fn copy(from: &[Words], base: usize, stages: &mut Shared<[Words]>, to: usize, #[comptime] copies: Copies) {
    let apart = comptime!(copies.units);
    let there = &mut stages[to..to + comptime!((copies.count() - 1) * apart + 1)];
    // At fixed distances from one address, where nothing can lie behind the end.
    if comptime!(copies.inside()) {
        let source = &from[base..base + comptime!(copies.distance(copies.count() - 1) + 1)];
        #[unroll]
        for i in 0..comptime!(copies.count()) {
            let one = &source[comptime!(copies.distance(i))..comptime!(copies.distance(i) + 1)];
            let its = &mut there[comptime!(i * apart)..comptime!(i * apart + 1)];
            copy_async(one, its, 4u32);
        }
    } else {
        #[unroll]
        for i in 0..comptime!(copies.count()) {
            // What is copied twice is not used.
            let at = min(base + comptime!(copies.distance(i)), comptime!(copies.all() - 1));
            let one = &from[at..at + 1];
            let its = &mut there[comptime!(i * apart)..comptime!(i * apart + 1)];
            copy_async(one, its, 4u32);
        }
    }
}

/// Where a unit's first vector is.
#[cube]
fn first_of(first_stripe: usize, #[comptime] copies: Copies) -> usize {
    let unit = UNIT_POS as usize;
    let stripe = unit / comptime!(copies.vectors);
    let inside = comptime!(copies.stripes);
    ((first_stripe + stripe % inside) * comptime!(copies.chunks) + stripe / inside * comptime!(copies.steps))
        * comptime!(copies.vectors)
        + unit % comptime!(copies.vectors)
}

/// Sums of the cube's tiles, and the factors of rows.
///
/// A group of planes takes its own parts of the columns; at the end of each the sums go to the totals, as [`super::thin`] adds them.
#[cube]
pub(super) fn staged_sums(
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
    let least_of = comptime!(shape.packing.has_least());
    let places = comptime!(shape.planes() / shape.groups);
    let unit = UNIT_POS_X as usize;
    let plane = UNIT_POS_Y as usize;
    let group = plane / places;
    let own_tile = plane % places / comptime!(shape.eights_beside()) * tiles;
    let own_eight = plane % places % comptime!(shape.eights_beside()) * eights;
    let first_tile = CUBE_POS_Y as usize * comptime!(shape.cube_tiles()) + own_tile;

    let mut stages = Shared::<[Words]>::new_slice(comptime!(STAGES * shape.stage_vectors()));
    let steps = comptime!(shape.steps());
    let matrix = comptime!(shape.matrix_copies());
    let rows = comptime!(shape.rows_copies());
    let stage_of_matrix = UNIT_POS as usize;
    let stage_of_rows = comptime!(shape.stage_matrix_vectors()) + UNIT_POS as usize;
    let from_matrix = first_of(CUBE_POS_Y as usize * comptime!(shape.cube_tiles()), matrix);
    let from_rows = first_of(CUBE_POS_X as usize * comptime!(shape.cube_eights()), rows);
    #[unroll]
    for step in 0..comptime!(STAGES - 1) {
        if comptime!(step < steps) {
            let from = from_matrix + comptime!(step * matrix.vectors);
            let to = stage_of_matrix + comptime!(step * shape.stage_vectors());
            copy(words, from, &mut stages, to, matrix);
        }
    }
    wait_for_last();
    #[unroll]
    for step in 0..comptime!(STAGES - 1) {
        if comptime!(step < steps) {
            let from = from_rows + comptime!(step * rows.vectors);
            let to = stage_of_rows + comptime!(step * shape.stage_vectors());
            copy(x, from, &mut stages, to, rows);
        }
        commit_copies();
    }
    // While the first copies are on their way.
    root_mean_squares(squares, factors, shape);

    let mut totals = Array::<Four>::new(comptime!(tiles * eights));
    let mut acc = Array::<Four>::new(comptime!(tiles * eights));
    #[unroll]
    for i in 0..comptime!(tiles * eights) {
        totals[i] = Four::zeroed();
        acc[i] = Four::zeroed();
    }
    let mut a = Array::<Words>::new(comptime!(tiles * vectors));
    let mut b = Array::<Words>::new(comptime!(eights * x_parts));
    let mut scale = Array::<u32>::new(comptime!((tiles * 2 * kinds).max(1)));
    let mut ones = Array::<Four>::new(eights);
    let per_part = comptime!(chunks.div_ceil(shape.split));
    let mut of_part = 0usize;
    for step in 0..steps {
        wait_for_copies();
        // Everybody's copies are there, and nobody reads the stage that is written next.
        sync_cube();
        let next = step + comptime!(STAGES - 1);
        if next < steps {
            let to = next % STAGES * comptime!(shape.stage_vectors());
            let from = from_matrix + next * comptime!(matrix.vectors);
            copy(words, from, &mut stages, stage_of_matrix + to, matrix);
            let from = from_rows + next * comptime!(rows.vectors);
            copy(x, from, &mut stages, stage_of_rows + to, rows);
        }
        commit_copies();
        let chunk = group * steps + step;
        if chunk < chunks {
            if comptime!(kinds > 0) {
                #[unroll]
                for m in 0..tiles {
                    let tile = min(first_tile + m, comptime!(shape.tiles - 1));
                    let from = (tile * chunks + chunk) * comptime!(2 * kinds * 8) + unit / 4;
                    #[unroll]
                    for s in 0..comptime!(2 * kinds) {
                        scale[comptime!(m * 2 * kinds + s)] = scales[from + comptime!(s * 8)];
                    }
                }
            }
            let stage = step % STAGES * comptime!(shape.stage_vectors());
            let of_matrix = stage
                + (group * comptime!(shape.cube_tiles()) + own_tile) * comptime!(vectors * UNITS)
                + unit;
            let of_rows = stage
                + comptime!(shape.stage_matrix_vectors())
                + (group * comptime!(shape.cube_eights()) + own_eight) * comptime!(2 * x_parts * UNITS)
                + unit;
            let own_matrix = &stages[of_matrix..of_matrix + comptime!((tiles * vectors - 1) * UNITS + 1)];
            let own_rows = &stages[of_rows..of_rows + comptime!((eights * 2 * x_parts - 1) * UNITS + 1)];
            #[unroll]
            for block in 0..2usize {
                #[unroll]
                for i in 0..comptime!(tiles * vectors) {
                    if comptime!(shape.packing.first_block_of(i % vectors) == block) {
                        a[i] = own_matrix[comptime!(i * UNITS)];
                    }
                }
                #[unroll]
                for i in 0..comptime!(eights * x_parts) {
                    let at = comptime!(((i / x_parts * 2 + block) * x_parts + i % x_parts) * UNITS);
                    b[i] = own_rows[at];
                }
                if comptime!(least_of) {
                    sum_rows(&b, &mut ones, eights, x_parts);
                }
                #[unroll]
                for m in 0..tiles {
                    let first_scale = comptime!((m * 2 + block) * kinds);
                    let first_sum = comptime!(m * eights);
                    add_block(&a, &scale, &b, &ones, &mut acc, shape, m, first_scale, block, first_sum);
                }
            }
        }
        of_part += 1;
        if of_part == per_part {
            of_part = 0;
            #[unroll]
            for i in 0..comptime!(tiles * eights) {
                totals[i] += acc[i];
                acc[i] = Four::zeroed();
            }
        }
    }

    let part = group * comptime!(shape.slots() * TILE_SUMS);
    #[unroll]
    for m in 0..tiles {
        #[unroll]
        for n in 0..eights {
            let slot = (own_tile + m) * comptime!(shape.cube_eights()) + own_eight + n;
            let at = part + slot * TILE_SUMS + unit % 4 * comptime!(2 * STRIDE) + unit / 4;
            let sum = totals[comptime!(m * eights + n)];
            sums[at] = sum.extract(0usize);
            sums[at + STRIDE] = sum.extract(1usize);
            sums[at + 8] = sum.extract(2usize);
            sums[at + comptime!(STRIDE + 8)] = sum.extract(3usize);
        }
    }
}
