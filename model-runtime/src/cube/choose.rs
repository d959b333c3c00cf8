//! The likeliest token of every row, so that only its number leaves the card.

use cubecl::prelude::*;

use super::inputs::FORBIDDEN;
use super::order::{let_next_begin, wait_for_last};
use super::packing::UNITS;

/// Cubes that share a row.
pub const SLICES: usize = 64;

/// Planes of a cube.
pub const CHOOSE_PLANES: usize = 8;

/// In place of a token where there is none.
pub const NONE: u32 = u32::MAX;

/// The greatest finite logit of a slice and its token, the lowest of equals. Cubes: ([`SLICES`], rows). Units: ([`UNITS`],
/// [`CHOOSE_PLANES`]).
///
/// `logits`: [rows, vocabulary]; `forbidden`: [rows, [`FORBIDDEN`]], tokens that are passed over; `best`: [rows, [`SLICES`], 2], written: bits
/// of the logit, and the token.
#[cube(launch_unchecked)]
pub fn slices(logits: &[f32], forbidden: &[u32], best: &mut [u32], #[comptime] vocabulary: usize) {
    let_next_begin();
    wait_for_last();
    let slice = CUBE_POS_X as usize;
    let row = CUBE_POS_Y as usize;
    let per_slice = comptime!(vocabulary.div_ceil(SLICES));
    let end = min((slice + 1) * per_slice, vocabulary);
    let mut greatest = f32::new(f32::MIN);
    let mut token = u32::new(NONE as i64);
    let mut at = slice * per_slice + UNIT_POS as usize;
    while at < end {
        let logit = logits[row * vocabulary + at];
        let mut allowed = logit > greatest || (logit == greatest && token == NONE);
        #[unroll]
        for i in 0..FORBIDDEN {
            allowed = allowed && forbidden[row * FORBIDDEN + i] != at as u32;
        }
        if allowed && logit <= f32::new(f32::MAX) {
            greatest = logit;
            token = at as u32;
        }
        at += comptime!(UNITS * CHOOSE_PLANES);
    }
    let mut logits_of = Shared::<[f32]>::new_slice(CHOOSE_PLANES);
    let mut tokens_of = Shared::<[u32]>::new_slice(CHOOSE_PLANES);
    let most = plane_max(greatest);
    let first = plane_min(select(greatest == most, token, u32::new(NONE as i64)));
    if UNIT_POS_X == 0 {
        logits_of[UNIT_POS_Y as usize] = most;
        tokens_of[UNIT_POS_Y as usize] = first;
    }
    sync_cube();
    if UNIT_POS == 0 {
        let mut greatest = logits_of[0];
        let mut token = tokens_of[0];
        #[unroll]
        for plane in 1..CHOOSE_PLANES {
            let logit = logits_of[plane];
            let other = tokens_of[plane];
            if logit > greatest || (logit == greatest && other < token) {
                greatest = logit;
                token = other;
            }
        }
        best[(row * SLICES + slice) * 2] = u32::reinterpret(greatest);
        best[(row * SLICES + slice) * 2 + 1] = token;
    }
}

/// The best of slices: `chosen`, `[rows]`; [`NONE`] where no logit is finite. Cubes: rows. Units: [`UNITS`].
#[cube(launch_unchecked)]
pub fn choose(best: &[u32], chosen: &mut [u32]) {
    let_next_begin();
    wait_for_last();
    let row = CUBE_POS_X as usize;
    let mut greatest = f32::new(f32::MIN);
    let mut token = u32::new(NONE as i64);
    let mut slice = UNIT_POS_X as usize;
    while slice < SLICES {
        let logit = f32::reinterpret(best[(row * SLICES + slice) * 2]);
        let other = best[(row * SLICES + slice) * 2 + 1];
        if logit > greatest || (logit == greatest && other < token) {
            greatest = logit;
            token = other;
        }
        slice += UNITS;
    }
    let most = plane_max(greatest);
    let first = plane_min(select(greatest == most, token, u32::new(NONE as i64)));
    if UNIT_POS_X == 0 {
        chosen[row] = first;
    }
}
