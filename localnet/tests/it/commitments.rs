//! Commitments.

use localnet::runtime::commitments::data::{Data, Registration};
use parity_scale_codec::DecodeAll as _;
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

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

impl Client {
    /// What the chain keeps of a hotkey's commitment.
    async fn committed(&self, hot: &Keypair) -> Vec<Data> {
        let at = self.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16, [u8; 32]), Value>("Commitments", "CommitmentOf");
        let stored = at.storage().fetch(address, (NETUID, hot.public_key().0)).await.unwrap();
        Registration::decode_all(&mut stored.bytes()).unwrap().info.fields.into_inner()
    }
}

/// Encoded by the client from the metadata, decoded by the chain's own hand: the two must agree on every form.
#[tokio::test]
async fn every_form_of_field_is_kept_as_it_was_sent() {
    let client = Client::instant().await;
    let hot = key("//Bob//hot");
    client.register(&key("//Bob"), &hot).await;
    let hash = [9; 32];
    let one = |name: &str, bytes: Vec<u8>| Value::unnamed_variant(name, [Value::from_bytes(bytes)]);
    let raw = |length: usize| {
        (one(&format!("Raw{length}"), vec![5; length]), Data::Raw(vec![5; length].try_into().unwrap()))
    };
    let far = client.last_round().await + 1_000_000;
    let timelocked = Value::named_variant(
        "TimelockEncrypted",
        [("encrypted", Value::from_bytes([3; 100])), ("reveal_round", number(far))],
    );
    let forms = [
        (Value::unnamed_variant("None", []), Data::None),
        raw(0),
        raw(1),
        raw(33),
        raw(128),
        (one("BlakeTwo256", hash.to_vec()), Data::BlakeTwo256(hash)),
        (one("Sha256", hash.to_vec()), Data::Sha256(hash)),
        (one("Keccak256", hash.to_vec()), Data::Keccak256(hash)),
        (one("ShaThree256", hash.to_vec()), Data::ShaThree256(hash)),
        (
            timelocked,
            Data::TimelockEncrypted { encrypted: vec![3; 100].try_into().unwrap(), reveal_round: far },
        ),
        (Value::unnamed_variant("ResetBondsFlag", []), Data::ResetBondsFlag),
        (one("BigRaw", vec![6; 512]), Data::BigRaw(vec![6; 512].try_into().unwrap())),
    ];
    for fields in forms.chunks(3) {
        let (sent, expected): (Vec<Value>, Vec<Data>) = fields.iter().cloned().unzip();
        client.succeed("Commitments", "set_commitment", commitment(sent), &hot).await;
        assert_eq!(client.committed(&hot).await, expected);
    }
}

#[tokio::test]
async fn the_form_of_a_failed_reveal_is_written_by_the_chain_alone() {
    let client = Client::instant().await;
    let hot = key("//Bob//hot");
    client.register(&key("//Bob"), &hot).await;
    let reveal_round = client.last_round().await + 1;
    let field = |name: &str| {
        let parts = [("encrypted", Value::from_bytes([3; 100])), ("reveal_round", number(reveal_round))];
        commitment(vec![Value::named_variant(name, parts)])
    };
    let refused = client.submit("Commitments", "set_commitment", field("TimelockRevealFailed"), &hot).await;
    assert_eq!(refused, Outcome::Failed("Pallet error: Commitments::TimelockRevealFailedNotAllowed".into()));
    client.succeed("Commitments", "set_commitment", field("TimelockEncrypted"), &hot).await;
    client.until_round(reveal_round).await;
    client.blocks(1).await;
    let encrypted = vec![3; 100].try_into().unwrap();
    assert_eq!(client.committed(&hot).await, [Data::TimelockRevealFailed { encrypted, reveal_round }]);
}
