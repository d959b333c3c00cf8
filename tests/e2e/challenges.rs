//! Miners are asked to show the weights that they say they serve. No call is made and no model run again.

use std::sync::Arc;

use protocol::evidence::{Finding, SignedEvidence, ValidEvidence};
use protocol::scoring::{Miner, Policy, Scorer};
use subnet_tests::{Cheat, Plan, Subnet, TestModel, ValidatorNode, fewer_layers, smollm2_path, wait};
use subnet_validator::audit::rechallenge::{Challenger, sample};
use subnet_validator::audit::recheck::recheck;
use subnet_validator::challenges::question::Outcome;
use subnet_validator::clock::Clock;
use subnet_validator::fleet::axon::AxonClient;

const NETUID: u16 = 64;

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

    // The same by hand, as `audit review --challenge` does it for the miners that a bundle pays. A miner answers one at a time, so the
    // validator's own questions have ended.
    subnet.validators[0].stop().await;
    let validator = &subnet.validators[0];
    let (client, hotkey) = (subnet.client(), validator.wallet().hotkey());
    let metagraph = client.metagraph(NETUID, client.finalized().await.unwrap()).await.unwrap();
    let listed = subnet_validator::catalogue::built_in();
    let registered = [subnet.miners[0].hotkey(), cheat.hotkey()].map(|hotkey| Miner::new(hotkey, hotkey));
    let mut table = Scorer::new(&Policy::default(), &listed.catalogue, 0).finish(&registered);
    assert!(sample(&table, &metagraph, false, 9).is_empty(), "nobody is paid");
    table.rows.iter_mut().for_each(|row| row.basis_points = 5_000);
    assert_eq!(sample(&table, &metagraph, false, 1).len(), 1);
    let clock = Arc::new(Clock::new());
    let asking = AxonClient::new(hotkey.clone(), Arc::clone(&clock), validator.settings().fleet.clone());
    let challenger = Challenger {
        netuid: NETUID,
        hotkey,
        client: &asking,
        clock: &clock,
        offers: &listed.offers,
        pieces: 4,
        answer_ms_max: 30_000,
    };
    for axon in sample(&table, &metagraph, false, 9) {
        let challenged = challenger.challenge(axon).await;
        let written = challenger.write(&challenged, cheaper.path()).unwrap();
        if axon.hotkey == cheat.hotkey() {
            let file = std::fs::read(written.expect("it has signed other pieces")).unwrap();
            let evidence = SignedEvidence::from_bytes(&file).unwrap();
            let rechecked = recheck(evidence, None).await.unwrap();
            assert_eq!(rechecked.proven_against(), Some(cheat.hotkey()));
        } else {
            assert_eq!((challenged.outcome, written), (Some(Outcome::Shown), None));
        }
    }
}
