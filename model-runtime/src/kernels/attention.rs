//! Keys and values in pages, and attention over them.
//!
//! In a page, keys lie position by position within each number of a head, so that sixteen scores are computed side by side; values lie
//! number by number within each position, so that sixteen numbers of the result are. A score depends on its query and its position only,
//! sums run over positions in order, and what a query must not see adds exactly nothing: a result does not depend on how queries were
//! grouped.
#![expect(clippy::needless_range_loop, reason = "one index runs through several arrays of registers")]
#![expect(unsafe_code, reason = "pointers into pages whose numbers are checked against the cache first")]

use std::cell::RefCell;
use std::io;

use super::buffer::Buffer;
use super::lanes::{Isa, Kernel, Lanes, exp, largest, sum};
use super::shared::Shared;
use super::team::Turn;
use crate::decoder::PAGE_TOKENS;

/// Keys and values of all layers, in pages.
#[derive(Debug)]
pub struct KvPages {
    shape: KvShape,
    layers: Vec<LayerPages>,
}

/// Sizes of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    /// Number of layers.
    pub layers: usize,
    /// Pages of each.
    pub pages: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Whether numbers are kept as f32; otherwise as f16.
    pub exact: bool,
}

impl KvShape {
    /// Numbers that one position's values take: whole registers.
    fn value_width(self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    fn number_bytes(self) -> usize {
        if self.exact { 4 } else { 2 }
    }

    /// Bytes that one page takes, in all layers.
    #[must_use]
    pub fn page_bytes(self) -> u64 {
        let numbers = self.kv_heads * PAGE_TOKENS * (self.head_dim + self.value_width());
        (self.layers * numbers * self.number_bytes()) as u64
    }
}

#[derive(Debug)]
pub(super) struct LayerPages {
    pub(super) keys: Buffer,
    pub(super) values: Buffer,
}

impl KvPages {
    /// Empty pages. Memory is taken as they are written.
    ///
    /// # Errors
    /// When the system cannot promise it.
    pub fn new(shape: KvShape) -> io::Result<Self> {
        let tokens = shape.pages * PAGE_TOKENS * shape.kv_heads * shape.number_bytes();
        let layer = || {
            let keys = Buffer::zeroed(tokens * shape.head_dim)?;
            Ok(LayerPages { keys, values: Buffer::zeroed(tokens * shape.value_width())? })
        };
        Ok(Self { shape, layers: (0..shape.layers).map(|_| layer()).collect::<io::Result<_>>()? })
    }

    /// Sizes.
    #[must_use]
    pub fn shape(&self) -> KvShape {
        self.shape
    }

    pub(super) fn layer_mut(&mut self, layer: usize) -> &mut LayerPages {
        &mut self.layers[layer]
    }

    /// Whether a block table covers `positions` and names pages that exist.
    #[must_use]
    pub fn covers(&self, table: &[u32], positions: usize) -> bool {
        let pages = positions.div_ceil(PAGE_TOKENS);
        table.len() >= pages && table[..pages].iter().all(|page| (*page as usize) < self.shape.pages)
    }
}

/// A number of the cache.
pub(super) trait Number: Copy {
    /// # Safety
    /// Sixteen must be readable.
    unsafe fn load<L: Lanes>(l: L, from: *const Self) -> L::F;
    /// # Safety
    /// Sixteen must be writable.
    unsafe fn store<L: Lanes>(l: L, to: *mut Self, value: L::F);
}

/// The bits of an f16.
impl Number for u16 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(l: L, from: *const Self) -> L::F {
        // SAFETY: the caller's promise.
        unsafe { l.load_f16(from) }
    }
    #[inline(always)]
    unsafe fn store<L: Lanes>(l: L, to: *mut Self, value: L::F) {
        // SAFETY: the caller's promise.
        unsafe { l.store_f16(to, value) }
    }
}

impl Number for f32 {
    #[inline(always)]
    unsafe fn load<L: Lanes>(l: L, from: *const Self) -> L::F {
        // SAFETY: the caller's promise.
        unsafe { l.load(from) }
    }
    #[inline(always)]
    unsafe fn store<L: Lanes>(l: L, to: *mut Self, value: L::F) {
        // SAFETY: the caller's promise.
        unsafe { l.store(to, value) }
    }
}

/// What attention needs to know of a layer.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Numbers from one row of queries to the next.
    pub query_stride: usize,
    /// Multiplies scores.
    pub scale: f32,
    /// Positions a query sees, its own included.
    pub window: Option<usize>,
}

/// The rows of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct PartRows<'a> {
    /// Its block table.
    pub pages: &'a [u32],
    /// Position of its first row.
    pub start: usize,
    /// Its rows.
    pub tokens: usize,
    /// Which row of the batch is its first.
    pub row: usize,
}

/// Queries computed together: of one sequence and key head, a few of its (token, head) pairs in order.
#[derive(Clone, Copy, Debug)]
struct Bundle {
    part: usize,
    kv_head: usize,
    first: usize,
    count: usize,
}

/// `out[t] = softmax(scale * q k^T) v` for all rows: [rows, heads * head width]. Queries begin each row of `queries`.
///
/// # Panics
/// When sizes do not fit, or a block table does not cover its sequence.
pub fn attend(
    turn: &mut Turn<'_>,
    isa: Isa,
    (cache, layer): (&KvPages, usize),
    shape: AttentionShape,
    parts: &[PartRows<'_>],
    queries: &[f32],
    out: &mut [f32],
) {
    let KvShape { kv_heads, head_dim, exact, .. } = cache.shape;
    let width = shape.heads * head_dim;
    assert!(shape.heads.is_multiple_of(kv_heads) && width <= shape.query_stride);
    for part in parts {
        assert!(cache.covers(part.pages, part.start + part.tokens), "a block table that is too short");
        let rows = part.row + part.tokens;
        assert!(queries.len() >= rows * shape.query_stride && out.len() >= rows * width);
    }
    let bundles = bundles(turn.threads(), kv_heads, shape.heads / kv_heads, parts);
    let out = Shared::new(out);
    turn.run(bundles.len(), &|index| {
        let bundle = bundles[index];
        let part = parts[bundle.part];
        // Outside of the kernel: a closure inside of it would not be compiled with its instructions.
        let mut scores = SCORES.take();
        let layer = &cache.layers[layer];
        let job = Job { cache, layer, shape, part, bundle, queries, out, scores: &mut scores };
        if exact {
            isa.run(Exact(job))
        } else {
            isa.run(Half(job))
        }
        SCORES.set(scores);
    });
}

fn bundles(threads: usize, kv_heads: usize, group: usize, parts: &[PartRows<'_>]) -> Vec<Bundle> {
    const LARGEST: usize = 4;
    let all: usize = parts.iter().map(|part| part.tokens * group * kv_heads).sum();
    let size = if all >= LARGEST * threads * 4 { LARGEST } else { group.clamp(1, 2) };
    let mut bundles = Vec::with_capacity(all / size + parts.len() * kv_heads);
    for (part, rows) in parts.iter().enumerate() {
        for kv_head in 0..kv_heads {
            let pairs = rows.tokens * group;
            for first in (0..pairs).step_by(size) {
                bundles.push(Bundle { part, kv_head, first, count: size.min(pairs - first) });
            }
        }
    }
    bundles
}

struct Job<'a> {
    cache: &'a KvPages,
    layer: &'a LayerPages,
    shape: AttentionShape,
    part: PartRows<'a>,
    bundle: Bundle,
    queries: &'a [f32],
    out: Shared<'a, f32>,
    scores: &'a mut Vec<f32>,
}

struct Exact<'a>(Job<'a>);
struct Half<'a>(Job<'a>);

impl Kernel for Exact<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        self.0.any::<L, f32>(l);
    }
}

impl Kernel for Half<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        self.0.any::<L, u16>(l);
    }
}

thread_local! {
    /// Scores of a bundle; kept from use to use.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Job<'_> {
    #[inline(always)]
    fn any<L: Lanes, E: Number>(self, l: L) {
        match self.bundle.count {
            1 => self.compute::<L, E, 1>(l),
            2 => self.compute::<L, E, 2>(l),
            3 => self.compute::<L, E, 3>(l),
            _ => self.compute::<L, E, 4>(l),
        }
    }

    #[inline(always)]
    fn compute<L: Lanes, E: Number, const R: usize>(self, l: L) {
        let scores = self.scores;
        let KvShape { kv_heads, head_dim, .. } = self.cache.shape;
        let (part, group) = (self.part, self.shape.heads / kv_heads);
        let pair = |r: usize| {
            let pair = self.bundle.first + r;
            (pair / group, self.bundle.kv_head * group + pair % group)
        };
        // What each query sees: positions `from..to`.
        let to: [usize; R] = std::array::from_fn(|r| part.start + pair(r).0 + 1);
        let from = to.map(|to| self.shape.window.map_or(0, |window| to.saturating_sub(window)));
        let first = from.into_iter().min().unwrap_or(0) / PAGE_TOKENS;
        let end = to.into_iter().max().unwrap_or(0);
        let pages = first..end.div_ceil(PAGE_TOKENS);
        let stride = pages.len() * PAGE_TOKENS;
        scores.resize(R * stride, 0.0);
        let queries: [&[f32]; R] = std::array::from_fn(|r| {
            let (token, head) = pair(r);
            &self.queries[(part.row + token) * self.shape.query_stride + head * head_dim..][..head_dim]
        });
        let keys = self.layer.keys.bytes().as_ptr().cast::<E>();
        let values = self.layer.values.bytes().as_ptr().cast::<E>();
        let head_of = |page: usize| part.pages[page] as usize * kv_heads + self.bundle.kv_head;
        let mut most = [l.splat(f32::NEG_INFINITY); R];
        for page in pages.clone() {
            let keys = keys.wrapping_add(head_of(page) * head_dim * PAGE_TOKENS);
            let mut products = [[l.splat(0.0); 2]; R];
            for d in 0..head_dim {
                let key = keys.wrapping_add(d * PAGE_TOKENS);
                // SAFETY: `covers` was asserted, so the page lies in the cache; a row of keys is 32 numbers.
                let key = unsafe { [E::load(l, key), E::load(l, key.wrapping_add(16))] };
                for r in 0..R {
                    let q = l.splat(queries[r][d]);
                    products[r] = [l.fma(key[0], q, products[r][0]), l.fma(key[1], q, products[r][1])];
                }
            }
            for r in 0..R {
                for (half, product) in products[r].into_iter().enumerate() {
                    let position = page * PAGE_TOKENS + half * 16;
                    let score = l.mul(product, l.splat(self.shape.scale));
                    let (low, high) = (from[r].saturating_sub(position), to[r].saturating_sub(position));
                    let score = l.within(score, low, high, f32::NEG_INFINITY);
                    most[r] = l.max(score, most[r]);
                    let at = r * stride + position - first * PAGE_TOKENS;
                    super::elementwise::put(l, &mut scores[at..at + 16], 0, score);
                }
            }
        }
        let mut inverse = [0.0; R];
        for r in 0..R {
            let most = l.splat(largest(l, most[r]));
            let mut total = l.splat(0.0);
            for (index, scores) in
                scores[r * stride..(r + 1) * stride].as_chunks_mut::<16>().0.iter_mut().enumerate()
            {
                let position = first * PAGE_TOKENS + index * 16;
                let weight = exp(l, l.sub(super::elementwise::get(l, scores, 0), most));
                let (low, high) = (from[r].saturating_sub(position), to[r].saturating_sub(position));
                let weight = l.within(weight, low, high, 0.0);
                total = l.add(total, weight);
                super::elementwise::put(l, scores, 0, weight);
            }
            inverse[r] = 1.0 / sum(l, total);
        }
        let width = self.cache.shape.value_width();
        let mut d = 0;
        while d < width {
            // Two registers of numbers at a time leave room for four queries in any instruction set.
            let both = d + 16 < width;
            let mut mixed = [[l.splat(0.0); 2]; R];
            for page in pages.clone() {
                let values = values.wrapping_add(head_of(page) * PAGE_TOKENS * width + d);
                for slot in 0..PAGE_TOKENS.min(end - page * PAGE_TOKENS) {
                    let value = values.wrapping_add(slot * width);
                    // SAFETY: as above; a position's values are `width` numbers.
                    let value = unsafe {
                        let low = E::load(l, value);
                        [low, if both { E::load(l, value.wrapping_add(16)) } else { low }]
                    };
                    let at = (page - first) * PAGE_TOKENS + slot;
                    for r in 0..R {
                        let weight = l.splat(scores[r * stride + at]);
                        mixed[r] =
                            [l.fma(weight, value[0], mixed[r][0]), l.fma(weight, value[1], mixed[r][1])];
                    }
                }
            }
            for r in 0..R {
                let (token, head) = pair(r);
                let at = (part.row + token) * self.shape.heads * head_dim + head * head_dim;
                // SAFETY: every (token, head) belongs to one bundle.
                let out = unsafe { self.out.slice(at, head_dim) };
                let scale = l.splat(inverse[r]);
                super::elementwise::put(l, out, d, l.mul(mixed[r][0], scale));
                if both {
                    super::elementwise::put(l, out, d + 16, l.mul(mixed[r][1], scale));
                }
            }
            d += 32;
        }
    }
}
