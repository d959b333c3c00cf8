use std::ops::Range;

/// Types of metadata values, numbered as the format numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ValueKind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    Array,
    U64,
    I64,
    F64,
}

impl ValueKind {
    pub(super) fn from_id(id: u32) -> Option<Self> {
        const KINDS: [ValueKind; 13] = [
            ValueKind::U8,
            ValueKind::I8,
            ValueKind::U16,
            ValueKind::I16,
            ValueKind::U32,
            ValueKind::I32,
            ValueKind::F32,
            ValueKind::Bool,
            ValueKind::Text,
            ValueKind::Array,
            ValueKind::U64,
            ValueKind::I64,
            ValueKind::F64,
        ];
        KINDS.get(usize::try_from(id).ok()?).copied()
    }

    /// Bytes of one value; `None` where it varies.
    pub(super) fn bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::Array => None,
        }
    }
}

/// A metadata value. Texts and arrays stay in the file: this says where.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Any of the unsigned kinds.
    Unsigned(u64),
    /// Any of the signed kinds.
    Signed(i64),
    /// Either of the float kinds.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Where the text's bytes lie.
    Text(Range<usize>),
    /// A list.
    Array(Array),
}

/// A list of values that stayed in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// What it holds.
    pub kind: ValueKind,
    /// How many.
    pub count: usize,
    /// Where its values lie.
    pub range: Range<usize>,
}

impl Value {
    pub(super) fn unsigned(&self) -> Option<u64> {
        match *self {
            Self::Unsigned(value) => Some(value),
            Self::Signed(value) => u64::try_from(value).ok(),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a reader of a number as float wants the nearest float")]
    pub(super) fn float(&self) -> Option<f64> {
        match *self {
            Self::Float(value) => Some(value),
            Self::Unsigned(value) => Some(value as f64),
            Self::Signed(value) => Some(value as f64),
            _ => None,
        }
    }

    pub(super) fn array(&self, kind: ValueKind) -> Option<&Array> {
        match self {
            Self::Array(array) if array.kind == kind => Some(array),
            _ => None,
        }
    }
}
