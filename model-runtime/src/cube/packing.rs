//! From a file's blocks to the order in which tensor cores take them.
//!
//! A matrix is cut into tiles of [`TILE`] rows and chunks of [`CHUNK`] columns. What a unit of a plane needs of them lies side by side, and
//! what a plane needs is one stretch of memory: a plane reads whole lines and shuffles nothing. Unit `4 g + t` of a plane has rows `g` and
//! `g + 8` of a tile, and of every 32 columns (a block) the eight from `8 t` on. Tensor cores want other columns there, but sums do not
//! depend on the order of columns as long as rows of `x` have the same one.
//!
//! Kinds that a file packs tighter than this (Q5_0, Q5_1, Q5_K, Q6_K) take a byte a number, their scales 32 bits; none loses anything.

use rayon::prelude::*;

use crate::decoder::{BlockKind, MatrixView};
use crate::kernels::pack::{Block, each_block};

/// Rows of a tile.
pub const TILE: usize = 16;

/// Columns of a chunk: two blocks.
pub const CHUNK: usize = 64;

/// Units of a plane: NVIDIA's warps.
pub const UNITS: usize = 32;

/// How numbers lie in words of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packing {
    /// One a word.
    F32,
    /// Two a word. A vector is an operand of tensor cores: words of row `g`, `g + 8`, `g`, `g + 8`.
    F16,
    /// The same.
    Bf16,
    /// Four a word, signed, in the order 0, 2, 1, 3, and a scale of 16 bits for 32 of them.
    Q8_0,
    /// Eight a word, number `2 i` at bit `4 i` and `2 i + 1` at `16 + 4 i`, each with 8 added; a scale of 16 bits for 32 of them.
    Q4_0,
    /// The same with nothing added; a scale and a minimum.
    Q4_1,
    /// Numbers as of [`Self::Q4_0`] with nothing added; scale and minimum of 32 bits: Q4_K's products of two factors, exactly.
    Nibbles,
    /// Numbers as of [`Self::Q8_0`]; scale and minimum of 32 bits: Q5_0, Q5_1, Q5_K.
    Bytes,
    /// Numbers as of [`Self::Q8_0`]; a scale of 32 bits for the first 16 of a block, and one for the last: Q6_K.
    HalfBytes,
}

impl Packing {
    /// Of numbers stored so.
    #[must_use]
    pub fn of(kind: BlockKind) -> Self {
        match kind {
            BlockKind::F16 => Self::F16,
            BlockKind::BF16 => Self::Bf16,
            BlockKind::Q8_0 => Self::Q8_0,
            BlockKind::Q4_0 => Self::Q4_0,
            BlockKind::Q4_1 => Self::Q4_1,
            BlockKind::Q4K => Self::Nibbles,
            BlockKind::Q5_0 | BlockKind::Q5_1 | BlockKind::Q5K => Self::Bytes,
            BlockKind::Q6K => Self::HalfBytes,
            BlockKind::F32 => Self::F32,
        }
    }

    /// Vectors of four words that a unit has of a tile's chunk.
    #[must_use]
    pub const fn vectors(self) -> usize {
        match self {
            Self::F32 => 8,
            Self::F16 | Self::Bf16 => 4,
            Self::Q8_0 | Self::Bytes | Self::HalfBytes => 2,
            Self::Q4_0 | Self::Q4_1 | Self::Nibbles => 1,
        }
    }

    /// The first of a chunk's two blocks that vector `vector` has numbers of.
    pub(super) const fn first_block_of(self, vector: usize) -> usize {
        if self.vectors() < 2 { 0 } else { vector / (self.vectors() / 2) }
    }

    /// Numbers of 8 significant bits that together are one of these, exactly.
    #[must_use]
    pub const fn parts(self) -> usize {
        match self {
            Self::F32 => 3,
            Self::F16 => 2,
            _ => 1,
        }
    }

    /// Whether its numbers are not only multiplied with a scale, but added to something: what `x` is multiplied with once more.
    #[must_use]
    pub const fn has_least(self) -> bool {
        matches!(self, Self::Q4_0 | Self::Q4_1 | Self::Nibbles | Self::Bytes)
    }

    /// Words with scales and minimums of two rows' block: both rows' halves in one, or of 32 bits a word for each row.
    #[must_use]
    pub const fn scales(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 0,
            Self::Q8_0 | Self::Q4_0 => 1,
            Self::Q4_1 => 2,
            Self::Nibbles | Self::Bytes | Self::HalfBytes => 4,
        }
    }
}

/// A matrix in the order of tensor cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How numbers lie.
    pub packing: Packing,
    /// Tiles.
    pub tiles: usize,
    /// Chunks of a row; columns past the matrix's are zero.
    pub chunks: usize,
    /// [tiles, chunks, [`Packing::vectors`], [`UNITS`], 4].
    pub words: Vec<u32>,
    /// [tiles, chunks, 2 blocks, [`Packing::scales`], 8 rows]: halves of rows `g` and `g + 8` in a word; or scale of row `g`, of row `g + 8`,
    /// and minimums (or second scales) of both. One word of nothing where there are none.
    pub scales: Vec<u32>,
}

/// Chunks of rows of so many numbers.
#[must_use]
pub fn chunks(columns: usize) -> usize {
    columns.div_ceil(CHUNK)
}

impl Packed {
    /// Rows one after another.
    #[must_use]
    pub fn natural(view: &MatrixView<'_>) -> Self {
        Self::new(&[view], view.rows, |row| (row < view.rows).then_some((0, row)))
    }

    /// `order` says which row of which view is row `r` of so many.
    ///
    /// # Panics
    /// When views differ in kind or columns.
    #[must_use]
    pub fn new(
        views: &[&MatrixView<'_>],
        rows: usize,
        order: impl Fn(usize) -> Option<(usize, usize)> + Sync,
    ) -> Self {
        let first = views[0];
        assert!(
            views.iter().all(|view| (view.kind, view.columns) == (first.kind, first.columns)),
            "matrices of one kind"
        );
        let packing = Packing::of(first.kind);
        let (tiles, chunks) = (rows.div_ceil(TILE), chunks(first.columns));
        let tile_words = chunks * packing.vectors() * UNITS * 4;
        let tile_scales = chunks * 2 * packing.scales() * 8;
        let mut words = vec![0; tiles * tile_words];
        let mut scales = vec![0; (tiles * tile_scales).max(1)];
        let pack = |tile: usize, words: &mut [u32], scales: &mut [u32]| {
            for row in 0..TILE {
                if let Some((view, source)) = order(tile * TILE + row) {
                    pack_row(packing, views[view], source, row, words, scales);
                }
            }
        };
        let all_words = words.par_chunks_mut(tile_words.max(1)).enumerate();
        if tile_scales == 0 {
            all_words.for_each(|(tile, words)| pack(tile, words, &mut []));
        } else {
            all_words
                .zip(scales.par_chunks_mut(tile_scales))
                .for_each(|((tile, words), scales)| pack(tile, words, scales));
        }
        Self { packing, tiles, chunks, words, scales }
    }
}

/// One row into its tile.
fn pack_row(
    packing: Packing,
    view: &MatrixView<'_>,
    source: usize,
    row: usize,
    words: &mut [u32],
    scales: &mut [u32],
) {
    let (half, g) = (row / 8, row % 8);
    let bytes = view.row(source);
    let vectors = packing.vectors();
    // Where vector `v` of the unit with columns `8 t..` of chunk `c` begins.
    let at = |c: usize, v: usize, t: usize| ((c * vectors + v) * UNITS + 4 * g + t) * 4;
    let blocks = view.columns.div_ceil(32);
    match packing {
        Packing::Bf16 | Packing::F16 => {
            for (eight, bytes) in bytes.chunks(16).enumerate() {
                let (c, block, t) = (eight / 8, eight / 4 % 2, eight % 4);
                let mut four = [0; 4];
                put_words(bytes, &mut four);
                for (pair, word) in four.into_iter().enumerate() {
                    words[at(c, 2 * block + pair / 2, t) + 2 * (pair % 2) + half] = word;
                }
            }
        }
        Packing::F32 => {
            for (four, bytes) in bytes.chunks(16).enumerate() {
                let (c, block, t, part) = (four / 16, four / 8 % 2, four / 2 % 4, four % 2);
                let to = at(c, (2 * block + half) * 2 + part, t);
                put_words(bytes, &mut words[to..to + 4]);
            }
        }
        Packing::Q8_0 | Packing::Q4_0 | Packing::Q4_1 => {
            let scale_bytes = 2 * packing.scales();
            let blocks = bytes.chunks_exact(view.kind.bytes()).take(blocks);
            for (block, bytes) in blocks.enumerate() {
                let (c, block) = (block / 2, block % 2);
                let (block_scales, numbers) = bytes.split_at(scale_bytes);
                for (kind, scale) in block_scales.chunks_exact(2).enumerate() {
                    let bits = u32::from(u16::from_le_bytes([scale[0], scale[1]]));
                    scales[((c * 2 + block) * packing.scales() + kind) * 8 + g] |= bits << (16 * half);
                }
                if packing == Packing::Q8_0 {
                    let numbers = numbers.first_chunk().expect("32 numbers of a block");
                    put_bytes(numbers, |t, w, word| words[at(c, block, t) + 2 * half + w] = word);
                } else {
                    // The file has number i in a low half and number i + 16 in the high half of the same byte.
                    let nibble = |i: usize| u32::from(numbers[i % 16] >> (4 * (i / 16)) & 15);
                    put_nibbles(nibble, |t, word| words[at(c, 0, t) + 2 * block + half] = word);
                }
            }
        }
        Packing::Nibbles | Packing::Bytes | Packing::HalfBytes => {
            let (mut index, mut first) = (0, None);
            each_block(view.kind, bytes, |found| {
                // Of 16 numbers, two are a block.
                let (scale, least, q) = if packing == Packing::HalfBytes {
                    let Some(before): Option<Block> = first.take() else {
                        first = Some(found);
                        return;
                    };
                    let q = std::array::from_fn(|i| if i < 16 { before.q[i] } else { found.q[i - 16] });
                    (before.scale, found.scale, q)
                } else {
                    (found.scale, found.minimum, found.q)
                };
                let (c, block) = (index / 2, index % 2);
                index += 1;
                for (kind, number) in [scale, least].into_iter().enumerate() {
                    scales[((c * 2 + block) * 4 + 2 * kind + half) * 8 + g] = number.to_bits();
                }
                if packing == Packing::Nibbles {
                    let nibble = |i: usize| u32::from(q[i].cast_unsigned());
                    put_nibbles(nibble, |t, word| words[at(c, 0, t) + 2 * block + half] = word);
                } else {
                    let numbers = q.map(i8::cast_unsigned);
                    put_bytes(&numbers, |t, w, word| words[at(c, block, t) + 2 * half + w] = word);
                }
            });
        }
    }
}

/// A block's 32 signed numbers, eight of a unit in two words, in the order of [`Packing::Q8_0`].
fn put_bytes(numbers: &[u8; 32], mut word: impl FnMut(usize, usize, u32)) {
    for (at, four) in numbers.chunks_exact(4).enumerate() {
        word(at / 2, at % 2, u32::from_le_bytes([four[0], four[2], four[1], four[3]]));
    }
}

/// A block's 32 numbers of 4 bits, eight of a unit in a word, in the order of [`Packing::Q4_0`].
fn put_nibbles(nibble: impl Fn(usize) -> u32, mut word: impl FnMut(usize, u32)) {
    for t in 0..4 {
        word(
            t,
            (0..4).fold(0, |word, i| {
                let (even, odd) = (nibble(8 * t + 2 * i), nibble(8 * t + 2 * i + 1));
                word | even << (4 * i) | odd << (16 + 4 * i)
            }),
        );
    }
}

fn put_words(bytes: &[u8], words: &mut [u32]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
        let mut four = [0; 4];
        four[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_le_bytes(four);
    }
}

/// Rows as tensor cores take them: the numbers' first eight bits, and with two `parts` the next eight beside them.
///
/// [rows / 8, chunks, 2 blocks, parts, [`UNITS`], 4] words; what kernels write, for tests.
#[must_use]
pub fn fragments(rows: &[f32], columns: usize, parts: usize) -> Vec<u32> {
    let chunks = chunks(columns);
    let mut words = vec![0u32; (rows.len() / columns).div_ceil(8) * chunks * 2 * parts * UNITS * 4];
    for (row, numbers) in rows.chunks_exact(columns).enumerate() {
        for (k, number) in numbers.iter().enumerate() {
            let mut rest = *number;
            for part in 0..parts {
                let rounded = half::bf16::from_f32(rest);
                rest -= rounded.to_f32();
                let place = (((row / 8 * chunks + k / CHUNK) * 2 + k / 32 % 2) * parts + part) * UNITS;
                let word = (place + row % 8 * 4 + k / 8 % 4) * 4 + k % 8 / 2;
                words[word] |= u32::from(rounded.to_bits()) << (16 * (k % 2));
            }
        }
    }
    words
}
