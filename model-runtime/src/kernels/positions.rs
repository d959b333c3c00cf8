//! From a row's queries, keys and values to turned queries and filled pages.
#![expect(unsafe_code, reason = "tasks write disjoint rows, and disjoint places of the pages")]

use super::attention::{KvPages, KvShape, Number, PartRows};
use super::elementwise::{get, norm_in_place};
use super::lanes::{Isa, Kernel, Lanes};
use super::shared::Shared;
use super::team::Turn;
use crate::decoder::{PAGE_TOKENS, RopePairing, RopeSpec};

/// Cosines and sines of the rows of a step, for one way of turning.
#[derive(Debug, Default)]
pub struct Turns {
    /// [rows, pairs]: cosine and sine.
    angles: Vec<(f32, f32)>,
    pairs: usize,
}

impl Turns {
    /// For rows at these positions, computed in f64.
    pub fn fill(&mut self, rope: &RopeSpec, positions: impl Iterator<Item = usize>) {
        self.pairs = rope.frequencies.len();
        self.angles.clear();
        for position in positions {
            self.angles.extend(rope.frequencies.iter().map(|frequency| {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                (cos as f32 * rope.magnitude, sin as f32 * rope.magnitude)
            }));
        }
    }
}

/// What a layer does to a row before attention.
#[derive(Clone, Copy, Debug)]
pub struct Placing<'a> {
    /// Query heads.
    pub heads: usize,
    /// Added to queries, keys and values.
    pub biases: [Option<&'a [f32]>; 3],
    /// Norms of each query head and of each key head, and what is added to their mean squares.
    pub norms: [Option<&'a [f32]>; 2],
    /// See above.
    pub epsilon: f32,
    /// Cosines and sines.
    pub turns: &'a Turns,
    /// Which numbers are turned together.
    pub pairing: RopePairing,
}

/// Turns the queries of `rows` ([rows, (heads + 2 kv heads) * head width]: queries, keys, values) in place, and writes keys and values to
/// the pages of `layer`.
///
/// # Panics
/// When sizes do not fit, or a block table does not cover its sequence.
pub fn place(
    turn: &mut Turn<'_>,
    isa: Isa,
    (cache, layer): (&mut KvPages, usize),
    placing: Placing<'_>,
    parts: &[PartRows<'_>],
    rows: &mut [f32],
) {
    let shape = cache.shape();
    let stride = (placing.heads + 2 * shape.kv_heads) * shape.head_dim;
    let count = rows.len() / stride;
    assert!(placing.turns.angles.len() == count * placing.turns.pairs);
    assert!(2 * placing.turns.pairs <= shape.head_dim, "more numbers are turned than a head has");
    for part in parts {
        assert!(cache.covers(part.pages, part.start + part.tokens) && part.row + part.tokens <= count);
    }
    assert!(written_once(parts), "a page that two sequences write");
    let mut owners = Vec::with_capacity(count);
    for part in parts {
        owners.extend((0..part.tokens).map(|token| (part, token)));
    }
    let pages = cache.layer_mut(layer);
    let (keys, values) = (Shared::new(pages.keys.bytes_mut()), Shared::new(pages.values.bytes_mut()));
    let rows = Shared::new(rows);
    const ROWS: usize = 4;
    turn.run(owners.len().div_ceil(ROWS), &|task| {
        for &(part, token) in &owners[task * ROWS..owners.len().min((task + 1) * ROWS)] {
            let (index, position) = (part.row + token, part.start + token);
            // SAFETY: every row belongs to one task.
            let row = unsafe { rows.slice(index * stride, stride) };
            let slot = (part.pages[position / PAGE_TOKENS] as usize, position % PAGE_TOKENS);
            let job =
                Job { placing, shape, row, index, slot, keys: keys.pointer(), values: values.pointer() };
            if shape.exact { isa.run(Exact(job)) } else { isa.run(Half(job)) }
        }
    });
}

/// Whether every page that is written belongs to one sequence.
fn written_once(parts: &[PartRows<'_>]) -> bool {
    let written =
        |part: &PartRows<'_>| part.start / PAGE_TOKENS..(part.start + part.tokens).div_ceil(PAGE_TOKENS);
    let mut pages: Vec<u32> = parts.iter().flat_map(|part| &part.pages[written(part)]).copied().collect();
    pages.sort_unstable();
    pages.windows(2).all(|pair| pair[0] != pair[1])
}

struct Job<'a> {
    placing: Placing<'a>,
    shape: KvShape,
    row: &'a mut [f32],
    index: usize,
    /// Page and place in it; checked by `covers`.
    slot: (usize, usize),
    keys: *mut u8,
    values: *mut u8,
}

struct Exact<'a>(Job<'a>);
struct Half<'a>(Job<'a>);

impl Kernel for Exact<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        self.0.run::<L, f32>(l, 0.0);
    }
}

impl Kernel for Half<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        self.0.run::<L, u16>(l, 0);
    }
}

impl Job<'_> {
    #[inline(always)]
    fn run<L: Lanes, E: Number>(self, l: L, zero: E) {
        let Self { placing, shape: KvShape { kv_heads, head_dim, .. }, row, index, slot, .. } = self;
        let (queries, rest) = row.split_at_mut(placing.heads * head_dim);
        let (keys, values) = rest.split_at_mut(kv_heads * head_dim);
        for (bias, part) in placing.biases.into_iter().zip([&mut *queries, &mut *keys, &mut *values]) {
            if let Some(bias) = bias {
                part.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
        let pairs = placing.turns.pairs;
        let angles = &placing.turns.angles[index * pairs..(index + 1) * pairs];
        for (norm, part) in placing.norms.into_iter().zip([queries, &mut *keys]) {
            for head in part.chunks_exact_mut(head_dim) {
                if let Some(weight) = norm {
                    norm_in_place(l, head, weight, placing.epsilon);
                }
                rotate(head, angles, placing.pairing);
            }
        }
        let (page, place) = slot;
        let width = head_dim.next_multiple_of(16);
        for head in 0..kv_heads {
            let at = page * kv_heads + head;
            let to_keys = self.keys.cast::<E>().wrapping_add(at * head_dim * PAGE_TOKENS + place);
            let to_values = self.values.cast::<E>().wrapping_add((at * PAGE_TOKENS + place) * width);
            let numbers = head * head_dim..(head + 1) * head_dim;
            for d in (0..head_dim).step_by(16) {
                let mut sixteen = [zero; 16];
                // SAFETY: the page lies in the cache, by `covers`; its place of this position belongs to this row.
                unsafe {
                    E::store(l, sixteen.as_mut_ptr(), get(l, &keys[numbers.clone()], d));
                    for (i, key) in sixteen.iter().take(head_dim - d).enumerate() {
                        to_keys.wrapping_add((d + i) * PAGE_TOKENS).write_unaligned(*key);
                    }
                    E::store(l, to_values.wrapping_add(d), get(l, &values[numbers.clone()], d));
                }
            }
        }
    }
}

/// Rounded product by product, so that no instruction set may join them.
#[inline(always)]
fn rotate(head: &mut [f32], angles: &[(f32, f32)], pairing: RopePairing) {
    let pairs = angles.len();
    for (i, (cos, sin)) in angles.iter().enumerate() {
        let (a, b) = match pairing {
            RopePairing::Adjacent => (2 * i, 2 * i + 1),
            RopePairing::Halves => (i, i + pairs),
        };
        let (x, y) = (head[a], head[b]);
        head[a] = x * cos - y * sin;
        head[b] = y * cos + x * sin;
    }
}
