//! Finding a file's row groups and reading their pages, trusting no number in it: a file of a few bytes can claim a footer, a page or a
//! dictionary of any size, and readers allocate what is claimed.
//!
//! So footer and page headers are read here ([`super::thrift`]), and only in the form in which [`super::leaves`] writes them: one schema,
//! Snappy or nothing, values as they are or by a dictionary. Limits follow from how many rows a file has by its manifest: all that is
//! unpacked of the parts of a slice is no more than some times what its leaves can have together, into however many parts it is cut.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::ParquetError;
use protocol::receipt::COUNTERSIGNED_BYTES_MAX;

use super::GROUP_LEAVES_MAX;
use super::thrift::Fields;

/// Bytes of the footer, and more for each row group. With one group of the longest receipts it has 1,287: what is repeated there of values
/// is short.
const FOOTER_BYTES_MAX: usize = 16 << 10;
const FOOTER_GROUP_BYTES_MAX: usize = 8 << 10;
/// Bytes of a page's header: it repeats the least and the greatest of its values at most twice.
const HEADER_BYTES_MAX: usize = 4 * COUNTERSIGNED_BYTES_MAX + 1_024;
/// Bytes of a page beside its values.
const PAGE_BYTES_MORE: usize = 1_024;
/// Bytes of one value of the columns that are read: `index`, `leaf` and `record`, a length before the last.
const VALUE_BYTES_MAX: [usize; 3] = [8, 32, 4 + COUNTERSIGNED_BYTES_MAX];
/// What Parquet calls their types: 64-bit numbers, bytes of a fixed length, bytes.
const TYPES: [i64; 3] = [2, 7, 6];

const MAGIC: &[u8] = b"PAR1";

/// Where the leaves of a row group lie.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) rows: usize,
    pub(super) columns: [Chunk; 3],
}

/// Where a column of a row group lies, and how.
#[derive(Debug)]
pub(super) struct Chunk {
    place: Range<usize>,
    is_packed: bool,
}

pub(super) fn damaged(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// The row groups of a file with no more rows than `rows_max`.
pub(super) fn groups(file: &[u8], rows_max: u64) -> Result<Vec<Group>, ParquetError> {
    let footer = footer(file, rows_max)?;
    let (fields, _) = Fields::read(footer).ok_or_else(|| damaged("the footer cannot be read"))?;
    let groups = fields.list(4).ok_or_else(|| damaged("the footer names no row groups"))?;
    let groups = groups.into_iter().map(|group| Group::of(group, file.len()));
    let groups = groups.collect::<Result<Vec<_>, _>>()?;
    let rows = groups.iter().fold(0_u64, |rows, group| rows.saturating_add(group.rows as u64));
    if rows > rows_max {
        return Err(damaged("the file has more leaves than the manifest says"));
    }
    Ok(groups)
}

fn footer(file: &[u8], rows_max: u64) -> Result<&[u8], ParquetError> {
    let groups_max = usize::try_from(rows_max).unwrap_or(usize::MAX).div_ceil(GROUP_LEAVES_MAX);
    let bytes_max = groups_max.saturating_mul(FOOTER_GROUP_BYTES_MAX).saturating_add(FOOTER_BYTES_MAX);
    let rest = file.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix(MAGIC));
    let (rest, length) = rest.and_then(<[u8]>::split_last_chunk).ok_or_else(|| damaged("no Parquet file"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > bytes_max {
        return Err(damaged("the footer is larger than any that is written here"));
    }
    let start = rest.len().checked_sub(length).ok_or_else(|| damaged("the footer is cut off"))?;
    Ok(rest.get(start..).unwrap_or_default())
}

impl Group {
    fn of(group: &Fields<'_>, file_bytes: usize) -> Result<Self, ParquetError> {
        let rows = group.length(3).ok_or_else(|| damaged("a row group does not say how many rows it has"))?;
        if rows > GROUP_LEAVES_MAX {
            return Err(damaged("a row group is larger than any that is written here"));
        }
        let columns = group.list(1).unwrap_or_default();
        let column = |number: usize| {
            let column = columns.get(number).and_then(|column| column.fields(3));
            column.ok_or_else(|| damaged("a row group has fewer columns than leaves have"))
        };
        let chunk = |number: usize| Chunk::of(column(number)?, TYPES.get(number).copied(), file_bytes);
        Ok(Self { rows, columns: [chunk(0)?, chunk(1)?, chunk(2)?] })
    }
}

impl Chunk {
    fn of(column: &Fields<'_>, kind: Option<i64>, file_bytes: usize) -> Result<Self, ParquetError> {
        if column.int(1) != kind {
            return Err(damaged("a column is of another type than that of leaves"));
        }
        let is_packed = match column.int(4) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(damaged("a column is packed in another way than those that are written here")),
        };
        // The dictionary lies before the values.
        let start = column.length(11).or(column.length(9));
        let place = start.zip(column.length(7));
        let place = place.and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let place = place.filter(|place| place.end <= file_bytes);
        Ok(Self { place: place.ok_or_else(|| damaged("a column lies outside of the file"))?, is_packed })
    }
}

/// The pages of a column in a row group.
pub(super) struct Pages {
    file: Bytes,
    rest: Range<usize>,
    is_packed: bool,
    /// Rows of the group: a page has no more values.
    rows: usize,
    value_bytes_max: usize,
    is_first: bool,
}

/// A page's header.
struct Header {
    is_dictionary: bool,
    values: usize,
    encoding: Encoding,
    bytes_packed: usize,
    bytes: usize,
}

impl Pages {
    /// Those of column number `column`.
    pub(super) fn of(file: &Bytes, group: &Group, column: usize) -> Option<Self> {
        let Chunk { place, is_packed } = group.columns.get(column)?;
        Some(Self {
            file: file.clone(),
            rest: place.clone(),
            is_packed: *is_packed,
            rows: group.rows,
            value_bytes_max: *VALUE_BYTES_MAX.get(column)?,
            is_first: true,
        })
    }

    fn read(&mut self) -> Result<Option<Page>, ParquetError> {
        let rest = self.file.get(self.rest.clone()).unwrap_or_default();
        if rest.is_empty() {
            return Ok(None);
        }
        let start = rest.get(..HEADER_BYTES_MAX.min(rest.len())).unwrap_or_default();
        let (header, length) = Fields::read(start).ok_or_else(|| damaged("a page has no header"))?;
        let header =
            Header::of(&header).ok_or_else(|| damaged("a page is of another form than those here"))?;
        if header.is_dictionary && !std::mem::take(&mut self.is_first) {
            return Err(damaged("a dictionary does not stand first"));
        }
        self.is_first = false;
        if header.values > self.rows {
            return Err(damaged("a page has more values than its row group"));
        }
        let bytes_max = header.values.saturating_mul(self.value_bytes_max).saturating_add(PAGE_BYTES_MORE);
        if header.bytes > bytes_max {
            return Err(damaged("a page is larger than its values can be"));
        }
        let from = self.rest.start.saturating_add(length);
        let end = from.checked_add(header.bytes_packed).filter(|end| *end <= self.rest.end);
        let end = end.ok_or_else(|| damaged("a page is cut off"))?;
        self.rest.start = end;
        let packed = self.file.slice(from..end);
        let bytes = if self.is_packed { unpacked(&packed, header.bytes)? } else { packed };
        if bytes.len() != header.bytes {
            return Err(damaged("a page has another length than its header says"));
        }
        header.with(bytes).map(Some)
    }
}

impl Header {
    fn of(header: &Fields<'_>) -> Option<Self> {
        let (is_dictionary, of_kind) = match header.int(1)? {
            0 => (false, header.fields(5)?),
            2 => (true, header.fields(7)?),
            _ => return None,
        };
        let encoding = match (of_kind.int(2)?, is_dictionary) {
            (0, _) | (2, true) => Encoding::PLAIN,
            (2 | 8, false) => Encoding::RLE_DICTIONARY,
            _ => return None,
        };
        let (values, bytes, bytes_packed) = (of_kind.length(1)?, header.length(2)?, header.length(3)?);
        Some(Self { is_dictionary, values, encoding, bytes_packed, bytes })
    }

    fn with(self, buf: Bytes) -> Result<Page, ParquetError> {
        let Self { is_dictionary, encoding, .. } = self;
        let num_values = u32::try_from(self.values).map_err(|_| damaged("a page has too many values"))?;
        Ok(if is_dictionary {
            Page::DictionaryPage { buf, num_values, encoding, is_sorted: false }
        } else {
            // There are no levels: every column of leaves is required.
            let level = Encoding::RLE;
            let (def_level_encoding, rep_level_encoding) = (level, level);
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                rep_level_encoding,
                statistics: None,
            }
        })
    }
}

/// Unpacks what says of itself, too, that it has so many bytes.
fn unpacked(packed: &[u8], bytes: usize) -> Result<Bytes, ParquetError> {
    if packed.is_empty() && bytes == 0 {
        return Ok(Bytes::new());
    }
    if snap::raw::decompress_len(packed).ok() != Some(bytes) {
        return Err(damaged("a page has another length than its header says"));
    }
    let unpacked = snap::raw::Decoder::new().decompress_vec(packed);
    unpacked.map(Bytes::from).map_err(|_| damaged("a page cannot be unpacked"))
}

impl Iterator for Pages {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        self.read()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        Err(damaged("pages are read one after another"))
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        Err(damaged("pages are read one after another"))
    }
}
