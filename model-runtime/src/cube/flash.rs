//! Attention over the cache's pages on tensor cores.
//!
//! A cube takes the query heads that share a key head, of one token or of several that follow each other in a prompt: at most 16 rows. Its
//! planes take pages in turn, always those of the same remainder, and their parts meet in shared memory in a fixed order. A page that a row
//! does not see changes nothing of it. So a token's numbers do not depend on the tokens beside it.
//!
//! Scores are rows times keys, 8 positions at a time, in an order of positions that makes a unit's scores of a page those that it needs to
//! multiply with the eight positions of values it reads at once.
//!
//! Tokens that see [`SPLIT_FROM`] positions are divided over [`SPLITS`] cubes, whose parts [`crate::cube::attend::merge()`] puts together.
#![allow(clippy::too_many_arguments, reason = "a kernel's buffers")]

use cubecl::prelude::*;

use super::attend::{AttendShape, SPLIT_FROM, SPLITS};
use super::fragment::{Four, Pair, Words, halves, multiply_halves, put};
use super::inputs::{BASES, POSITIONS, TABLES};
use super::order::{let_next_begin, wait_for_last};
use super::packing::UNITS;
use crate::decoder::PAGE_TOKENS;

/// Less than any score, and finite, so that differences are numbers.
const LEAST: f32 = -1.0e30;

/// Rows of a cube at most: those of tensor cores' operands.
pub const ROWS: usize = 16;

/// Whether this kernel can compute such heads.
#[must_use]
pub const fn fits(heads: usize, kv_heads: usize, head_dim: usize) -> bool {
    head_dim.is_multiple_of(32) && head_dim <= 256 && heads / kv_heads <= ROWS
}

/// Planes of a cube: what 64 KiB hold the parts of 16 rows of.
#[must_use]
pub const fn planes(head_dim: usize) -> usize {
    if head_dim <= 64 {
        16
    } else if head_dim <= 128 {
        8
    } else {
        4
    }
}

/// Words of a unit's numbers of two rows: a row's if it is one of the cube's.
#[cube]
fn asked(queries: &[f32], from: usize, there: bool, words: &mut Array<u32>, #[comptime] at: usize) {
    #[unroll]
    for w in 0..4usize {
        let mut word = 0u32;
        if there {
            word = halves(queries[from + comptime!(2 * w)], queries[from + comptime!(2 * w + 1)]);
        }
        words[comptime!(at + w)] = word;
    }
}

/// Four words as tensor cores take them.
#[cube]
fn operand(a0: u32, a1: u32, a2: u32, a3: u32) -> Words {
    let mut a = Words::empty();
    a.insert(0usize, a0);
    a.insert(1usize, a1);
    a.insert(2usize, a2);
    a.insert(3usize, a3);
    a
}

/// Two words of four.
#[cube]
fn two(words: Words, #[comptime] first: usize) -> Pair {
    let mut pair = Pair::empty();
    pair.insert(0usize, words.extract(comptime!(2 * first)));
    pair.insert(1usize, words.extract(comptime!(2 * first + 1)));
    pair
}

/// The greatest of the four units that share a row.
#[cube]
fn most_of_row(value: f32) -> f32 {
    let value = max(value, plane_shuffle_xor(value, 1u32));
    max(value, plane_shuffle_xor(value, 2u32))
}

/// The sum of the four units that share a row.
#[cube]
fn sum_of_row(value: f32) -> f32 {
    let value = value + plane_shuffle_xor(value, 1u32);
    value + plane_shuffle_xor(value, 2u32)
}

/// Cubes: (tokens / `beside`, kv heads, [`SPLITS`] or 1). Units: ([`UNITS`], `at_once`): of [`planes`] parts each plane computes several, one
/// after another, where more cubes than a card has processors would otherwise wait for each other.
///
/// Buffers as in [`crate::cube::attend::attend()`], the cache in tensor cores' order. `beside` tokens a cube, of which only those of one sequence
/// are computed together.
#[cube(launch_unchecked)]
pub fn flash(
    queries: &[f32],
    keys: &[Words],
    values: &[Words],
    inputs: &[u32],
    out: &mut [u32],
    mixed: &mut [f32],
    sums: &mut [f32],
    #[comptime] shape: AttendShape,
    #[comptime] beside: usize,
    #[comptime] planes: usize,
    #[comptime] at_once: usize,
) {
    let_next_begin();
    let dim = comptime!(shape.head_dim);
    let eights = comptime!(shape.head_dim / 8);
    let blocks = comptime!(shape.head_dim / 32);
    let turns = comptime!(planes / at_once);
    let group = comptime!(shape.heads / shape.kv_heads);
    let rows = comptime!(beside * group);
    let heads = comptime!(shape.heads);
    let kv_heads = comptime!(shape.kv_heads);
    let rows_max = comptime!(shape.rows_max);
    // Whether rows 8 and further are used.
    let tall = comptime!(rows > 8);
    let halves_of = comptime!(if tall { 2usize } else { 1usize });
    // Values are asked for with the keys, where registers hold them.
    let early = comptime!(dim <= 64);
    let kv = CUBE_POS_Y as usize;
    let split = CUBE_POS_Z as usize;
    let unit = UNIT_POS_X as usize;
    let g = unit / 4;
    let t = unit % 4;
    let first_token = CUBE_POS_X as usize * beside;

    let mut parts = Shared::<[f32]>::new_slice(comptime!(planes * rows * dim));
    let mut weights = Shared::<[f32]>::new_slice(comptime!(planes * rows * 2));

    // This unit's rows, g and g + 8: their tokens, queries, and what they see.
    let mut query = Array::<u32>::new(comptime!(halves_of * blocks * 4));
    let mut ends = Array::<usize>::new(halves_of);
    let mut firsts = Array::<usize>::new(halves_of);
    let mut tokens = Array::<usize>::new(halves_of);
    #[unroll]
    for half in 0..halves_of {
        let row = g + comptime!(8 * half);
        let there = row < rows;
        let token = select(there, first_token + row / group, first_token);
        let end = inputs[comptime!(POSITIONS * rows_max) + token] as usize + 1;
        let mut first = 0usize;
        if comptime!(shape.window > 0) {
            first = select(end > shape.window, end - shape.window, 0usize);
        }
        tokens[half] = token;
        // A row that is not there sees nothing.
        ends[half] = select(there, end, 0usize);
        firsts[half] = first;
    }
    // Positions and tables were there before the pass.
    wait_for_last();
    #[unroll]
    for half in 0..halves_of {
        let row = g + comptime!(8 * half);
        let head = kv * group + row % group;
        #[unroll]
        for block in 0..blocks {
            let from = (tokens[half] * heads + head) * dim + comptime!(32 * block) + 8 * t;
            asked(queries, from, row < rows, &mut query, comptime!((half * blocks + block) * 4));
        }
    }

    // Planes' parts are put together in their order, whoever computes them.
    #[unroll(turns == 1)]
    for turn in 0..turns {
        let plane = UNIT_POS_Y as usize + turn * at_once;
        let zero = Four::zeroed();
        let mut greatest = Array::<f32>::new(halves_of);
        let mut sum = Array::<f32>::new(halves_of);
        #[unroll]
        for half in 0..halves_of {
            greatest[half] = LEAST;
            sum[half] = 0.0;
        }
        let mut mix = Array::<Four>::new(eights);
        #[unroll]
        for i in 0..eights {
            mix[i] = zero;
        }
        let mut key = Array::<Words>::new(comptime!(4 * blocks));
        let mut value = Array::<Words>::new(comptime!(if early { eights } else { 1 }));
        let mut score = Array::<Four>::new(4usize);

        // Tokens of one sequence and one number of splits at a time.
        let mut at = 0usize;
        while at < beside {
            let base = inputs[comptime!(BASES * rows_max) + first_token + at];
            let mut last_end = inputs[comptime!(POSITIONS * rows_max) + first_token + at] as usize + 1;
            let mut first = 0usize;
            if comptime!(shape.window > 0) {
                first = select(last_end > shape.window, last_end - shape.window, 0usize);
            }
            let mut splits = 1usize;
            if comptime!(shape.split) {
                splits = select(last_end - first >= SPLIT_FROM, SPLITS, 1usize);
            }
            let begin = at;
            at += 1;
            if comptime!(beside > 1) {
                let mut same = true;
                while at < beside && same {
                    let end = inputs[comptime!(POSITIONS * rows_max) + first_token + at] as usize + 1;
                    let mut its_splits = 1usize;
                    if comptime!(shape.split) {
                        let mut sees = end;
                        if comptime!(shape.window > 0) {
                            sees = min(end, shape.window);
                        }
                        its_splits = select(sees >= SPLIT_FROM, SPLITS, 1usize);
                    }
                    same = inputs[comptime!(BASES * rows_max) + first_token + at] == base
                        && its_splits == splits;
                    if same {
                        // Rows that fill up a pass look like the first token of its first sequence.
                        last_end = max(last_end, end);
                        at += 1;
                    }
                }
            }
            if split < splits {
                let table = comptime!(TABLES * rows_max) + base as usize;
                let period = splits * planes;
                let own = split * planes + plane;
                // The first page of this plane's that is seen.
                let start = first / PAGE_TOKENS;
                let mut page = start / period * period + own;
                if page < start {
                    page += period;
                }
                while page * PAGE_TOKENS < last_end {
                    let place =
                        (inputs[table + page] as usize * kv_heads + kv) * comptime!(eights * PAGE_TOKENS);
                    #[unroll]
                    for j in 0..4usize {
                        let position = g / 2 * 8 + comptime!(2 * j) + g % 2;
                        #[unroll]
                        for block in 0..blocks {
                            key[comptime!(j * blocks + block)] =
                                keys[place + position * eights + comptime!(4 * block) + t];
                        }
                    }
                    if comptime!(early) {
                        #[unroll]
                        for i in 0..eights {
                            value[i] = values[place + (comptime!(8 * i) + g) * 4 + t];
                        }
                    }
                    #[unroll]
                    for j in 0..4usize {
                        let mut four = zero;
                        #[unroll]
                        for block in 0..blocks {
                            #[unroll]
                            for first in 0..2usize {
                                let low = comptime!(block * 4 + 2 * first);
                                let mut a = operand(query[low], 0u32, query[comptime!(low + 1)], 0u32);
                                if comptime!(tall) {
                                    let high = comptime!((blocks + block) * 4 + 2 * first);
                                    a = operand(
                                        query[low],
                                        query[high],
                                        query[comptime!(low + 1)],
                                        query[comptime!(high + 1)],
                                    );
                                }
                                four =
                                    multiply_halves(a, two(key[comptime!(j * blocks + block)], first), four);
                            }
                        }
                        score[j] = four;
                    }
                    let mut keep = Array::<f32>::new(2usize);
                    keep[1] = 1.0;
                    #[unroll]
                    for half in 0..halves_of {
                        let in_turn = tokens[half] >= first_token + begin && tokens[half] < first_token + at;
                        let end = select(in_turn, ends[half], 0usize);
                        let mut most = greatest[half];
                        #[unroll]
                        for j in 0..4usize {
                            #[unroll]
                            for c in 0..2usize {
                                let position = page * PAGE_TOKENS + 8 * t + comptime!(2 * j + c);
                                let seen = position >= firsts[half] && position < end;
                                let own = score[j].extract(comptime!(2 * half + c));
                                most = max(most, select(seen, own, f32::new(LEAST)));
                            }
                        }
                        most = most_of_row(most);
                        let mut total = 0.0f32;
                        #[unroll]
                        for j in 0..4usize {
                            let mut four = score[j];
                            #[unroll]
                            for c in 0..2usize {
                                let position = page * PAGE_TOKENS + 8 * t + comptime!(2 * j + c);
                                let seen = position >= firsts[half] && position < end;
                                let weight = select(
                                    seen,
                                    (four.extract(comptime!(2 * half + c)) - most).exp(),
                                    0.0f32,
                                );
                                four.insert(comptime!(2 * half + c), weight);
                                total += weight;
                            }
                            score[j] = four;
                        }
                        let kept = (greatest[half] - most).exp();
                        greatest[half] = most;
                        sum[half] = sum[half] * kept + sum_of_row(total);
                        keep[half] = kept;
                    }
                    let mut keeps = Four::empty();
                    keeps.insert(0usize, keep[0]);
                    keeps.insert(1usize, keep[0]);
                    keeps.insert(2usize, keep[1]);
                    keeps.insert(3usize, keep[1]);
                    let mut chances = Array::<Words>::new(2usize);
                    #[unroll]
                    for k in 0..2usize {
                        let low = score[comptime!(2 * k)];
                        let high = score[comptime!(2 * k + 1)];
                        let a0 = halves(low.extract(0usize), low.extract(1usize));
                        let a2 = halves(high.extract(0usize), high.extract(1usize));
                        let mut a1 = 0u32;
                        let mut a3 = 0u32;
                        if comptime!(tall) {
                            a1 = halves(low.extract(2usize), low.extract(3usize));
                            a3 = halves(high.extract(2usize), high.extract(3usize));
                        }
                        chances[k] = operand(a0, a1, a2, a3);
                    }
                    #[unroll]
                    for i in 0..eights {
                        let mut eight = value[comptime!(if early { i } else { 0 })];
                        if comptime!(!early) {
                            eight = values[place + (comptime!(8 * i) + g) * 4 + t];
                        }
                        let mut four = mix[i] * keeps;
                        #[unroll]
                        for k in 0..2usize {
                            four = multiply_halves(chances[k], two(eight, k), four);
                        }
                        mix[i] = four;
                    }
                    page += period;
                }
            }
        }

        #[unroll]
        for half in 0..halves_of {
            let row = g + comptime!(8 * half);
            if row < rows {
                let from = plane * rows + row;
                #[unroll]
                for i in 0..eights {
                    let d = comptime!(8 * i) + 2 * t;
                    parts[from * dim + d] = mix[i].extract(comptime!(2 * half));
                    parts[from * dim + d + 1] = mix[i].extract(comptime!(2 * half + 1));
                }
                if t == 0 {
                    weights[from * 2] = greatest[half];
                    weights[from * 2 + 1] = sum[half];
                }
            }
        }
    }
    sync_cube();

    // Two numbers a unit.
    let mut place = UNIT_POS as usize;
    while place < comptime!(rows * dim / 2) {
        let row = place / comptime!(dim / 2);
        let d = place % comptime!(dim / 2) * 2;
        let mut most = f32::new(LEAST);
        #[unroll]
        for p in 0..planes {
            most = max(most, weights[(p * rows + row) * 2]);
        }
        let mut total = 0.0f32;
        let mut a = 0.0f32;
        let mut b = 0.0f32;
        #[unroll]
        for p in 0..planes {
            let from = p * rows + row;
            let keep = (weights[from * 2] - most).exp();
            total += keep * weights[from * 2 + 1];
            a += keep * parts[from * dim + d];
            b += keep * parts[from * dim + d + 1];
        }
        let token = first_token + row / group;
        let head = kv * group + row % group;
        let mut divided = false;
        if comptime!(shape.split) {
            let end = inputs[comptime!(POSITIONS * rows_max) + token] as usize + 1;
            let mut sees = end;
            if comptime!(shape.window > 0) {
                sees = min(end, shape.window);
            }
            divided = sees >= SPLIT_FROM;
        }
        if divided {
            let part = (token * heads + head) * SPLITS + split;
            mixed[part * dim + d] = a;
            mixed[part * dim + d + 1] = b;
            if d == 0 {
                sums[part * 2] = most;
                sums[part * 2 + 1] = total;
            }
        } else if split == 0 {
            let scale = select(total > 0.0f32, total.recip(), 0.0f32);
            put(out, token, head * dim + d, a * scale, b * scale, shape.chunks, shape.parts);
        }
        place += comptime!(at_once * UNITS);
    }
}
