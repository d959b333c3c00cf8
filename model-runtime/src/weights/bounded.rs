//! Reading small files of a model that may come from a stranger.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

/// A file that could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refused.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Larger than a file of its kind may be.
    #[error("{} is larger than the {bytes_max} bytes that are allowed", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        bytes_max: u64,
    },
    /// Not JSON.
    #[error("{} is not JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl FileError {
    /// Whether the file is simply not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// The bytes of a file of at most `bytes_max`.
///
/// # Errors
/// When it cannot be read or is larger.
pub fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(FileError::TooLarge { path: path.to_owned(), bytes_max });
    }
    Ok(bytes)
}

/// The JSON in a file of at most `bytes_max`.
///
/// # Errors
/// When it cannot be read, is larger, or is not JSON.
pub fn json(path: &Path, bytes_max: u64) -> Result<Value, FileError> {
    let bytes = read(path, bytes_max)?;
    serde_json::from_slice(&bytes).map_err(|source| FileError::Json { path: path.to_owned(), source })
}

/// As [`json`]; `None` when there is no such file.
///
/// # Errors
/// As [`json`].
pub fn optional_json(path: &Path, bytes_max: u64) -> Result<Option<Value>, FileError> {
    match json(path, bytes_max) {
        Err(error) if error.is_missing() => Ok(None),
        other => other.map(Some),
    }
}
