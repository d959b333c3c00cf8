//! GGUF files: metadata and tensors behind one memory map.
//!
//! A file comes from a stranger. Nothing is allocated on the word of a header: counts are checked against the bytes that are left, arrays
//! and strings stay in the map until somebody asks for one, and every offset is checked before a tensor is handed out.

mod error;
mod header;
mod value;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use sha2::{Digest as _, Sha256};

pub use self::error::GgufError;
pub use self::value::{Value, ValueKind};
use super::blocks::TensorType;
use super::mapping::Bytes;
use crate::decoder::BlockKind;

/// An opened file.
#[derive(Debug)]
pub struct Gguf {
    bytes: Bytes,
    version: u32,
    metadata: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
}

/// What the header says of a tensor, checked against the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Sizes, the fastest running dimension first, as the format has them.
    pub dimensions: Vec<usize>,
    /// How the numbers are stored.
    pub kind: TensorType,
    /// Number of weights.
    pub weights: usize,
    /// Where its bytes lie in the file; `None` for a type whose size we do not know.
    range: Option<Range<usize>>,
}

impl TensorInfo {
    /// Bytes in the file; `None` for a type we do not read.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        self.range.as_ref().map(ExactSizeIterator::len)
    }
}

/// A tensor's bytes.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// How the bytes are to be read.
    pub kind: BlockKind,
    /// Sizes, the fastest running dimension first.
    pub dimensions: &'a [usize],
    /// Whole blocks, in row order.
    pub bytes: &'a [u8],
}

impl TensorView<'_> {
    /// The numbers as f32, in row order.
    #[must_use]
    pub fn dequantize(&self) -> Vec<f32> {
        self.kind.dequantize(self.bytes)
    }
}

impl Gguf {
    /// Maps the file at `path` and reads its header.
    ///
    /// # Errors
    /// When it cannot be opened or is not a whole GGUF file.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let bytes = Bytes::map(path).map_err(|source| GgufError::Open { path: path.to_owned(), source })?;
        Self::parse(bytes)
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// When it is not a whole GGUF file.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, GgufError> {
        Self::parse(Bytes::Owned(bytes))
    }

    fn parse(bytes: Bytes) -> Result<Self, GgufError> {
        let header = header::read(&bytes)?;
        Ok(Self { bytes, version: header.version, metadata: header.metadata, tensors: header.tensors })
    }

    /// Version of the format: 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Length of the file.
    #[must_use]
    pub fn file_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// SHA-256 of the whole file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&*self.bytes).into()
    }

    /// Metadata by key, in key order.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Tensors by name, in name order.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &TensorInfo)> {
        self.tensors.iter().map(|(name, info)| (name.as_str(), info))
    }

    /// Whether a tensor is there.
    #[must_use]
    pub fn has_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The bytes of a tensor.
    ///
    /// # Errors
    /// When it is missing or of a type we do not read.
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, GgufError> {
        let info =
            self.tensors.get(name).ok_or_else(|| GgufError::MissingTensor { name: name.to_owned() })?;
        let unsupported = || GgufError::UnsupportedType { tensor: name.to_owned(), kind: info.kind.name() };
        let kind = info.kind.known().ok_or_else(unsupported)?;
        let range = info.range.clone().ok_or_else(unsupported)?;
        let bytes = self.bytes.get(range).ok_or_else(unsupported)?;
        Ok(TensorView { kind, dimensions: &info.dimensions, bytes })
    }

    /// Whether a key is there.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.metadata.contains_key(key)
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// When the key is missing or holds something else.
    pub fn unsigned(&self, key: &str) -> Result<u64, GgufError> {
        self.get(key)?.unsigned().ok_or_else(|| wrong(key, "a whole number"))
    }

    /// A number.
    ///
    /// # Errors
    /// When the key is missing or holds something else.
    pub fn float(&self, key: &str) -> Result<f64, GgufError> {
        self.get(key)?.float().ok_or_else(|| wrong(key, "a number"))
    }

    /// A truth value; `default` when the key is missing.
    ///
    /// # Errors
    /// When the key holds something else.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, GgufError> {
        match self.metadata.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(wrong(key, "a truth value")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// When the key is missing, holds something else, or is not UTF-8.
    pub fn text(&self, key: &str) -> Result<&str, GgufError> {
        match self.get(key)? {
            Value::Text(range) => {
                std::str::from_utf8(&self.bytes[range.clone()]).map_err(|_| wrong(key, "UTF-8 text"))
            }
            _ => Err(wrong(key, "a text")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// When the key is missing, holds something else, or one of them is not UTF-8.
    pub fn texts(&self, key: &str) -> Result<Vec<&str>, GgufError> {
        let array = self.get(key)?.array(ValueKind::Text).ok_or_else(|| wrong(key, "a list of texts"))?;
        let mut cursor = header::Cursor::new(&self.bytes[array.range.clone()]);
        (0..array.count)
            .map(|_| {
                std::str::from_utf8(cursor.text("text of a list")?).map_err(|_| wrong(key, "UTF-8 texts"))
            })
            .collect()
    }

    /// A list of whole 32-bit numbers.
    ///
    /// # Errors
    /// When the key is missing or holds something else.
    pub fn integers(&self, key: &str) -> Result<Vec<i32>, GgufError> {
        let array =
            self.get(key)?.array(ValueKind::I32).ok_or_else(|| wrong(key, "a list of 32-bit numbers"))?;
        let (numbers, _) = self.bytes[array.range.clone()].as_chunks::<4>();
        Ok(numbers.iter().map(|number| i32::from_le_bytes(*number)).collect())
    }

    /// A list of 32-bit floats.
    ///
    /// # Errors
    /// When the key is missing or holds something else.
    pub fn floats(&self, key: &str) -> Result<Vec<f32>, GgufError> {
        let array =
            self.get(key)?.array(ValueKind::F32).ok_or_else(|| wrong(key, "a list of 32-bit floats"))?;
        let (numbers, _) = self.bytes[array.range.clone()].as_chunks::<4>();
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }

    fn get(&self, key: &str) -> Result<&Value, GgufError> {
        self.metadata.get(key).ok_or_else(|| GgufError::MissingKey { key: key.to_owned() })
    }
}

fn wrong(key: &str, expected: &'static str) -> GgufError {
    GgufError::WrongKind { key: key.to_owned(), expected }
}
