//! Reads the header: a cursor that never runs past the end, and the checks on what it finds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

use super::value::{Array, Value, ValueKind};
use super::{GgufError, TensorInfo};
use crate::weights::blocks::TensorType;

/// Entries of metadata and tensors a file may have; the largest models have a few thousand.
const ENTRIES_MAX: u64 = 1 << 16;
/// Bytes of a key or a tensor's name (the format says 65535).
const NAME_BYTES_MAX: u64 = u16::MAX as u64;
/// Lists inside of lists.
const ARRAY_DEPTH_MAX: u32 = 4;
const DIMENSIONS_MAX: u64 = 4;
const ALIGNMENT_DEFAULT: u64 = 32;
const ALIGNMENT_MAX: u64 = 1 << 16;

pub(super) struct Header {
    pub(super) version: u32,
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, TensorInfo>,
}

pub(super) fn read(bytes: &[u8]) -> Result<Header, GgufError> {
    let mut cursor = Cursor::new(bytes);
    let found = *cursor.array::<4>("the magic number")?;
    if &found != b"GGUF" {
        return Err(GgufError::Magic { found });
    }
    let version = cursor.u32("the version")?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version(version));
    }
    let tensor_count = limited("number of tensors", cursor.u64("the number of tensors")?, ENTRIES_MAX)?;
    let metadata_count =
        limited("number of metadata entries", cursor.u64("the number of metadata entries")?, ENTRIES_MAX)?;
    let metadata = metadata(&mut cursor, metadata_count)?;
    let mut raw = Vec::new();
    for _ in 0..tensor_count {
        raw.push(RawTensor::read(&mut cursor)?);
    }
    let alignment = alignment(&metadata)?;
    let data_start = (cursor.position as u64).next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    for raw in raw {
        let (name, info) = raw.check(data_start, alignment, bytes.len() as u64)?;
        insert(&mut tensors, "tensor", name, info)?;
    }
    Ok(Header { version, metadata, tensors })
}

fn metadata(cursor: &mut Cursor<'_>, count: u64) -> Result<BTreeMap<String, Value>, GgufError> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.name("a metadata key")?;
        let kind = cursor.kind(&key)?;
        let value = cursor.value(&key, kind)?;
        insert(&mut metadata, "metadata", key, value)?;
    }
    Ok(metadata)
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64, GgufError> {
    let alignment =
        metadata.get("general.alignment").map_or(Some(ALIGNMENT_DEFAULT), Value::unsigned).unwrap_or(0);
    if alignment.is_power_of_two() && alignment <= ALIGNMENT_MAX {
        Ok(alignment)
    } else {
        Err(GgufError::Alignment(alignment))
    }
}

fn insert<T>(
    map: &mut BTreeMap<String, T>,
    what: &'static str,
    name: String,
    value: T,
) -> Result<(), GgufError> {
    match map.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(value);
            Ok(())
        }
        Entry::Occupied(entry) => Err(GgufError::Duplicate { what, name: entry.key().clone() }),
    }
}

fn limited(what: &'static str, found: u64, limit: u64) -> Result<u64, GgufError> {
    if found <= limit { Ok(found) } else { Err(GgufError::TooMany { what, found, limit }) }
}

/// A tensor's entry before its place in the file is known.
struct RawTensor {
    name: String,
    dimensions: Vec<u64>,
    kind: TensorType,
    offset: u64,
}

impl RawTensor {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, GgufError> {
        let name = cursor.name("a tensor's name")?;
        let rank = limited("number of dimensions", cursor.u32("a tensor's rank")?.into(), DIMENSIONS_MAX)?;
        let dimensions = (0..rank).map(|_| cursor.u64("a tensor's sizes")).collect::<Result<_, _>>()?;
        let kind = TensorType::from_id(cursor.u32("a tensor's type")?);
        let offset = cursor.u64("a tensor's offset")?;
        Ok(Self { name, dimensions, kind, offset })
    }

    fn check(
        self,
        data_start: u64,
        alignment: u64,
        file_bytes: u64,
    ) -> Result<(String, TensorInfo), GgufError> {
        let Self { name, dimensions, kind, offset } = self;
        if !offset.is_multiple_of(alignment) {
            return Err(GgufError::Misaligned { name, offset, alignment });
        }
        let Some(sizes) = Sizes::of(&dimensions, kind) else {
            return Err(GgufError::Shape { name, dimensions });
        };
        let start = data_start.saturating_add(offset);
        let end = start.saturating_add(sizes.bytes.unwrap_or(0));
        if end > file_bytes {
            return Err(GgufError::OutOfBounds { name, end, file_bytes });
        }
        // Everything up to `file_bytes` fits a usize: the file is in our address space.
        let range = sizes.bytes.map(|_| start as usize..end as usize);
        Ok((name, TensorInfo { dimensions: sizes.dimensions, kind, weights: sizes.weights, range }))
    }
}

struct Sizes {
    dimensions: Vec<usize>,
    weights: usize,
    bytes: Option<u64>,
}

impl Sizes {
    /// `None` when a size is zero, the product overflows, or rows are not whole blocks.
    fn of(dimensions: &[u64], kind: TensorType) -> Option<Self> {
        let dimensions =
            dimensions.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<Vec<_>>>()?;
        let weights = dimensions.iter().try_fold(1_usize, |product, size| product.checked_mul(*size))?;
        if weights == 0 {
            return None;
        }
        let bytes = match kind.known() {
            None => None,
            Some(block) => {
                let row = dimensions.first().copied().unwrap_or(1);
                if !row.is_multiple_of(block.weights()) {
                    return None;
                }
                Some((weights / block.weights()).checked_mul(block.bytes())? as u64)
            }
        };
        Some(Self { dimensions, weights, bytes })
    }
}

/// Reads little-endian values and never runs past the end.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    fn left(&self) -> u64 {
        (self.bytes.len() - self.position) as u64
    }

    fn take(&mut self, what: &'static str, needed: u64) -> Result<Range<usize>, GgufError> {
        let left = self.left();
        if needed > left {
            return Err(GgufError::Truncated { what, needed, left });
        }
        let start = self.position;
        self.position += needed as usize;
        Ok(start..self.position)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], GgufError> {
        let range = self.take(what, N as u64)?;
        Ok(self.bytes[range].first_chunk().expect("exactly N bytes were taken"))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// A length and that many bytes.
    fn text_range(&mut self, what: &'static str) -> Result<Range<usize>, GgufError> {
        let length = self.u64(what)?;
        self.take(what, length)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<&'a [u8], GgufError> {
        let range = self.text_range(what)?;
        Ok(&self.bytes[range])
    }

    fn name(&mut self, what: &'static str) -> Result<String, GgufError> {
        let bytes = self.text(what)?;
        limited(what, bytes.len() as u64, NAME_BYTES_MAX)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| GgufError::NotText { what })
    }

    fn kind(&mut self, key: &str) -> Result<ValueKind, GgufError> {
        let id = self.u32("a value's type")?;
        ValueKind::from_id(id).ok_or_else(|| GgufError::UnknownValueType { key: key.to_owned(), id })
    }

    fn value(&mut self, key: &str, kind: ValueKind) -> Result<Value, GgufError> {
        const WHAT: &str = "a metadata value";
        Ok(match kind {
            ValueKind::U8 => Value::Unsigned(self.array::<1>(WHAT)?[0].into()),
            ValueKind::I8 => Value::Signed(self.array::<1>(WHAT)?[0].cast_signed().into()),
            ValueKind::U16 => Value::Unsigned(u16::from_le_bytes(*self.array(WHAT)?).into()),
            ValueKind::I16 => Value::Signed(i16::from_le_bytes(*self.array(WHAT)?).into()),
            ValueKind::U32 => Value::Unsigned(self.u32(WHAT)?.into()),
            ValueKind::I32 => Value::Signed(self.u32(WHAT)?.cast_signed().into()),
            ValueKind::U64 => Value::Unsigned(self.u64(WHAT)?),
            ValueKind::I64 => Value::Signed(self.u64(WHAT)?.cast_signed()),
            ValueKind::F32 => Value::Float(f32::from_le_bytes(*self.array(WHAT)?).into()),
            ValueKind::F64 => Value::Float(f64::from_le_bytes(*self.array(WHAT)?)),
            ValueKind::Bool => Value::Bool(self.array::<1>(WHAT)?[0] != 0),
            ValueKind::Text => Value::Text(self.text_range(WHAT)?),
            ValueKind::Array => Value::Array(self.list(key, ARRAY_DEPTH_MAX)?),
        })
    }

    /// Walks over a list without copying it.
    fn list(&mut self, key: &str, depth_left: u32) -> Result<Array, GgufError> {
        const WHAT: &str = "a metadata list";
        if depth_left == 0 {
            return Err(GgufError::TooMany {
                what: "lists inside of lists",
                found: u64::from(ARRAY_DEPTH_MAX) + 1,
                limit: ARRAY_DEPTH_MAX.into(),
            });
        }
        let kind = self.kind(key)?;
        let count = self.u64(WHAT)?;
        let start = self.position;
        match kind.bytes() {
            Some(bytes) => {
                self.take(WHAT, count.saturating_mul(bytes as u64))?;
            }
            // Each round consumes at least eight bytes, so a huge count ends at the end of the file.
            None => {
                for _ in 0..count {
                    if kind == ValueKind::Text {
                        self.text_range(WHAT)?;
                    } else {
                        self.list(key, depth_left - 1)?;
                    }
                }
            }
        }
        Ok(Array { kind, count: count as usize, range: start..self.position })
    }
}
