//! How a product is divided.

use super::TILE_SUMS;
use crate::cube::packing::{Packing, UNITS};
use crate::cube::store::ROWS_MAX;

/// Chunks in shared memory: the one in use, and those on their way.
pub(super) const STAGES: usize = 3;

/// Who does what in a cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// `split` planes share columns; each has all rows of the cube.
    Thin,
    /// Planes have `rows` times `tokens` places, [`ProductShape::groups`] planes each, and share what they read.
    Staged {
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
    /// Thin: chunks whose numbers a plane asks for at once; divides the chunks of every part.
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
            Form::Staged { rows, .. } => rows * self.plane_tiles,
        }
    }

    /// Eights of tokens of a cube.
    #[must_use]
    pub const fn cube_eights(&self) -> usize {
        match self.form {
            Form::Thin => self.plane_eights,
            Form::Staged { tokens, .. } => tokens * self.plane_eights,
        }
    }

    /// Planes of a cube.
    #[must_use]
    pub const fn planes(&self) -> usize {
        match self.form {
            Form::Thin => self.split,
            Form::Staged { rows, tokens } => rows * tokens * self.groups,
        }
    }

    /// Parts whose sums meet in shared memory.
    pub(super) const fn shared_parts(&self) -> usize {
        match self.form {
            Form::Thin => self.split,
            Form::Staged { .. } => self.groups,
        }
    }

    /// Rows whose factor a cube computes.
    pub(super) const fn factor_rows(&self) -> usize {
        if self.rows < 8 { self.rows } else { self.cube_eights() * 8 }
    }

    /// Elements that a unit finishes side by side, where a slot has so many: what one waits for, the others use.
    pub(super) const fn at_once(&self, elements: usize) -> usize {
        let turns = self.slots() * elements / (self.planes() * UNITS);
        if turns >= 4 && turns.is_multiple_of(4) { 4 } else { 1 }
    }

    pub(super) const fn slots(&self) -> usize {
        self.cube_tiles() * self.cube_eights()
    }

    pub(super) const fn eights_beside(&self) -> usize {
        match self.form {
            Form::Thin => 1,
            Form::Staged { tokens, .. } => tokens,
        }
    }

    /// The same for a smaller tile of rows and tokens.
    #[must_use]
    pub const fn smaller(&self) -> Option<Self> {
        match self.form {
            Form::Staged { rows, tokens: 2 } => {
                Some(Self { form: Form::Staged { rows, tokens: 1 }, ..*self })
            }
            Form::Staged { rows, tokens } if rows > 1 => {
                Some(Self { form: Form::Staged { rows: rows / 2, tokens }, ..*self })
            }
            Form::Staged { .. } | Form::Thin => None,
        }
    }

    /// Chunks that a group takes, one after another.
    pub(super) const fn steps(&self) -> usize {
        let all = self.split / self.groups * self.chunks.div_ceil(self.split);
        if all < self.chunks { all } else { self.chunks }
    }

    /// Vectors of the matrix in a stage.
    pub(super) const fn stage_matrix_vectors(&self) -> usize {
        self.groups * self.cube_tiles() * self.packing.vectors() * UNITS
    }

    /// Vectors of a stage.
    pub(super) const fn stage_vectors(&self) -> usize {
        self.stage_matrix_vectors() + self.groups * self.cube_eights() * 2 * self.x_parts * UNITS
    }

    /// What is copied of the matrix for a step.
    pub(super) const fn matrix_copies(&self) -> Copies {
        Copies {
            stripes: self.cube_tiles(),
            groups: self.groups,
            vectors: self.packing.vectors() * UNITS,
            chunks: self.chunks,
            steps: self.steps(),
            units: self.planes() * UNITS,
            stripes_in_all: self.tiles,
        }
    }

    /// What is copied of rows for a step.
    pub(super) const fn rows_copies(&self) -> Copies {
        Copies {
            stripes: self.cube_eights(),
            groups: self.groups,
            vectors: 2 * self.x_parts * UNITS,
            chunks: self.chunks,
            steps: self.steps(),
            units: self.planes() * UNITS,
            // As many as buffers have: whole cubes of them.
            stripes_in_all: ROWS_MAX / 8,
        }
    }

    /// Bytes of shared memory that a cube needs.
    #[must_use]
    pub const fn shared_bytes(&self) -> usize {
        let sums = self.shared_parts() * self.slots() * TILE_SUMS + self.cube_eights() * 8;
        let stages = match self.form {
            Form::Thin => 0,
            Form::Staged { .. } => STAGES * self.stage_vectors() * 4,
        };
        (sums + stages) * size_of::<f32>()
    }
}

/// What the units of a cube copy at once: of each group, one chunk of each stripe (a tile of the matrix, or eight rows), in order; unit `u`
/// has vectors `u`, `u + units` and so on of all these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Copies {
    /// Stripes of a cube.
    pub stripes: usize,
    /// Groups, each `steps` chunks further on.
    pub groups: usize,
    /// Vectors of a stripe's chunk.
    pub vectors: usize,
    /// Chunks of a stripe.
    pub chunks: usize,
    /// See `groups`.
    pub steps: usize,
    /// Units of a cube.
    pub units: usize,
    /// Stripes that there are.
    pub stripes_in_all: usize,
}

impl Copies {
    /// Vectors that a unit copies.
    pub(super) const fn count(&self) -> usize {
        self.groups * self.stripes * self.vectors / self.units
    }

    /// How far a unit's vector `i` is behind its first. The same for every unit, because units, stripes and vectors are powers of two.
    pub(super) const fn distance(&self, i: usize) -> usize {
        let stripe = i * self.units / self.vectors;
        let (group, stripe) = (stripe / self.stripes, stripe % self.stripes);
        (stripe * self.chunks + group * self.steps) * self.vectors + i * self.units % self.vectors
    }

    /// Whether no unit reads behind the end.
    pub(super) const fn inside(&self) -> bool {
        self.stripes_in_all.is_multiple_of(self.stripes) && self.groups * self.steps <= self.chunks
    }

    /// Vectors that there are.
    pub(super) const fn all(&self) -> usize {
        self.stripes_in_all * self.chunks * self.vectors
    }
}
