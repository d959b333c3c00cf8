//! Commitments.

use subxt::dynamic::Value;

use crate::client::{Client, NETUID, Outcome, key, number};

fn commitment(fields: Vec<Value>) -> Vec<Value> {
    let fields = Value::unnamed_composite(fields);
    vec![number(NETUID), Value::named_composite([("fields", fields)])]
}

fn sha256(byte: u8) -> Value {
    Value::unnamed_variant("Sha256", [Value::from_bytes([byte; 32])])
}

#[tokio::test]
async fn a_registered_hotkey_publishes_a_hash_for_free() {
    let client = Client::instant().await;
    let hot = key("//Bob//hot");
    client.register(&key("//Bob"), &hot).await;
    client.succeed("Commitments", "set_commitment", commitment(vec![sha256(7)]), &hot).await;
    let at = client.api.at_current_block().await.unwrap();
    let address = subxt::dynamic::storage::<(u16, [u8; 32]), Value>("Commitments", "CommitmentOf");
    let stored = at.storage().fetch(address, (NETUID, hot.public_key().0)).await.unwrap();
    let bytes = stored.bytes();
    // Deposit, block, one field, its tag, its hash.
    assert_eq!(bytes[..8], [0; 8]);
    assert_eq!(bytes[8..12], client.chain.best_number().to_le_bytes());
    assert_eq!(bytes[12..14], [4, 131]);
    assert_eq!(bytes[14..], [7; 32]);
}

#[tokio::test]
async fn commitments_are_refused_to_strangers_and_past_the_space_of_an_epoch() {
    let client = Client::instant().await;
    let (hot, stranger) = (key("//Bob//hot"), key("//stranger"));
    client.register(&key("//Bob"), &hot).await;
    let failed = |name: &str| Outcome::Failed(format!("Pallet error: Commitments::{name}"));
    let commit = |fields, signer| client.submit("Commitments", "set_commitment", commitment(fields), signer);
    assert_eq!(commit(vec![sha256(1)], &stranger).await, failed("AccountNotAllowedCommit"));

    let big = || Value::unnamed_variant("BigRaw", [Value::from_bytes([1; 512])]);
    let full = || vec![big(), big(), big()];
    assert_eq!(commit(full(), &hot).await, Outcome::Success);
    assert_eq!(commit(full(), &hot).await, Outcome::Success);
    assert_eq!(commit(vec![sha256(1)], &hot).await, failed("SpaceLimitExceeded"));
    client.blocks(20).await;
    assert_eq!(commit(vec![sha256(1)], &hot).await, Outcome::Success);
}
