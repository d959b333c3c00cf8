//! Products of rows with a matrix on tensor cores, and what is done with them before anything goes to memory.
//!
//! The same kernel serves one row and a prompt. With few rows (`Form::Thin`), the planes of a cube share a tile's columns: the matrix is read
//! once, from memory, as fast as that goes. With many (`Form::Wide`), each plane has tiles of its own and takes the parts of the columns
//! one after another. In both, sums of the same parts are added in the same order, so a row's numbers do not depend on the rows beside it.
//!
//! Rows come as `x * weight` of a norm, not yet divided by the root of their mean square: that is one number per row, which the product is
//! multiplied with at last. Its squares' sum comes in as many parts as tiles wrote it (see [`add`]).
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::attend::{CacheOrder, key_place, stored, value_place};
use super::fragment::{Four, Words, half_number, multiply, operand, operands, pair, put};
use super::inputs::{POSITIONS, SLOTS};
use super::packing::{Packing, UNITS};
use super::rows::{GateKind, activation};

pub mod shape;

pub use self::shape::{Form, ProductShape};

/// Numbers that a token of a tile has in shared memory: its 16 rows, and room against bank conflicts.
const STRIDE: usize = 20;

/// Numbers of a tile of 16 rows and 8 tokens in shared memory.
const TILE_SUMS: usize = 8 * STRIDE;

/// Sums of this cube's tiles in shared memory, and the number each row is multiplied with.
///
/// Cubes: (eights of tokens / [`ProductShape::cube_eights`], tiles / [`ProductShape::cube_tiles`]). Units: ([`UNITS`],
/// [`ProductShape::planes`]).
#[cube]
fn accumulate(
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
    let parts = comptime!(shape.packing.parts());
    let x_parts = comptime!(shape.x_parts);
    let chunks = comptime!(shape.chunks);
    let wide = comptime!(shape.form != Form::Thin);
    let beside = comptime!(shape.eights_beside());
    let quantised = comptime!(shape.packing.scales() > 0);
    let least_of = comptime!(matches!(shape.packing, Packing::Q4_0 | Packing::Q4_1));
    let unit = UNIT_POS_X as usize;
    let plane = UNIT_POS_Y as usize;
    let mut own_tile = 0usize;
    let mut own_eight = 0usize;
    let mut group = 0usize;
    if comptime!(wide) {
        let places = comptime!(shape.planes() / shape.groups);
        group = plane / places;
        own_tile = plane % places / beside * tiles;
        own_eight = plane % places % beside * eights;
    }
    let first_tile = CUBE_POS_Y as usize * comptime!(shape.cube_tiles()) + own_tile;
    let first_eight = CUBE_POS_X as usize * comptime!(shape.cube_eights()) + own_eight;
    // Where there are fewer than eight rows, units of the others take the first's: nobody reads what they give.
    let mut row_unit = unit;
    if comptime!(shape.rows < 8) {
        row_unit = select(unit / 4 < shape.rows, unit, unit % 4);
    }

    // The norm's division, a plane per row. Asked for before everything else, and looked at last.
    let cube_rows = comptime!(if shape.rows < 8 { shape.rows } else { shape.cube_eights() * 8 });
    let count = comptime!(shape.squares.0);
    let steps = comptime!(count.div_ceil(UNITS));
    let turns_of_rows = comptime!(cube_rows.div_ceil(shape.planes()));
    let mut square = Array::<f32>::new(comptime!(if turns_of_rows == 1 { steps.max(1) } else { 1 }));
    if comptime!(count > 0 && turns_of_rows == 1) {
        let row = min(plane, comptime!(cube_rows - 1));
        let from = (CUBE_POS_X as usize * comptime!(shape.cube_eights() * 8) + row) * count;
        #[unroll]
        for step in 0..steps {
            let at = unit + comptime!(step * UNITS);
            let found = squares[from + min(at, comptime!(count - 1))];
            square[step] = select(at < count, found, 0.0f32);
        }
    }

    let zero = Four::zeroed();
    let mut totals = Array::<Four>::new(comptime!(tiles * eights));
    #[unroll]
    for i in 0..comptime!(tiles * eights) {
        totals[i] = zero;
    }
    let turns = comptime!(if wide { shape.split / shape.groups } else { 1 });
    let per_part = comptime!(chunks.div_ceil(shape.split));
    let ahead = comptime!(shape.ahead);
    let mut a = Array::<Words>::new(comptime!(ahead * tiles * vectors));
    let mut b = Array::<Words>::new(comptime!(eights * x_parts));
    let mut regs = Array::<u32>::new(comptime!(8 * parts));
    let mut acc = Array::<Four>::new(comptime!(tiles * eights));
    let mut ones = Array::<Four>::new(eights);
    for turn in 0..turns {
        let mut part = plane;
        if comptime!(wide) {
            part = group * turns + turn;
        }
        #[unroll]
        for i in 0..comptime!(tiles * eights) {
            acc[i] = zero;
        }
        let mut first_chunk = part * per_part;
        let end = min(first_chunk + per_part, chunks);
        while first_chunk < end {
            #[unroll]
            for m in 0..tiles {
                let tile = min(first_tile + m, comptime!(shape.tiles - 1));
                let from = (tile * chunks + first_chunk) * comptime!(vectors * UNITS) + unit;
                #[unroll]
                for v in 0..comptime!(ahead * vectors) {
                    let place = comptime!((v / vectors * tiles + m) * vectors + v % vectors);
                    a[place] = words[from + comptime!(v * UNITS)];
                }
            }
            #[unroll]
            for step in 0..comptime!(2 * ahead) {
                let chunk = first_chunk + comptime!(step / 2);
                let block = comptime!(step % 2);
                #[unroll]
                for n in 0..eights {
                    let from = ((first_eight + n) * chunks + chunk) * comptime!(2 * x_parts * UNITS)
                        + comptime!(block * x_parts * UNITS)
                        + row_unit;
                    #[unroll]
                    for p in 0..x_parts {
                        b[comptime!(n * x_parts + p)] = x[from + comptime!(p * UNITS)];
                    }
                    if comptime!(least_of) {
                        let one = Words::new(0x3f80_3f80u32);
                        let mut sum = zero;
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
                #[unroll]
                for m in 0..tiles {
                    operands(&a, &mut regs, shape.packing, comptime!(step / 2 * tiles + m), block);
                    let mut scale = zero;
                    let mut least = zero;
                    if comptime!(quantised) {
                        let tile = min(first_tile + m, comptime!(shape.tiles - 1));
                        let kinds = comptime!(shape.packing.scales());
                        let at = ((tile * chunks + chunk) * 2 + block) * comptime!(kinds * 8) + unit / 4;
                        scale = of_rows(scales[at]);
                        if comptime!(shape.packing == Packing::Q4_0) {
                            least = scale * Four::new(-136.0f32);
                        } else if comptime!(shape.packing == Packing::Q4_1) {
                            least = of_rows(scales[at + 8]) - scale * Four::new(128.0f32);
                        }
                    }
                    #[unroll]
                    for n in 0..eights {
                        let mut sum = acc[comptime!(m * eights + n)];
                        if comptime!(quantised) {
                            sum = zero;
                        }
                        #[unroll]
                        for part in 0..parts {
                            #[unroll]
                            for p in 0..x_parts {
                                // What both have further down is below what f32 shows.
                                if comptime!(part + p < 3) {
                                    #[unroll]
                                    for first in 0..2usize {
                                        sum = multiply(
                                            operand(&regs, part, first),
                                            pair(b[comptime!(n * x_parts + p)], first),
                                            sum,
                                        );
                                    }
                                }
                            }
                        }
                        if comptime!(quantised) {
                            sum = acc[comptime!(m * eights + n)] + sum * scale;
                            if comptime!(least_of) {
                                sum += ones[n] * least;
                            }
                        }
                        acc[comptime!(m * eights + n)] = sum;
                    }
                }
            }
            first_chunk += ahead;
        }
        #[unroll]
        for i in 0..comptime!(tiles * eights) {
            totals[i] += acc[i];
        }
    }

    let mut place = plane * comptime!(shape.slots() * TILE_SUMS);
    if comptime!(wide) {
        place = group * comptime!(shape.slots() * TILE_SUMS);
    }
    #[unroll]
    for m in 0..tiles {
        #[unroll]
        for n in 0..eights {
            let slot = (own_tile + m) * comptime!(shape.cube_eights()) + own_eight + n;
            let at = place + slot * TILE_SUMS + unit % 4 * comptime!(2 * STRIDE) + unit / 4;
            let sum = totals[comptime!(m * eights + n)];
            sums[at] = sum.extract(0usize);
            sums[at + STRIDE] = sum.extract(1usize);
            sums[at + 8] = sum.extract(2usize);
            sums[at + comptime!(STRIDE + 8)] = sum.extract(3usize);
        }
    }

    if comptime!(count > 0) {
        let share = comptime!(1.0 / shape.squares.1 as f32);
        let epsilon = comptime!(f32::from_bits(shape.epsilon));
        #[unroll(turns_of_rows == 1)]
        for turn in 0..turns_of_rows {
            let row = plane + turn * comptime!(shape.planes());
            let mut own = 0.0f32;
            if comptime!(turns_of_rows == 1) {
                #[unroll]
                for step in 0..steps {
                    own += square[step];
                }
            } else {
                let row = min(row, comptime!(cube_rows - 1));
                let from = (CUBE_POS_X as usize * comptime!(shape.cube_eights() * 8) + row) * count;
                #[unroll]
                for step in 0..steps {
                    let at = unit + comptime!(step * UNITS);
                    let found = squares[from + min(at, comptime!(count - 1))];
                    own += select(at < count, found, 0.0f32);
                }
            }
            let factor = (plane_sum(own) * share + epsilon).sqrt().recip();
            if unit == 0 && row < cube_rows {
                factors[row] = factor;
            }
        }
    }
    sync_cube();
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

/// The product's number `row` of token `token` of a slot.
#[cube]
fn total(
    sums: &Shared<[f32]>,
    factors: &Shared<[f32]>,
    slot: usize,
    token: usize,
    row: usize,
    #[comptime] shape: ProductShape,
) -> f32 {
    let mut sum = 0.0f32;
    let at = slot * TILE_SUMS + token * STRIDE + row;
    let of_group = comptime!(shape.shared_parts() / shape.groups);
    #[unroll]
    for group in 0..shape.groups {
        let mut of_this = 0.0f32;
        #[unroll]
        for part in 0..of_group {
            of_this += sums[at + comptime!((group * of_group + part) * shape.slots() * TILE_SUMS)];
        }
        sum += of_this;
    }
    if comptime!(shape.squares.0 > 0) {
        sum *= factors[slot % comptime!(shape.cube_eights()) * 8 + token];
    }
    sum
}

/// A slot's tile.
#[cube]
fn tile_of(slot: usize, #[comptime] shape: ProductShape) -> usize {
    CUBE_POS_Y as usize * comptime!(shape.cube_tiles()) + slot / comptime!(shape.cube_eights())
}

/// A slot's token.
#[cube]
fn token_of(slot: usize, token: usize, #[comptime] shape: ProductShape) -> usize {
    (CUBE_POS_X as usize * comptime!(shape.cube_eights()) + slot % comptime!(shape.cube_eights())) * 8 + token
}

/// Where plain products go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlainShape {
    /// Rows of the matrix.
    pub outputs: usize,
    /// Numbers of a row of `y`.
    pub stride: usize,
    /// Where in it the outputs begin.
    pub offset: usize,
    /// Bits of the f32 that bounds them by its hyperbolic tangent; 0 does not.
    pub cap: u32,
}

/// `y` = matrix `x`: [rows, stride].
#[cube(launch_unchecked)]
pub fn plain(
    words: &[Words],
    scales: &[u32],
    x: &[Words],
    squares: &[f32],
    y: &mut [f32],
    #[comptime] shape: ProductShape,
    #[comptime] to: PlainShape,
) {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(shape.shared_parts() * shape.slots() * TILE_SUMS));
    let mut factors = Shared::<[f32]>::new_slice(comptime!(shape.cube_eights() * 8));
    accumulate(words, scales, x, squares, &mut sums, &mut factors, shape);
    let mut at = UNIT_POS as usize;
    while at < comptime!(shape.slots() * 128) {
        let slot = at / 128;
        let token = at % 128 / 16;
        let row = at % 16;
        let output = tile_of(slot, shape) * 16 + row;
        if output < to.outputs && token < shape.rows {
            let mut number = total(&sums, &factors, slot, token, row, shape);
            if comptime!(to.cap != 0) {
                let cap = comptime!(f32::from_bits(to.cap));
                number = (number / cap).tanh() * cap;
            }
            y[token_of(slot, token, shape) * to.stride + to.offset + output] = number;
        }
        at += comptime!(shape.planes() * UNITS);
    }
}

/// `x_next += ` matrix `x`; the sums times the next norm's `weight` become the next product's rows, and their squares' sum over each tile
/// a part of theirs.
///
/// `stream`: [rows, tiles * 16]; `next`: rows for a product of `next_chunks`; `next_squares`: [rows, tiles].
#[cube(launch_unchecked)]
pub fn add(
    words: &[Words],
    scales: &[u32],
    x: &[Words],
    stream: &mut [f32],
    weight: &[f32],
    next: &mut [u32],
    next_squares: &mut [f32],
    #[comptime] shape: ProductShape,
    #[comptime] next_chunks: usize,
) {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(shape.shared_parts() * shape.slots() * TILE_SUMS));
    let mut factors = Shared::<[f32]>::new_slice(8usize);
    accumulate(words, scales, x, weight, &mut sums, &mut factors, shape);
    let mut at = UNIT_POS as usize;
    while at < comptime!(shape.slots() * 128) {
        let slot = at / 128;
        let token = at % 128 / 16;
        let row = at % 16;
        let tile = tile_of(slot, shape);
        let output = tile * 16 + row;
        let there = tile < shape.tiles && token < shape.rows;
        let place = token_of(slot, token, shape);
        let mut number = 0.0f32;
        let mut weighed = 0.0f32;
        if there {
            let index = place * comptime!(shape.tiles * 16) + output;
            number = stream[index] + total(&sums, &factors, slot, token, row, shape);
            stream[index] = number;
            weighed = number * weight[output];
        }
        let mut square = number * number;
        #[unroll]
        for step in 0..4usize {
            square += plane_shuffle_xor(square, comptime!(1u32 << step));
        }
        let beside = plane_shuffle_xor(weighed, 1u32);
        if there {
            if row & 1usize == 0 {
                put(next, place, output, weighed, beside, next_chunks, shape.x_parts);
            }
            if row == 0 {
                next_squares[place * shape.tiles + tile] = square;
            }
        }
        at += comptime!(shape.planes() * UNITS);
    }
}

/// The feed-forward's first half: tiles have 8 rows of the gate and the same 8 of `up`; `activation(gate) * up` becomes rows of the next
/// product, of `next_chunks`.
#[cube(launch_unchecked)]
pub fn gated(
    words: &[Words],
    scales: &[u32],
    x: &[Words],
    squares: &[f32],
    next: &mut [u32],
    #[comptime] shape: ProductShape,
    #[comptime] next_chunks: usize,
    #[comptime] kind: GateKind,
) {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(shape.shared_parts() * shape.slots() * TILE_SUMS));
    let mut factors = Shared::<[f32]>::new_slice(comptime!(shape.cube_eights() * 8));
    accumulate(words, scales, x, squares, &mut sums, &mut factors, shape);
    let mut at = UNIT_POS as usize;
    while at < comptime!(shape.slots() * 64) {
        let slot = at / 64;
        let token = at % 64 / 8;
        let row = at % 8;
        let tile = tile_of(slot, shape);
        let there = tile < shape.tiles && token < shape.rows;
        let mut number = 0.0f32;
        if there {
            let g = total(&sums, &factors, slot, token, row, shape);
            let u = total(&sums, &factors, slot, token, row + 8, shape);
            number = activation(g, kind) * u;
        }
        let beside = plane_shuffle_xor(number, 1u32);
        if there && row & 1usize == 0 {
            put(
                next,
                token_of(slot, token, shape),
                tile * 8 + row,
                number,
                beside,
                next_chunks,
                shape.x_parts,
            );
        }
        at += comptime!(shape.planes() * UNITS);
    }
}

/// Heads of a layer, and where its tokens' inputs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeadsShape {
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Numbers of a head: whole sixteens.
    pub head_dim: usize,
    /// Pairs are neighbours, not half a head apart.
    pub adjacent: bool,
    /// `bias` is added.
    pub biased: bool,
    /// Bits of the f32 that queries are multiplied with at last.
    pub scale: u32,
    /// Of the cache.
    pub order: CacheOrder,
    /// See [`super::inputs`].
    pub rows_max: usize,
}

/// Cosine and sine that element `at` of a cube is turned with, and its token's place in the cache.
#[cube]
fn look_up(
    at: usize,
    angles: &[f32],
    inputs: &[u32],
    turn: &mut Array<f32>,
    held: &mut Array<usize>,
    #[comptime] shape: ProductShape,
    #[comptime] heads: HeadsShape,
) {
    let dim = comptime!(heads.head_dim);
    let slot = at / 64;
    let tile = tile_of(slot, shape);
    // Past the last row there is nothing to be looked up, but memory.
    let token = min(at % 64 / 8, comptime!(shape.rows - 1));
    let place = token_of(slot, token, shape);
    let position = inputs[comptime!(POSITIONS * heads.rows_max) + place] as usize;
    let pair = tile % comptime!(dim / 16) * 8 + at % 8;
    let from = (position * comptime!(dim / 2) + pair) * 2;
    held[0] = inputs[comptime!(SLOTS * heads.rows_max) + place] as usize;
    turn[0] = angles[from];
    turn[1] = angles[from + 1];
}

/// Queries, keys and values, turned and put where attention reads them. Every head's tiles have 8 numbers and those they turn with.
///
/// `queries`: [rows, heads, head_dim], scaled; `keys`, `values`: the cache, see [`super::attend`].
#[cube(launch_unchecked)]
pub fn heads<E: Float>(
    words: &[Words],
    scales: &[u32],
    x: &[Words],
    squares: &[f32],
    bias: &[f32],
    angles: &[f32],
    inputs: &[u32],
    queries: &mut [f32],
    keys: &mut [E],
    values: &mut [E],
    #[comptime] shape: ProductShape,
    #[comptime] heads: HeadsShape,
) {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(shape.shared_parts() * shape.slots() * TILE_SUMS));
    let mut factors = Shared::<[f32]>::new_slice(comptime!(shape.cube_eights() * 8));
    // Asked for before everything else where a unit has one element only.
    let once = comptime!(shape.slots() * 64 <= shape.planes() * UNITS);
    let mut turn = Array::<f32>::new(2usize);
    let mut held = Array::<usize>::new(1usize);
    if comptime!(once) {
        look_up(
            min(UNIT_POS as usize, comptime!(shape.slots() * 64 - 1)),
            angles,
            inputs,
            &mut turn,
            &mut held,
            shape,
            heads,
        );
    }
    accumulate(words, scales, x, squares, &mut sums, &mut factors, shape);
    let dim = comptime!(heads.head_dim);
    let mut at = UNIT_POS as usize;
    while at < comptime!(shape.slots() * 64) {
        let slot = at / 64;
        let token = at % 64 / 8;
        let row = at % 8;
        let tile = tile_of(slot, shape);
        if tile < shape.tiles && token < shape.rows {
            let mut a = total(&sums, &factors, slot, token, row, shape);
            let mut b = total(&sums, &factors, slot, token, row + 8, shape);
            if comptime!(heads.biased) {
                a += bias[tile * 16 + row];
                b += bias[tile * 16 + row + 8];
            }
            let place = token_of(slot, token, shape);
            let head = tile / comptime!(dim / 16);
            let pair = tile % comptime!(dim / 16) * 8 + row;
            let mut first = pair;
            let mut second = pair + comptime!(dim / 2);
            if comptime!(heads.adjacent) {
                first = 2 * pair;
                second = 2 * pair + 1;
            }
            if comptime!(!once) {
                look_up(at, angles, inputs, &mut turn, &mut held, shape, heads);
            }
            let cache_slot = held[0];
            if head < comptime!(heads.heads + heads.kv_heads) {
                let cos = turn[0];
                let sin = turn[1];
                let turned = a * cos - b * sin;
                b = b * cos + a * sin;
                a = turned;
                if head < heads.heads {
                    let scale = comptime!(f32::from_bits(heads.scale));
                    let to = (place * heads.heads + head) * dim;
                    queries[to + first] = a * scale;
                    queries[to + second] = b * scale;
                } else {
                    let kv = head - heads.heads;
                    keys[key_place(cache_slot, kv, first, heads.kv_heads, dim, heads.order)] = stored::<E>(a);
                    keys[key_place(cache_slot, kv, second, heads.kv_heads, dim, heads.order)] =
                        stored::<E>(b);
                }
            } else {
                let kv = head - comptime!(heads.heads + heads.kv_heads);
                values[value_place(cache_slot, kv, first, heads.kv_heads, dim, heads.order)] = stored::<E>(a);
                values[value_place(cache_slot, kv, second, heads.kv_heads, dim, heads.order)] =
                    stored::<E>(b);
            }
        }
        at += comptime!(shape.planes() * UNITS);
    }
}
