//! Signing a text, as `btcli wallet sign` does: the bytes of the text and nothing around them, so that everybody's tools can
//! check it.
//!
//! Nothing around them is a danger: a stranger who asks for a signature over "a text" may ask for one over a transaction. So
//! what could be anything but a text for people is refused.

use protocol::AccountId;
use protocol::signing::{BadSignature, Domain, Keypair, Signature, verify};

/// Domains whose signatures must not be obtained this way.
const RESERVED: [&str; 2] = ["btauth/", "SN_"];

/// A hash of a long transaction is signed in place of it.
const HASH_BYTES: usize = 32;

/// Why a text is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It has characters that no text has.
    #[error("the message has control characters: it may be a transaction in disguise")]
    NotText,
    /// It is what nodes sign for each other.
    #[error("the message begins like a signed request or a receipt")]
    Reserved,
    /// Its length is that of a transaction's hash, and it does not look like a word or a number.
    #[error("the message has exactly 32 bytes: it may be the hash of a transaction")]
    Hash,
}

impl MessageError {
    /// What the operator can do about it.
    pub fn hint(&self) -> &'static str {
        "sign only texts that you can read and mean; if this one is harmless, add words to it"
    }
}

/// Signs the UTF-8 bytes of a text.
pub fn sign_text(key: &Keypair, text: &str) -> Result<Signature, MessageError> {
    check(text)?;
    Ok(key.sign(Domain::Message, text.as_bytes()))
}

/// Checks that `account` signed the text.
pub fn verify_text(account: &AccountId, text: &str, signature: &Signature) -> Result<(), BadSignature> {
    verify(Domain::Message, account, text.as_bytes(), signature)
}

fn check(text: &str) -> Result<(), MessageError> {
    if text.chars().any(|char| char.is_control() && !matches!(char, '\n' | '\r' | '\t')) {
        return Err(MessageError::NotText);
    }
    if RESERVED.iter().any(|start| text.starts_with(start)) {
        return Err(MessageError::Reserved);
    }
    // Few hashes consist of letters and digits only: one in 2^65.
    if text.len() == HASH_BYTES && !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(MessageError::Hash);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_text_verifies_for_its_signer_only() {
        let (alice, bob) =
            (Keypair::from_dev_uri("//Alice").unwrap(), Keypair::from_dev_uri("//Bob").unwrap());
        let signature = sign_text(&alice, "I own this key.\n").unwrap();
        verify_text(&alice.public(), "I own this key.\n", &signature).unwrap();
        assert!(verify_text(&bob.public(), "I own this key.\n", &signature).is_err());
        assert!(verify_text(&alice.public(), "I own this key.", &signature).is_err());
    }

    #[test]
    fn what_may_be_a_transaction_or_a_request_is_not_signed() {
        let alice = Keypair::from_dev_uri("//Alice").unwrap();
        for (text, error) in [
            ("\u{5}\u{3}transfer", MessageError::NotText),
            ("a\0b", MessageError::NotText),
            ("btauth/1\nsr25519", MessageError::Reserved),
            ("SN_RECEIPT_V1", MessageError::Reserved),
            ("exactly thirty-two bytes of text", MessageError::Hash),
        ] {
            assert_eq!(sign_text(&alice, text), Err(error), "{text:?}");
        }
        for text in ["", "d41d8cd98f00b204e9800998ecf8427e", "Grüße", "two\nlines"] {
            sign_text(&alice, text).unwrap();
        }
    }
}
