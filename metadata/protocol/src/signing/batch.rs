//! Many signatures checked in one multi-scalar multiplication, without a random source.
//!
//! Batch verification adds the equations of all signatures, each times a coefficient that the signers cannot
//! have known. The coefficients may come from a hash instead of a random source only if the hash covers
//! everything the signers chose. schnorrkel's `verify_batch_deterministic` leaves out the `s` half of the
//! signatures: whoever holds two valid signatures can then shift one up and the other down, and the pair
//! passes together although each fails alone, so that two honest auditors disagree about one log. We hash
//! every whole signature, with its domain, account and message, and give that digest to `verify_batch_rng` as
//! its randomness. Then the result equals checking one by one, up to a chance of 2^-128, on every node.

use schnorrkel::{PublicKey, signing_context, verify_batch_rng};

use super::{BadSignature, CONTEXT, Domain, FixedRng, Signature, parse, public_of};
use crate::account::AccountId;
use crate::digest::Hasher;

/// Checks all signatures at once: [`super::verify`] accepts each of them, or this fails. It does not say
/// which one is bad.
pub fn verify_batch<M: AsRef<[u8]>>(items: &[(Domain, AccountId, M, Signature)]) -> Result<(), BadSignature> {
    let mut sorted: Vec<&(Domain, AccountId, M, Signature)> = items.iter().collect();
    sorted.sort_by_key(|(_, account, ..)| *account);
    let mut coefficients = Hasher::new();
    coefficients.update(b"SN_BATCH_V1\0");
    let mut publics: Vec<PublicKey> = Vec::with_capacity(items.len());
    let mut signatures: Vec<schnorrkel::Signature> = Vec::with_capacity(items.len());
    let mut transcripts = Vec::with_capacity(items.len());
    let mut previous: Option<(AccountId, PublicKey)> = None;
    for (domain, account, message, signature) in sorted {
        let public = match previous {
            Some((same, public)) if same == *account => public,
            _ => public_of(account)?,
        };
        previous = Some((*account, public));
        let bytes = domain.wrap(message.as_ref());
        coefficients.update(&account.0);
        coefficients.update(&signature.0);
        coefficients.update(&length_bytes(&bytes));
        coefficients.update(&bytes);
        publics.push(public);
        signatures.push(parse(signature)?);
        transcripts.push(signing_context(CONTEXT).bytes(&bytes));
    }
    let rng = FixedRng::of(coefficients.finish().0);
    // What schnorrkel calls deduplication adds up the coefficients of equal keys that follow each other.
    verify_batch_rng(transcripts, &signatures, &publics, true, rng).map_err(|_| BadSignature)
}

fn length_bytes(bytes: &[u8]) -> [u8; 8] {
    u64::try_from(bytes.len()).expect("a length in memory fits 64 bits").to_le_bytes()
}
