//! Tensor types of GGUF and how their blocks become f32.
//!
//! A quantised row is a sequence of blocks of 32 weights sharing a scale: `w = d * q` (symmetric) or `w = d * q + m`.

use half::{bf16, f16};
use rayon::prelude::*;

/// How a tensor's numbers are stored. Numbers of types we cannot compute with keep their identifier, so that a file can still be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TensorType {
    /// 32-bit floats.
    F32,
    /// 16-bit IEEE floats.
    F16,
    /// The upper half of 32-bit floats.
    BF16,
    /// 32 weights of 4 bits around 8, one f16 scale: 18 bytes.
    Q4_0,
    /// 32 weights of 4 bits, one f16 scale and one f16 minimum: 20 bytes.
    Q4_1,
    /// 32 weights of 8 bits, one f16 scale: 34 bytes.
    Q8_0,
    /// Any other identifier.
    Other(u32),
}

impl TensorType {
    /// The type GGUF numbers so.
    #[must_use]
    pub fn from_id(id: u32) -> Self {
        match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            8 => Self::Q8_0,
            30 => Self::BF16,
            other => Self::Other(other),
        }
    }

    /// Weights and bytes of one block; `None` for a type we do not read.
    #[must_use]
    pub fn block(self) -> Option<Block> {
        let (weights, bytes) = match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q8_0 => (32, 34),
            Self::Other(_) => return None,
        };
        Some(Block { weights, bytes })
    }

    /// The name people know the type by.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Other(id) => format!("type {id}"),
            known => format!("{known:?}"),
        }
    }

    /// Expands `bytes` to f32.
    ///
    /// # Panics
    /// When `bytes` is not a whole number of this type's blocks or the type is not read; [`super::gguf::Gguf::tensor`] checks both before.
    #[must_use]
    pub fn dequantize(self, bytes: &[u8]) -> Vec<f32> {
        /// Bytes of blocks one thread expands at a time: large enough that handing out work costs nothing.
        const CHUNK_BLOCKS: usize = 4096;
        let block = self.block().expect("the caller checked that the type is read");
        assert_eq!(bytes.len() % block.bytes, 0, "the caller checked that the tensor is whole");
        let mut weights = vec![0.0; bytes.len() / block.bytes * block.weights];
        weights
            .par_chunks_mut(CHUNK_BLOCKS * block.weights)
            .zip(bytes.par_chunks(CHUNK_BLOCKS * block.bytes))
            .for_each(|(out, bytes)| self.expand(bytes, out));
        weights
    }

    fn expand(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => each::<4>(bytes, out, f32::from_le_bytes),
            Self::F16 => each::<2>(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => each::<2>(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Self::Q4_0 => blocks::<18>(bytes, out, |block, out| {
                let scale = half_at(block, 0);
                nibbles(&block[2..], out, |q| scale * (f32::from(q) - 8.0));
            }),
            Self::Q4_1 => blocks::<20>(bytes, out, |block, out| {
                let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
                nibbles(&block[4..], out, |q| scale * f32::from(q) + minimum);
            }),
            Self::Q8_0 => blocks::<34>(bytes, out, |block, out| {
                let scale = half_at(block, 0);
                for (weight, q) in out.iter_mut().zip(&block[2..]) {
                    *weight = scale * f32::from(q.cast_signed());
                }
            }),
            Self::Other(_) => unreachable!("block() refused the type"),
        }
    }
}

/// The size of one block of a tensor type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Weights in a block.
    pub weights: usize,
    /// Bytes of a block.
    pub bytes: usize,
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    for (weight, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *weight = read(*bytes);
    }
}

fn blocks<const N: usize>(bytes: &[u8], out: &mut [f32], expand: impl Fn(&[u8; N], &mut [f32])) {
    for (block, out) in bytes.as_chunks::<N>().0.iter().zip(out.chunks_exact_mut(32)) {
        expand(block, out);
    }
}

/// The low halves of 16 bytes are the first 16 weights, the high halves the last 16.
fn nibbles(packed: &[u8], out: &mut [f32], weight: impl Fn(u8) -> f32) {
    let (low, high) = out.split_at_mut(16);
    for ((low, high), byte) in low.iter_mut().zip(high).zip(packed) {
        *low = weight(byte & 0x0f);
        *high = weight(byte >> 4);
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
