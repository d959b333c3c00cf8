//! Matrices in the order the kernels read them: sixteen rows side by side, so that a register holds one number of each and no sum ever
//! crosses lanes.
//!
//! A *group* is sixteen rows. Of each block of columns it holds sixteen scales, then sixteen minimums (where the form has them), then the
//! numbers: four columns of all sixteen rows in 64 bytes, or eight columns where a number is half a byte. Float forms hold column after
//! column, sixteen numbers each. Nothing is rounded: every form gives exactly the file's weights.

use std::io;

use rayon::prelude::*;

use super::buffer::Buffer;
use super::pack;
use crate::decoder::{BlockKind, MatrixView};

/// Rows of a group.
pub(super) const ROWS: usize = 16;

/// A matrix, [rows, columns], packed.
#[derive(Debug)]
pub struct PackedMatrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) form: Form,
    pub(super) bytes: Buffer,
}

/// How numbers are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    F32,
    F16,
    Bf16,
    Integers(Integers),
}

/// `weight = scale * (q - offset) + minimum`, with a scale and a minimum per row and block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Integers {
    /// Whether a number is half a byte (0 to 15); otherwise it is a byte, kept as itself plus 128.
    pub(super) nibbles: bool,
    /// Columns of a block: 16 or 32.
    pub(super) block: usize,
    /// Scales and minimums are f32; otherwise f16.
    pub(super) wide: bool,
    /// Whether there are minimums.
    pub(super) minimum: bool,
    /// Subtracted from half bytes: 8 in Q4_0, otherwise 0.
    pub(super) offset: i32,
}

impl Form {
    pub(super) fn of(kind: BlockKind) -> Self {
        let integers = |nibbles, block, wide, minimum, offset| {
            Self::Integers(Integers { nibbles, block, wide, minimum, offset })
        };
        match kind {
            BlockKind::F32 => Self::F32,
            BlockKind::F16 => Self::F16,
            BlockKind::BF16 => Self::Bf16,
            BlockKind::Q4_0 => integers(true, 32, false, false, 8),
            BlockKind::Q4_1 => integers(true, 32, false, true, 0),
            BlockKind::Q5_0 | BlockKind::Q8_0 => integers(false, 32, false, false, 0),
            BlockKind::Q5_1 => integers(false, 32, false, true, 0),
            BlockKind::Q4K => integers(true, 32, true, true, 0),
            BlockKind::Q5K => integers(false, 32, true, true, 0),
            BlockKind::Q6K => integers(false, 16, true, false, 0),
        }
    }

    /// Bytes of a group of `columns` columns.
    pub(super) fn group_bytes(self, columns: usize) -> usize {
        match self {
            Self::F32 => columns * ROWS * 4,
            Self::F16 | Self::Bf16 => columns * ROWS * 2,
            Self::Integers(form) => columns / form.block * form.block_bytes(),
        }
    }
}

impl Integers {
    /// Bytes of sixteen scales, or of sixteen minimums.
    pub(super) fn scale_bytes(self) -> usize {
        ROWS * if self.wide { 4 } else { 2 }
    }

    /// Bytes of one block of a group.
    pub(super) fn block_bytes(self) -> usize {
        let scales = self.scale_bytes() * if self.minimum { 2 } else { 1 };
        scales + ROWS * self.block / if self.nibbles { 2 } else { 1 }
    }
}

impl PackedMatrix {
    /// Packs a file's matrix, on the threads of the rayon pool it is called in.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn pack(view: &MatrixView<'_>) -> io::Result<Self> {
        let form = Form::of(view.kind);
        let group_bytes = form.group_bytes(view.columns);
        let groups = view.rows.div_ceil(ROWS);
        let mut bytes = Buffer::zeroed(groups * group_bytes)?;
        if group_bytes > 0 {
            bytes
                .bytes_mut()
                .par_chunks_exact_mut(group_bytes)
                .enumerate()
                .for_each(|(group, out)| pack::group(view, form, group, out));
        }
        Ok(Self { rows: view.rows, columns: view.columns, form, bytes })
    }

    /// Outputs.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Bytes that a matrix will take when it is packed.
    #[must_use]
    pub fn bytes_of(view: &MatrixView<'_>) -> u64 {
        (view.rows.div_ceil(ROWS) * Form::of(view.kind).group_bytes(view.columns)) as u64
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (self.groups() * self.group_bytes()) as u64
    }

    /// Whether products need [`super::Activations::quantize`] before them.
    #[must_use]
    pub fn is_quantized(&self) -> bool {
        matches!(self.form, Form::Integers(_))
    }

    pub(super) fn groups(&self) -> usize {
        self.rows.div_ceil(ROWS)
    }

    pub(super) fn group_bytes(&self) -> usize {
        self.form.group_bytes(self.columns)
    }

    /// One row as f32: an embedding.
    ///
    /// # Panics
    /// When there is no such row, or `out` is not `columns` long.
    pub fn read_row(&self, row: usize, out: &mut [f32]) {
        assert!(row < self.rows && out.len() == self.columns, "row {row} of {}", self.rows);
        let size = self.group_bytes();
        let group = &self.bytes.bytes()[row / ROWS * size..(row / ROWS + 1) * size];
        pack::read_row(self.form, group, row % ROWS, out);
    }
}
