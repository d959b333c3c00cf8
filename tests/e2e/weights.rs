//! Receipts become scores, scores become weights, and the chain pays by them.

use serde_json::json;
use subnet_tests::{ECHO_MODEL, Plan, Subnet, TestModel, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_serving_miner_gets_weight_and_incentive_on_chain() {
    let subnet = Subnet::start(1, 2).await;
    let validator = &subnet.validators[0];
    for number in 0..4 {
        assert_eq!(validator.chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
    }
    let receipts = validator.rpc("subnet_v1_receipts", json!({"limit": 100})).await;
    let serving: Vec<String> = receipts["data"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|receipt| receipt["miner"].as_str().unwrap().to_owned())
        .collect();

    let validator_uid = subnet.uid(&validator.hotkey()).await;
    // Time passes: the vector is decided within the tempo, then applied by the epoch at its end.
    let weights = wait::until("the validator sets weights", || async {
        subnet.produce_blocks(1).await;
        subnet.weights_on_chain().await.remove(&validator_uid).filter(|row| !row.is_empty())
    })
    .await;
    for miner in &subnet.miners {
        let uid = subnet.uid(&miner.hotkey()).await;
        let weight = weights.iter().find(|(to, _)| *to == uid).map_or(0, |(_, weight)| *weight);
        let served = serving.contains(&miner.hotkey().to_ss58());
        // Calls after the tempo's head was cut count in the next tempo.
        assert!(weight == 0 || served, "miner {uid} served: {served}, weight: {weight}");
    }
    assert_eq!(
        weights.iter().map(|(_, weight)| *weight).max(),
        Some(u16::MAX),
        "the largest weight fills the range"
    );

    wait::until("an epoch turns weights into incentive", || async {
        subnet.produce_blocks(5).await;
        let block = subnet.client().finalized().await.unwrap();
        let metagraph = subnet.client().metagraph(64, block).await.unwrap();
        let paid =
            subnet.miners.iter().filter(|miner| metagraph.by_hotkey(&miner.hotkey()).unwrap().incentive > 0);
        let dividends = metagraph.by_hotkey(&validator.hotkey()).unwrap().dividends;
        (paid.count() > 0 && dividends > 0).then_some(())
    })
    .await;

    // What a staker reads is what the chain says, as soon as the validator has read that block.
    wait::until("the staker reads the weights that the chain holds", || async {
        let answer = validator.rpc("subnet_v1_weights", json!([])).await;
        let on_chain = answer["data"]["onChain"].as_array().unwrap();
        let shown = |(uid, weight): &(u16, u16)| {
            on_chain.iter().any(|row| row["uid"] == *uid && row["weight"] == *weight)
        };
        weights.iter().all(shown).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_weights_are_hidden_the_validator_commits_them_and_the_chain_reveals_them() {
    let plan = Plan { validators: 1, miners: 1, model: TestModel::Echo, tempo_blocks: 60 };
    let subnet = Subnet::start_on(plan, |config| {
        config.genesis.subnets.iter_mut().for_each(|on| on.commit_reveal = true)
    })
    .await;
    let validator = &subnet.validators[0];
    assert_eq!(validator.chat(ECHO_MODEL, "a request").await.status, 200);
    let last = async || validator.rpc("subnet_v1_weights", json!([])).await["data"]["last"].clone();
    wait::until("the commit is final", || async {
        subnet.produce_blocks(1).await;
        (last().await["state"] == "confirmed").then_some(())
    })
    .await;
    let uid = subnet.uid(&validator.hotkey()).await;
    assert!(!subnet.weights_on_chain().await.contains_key(&uid), "nobody can read them yet");
    let weights = wait::until("the chain reveals them", || async {
        subnet.produce_blocks(1).await;
        subnet.weights_on_chain().await.remove(&uid).filter(|row| !row.is_empty())
    })
    .await;
    assert_eq!(weights, [(subnet.uid(&subnet.miners[0].hotkey()).await, u16::MAX)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_weights_are_set_while_no_receipt_counts() {
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];
    let before = validator.validator().chain().borrow().block.number;
    subnet.produce_blocks(60).await;
    wait::until("the validator has seen three tempos", || async {
        (validator.validator().chain().borrow().block.number >= before + 60).then_some(())
    })
    .await;
    assert!(subnet.weights_on_chain().await.values().all(Vec::is_empty));
}

/// Bytes that a hotkey may commit to in one tempo. The storage key is Twox128 of `Commitments` and of `MaxSpace`.
async fn limit_commitments(subnet: &Subnet, bytes_max: u32) {
    let key = "0xca407206ec1ab726b2636c4b145ac28719a2fe4f4d3aa739a653edff34e7f3ae";
    let value = bytes_max.to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    let items = json!([[[key, format!("0x{value}")]]]);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "dev_setStorage", "params": items});
    let answer =
        reqwest::Client::new().post(subnet.chain().http_url()).json(&call).send().await.expect("a chain");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    assert!(answer.get("error").is_none(), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_weights_follow_from_a_head_that_the_chain_does_not_hold() {
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];
    limit_commitments(&subnet, 0).await;
    assert_eq!(validator.chat(ECHO_MODEL, "a request").await.status, 200);
    let newest = async || validator.validator().ledger().read(|reader| reader.latest_head()).await.unwrap();
    // The chain refuses the commitment in the first head's tempo and in the next one's.
    let first = wait::until("the first head is cut", || async {
        subnet.produce_blocks(1).await;
        newest().await
    })
    .await;
    wait::until("the head after the next is cut", || async {
        subnet.produce_blocks(1).await;
        let head = newest().await?.head.head;
        (head.epoch_index >= first.head.head.epoch_index + 2).then_some(())
    })
    .await;
    assert!(subnet.weights_on_chain().await.values().all(Vec::is_empty), "paid by what nobody is held to");

    limit_commitments(&subnet, 3_100).await;
    let uid = subnet.uid(&validator.hotkey()).await;
    let weights = wait::until("the weights follow once the head is committed", || async {
        subnet.produce_blocks(1).await;
        subnet.weights_on_chain().await.remove(&uid).filter(|row| !row.is_empty())
    })
    .await;
    assert_eq!(weights, [(subnet.uid(&subnet.miners[0].hotkey()).await, u16::MAX)]);
}
