//! Finality that stalls, blocks that are undone, upgrades, and clocks that are wrong.

use localnet::{
    Blocks, ChainError, Config,
    node::ReorganiseError,
    runtime::upgrade::{
        Upgrade,
        drift::{Change, Drift},
    },
};
use serde_json::{Value as Json, json};
use subxt::{OnlineClient, PolkadotConfig, dynamic, dynamic::Value, rpcs::rpc_params};

use super::soon;
use crate::client::{Client, TAO, account, key, number};

fn transfer() -> impl subxt::tx::Payload {
    let to = Value::unnamed_variant("Id", [account(&key("//Dave"))]);
    dynamic::tx("Balances", "transfer_keep_alive", vec![to, number(TAO)])
}

/// A signed transfer of one TAO from Alice to Dave.
async fn signed_transfer(client: &Client) -> String {
    let at = client.api.at_current_block().await.unwrap();
    let parameters = subxt::config::DefaultExtrinsicParamsBuilder::new().immortal().build();
    let mut transactions = at.transactions();
    let signed = transactions.create_signed(&transfer(), &key("//Alice"), parameters).await.unwrap();
    format!("0x{}", hex::encode(signed.encoded()))
}

#[tokio::test]
async fn stalled_finality_stays_behind_and_catches_up() {
    let client = Client::of(Config::test()).await;
    client.blocks(3).await;
    client.rpc("dev_stallFinality", json!([true])).await.unwrap();
    client.blocks(5).await;
    assert_eq!((client.chain.best_number(), client.chain.finalized_number()), (8, 3));
    client.rpc("dev_stallFinality", json!([false])).await.unwrap();
    assert_eq!(client.chain.finalized_number(), 8);
}

#[tokio::test]
async fn undone_blocks_give_way_to_a_longer_branch_that_subscribers_see() {
    let client = Client::of(Config::test()).await;
    client.chain.stall_finality(true);
    client.blocks(4).await;
    let mut best = client
        .rpc
        .subscribe::<Json>("chain_subscribeNewHeads", rpc_params![], "chain_unsubscribeNewHeads")
        .await
        .unwrap();
    let mut all = client
        .rpc
        .subscribe::<Json>("chain_subscribeAllHeads", rpc_params![], "chain_unsubscribeAllHeads")
        .await
        .unwrap();
    let old = soon(best.next()).await.unwrap().unwrap();
    assert_eq!(soon(all.next()).await.unwrap().unwrap(), old);
    let undone = client.chain.block(3).unwrap();

    let done = client.chain.reorganise(2).await.unwrap();
    assert_eq!((done.fork.number(), done.undone.len(), done.best.number()), (2, 2, 5));
    let head = soon(best.next()).await.unwrap().unwrap();
    assert_eq!(head["number"], json!("0x5"));
    assert_ne!(head["parentHash"], json!(format!("{:?}", done.undone[1].hash())));
    for number in 3..=5u32 {
        let head = soon(all.next()).await.unwrap().unwrap();
        assert_eq!(head["number"], json!(format!("{number:#x}")));
        let kept = client.chain.block(number).unwrap();
        assert_eq!(head["parentHash"], json!(format!("{:?}", kept.header.parent_hash)));
    }
    assert_ne!(client.chain.block(3).unwrap().hash(), undone.hash());
    // What was undone can still be asked for.
    let header = client.rpc("chain_getHeader", json!([format!("{:?}", undone.hash())])).await.unwrap();
    assert_eq!(header["number"], json!("0x3"));
}

#[tokio::test]
async fn transactions_of_undone_blocks_wait_again_and_their_watchers_are_told() {
    let client = Client::of(Config::test()).await;
    client.chain.stall_finality(true);
    client.blocks(1).await;
    let extrinsic = signed_transfer(&client).await;
    let mut watch = client.watch(&extrinsic).await;
    client.blocks(1).await;
    let first = client.chain.best().hash();
    let done = client.chain.reorganise(1).await.unwrap();
    assert_eq!((done.returned, client.chain.waiting()), (1, 1));
    client.blocks(1).await;
    let second = client.chain.best().hash();
    client.chain.stall_finality(false);
    let expected = [
        json!("ready"),
        json!({ "inBlock": first }),
        json!({ "retracted": first }),
        json!("ready"),
        json!({ "inBlock": second }),
        json!({ "finalized": second }),
    ];
    for status in expected {
        assert_eq!(soon(watch.next()).await.unwrap().unwrap(), status);
    }
    assert_eq!(client.balance(&key("//Dave")).await, 2_001 * TAO);
}

#[tokio::test]
async fn by_transaction_an_undone_transfer_gets_another_block_at_once() {
    let config = Config { bind: Config::test().bind, ..Config::new(Blocks::Instant) };
    let client = Client::of(config).await;
    client.chain.stall_finality(true);
    client.rpc("author_submitExtrinsic", json!([signed_transfer(&client).await])).await.unwrap();
    let done = client.chain.reorganise(1).await.unwrap();
    assert_eq!((done.returned, client.chain.waiting()), (1, 0));
    assert_eq!(client.chain.best_number(), 3);
    client.chain.heal().await;
    assert_eq!(client.balance(&key("//Dave")).await, 2_001 * TAO);
}

#[tokio::test]
async fn final_blocks_are_never_undone() {
    let client = Client::of(Config::test()).await;
    client.blocks(3).await;
    let Err(ChainError::Refused(ReorganiseError::Branch(refused))) = client.chain.reorganise(1).await else {
        panic!("a final block was undone")
    };
    assert!(refused.to_string().contains("stall finality first"), "{refused}");
    client.chain.stall_finality(true);
    client.blocks(2).await;
    assert!(client.rpc("dev_reorganise", json!([3])).await.is_err());
    assert!(client.rpc("dev_reorganise", json!([2, 2])).await.is_err(), "no longer than what it replaces");
    assert!(client.rpc("dev_reorganise", json!([0])).await.is_err());
    assert_eq!(client.chain.best_number(), 5);
    client.rpc("dev_reorganise", json!([2, 6])).await.unwrap();
    assert_eq!(client.chain.best_number(), 9);
}

#[tokio::test]
async fn an_upgrade_is_announced_and_refuses_what_was_signed_before_it() {
    let client = Client::of(Config::test()).await;
    let mut versions = client
        .rpc
        .subscribe::<Json>("state_subscribeRuntimeVersion", rpc_params![], "state_unsubscribeRuntimeVersion")
        .await
        .unwrap();
    assert_eq!(soon(versions.next()).await.unwrap().unwrap()["specVersion"], json!(461));
    let old = signed_transfer(&client).await;
    client.rpc("dev_upgrade", json!([])).await.unwrap();
    assert_eq!(soon(versions.next()).await.unwrap().unwrap()["specVersion"], json!(462));
    let refused = client.rpc("author_submitExtrinsic", json!([old])).await.unwrap_err();
    assert!(format!("{refused:?}").contains("bad signature"), "{refused:?}");
    // A client that connects now works, and the block before still has the old version.
    let api = OnlineClient::<PolkadotConfig>::from_rpc_client(client.rpc.clone()).await.unwrap();
    let at = api.at_current_block().await.unwrap();
    let progress =
        at.transactions().sign_and_submit_then_watch_default(&transfer(), &key("//Alice")).await.unwrap();
    client.blocks(1).await;
    progress.wait_for_finalized_success().await.unwrap();
    let genesis = client.rpc("chain_getBlockHash", json!([0])).await.unwrap();
    let before = client.rpc("state_getRuntimeVersion", json!([genesis])).await.unwrap();
    assert_eq!(before["specVersion"], json!(461));
}

#[tokio::test]
async fn an_upgrade_can_remove_and_reshape_named_items() {
    let client = Client::of(Config::test()).await;
    let hashes = |api: &OnlineClient<PolkadotConfig>| {
        let api = api.clone();
        async move {
            let at = api.at_current_block().await.unwrap();
            let metadata = at.metadata();
            let pallet = metadata.pallet_by_name("SubtensorModule").unwrap();
            [
                pallet.call_hash("set_weights"),
                pallet.call_hash("serve_axon"),
                pallet.storage().and_then(|_| pallet.storage_hash("Tempo")),
                pallet.storage().and_then(|_| pallet.storage_hash("Burn")),
                metadata
                    .runtime_api_trait_by_name("SubnetInfoRuntimeApi")
                    .and_then(|api| api.method_by_name("get_metagraph").map(|method| method.hash())),
            ]
        }
    };
    let before = hashes(&client.api).await;
    let drift = |item: &str, change| Drift { item: item.into(), change };
    let upgrade = Upgrade::to(475)
        .with(drift("SubtensorModule.set_weights", Change::Reshaped))
        .with(drift("SubtensorModule.Tempo", Change::Removed))
        .with(drift("SubnetInfoRuntimeApi.get_metagraph", Change::Reshaped));
    client.chain.upgrade(upgrade).await.unwrap();
    let api = OnlineClient::<PolkadotConfig>::from_rpc_client(client.rpc.clone()).await.unwrap();
    let after = hashes(&api).await;
    assert!(after[0].is_some() && after[0] != before[0], "set_weights has another shape");
    assert_eq!(after[1], before[1], "serve_axon is as it was");
    assert_eq!((before[2].is_some(), after[2]), (true, None), "Tempo is gone");
    assert_eq!(after[3], before[3], "Burn is as it was");
    assert!(after[4].is_some() && after[4] != before[4], "get_metagraph has another shape");

    let nothing = json!([{ "drifts": [{ "item": "SubtensorModule.nothing", "change": "removed" }] }]);
    let refused = client.rpc("dev_upgrade", nothing).await.unwrap_err();
    assert!(format!("{refused:?}").contains("no SubtensorModule.nothing"), "{refused:?}");
}

#[tokio::test]
async fn a_wrong_clock_shows_in_the_timestamps() {
    let client = Client::of(Config::test()).await;
    let start = client.next_timestamp_ms().await;
    client.rpc("dev_skewClock", json!([-49_000])).await.unwrap();
    let next = client.next_timestamp_ms().await;
    assert_eq!(next, start + localnet::runtime::SLOT_DURATION_MS_DEFAULT);
    client.rpc("dev_skewClock", json!([49_000])).await.unwrap();
    assert!(client.next_timestamp_ms().await >= start + 49_000);
}
