//! Calls inside calls: proxies, batches and sudo open no way past a check.

use localnet::runtime::depth::DEPTH_MAX;
use parity_scale_codec::{Compact, Encode};
use serde_json::json;
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;

use crate::client::{Client, NETUID, Outcome, TAO, account, key, number};

fn id(key: &Keypair) -> Value {
    Value::unnamed_variant("Id", [account(key)])
}

fn call(pallet: &str, name: &str, arguments: Vec<(&'static str, Value)>) -> Value {
    Value::unnamed_variant(pallet, [Value::named_variant(name, arguments)])
}

fn transfer(to: &Keypair, rao: u64) -> Value {
    call("Balances", "transfer_keep_alive", vec![("dest", id(to)), ("value", number(rao))])
}

fn batch(calls: Vec<Value>) -> Value {
    // Not `batch_all`, which may not contain itself.
    call("Utility", "batch", vec![("calls", Value::unnamed_composite(calls))])
}

fn add_stake(hotkey: &Keypair) -> Value {
    let arguments =
        vec![("hotkey", account(hotkey)), ("netuid", number(NETUID)), ("amount_staked", number(5 * TAO))];
    call("SubtensorModule", "add_stake", arguments)
}

/// A chain on which Dave may act for Bob as this kind of proxy, and Bob's hotkey is registered.
async fn with_proxy(kind: &str) -> Client {
    let client = Client::instant().await;
    assert_eq!(client.register(&key("//Bob"), &key("//Bob//hot")).await, Outcome::Success);
    let kind = Value::unnamed_variant(kind, []);
    client.succeed("Proxy", "add_proxy", vec![id(&key("//Dave")), kind, number(0u8)], &key("//Bob")).await;
    client
}

/// Lets Dave make a call for Bob; whether it was made shows in Bob's balance.
async fn as_bob(client: &Client, call: Value) -> u64 {
    let before = client.balance(&key("//Bob")).await;
    let none = Value::unnamed_variant("None", []);
    client.succeed("Proxy", "proxy", vec![id(&key("//Bob")), none, call], &key("//Dave")).await;
    before - client.balance(&key("//Bob")).await
}

#[tokio::test]
async fn a_proxy_for_staking_stakes_and_moves_no_balance_not_even_in_a_batch() {
    let client = with_proxy("Staking").await;
    assert_eq!(as_bob(&client, add_stake(&key("//Bob//hot"))).await, 5 * TAO);
    let to = key("//Eve");
    assert_eq!(as_bob(&client, transfer(&to, TAO)).await, 0);
    assert_eq!(as_bob(&client, batch(vec![transfer(&to, TAO)])).await, 0);
}

#[tokio::test]
async fn a_proxy_that_may_batch_may_not_put_into_the_batch_what_it_may_not_do() {
    let client = with_proxy("NonTransfer").await;
    let to = key("//Eve");
    assert_eq!(as_bob(&client, batch(vec![add_stake(&key("//Bob//hot"))])).await, 5 * TAO);
    assert_eq!(as_bob(&client, batch(vec![transfer(&to, TAO)])).await, 0);
    assert_eq!(as_bob(&client, batch(vec![batch(vec![transfer(&to, TAO)])])).await, 0);
    // Nor give itself more than it has.
    let any = vec![
        ("delegate", id(&key("//Dave"))),
        ("proxy_type", Value::unnamed_variant("Any", [])),
        ("delay", number(0u8)),
    ];
    assert_eq!(as_bob(&client, call("Proxy", "add_proxy", any)).await, 0);
}

#[tokio::test]
async fn a_proxy_for_small_transfers_transfers_less_than_half_a_tao() {
    let client = with_proxy("SmallTransfer").await;
    let to = key("//Eve");
    assert_eq!(as_bob(&client, transfer(&to, TAO / 2 - 1)).await, TAO / 2 - 1);
    assert_eq!(as_bob(&client, transfer(&to, TAO / 2)).await, 0);
}

#[tokio::test]
async fn nobody_is_a_proxy_who_was_not_made_one() {
    let client = with_proxy("Any").await;
    let none = Value::unnamed_variant("None", []);
    let arguments = vec![id(&key("//Bob")), none, transfer(&key("//Eve"), TAO)];
    let outcome = client.submit("Proxy", "proxy", arguments, &key("//Eve")).await;
    assert_eq!(outcome, Outcome::Failed("Pallet error: Proxy::NotProxy".into()));
}

#[tokio::test]
async fn in_a_batch_the_checks_of_the_pool_come_as_errors_of_the_pallet() {
    let client = Client::instant().await;
    let serve = |port: u16| {
        let arguments = vec![
            ("netuid", number(NETUID)),
            ("version", number(1u8)),
            ("ip", number(0xcb00_7107u32)),
            ("port", number(port)),
            ("ip_type", number(4u8)),
            ("protocol", number(4u8)),
            ("placeholder1", number(0u8)),
            ("placeholder2", number(0u8)),
        ];
        call("SubtensorModule", "serve_axon", arguments)
    };
    let nested = |call| vec![Value::unnamed_composite([call])];
    let stranger = client.submit("Utility", "batch_all", nested(serve(8091)), &key("//Eve")).await;
    let error = "Pallet error: SubtensorModule::HotKeyNotRegisteredInNetwork";
    assert_eq!(stranger, Outcome::Failed(error.into()));

    assert_eq!(client.register(&key("//Bob"), &key("//Eve")).await, Outcome::Success);
    let port = client.submit("Utility", "batch_all", nested(serve(0)), &key("//Eve")).await;
    assert_eq!(port, Outcome::Failed("Pallet error: SubtensorModule::InvalidPort".into()));
}

#[tokio::test]
async fn sudo_in_a_batch_is_no_more_than_sudo() {
    let client = Client::instant().await;
    let setter = call("AdminUtils", "sudo_set_tx_rate_limit", vec![("tx_rate_limit", number(1u8))]);
    let inner = call("Sudo", "sudo", vec![("call", setter)]);
    let outcome =
        client.submit("Utility", "batch_all", vec![Value::unnamed_composite([inner])], &key("//Bob")).await;
    assert_eq!(outcome, Outcome::Failed("Pallet error: Sudo::RequireSudo".into()));
}

#[tokio::test]
async fn calls_nested_as_deep_as_they_may_be_are_made() {
    let client = Client::instant().await;
    let mut nested = transfer(&key("//Eve"), TAO);
    for _ in 1..DEPTH_MAX {
        nested = batch(vec![nested]);
    }
    let before = client.balance(&key("//Eve")).await;
    client.succeed("Utility", "batch", vec![Value::unnamed_composite([nested])], &key("//Bob")).await;
    assert_eq!(client.balance(&key("//Eve")).await, before + TAO);
}

#[tokio::test]
async fn calls_nested_deeper_are_refused_and_the_chain_goes_on() {
    let client = Client::instant().await;
    for depth in [DEPTH_MAX + 1, 10_000] {
        // utility.batch of one call, again and again, around an empty remark.
        let call = [[11u8, 0, 4].repeat(usize::try_from(depth).unwrap()), vec![0, 0, 0]].concat();
        let unsigned = [vec![4], call.clone()].concat();
        let signed = [vec![0x84], vec![0; 1 + 32], vec![1], vec![0; 64 + 4], call.clone()].concat();
        for body in [unsigned, signed] {
            let extrinsic = [Compact(u32::try_from(body.len()).unwrap()).encode(), body].concat();
            let hex = format!("0x{}", hex::encode(&extrinsic));
            assert!(client.rpc("author_submitExtrinsic", json!([hex])).await.is_err());
            assert!(client.rpc("payment_queryInfo", json!([hex])).await.is_err());
        }
        let arguments = format!("0x{}", hex::encode([call, vec![0; 4]].concat()));
        let method = "TransactionPaymentCallApi_query_call_info";
        assert!(client.rpc("state_call", json!([method, arguments])).await.is_err());
    }
    client.blocks(1).await;
    assert_eq!(client.chain.best_number(), 1);
}
