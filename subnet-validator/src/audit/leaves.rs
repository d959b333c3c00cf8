//! Leaves as Parquet: one row each. The reviewer reads `index`, `leaf` and `record`; the other columns repeat parts of the
//! record for analysts. The miner and the hour are in the path of the file, where programs that read partitioned tables find them.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;
use protocol::digest::Digest;
use protocol::receipt::{COUNTERSIGNED_BYTES_MAX, Countersigned};

use super::GROUP_LEAVES_MAX;
use super::pages::{self, Pages, damaged};

const SCHEMA: &str = "message leaf {
    REQUIRED INT64 index (INTEGER(64, false));
    REQUIRED FIXED_LEN_BYTE_ARRAY (32) leaf;
    REQUIRED BYTE_ARRAY record;
    REQUIRED INT64 issued_at_ms (TIMESTAMP(MILLIS, true));
    REQUIRED INT64 sequence (INTEGER(64, false));
    REQUIRED BYTE_ARRAY model (STRING);
    REQUIRED INT32 prompt_tokens (INTEGER(32, false));
    REQUIRED INT32 completion_tokens (INTEGER(32, false));
    REQUIRED BYTE_ARRAY outcome (STRING);
}";

/// A leaf as read: nothing has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Digest,
    /// SCALE bytes of the countersigned receipt.
    pub record: Vec<u8>,
}

/// Writes one file, a row group at a time.
pub struct LeafWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: Vec<(Row, Countersigned)>,
}

impl<W: Write + Send> LeafWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(file: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let file = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        Ok(Self { file, rows: Vec::new() })
    }

    /// Adds a leaf; `receipt` fills the columns for analysts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn push(&mut self, row: Row, receipt: Countersigned) -> Result<(), ParquetError> {
        self.rows.push((row, receipt));
        if self.rows.len() < GROUP_LEAVES_MAX {
            return Ok(());
        }
        self.write_group()
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.file.close().map(drop)
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.file.next_row_group()?;
        let text = |text: String| ByteArray::from(text.into_bytes());
        column::<_, Int64Type>(&mut group, rows.iter().map(|(row, _)| row.index.cast_signed()))?;
        let leaf = |row: &Row| FixedLenByteArray::from(row.leaf.0.to_vec());
        column::<_, FixedLenByteArrayType>(&mut group, rows.iter().map(|(row, _)| leaf(row)))?;
        column::<_, ByteArrayType>(&mut group, rows.iter().map(|(row, _)| row.record.clone().into()))?;
        let issued = |receipt: &Countersigned| receipt.ticket().issued_at_ms.cast_signed();
        column::<_, Int64Type>(&mut group, rows.iter().map(|(_, receipt)| issued(receipt)))?;
        let sequence = |receipt: &Countersigned| receipt.ticket().sequence.cast_signed();
        column::<_, Int64Type>(&mut group, rows.iter().map(|(_, receipt)| sequence(receipt)))?;
        let model = |receipt: &Countersigned| text(receipt.ticket().model.to_string());
        column::<_, ByteArrayType>(&mut group, rows.iter().map(|(_, receipt)| model(receipt)))?;
        let prompt = |receipt: &Countersigned| receipt.receipt().prompt_tokens.cast_signed();
        column::<_, Int32Type>(&mut group, rows.iter().map(|(_, receipt)| prompt(receipt)))?;
        let completion = |receipt: &Countersigned| receipt.receipt().completion_tokens.cast_signed();
        column::<_, Int32Type>(&mut group, rows.iter().map(|(_, receipt)| completion(receipt)))?;
        let outcome = |receipt: &Countersigned| text(format!("{:?}", receipt.observation().outcome));
        column::<_, ByteArrayType>(&mut group, rows.iter().map(|(_, receipt)| outcome(receipt)))?;
        group.close().map(drop)
    }
}

fn column<W: Write + Send, T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = T::T>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General("more columns written than the schema has".into()));
    };
    column.typed::<T>().write_batch(&values.collect::<Vec<_>>(), None, None)?;
    column.close()
}

/// A file's leaves in its order, some at a time: in memory are those given and the pages that they came from. Nothing is checked but
/// that it is a file of leaves, in the form in which they are written here.
pub struct LeafReader {
    file: Bytes,
    schema: SchemaDescriptor,
    waiting: VecDeque<pages::Group>,
    group: Option<Group>,
}

/// A row group that is being read.
struct Group {
    rows_left: usize,
    index: ColumnReaderImpl<Int64Type>,
    leaf: ColumnReaderImpl<FixedLenByteArrayType>,
    record: ColumnReaderImpl<ByteArrayType>,
}

impl LeafReader {
    /// Opens a file with no more leaves than `rows_max`.
    ///
    /// # Errors
    /// When it has more, or is none.
    pub fn new(file: Bytes, rows_max: u64) -> Result<Self, ParquetError> {
        let waiting = pages::groups(&file, rows_max)?.into();
        // The file's own schema is not looked at: its columns are read as what they must be.
        let schema = SchemaDescriptor::new(Arc::new(parse_message_type(SCHEMA)?));
        Ok(Self { file, schema, waiting, group: None })
    }

    /// The next leaves, at most so many (of one row group, so it may be fewer). None at the end.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn read(&mut self, rows_max: usize) -> Result<Vec<Row>, ParquetError> {
        loop {
            match &mut self.group {
                Some(group) if group.rows_left > 0 => return group.read(rows_max),
                group => {
                    let Some(next) = self.waiting.pop_front() else { return Ok(Vec::new()) };
                    *group = Some(Group::open(&self.file, &self.schema, &next)?);
                }
            }
        }
    }
}

impl Group {
    fn open(file: &Bytes, schema: &SchemaDescriptor, group: &pages::Group) -> Result<Self, ParquetError> {
        let column = |number: usize| {
            let pages = Pages::of(file, group, number).ok_or_else(|| damaged("a column is missing"))?;
            Ok::<_, ParquetError>(get_column_reader(schema.column(number), Box::new(pages)))
        };
        let ColumnReader::Int64ColumnReader(index) = column(0)? else {
            return Err(damaged("column `index` is not a 64-bit integer"));
        };
        let ColumnReader::FixedLenByteArrayColumnReader(leaf) = column(1)? else {
            return Err(damaged("column `leaf` is not of fixed length"));
        };
        let ColumnReader::ByteArrayColumnReader(record) = column(2)? else {
            return Err(damaged("column `record` is not bytes"));
        };
        Ok(Self { rows_left: group.rows, index, leaf, record })
    }

    fn read(&mut self, rows_max: usize) -> Result<Vec<Row>, ParquetError> {
        let count = rows_max.min(self.rows_left);
        let (mut indexes, mut leaves, mut records) = (Vec::new(), Vec::new(), Vec::new());
        self.index.read_records(count, None, None, &mut indexes)?;
        self.leaf.read_records(count, None, None, &mut leaves)?;
        self.record.read_records(count, None, None, &mut records)?;
        if [indexes.len(), leaves.len(), records.len()] != [count; 3] {
            return Err(damaged("a row group's columns differ in length"));
        }
        self.rows_left = self.rows_left.saturating_sub(count);
        let rows = indexes.into_iter().zip(leaves).zip(records);
        rows.map(|((index, leaf), record)| {
            // Before it is copied: many rows of a small file may name one large value.
            if record.data().len() > COUNTERSIGNED_BYTES_MAX {
                return Err(damaged("a record is longer than any receipt"));
            }
            let leaf = leaf.data().try_into().map_err(|_| damaged("a leaf hash is not 32 bytes"))?;
            Ok(Row { index: index.cast_unsigned(), leaf: Digest(leaf), record: record.data().to_vec() })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of a few bytes whose records are all one large value of its dictionary.
    fn file_of(record: &[u8], rows: usize) -> Bytes {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(16 << 20)
            .build();
        let mut bytes = Vec::new();
        let mut file = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
        let mut group = file.next_row_group().unwrap();
        let numbers = || 0..rows as i64;
        let texts = |text: &[u8]| vec![ByteArray::from(text.to_vec()); rows].into_iter();
        column::<_, Int64Type>(&mut group, numbers()).unwrap();
        let leaf = FixedLenByteArray::from(vec![0; 32]);
        column::<_, FixedLenByteArrayType>(&mut group, vec![leaf; rows].into_iter()).unwrap();
        column::<_, ByteArrayType>(&mut group, texts(record)).unwrap();
        column::<_, Int64Type>(&mut group, numbers()).unwrap();
        column::<_, Int64Type>(&mut group, numbers()).unwrap();
        column::<_, ByteArrayType>(&mut group, texts(b"m")).unwrap();
        column::<_, Int32Type>(&mut group, vec![0; rows].into_iter()).unwrap();
        column::<_, Int32Type>(&mut group, vec![0; rows].into_iter()).unwrap();
        column::<_, ByteArrayType>(&mut group, texts(b"o")).unwrap();
        group.close().unwrap();
        file.close().unwrap();
        bytes.into()
    }

    #[test]
    fn many_rows_that_name_one_large_value_are_refused_before_it_is_copied() {
        let honest = LeafReader::new(file_of(&[7; COUNTERSIGNED_BYTES_MAX], 500), 500).unwrap().read(500);
        assert_eq!(honest.unwrap().len(), 500);
        // The footer is far from its limit.
        let file = file_of(&[7; COUNTERSIGNED_BYTES_MAX], 500);
        let footer = u32::from_le_bytes(*file[..file.len() - 4].last_chunk().unwrap());
        assert!(footer < 2 << 10, "{footer}");
        let large = file_of(&vec![7; 1 << 20], 4_000);
        assert!(large.len() < 1 << 20, "{}", large.len());
        let refused = LeafReader::new(large, 4_000).unwrap().read(4_000).unwrap_err();
        assert!(refused.to_string().contains("larger than its values can be"), "{refused}");
    }
}
