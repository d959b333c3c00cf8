//! Attention of single queries over the cache's pages.
//!
//! A cube takes one token and the query heads that share a key head; its planes take pages in turn. A page has as many positions as a plane
//! has units: a unit computes its position's scores for all heads of the group, so that keys and values come from the cache once. Planes'
//! parts meet in shared memory. A token that sees many positions is divided over [`SPLITS`] cubes, and [`merge()`] puts their parts together;
//! whether it is depends on its own position only, so that its numbers do not depend on the rows beside it.
//!
//! This is the way of exact models and of heads that tensor cores do not fit; [`crate::cube::flash`] has the other. In the cache a page of a key head
//! is one stretch, see [`CacheOrder`].
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::fragment::{Four, put};
use super::inputs::{BASES, POSITIONS, TABLES};
use super::order::{let_next_begin, wait_for_last};
use super::packing::UNITS;
use crate::decoder::PAGE_TOKENS;

const _: () = assert!(PAGE_TOKENS == UNITS, "a unit computes one position of a page");

/// Cubes that share a token which sees many positions.
pub const SPLITS: usize = 8;

/// How many positions are many.
pub const SPLIT_FROM: usize = 1024;

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
    /// A token sees so many positions, itself the last of them; 0 sees all.
    pub window: usize,
    /// Whether some token may see [`SPLIT_FROM`] positions.
    pub split: bool,
    /// Chunks and parts of the rows it becomes.
    pub chunks: usize,
    /// See there.
    pub parts: usize,
    /// See [`crate::cube::inputs`].
    pub rows_max: usize,
}

impl AttendShape {
    const fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Planes of a cube: 16, or what 32 KiB hold the parts of.
    #[must_use]
    pub const fn planes(&self) -> usize {
        let mut planes = 16;
        while planes > 1 && planes * self.group() * (self.head_dim + 2) > 8192 {
            planes /= 2;
        }
        planes
    }
}

/// A number of the cache: finite whatever the model gives, since what is seen by nobody is multiplied with zero, not left out.
#[cube]
pub fn stored<E: Float>(number: f32) -> E {
    E::cast_from(max(min(number, f32::new(65504.0)), f32::new(-65504.0)))
}

/// How numbers lie in a page of a key head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheOrder {
    /// Keys as [head_dim / 4, positions, 4], so that units of a plane read side by side; values as [positions, head_dim].
    Plain,
    /// As tensor cores take them ([`crate::cube::flash`]): keys as [positions, head_dim], values as [head_dim, positions].
    Tensor,
}

/// Where number `d` of a key lies.
#[cube]
pub fn key_place(
    slot: usize,
    kv: usize,
    d: usize,
    #[comptime] kv_heads: usize,
    #[comptime] dim: usize,
    #[comptime] order: CacheOrder,
) -> usize {
    let page = (slot / PAGE_TOKENS * kv_heads + kv) * comptime!(dim * PAGE_TOKENS);
    if comptime!(order == CacheOrder::Plain) {
        page + d / 4 * comptime!(4 * PAGE_TOKENS) + slot % PAGE_TOKENS * 4 + d % 4
    } else {
        page + slot % PAGE_TOKENS * dim + d
    }
}

/// Where number `d` of a value lies.
#[cube]
pub fn value_place(
    slot: usize,
    kv: usize,
    d: usize,
    #[comptime] kv_heads: usize,
    #[comptime] dim: usize,
    #[comptime] order: CacheOrder,
) -> usize {
    let page = (slot / PAGE_TOKENS * kv_heads + kv) * comptime!(dim * PAGE_TOKENS);
    if comptime!(order == CacheOrder::Plain) {
        page + slot % PAGE_TOKENS * dim + d
    } else {
        page + d * PAGE_TOKENS + slot % PAGE_TOKENS
    }
}

/// Cubes: (tokens, kv heads, [`SPLITS`] or 1). Units: ([`UNITS`], [`AttendShape::planes`]).
///
/// - `queries`: [tokens, heads, head_dim], scaled;
/// - `keys`, `values`: the cache;
/// - `out`: rows of `heads * head_dim` numbers for a product, written for tokens that are not divided;
/// - `mixed`: [tokens, heads, [`SPLITS`], head_dim] and `sums`: [tokens, heads, [`SPLITS`], 2], written for those that are: values mixed, the
///   greatest score and the sum of weights.
#[cube(launch_unchecked)]
pub fn attend<E: Float>(
    queries: &[f32],
    keys: &[Vector<E, Const<4>>],
    values: &[Vector<E, Const<4>>],
    inputs: &[u32],
    out: &mut [u32],
    mixed: &mut [f32],
    sums: &mut [f32],
    #[comptime] shape: AttendShape,
) {
    let_next_begin();
    wait_for_last();
    let dim = comptime!(shape.head_dim);
    let fours = comptime!(shape.head_dim / 4);
    let group = comptime!(shape.group());
    let planes = comptime!(shape.planes());
    let heads = comptime!(shape.heads);
    let kv_heads = comptime!(shape.kv_heads);
    let rows_max = comptime!(shape.rows_max);
    // Units side by side along a value, values at once, and fours of a value that a unit has.
    let along = comptime!(if fours < UNITS { fours } else { UNITS });
    let at_once = comptime!(if along.is_power_of_two() { UNITS / along } else { 1 });
    let own = comptime!(fours.div_ceil(UNITS));
    let steps = comptime!(PAGE_TOKENS / at_once);
    let early = comptime!(own == 1);
    let token = CUBE_POS_X as usize;
    let kv = CUBE_POS_Y as usize;
    let split = CUBE_POS_Z as usize;
    let unit = UNIT_POS_X as usize;
    let plane = UNIT_POS_Y as usize;
    let end = inputs[comptime!(POSITIONS * rows_max) + token] as usize + 1;
    let table = comptime!(TABLES * rows_max) + inputs[comptime!(BASES * rows_max) + token] as usize;
    let mut first = 0usize;
    if comptime!(shape.window > 0) {
        first = select(end > shape.window, end - shape.window, 0usize);
    }
    let mut splits = 1usize;
    if comptime!(shape.split) {
        splits = select(end - first >= SPLIT_FROM, SPLITS, 1usize);
    }
    if split < splits {
        let mut asked = Shared::<[Four]>::new_slice(comptime!(group * fours));
        let mut parts = Shared::<[f32]>::new_slice(comptime!(planes * group * dim));
        let mut weights = Shared::<[f32]>::new_slice(comptime!(planes * group * 2));
        let mut at = UNIT_POS as usize;
        while at < comptime!(group * fours) {
            let from = (token * heads + kv * group) * dim + at * 4;
            let mut four = Four::empty();
            #[unroll]
            for i in 0..4usize {
                four.insert(i, queries[from + i]);
            }
            asked[at] = four;
            at += comptime!(planes * UNITS);
        }
        sync_cube();

        let mut greatest = Array::<f32>::new(group);
        let mut sum = Array::<f32>::new(group);
        let mut score = Array::<f32>::new(group);
        let mut mix = Array::<Four>::new(comptime!(group * own));
        let mut found = Array::<Vector<E, Const<4>>>::new(comptime!(if early { steps } else { 1 }));
        let zero = Four::zeroed();
        #[unroll]
        for h in 0..group {
            greatest[h] = LEAST;
            sum[h] = 0.0;
        }
        #[unroll]
        for i in 0..comptime!(group * own) {
            mix[i] = zero;
        }
        let mut page = first / PAGE_TOKENS + split * planes + plane;
        while page * PAGE_TOKENS < end {
            let place = (inputs[table + page] as usize * kv_heads + kv) * comptime!(fours * PAGE_TOKENS);
            let position = page * PAGE_TOKENS + unit;
            let visible = position >= first && position < end;
            #[unroll]
            for h in 0..group {
                score[h] = 0.0;
            }
            // Values are asked for with the keys, where registers hold them.
            if comptime!(early) {
                #[unroll]
                for step in 0..steps {
                    let j = (step * at_once + unit / along) % PAGE_TOKENS;
                    found[step] = values[place + j * fours + unit % along];
                }
            }
            #[unroll(fours <= 32)]
            for d in 0..fours {
                let key = keys[place + d * PAGE_TOKENS + unit];
                #[unroll]
                for h in 0..group {
                    let query = asked[h * fours + d];
                    score[h] += query.extract(0usize) * f32::cast_from(key.extract(0usize))
                        + query.extract(1usize) * f32::cast_from(key.extract(1usize))
                        + query.extract(2usize) * f32::cast_from(key.extract(2usize))
                        + query.extract(3usize) * f32::cast_from(key.extract(3usize));
                }
            }
            #[unroll]
            for h in 0..group {
                let own_score = select(visible, score[h], f32::new(LEAST));
                let page_greatest = plane_max(own_score);
                let new_greatest = select(page_greatest > greatest[h], page_greatest, greatest[h]);
                let weight = select(visible, (own_score - new_greatest).exp(), 0.0f32);
                let keep = (greatest[h] - new_greatest).exp();
                greatest[h] = new_greatest;
                sum[h] = sum[h] * keep + plane_sum(weight);
                score[h] = weight;
                #[unroll]
                for i in 0..own {
                    mix[comptime!(h * own + i)] *= Four::new(keep);
                }
            }
            #[unroll(early)]
            for step in 0..steps {
                let j = (step * at_once + unit / along) % PAGE_TOKENS;
                let from = place + j * fours + unit % along;
                #[unroll]
                for i in 0..own {
                    let mut value = zero;
                    if comptime!(early) {
                        #[unroll]
                        for e in 0..4usize {
                            value.insert(e, f32::cast_from(found[step].extract(e)));
                        }
                    } else if unit % along + comptime!(i * UNITS) < fours {
                        let four = values[from + comptime!(i * UNITS)];
                        #[unroll]
                        for e in 0..4usize {
                            value.insert(e, f32::cast_from(four.extract(e)));
                        }
                    }
                    #[unroll]
                    for h in 0..group {
                        let weight = plane_shuffle(score[h], j as u32);
                        mix[comptime!(h * own + i)] += value * Four::new(weight);
                    }
                }
            }
            page += splits * planes;
        }
        // Values at once: units that have the same numbers.
        #[unroll]
        for i in 0..comptime!(group * own) {
            let mut four = mix[i];
            let mut other = Four::empty();
            #[unroll]
            for step in 0..comptime!(at_once.ilog2() as usize) {
                #[unroll]
                for e in 0..4usize {
                    other.insert(
                        e,
                        plane_shuffle_xor(four.extract(e), comptime!((UNITS >> (step + 1)) as u32)),
                    );
                }
                four += other;
            }
            mix[i] = four;
        }
        #[unroll]
        for h in 0..group {
            let from = plane * group + h;
            if unit < along {
                #[unroll]
                for i in 0..own {
                    let d = unit + comptime!(i * UNITS);
                    if d < fours {
                        #[unroll]
                        for e in 0..4usize {
                            parts[from * dim + d * 4 + e] = mix[comptime!(h * own + i)].extract(e);
                        }
                    }
                }
            }
            if unit == 0 {
                weights[from * 2] = greatest[h];
                weights[from * 2 + 1] = sum[h];
            }
        }
        sync_cube();

        // Two numbers a unit.
        let mut at = UNIT_POS as usize;
        while at < comptime!(group * dim / 2) {
            let h = at / comptime!(dim / 2);
            let d = at % comptime!(dim / 2) * 2;
            let mut most = f32::new(LEAST);
            #[unroll]
            for p in 0..planes {
                let other = weights[(p * group + h) * 2];
                most = select(other > most, other, most);
            }
            let mut total = 0.0f32;
            let mut a = 0.0f32;
            let mut b = 0.0f32;
            #[unroll]
            for p in 0..planes {
                let from = p * group + h;
                let keep = (weights[from * 2] - most).exp();
                total += keep * weights[from * 2 + 1];
                a += keep * parts[from * dim + d];
                b += keep * parts[from * dim + d + 1];
            }
            let head = kv * group + h;
            if splits == 1 {
                let scale = select(total > 0.0f32, total.recip(), 0.0f32);
                put(out, token, head * dim + d, a * scale, b * scale, shape.chunks, shape.parts);
            } else {
                let part = (token * heads + head) * SPLITS + split;
                mixed[part * dim + d] = a;
                mixed[part * dim + d + 1] = b;
                if d == 0 {
                    sums[part * 2] = most;
                    sums[part * 2 + 1] = total;
                }
            }
            at += comptime!(planes * UNITS);
        }
    }
}

/// Puts the parts of [`attend()`] together, for tokens that were divided. Cubes: (tokens, heads). Units: [`UNITS`].
#[cube(launch_unchecked)]
pub fn merge(mixed: &[f32], sums: &[f32], inputs: &[u32], out: &mut [u32], #[comptime] shape: AttendShape) {
    let_next_begin();
    wait_for_last();
    let dim = comptime!(shape.head_dim);
    let token = CUBE_POS_X as usize;
    let head = CUBE_POS_Y as usize;
    let row = token * comptime!(shape.heads) + head;
    let end = inputs[comptime!(POSITIONS * shape.rows_max) + token] as usize + 1;
    let mut sees = end;
    if comptime!(shape.window > 0) {
        sees = min(end, shape.window);
    }
    if sees >= SPLIT_FROM {
        let mut most = f32::new(LEAST);
        for split in 0..SPLITS {
            let other = sums[(row * SPLITS + split) * 2];
            most = select(other > most, other, most);
        }
        let mut total = 0.0f32;
        for split in 0..SPLITS {
            let part = (row * SPLITS + split) * 2;
            total += (sums[part] - most).exp() * sums[part + 1];
        }
        let scale = select(total > 0.0f32, total.recip(), 0.0f32);
        let mut at = UNIT_POS_X as usize;
        while at < comptime!(dim / 2) {
            let mut a = 0.0f32;
            let mut b = 0.0f32;
            for split in 0..SPLITS {
                let part = row * SPLITS + split;
                let keep = (sums[part * 2] - most).exp();
                a += keep * mixed[part * dim + at * 2];
                b += keep * mixed[part * dim + at * 2 + 1];
            }
            put(out, token, head * dim + at * 2, a * scale, b * scale, shape.chunks, shape.parts);
            at += UNITS;
        }
    }
}
