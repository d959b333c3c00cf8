//! How transactions get into blocks.

use localnet::Config;
use serde_json::json;
use subxt::dynamic::{self, Value};

use crate::client::{Client, Outcome, TAO, account, address, key, number};

fn transfer(to: &str, rao: u64) -> Vec<Value> {
    vec![Value::unnamed_variant("Id", [account(&key(to))]), number(rao)]
}

#[tokio::test]
async fn a_transfer_moves_money_and_costs_a_fee() {
    let client = Client::instant().await;
    let (alice, dave) = (key("//Alice"), key("//Dave"));
    let (alice_before, dave_before) = (client.balance(&alice).await, client.balance(&dave).await);
    client.succeed("Balances", "transfer_keep_alive", transfer("//Dave", TAO), &alice).await;
    assert_eq!(client.balance(&dave).await, dave_before + TAO);
    let fee = alice_before - client.balance(&alice).await - TAO;
    assert!((1_000..1_000_000).contains(&fee), "{fee}");
}

#[tokio::test]
async fn by_hand_transactions_wait_until_a_block_is_asked_for() {
    let client = Client::of(Config::test()).await;
    let alice = key("//Alice");
    let at = client.api.at_current_block().await.unwrap();
    let payload = dynamic::tx("Balances", "transfer_keep_alive", transfer("//Dave", TAO));
    let progress = at.transactions().sign_and_submit_then_watch_default(&payload, &alice).await.unwrap();
    assert_eq!((client.chain.waiting(), client.chain.best_number()), (1, 0));
    assert_eq!(client.rpc("system_accountNextIndex", json!([address(&alice)])).await.unwrap(), json!(1));
    client.blocks(1).await;
    progress.wait_for_finalized_success().await.unwrap();
    assert_eq!((client.chain.waiting(), client.chain.best_number()), (0, 1));
    assert_eq!(client.chain.finalized_number(), 1);
}

#[tokio::test]
async fn one_block_takes_many_transactions_of_one_sender_in_order_of_their_nonces() {
    let client = Client::of(Config::test()).await;
    let alice = key("//Alice");
    let at = client.api.at_current_block().await.unwrap();
    let payload = dynamic::tx("Balances", "transfer_keep_alive", transfer("//Dave", TAO));
    // The later nonces come first.
    for nonce in (0..10).rev() {
        let parameters = subxt::config::DefaultExtrinsicParamsBuilder::new().nonce(nonce).build();
        let signed = at.transactions().create_signed(&payload, &alice, parameters).await.unwrap();
        client
            .rpc("author_submitExtrinsic", json!([format!("0x{}", hex::encode(signed.encoded()))]))
            .await
            .unwrap();
    }
    assert_eq!(client.chain.waiting(), 10);
    client.blocks(1).await;
    assert_eq!(client.chain.waiting(), 0);
    assert_eq!(client.chain.best().extrinsics.len(), 11);
    assert_eq!(client.balance(&key("//Dave")).await, 2_010 * TAO);
}

#[tokio::test]
async fn the_same_transaction_is_not_taken_twice() {
    let client = Client::of(Config::test()).await;
    let at = client.api.at_current_block().await.unwrap();
    let payload = dynamic::tx("Balances", "transfer_keep_alive", transfer("//Dave", TAO));
    let parameters = subxt::config::DefaultExtrinsicParamsBuilder::new().build();
    let mut transactions = at.transactions();
    let signed = transactions.create_signed(&payload, &key("//Alice"), parameters).await.unwrap();
    let bytes = format!("0x{}", hex::encode(signed.encoded()));
    client.rpc("author_submitExtrinsic", json!([bytes])).await.unwrap();
    let again = client.rpc("author_submitExtrinsic", json!([bytes])).await.unwrap_err();
    assert!(format!("{again:?}").contains("1013"), "{again:?}");
    client.blocks(1).await;
    let stale = client.rpc("author_submitExtrinsic", json!([bytes])).await.unwrap_err();
    assert!(format!("{stale:?}").contains("1010") && format!("{stale:?}").contains("outdated"), "{stale:?}");
}

#[tokio::test]
async fn an_account_without_money_cannot_pay_a_fee() {
    let client = Client::instant().await;
    let outcome =
        client.submit("Balances", "transfer_keep_alive", transfer("//Dave", 1), &key("//nobody")).await;
    let Outcome::Refused(1010, why) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("Inability to pay some fees"), "{why}");
}

#[tokio::test]
async fn the_faucet_gives_to_whoever_asks() {
    let client = Client::instant().await;
    let nobody = key("//nobody");
    client.rpc("dev_faucet", json!([address(&nobody), 5 * TAO])).await.unwrap();
    client.succeed("Balances", "transfer_keep_alive", transfer("//Dave", TAO), &nobody).await;
    assert!(client.balance(&nobody).await < 4 * TAO);
}

#[tokio::test]
async fn sudo_does_what_its_key_asks_and_batches_do_all_or_nothing() {
    let client = Client::instant().await;
    let remark = || Value::named_variant("remark_with_event", [("remark", Value::from_bytes(b"hello"))]);
    let call = |call| Value::unnamed_variant("System", [call]);
    client.succeed("Sudo", "sudo", vec![call(remark())], &key("//Alice")).await;
    client
        .succeed(
            "Utility",
            "batch_all",
            vec![Value::unnamed_composite([call(remark()), call(remark())])],
            &key("//Bob"),
        )
        .await;
    let outcome = client.submit("Sudo", "sudo", vec![call(remark())], &key("//Bob")).await;
    assert_eq!(outcome, Outcome::Failed("Pallet error: Sudo::RequireSudo".into()));
}
