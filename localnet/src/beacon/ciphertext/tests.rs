//! The official library's ciphertexts, and bytes that are none.

use super::*;

/// The signature of quicknet's round 1000, to which every vector is encrypted.
const SIGNATURE: &str =
    "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";

/// Name, plaintext, ciphertext; made by `tests/oracles/timelock_vectors.py`.
fn vectors() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    include_str!("vectors.txt")
        .lines()
        .map(|line| {
            let mut parts = line.split(' ');
            let mut part = || parts.next().expect("a vector has three parts");
            (part(), hex::decode(part()).expect("hex"), hex::decode(part()).expect("hex"))
        })
        .collect()
}

fn vector(name: &str) -> (Vec<u8>, Vec<u8>) {
    let (_, plaintext, ciphertext) =
        vectors().into_iter().find(|(found, ..)| *found == name).expect("a vector of this name");
    (plaintext, ciphertext)
}

fn signature() -> Vec<u8> {
    hex::decode(SIGNATURE).expect("hex")
}

#[test]
fn ciphertexts_of_the_official_library_open_with_the_round_s_signature() {
    for name in ["weights", "weights-of-256", "weights-without-hotkey", "commitment"] {
        let (plaintext, ciphertext) = vector(name);
        assert_eq!(open(&ciphertext, &signature()).as_ref(), Ok(&plaintext), "{name}");
        assert_eq!(ciphertext.len(), plaintext.len() + OVERHEAD_BYTES, "{name}");
    }
}

#[test]
fn a_signature_may_be_marked_as_hex_the_way_old_pulses_were() {
    let (plaintext, ciphertext) = vector("weights");
    let marked = [b"0x".as_slice(), &signature()].concat();
    assert_eq!(open(&ciphertext, &marked), Ok(plaintext));
}

#[test]
fn another_signature_or_a_changed_ciphertext_opens_nothing() {
    let (_, ciphertext) = vector("weights");
    let other = super::super::BeaconKey::from_seed(&[0; 32]).sign(1_000);
    assert_eq!(open(&ciphertext, &other), Err(OpenError::Decrypt));
    assert_eq!(open(&ciphertext, &[0; SIGNATURE_BYTES]), Err(OpenError::Signature));
    assert_eq!(open(&ciphertext, &signature()[1..]), Err(OpenError::Signature));
    // V, W, the sealed bytes, the nonce.
    for at in [104, 144, 192, ciphertext.len() - 17] {
        let mut changed = ciphertext.clone();
        changed[at] ^= 1;
        assert_eq!(open(&changed, &signature()), Err(OpenError::Decrypt), "byte {at}");
    }
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_allocated() {
    let (_, ciphertext) = vector("weights");
    // Where the six lengths stand, of which the last two follow the sealed bytes.
    let sealed_bytes = ciphertext.len() - OVERHEAD_BYTES + TAG_BYTES;
    for at in [96, 136, 176, 184, 192 + sealed_bytes, ciphertext.len() - 16] {
        for lie in [0, 7, 33, u64::from(u32::MAX), u64::MAX] {
            let mut changed = ciphertext.clone();
            changed[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            assert_eq!(open(&changed, &signature()), Err(OpenError::Ciphertext), "{lie} at {at}");
        }
    }
}

#[test]
fn no_part_of_a_ciphertext_and_nothing_longer_is_one() {
    let (_, ciphertext) = vector("commitment");
    for end in 0..ciphertext.len() {
        assert_eq!(open(&ciphertext[..end], &signature()), Err(OpenError::Ciphertext), "{end} bytes");
    }
    let longer = [ciphertext.as_slice(), &[0]].concat();
    assert_eq!(open(&longer, &signature()), Err(OpenError::Ciphertext));
    assert_eq!(open(&[0xff; 512], &signature()), Err(OpenError::Ciphertext));
}
