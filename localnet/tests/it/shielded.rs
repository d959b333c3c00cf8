//! Shielded transactions, seen from outside. That an unmodified client's opens is checked by `scripts/check-chain-clients`.

use subxt::dynamic::Value;

use crate::client::{Client, Outcome, key};

#[tokio::test]
async fn the_pool_refuses_what_is_no_envelope_to_the_chain_s_key() {
    let client = Client::instant().await;
    let mut other_key = vec![0; 16 + 2 + 1088 + 24 + 16];
    other_key[16..18].copy_from_slice(&1088u16.to_le_bytes());
    for (ciphertext, code) in [(vec![1, 2, 3], 23), (other_key, 24)] {
        let arguments = vec![Value::from_bytes(ciphertext)];
        let outcome = client.submit("MevShield", "submit_encrypted", arguments, &key("//Alice")).await;
        assert_eq!(outcome, Outcome::Refused(1010, format!("Custom error: {code}")));
    }
}
