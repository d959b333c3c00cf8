//! What changes from step to step, in one buffer of words: kernels recorded once find it in its place.

/// The token of every row.
pub const TOKENS: usize = 0;

/// Its position in its sequence.
pub const POSITIONS: usize = 1;

/// Its place in the cache: its page times the positions of a page, and the place in it.
pub const SLOTS: usize = 2;

/// Where its sequence's block table begins, counted from the first table.
pub const BASES: usize = 3;

/// Block tables come after so many numbers per row.
pub const TABLES: usize = 4;

/// Tokens per row that may not be chosen.
pub const FORBIDDEN: usize = 8;
