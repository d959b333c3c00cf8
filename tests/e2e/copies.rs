//! Countersigned records come back to the miners: what proves that a call belongs into its validator's log.

use subnet_tests::{Subnet, wait};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn countersigned_copies_come_back_to_the_miner() {
    let mut subnet = Subnet::start(1, 1).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].challenge(|challenges| challenges.copies_interval_ms = 20);
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(1).await;
    assert_eq!(subnet.validators[0].chat(subnet_tests::ECHO_MODEL, "hello").await.status, 200);
    let miner = &subnet.miners[0];
    let store = miner.config().receipts_path(&miner.hotkey());
    let copy = wait::until("the miner has its copy", || async {
        let reader = subnet_miner::receipts::ReceiptReader::open(&store).ok()?;
        reader.newest(None, 10).ok()?.pop()?.countersigned
    });
    let bytes = subnet.validators[0].validator().ledger().reader().from(0, 1).unwrap()[0].receipt.encode();
    assert_eq!(copy.await, format!("0x{}", hex(&bytes)));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
