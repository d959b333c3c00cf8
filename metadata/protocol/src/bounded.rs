//! SCALE decoding of variable-length fields with the limit checked before anything is allocated.

use parity_scale_codec::{Compact, Decode, Error, Input};

/// Reads a length-prefixed text of at most `bytes_max` bytes.
pub(crate) fn decode_text<I: Input>(input: &mut I, bytes_max: usize) -> Result<String, Error> {
    let length = decode_length(input, bytes_max)?;
    let mut bytes = vec![0; length];
    input.read(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Error::from("text is not UTF-8"))
}

/// Reads a length-prefixed list of at most `items_max` items.
pub(crate) fn decode_list<T: Decode, I: Input>(input: &mut I, items_max: usize) -> Result<Vec<T>, Error> {
    let length = decode_length(input, items_max)?;
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(T::decode(input)?);
    }
    Ok(items)
}

fn decode_length<I: Input>(input: &mut I, max: usize) -> Result<usize, Error> {
    let length = usize::try_from(Compact::<u32>::decode(input)?.0)
        .map_err(|_| Error::from("length is over its limit"))?;
    if length > max {
        return Err(Error::from("length is over its limit"));
    }
    Ok(length)
}
