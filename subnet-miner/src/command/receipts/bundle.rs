//! Reading an audit bundle: as much of it as a search for one call needs. The manifest is not looked at: what the leaves are is said by
//! the signed heads, and nothing else counts for a proof.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parity_scale_codec::{Decode, DecodeAll};
use parquet::column::reader::ColumnReader;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use protocol::digest::Digest;
use protocol::replay::Leaf;

use super::ProofError;

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
pub(super) fn decode<T: Decode>(folder: &Path, name: &'static str, bytes_max: u64) -> Result<T, ProofError> {
    let bytes = read(&folder.join(name), bytes_max)?;
    T::decode_all(&mut bytes.as_slice()).map_err(|_| ProofError::Bundle(name))
}

/// The bundle's files of leaves, in order.
pub(super) fn leaf_files(folder: &Path) -> Result<Vec<PathBuf>, ProofError> {
    let failed = |source| ProofError::File { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Shows a file's leaves in order, a row group at a time.
pub(super) fn for_each_group(
    path: &Path,
    mut show: impl FnMut(&[Row]) -> Result<(), ProofError>,
) -> Result<(), ProofError> {
    let file = File::open(path).map_err(|source| ProofError::File { path: path.to_owned(), source })?;
    let file = SerializedFileReader::new(file)?;
    for number in 0..file.num_row_groups() {
        show(&read_group(file.get_row_group(number)?.as_ref())?)?;
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
