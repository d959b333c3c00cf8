//! A matrix as it lies in a file: nothing copied, nothing decoded.

/// A matrix's bytes. Rows are outputs; a row's columns are contiguous, in whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixView<'a> {
    /// Outputs.
    pub rows: usize,
    /// Inputs.
    pub columns: usize,
    /// How the numbers are stored.
    pub kind: BlockKind,
    /// `rows * columns / kind.weights() * kind.bytes()` of them.
    pub bytes: &'a [u8],
}

/// How numbers are stored, little endian, block after block. The names are GGUF's, K-quants without their underscore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are GGUF's; ggml-common.h has the layouts")]
pub enum BlockKind {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl BlockKind {
    /// Numbers in a block.
    #[must_use]
    pub fn weights(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => 256,
        }
    }

    /// Bytes of a block.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }
}

impl<'a> MatrixView<'a> {
    /// A view, if the bytes are exactly what the sizes need.
    #[must_use]
    pub fn new(rows: usize, columns: usize, kind: BlockKind, bytes: &'a [u8]) -> Option<Self> {
        let blocks = columns.is_multiple_of(kind.weights()).then_some(columns / kind.weights())?;
        let expected = rows.checked_mul(blocks)?.checked_mul(kind.bytes())?;
        (bytes.len() == expected).then_some(Self { rows, columns, kind, bytes })
    }

    /// Bytes of one row.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.columns / self.kind.weights() * self.kind.bytes()
    }

    /// The bytes of row `row`.
    #[must_use]
    pub fn row(&self, row: usize) -> &'a [u8] {
        let bytes = self.row_bytes();
        &self.bytes[row * bytes..(row + 1) * bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_has_exactly_the_bytes_its_sizes_need() {
        let bytes = [0; 2 * 2 * 18];
        let view = MatrixView::new(2, 64, BlockKind::Q4_0, &bytes).unwrap();
        assert_eq!((view.row_bytes(), view.row(1).len()), (36, 36));
        assert_eq!(MatrixView::new(2, 63, BlockKind::Q4_0, &bytes), None);
        assert_eq!(MatrixView::new(3, 64, BlockKind::Q4_0, &bytes), None);
        assert_eq!(MatrixView::new(usize::MAX, 64, BlockKind::Q4_0, &bytes), None);
    }
}
