//! Safetensors: one file, or shards that an index lists.
//!
//! Files are mapped. Their headers are read by the `safetensors` crate, which bounds them by the file's length (and 100 MB) and checks
//! that tensors lie within it, side by side. The index names files of its own folder only.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Metadata, SafeTensorError};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::bounded::{self, FileError};
use super::mapping::Bytes;
use crate::decoder::BlockKind;

/// The file of a model that has one.
const SINGLE: &str = "model.safetensors";
/// The list of a model's shards.
const INDEX: &str = "model.safetensors.index.json";
const INDEX_BYTES_MAX: u64 = 32 << 20;
/// Files a model may be divided into.
const SHARDS_MAX: usize = 1024;

/// Why safetensors files could not be read, or do not hold what was asked of them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// The operating system refused.
    #[error("cannot open the weights file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The index cannot be read.
    #[error("cannot read the index of the model's weights")]
    Index(#[from] FileError),
    /// The index is not what it should be.
    #[error("the index of the model's weights is wrong: {0}")]
    BadIndex(String),
    /// The header is broken, or does not fit the file.
    #[error("{} is not a whole safetensors file", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SafeTensorError,
    },
    /// Two shards have a tensor of one name.
    #[error("tensor {0:?} is in two files")]
    Duplicate(String),
    /// No such tensor.
    #[error("tensor {0:?} is missing")]
    MissingTensor(String),
    /// Numbers we cannot compute with.
    #[error("tensor {tensor:?} holds {dtype}, which is not read (F32, F16 and BF16 are)")]
    UnsupportedType {
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
}

/// A model's tensors.
#[derive(Debug)]
pub struct Safetensors {
    files: Vec<Shard>,
    /// Which file has which tensor.
    tensors: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Shard {
    bytes: Bytes,
    metadata: Metadata,
    data_start: usize,
}

/// A tensor's bytes.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// How the bytes are to be read.
    pub kind: BlockKind,
    /// Sizes, the slowest running dimension first, as the format has them.
    pub dimensions: &'a [usize],
    /// In row order.
    pub bytes: &'a [u8],
}

impl Safetensors {
    /// Maps the files of `folder`: the shards that its index lists, or the single file.
    ///
    /// # Errors
    /// When there are none, or one is not a whole safetensors file.
    pub fn open(folder: &Path) -> Result<Self, SafetensorsError> {
        let names = match bounded::optional_json(&folder.join(INDEX), INDEX_BYTES_MAX)? {
            None => BTreeSet::from([SINGLE.to_owned()]),
            Some(index) => shard_names(&index)?,
        };
        let mut all = Self { files: Vec::new(), tensors: BTreeMap::new() };
        for name in names {
            all.add(&folder.join(name))?;
        }
        Ok(all)
    }

    fn add(&mut self, path: &Path) -> Result<(), SafetensorsError> {
        let bytes =
            Bytes::map(path).map_err(|source| SafetensorsError::Open { path: path.to_owned(), source })?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes)
            .map_err(|source| SafetensorsError::Header { path: path.to_owned(), source })?;
        for name in metadata.offset_keys() {
            if self.tensors.contains_key(&name) {
                return Err(SafetensorsError::Duplicate(name));
            }
            self.tensors.insert(name, self.files.len());
        }
        // The header's length lies before it, in eight bytes.
        self.files.push(Shard { bytes, metadata, data_start: header + 8 });
        Ok(())
    }

    /// Names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
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
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, SafetensorsError> {
        let missing = || SafetensorsError::MissingTensor(name.to_owned());
        let shard = &self.files[*self.tensors.get(name).ok_or_else(missing)?];
        let info = shard.metadata.info(name).ok_or_else(missing)?;
        let kind = match info.dtype {
            Dtype::F32 => BlockKind::F32,
            Dtype::F16 => BlockKind::F16,
            Dtype::BF16 => BlockKind::BF16,
            other => {
                let (tensor, dtype) = (name.to_owned(), format!("{other:?}"));
                return Err(SafetensorsError::UnsupportedType { tensor, dtype });
            }
        };
        let (start, end) = info.data_offsets;
        let bytes = shard.bytes.get(shard.data_start + start..shard.data_start + end).ok_or_else(missing)?;
        Ok(TensorView { kind, dimensions: &info.shape, bytes })
    }

    /// Number of weights of all tensors.
    #[must_use]
    pub fn weights(&self) -> u64 {
        let infos = self.tensors.iter().filter_map(|(name, file)| self.files[*file].metadata.info(name));
        infos.map(|info| info.shape.iter().product::<usize>() as u64).sum()
    }

    /// SHA-256 of the files' bytes one after the other, in the order of their names.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        self.files.iter().for_each(|shard| digest.update(&*shard.bytes));
        digest.finalize().into()
    }
}

/// Names of the files that an index lists.
fn shard_names(index: &serde_json::Value) -> Result<BTreeSet<String>, SafetensorsError> {
    let bad = |what: &str| SafetensorsError::BadIndex(what.to_owned());
    let map =
        index.get("weight_map").and_then(|map| map.as_object()).ok_or_else(|| bad("it has no weight_map"))?;
    let mut names = BTreeSet::new();
    for name in map.values() {
        let name = name.as_str().ok_or_else(|| bad("a file's name is not a text"))?;
        // A name from elsewhere must not lead out of the folder.
        if Path::new(name).file_name().is_none_or(|plain| plain != name) || !name.ends_with(".safetensors") {
            return Err(SafetensorsError::BadIndex(format!(
                "{name:?} is not the name of a safetensors file"
            )));
        }
        names.insert(name.to_owned());
        if names.len() > SHARDS_MAX {
            return Err(SafetensorsError::BadIndex(format!("it lists more than {SHARDS_MAX} files")));
        }
    }
    if names.is_empty() { Err(bad("it lists no file")) } else { Ok(names) }
}
