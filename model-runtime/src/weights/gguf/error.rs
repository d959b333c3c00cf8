use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a GGUF file could not be read, or does not hold what was asked of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The operating system refused.
    #[error("cannot open the weights file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another format.
    #[error("not a GGUF file: it begins with {found:02x?} instead of \"GGUF\"")]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// A version of the format we do not read.
    #[error("GGUF version {0} is not read (2 and 3 are)")]
    Version(u32),
    /// The file ends early.
    #[error("the file is truncated: {what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// A count or length no honest file has.
    #[error("{what}: {found} is more than the {limit} that are allowed")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// The file's number.
        found: u64,
        /// Our limit.
        limit: u64,
    },
    /// A name that is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotText {
        /// What was being read.
        what: &'static str,
    },
    /// A type of metadata value the format does not have.
    #[error("metadata {key:?} has the unknown value type {id}")]
    UnknownValueType {
        /// The key.
        key: String,
        /// The type's number.
        id: u32,
    },
    /// Two entries of one name.
    #[error("{what} {name:?} appears twice")]
    Duplicate {
        /// Metadata or tensor.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Sizes that cannot be: zero, overflowing, or not whole blocks.
    #[error("tensor {name:?} has impossible sizes {dimensions:?}")]
    Shape {
        /// The tensor.
        name: String,
        /// Its sizes.
        dimensions: Vec<u64>,
    },
    /// A tensor's place is not a multiple of the file's alignment.
    #[error("tensor {name:?} begins at {offset}, which is not a multiple of {alignment}")]
    Misaligned {
        /// The tensor.
        name: String,
        /// Where it begins, from the start of the data.
        offset: u64,
        /// The file's alignment.
        alignment: u64,
    },
    /// The alignment is not a power of two we accept.
    #[error("the alignment {0} is not a power of two up to 65536")]
    Alignment(u64),
    /// A tensor lies outside of the file.
    #[error("the file is truncated: tensor {name:?} ends at byte {end} of {file_bytes}")]
    OutOfBounds {
        /// The tensor.
        name: String,
        /// Where it should end.
        end: u64,
        /// Length of the file.
        file_bytes: u64,
    },
    /// A tensor type we do not compute with.
    #[error(
        "tensor {tensor:?} is stored as {kind}, which is not supported (F32, F16, BF16, Q4_0, Q4_1 and Q8_0 are)"
    )]
    UnsupportedType {
        /// The tensor.
        tensor: String,
        /// Its type.
        kind: String,
    },
    /// A key is missing.
    #[error("the metadata has no {key:?}")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// A key holds something else.
    #[error("metadata {key:?} is not {expected}")]
    WrongKind {
        /// The key.
        key: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A tensor is missing.
    #[error("the file has no tensor {name:?}")]
    MissingTensor {
        /// The tensor.
        name: String,
    },
}
