//! One validator with two gateways, each with a log of its own, under one head on chain.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::path::Path;

use clap::Parser;
use protocol::receipt::{Countersigned, MinerSigned, UncheckedCountersigned};
use serde_json::{Value, json};
use subnet_miner::receipts::ReceiptReader;
use subnet_tests::{ECHO_MODEL, Subnet, wait};
use subnet_validator::audit::chain::{ChainFacts, compare};
use subnet_validator::audit::fetch::fetch;
use subnet_validator::audit::review::{Reviewed, review};
use subnet_validator::shards::Peer;

/// A chain's time after which a call that was made before must be in the log.
const TWO_HOURS_MS: u64 = 7_200_000;

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

/// Starts the validator again as the head gateway of two; both send miners their copies at once.
async fn add_second_gateway(subnet: &mut Subnet, state: &Path) {
    subnet.validators[0].stop().await;
    subnet.validators[0].challenge(|challenges| challenges.copies_interval_ms = 20);
    let mut second = subnet.validators[0].another_gateway(1, state.to_owned());
    second.challenge(|challenges| challenges.copies_interval_ms = 20);
    second.start().await.unwrap();
    let door = second.validator().door_addr().expect("a gateway of another shard has a door");
    subnet.validators[0].settings_mut().shards.peers = vec![Peer { shard: 1, url: format!("http://{door}") }];
    subnet.validators[0].start().await.unwrap();
    subnet.validators.push(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_have_one_head_on_chain_and_weights_follow_from_both_logs_also_while_one_is_away() {
    let mut subnet = Subnet::start(1, 2).await;
    let folder = tempfile::tempdir().unwrap();
    add_second_gateway(&mut subnet, &folder.path().join("second")).await;
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

/// Runs a command of the miner's program on files; answers what it printed as JSON, or its exit code.
async fn miner_command(arguments: &[&str]) -> Result<Value, u8> {
    let all = ["subnet-miner"].iter().chain(arguments).chain(&["--json"]);
    let mut out = Vec::new();
    let cli = subnet_miner::cli::Cli::try_parse_from(all).unwrap();
    Box::pin(subnet_miner::command::run(cli, &mut out)).await.map_err(|error| error.exit_code())?;
    Ok(serde_json::from_slice(&out).unwrap())
}

/// The same of the validator's program.
async fn validator_command(arguments: &[&str]) -> Result<Value, u8> {
    let all = ["subnet-validator"].iter().chain(arguments).chain(&["--json"]);
    let mut out = Vec::new();
    let cli = subnet_validator::cli::Cli::try_parse_from(all).unwrap();
    Box::pin(subnet_validator::command::run(cli, &mut out)).await.map_err(|error| error.exit_code())?;
    Ok(serde_json::from_slice(&out).unwrap())
}

/// The call again under a number that no log has, signed by both who signed it.
fn another(call: &Countersigned, subnet: &Subnet) -> Countersigned {
    let (validator, miner) = (subnet.validators[0].hotkey_secret(), subnet.miners[0].wallet().hotkey());
    let mut ticket = call.ticket().clone();
    ticket.sequence += 500;
    let mut receipt = call.receipt().clone();
    receipt.ticket_hash = ticket.hash();
    let ticket = ticket.sign(validator).verify().unwrap();
    let signed = MinerSigned::check(ticket, receipt.sign(miner)).unwrap();
    signed.countersign(call.observation().clone(), validator).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_miner_of_two_gateways_finds_its_calls_in_either_log_and_proves_what_one_lacks() {
    let mut subnet = Subnet::start(1, 1).await;
    let folder = tempfile::tempdir().unwrap();
    add_second_gateway(&mut subnet, &folder.path().join("second")).await;
    subnet.wait_until_hot(1).await;
    for gateway in &subnet.validators {
        assert_eq!(gateway.chat(ECHO_MODEL, "hello").await.status, 200);
    }
    let miner = &subnet.miners[0];
    let store = miner.config().receipts_path(&miner.hotkey());
    let copies = wait::until("the miner has a copy of each gateway's call", || async {
        let newest = ReceiptReader::open(&store).ok()?.newest(None, 10).ok()?;
        let copies: Vec<_> = newest.into_iter().filter(|receipt| receipt.countersigned.is_some()).collect();
        (copies.len() == 2).then_some(copies)
    })
    .await;
    subnet.chain().travel(TWO_HOURS_MS);
    let bundles = folder.path().join("bundle");
    let reviewed = audited(&subnet, 2, &bundles).await;
    assert_eq!(reviewed.head.shard(1).map(|named| named.log.tree_size), Some(1));

    let config = miner.config();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (wallets, state) = (text(&config.wallet_path), text(&config.state_path));
    let (bundle, validator) = (text(&bundles), subnet.validators[0].hotkey().to_ss58());
    for copy in copies {
        let shard = protocol::ticket::shard_of(copy.sequence);
        let (kept, lacking) = (folder.path().join("kept.call"), folder.path().join("lacking.call"));
        let sequence = copy.sequence.to_string();
        let mut out = Vec::new();
        let place =
            ["--wallet", &config.wallet, "--wallet-path", &wallets, "--state", &state, "receipts", "export"];
        let which = ["--validator", &validator, "--sequence", &sequence, "--out", kept.to_str().unwrap()];
        let all = ["subnet-miner"].into_iter().chain(place).chain(which);
        let cli = subnet_miner::cli::Cli::try_parse_from(all).unwrap();
        Box::pin(subnet_miner::command::run(cli, &mut out)).await.unwrap();
        let digits = std::fs::read_to_string(&kept).unwrap();
        let bytes = hex(digits.trim().strip_prefix("0x").unwrap());
        let call = UncheckedCountersigned::from_bytes(&bytes).unwrap().verify().unwrap();
        std::fs::write(&lacking, another(&call, &subnet).encode()).unwrap();

        let (kept, lacking) = (text(&kept), text(&lacking));
        let prove = async |record: &str| {
            let arguments = ["receipts", "prove-omission", "--record", record, "--bundle", &bundle];
            miner_command(&arguments).await.unwrap()
        };
        assert_eq!(prove(&kept).await["found"], "in_log", "shard {shard}");
        let proven = prove(&lacking).await;
        assert_eq!((&proven["found"], &proven["shard"]), (&json!("omitted"), &json!(shard)));
        // Whoever is to be convinced runs the validator's program on the same files.
        let dispute =
            async |record: &str| validator_command(&["audit", "dispute", record, "--bundle", &bundle]).await;
        assert_eq!(dispute(&kept).await, Err(4), "shard {shard}");
        let proven = dispute(&lacking).await.unwrap();
        assert_eq!((&proven["proven"], &proven["node"]), (&json!(true), &json!(validator)));
        assert!(
            proven["finding"].as_str().unwrap().contains(&format!("the log of shard {shard} ")),
            "{proven}"
        );
    }
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
