//! Addresses against those that the Python SDK prints.

use super::*;
use crate::fixtures::account;

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

#[test]
fn addresses_are_those_of_substrate() {
    assert_eq!(account("Alice").to_ss58(), ALICE);
    assert_eq!(AccountId::from_ss58(ALICE).unwrap(), account("Alice"));
    assert_eq!(serde_json::to_string(&account("Alice")).unwrap(), format!("\"{ALICE}\""));
    assert_eq!(serde_json::from_str::<AccountId>(&format!("\"{ALICE}\"")).unwrap(), account("Alice"));
}

#[test]
fn every_key_has_an_address_of_48_characters() {
    for bytes in [[0; 32], [0xff; 32]] {
        let address = AccountId(bytes).to_ss58();
        assert_eq!(address.len(), SS58_CHARS);
        assert_eq!(address.parse(), Ok(AccountId(bytes)));
    }
}

#[test]
fn a_damaged_address_is_refused_with_its_reason() {
    assert_eq!(AccountId::from_ss58(""), Err(Ss58Error::Length));
    assert_eq!(AccountId::from_ss58(&ALICE[1..]), Err(Ss58Error::Length));
    assert_eq!(AccountId::from_ss58(&"1".repeat(65_536)), Err(Ss58Error::Length));
    assert_eq!(AccountId::from_ss58(&ALICE.replace('Y', "0")), Err(Ss58Error::Alphabet));
    assert_eq!(AccountId::from_ss58(&ALICE.replace("utQY", "utQZ")), Err(Ss58Error::Checksum));
    // Leading ones stand for leading zero bytes, so these 48 characters are 48 bytes.
    assert!(matches!(AccountId::from_ss58(&"1".repeat(48)), Err(Ss58Error::Alphabet | Ss58Error::Length)));
    // Another network's prefix (43) over the same key, with its own checksum over prefix and key.
    let mut bytes = vec![43];
    bytes.extend_from_slice(&account("Alice").0);
    bytes.extend_from_slice(&[0, 0]);
    let other = bs58::encode(bytes).into_string();
    assert_eq!(AccountId::from_ss58(&other), Err(Ss58Error::Prefix { found: 43 }));
}
