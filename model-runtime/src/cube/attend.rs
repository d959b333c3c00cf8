//! Attention of single queries over the cache's pages.
//!
//! A cube takes one token, the query heads that share a key head (a plane each, so that keys and values come from the cache once), and
//! every `splits`-th page. A page has as many positions as a plane has units: a unit computes its position's score, the plane shares their
//! maximum and sum once a page, and then mixes values with its units side by side along the head. Where positions are divided over cubes,
//! [`merge`] puts the parts together.
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::product::UNITS;
use crate::decoder::PAGE_TOKENS;

const _: () = assert!(PAGE_TOKENS == UNITS, "a unit computes one position of a page");

/// Numbers that describe what a token sees: its first position, the position after its last, and where its block table begins.
pub const SPAN: usize = 3;

/// Less than any score, and finite, so that differences are numbers.
const LEAST: f32 = -1.0e30;

/// Sizes of attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttendShape {
    /// Query heads.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
    /// Numbers of a head; whole fours.
    pub head_dim: usize,
    /// Cubes that share a token's pages.
    pub splits: usize,
}

/// Cubes: (tokens, kv heads, splits). Units: ([`UNITS`], heads / kv heads).
///
/// - `queries`: [tokens, heads, head_dim], scaled;
/// - `keys`, `values`: [slots, kv heads, head_dim];
/// - `spans`: [tokens, [`SPAN`]]; `tables`: block tables;
/// - `mixed`: [tokens, heads, splits, head_dim], written: the values mixed, divided by their weights' sum where `splits` is 1;
/// - `sums`: [tokens, heads, splits, 2], written: the greatest score and the sum of weights.
#[cube(launch_unchecked)]
pub fn attend<E: Float>(
    queries: &[f32],
    keys: &[E],
    values: &[E],
    spans: &[u32],
    tables: &[u32],
    mixed: &mut [f32],
    sums: &mut [f32],
    #[comptime] shape: AttendShape,
) {
    let dim = comptime!(shape.head_dim);
    let group = comptime!(shape.heads / shape.kv_heads);
    let own = comptime!(shape.head_dim.div_ceil(UNITS));
    let heads = comptime!(shape.heads);
    let kv_heads = comptime!(shape.kv_heads);
    let splits = comptime!(shape.splits);
    let token = CUBE_POS_X as usize;
    let kv = CUBE_POS_Y as usize;
    let split = CUBE_POS_Z as usize;
    let unit = UNIT_POS_X as usize;
    let head = kv * group + UNIT_POS_Y as usize;
    let first = spans[token * SPAN] as usize;
    let end = spans[token * SPAN + 1] as usize;
    let table = spans[token * SPAN + 2] as usize;

    // This plane's query.
    let mut query = Shared::<[f32]>::new_slice(comptime!(group * dim));
    let base = UNIT_POS_Y as usize * dim;
    let mut at = unit;
    while at < dim {
        query[base + at] = queries[(token * heads + head) * dim + at];
        at += UNITS;
    }
    sync_cube();

    let mut greatest = f32::new(LEAST);
    let mut sum = 0.0f32;
    let mut mix = Array::<f32>::new(own);
    #[unroll]
    for i in 0..own {
        mix[i] = 0.0;
    }
    let mut page = first / UNITS + split;
    while page * UNITS < end {
        let slot = tables[table + page] as usize * UNITS;
        let position = page * UNITS + unit;
        let visible = position >= first && position < end;
        let key = ((slot + unit) * kv_heads + kv) * dim;
        let mut score = 0.0f32;
        if visible {
            for d in 0..dim {
                score += query[base + d] * f32::cast_from(keys[key + d]);
            }
        }
        let score = select(visible, score, f32::new(LEAST));
        let page_greatest = plane_max(score);
        let new_greatest = select(page_greatest > greatest, page_greatest, greatest);
        let weight = select(visible, (score - new_greatest).exp(), 0.0f32);
        let keep = (greatest - new_greatest).exp();
        greatest = new_greatest;
        sum = sum * keep + plane_sum(weight);
        #[unroll]
        for i in 0..own {
            mix[i] *= keep;
        }
        for j in 0..UNITS {
            let weight = plane_shuffle(weight, j as u32);
            let value = ((slot + j) * kv_heads + kv) * dim;
            #[unroll]
            for i in 0..own {
                let d = unit + comptime!(i * UNITS);
                if d < dim {
                    mix[i] += weight * f32::cast_from(values[value + d]);
                }
            }
        }
        page += splits;
    }
    let part = (token * heads + head) * splits + split;
    let mut scale = 1.0f32;
    if comptime!(splits == 1) {
        // A row that fills a bucket sees nothing.
        scale = select(sum > 0.0f32, sum.recip(), 0.0f32);
    }
    #[unroll]
    for i in 0..own {
        let d = unit + comptime!(i * UNITS);
        if d < dim {
            mixed[part * dim + d] = mix[i] * scale;
        }
    }
    if unit == 0 {
        sums[part * 2] = greatest;
        sums[part * 2 + 1] = sum;
    }
}

/// Puts the parts of [`attend`] together: `out`, [tokens, heads, head_dim]. Cubes: (tokens, heads). Units: [`UNITS`].
#[cube(launch_unchecked)]
pub fn merge(mixed: &[f32], sums: &[f32], out: &mut [f32], #[comptime] shape: AttendShape) {
    let dim = comptime!(shape.head_dim);
    let splits = comptime!(shape.splits);
    let row = CUBE_POS_X as usize * comptime!(shape.heads) + CUBE_POS_Y as usize;
    let mut greatest = f32::new(LEAST);
    for split in 0..splits {
        let other = sums[(row * splits + split) * 2];
        greatest = select(other > greatest, other, greatest);
    }
    let mut sum = 0.0f32;
    for split in 0..splits {
        let part = (row * splits + split) * 2;
        sum += (sums[part] - greatest).exp() * sums[part + 1];
    }
    let scale = select(sum > 0.0f32, sum.recip(), 0.0f32);
    let mut at = UNIT_POS_X as usize;
    while at < dim {
        let mut mix = 0.0f32;
        for split in 0..splits {
            let part = row * splits + split;
            mix += (sums[part * 2] - greatest).exp() * mixed[part * dim + at];
        }
        out[row * dim + at] = mix * scale;
        at += UNITS;
    }
}
