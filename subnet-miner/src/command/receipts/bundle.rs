//! Reading an audit bundle: as much of it as a search for one call needs. The manifest is asked for nothing but where the leaves lie: what
//! they are is said by the signed heads, and nothing else counts for a proof.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parity_scale_codec::{Decode, DecodeAll};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use protocol::digest::Digest;
use protocol::manifest::{SignedManifest, parts_of};
use protocol::replay::Leaf;

use super::ProofError;

/// The file that lists the others, and how long it may be.
const MANIFEST: &str = "manifest.json";
const MANIFEST_BYTES_MAX: u64 = 256 << 20;

/// Leaves in one row group of a bundle.
const GROUP_LEAVES_MAX: usize = 16_384;

/// A leaf as read.
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) leaf: Digest,
    pub(super) record: Vec<u8>,
}

impl Row {
    pub(super) fn as_leaf(&self) -> Leaf<'_> {
        Leaf { index: self.index, hash: self.leaf, record: &self.record }
    }
}

/// A whole file of at most so many bytes.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, ProofError> {
    let failed = |source| ProofError::File { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > bytes_max {
        return Err(ProofError::TooLong(path.to_owned()));
    }
    fs::read(path).map_err(failed)
}

/// One of the bundle's SCALE files.
pub(super) fn decode<T: Decode>(folder: &Path, name: &str, bytes_max: u64) -> Result<T, ProofError> {
    let bytes = read(&folder.join(name), bytes_max)?;
    T::decode_all(&mut bytes.as_slice()).map_err(|_| ProofError::Bundle(name.to_owned()))
}

/// The folder of the newest tempo, if this is a folder of tempos; otherwise the folder itself.
pub(super) fn tempo(folder: &Path) -> Result<PathBuf, ProofError> {
    let failed = |source| ProofError::File { path: folder.to_owned(), source };
    let folder = fs::canonicalize(folder).map_err(failed)?;
    if folder.join(MANIFEST).exists() {
        return Ok(folder);
    }
    let mut newest: Option<u64> = None;
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        newest = newest.max(name.to_str().and_then(|name| name.parse().ok()));
    }
    newest.map(|tempo| folder.join(tempo.to_string())).ok_or_else(|| ProofError::Bundle(MANIFEST.to_owned()))
}

/// Shows the leaves of one shard of the bundle in a tempo's folder in the log's order, a slice at a time.
pub(super) fn for_each_slice(
    tempo: &Path,
    shard: u8,
    mut show: impl FnMut(&[Row]) -> Result<(), ProofError>,
) -> Result<(), ProofError> {
    let bytes = read(&tempo.join(MANIFEST), MANIFEST_BYTES_MAX)?;
    let manifest =
        serde_json::from_slice::<SignedManifest>(&bytes).ok().and_then(|signed| signed.verify().ok());
    let manifest = manifest.ok_or_else(|| ProofError::Bundle(MANIFEST.to_owned()))?;
    let parts = tempo.parent().unwrap_or(tempo).join(parts_of(shard));
    let slices = manifest.logs().find(|(number, _)| *number == shard).map(|(_, slices)| slices);
    for slice in slices.unwrap_or_default() {
        let mut rows = Vec::new();
        for part in &slice.parts {
            let path = parts.join(part.path());
            let file = File::open(&path).map_err(|source| ProofError::File { path, source })?;
            let file = SerializedFileReader::new(file)?;
            for number in 0..file.num_row_groups() {
                rows.extend(read_group(file.get_row_group(number)?.as_ref())?);
            }
        }
        rows.sort_unstable_by_key(|row| row.index);
        show(&rows)?;
    }
    Ok(())
}

fn read_group(group: &dyn RowGroupReader) -> Result<Vec<Row>, ParquetError> {
    let damaged = |what: &str| ParquetError::General(what.to_owned());
    let count = usize::try_from(group.metadata().num_rows()).unwrap_or(usize::MAX);
    if count > GROUP_LEAVES_MAX {
        return Err(damaged("a row group is larger than any that is written"));
    }
    let (mut indexes, mut leaves, mut records) = (Vec::new(), Vec::new(), Vec::new());
    let columns = (group.get_column_reader(0)?, group.get_column_reader(1)?, group.get_column_reader(2)?);
    let (
        ColumnReader::Int64ColumnReader(mut index),
        ColumnReader::FixedLenByteArrayColumnReader(mut leaf),
        ColumnReader::ByteArrayColumnReader(mut record),
    ) = columns
    else {
        return Err(damaged("the columns are not index, leaf and record"));
    };
    index.read_records(count, None, None, &mut indexes)?;
    leaf.read_records(count, None, None, &mut leaves)?;
    record.read_records(count, None, None, &mut records)?;
    if [indexes.len(), leaves.len(), records.len()] != [count; 3] {
        return Err(damaged("a row group's columns differ in length"));
    }
    let rows = indexes.into_iter().zip(leaves).zip(records);
    rows.map(|((index, leaf), record)| {
        let leaf = leaf.data().try_into().map_err(|_| damaged("a leaf hash is not 32 bytes"))?;
        Ok(Row { index: index.cast_unsigned(), leaf: Digest(leaf), record: record.data().to_vec() })
    })
    .collect()
}
