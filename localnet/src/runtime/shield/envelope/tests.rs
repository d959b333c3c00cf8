use super::*;

/// Seals as a client does, with bytes in place of randomness.
fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let key = public_key();
    let (kem, secret) = mlkem768::encapsulate(KEYS.public_key(), [7; 32]);
    let nonce = [9; NONCE_BYTES];
    let body = XChaCha20Poly1305::new_from_slice(&secret)
        .unwrap()
        .encrypt(XNonce::from_slice(&nonce), plaintext)
        .unwrap();
    [&sp_crypto_hashing::twox_128(&key)[..], &1088u16.to_le_bytes(), kem.as_slice(), &nonce, &body].concat()
}

#[test]
fn what_a_client_seals_the_author_opens() {
    let ciphertext = sealed(b"a signed transaction");
    assert_eq!(ciphertext.len(), 16 + 2 + 1088 + 24 + 20 + 16);
    assert_eq!(Envelope::parse(&ciphertext).unwrap().open().unwrap(), b"a signed transaction");
}

#[test]
fn an_envelope_cut_short_or_with_another_length_is_no_envelope() {
    let ciphertext = sealed(b"x");
    for length in [0, 15, 17, 1_000, 16 + 2 + 1088 + 23] {
        assert_eq!(Envelope::parse(&ciphertext[..length]).unwrap_err(), EnvelopeError::Layout, "{length}");
    }
    let mut other = ciphertext;
    other[16] ^= 1;
    assert_eq!(Envelope::parse(&other).unwrap_err(), EnvelopeError::Layout);
}

#[test]
fn an_envelope_for_another_key_or_changed_does_not_open() {
    let mut other = sealed(b"x");
    other[0] ^= 1;
    assert_eq!(Envelope::parse(&other).unwrap_err(), EnvelopeError::Key);
    for place in [18, 16 + 2 + 1088, 16 + 2 + 1088 + 24] {
        let mut changed = sealed(b"x");
        changed[place] ^= 1;
        assert_eq!(Envelope::parse(&changed).unwrap().open().unwrap_err(), EnvelopeError::Sealed, "{place}");
    }
}
