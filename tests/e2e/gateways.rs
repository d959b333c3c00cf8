//! One validator with two gateways, each with a log of its own, under one head on chain.

use std::path::Path;

use subnet_tests::{ECHO_MODEL, Subnet, wait};
use subnet_validator::audit::chain::{ChainFacts, compare};
use subnet_validator::audit::fetch::fetch;
use subnet_validator::audit::review::{Reviewed, review};
use subnet_validator::shards::Peer;

/// Makes blocks until the published bundle has so many receipts, and chain and bundle say the same.
async fn audited(subnet: &Subnet, receipts: u64, folder: &Path) -> Reviewed {
    let head_gateway = &subnet.validators[0];
    let gateway = format!("http://{}", head_gateway.validator().gateway_addr());
    wait::until("an auditor agrees with a head that counts all calls", || async {
        subnet.produce_blocks(1).await;
        fetch(&gateway, None, folder, |_, _| ()).await.ok()?;
        let reviewed = review(folder, Some(&head_gateway.hotkey()), |_, _| ()).expect("an honest bundle");
        let at = subnet.client().finalized().await.expect("a chain");
        let facts = ChainFacts::read(subnet.client(), &reviewed, at).await.ok()?;
        let agreed = facts.committed == Some(reviewed.head.digest()) && compare(&reviewed, &facts).is_empty();
        (reviewed.replayed.leaves == receipts && agreed).then_some(reviewed)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_have_one_head_on_chain_and_weights_follow_from_both_logs_also_while_one_is_away() {
    let mut subnet = Subnet::start(1, 2).await;
    let folder = tempfile::tempdir().unwrap();
    subnet.validators[0].stop().await;
    let mut second = subnet.validators[0].another_gateway(1, folder.path().join("second"));
    second.start().await.unwrap();
    let door = second.validator().door_addr().expect("a gateway of another shard has a door");
    subnet.validators[0].settings_mut().shards.peers = vec![Peer { shard: 1, url: format!("http://{door}") }];
    subnet.validators[0].start().await.unwrap();
    subnet.validators.push(second);
    subnet.wait_until_hot(2).await;

    for number in 0..3 {
        for gateway in &subnet.validators {
            assert_eq!(gateway.chat(ECHO_MODEL, &format!("call {number}")).await.status, 200);
        }
    }
    assert_eq!(subnet.validators[0].chat(ECHO_MODEL, "one more").await.status, 200);
    let both = audited(&subnet, 7, &folder.path().join("bundle")).await;
    let named = both.head.shard(1).expect("the head names the second gateway's log");
    assert_eq!(named.log.tree_size, 3);
    assert_eq!(both.replayed.table.rows.iter().map(|row| row.invocations).sum::<u64>(), 7);

    // Away, it is named as it was, and its calls go on counting.
    subnet.validators[1].stop().await;
    assert_eq!(subnet.validators[0].chat(ECHO_MODEL, "while the other is away").await.status, 200);
    let alone = audited(&subnet, 8, &folder.path().join("bundle")).await;
    assert!(alone.head.epoch_index > both.head.epoch_index);
    assert_eq!(alone.head.shard(1).map(|named| named.log.tree_size), Some(3));
    assert_eq!(alone.replayed.table.rows.iter().map(|row| row.invocations).sum::<u64>(), 8);
}
