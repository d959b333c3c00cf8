//! An auditor with nothing but the chain and a folder of files.

use std::path::Path;

use chain_client::weights::{Scores, Timing, WeightSetter, WeightsTarget};
use protocol::digest::Digest;
use subnet_tests::{ECHO_MODEL, Subnet, ValidatorNode, wait};
use subnet_validator::audit::chain::{ChainFacts, Finding, compare};
use subnet_validator::audit::fetch::fetch;
use subnet_validator::audit::review::{Reviewed, review};
use subnet_validator::ledger::{Owner, Reader};
use tokio::sync::Mutex;

/// Serves some calls and goes on until the validator's weights are on chain.
async fn until_weights_are_set(subnet: &Subnet) {
    let validator = &subnet.validators[0];
    for number in 0..5 {
        assert_eq!(validator.chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
    }
    let uid = subnet.uid(&validator.hotkey()).await;
    wait::until("the validator sets weights", || async {
        subnet.produce_blocks(1).await;
        subnet.weights_on_chain().await.remove(&uid).filter(|row| !row.is_empty())
    })
    .await;
}

/// Fetches the bundle of the newest head from the validator's gateway, and reviews it.
async fn reviewed(validator: &ValidatorNode, folder: &Path) -> Reviewed {
    let owner = Owner::single(validator.hotkey(), 64);
    let reader = Reader::open(&validator.state_dir().join("ledger"), owner).expect("a ledger");
    let newest = reader.latest_head().expect("a whole ledger").expect("a head").head.head.epoch_index;
    let gateway = format!("http://{}", validator.validator().gateway_addr());
    wait::until("the bundle is published", || async {
        fetch(&gateway, Some(newest), folder, |_, _| ()).await.ok()
    })
    .await;
    review(folder, Some(&validator.hotkey()), |_, _| ()).expect("an honest bundle")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_auditor_recomputes_the_weights_on_chain_from_the_published_bundle() {
    let subnet = Subnet::start(1, 2).await;
    until_weights_are_set(&subnet).await;
    let folder = tempfile::tempdir().unwrap();
    let reviewed = reviewed(&subnet.validators[0], &folder.path().join("bundle")).await;
    // The head may have been cut before the last call.
    let counted = reviewed.replayed.table.rows.iter().map(|row| row.invocations).sum::<u64>();
    assert!((1..=5).contains(&counted), "{counted}");

    let at = subnet.client().finalized().await.unwrap();
    let facts = ChainFacts::read(subnet.client(), &reviewed, at).await.unwrap();
    assert_eq!(compare(&reviewed, &facts), []);
    assert_eq!(facts.committed, Some(reviewed.head.digest()), "the head was committed before its weights");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_validator_whose_weights_favour_a_friend_is_seen_on_chain() {
    let mut subnet = Subnet::start(1, 2).await;
    until_weights_are_set(&subnet).await;
    let folder = tempfile::tempdir().unwrap();
    let reviewed = reviewed(&subnet.validators[0], &folder.path().join("bundle")).await;

    // The same hotkey, by hand: everything to the miner that earned less.
    let worst = reviewed.replayed.table.rows.iter().min_by_key(|row| row.basis_points).unwrap().hotkey;
    let friend = subnet.uid(&worst).await;
    let hotkey = subnet.validators[0].hotkey_secret().clone();
    let uid = subnet.uid(&hotkey.public()).await;
    subnet.validators[0].stop().await;
    let target = WeightsTarget {
        netuid: 64,
        mechanism: 0,
        version_key: None,
        timing: Timing::DEFAULT,
        journal_folder: folder.path().join("journal"),
    };
    let setter = WeightSetter::open(subnet.client().clone(), hotkey, target).await.unwrap();
    let (setter, scores) = (Mutex::new(setter), Scores { values: vec![(friend, 1.0)], label: Digest::ZERO });
    wait::until("the friend's weights are on chain", || async {
        setter.lock().await.set_weights(&scores).await.unwrap();
        subnet.produce_blocks(1).await;
        (subnet.weights_on_chain().await.get(&uid)? == &[(friend, u16::MAX)]).then_some(())
    })
    .await;

    let at = subnet.client().finalized().await.unwrap();
    let facts = ChainFacts::read(subnet.client(), &reviewed, at).await.unwrap();
    let findings = compare(&reviewed, &facts);
    assert!(
        matches!(&findings[..], [Finding::Weights { found, .. }] if found == &[(friend, u16::MAX)]),
        "{findings:?}"
    );
}
