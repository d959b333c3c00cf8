//! Papers against a validator with two gateways, by the program's commands on files.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::receipt::Countersigned;
use protocol::ticket::first_sequence;
use serde_json::json;
use subnet_validator::audit::export::export;
use subnet_validator::shards::papers::bring;

use crate::commands::{run, text};
use crate::heads::{NOW_MS, head};
use crate::shards::{SALT, collected, collector, config, door, open_one};
use crate::support::{Call, miner_key, open_ledger, validator};

/// Calls of a shard, more than an hour before the head: its log answers for them.
fn calls(shard: u8, name: &str) -> Vec<Countersigned> {
    let miner = miner_key(name);
    let call = |number| Call {
        issued_at_ms: NOW_MS - 7_200_000 + number,
        ..Call::new(&miner, first_sequence(shard) + number)
    };
    (0..4).map(|number| call(number).sign()).collect()
}

/// The bundle of one tempo of a validator with these two logs.
async fn bundle(root: &Path, of_zero: &[Countersigned], of_one: &[Countersigned]) -> PathBuf {
    let (zero, one) = (open_ledger(&root.join("zero")), open_one(&root.join("one")));
    for (ledger, calls) in [(&zero, of_zero), (&one, of_one)] {
        for call in calls {
            ledger.append(call.clone()).await.unwrap();
        }
    }
    let (bundles, opened) = (root.join("bundles"), door(&one, &root.join("bundles-of-one")).await);
    let config = config(&opened);
    collected(&mut collector(&zero, config.clone(), SALT), 1).await;
    let record = head(&zero, 1).await;
    bring(&config, &record.head.head, &bundles).await.unwrap();
    let to = bundles.clone();
    let written = zero.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    written.unwrap().unwrap();
    bundles
}

#[tokio::test]
async fn a_call_that_either_of_two_logs_lacks_is_proven_missing_and_one_that_is_there_is_not() {
    let root = tempfile::tempdir().unwrap();
    let (of_zero, of_one) = (calls(0, "//Bob"), calls(1, "//Bob"));
    let bundle = bundle(root.path(), &of_zero[..3], &of_one[..3]).await;
    let file = root.path().join("call");
    for (shard, calls) in [(0, of_zero), (1, of_one)] {
        fs::write(&file, calls[1].encode()).unwrap();
        let there = run(&["audit", "dispute", text(&file), "--bundle", text(&bundle)]).await;
        assert_eq!(there, Err(4), "shard {shard}");
        // As a miner exports it.
        fs::write(&file, format!("0x{}\n", hex::encode(calls[3].encode()))).unwrap();
        let lacks = run(&["audit", "dispute", text(&file), "--bundle", text(&bundle)]).await.unwrap();
        assert_eq!((&lacks["proven"], &lacks["node"]), (&json!(true), &json!(validator().public())));
        let finding = lacks["finding"].as_str().unwrap();
        assert!(finding.contains(&format!("the log of shard {shard} of epoch 1")), "{finding}");
    }
    fs::write(&file, "0x0g").unwrap();
    assert_eq!(run(&["audit", "dispute", text(&file), "--bundle", text(&bundle)]).await, Err(4));
}

#[tokio::test]
async fn two_histories_of_one_shard_are_found_in_two_bundles_and_proven_by_the_papers() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let (of_zero, of_one) = (calls(0, "//Bob"), calls(1, "//Bob"));
    let told_one = bundle(&at("told-one"), &of_zero, &of_one).await;
    let told_other =
        bundle(&at("told-other"), &of_zero, &[&of_one[..3], &calls(1, "//Charlie")[3..]].concat()).await;
    let papers = at("papers");
    let find = async |other: &Path| {
        run(&["audit", "equivocation", text(&told_one), text(other), "--out", text(&papers)]).await
    };
    assert_eq!(find(&told_one).await, Err(4), "one history");
    assert!(!papers.exists());
    let found = find(&told_other).await.unwrap();
    let proven = run(&["audit", "dispute", text(&papers)]).await.unwrap();
    for told in [&found, &proven] {
        assert_eq!((&told["proven"], &told["node"]), (&json!(true), &json!(validator().public())));
        assert!(told["finding"].as_str().unwrap().contains("of shard 1"), "{told}");
    }
}
