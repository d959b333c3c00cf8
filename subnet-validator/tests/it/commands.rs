//! Commands that need no chain: copies of a ledger, proofs and papers from files, weights from several bundles.

use std::fs;
use std::path::Path;

use clap::Parser;
use parity_scale_codec::Encode;
use protocol::dispute::{Contradiction, RecordBytes};
use serde_json::{Value, json};
use subnet_validator::audit::export::export;
use subnet_validator::cli::Cli;
use subnet_validator::command;
use subnet_validator::ledger::{CopyError, Ledger, back_up, compact, restore};

use crate::heads::{head, serve};
use crate::support::{Call, miner_key, open_ledger, owner, receipt, validator};

/// A command's JSON, or the code that it ends with.
pub async fn run(arguments: &[&str]) -> Result<Value, u8> {
    let cli = Cli::try_parse_from(["subnet-validator"].iter().chain(arguments).chain(&["--json"])).unwrap();
    let mut out = Vec::new();
    command::run(cli, &mut out).await.map_err(|error| error.exit_code())?;
    Ok(serde_json::from_slice(&out).unwrap())
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A ledger with one tempo's head, and its bundle.
async fn bundle(root: &Path) -> (Ledger, std::path::PathBuf) {
    let ledger = open_ledger(&root.join("ledger"));
    serve(&ledger, "//Bob", 1, 0..4).await;
    serve(&ledger, "//Charlie", 1, 0..2).await;
    head(&ledger, 1).await;
    let folder = root.join("bundle");
    let to = folder.clone();
    let exported = ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    exported.unwrap().unwrap();
    (ledger, folder)
}

#[tokio::test]
async fn a_ledger_is_copied_while_it_is_written_and_put_back_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let (running, _) = bundle(root.path()).await;
    let (head, ledger) = (running.head(), at("ledger"));
    let next = running.reserve_sequences(miner_key("//Bob").public(), 5).await.unwrap().end;
    let live = back_up(&ledger, &at("live"), owner()).unwrap();
    assert_eq!((live.size, live.root), (head.size, head.root));
    drop(running);
    let linked = back_up(&ledger, &at("linked"), owner()).unwrap();
    assert_eq!(linked, live);
    let taken = back_up(&ledger, &at("live"), owner());
    assert!(matches!(taken, Err(CopyError::NotEmpty(_))), "{taken:?}");

    for copy in ["live", "linked"] {
        let to = at(&format!("restored-{copy}"));
        assert_eq!(restore(&at(copy), &to, owner()).unwrap(), live);
        let again = open_ledger(&to);
        assert_eq!(again.head(), head);
        assert!(again.read(|reader| reader.head(1)).await.unwrap().is_some());
        let numbers = again.reserve_sequences(miner_key("//Bob").public(), 1).await.unwrap();
        assert!(
            numbers.start > next + 1_000_000,
            "no number given since the copy is given again: {numbers:?}"
        );
    }
    let taken = restore(&at("live"), &ledger, owner());
    assert!(matches!(taken, Err(CopyError::NotEmpty(_))), "{taken:?}");
}

#[tokio::test]
async fn a_damaged_copy_is_not_put_back() {
    let root = tempfile::tempdir().unwrap();
    let (running, _) = bundle(root.path()).await;
    drop(running);
    let copy = root.path().join("copy");
    back_up(&root.path().join("ledger"), &copy, owner()).unwrap();
    {
        let families = subnet_validator::ledger::schema::FAMILIES;
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), &copy, families).unwrap();
        let receipts = db.cf_handle("receipts").unwrap();
        let key = subnet_validator::ledger::schema::index(2);
        let mut bytes = db.get_cf(receipts, key).unwrap().unwrap();
        bytes[100] ^= 1;
        db.put_cf(receipts, key, bytes).unwrap();
    }
    let place = root.path().join("restored");
    let refused = restore(&copy, &place, owner());
    assert!(matches!(refused, Err(CopyError::Check(_))), "{refused:?}");
    assert!(!place.exists(), "nothing was put there");
}

#[tokio::test]
async fn compacting_keeps_everything() {
    let root = tempfile::tempdir().unwrap();
    let (running, _) = bundle(root.path()).await;
    let head = running.head();
    drop(running);
    let path = root.path().join("ledger");
    compact(&path, owner()).unwrap();
    let ledger = open_ledger(&path);
    assert_eq!(ledger.head(), head);
    assert_eq!(ledger.reader().verify(|_| ()).unwrap().root, head.root);
}

#[tokio::test]
async fn a_receipts_proof_is_checked_from_its_file() {
    let root = tempfile::tempdir().unwrap();
    let (ledger, _) = bundle(root.path()).await;
    let (proof, stored) =
        ledger.read(|reader| Ok((reader.proof(3, 100)?.unwrap(), reader.at(3)?.unwrap()))).await.unwrap();
    let answer = json!({
        "index": proof.index, "leafHash": proof.leaf, "size": proof.size, "root": proof.root, "path": proof.path,
        "encoded": format!("0x{}", hex::encode(stored.receipt.encode())),
    });
    let file = root.path().join("proof.json");
    let check = async |answer: &Value, more: &[&str]| {
        fs::write(&file, answer.to_string()).unwrap();
        run(&[&["receipts", "verify-proof", text(&file)], more].concat()).await
    };
    let envelope = json!({ "jsonrpc": "2.0", "id": 1, "result": { "asOf": {}, "data": answer } });
    for form in [&answer, &envelope] {
        assert_eq!(check(form, &[]).await.unwrap()["verified"], true);
    }
    let head = ledger.read(|reader| reader.latest_head()).await.unwrap().unwrap().head;
    let head_file = root.path().join("head.scale");
    fs::write(&head_file, head.encode()).unwrap();
    assert_eq!(check(&answer, &["--head", text(&head_file)]).await.unwrap()["headChecked"], true);
    let mut other = head.head;
    other.log_mut(0).unwrap().tree_size += 1;
    fs::write(&head_file, other.sign(&validator()).encode()).unwrap();
    assert_eq!(check(&answer, &["--head", text(&head_file)]).await, Err(4));

    for (field, value) in [
        ("index", json!(2)),
        ("size", json!(4)),
        ("root", answer["leafHash"].clone()),
        ("leafHash", answer["root"].clone()),
        ("path", json!([])),
        ("encoded", json!("0x00")),
    ] {
        let mut altered = answer.clone();
        altered[field] = value;
        assert_eq!(check(&altered, &[]).await, Err(4), "{field}");
    }
}

#[tokio::test]
async fn papers_that_contradict_each_other_prove_guilt_from_their_file() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("papers");
    let bob = miner_key("//Bob");
    let (one, other) = (receipt(&bob, 7), Call { completion_tokens: 4, ..Call::new(&bob, 7) }.sign());
    let papers = |other| Contradiction::Calls(RecordBytes::of(&one), RecordBytes::of(other)).encode();
    fs::write(&file, papers(&other)).unwrap();
    let proven = run(&["audit", "dispute", text(&file)]).await.unwrap();
    assert_eq!((&proven["proven"], &proven["node"]), (&json!(true), &json!(bob.public())));
    fs::write(&file, papers(&one)).unwrap();
    assert_eq!(run(&["audit", "dispute", text(&file)]).await, Err(4), "the same paper twice");
    fs::write(&file, b"nothing").unwrap();
    assert_eq!(run(&["audit", "dispute", text(&file)]).await, Err(4));
}

#[tokio::test]
async fn a_call_that_is_in_the_log_proves_no_omission() {
    let root = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&root.path().join("ledger"));
    // More than an hour before the head: the log answers for it.
    let bob = miner_key("//Bob");
    let at = |sequence: u64| Call {
        issued_at_ms: crate::heads::NOW_MS - 7_200_000 + sequence,
        ..Call::new(&bob, sequence)
    };
    let calls: Vec<_> = (0..4).map(|sequence| at(sequence).sign()).collect();
    for call in &calls[..3] {
        ledger.append(call.clone()).await.unwrap();
    }
    head(&ledger, 1).await;
    let (bundle, to) = (root.path().join("bundle"), root.path().join("bundle"));
    let exported = ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    exported.unwrap().unwrap();
    let file = root.path().join("call");
    for (call, expected) in [(&calls[1], None), (&calls[3], Some(validator().public()))] {
        fs::write(&file, call.encode()).unwrap();
        let outcome = run(&["audit", "dispute", text(&file), "--bundle", text(&bundle)]).await;
        match expected {
            None => assert_eq!(outcome, Err(4), "it is there"),
            Some(validator) => assert_eq!(outcome.unwrap()["node"], json!(validator)),
        }
    }
}

#[tokio::test]
async fn scores_are_computed_again_from_bundles_alone() {
    let root = tempfile::tempdir().unwrap();
    let (ledger, folder) = bundle(root.path()).await;
    let table = ledger.read(|reader| reader.latest_head()).await.unwrap().unwrap().table;
    let replayed = run(&["audit", "replay", text(&folder)]).await.unwrap();
    let expected: Vec<Value> = table.rows.iter().map(|row| json!(row.basis_points)).collect();
    let points: Vec<Value> =
        replayed["miners"].as_array().unwrap().iter().map(|miner| miner["basisPoints"].clone()).collect();
    assert_eq!(points, expected);
    let best = replayed["miners"].as_array().unwrap().iter().map(|miner| miner["weight"].as_u64()).max();
    assert_eq!(best, Some(Some(65_535)));
    // The same validator twice is no second voice.
    assert_eq!(run(&["audit", "replay", text(&folder), text(&folder)]).await, Err(1));
    let manifest = fs::read(folder.join("1").join("manifest.json")).unwrap();
    let manifest: protocol::manifest::SignedManifest = serde_json::from_slice(&manifest).unwrap();
    let leaves = folder.join("parts").join(manifest.manifest.parts().next().unwrap().1.path());
    let mut bytes = fs::read(&leaves).unwrap();
    bytes[50] ^= 1;
    fs::write(leaves, bytes).unwrap();
    assert_eq!(run(&["audit", "replay", text(&folder)]).await, Err(4));
}
