//! The bytes of a weights file, mapped rather than read: a model is larger than what a start should copy.
#![expect(unsafe_code, reason = "a memory map has no safe constructor: the file could change under it")]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// A file's bytes, or bytes already in memory (which tests use).
#[derive(Debug)]
pub(crate) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps `path` read-only.
    ///
    /// Weights files are replaced by renaming a new one into place, never rewritten, so a map keeps the bytes it was made of. Somebody
    /// who truncates the file in place while a model is being loaded ends this process; nothing else is at stake.
    pub(crate) fn map(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: see above; the bytes are only ever read as plain bytes, for which every value is valid.
        let map = unsafe { Mmap::map(&file)? };
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
