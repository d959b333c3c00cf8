//! Weights committed by their hash and revealed later.

use localnet::{Blocks, Config};
use parity_scale_codec::Encode;
use serde_json::json;
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

use crate::client::{Client, NETUID, Outcome, TAO, address, failed, key, number};

/// Makes blocks at once, with commit-reveal on.
pub fn config() -> Config {
    let mut config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
    config.genesis.subnets[0].commit_reveal = true;
    config
}

impl Client {
    /// Two validators with permits and stake (uids 0 and 3), two miners (1 and 2); the first block of an epoch is next.
    pub async fn with_validators(config: Config) -> Self {
        let client = Self::of(config).await;
        let bob = key("//Bob");
        for hotkey in ["//validator", "//miner1", "//miner2", "//validator2"] {
            assert_eq!(client.register(&bob, &key(hotkey)).await, Outcome::Success);
        }
        for hotkey in ["//validator", "//validator2"] {
            assert_eq!(client.stake(&bob, &key(hotkey), 100).await, Outcome::Success);
        }
        client.next_epoch().await;
        client
    }

    /// Makes blocks until an epoch has run in the newest.
    pub async fn next_epoch(&self) {
        let at: Option<u64> =
            self.runtime("SubnetInfoRuntimeApi", "get_next_epoch_start_block", vec![number(NETUID)]).await;
        let blocks = at.unwrap() - u64::from(self.chain.best_number());
        self.blocks(blocks as u32).await;
    }

    /// A row of the main mechanism's weights.
    pub async fn weights(&self, uid: u16) -> Vec<(u16, u16)> {
        let at = self.api.at_current_block().await.unwrap();
        let address = subxt::dynamic::storage::<(u16, u16), Vec<(u16, u16)>>("SubtensorModule", "Weights");
        at.storage().fetch(address, (NETUID, uid)).await.unwrap().decode().unwrap()
    }

    async fn commit(&self, hotkey: &Keypair, row: &Row) -> Outcome {
        let hash = Value::from_bytes(row.hash(hotkey, NETUID));
        self.submit("SubtensorModule", "commit_weights", vec![number(NETUID), hash], hotkey).await
    }

    async fn reveal(&self, hotkey: &Keypair, row: &Row) -> Outcome {
        let arguments =
            vec![number(NETUID), list(row.uids), list(row.values), list(row.salt), number(row.version_key)];
        self.submit("SubtensorModule", "reveal_weights", arguments, hotkey).await
    }
}

/// A list of numbers as an argument.
pub fn list(items: &[u16]) -> Value {
    Value::unnamed_composite(items.iter().map(|item| number(*item)))
}

/// A row of weights as it is committed and revealed.
pub struct Row {
    pub uids: &'static [u16],
    pub values: &'static [u16],
    pub salt: &'static [u16],
    pub version_key: u64,
}

impl Row {
    /// What is committed, by the formula of the chain's documentation.
    pub fn hash(&self, hotkey: &Keypair, index: u16) -> [u8; 32] {
        let committed = (hotkey.public_key().0, index, self.uids, self.values, self.salt, self.version_key);
        sp_crypto_hashing::blake2_256(&committed.encode())
    }
}

pub const ROW: Row = Row { uids: &[1, 2], values: &[1, 3], salt: &[4, 5, 6], version_key: 0 };
pub const OTHER: Row = Row { uids: &[2], values: &[9], salt: &[7], version_key: 0 };

#[tokio::test]
async fn committed_weights_are_revealed_in_the_next_epoch_and_in_no_other() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    assert_eq!(client.commit(&validator, &ROW).await, Outcome::Success);
    let committed_at = u64::from(client.chain.best_number());
    assert_eq!(client.neurons().await[0].last_update, committed_at, "a commit counts as an update");
    let too_early = Outcome::Refused(1010, "Custom error: 17".into());
    assert_eq!(client.reveal(&validator, &ROW).await, too_early);

    client.next_epoch().await;
    let not_committed = Outcome::Refused(1010, "Custom error: 16".into());
    assert_eq!(client.reveal(&validator, &OTHER).await, not_committed);
    assert_eq!(client.reveal(&key("//validator2"), &ROW).await, not_committed);
    assert_eq!(client.reveal(&validator, &ROW).await, Outcome::Success);
    assert_eq!(client.weights(0).await, [(1, 21_845), (2, 65_535)]);
    assert_eq!(client.neurons().await[0].last_update, committed_at, "a reveal does not");
    assert_eq!(client.reveal(&validator, &ROW).await, not_committed, "revealed is gone");
}

#[tokio::test]
async fn a_commit_whose_epoch_is_over_can_be_revealed_no_more() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    assert_eq!(client.commit(&validator, &ROW).await, Outcome::Success);
    client.next_epoch().await;
    client.next_epoch().await;
    let call = |row: &Row| {
        let arguments =
            vec![number(NETUID), list(row.uids), list(row.values), list(row.salt), number(row.version_key)];
        Value::unnamed_variant("SubtensorModule", [Value::unnamed_variant("reveal_weights", arguments)])
    };
    // The pool sees only that it is not now; in a batch, which the pool does not look into, the error says more.
    assert_eq!(client.reveal(&validator, &ROW).await, Outcome::Refused(1010, "Custom error: 17".into()));
    client.rpc("dev_faucet", json!([address(&validator), TAO])).await.unwrap();
    let batch = |row| vec![Value::unnamed_composite([call(row)])];
    assert_eq!(
        client.submit("Utility", "batch_all", batch(&OTHER), &validator).await,
        failed("NoWeightsCommitFound")
    );
    assert_eq!(
        client.submit("Utility", "batch_all", batch(&ROW), &validator).await,
        failed("ExpiredWeightCommit")
    );
}

#[tokio::test]
async fn a_later_commit_supersedes_those_before_it() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    assert_eq!(client.commit(&validator, &ROW).await, Outcome::Success);
    assert_eq!(client.commit(&validator, &OTHER).await, Outcome::Success);
    client.next_epoch().await;
    assert_eq!(client.reveal(&validator, &OTHER).await, Outcome::Success);
    assert_eq!(client.weights(0).await, [(2, 65_535)]);
    let gone = Outcome::Refused(1010, "Custom error: 16".into());
    assert_eq!(client.reveal(&validator, &ROW).await, gone);
}

#[tokio::test]
async fn commits_are_refused_with_the_errors_of_the_real_chain() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    assert_eq!(
        client.commit(&key("//stranger"), &ROW).await,
        Outcome::Refused(1010, "Custom error: 19".into())
    );
    let hash = Value::from_bytes([1; 32]);
    let elsewhere = vec![number(NETUID), number(3u8), hash.clone()];
    assert_eq!(
        client.submit("SubtensorModule", "commit_mechanism_weights", elsewhere, &validator).await,
        failed("MechanismDoesNotExist")
    );
    for _ in 0..10 {
        assert_eq!(client.commit(&validator, &ROW).await, Outcome::Success);
    }
    assert_eq!(client.commit(&validator, &ROW).await, failed("TooManyUnrevealedCommits"));

    let open = Client::with_validators(Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) });
    assert_eq!(open.await.commit(&validator, &ROW).await, failed("CommitRevealDisabled"));
}

#[tokio::test]
async fn the_rate_limit_holds_for_commits() {
    let mut config = config();
    config.genesis.subnets[0].weights_rate_limit_blocks = 15;
    let client = Client::with_validators(config).await;
    let validator = key("//validator");
    assert_eq!(client.commit(&validator, &ROW).await, Outcome::Success);
    let too_soon = Outcome::Refused(1010, "Custom error: 6".into());
    assert_eq!(client.commit(&validator, &OTHER).await, too_soon);
    client.blocks(14).await;
    assert_eq!(client.commit(&validator, &OTHER).await, Outcome::Success);
}

#[tokio::test]
async fn a_batch_of_reveals_is_applied_in_order_and_a_batch_of_commits_as_far_as_it_goes() {
    let client = Client::with_validators(config()).await;
    let validator = key("//validator");
    let hashes = [ROW.hash(&validator, NETUID), [9; 32]].map(Value::from_bytes);
    let commits =
        vec![Value::unnamed_composite([number(NETUID), number(9u16)]), Value::unnamed_composite(hashes)];
    client.succeed("SubtensorModule", "batch_commit_weights", commits, &validator).await;
    assert_eq!(client.commit(&validator, &OTHER).await, Outcome::Success);
    client.next_epoch().await;

    let lists = |rows: &[&Row], of: fn(&Row) -> &'static [u16]| {
        Value::unnamed_composite(rows.iter().map(|row| list(of(row))).collect::<Vec<_>>())
    };
    let reveal = |rows: &[&Row], keys: usize| {
        vec![
            number(NETUID),
            lists(rows, |row| row.uids),
            lists(rows, |row| row.values),
            lists(rows, |row| row.salt),
            Value::unnamed_composite(vec![number(0u64); keys]),
        ]
    };
    let uneven = client
        .submit("SubtensorModule", "batch_reveal_weights", reveal(&[&ROW, &OTHER], 1), &validator)
        .await;
    assert_eq!(uneven, Outcome::Refused(1010, "Custom error: 18".into()));
    client.succeed("SubtensorModule", "batch_reveal_weights", reveal(&[&ROW, &OTHER], 2), &validator).await;
    assert_eq!(client.weights(0).await, [(2, 65_535)], "the last of them stays");
}
