//! From words to the 32-byte seed, as Substrate does it: the words' entropy, not their text, goes into PBKDF2.

use bip39::{Language, Mnemonic};
use pbkdf2::pbkdf2_hmac;
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::WalletError;

const ROUNDS: u32 = 2048;
const SALT: &[u8] = b"mnemonic";

/// Twelve words of the system's randomness.
pub(super) fn generate() -> Result<Zeroizing<String>, WalletError> {
    let mut entropy = Zeroizing::new([0u8; 16]);
    getrandom::fill(entropy.as_mut())
        .map_err(|error| WalletError::NoRandomness { reason: error.to_string() })?;
    let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy.as_ref());
    let mnemonic = mnemonic.expect("16 bytes are a valid length of entropy");
    Ok(Zeroizing::new(mnemonic.to_string()))
}

/// The seed behind a phrase without password.
pub(super) fn seed(phrase: &str) -> Result<Zeroizing<[u8; 32]>, WalletError> {
    let words = Zeroizing::new(phrase.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
    let mnemonic =
        Mnemonic::parse_in_normalized(Language::English, &words).map_err(|_| WalletError::BadPhrase)?;
    let (entropy, length) = mnemonic.to_entropy_array();
    let entropy = Zeroizing::new(entropy);
    let mut seed = Zeroizing::new([0; 32]);
    // PBKDF2's first block does not depend on how many are asked for, so 32 of the 64 bytes can be asked for alone.
    pbkdf2_hmac::<Sha512>(&entropy[..length], SALT, ROUNDS, seed.as_mut());
    Ok(seed)
}

/// The 64 bytes that key files call `privateKey`: the seed's expansion with the scalar divided by the cofactor, which is how
/// schnorrkel writes a secret key.
pub(super) fn expand(seed: &[u8; 32]) -> Zeroizing<[u8; 64]> {
    let mut secret = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
    secret[0] &= 0b1111_1000;
    secret[31] &= 0b0011_1111;
    secret[31] |= 0b0100_0000;
    let mut high = 0;
    for byte in secret[..32].iter_mut().rev() {
        let low = *byte & 0b111;
        *byte = (*byte >> 3) | (high << 5);
        high = low;
    }
    secret
}

/// The inverse of that division, for reading: `None` if the bytes cannot be a divided scalar.
pub(super) fn times_cofactor(secret: &[u8; 64]) -> Option<Zeroizing<[u8; 64]>> {
    let mut secret = Zeroizing::new(*secret);
    let mut carry = 0;
    for byte in &mut secret[..32] {
        let high = *byte >> 5;
        *byte = (*byte << 3) | carry;
        carry = high;
    }
    (carry == 0).then_some(secret)
}

#[cfg(test)]
mod tests {
    use protocol::signing::Keypair;

    use super::*;

    #[test]
    fn the_development_phrase_has_its_well_known_seed() {
        let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";
        let expected = "fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e";
        assert_eq!(hex::encode(*seed(phrase).unwrap()), expected);
        assert_eq!(
            seed(&format!("  {} ", phrase.to_uppercase().replace(' ', "  "))).unwrap(),
            seed(phrase).unwrap()
        );
    }

    #[test]
    fn a_phrase_with_a_wrong_word_is_refused() {
        let phrase = "bottom drive obey lake curtain smoke basket hold race lonely fit fit";
        assert!(matches!(seed(phrase), Err(WalletError::BadPhrase)));
        assert!(matches!(seed(""), Err(WalletError::BadPhrase)));
    }

    #[test]
    fn generated_phrases_are_valid_and_differ() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_eq!(one.split(' ').count(), 12);
        assert_ne!(*one, *two);
        seed(&one).unwrap();
    }

    #[test]
    fn expanded_secret_gives_the_key_of_its_seed() {
        for first in 0..=255u8 {
            let seed = [first; 32];
            let expanded = times_cofactor(&expand(&seed)).unwrap();
            let keypair = Keypair::from_secret(&expanded).unwrap();
            assert_eq!(keypair.public(), Keypair::from_seed(&seed).public());
        }
    }

    #[test]
    fn bytes_too_large_for_a_divided_scalar_are_not_multiplied() {
        assert!(times_cofactor(&[0xff; 64]).is_none());
    }
}
