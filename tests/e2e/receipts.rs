//! Every answer leaves a receipt that three signatures cover, in the validator's log and in the miner's store.

use serde_json::json;
use subnet_tests::{ECHO_MODEL, Subnet, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_leaves_a_receipt_in_the_ledger() {
    let subnet = Subnet::start(1, 1).await;
    let validator = &subnet.validators[0];
    validator.chat_streamed(ECHO_MODEL, "keep this").await;
    // The stream ends only after the receipt is on disk, so no waiting here.
    let receipts = validator.rpc("subnet_v1_receipts", json!({"limit": 10})).await;
    let items = receipts["data"]["items"].as_array().unwrap();
    assert_eq!(items.len(), 1);
    let receipt = &items[0];
    assert_eq!(receipt["validator"], validator.hotkey().to_ss58());
    assert_eq!(receipt["miner"], subnet.miners[0].hotkey().to_ss58());
    assert_eq!(receipt["model"], ECHO_MODEL);
    assert_eq!(receipt["counts"], true);
    // What the miner signed and what the validator saw are the same bytes.
    assert_eq!(receipt["outputSha256"], receipt["observed"]["outputSha256"]);
    assert!(receipts["asOf"]["block"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_verifies_and_survives_a_restart() {
    let mut subnet = Subnet::start(1, 1).await;
    for number in 0..3 {
        assert_eq!(subnet.validators[0].chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
    }
    let head = subnet.validators[0].validator().ledger().head();
    subnet.validators[0].stop().await;
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(1).await;
    let ledger = subnet.validators[0].validator().ledger();
    assert_eq!(ledger.head(), head);
    // Every signature of every receipt, and the Merkle root recomputed from the leaves.
    let reader = ledger.reader();
    let verified = tokio::task::spawn_blocking(move || reader.verify(|_| {})).await.unwrap().unwrap();
    assert_eq!((verified.size, verified.root), (3, head.root));
    // Sequence numbers go on after the restart: the miner would refuse a used one.
    assert_eq!(subnet.validators[0].chat(ECHO_MODEL, "after the restart").await.status, 200);
    wait::until("the fourth receipt is appended", || async {
        (subnet.validators[0].validator().ledger().head().size == 4).then_some(())
    })
    .await;
}
