//! What a miner can prove from its own store, by the program's own commands: `subnet-miner receipts`. And a cheat, as a program.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Parser;
use protocol::receipt::Countersigned;
use serde_json::Value;
use subnet_miner::cli::Cli;
use subnet_miner::command;
use subnet_miner::receipts::ReceiptReader;
use subnet_tests::cheats::{Spoil, spoil};
use subnet_tests::{ECHO_MODEL, MinerNode, SMOLLM2, Subnet, smollm2_path, wait};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A chain's time after which a call that was made before must be in the log.
const TWO_HOURS_MS: u64 = 7_200_000;

/// `subnet-miner receipts ...` beside the running miner: what it printed, or its exit code.
async fn receipts(miner: &MinerNode, arguments: &[&str]) -> Result<String, u8> {
    let config = miner.config();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let place = [
        ("--wallet", config.wallet.clone()),
        ("--wallet-path", path(&config.wallet_path)),
        ("--state", path(&config.state_path)),
    ];
    let flags = place.iter().flat_map(|(flag, value)| [*flag, value.as_str()]);
    let all = ["subnet-miner"].into_iter().chain(flags).chain(["receipts"]).chain(arguments.iter().copied());
    let mut out = Vec::new();
    let cli = Cli::try_parse_from(all).unwrap();
    Box::pin(command::run(cli, &mut out)).await.map_err(|error| error.exit_code())?;
    Ok(String::from_utf8(out).unwrap())
}

async fn json(miner: &MinerNode, arguments: &[&str]) -> Result<Value, u8> {
    let text = receipts(miner, &[arguments, &["--json"]].concat()).await?;
    Ok(serde_json::from_str(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_exports_its_copy_verifies_it_and_proves_that_the_log_lacks_it() {
    let mut subnet = Subnet::start(1, 1).await;
    subnet.validators[0].stop().await;
    subnet.validators[0].challenge(|challenges| challenges.copies_interval_ms = 20);
    // Its heads are cut here, spoiled.
    subnet.validators[0].settings_mut().weights.enabled = false;
    subnet.validators[0].start().await.unwrap();
    subnet.wait_until_hot(1).await;
    let (validator, miner) = (&subnet.validators[0], &subnet.miners[0]);
    for number in 0..3 {
        assert_eq!(validator.chat(ECHO_MODEL, &format!("request {number}")).await.status, 200);
    }
    let stored = validator.validator().ledger().reader().from(0, 10).unwrap();
    let calls: Vec<Countersigned> = stored.into_iter().map(|stored| stored.receipt).collect();
    let store = miner.config().receipts_path(&miner.hotkey());
    wait::until("the miner has its three copies", || async {
        let newest = ReceiptReader::open(&store).ok()?.newest(None, 10).ok()?;
        (newest.iter().filter(|receipt| receipt.countersigned.is_some()).count() == 3).then_some(())
    })
    .await;

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let hotkey = validator.hotkey().to_ss58();
    let export = async |call: &Countersigned, to: &str| {
        let sequence = call.ticket().sequence.to_string();
        receipts(miner, &["export", "--validator", &hotkey, "--sequence", &sequence, "--out", to]).await
    };
    let (dropped, kept) = (file("dropped.call"), file("kept.call"));
    export(&calls[1], &dropped).await.unwrap();
    export(&calls[2], &kept).await.unwrap();
    let written = std::fs::read_to_string(&dropped).unwrap();
    assert_eq!(written.trim(), format!("0x{}", hex(&calls[1].encode())));
    let none = file("none.call");
    let unknown =
        receipts(miner, &["export", "--validator", &hotkey, "--sequence", "99", "--out", &none]).await;
    assert_eq!(unknown, Err(1), "there is no such call");

    let verified = json(miner, &["verify", &dropped]).await.unwrap();
    assert_eq!((&verified["valid"], &verified["counts"]), (&true.into(), &true.into()));
    assert_eq!(verified["leaf"], serde_json::json!(calls[1].leaf_hash()));
    let forged = file("forged.call");
    let mut bytes = calls[1].encode();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&forged, bytes).unwrap();
    assert_eq!(receipts(miner, &["verify", &forged]).await, Err(1), "a changed bit is no receipt");

    subnet.chain().travel(TWO_HOURS_MS);
    subnet.produce_blocks(1).await;
    let at = subnet.client().finalized().await.unwrap();
    let how = Spoil::Drop(Box::new(calls[1].clone()));
    let spoiled = spoil(&subnet, validator, &how, at, folder.path()).await;
    let bundle = spoiled.bundle.to_str().unwrap();
    let proven = json(miner, &["prove-omission", "--record", &dropped, "--bundle", bundle]).await.unwrap();
    assert_eq!((&proven["found"], &proven["validator"]), (&"omitted".into(), &hotkey.clone().into()));
    let there = json(miner, &["prove-omission", "--record", &kept, "--bundle", bundle]).await.unwrap();
    assert_eq!(there["found"], "in_log");
    let missing = file("no-bundle");
    let nowhere = receipts(miner, &["prove-omission", "--record", &kept, "--bundle", &missing]).await;
    assert_eq!(nowhere, Err(1));
}

/// The example beside this test's own program.
fn cheating_miner() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().with_file_name("examples").join("cheating-miner");
    assert!(path.is_file(), "{} is not built: build with --examples", path.display());
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cheating_miner_of_the_demonstrations_starts_is_announced_and_seen() {
    let subnet = Subnet::start_with(subnet_tests::Plan {
        validators: 1,
        miners: 0,
        model: subnet_tests::TestModel::SmolLm2,
        tempo_blocks: 20,
    })
    .await;
    let node = subnet.new_miner("cheat").await;
    subnet.register(node.wallet()).await;
    let config = node.config();
    let weights = subnet.validators[0].catalogue().iter().next().unwrap().weights_digest;
    let mut program = tokio::process::Command::new(cheating_miner())
        .args(["--network", &config.network, "--wallet", &config.wallet, "--model", SMOLLM2])
        .args(["--weights-digest", &weights.to_string(), "--cheat", "same-text"])
        .args([Path::new("--wallet-path"), &config.wallet_path])
        .args([Path::new("--file"), &smollm2_path()])
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let line = lines.next_line().await.unwrap().unwrap();
    assert!(line.starts_with(&format!("{} cheats at 127.0.0.2:", node.hotkey())), "{line}");
    subnet.wait_until_hot(1).await;
    let answer = subnet.validators[0].chat(SMOLLM2, "hello").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
