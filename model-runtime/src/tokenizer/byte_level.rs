//! The alphabet GPT-2 writes bytes in: printable characters stand for themselves, the other bytes for characters from U+0100 on.

/// The bytes a token's text stands for. Characters outside of the alphabet stand for their own UTF-8.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match byte(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The byte a character stands for.
fn byte(character: char) -> Option<u8> {
    match u32::from(character) {
        // Shifted, in order: 0x00 to 0x20, 0x7f to 0xa0, 0xad.
        code @ 0x100..=0x120 => u8::try_from(code - 0x100).ok(),
        code @ 0x121..=0x142 => u8::try_from(code - 0x121 + 0x7f).ok(),
        0x143 => Some(0xad),
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => u8::try_from(code).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    use super::*;

    #[test]
    fn every_byte_has_exactly_one_character_of_the_librarys_alphabet() {
        let alphabet = ByteLevel::alphabet();
        assert_eq!(alphabet.len(), 256);
        let bytes: BTreeSet<u8> = alphabet.into_iter().map(|character| byte(character).unwrap()).collect();
        assert_eq!(bytes.len(), 256);
    }

    #[test]
    fn the_known_characters_stand_for_space_and_newline() {
        assert_eq!(bytes("Ġthe"), b" the");
        assert_eq!(bytes("Ċ"), b"\n");
        assert_eq!(bytes("Ã©"), "é".as_bytes());
    }

    #[test]
    fn a_character_outside_of_the_alphabet_stands_for_itself() {
        assert_eq!(bytes("日"), "日".as_bytes());
    }
}
