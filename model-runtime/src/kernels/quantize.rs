//! Rows that go into a product: as f32 and, where a matrix is quantised, as bytes with a scale per 32 numbers.
//!
//! As llama.cpp does (its Q8_0 and Q8_1), but for the scale, which stays f32 here.
#![expect(unsafe_code, reason = "tasks write disjoint tiles")]

use super::elementwise::get;
use super::lanes::{Isa, Kernel, Lanes, largest};
use super::shared::Shared;
use super::team::Turn;

/// Numbers that share a scale.
pub(super) const BLOCK: usize = 32;

/// Rows of one width. Buffers are kept from use to use.
///
/// Bytes and scales lie in tiles of as many rows as a kernel takes at once (see `tiles`), block by block, and within a block the same
/// word of four bytes of every row side by side: a kernel then needs one pointer for all of them.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) tokens: usize,
    pub(super) columns: usize,
    /// [tokens, columns].
    pub(super) values: Vec<f32>,
    /// Tiles of [blocks, 8, rows of the tile] words of four bytes: `round(value / scale)`.
    pub(super) quants: Vec<[i8; 4]>,
    /// Tiles of [blocks, rows of the tile].
    pub(super) scales: Vec<f32>,
    /// Tiles of [blocks, 2, rows of the tile]: sums of the bytes of half a block.
    pub(super) sums: Vec<i32>,
    /// Tiles of [blocks, rows of the tile]: scale times the sum of the block's bytes.
    pub(super) scaled_sums: Vec<f32>,
}

/// Rows of the largest tile.
pub(super) const TILE: usize = 8;

/// First rows and sizes of the tiles of so many rows: eights, then a four, a two and a one as they are needed.
pub(super) fn tiles(tokens: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = tokens - first;
        let size = if left >= TILE { TILE } else { (left > 0).then(|| 1 << left.ilog2())? };
        first += size;
        Some((first - size, size))
    })
}

impl Activations {
    /// Makes room for `tokens` rows of `columns` and gives it: whatever was there before is to be overwritten.
    pub fn rows(&mut self, tokens: usize, columns: usize) -> &mut [f32] {
        (self.tokens, self.columns) = (tokens, columns);
        self.values.resize(tokens * columns, 0.0);
        &mut self.values
    }

    /// The rows.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of rows.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Blocks of a row.
    pub(super) fn blocks(&self) -> usize {
        self.columns.div_ceil(BLOCK)
    }

    /// Fills the bytes and scales from the rows.
    pub fn quantize(&mut self, turn: &mut Turn<'_>, isa: Isa) {
        let (tokens, columns, blocks) = (self.tokens, self.columns, self.blocks());
        self.quants.resize(tokens * blocks * WORDS, [0; 4]);
        self.scales.resize(tokens * blocks, 0.0);
        self.sums.resize(tokens * blocks * 2, 0);
        self.scaled_sums.resize(tokens * blocks, 0.0);
        let values = &self.values;
        let (quants, scales) = (Shared::new(&mut self.quants), Shared::new(&mut self.scales));
        let (sums, scaled_sums) = (Shared::new(&mut self.sums), Shared::new(&mut self.scaled_sums));
        let tiles: Vec<(usize, usize)> = tiles(tokens).collect();
        turn.run(tiles.len(), &|index| {
            let (first, rows) = tiles[index];
            // SAFETY: every tile has places of its own.
            let tile = unsafe {
                Tile {
                    rows,
                    columns,
                    values: &values[first * columns..(first + rows) * columns],
                    quants: quants.slice(first * blocks * WORDS, rows * blocks * WORDS),
                    scales: scales.slice(first * blocks, rows * blocks),
                    sums: sums.slice(first * blocks * 2, rows * blocks * 2),
                    scaled_sums: scaled_sums.slice(first * blocks, rows * blocks),
                }
            };
            isa.run(tile);
        });
    }
}

/// Words of four bytes of a block.
const WORDS: usize = BLOCK / 4;

struct Tile<'a> {
    rows: usize,
    columns: usize,
    values: &'a [f32],
    quants: &'a mut [[i8; 4]],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
    scaled_sums: &'a mut [f32],
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Self { rows, columns, values, quants, scales, sums, scaled_sums } = self;
        for row in 0..rows {
            let values = &values[row * columns..(row + 1) * columns];
            for block in 0..columns.div_ceil(BLOCK) {
                let (a, b) = (get(l, values, block * BLOCK), second(l, values, block * BLOCK + 16));
                let most = largest(l, l.max(l.abs(a), l.abs(b)));
                let scale = most / 127.0;
                let inverse = l.splat(if most > 0.0 { 127.0 / most } else { 0.0 });
                let halves = [l.bytes(l.round(l.mul(a, inverse))), l.bytes(l.round(l.mul(b, inverse)))];
                let mut total = 0;
                for (half, bytes) in halves.iter().enumerate() {
                    let mut sum = 0;
                    for (word, four) in bytes.as_chunks::<4>().0.iter().enumerate() {
                        quants[(block * WORDS + half * 4 + word) * rows + row] = *four;
                        for q in four {
                            sum += i32::from(*q);
                        }
                    }
                    sums[(block * 2 + half) * rows + row] = sum;
                    total += sum;
                }
                scales[block * rows + row] = scale;
                scaled_sums[block * rows + row] = scale * total as f32;
            }
        }
    }
}

/// The second half of a block, which the last block may lack.
#[inline(always)]
fn second<L: Lanes>(l: L, values: &[f32], at: usize) -> L::F {
    if at < values.len() { get(l, values, at) } else { l.splat(0.0) }
}
