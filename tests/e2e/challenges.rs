//! Miners are asked to show the weights that they say they serve. No call is made and no model run again.

use protocol::evidence::{Finding, ValidEvidence};
use subnet_tests::{Cheat, Plan, Subnet, TestModel, ValidatorNode, fewer_layers, smollm2_path, wait};

fn evidence(validator: &ValidatorNode) -> Vec<ValidEvidence> {
    validator.validator().ledger().reader().evidence(0..u64::MAX).expect("a whole ledger")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_of_the_same_size_convicts_its_miner_and_who_has_the_weights_shows_them() {
    let plan = Plan { validators: 1, miners: 1, model: TestModel::SmolLm2, tempo_blocks: 20 };
    let mut subnet = Subnet::start_with(plan).await;
    subnet.validators[0].stop().await;
    subnet.miners[0].stop().await;
    subnet.miners[0].config_mut().axon.challenges.weights_pause_ms = 0;
    subnet.miners[0].start().await.unwrap();
    subnet.validators[0].challenge(|challenges| challenges.weight_challenges_per_hour = 36_000);
    let cheaper = tempfile::tempdir().unwrap();
    let file = cheaper.path().join("fewer.gguf");
    fewer_layers(&smollm2_path(), &file, 20);
    let cheat = subnet.add_cheat("fewer-layers", Cheat::OtherModel(file)).await;
    subnet.validators[0].start().await.unwrap();
    let validator = &subnet.validators[0];
    let found = wait::until("the cheat has signed what it should not have", || async {
        let found = evidence(validator);
        (!found.is_empty()).then_some(found)
    });
    let found = found.await;
    assert!(found.iter().all(|found| found.miner() == cheat.hotkey()), "the honest miner is in no evidence");
    assert!(found.iter().all(|found| matches!(found.finding(), Finding::WrongAnswer(_))));
    let convicted = protocol::standing::standings(&found, 0..u64::MAX).convicted;
    assert_eq!(convicted.len(), 1);
}
