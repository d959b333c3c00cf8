//! An auditor with the built program alone: it fetches what a live validator publishes, reviews it, and has the miners that the bundle
//! pays show their weights.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use subnet_tests::{Cheat, Plan, SMOLLM2, Subnet, TestModel, fewer_layers, smollm2_path, wait};

use super::processes::binary;

/// Calls that users make at most until both miners have served one.
const CALLS_MAX: usize = 200;

/// What the program said, and its exit code.
struct Said {
    code: Option<i32>,
    json: Value,
    errors: String,
}

/// Runs `subnet-validator audit ...` as the second validator's operator would, with a folder of its own.
async fn audit(subnet: &Subnet, folder: &Path, arguments: &[&str]) -> Said {
    let wallet = subnet.validators[1].wallet().path();
    let mut command = Command::new(binary("subnet-validator"));
    command.arg("audit").args(arguments).current_dir(folder).env_clear().env("HOME", folder);
    command.args(["--network", &subnet.chain().ws_url(), "--netuid", "64", "--state", "state", "--json"]);
    command.args(["--wallet", &wallet.wallet, "--wallet-hotkey", &wallet.hotkey, "--wallet-path"]);
    command.arg(&wallet.root);
    // The chain and the miners are in this process and must go on.
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said {
        code: output.status.code(),
        json: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Users call until both miners have earned, and blocks are made until the chain pays both.
async fn until_both_are_paid(subnet: &Subnet) {
    let validator = &subnet.validators[0];
    for number in 0..CALLS_MAX {
        let calls = validator.validator().ledger().reader().from(0, CALLS_MAX).unwrap();
        let miners: std::collections::BTreeSet<_> =
            calls.iter().map(|call| call.receipt.ticket().miner).collect();
        if miners.len() == 2 {
            break;
        }
        let body = json!({
            "model": SMOLLM2, "max_tokens": 3, "messages": [{"role": "user", "content": format!("Count from {number}.")}],
        });
        assert_eq!(validator.post("/v1/chat/completions", body.to_string()).await.status, 200);
    }
    let uid = subnet.uid(&validator.hotkey()).await;
    wait::until("both miners are paid", || async {
        subnet.produce_blocks(1).await;
        let row = subnet.weights_on_chain().await.remove(&uid)?;
        (row.iter().filter(|(_, weight)| *weight > 0).count() == 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_built_program_reviews_a_live_bundle_and_catches_the_paid_miner_without_the_weights() {
    let plan = Plan { validators: 2, miners: 0, model: TestModel::SmolLm2, tempo_blocks: 20 };
    let mut subnet = Subnet::start_with(plan).await;
    subnet.start_miners(&["honest"], |config| config.axon.challenges.weights_pause_ms = 0).await;
    let folder = tempfile::tempdir().unwrap();
    let smaller = folder.path().join("fewer.gguf");
    fewer_layers(&smollm2_path(), &smaller, 20);
    let cheat = subnet.add_cheat("fewer-layers", Cheat::OtherModel(smaller)).await;
    subnet.wait_until_hot(2).await;
    // Its operator audits by hand; its hotkey has a permit, so miners answer to it.
    subnet.validators[1].stop().await;
    until_both_are_paid(&subnet).await;
    let (honest, cheats) = (subnet.miners[0].hotkey().to_ss58(), cheat.hotkey().to_ss58());
    let (gateway, reviewed) = (subnet.validators[0].gateway_url(), subnet.validators[0].hotkey().to_ss58());

    wait::until("the bundle agrees with the chain", || async {
        let fetched = audit(&subnet, folder.path(), &["fetch", &gateway, "--out", "bundle"]).await;
        let review = ["review", "bundle", "--validator", &reviewed];
        let said = audit(&subnet, folder.path(), &review).await;
        ((fetched.code, said.code) == (Some(0), Some(0))).then_some(())
    })
    .await;
    let review = ["review", "bundle", "--validator", &reviewed, "--challenge", "9"];
    let said = audit(&subnet, folder.path(), &review).await;
    assert_eq!(said.code, Some(5), "{}", said.errors);
    assert_eq!((&said.json["agreed"], &said.json["comparedWithChain"]), (&json!(true), &json!(true)));
    let rows = said.json["challenged"].as_array().unwrap();
    let result = |miner: &str| rows.iter().find(|row| row["miner"] == *miner).map(|row| &row["result"]);
    assert_eq!(
        (result(&honest), result(&cheats)),
        (Some(&json!("shown")), Some(&json!("wrong"))),
        "{rows:?}"
    );
    assert_eq!(rows.len(), 2);

    // What it wrote convinces whoever has the file, and names the one miner.
    let written: Vec<_> = std::fs::read_dir(folder.path().join("evidence")).unwrap().collect();
    let [file] = written.as_slice() else { panic!("{written:?}") };
    let file = file.as_ref().unwrap().path();
    let proven = audit(&subnet, folder.path(), &["recheck", file.to_str().unwrap()]).await;
    let one = &proven.json["evidence"][0];
    assert_eq!((proven.code, &one["proven"], &one["miner"]), (Some(0), &json!(true), &json!(cheats)));

    // Who does not answer has shown nothing, and is guilty of nothing.
    drop(cheat);
    subnet.miners[0].kill();
    let review = ["review", "bundle", "--challenge", "1", "--evidence", "none"];
    let said = audit(&subnet, folder.path(), &review).await;
    assert_eq!(
        (said.code, &said.json["challenged"][0]["result"]),
        (Some(0), &json!("missed")),
        "{}",
        said.json
    );
    assert_eq!(said.json["challenged"].as_array().unwrap().len(), 1);
    assert!(!folder.path().join("none").exists(), "no evidence");
    let said = audit(&subnet, folder.path(), &["review", "bundle", "--challenge", "1", "--offline"]).await;
    assert_eq!(said.code, Some(2), "challenges need the chain: {}", said.errors);
}
