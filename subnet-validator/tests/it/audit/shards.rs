//! Two gateways of one validator under one head, without the wires between them: ledgers, heads, bundles, reviews.

use std::fs;
use std::path::{Path, PathBuf};

use protocol::digest::Digest;
use protocol::head::TreeHead;
use protocol::head::shards::{Logs, ShardFault, ShardLog};
use protocol::head::{HeadError, SignedHead};
use protocol::receipt::Countersigned;
use protocol::scoring::Scorer;
use protocol::ticket::first_sequence;
use subnet_validator::audit::disputes::{Claim, Search};
use subnet_validator::audit::export::{ExportError, export};
use subnet_validator::audit::review::{ReviewError, ReviewOptions, Reviewed, last_head, review, review_with};
use subnet_validator::audit::shard::{export_shard, papers_folder};
use subnet_validator::audit::shelf::Bundle;
use subnet_validator::audit::verdict::Verdict;
use subnet_validator::heads::shards::cut_shard;
use subnet_validator::ledger::shards::ShardSums;
use subnet_validator::ledger::{AppendError, Appended, HeadRecord, Ledger, LedgerConfig, OpenError, Owner};

use crate::commands::run;
use crate::heads::{facts, head, rules, serve};
use crate::staker_rpc::asked_of;
use crate::support::{Call, miner_key, open_ledger, owner, validator};

fn open_shard(path: &Path, shard: u8) -> Ledger {
    Ledger::open(LedgerConfig::new(path.to_owned(), Owner { shard, ..owner() })).unwrap()
}

/// Calls of shard 1 shortly before the end of a tempo.
async fn serve_one(ledger: &Ledger, name: &str, epoch_index: u64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let issued_at_ms = facts(epoch_index).timestamp_ms - 1_000 + number;
        let call = Call { issued_at_ms, ..Call::new(&miner_key(name), first_sequence(1) + number) };
        ledger.append(call.sign()).await.unwrap();
    }
}

/// Both gateways with a folder of bundles each.
struct Two {
    zero: Ledger,
    one: Ledger,
    root: PathBuf,
}

impl Two {
    fn open(root: &Path) -> Self {
        let (zero, one) = (open_ledger(&root.join("zero")), open_shard(&root.join("one"), 1));
        Self { zero, one, root: root.to_owned() }
    }

    fn bundles(&self) -> PathBuf {
        self.root.join("bundles")
    }

    /// What the head gateway asks of shard 1, and what it brings of its bundle.
    async fn ask_one(&self, epoch_index: u64) {
        let end_ms = facts(epoch_index).timestamp_ms;
        let (record, sums) = cut_shard(&self.one, &rules(), &validator(), epoch_index, end_ms).await.unwrap();
        self.zero.put_sums(ShardSums { head: record.head.clone(), sums }).await.unwrap();
        let own = self.root.join("bundles-of-one");
        let to = own.clone();
        let written =
            self.one.read(move |reader| Ok(export_shard(reader, &validator(), &record, &to, 1_000)));
        written.await.unwrap().unwrap();
        copy(&papers_folder(&own, 1), &papers_folder(&self.bundles(), 1));
    }

    async fn export(&self) -> Result<(), ExportError> {
        let to = self.bundles();
        let exported = self.zero.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ())));
        exported.await.unwrap().map(drop)
    }

    /// A tempo with both gateways.
    async fn tempo(&self, epoch_index: u64) -> HeadRecord {
        self.ask_one(epoch_index).await;
        let record = head(&self.zero, epoch_index).await;
        self.export().await.unwrap();
        record
    }

    /// Two tempos, 9 calls of both gateways.
    async fn served(root: &Path) -> Self {
        let two = Self::open(root);
        serve(&two.zero, "//Bob", 1, 0..3).await;
        serve_one(&two.one, "//Bob", 1, 0..2).await;
        two.tempo(1).await;
        serve(&two.zero, "//Charlie", 2, 0..1).await;
        serve_one(&two.one, "//Charlie", 2, 0..3).await;
        two.tempo(2).await;
        two
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place)
        } else {
            _ = fs::copy(entry.path(), place).unwrap()
        }
    }
}

fn check(folder: &Path) -> Result<Reviewed, ReviewError> {
    review(folder, Some(&validator().public()), |_, _| ())
}

fn shards(head: &TreeHead) -> &[ShardLog] {
    match &head.logs {
        Logs::Shards { shards } => shards,
        Logs::One(_) => panic!("a head of one log"),
    }
}

#[tokio::test]
async fn a_ledger_is_of_one_shard_and_gives_its_numbers_only() {
    let folder = tempfile::tempdir().unwrap();
    let bob = miner_key("//Bob");
    let ledger = open_shard(folder.path(), 3);
    let taken = ledger.reserve_sequences(bob.public(), 10).await.unwrap();
    assert_eq!(taken, first_sequence(3)..first_sequence(3) + 10);
    let own = Call::new(&bob, first_sequence(3)).sign();
    assert_eq!(ledger.append(own).await.unwrap(), Appended::New { index: 0 });
    for other in [0, first_sequence(2) + 1, first_sequence(4)] {
        let refused = ledger.append(Call::new(&bob, other).sign()).await.unwrap_err();
        assert!(matches!(refused, AppendError::NotOurs), "{refused:?}");
    }
    let refused = ledger.put_head(
        head(&open_ledger(&tempfile::tempdir().unwrap().keep()), 1).await,
        rules().document().clone().sign(&validator()),
    );
    assert!(matches!(refused.await.unwrap_err(), AppendError::HeadRefused { .. }), "it keeps no tree heads");
    drop(ledger);
    for shard in [0, 4] {
        let config = LedgerConfig::new(folder.path().to_owned(), Owner { shard, ..owner() });
        let Err(error) = Ledger::open(config) else { panic!("opened as shard {shard}") };
        assert!(matches!(error, OpenError::OtherOwner { shard: 3, .. }), "{error:?}");
    }
    let again = open_shard(folder.path(), 3).reserve_sequences(bob.public(), 1).await.unwrap();
    assert_eq!(again, first_sequence(3) + 10..first_sequence(3) + 11);
}

#[test]
fn the_owner_of_shard_0_has_the_bytes_that_it_always_had() {
    assert_eq!(hex::encode(owner().to_bytes()), format!("{}0040", hex::encode(validator().public().0)));
    let seven = Owner { shard: 7, ..owner() };
    assert_eq!(hex::encode(seven.to_bytes()), format!("{}004007", hex::encode(validator().public().0)));
    for known in [owner(), seven] {
        assert_eq!(Owner::from_bytes(&known.to_bytes()), Some(known));
    }
    assert_eq!(Owner::from_bytes(&[owner().to_bytes(), vec![0]].concat()), None);
    assert_eq!(Owner::from_bytes(&[owner().to_bytes(), vec![1, 2]].concat()), None);
}

#[tokio::test]
async fn two_gateways_have_one_head_and_a_review_of_both_logs_agrees() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let reviewed = check(&two.bundles()).unwrap();
    let sizes: Vec<_> =
        shards(&reviewed.head).iter().map(|shard| (shard.shard, shard.log.tree_size)).collect();
    assert_eq!((sizes, reviewed.replayed.leaves), (vec![(0, 4), (1, 5)], 9));
    // The scores are those of all receipts together.
    let (rules, mut all) = (rules(), Vec::new());
    for ledger in [&two.zero, &two.one] {
        ledger.reader().for_each_kept(0..ledger.head().size, |receipt| all.push(receipt.clone())).unwrap();
    }
    let mut scorer = Scorer::new(&rules.document().policy, rules.catalogue(), facts(2).timestamp_ms);
    all.iter().for_each(|receipt: &Countersigned| scorer.add_once(receipt));
    assert_eq!(reviewed.replayed.table, scorer.finish(&crate::heads::miners()));
    let mut seen = 0;
    let options = ReviewOptions { threads: std::num::NonZeroUsize::new(2), ..ReviewOptions::default() };
    review_with(&Bundle::at(&two.bundles()).unwrap(), options, |receipts, (done, total)| {
        seen += receipts.len();
        assert!(done <= total && total == 9);
    })
    .unwrap();
    assert_eq!(seen, 9);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_named_as_it_was_and_its_receipts_count_in_the_next_head() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let second = two.zero.reader().head(2).unwrap().unwrap();
    serve(&two.zero, "//Bob", 3, 5..6).await;
    serve_one(&two.one, "//Bob", 3, 5..9).await;
    // Nobody asks shard 1: it is away.
    let third = head(&two.zero, 3).await;
    two.export().await.unwrap();
    assert_eq!(shards(&third.head.head)[1], shards(&second.head.head)[1]);
    let invocations =
        |reviewed: &Reviewed| reviewed.replayed.table.rows.iter().map(|row| row.invocations).sum::<u64>();
    let away = check(&two.bundles()).unwrap();
    assert_eq!((away.replayed.leaves, invocations(&away)), (10, 10));
    two.tempo(4).await;
    let back = check(&two.bundles()).unwrap();
    assert_eq!((back.replayed.leaves, invocations(&back)), (14, 14));
    // Away for more than a day: the first head after that closes it, and everything still adds up.
    serve(&two.zero, "//Bob", 29, 9..10).await;
    let closed = head(&two.zero, 29).await;
    assert!(shards(&closed.head.head)[1].closed);
    two.export().await.unwrap();
    check(&two.bundles()).unwrap();
    // It stays as it was, also when its gateway comes back.
    serve(&two.zero, "//Bob", 30, 10..11).await;
    two.ask_one(30).await;
    let later = head(&two.zero, 30).await;
    assert_eq!(shards(&later.head.head)[1], shards(&closed.head.head)[1]);
    // Once its window is over it is left out.
    let window_hours = u64::from(rules().document().policy.window_hours);
    let over = 4 + window_hours + 2;
    serve(&two.zero, "//Bob", over, 11..12).await;
    assert_eq!(shards(&head(&two.zero, over).await.head.head).len(), 1);
}

#[tokio::test]
async fn an_export_without_the_papers_of_a_shard_says_what_is_missing() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    serve_one(&two.one, "//Bob", 3, 5..6).await;
    let end_ms = facts(3).timestamp_ms;
    let (record, sums) = cut_shard(&two.one, &rules(), &validator(), 3, end_ms).await.unwrap();
    two.zero.put_sums(ShardSums { head: record.head, sums }).await.unwrap();
    head(&two.zero, 3).await;
    let missing = two.export().await.unwrap_err();
    assert!(matches!(missing, ExportError::ShardMissing { shard: 1, .. }), "{missing:?}");
    two.ask_one(3).await;
    two.export().await.unwrap();
    check(&two.bundles()).unwrap();
}

/// The newest head signed anew after a change, in a bundle that is otherwise as it was. `later` heads name the changed one no more.
fn resigned(two: &Two, change: impl FnOnce(&mut TreeHead)) -> Result<Reviewed, ReviewError> {
    let folder = two.bundles().join("2");
    let heads: Vec<SignedHead> =
        parity_scale_codec::Decode::decode(&mut &fs::read(folder.join("heads.scale")).unwrap()[..]).unwrap();
    let mut last = heads.last().unwrap().head.clone();
    change(&mut last);
    let signed = last.sign(&validator());
    let heads = vec![heads[0].clone(), signed.clone()];
    let bytes = parity_scale_codec::Encode::encode(&heads);
    let path = folder.join("manifest.json");
    let manifest: protocol::manifest::SignedManifest =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut manifest = manifest.manifest;
    manifest.head = signed.head.digest();
    let file = manifest.files.iter_mut().find(|file| file.name == "heads.scale").unwrap();
    (file.bytes, file.sha256) = (bytes.len() as u64, Digest::of(&bytes));
    fs::write(folder.join("heads.scale"), bytes).unwrap();
    fs::write(path, serde_json::to_vec(&manifest.sign(&validator())).unwrap()).unwrap();
    check(&two.bundles())
}

fn shards_mut(head: &mut TreeHead) -> &mut Vec<ShardLog> {
    match &mut head.logs {
        Logs::Shards { shards } => shards,
        Logs::One(_) => panic!("a head of one log"),
    }
}

#[tokio::test]
async fn a_shard_that_is_left_out_or_shrunk_is_named() {
    type Change = (fn(&mut TreeHead), ShardFault);
    let changes: [Change; 2] = [
        (|head| _ = shards_mut(head).pop(), ShardFault::LeftOut),
        (|head| shards_mut(head)[1].log.tree_size = 1, ShardFault::Shrunk),
    ];
    for (change, expected) in changes {
        let root = tempfile::tempdir().unwrap();
        let two = Two::served(root.path()).await;
        let error = resigned(&two, change).unwrap_err();
        assert_eq!(error.shard(), Some(1), "{error:?}");
        let verdict = Verdict::of_error(&error);
        assert_eq!((verdict.shard, verdict.agreed), (Some(1), false));
        let ReviewError::Replay(protocol::replay::ReplayError::Heads { source, .. }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(source, HeadError::Shard { shard: 1, source: expected });
    }
}

#[tokio::test]
async fn a_receipt_that_was_moved_to_another_shard_is_named_with_its_leaf() {
    // A gateway that lies about its shard: its ledger takes shard 1's calls into a log that is then signed as shard 2's.
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let error = resigned(&two, |head| shards_mut(head)[1].shard = 2).unwrap_err();
    assert!(matches!(error, ReviewError::NotListed(_) | ReviewError::Replay(_)), "{error:?}");
    // The leaves of shard 1 under the name of shard 2, with all papers that belong to it.
    let moved = Two::open(&root.path().join("moved"));
    serve(&moved.zero, "//Bob", 1, 0..2).await;
    serve_one(&moved.one, "//Bob", 1, 0..2).await;
    moved.tempo(1).await;
    let reviewed = renumbered(&moved);
    let error = reviewed.unwrap_err();
    assert_eq!((error.shard(), error.leaf()), (Some(2), Some(0)), "{error:?}");
    assert!(Verdict::of_error(&error).reason.unwrap().contains("shard 1"));
}

/// The bundle of tempo 1 with shard 1 called shard 2 everywhere.
fn renumbered(two: &Two) -> Result<Reviewed, ReviewError> {
    let folder = two.bundles().join("1");
    fs::rename(two.bundles().join("shards/1"), two.bundles().join("shards/2")).unwrap();
    fs::rename(folder.join("frontier-1.scale"), folder.join("frontier-2.scale")).unwrap();
    let heads: Vec<SignedHead> =
        parity_scale_codec::Decode::decode(&mut &fs::read(folder.join("heads.scale")).unwrap()[..]).unwrap();
    let mut last = heads.last().unwrap().head.clone();
    shards_mut(&mut last)[1].shard = 2;
    let signed = last.sign(&validator());
    let bytes = parity_scale_codec::Encode::encode(&vec![signed.clone()]);
    let path = folder.join("manifest.json");
    let manifest: protocol::manifest::SignedManifest =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut manifest = manifest.manifest;
    manifest.head = signed.head.digest();
    manifest.shards[0].shard = 2;
    for file in &mut manifest.files {
        if file.name == "heads.scale" {
            (file.bytes, file.sha256) = (bytes.len() as u64, Digest::of(&bytes));
        }
        if file.name == "frontier-1.scale" {
            file.name = "frontier-2.scale".to_owned();
        }
    }
    fs::write(folder.join("heads.scale"), bytes).unwrap();
    fs::write(path, serde_json::to_vec(&manifest.sign(&validator())).unwrap()).unwrap();
    check(&two.bundles())
}

#[tokio::test]
async fn an_altered_or_missing_part_of_a_shard_is_told_by_its_place() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let good = root.path().join("good");
    copy(&two.bundles(), &good);
    let mut parts = Vec::new();
    let mut folders = vec![two.bundles().join("shards/1/parts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { parts.push(path) }
        }
    }
    assert_eq!(parts.len(), 2);
    for part in parts {
        let bytes = fs::read(&part).unwrap();
        fs::remove_file(&part).unwrap();
        let error = check(&two.bundles()).unwrap_err();
        assert!(
            matches!(&error, ReviewError::Read { name, .. } if name.starts_with("shards/1/")),
            "{error:?}"
        );
        let mut altered = bytes.clone();
        let middle = altered.len() / 2;
        altered[middle] ^= 1;
        fs::write(&part, altered).unwrap();
        assert!(check(&two.bundles()).is_err());
        fs::write(&part, bytes).unwrap();
    }
    check(&two.bundles()).unwrap();
}

#[tokio::test]
async fn a_call_that_a_shard_dropped_is_proven_from_the_bundle() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let bundles = two.bundles();
    let found = |sequence: u64, head_epoch: u64| {
        let call =
            Call { issued_at_ms: facts(1).timestamp_ms - 1_000, ..Call::new(&miner_key("//Bob"), sequence) };
        let claim = Claim { path: PathBuf::from("call"), call: call.sign() };
        let folder = bundles.join(head_epoch.to_string());
        let mut search = Search::new(vec![claim], &last_head(&folder).unwrap());
        review(&folder, None, |receipts, _| search.see(receipts)).unwrap();
        search.finish().len()
    };
    assert_eq!(found(first_sequence(1), 2), 0, "it is there");
    assert_eq!(found(first_sequence(1) + 77, 2), 1);
    assert_eq!(found(first_sequence(9), 2), 0, "a shard that is not named has a day");
}

#[tokio::test]
async fn a_receipts_proof_from_another_shards_gateway_is_checked_against_the_tree_head_from_files() {
    let root = tempfile::tempdir().unwrap();
    let two = Two::served(root.path()).await;
    let call = Call {
        issued_at_ms: facts(1).timestamp_ms - 1_000 + 1,
        ..Call::new(&miner_key("//Bob"), first_sequence(1) + 1)
    };
    let hash = call.sign().receipt().hash();
    let params = serde_json::json!({"hash": hash, "epoch": 2});
    let proof = asked_of(&two.one, "subnet_v1_receiptProof", params.clone()).await;
    let head = |epoch_index: u64| {
        let heads = fs::read(two.bundles().join(format!("{epoch_index}/heads.scale"))).unwrap();
        let heads: Vec<SignedHead> = parity_scale_codec::Decode::decode(&mut &heads[..]).unwrap();
        heads.into_iter().last().unwrap()
    };
    let named = head(2).head.shard(1).unwrap();
    let told = [&proof["shard"], &proof["index"], &proof["size"], &proof["root"], &proof["head"]];
    assert_eq!(serde_json::json!(told), serde_json::json!([1, 1, 5, named.log.root, null]));

    let file = |name: &str, bytes: Vec<u8>| {
        let path = root.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let of_proof = file("proof.json", proof.to_string().into_bytes());
    let of_head = |name: &str, head: SignedHead| file(name, parity_scale_codec::Encode::encode(&head));
    let verify = async |head: &str| run(&["receipts", "verify-proof", &of_proof, "--head", head]).await;
    assert_eq!(verify(&of_head("second", head(2))).await.unwrap()["headChecked"], true);
    assert_eq!(verify(&of_head("first", head(1))).await, Err(4), "the log was shorter then");
    // A head that gives shard 0's log for it, or names no such shard, does not hold the call.
    let mut other = head(2).head;
    let zeros = shards_mut(&mut other)[0].log;
    shards_mut(&mut other)[1].log = zeros;
    assert_eq!(verify(&of_head("other", other.clone().sign(&validator()))).await, Err(4));
    shards_mut(&mut other).pop();
    assert_eq!(verify(&of_head("none", other.sign(&validator()))).await, Err(4));
    // The head gateway's own log does not hold it.
    let elsewhere = two.zero.read(move |reader| reader.by_receipt_hash(&hash)).await.unwrap();
    assert!(elsewhere.is_none());
}
