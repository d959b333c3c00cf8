//! A cheat that papers do not prove, beside an honest miner; and the copies that miners get. What becomes of cheats: [`super::cheats`].

use std::num::NonZeroUsize;

use protocol::evidence::{Finding, ValidEvidence};
use subnet_tests::{Cheat, Plan, SMOLLM2, Subnet, TestModel, ValidatorNode, smollm2_path, wait};

/// A subnet whose validator probes many times a second, with an honest miner.
async fn subnet() -> Subnet {
    let plan = Plan { validators: 1, miners: 1, model: TestModel::SmolLm2, tempo_blocks: 20 };
    let mut subnet = Subnet::start_with(plan).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].challenge(|challenges| {
        challenges.models = [(SMOLLM2.parse().expect("a model id"), smollm2_path())].into();
        challenges.probes_per_hour = 36_000;
        (challenges.probe_prompt_tokens_max, challenges.probe_tokens_max) = (12, 6);
        // A small machine: few at a time, so that each ends soon.
        challenges.queue_calls_max = NonZeroUsize::MIN.saturating_add(1);
        challenges.copies_interval_ms = 50;
    });
    subnet
}

fn evidence(validator: &ValidatorNode) -> Vec<ValidEvidence> {
    validator.validator().ledger().reader().evidence(0..u64::MAX).expect("a whole ledger")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_answer_under_a_new_id_is_found_by_its_states_beside_an_honest_miner() {
    let mut subnet = subnet().await;
    let cheat = subnet.add_cheat("same-text", Cheat::SameText(smollm2_path())).await;
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(2).await;
    let validator = &subnet.validators[0];
    // Its old answer comes at once, so it is asked more often than the honest one.
    let found = wait::until("the cheat is convicted", || async {
        let found = evidence(validator);
        let convicted = protocol::standing::standings(&found, 0..u64::MAX).convicted;
        convicted.iter().any(|conviction| conviction.miner == cheat.hotkey()).then_some(found)
    });
    let found = found.await;
    assert!(found.iter().all(|found| found.miner() == cheat.hotkey()), "the honest miner is in no evidence");
    assert!(found.iter().all(|found| matches!(found.finding(), Finding::Reexecution(_))));
    let page =
        reqwest::get(format!("{}/metrics", validator.gateway_url())).await.unwrap().text().await.unwrap();
    for outcome in ["sent", "wrong"] {
        let line = format!("subnet_validator_challenges_total{{kind=\"probe\",outcome=\"{outcome}\"}} ");
        let count = page.lines().find_map(|found| found.strip_prefix(&line)).expect(&line);
        assert!(count.parse::<u64>().unwrap() > 0, "{page}");
    }
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
