//! From a file's blocks to the words that kernels read.
//!
//! Kinds without a kernel of their own (Q5_0, Q5_1 and the K-quants) become f32: right, and four to eight times their bytes.

use super::product::Packing;
use crate::decoder::{BlockKind, MatrixView};

/// A matrix in words. See [`Packing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// How it lies.
    pub packing: Packing,
    /// Numbers, in whole vectors of four words.
    pub words: Vec<u32>,
    /// Scales of blocks; one word of nothing where there are none.
    pub scales: Vec<u32>,
}

impl Packed {
    /// Takes blocks apart: numbers here, scales there, so that both are read side by side.
    ///
    /// A row whose numbers do not fill whole vectors of its packing becomes f32, and must be of whole fours then.
    ///
    /// # Panics
    /// When rows are not of whole fours.
    #[must_use]
    pub fn new(view: &MatrixView<'_>) -> Self {
        let packing = match view.kind {
            BlockKind::F16 => Packing::F16,
            BlockKind::BF16 => Packing::Bf16,
            BlockKind::Q8_0 => Packing::Q8_0,
            BlockKind::Q4_0 => Packing::Q4_0,
            BlockKind::Q4_1 => Packing::Q4_1,
            _ => Packing::F32,
        };
        let packing = if view.columns.is_multiple_of(packing.per_vector()) { packing } else { Packing::F32 };
        if packing == Packing::F32 {
            assert!(
                view.columns.is_multiple_of(4),
                "rows of {} numbers are not of whole fours",
                view.columns
            );
            let words = view.kind.dequantize(view.bytes).into_iter().map(f32::to_bits).collect();
            return Self { packing, words, scales: vec![0] };
        }
        let scale_bytes = match packing {
            Packing::Q8_0 | Packing::Q4_0 => 2,
            Packing::Q4_1 => 4,
            Packing::F32 | Packing::F16 | Packing::Bf16 => 0,
        };
        if scale_bytes == 0 {
            return Self { packing, words: words(view.bytes), scales: vec![0] };
        }
        let (mut numbers, mut scales) = (Vec::with_capacity(view.bytes.len()), Vec::new());
        for block in view.bytes.chunks_exact(view.kind.bytes()) {
            let (scale, rest) = block.split_at(scale_bytes);
            scales.extend_from_slice(scale);
            numbers.extend_from_slice(rest);
        }
        scales.resize(scales.len().next_multiple_of(4), 0);
        Self { packing, words: words(&numbers), scales: words(&scales) }
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().expect("four bytes"))).collect()
}
