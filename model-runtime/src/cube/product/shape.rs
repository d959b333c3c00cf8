//! How a product is divided.

use crate::cube::packing::Packing;

/// Who does what in a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `split` planes share columns; each has all rows of the cube.
    Thin,
    /// Planes have `rows` times `tokens` places, [`ProductShape::groups`] planes each.
    Wide {
        /// Planes beside each other over rows of the matrix.
        rows: usize,
        /// Planes beside each other over tokens.
        tokens: usize,
    },
}

/// Sizes of a product, known when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProductShape {
    /// How the matrix lies.
    pub packing: Packing,
    /// Tiles of the matrix.
    pub tiles: usize,
    /// Chunks of its rows.
    pub chunks: usize,
    /// Parts of numbers of `x`: 1, or 2 where they are to be exact.
    pub x_parts: usize,
    /// Parts that columns are divided into.
    pub split: usize,
    /// Groups of parts whose sums are added one after another: 1, or 2 where `split` is even.
    pub groups: usize,
    /// Chunks whose numbers a plane asks for at once; divides the chunks of every part.
    pub ahead: usize,
    /// Tiles of a plane.
    pub plane_tiles: usize,
    /// Eights of tokens of a plane.
    pub plane_eights: usize,
    /// See there.
    pub form: Form,
    /// Rows that are there at all, where they are fewer than eight.
    pub rows: usize,
    /// Parts of the sum of squares of each row, and the width their mean is of; 0 parts where rows are normed already.
    pub squares: (usize, usize),
    /// Bits of the f32 that is added to mean squares.
    pub epsilon: u32,
}

impl ProductShape {
    /// Tiles of a cube.
    #[must_use]
    pub const fn cube_tiles(&self) -> usize {
        match self.form {
            Form::Thin => self.plane_tiles,
            Form::Wide { rows, .. } => rows * self.plane_tiles,
        }
    }

    /// Eights of tokens of a cube.
    #[must_use]
    pub const fn cube_eights(&self) -> usize {
        match self.form {
            Form::Thin => self.plane_eights,
            Form::Wide { tokens, .. } => tokens * self.plane_eights,
        }
    }

    /// Planes of a cube.
    #[must_use]
    pub const fn planes(&self) -> usize {
        match self.form {
            Form::Thin => self.split,
            Form::Wide { rows, tokens } => rows * tokens * self.groups,
        }
    }

    /// Parts whose sums meet in shared memory.
    pub(super) const fn shared_parts(&self) -> usize {
        match self.form {
            Form::Thin => self.split,
            Form::Wide { .. } => self.groups,
        }
    }

    pub(super) const fn slots(&self) -> usize {
        self.cube_tiles() * self.cube_eights()
    }

    pub(super) const fn eights_beside(&self) -> usize {
        match self.form {
            Form::Thin => 1,
            Form::Wide { tokens, .. } => tokens,
        }
    }
}
