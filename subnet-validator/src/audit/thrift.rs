//! Reading Thrift's compact protocol, in which Parquet's footers and page headers are written, when somebody else wrote them.
//!
//! Nothing is allocated or repeated by a number that the bytes claim: every value takes a byte at least, so that what is read is never
//! more than some times the bytes given. Callers limit those.

/// How deep structures may nest. Parquet's nest five deep.
const DEPTH_MAX: u8 = 16;

/// A value as it is written. Numbers are not told apart by their width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'b> {
    /// A whole number.
    Int(i64),
    /// A list.
    List(Vec<Value<'b>>),
    /// A structure.
    Struct(Fields<'b>),
    /// Bytes, truth values and fractions, which nobody asks for here.
    Other(&'b [u8]),
}

/// The fields of a structure by their ascending numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields<'b>(Vec<(i64, Value<'b>)>);

impl<'b> Fields<'b> {
    /// The structure that the bytes begin with, and its length. `None` if they begin with none.
    pub(super) fn read(bytes: &'b [u8]) -> Option<(Self, usize)> {
        let mut input = Input { rest: bytes };
        let fields = input.fields(DEPTH_MAX)?;
        Some((fields, bytes.len().checked_sub(input.rest.len())?))
    }

    fn get(&self, number: i64) -> Option<&Value<'b>> {
        self.0.iter().find(|(found, _)| *found == number).map(|(_, value)| value)
    }

    /// A whole number.
    pub(super) fn int(&self, number: i64) -> Option<i64> {
        if let Value::Int(value) = self.get(number)? { Some(*value) } else { None }
    }

    /// A whole number that is a length, a count or a place.
    pub(super) fn length(&self, number: i64) -> Option<usize> {
        usize::try_from(self.int(number)?).ok()
    }

    /// A structure.
    pub(super) fn fields(&self, number: i64) -> Option<&Self> {
        if let Value::Struct(fields) = self.get(number)? { Some(fields) } else { None }
    }

    /// A list of structures.
    pub(super) fn list(&self, number: i64) -> Option<Vec<&Self>> {
        let Value::List(items) = self.get(number)? else { return None };
        items.iter().map(|item| if let Value::Struct(fields) = item { Some(fields) } else { None }).collect()
    }
}

/// What is still to be read.
struct Input<'b> {
    rest: &'b [u8],
}

impl<'b> Input<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// Seven bits a byte, lowest first.
    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// Signs alternate: 0, -1, 1, -2.
    fn signed(&mut self) -> Option<i64> {
        let value = self.unsigned()?;
        Some((value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg())
    }

    fn fields(&mut self, depth: u8) -> Option<Fields<'b>> {
        let depth = depth.checked_sub(1)?;
        let (mut fields, mut last) = (Vec::new(), 0_i64);
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Some(Fields(fields));
            }
            let number = match head >> 4 {
                0 => self.signed()?,
                more => last.checked_add(more.into())?,
            };
            // Ascending, so that none is doubled and two readers could see different ones.
            if number <= last {
                return None;
            }
            last = number;
            let value = match head & 0x0f {
                // Truth values of fields are in their kind.
                1 | 2 => Value::Other(&[]),
                kind => self.value(kind, depth)?,
            };
            fields.push((number, value));
        }
    }

    fn value(&mut self, kind: u8, depth: u8) -> Option<Value<'b>> {
        Some(match kind {
            1..=3 => Value::Int(self.byte()?.cast_signed().into()),
            4..=6 => Value::Int(self.signed()?),
            7 => Value::Other(self.take(8)?),
            8 => {
                let length = usize::try_from(self.unsigned()?).ok()?;
                Value::Other(self.take(length)?)
            }
            9 | 10 => Value::List(self.list(depth)?),
            12 => Value::Struct(self.fields(depth)?),
            // Parquet has no maps.
            _ => return None,
        })
    }

    fn list(&mut self, depth: u8) -> Option<Vec<Value<'b>>> {
        let depth = depth.checked_sub(1)?;
        let head = self.byte()?;
        let count = match head >> 4 {
            15 => self.unsigned()?,
            few => few.into(),
        };
        // Not reserved: the count is a claim.
        (0..count).map(|_| self.value(head & 0x0f, depth)).collect::<Option<_>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lists_and_structures_are_read_and_what_follows_is_left() {
        // 1: -3, 2: a text, 4: [{1: 300}, {}], 5: true, 20: {1: 1}.
        let bytes = [
            0x15, 5, 0x18, 2, b'h', b'i', 0x29, 0x2c, 0x15, 0xd8, 4, 0, 0, 0x11, 0x0c, 40, 0x15, 2, 0, 0, 99,
        ];
        let (fields, length) = Fields::read(&bytes).unwrap();
        assert_eq!((length, fields.int(1), fields.length(1)), (bytes.len() - 1, Some(-3), None));
        let list = fields.list(4).unwrap();
        assert_eq!((list.len(), list[0].length(1), list[1].int(1)), (2, Some(300), None));
        assert_eq!(fields.fields(20).unwrap().int(1), Some(1));
        assert_eq!((fields.int(2), fields.int(3), fields.list(1)), (None, None, None));
        for cut in 0..length {
            assert_eq!(Fields::read(&bytes[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn what_claims_more_than_it_has_nests_too_deep_or_doubles_a_field_is_refused() {
        let claims: [&[u8]; 6] = [
            // 2^31 truth values, as many structures, and a text of 2^63 bytes.
            &[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0],
            &[0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 7, 0],
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0],
            // Eleven bytes of a number.
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
            // Field 1 twice, and a map.
            &[0x15, 2, 0x05, 2, 4, 0],
            &[0x1b, 0, 0],
        ];
        for claim in claims {
            assert_eq!(Fields::read(claim), None, "{claim:?}");
        }
        assert_eq!(Fields::read(&[0x1c; 1 << 16]), None);
        assert_eq!(Fields::read(&[0x19; 1 << 16]), None);
    }
}
