//! From a product's queries, keys and values to turned queries and filled pages, in one kernel.
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::attend::{CacheOrder, key_place, stored, value_place};
use super::inputs::{POSITIONS, SLOTS};
use super::order::{let_next_begin, wait_for_last};
use super::packing::UNITS;

/// Sizes and choices of a layer's heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PlaceShape {
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Numbers of a head; whole fours.
    pub head_dim: usize,
    /// Pairs of a head that are turned.
    pub pairs: usize,
    /// Pairs are neighbours, not half a head apart.
    pub adjacent: bool,
    /// `bias` is added.
    pub biased: bool,
    /// Query heads are normed.
    pub query_norm: bool,
    /// Key heads are normed.
    pub key_norm: bool,
    /// Bits of the f32 that is added to mean squares.
    pub epsilon: u32,
    /// Bits of the f32 that queries are multiplied with at last.
    pub scale: u32,
    /// Of the cache.
    pub order: CacheOrder,
    /// See [`crate::cube::inputs`].
    pub rows_max: usize,
}

/// Cubes: (tokens, heads + 2 kv heads). Units: [`UNITS`].
///
/// - `rows`: [tokens, (heads + 2 kv heads) * head_dim], queries, keys, values; `bias`: the same without tokens;
/// - `query_weight`, `key_weight`: `[head_dim]`;
/// - `angles`: [positions, pairs, 2], cosine and sine;
/// - `queries`: [tokens, heads * head_dim], written; `keys`, `values`: the cache, see [`crate::cube::attend`].
#[cube(launch_unchecked)]
pub fn place<E: Float>(
    rows: &[f32],
    bias: &[f32],
    query_weight: &[f32],
    key_weight: &[f32],
    angles: &[f32],
    inputs: &[u32],
    queries: &mut [f32],
    keys: &mut [E],
    values: &mut [E],
    #[comptime] shape: PlaceShape,
) {
    let_next_begin();
    wait_for_last();
    let dim = comptime!(shape.head_dim);
    let all = comptime!(shape.heads + 2 * shape.kv_heads);
    let heads = comptime!(shape.heads);
    let kv_heads = comptime!(shape.kv_heads);
    let pairs = comptime!(shape.pairs);
    let token = CUBE_POS_X as usize;
    let head = CUBE_POS_Y as usize;
    let unit = UNIT_POS_X as usize;
    let is_query = head < heads;
    let is_value = head >= comptime!(shape.heads + shape.kv_heads);

    let mut numbers = Shared::<[f32]>::new_slice(dim);
    let mut square = 0.0f32;
    let mut at = unit;
    while at < dim {
        let mut number = rows[(token * all + head) * dim + at];
        if comptime!(shape.biased) {
            number += bias[head * dim + at];
        }
        numbers[at] = number;
        square += number * number;
        at += UNITS;
    }
    sync_cube();
    if comptime!(shape.query_norm || shape.key_norm) {
        let share = comptime!(1.0 / shape.head_dim as f32);
        let epsilon = comptime!(f32::from_bits(shape.epsilon));
        let scale = (plane_sum(square) * share + epsilon).sqrt().recip();
        if comptime!(shape.query_norm) && is_query {
            let mut at = unit;
            while at < dim {
                numbers[at] = numbers[at] * scale * query_weight[at];
                at += UNITS;
            }
        }
        if comptime!(shape.key_norm) && !is_query && !is_value {
            let mut at = unit;
            while at < dim {
                numbers[at] = numbers[at] * scale * key_weight[at];
                at += UNITS;
            }
        }
        sync_cube();
    }
    if !is_value {
        let position = inputs[comptime!(POSITIONS * shape.rows_max) + token] as usize;
        let mut pair = unit;
        while pair < pairs {
            let mut a = pair;
            let mut b = pair + pairs;
            if comptime!(shape.adjacent) {
                a = 2 * pair;
                b = 2 * pair + 1;
            }
            let cos = angles[(position * pairs + pair) * 2];
            let sin = angles[(position * pairs + pair) * 2 + 1];
            let x = numbers[a];
            let y = numbers[b];
            numbers[a] = x * cos - y * sin;
            numbers[b] = y * cos + x * sin;
            pair += UNITS;
        }
        sync_cube();
    }
    let slot = inputs[comptime!(SLOTS * shape.rows_max) + token] as usize;
    let mut at = unit;
    while at < dim {
        if is_query {
            let scale = comptime!(f32::from_bits(shape.scale));
            queries[(token * heads + head) * dim + at] = numbers[at] * scale;
        } else if is_value {
            let kv = head - comptime!(shape.heads + shape.kv_heads);
            values[value_place(slot, kv, at, kv_heads, dim, shape.order)] = stored::<E>(numbers[at]);
        } else {
            keys[key_place(slot, head - heads, at, kv_heads, dim, shape.order)] = stored::<E>(numbers[at]);
        }
        at += UNITS;
    }
}
