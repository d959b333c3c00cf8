//! Which transactions wait, for how long, and which take the place of others.

use std::num::NonZeroUsize;

use localnet::{Config, config::Limits};
use serde_json::{Value as Json, json};
use subxt::{
    config::DefaultExtrinsicParamsBuilder,
    dynamic::{self, Value},
};

use crate::client::{Client, TAO, account, address, key, number};

/// A signed transfer of one TAO to Dave.
async fn transfer(client: &Client, from: &str, nonce: u64, tip: u64, mortal_blocks: Option<u64>) -> String {
    let to = Value::unnamed_variant("Id", [account(&key("//Dave"))]);
    let payload = dynamic::tx("Balances", "transfer_keep_alive", vec![to, number(TAO)]);
    let builder = DefaultExtrinsicParamsBuilder::new().nonce(nonce).tip(tip.into());
    let builder = match mortal_blocks {
        Some(blocks) => builder.mortal(blocks),
        None => builder.immortal(),
    };
    let at = client.api.at_current_block().await.unwrap();
    let mut transactions = at.transactions();
    let signed = transactions.create_signed(&payload, &key(from), builder.build()).await.unwrap();
    format!("0x{}", hex::encode(signed.encoded()))
}

async fn submit(client: &Client, extrinsic: &str) -> Result<Json, String> {
    client.rpc("author_submitExtrinsic", json!([extrinsic])).await.map_err(|error| format!("{error:?}"))
}

#[tokio::test]
async fn a_higher_tip_takes_the_place_of_the_same_nonce_and_a_lower_one_does_not() {
    let client = Client::of(Config::test()).await;
    let cheap = transfer(&client, "//Alice", 0, 1_000, None).await;
    let dear = transfer(&client, "//Alice", 0, 2_000_000, None).await;
    let mut watch = client.watch(&cheap).await;
    assert_eq!(watch.next().await.unwrap().unwrap(), json!("ready"));
    let hash = submit(&client, &dear).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), json!({ "usurped": hash }));
    let error = submit(&client, &cheap).await.unwrap_err();
    assert!(error.contains("1014") && error.contains("Priority is too low"), "{error}");
    assert_eq!(client.chain.waiting(), 1);
    client.blocks(1).await;
    assert_eq!(client.chain.best().extrinsics.len(), 2);
}

#[tokio::test]
async fn a_mortal_transaction_is_dropped_when_its_time_is_over_and_then_banned() {
    let client = Client::of(Config::test()).await;
    client.blocks(3).await;
    // Its nonce is not due, so it waits until it is too old.
    let mortal = transfer(&client, "//Alice", 5, 0, Some(8)).await;
    let mut watch = client.watch(&mortal).await;
    assert_eq!(watch.next().await.unwrap().unwrap(), json!("future"));
    client.blocks(4).await;
    assert_eq!(client.chain.waiting(), 1);
    client.blocks(8).await;
    assert_eq!(watch.next().await.unwrap().unwrap(), json!("invalid"));
    assert_eq!(client.chain.waiting(), 0);
    let error = submit(&client, &mortal).await.unwrap_err();
    assert!(error.contains("1012") && error.contains("temporarily banned"), "{error}");
    client.chain.travel(Limits::default().ban_ms + 1);
    let error = submit(&client, &mortal).await.unwrap_err();
    assert!(error.contains("1010"), "taken up again, and refused for what it is: {error}");
}

#[tokio::test]
async fn a_full_pool_takes_only_what_is_worth_more_and_says_so() {
    let pool_transactions_max = NonZeroUsize::new(2).unwrap();
    let limits = Limits { pool_transactions_max, ..Limits::default() };
    let client = Client::of(Config { limits, ..Config::test() }).await;
    let cheap = transfer(&client, "//Alice", 0, 1_000, None).await;
    let mut watch = client.watch(&cheap).await;
    assert_eq!(watch.next().await.unwrap().unwrap(), json!("ready"));
    submit(&client, &transfer(&client, "//Bob", 0, 2_000_000, None).await).await.unwrap();
    let error = submit(&client, &transfer(&client, "//Charlie", 0, 0, None).await).await.unwrap_err();
    assert!(error.contains("1016") && error.contains("Immediately Dropped"), "{error}");
    submit(&client, &transfer(&client, "//Charlie", 0, 3_000_000, None).await).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap(), json!("dropped"));
    assert_eq!(client.chain.waiting(), 2);
}

#[tokio::test]
async fn what_waits_is_listed_and_counts_for_the_next_nonce() {
    let client = Client::of(Config::test()).await;
    let first = transfer(&client, "//Alice", 0, 0, None).await;
    let third = transfer(&client, "//Alice", 2, 0, None).await;
    submit(&client, &third).await.unwrap();
    assert_eq!(client.rpc("account_nextIndex", json!([address(&key("//Alice"))])).await.unwrap(), json!(0));
    submit(&client, &first).await.unwrap();
    assert_eq!(client.rpc("account_nextIndex", json!([address(&key("//Alice"))])).await.unwrap(), json!(1));
    let pending = client.rpc("author_pendingExtrinsics", json!([])).await.unwrap();
    assert_eq!(pending, json!([third, first]));
    client.blocks(1).await;
    assert_eq!(client.chain.waiting(), 1, "the gap before the third is still there");
}
