//! Products of rows with a matrix on tensor cores, and what is done with them before anything goes to memory.
//!
//! The same kernel serves one row and a prompt. With few rows ([`Form::Thin`]), the planes of a cube share a tile's columns: the matrix is read
//! once, from memory, as fast as that goes. With many ([`Form::Staged`]), each plane has tiles of its own, takes the parts of the columns
//! one after another, and shares what it reads through the cube's own memory. In both, sums of the same parts are added in the same order,
//! so a row's numbers do not depend on the rows beside it.
//!
//! Rows come as `x * weight` of a norm, not yet divided by the root of their mean square: that is one number per row, which the product is
//! multiplied with at last. Its squares' sum comes in as many parts as tiles wrote it (see [`add()`]).
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::attend::{CacheOrder, key_place, stored, value_place};
use super::fragment::{Words, put};
use super::inputs::{POSITIONS, SLOTS};
use super::order::let_next_begin;
use super::packing::UNITS;
use super::rows::{GateKind, activation};

mod block;
pub mod shape;
mod staged;
mod thin;

pub use self::shape::{Form, ProductShape};
use self::staged::staged_sums;
use self::thin::thin_sums;

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
    let_next_begin();
    if comptime!(shape.form == Form::Thin) {
        thin_sums(words, scales, x, squares, sums, factors, shape);
    } else {
        staged_sums(words, scales, x, squares, sums, factors, shape);
    }
    sync_cube();
}

/// What each row is multiplied with: one over the root of its mean square, a plane for each row, several rows' squares on their way at once.
/// Waited for already.
#[cube]
fn root_mean_squares(squares: &[f32], factors: &mut Shared<[f32]>, #[comptime] shape: ProductShape) {
    let count = comptime!(shape.squares.0);
    if comptime!(count > 0) {
        let unit = UNIT_POS_X as usize;
        let rows = comptime!(shape.factor_rows());
        let planes = comptime!(shape.planes());
        let turns = comptime!(rows.div_ceil(planes));
        let at_once = comptime!(if turns.is_multiple_of(4) { 4 } else { 1 });
        let first_row = CUBE_POS_X as usize * comptime!(shape.cube_eights() * 8);
        let mut own = Array::<f32>::new(at_once);
        for turn in 0..comptime!(turns / at_once) {
            #[unroll]
            for i in 0..at_once {
                let row = (turn * at_once + i) * planes + UNIT_POS_Y as usize;
                let from = (first_row + min(row, comptime!(rows - 1))) * count;
                let mut sum = 0.0f32;
                #[unroll]
                for step in 0..comptime!(count.div_ceil(UNITS)) {
                    let at = unit + comptime!(step * UNITS);
                    let found = squares[from + min(at, comptime!(count - 1))];
                    sum += select(at < count, found, 0.0f32);
                }
                own[i] = sum;
            }
            #[unroll]
            for i in 0..at_once {
                let row = (turn * at_once + i) * planes + UNIT_POS_Y as usize;
                let factor = factor(own[i], shape);
                if unit == 0 && row < rows {
                    factors[row] = factor;
                }
            }
        }
    }
}

/// Of a plane's squares.
#[cube]
fn factor(own: f32, #[comptime] shape: ProductShape) -> f32 {
    let share = comptime!(1.0 / shape.squares.1 as f32);
    let epsilon = comptime!(f32::from_bits(shape.epsilon));
    (plane_sum(own) * share + epsilon).sqrt().recip()
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
    let units = comptime!(shape.planes() * UNITS);
    let at_once = comptime!(shape.at_once(128));
    let mut first = UNIT_POS as usize;
    while first < comptime!(shape.slots() * 128) {
        #[unroll]
        for i in 0..at_once {
            let at = first + comptime!(i * units);
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
        }
        first += comptime!(at_once * units);
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
    let units = comptime!(shape.planes() * UNITS);
    let at_once = comptime!(shape.at_once(128));
    let mut first = UNIT_POS as usize;
    while first < comptime!(shape.slots() * 128) {
        #[unroll]
        for i in 0..at_once {
            let at = first + comptime!(i * units);
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
        }
        first += comptime!(at_once * units);
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
    let units = comptime!(shape.planes() * UNITS);
    let at_once = comptime!(shape.at_once(64));
    let mut first = UNIT_POS as usize;
    while first < comptime!(shape.slots() * 64) {
        #[unroll]
        for i in 0..at_once {
            let at = first + comptime!(i * units);
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
        }
        first += comptime!(at_once * units);
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
    /// See [`crate::cube::inputs`].
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
/// `queries`: [rows, heads, head_dim], scaled; `keys`, `values`: the cache, see [`crate::cube::attend`].
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
    let units = comptime!(shape.planes() * UNITS);
    let at_once = comptime!(shape.at_once(64));
    let mut first = UNIT_POS as usize;
    while first < comptime!(shape.slots() * 64) {
        #[unroll]
        for i in 0..at_once {
            let at = first + comptime!(i * units);
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
                        keys[key_place(cache_slot, kv, first, heads.kv_heads, dim, heads.order)] =
                            stored::<E>(a);
                        keys[key_place(cache_slot, kv, second, heads.kv_heads, dim, heads.order)] =
                            stored::<E>(b);
                    }
                } else {
                    let kv = head - comptime!(heads.heads + heads.kv_heads);
                    values[value_place(cache_slot, kv, first, heads.kv_heads, dim, heads.order)] =
                        stored::<E>(a);
                    values[value_place(cache_slot, kv, second, heads.kv_heads, dim, heads.order)] =
                        stored::<E>(b);
                }
            }
        }
        first += comptime!(at_once * units);
    }
}
