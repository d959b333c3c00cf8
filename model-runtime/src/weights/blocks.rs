//! How the blocks of a tensor become f32.
//!
//! A quantised row is a sequence of blocks. Blocks of 32 share a scale: `w = d * q` (symmetric) or `w = d * q + m`. Blocks of 256, the
//! K-quants, hold eight or sixteen smaller ones whose scales are themselves quantised. The layouts are those of llama.cpp's
//! `ggml-common.h`, and the order of the multiplications is that of its `ggml-quants.c`, so that results are the same to the last bit.

mod k_quants;

use half::{bf16, f16};
use rayon::prelude::*;

use crate::decoder::BlockKind;

/// How a tensor's numbers are stored. Types we cannot compute with keep their number, so that a file can still be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// One we read.
    Known(BlockKind),
    /// Any other, as GGUF numbers it.
    Other(u32),
}

/// Every kind with GGUF's number and name for it.
const KINDS: [(u32, BlockKind, &str); 11] = [
    (0, BlockKind::F32, "F32"),
    (1, BlockKind::F16, "F16"),
    (2, BlockKind::Q4_0, "Q4_0"),
    (3, BlockKind::Q4_1, "Q4_1"),
    (6, BlockKind::Q5_0, "Q5_0"),
    (7, BlockKind::Q5_1, "Q5_1"),
    (8, BlockKind::Q8_0, "Q8_0"),
    (12, BlockKind::Q4K, "Q4_K"),
    (13, BlockKind::Q5K, "Q5_K"),
    (14, BlockKind::Q6K, "Q6_K"),
    (30, BlockKind::BF16, "BF16"),
];

impl TensorType {
    /// The type GGUF numbers so.
    #[must_use]
    pub fn from_id(id: u32) -> Self {
        let known = KINDS.iter().find(|(known, ..)| *known == id);
        known.map_or(Self::Other(id), |(_, kind, _)| Self::Known(*kind))
    }

    /// The kind, if we read it.
    #[must_use]
    pub fn known(self) -> Option<BlockKind> {
        match self {
            Self::Known(kind) => Some(kind),
            Self::Other(_) => None,
        }
    }

    /// The name people know the type by.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Known(kind) => kind.name().to_owned(),
            Self::Other(id) => format!("type {id}"),
        }
    }
}

impl From<BlockKind> for TensorType {
    fn from(kind: BlockKind) -> Self {
        Self::Known(kind)
    }
}

impl BlockKind {
    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(_, kind, _)| *kind)
    }

    /// GGUF's number for it.
    #[must_use]
    pub fn gguf_id(self) -> u32 {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map(|(id, ..)| *id).expect("KINDS has every kind")
    }

    /// GGUF's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind, _)| *kind == self).map(|(.., name)| *name).expect("KINDS has every kind")
    }

    /// Expands `bytes` to f32 on the threads of the current pool.
    ///
    /// # Panics
    /// When `bytes` is not a whole number of blocks.
    #[must_use]
    pub fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        /// Weights one thread expands at a time: large enough that handing out work costs nothing.
        const CHUNK_WEIGHTS: usize = 1 << 17;
        assert_eq!(bytes.len() % self.bytes(), 0, "the bytes are whole blocks");
        let blocks = CHUNK_WEIGHTS / self.weights();
        let mut weights = vec![0.0; bytes.len() / self.bytes() * self.weights()];
        weights
            .par_chunks_mut(blocks * self.weights())
            .zip(bytes.par_chunks(blocks * self.bytes()))
            .for_each(|(out, bytes)| self.expand(bytes, out));
        weights
    }

    /// Expands `bytes` into `out`, block by block, as far as both reach.
    pub fn expand(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => each::<4>(bytes, out, f32::from_le_bytes),
            Self::F16 => each::<2>(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each::<2>(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Self::Q4_0 => blocks::<18, 32>(bytes, out, |block, out| {
                let scale = half_at(block, 0);
                nibbles(&block[2..], out, |_, q| scale * (f32::from(q) - 8.0));
            }),
            Self::Q4_1 => blocks::<20, 32>(bytes, out, |block, out| {
                let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
                nibbles(&block[4..], out, |_, q| scale * f32::from(q) + minimum);
            }),
            Self::Q5_0 => blocks::<22, 32>(bytes, out, |block, out| {
                let (scale, fifth) = (half_at(block, 0), fifth_bits(block, 2));
                nibbles(&block[6..], out, |i, q| scale * (f32::from(q | fifth(i)) - 16.0));
            }),
            Self::Q5_1 => blocks::<24, 32>(bytes, out, |block, out| {
                let (scale, minimum, fifth) = (half_at(block, 0), half_at(block, 2), fifth_bits(block, 4));
                nibbles(&block[8..], out, |i, q| scale * f32::from(q | fifth(i)) + minimum);
            }),
            Self::Q8_0 => blocks::<34, 32>(bytes, out, |block, out| {
                let scale = half_at(block, 0);
                for (weight, q) in out.iter_mut().zip(&block[2..]) {
                    *weight = scale * f32::from(q.cast_signed());
                }
            }),
            Self::Q4K => blocks::<144, 256>(bytes, out, k_quants::expand_q4),
            Self::Q5K => blocks::<176, 256>(bytes, out, k_quants::expand_q5),
            Self::Q6K => blocks::<210, 256>(bytes, out, k_quants::expand_q6),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    for (weight, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *weight = read(*bytes);
    }
}

/// Blocks of `BYTES` bytes and `WEIGHTS` weights.
fn blocks<const BYTES: usize, const WEIGHTS: usize>(
    bytes: &[u8],
    out: &mut [f32],
    expand: impl Fn(&[u8; BYTES], &mut [f32; WEIGHTS]),
) {
    for (block, out) in bytes.as_chunks::<BYTES>().0.iter().zip(out.as_chunks_mut::<WEIGHTS>().0) {
        expand(block, out);
    }
}

/// The low halves of 16 bytes are the first 16 weights, the high halves the last 16. `weight` gets a weight's index and its half.
fn nibbles(packed: &[u8], out: &mut [f32; 32], weight: impl Fn(usize, u8) -> f32) {
    let (low, high) = out.split_at_mut(16);
    for (i, ((low, high), byte)) in low.iter_mut().zip(high).zip(packed).enumerate() {
        *low = weight(i, byte & 0x0f);
        *high = weight(i + 16, byte >> 4);
    }
}

/// The fifth bit of each weight, in place, from 32 bits that lie at `at`.
fn fifth_bits(block: &[u8], at: usize) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    move |i| ((bits >> i & 1) << 4) as u8
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
