//! Miners that answer with something cheaper are found out, named with evidence, and earn nothing.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use protocol::account::AccountId;
use protocol::evidence::{Finding, ValidEvidence};
use subnet_tests::{
    Cheat, Plan, SMOLLM2, Subnet, TestModel, ValidatorNode, fewer_layers, smollm2_path, wait,
};

/// A subnet whose validator probes many times a second, with an honest miner.
async fn subnet() -> Subnet {
    let plan = Plan { validators: 1, miners: 1, model: TestModel::SmolLm2, tempo_blocks: 20 };
    let mut subnet = Subnet::start_with(plan).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].challenge(|challenges| {
        challenges.models = [(SMOLLM2.parse().expect("a model id"), smollm2_path())].into();
        challenges.probes_per_hour = 36_000;
        challenges.probe_tokens_max = 6;
        // A small machine: few at a time, so that each ends soon.
        challenges.queue_calls_max = NonZeroUsize::MIN.saturating_add(1);
        challenges.copies_interval_ms = 50;
    });
    subnet
}

fn evidence(validator: &ValidatorNode) -> Vec<ValidEvidence> {
    validator.validator().ledger().reader().evidence(0..u64::MAX).expect("a whole ledger")
}

/// Waits until the validator convicts somebody, and gives whom, with the evidence.
async fn convicted(validator: &ValidatorNode) -> (Vec<AccountId>, Vec<ValidEvidence>) {
    let found = wait::until("a cheat is convicted", || async {
        let found = evidence(validator);
        let convictions = protocol::standing::convictions(&found, 0..u64::MAX);
        (!convictions.is_empty()).then_some((convictions, found))
    });
    let (convictions, found) = found.await;
    (convictions.into_iter().map(|conviction| conviction.miner).collect(), found)
}

fn truncated(folder: &Path) -> PathBuf {
    let path = folder.join("small.gguf");
    fewer_layers(&smollm2_path(), &path, 20);
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_smaller_model_under_the_large_ones_name_is_found_by_its_states_and_earns_nothing() {
    let mut subnet = subnet().await;
    let folder = tempfile::tempdir().unwrap();
    let cheat = subnet.add_cheat("cheat", Cheat::OtherModel(truncated(folder.path()))).await;
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(2).await;
    let (convicted, found) = convicted(&subnet.validators[0]).await;
    assert_eq!(convicted, [cheat.hotkey()], "and nobody else");
    assert!(found.iter().all(|found| found.miner() == cheat.hotkey()), "the honest miner is in no evidence");
    assert!(found.iter().all(|found| matches!(found.finding(), Finding::Reexecution(_))));

    let (uid, honest) = (subnet.uid(&cheat.hotkey()).await, subnet.uid(&subnet.miners[0].hotkey()).await);
    let validator = subnet.uid(&subnet.validators[0].hotkey()).await;
    let weights = wait::until("weights without the cheat are on chain", || async {
        subnet.produce_blocks(1).await;
        let row = subnet.weights_on_chain().await.remove(&validator)?;
        row.iter().all(|(miner, _)| *miner != uid).then_some(row)
    });
    assert_eq!(weights.await, [(honest, u16::MAX)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_answers_are_found_whether_given_again_as_they_were_or_under_new_ids() {
    let mut subnet = subnet().await;
    let same_bytes = subnet.add_cheat("same-bytes", Cheat::SameBytes(smollm2_path())).await;
    let same_text = subnet.add_cheat("same-text", Cheat::SameText(smollm2_path())).await;
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(3).await;
    let validator = &subnet.validators[0];
    let found = wait::until("both are convicted", || async {
        let found = evidence(validator);
        (protocol::standing::convictions(&found, 0..u64::MAX).len() == 2).then_some(found)
    });
    let found = found.await;
    let of = |hotkey: AccountId| found.iter().filter(move |found| found.miner() == hotkey);
    assert!(of(same_bytes.hotkey()).any(|found| matches!(found.finding(), Finding::ReplayedAnswer(..))));
    assert!(of(same_text.hotkey()).all(|found| matches!(found.finding(), Finding::Reexecution(_))));
    assert_eq!(of(subnet.miners[0].hotkey()).count(), 0);
}

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
