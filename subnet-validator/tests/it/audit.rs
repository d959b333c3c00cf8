//! Bundles: written from a ledger, reviewed from the files alone, and every spoiled leaf named.

use std::fs::{self, File};
use std::path::Path;

use chain_client::BlockRef;
use protocol::digest::Digest;
use protocol::manifest::{FileEntry, SignedManifest};
use protocol::merkle;
use protocol::receipt::UncheckedCountersigned;
use protocol::scoring::weights;
use subnet_validator::audit::chain::{ChainFacts, Finding, compare};
use subnet_validator::audit::export::{ExportError, export};
use subnet_validator::audit::fetch::{FetchError, fetch};
use subnet_validator::audit::leaves::{LeafWriter, Row, for_each_part};
use subnet_validator::audit::review::{ReviewError, Reviewed, review};
use subnet_validator::ledger::{Ledger, Reader};

use crate::heads::{head, serve};
use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::Stand;
use crate::support::{Ask, miner_key, open_ledger, owner, validator};

const LEAVES: &str = "leaves-00000.parquet";

/// Two tempos of two miners, the second one's bundle.
async fn bundle(root: &Path) -> (Ledger, std::path::PathBuf) {
    let ledger = open_ledger(&root.join("ledger"));
    serve(&ledger, "//Bob", 1, 0..4).await;
    head(&ledger, 1).await;
    serve(&ledger, "//Charlie", 2, 0..3).await;
    serve(&ledger, "//Bob", 2, 4..6).await;
    head(&ledger, 2).await;
    let folder = root.join("bundle");
    let to = folder.clone();
    let exported = ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    let exported = exported.unwrap().unwrap();
    assert_eq!((exported.epoch_index, exported.leaves), (2, 9));
    (ledger, folder)
}

fn check(folder: &Path) -> Result<Reviewed, ReviewError> {
    review(folder, Some(&validator().public()), |_, _| ())
}

fn rows(folder: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for_each_part(&folder.join(LEAVES), 4, |part| {
        rows.extend_from_slice(part);
        Ok::<_, parquet::errors::ParquetError>(())
    })
    .unwrap();
    rows
}

/// Writes the leaves anew; `sign` makes the manifest true of them again, as only the validator could.
fn rewrite(folder: &Path, rows: &[Row], sign: bool) {
    let filler = &self::rows(folder)[0].record;
    let filler = UncheckedCountersigned::from_bytes(filler).unwrap().verify().unwrap();
    let mut writer = LeafWriter::new(File::create(folder.join(LEAVES)).unwrap()).unwrap();
    rows.iter().for_each(|row| writer.push(row.clone(), filler.clone()).unwrap());
    writer.finish().unwrap();
    if sign {
        let path = folder.join("manifest.json");
        let mut signed: SignedManifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let bytes = fs::read(folder.join(LEAVES)).unwrap();
        let entry = FileEntry { name: LEAVES.into(), bytes: bytes.len() as u64, sha256: Digest::of(&bytes) };
        *signed.manifest.files.iter_mut().find(|file| file.name == LEAVES).unwrap() = entry;
        fs::write(path, serde_json::to_vec(&signed.manifest.sign(&validator())).unwrap()).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_bundle_is_reviewed_from_its_files_alone() {
    let root = tempfile::tempdir().unwrap();
    let (ledger, folder) = bundle(root.path()).await;
    let kept = ledger.read(|reader| reader.latest_head()).await.unwrap().unwrap();
    drop(ledger);
    fs::remove_dir_all(root.path().join("ledger")).unwrap();

    let mut seen = 0;
    let reviewed = review(&folder, None, |receipts, progress| {
        seen += receipts.len();
        assert_eq!(progress, (seen as u64, 9));
    })
    .unwrap();
    assert_eq!((seen, reviewed.replayed.leaves), (9, 9));
    assert_eq!(reviewed.replayed.table, kept.table);
    assert_eq!(reviewed.head.digest(), kept.head.head.digest());
}

#[tokio::test]
async fn a_bundle_is_written_while_the_validator_runs_and_never_over_another() {
    let root = tempfile::tempdir().unwrap();
    let (_running, folder) = bundle(root.path()).await;
    let reader = Reader::open(&root.path().join("ledger"), owner()).unwrap();
    let second = root.path().join("second");
    export(&reader, &validator(), Some(1), &second, |_, _| ()).unwrap();
    assert_eq!(check(&second).unwrap().head.epoch_index, 1);
    let again = export(&reader, &validator(), None, &folder, |_, _| ());
    assert!(matches!(again, Err(ExportError::NotEmpty(_))), "{again:?}");
    let none = export(&reader, &validator(), Some(9), &root.path().join("third"), |_, _| ());
    assert!(matches!(none, Err(ExportError::NoHead { epoch_index: 9 })), "{none:?}");
}

#[tokio::test]
async fn every_altered_dropped_doubled_or_swapped_leaf_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, good) = bundle(root.path()).await;
    let honest = rows(&good);
    let mut cases: Vec<(usize, Vec<Row>)> = Vec::new();
    for at in 0..honest.len() {
        let mut altered = honest.clone();
        altered[at].record[90] ^= 1;
        cases.push((at, altered));
        let mut hash = honest.clone();
        hash[at].leaf.0[0] ^= 1;
        cases.push((at, hash));
        let mut dropped = honest.clone();
        dropped.remove(at);
        cases.push((at, dropped));
        let mut doubled = honest.clone();
        doubled.insert(at, doubled[at].clone());
        cases.push((at + 1, doubled));
        if at + 1 < honest.len() {
            let mut swapped = honest.clone();
            swapped.swap(at, at + 1);
            cases.push((at, swapped));
        }
    }
    let spoiled = root.path().join("spoiled");
    for (leaf, rows) in cases {
        for sign in [false, true] {
            copy(&good, &spoiled);
            rewrite(&spoiled, &rows, sign);
            let error = check(&spoiled).unwrap_err();
            assert_eq!(error.leaf(), Some(leaf as u64), "signed again: {sign}: {error:?}");
        }
    }
}

/// `AUDIT_TAMPERS` spoiled leaves of a log of several hundred.
#[tokio::test]
async fn a_spoiled_leaf_of_a_large_bundle_is_named_wherever_it_is() {
    let count = std::env::var("AUDIT_TAMPERS").map_or(12, |text| text.parse::<usize>().unwrap());
    let root = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&root.path().join("ledger"));
    for (name, epoch_index) in [("//Bob", 1), ("//Charlie", 1), ("//Bob", 2)] {
        let first = epoch_index * 150;
        serve(&ledger, name, epoch_index, first..first + 150).await;
        if name == "//Charlie" {
            head(&ledger, 1).await;
        }
    }
    head(&ledger, 2).await;
    let (good, to) = (root.path().join("bundle"), root.path().join("bundle"));
    let exported = ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await;
    assert_eq!(exported.unwrap().unwrap().leaves, 450);
    let honest = rows(&good);
    let spoiled = root.path().join("spoiled");
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..count {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = (random >> 8) as usize % (honest.len() - 1);
        let mut rows = honest.clone();
        let leaf = match random % 4 {
            0 => {
                let byte = (random >> 40) as usize % rows[at].record.len();
                rows[at].record[byte] ^= 1 << (random >> 60 & 7);
                at
            }
            1 => {
                rows.remove(at);
                at
            }
            2 => {
                rows.insert(at, rows[at].clone());
                at + 1
            }
            _ => {
                rows.swap(at, at + 1);
                at
            }
        };
        copy(&good, &spoiled);
        rewrite(&spoiled, &rows, true);
        let error = check(&spoiled).unwrap_err();
        assert_eq!(error.leaf(), Some(leaf as u64), "{error:?}");
    }
}

#[tokio::test]
async fn a_bundle_is_fetched_from_a_copy_of_the_published_folder() {
    use std::io::{BufRead, BufReader, Write};
    let root = tempfile::tempdir().unwrap();
    let (_ledger, good) = bundle(root.path()).await;
    let published = root.path().join("copy");
    copy(&good, &published.join("2"));
    fs::write(published.join("index.json"), br#"{"epochs":[2]}"#).unwrap();
    // A host that knows files and nothing else.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/copies/alice", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let target = request.split(' ').nth(1).unwrap();
            let file =
                target.strip_prefix("/copies/alice/").and_then(|name| fs::read(published.join(name)).ok());
            let (status, body) = file.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
            let head =
                format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    let fetched = root.path().join("fetched");
    fetch(&url, None, &fetched, |_, _| ()).await.unwrap();
    assert_eq!(check(&fetched).unwrap().head.epoch_index, 2);
}

#[tokio::test]
async fn leaves_renumbered_and_signed_again_have_another_root() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, folder) = bundle(root.path()).await;
    let mut rows = rows(&folder);
    rows.remove(2);
    for (index, row) in (0..).zip(&mut rows) {
        row.index = index;
        row.leaf = merkle::leaf_hash(&row.record);
    }
    rewrite(&folder, &rows, true);
    let error = check(&folder).unwrap_err();
    assert!(matches!(error, ReviewError::Replay(protocol::replay::ReplayError::Root { .. })), "{error:?}");
}

#[tokio::test]
async fn every_file_is_needed_as_it_was_signed() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, good) = bundle(root.path()).await;
    let spoiled = root.path().join("spoiled");
    for name in ["heads.scale", "policy.scale", "miners.scale", "frontier.scale", "manifest.json", LEAVES] {
        copy(&good, &spoiled);
        fs::remove_file(spoiled.join(name)).unwrap();
        assert!(check(&spoiled).is_err(), "{name} missing");
        copy(&good, &spoiled);
        let mut bytes = fs::read(spoiled.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(spoiled.join(name), bytes).unwrap();
        assert!(check(&spoiled).is_err(), "{name} altered");
    }
    let eve = miner_key("//Eve").public();
    let other = review(&good, Some(&eve), |_, _| ());
    assert!(matches!(other, Err(ReviewError::OtherValidator { .. })), "{other:?}");
}

#[tokio::test]
async fn a_bundle_is_fetched_from_the_gateway_and_goes_on_where_it_broke_off() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let gateway = format!("http://{}", stand.gateway.address());
    let here = tempfile::tempdir().unwrap();
    let nothing = fetch(&gateway, None, here.path(), |_, _| ()).await;
    assert!(matches!(nothing, Err(FetchError::Nothing)), "{nothing:?}");

    let (_ledger, good) = bundle(here.path()).await;
    let published = stand.folder.path().join("audit").join("2");
    copy(&good, &published);
    let fetched = here.path().join("fetched");
    fs::create_dir_all(&fetched).unwrap();
    let half = fs::read(good.join(LEAVES)).unwrap();
    fs::write(fetched.join(LEAVES), &half[..half.len() / 2]).unwrap();
    let mut last = (0, 0);
    fetch(&gateway, None, &fetched, |done, total| last = (done, total)).await.unwrap();
    assert_eq!(last.0, last.1);
    assert_eq!(check(&fetched).unwrap().head.epoch_index, 2);

    let mut altered = half.clone();
    altered[100] ^= 1;
    fs::write(published.join(LEAVES), altered).unwrap();
    let wrong = fetch(&gateway, Some(2), &here.path().join("wrong"), |_, _| ()).await;
    assert!(matches!(wrong, Err(FetchError::File { .. })), "{wrong:?}");
    let gone = fetch(&gateway, Some(7), &here.path().join("gone"), |_, _| ()).await;
    assert!(matches!(gone, Err(FetchError::Status { .. })), "{gone:?}");
}

#[tokio::test]
async fn the_gateway_serves_no_file_beside_its_bundles() {
    let miner = TestMiner::start("//Bob", Manner::Honest).await;
    let stand = Stand::start(&[&miner]).await;
    let folder = stand.folder.path().join("audit").join("2");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("heads.scale"), b"0123456789").unwrap();
    let get = async |target: &str, range: Option<&str>| {
        let ask = Ask::new("GET", stand.gateway.address(), &format!("/audit/v1/epochs/{target}"));
        match range {
            Some(range) => ask.header("range", range),
            None => ask,
        }
        .send()
        .await
    };
    assert_eq!(get("2/heads.scale", None).await.text(), "0123456789");
    let part = get("2/heads.scale", Some("bytes=4-")).await;
    assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "456789"));
    assert_eq!(part.headers["content-range"], "bytes 4-9/10");
    assert_eq!(get("2/heads.scale", Some("bytes=10-")).await.status.as_u16(), 416);
    for target in [
        "2/..%2F..%2Fapi-keys.json",
        "2/.hidden",
        "2/%2Fetc%2Fpasswd",
        "2/missing",
        "x/heads.scale",
        "3/heads.scale",
    ] {
        assert!(get(target, None).await.status.is_client_error(), "{target}");
    }
}

#[tokio::test]
async fn the_chain_is_compared_with_what_was_reviewed() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, folder) = bundle(root.path()).await;
    let reviewed = check(&folder).unwrap();
    let registered: Vec<_> =
        (3..).zip(&reviewed.miners).map(|(uid, miner)| (miner.hotkey, miner.coldkey, uid)).collect();
    let uid_of = registered.iter().map(|(hotkey, _, uid)| (*hotkey, *uid)).collect();
    let honest = ChainFacts {
        weights: weights(&reviewed.replayed.table, &uid_of),
        committed: Some(reviewed.head.digest()),
        registered,
        block_timestamp_ms: reviewed.head.window_end_ms,
        block_epoch_index: reviewed.head.epoch_index,
        stakes: [(reviewed.head.validator, 1_000)].into(),
        permitted: [(reviewed.head.validator, reviewed.head.digest())].into(),
    };
    assert_eq!(compare(&reviewed, &honest), []);
    assert_eq!(
        compare(&reviewed, &ChainFacts { committed: None, ..honest.clone() }),
        [Finding::NotCommitted]
    );
    let fork = ChainFacts { committed: Some(Digest::ZERO), ..honest.clone() };
    assert!(matches!(compare(&reviewed, &fork)[..], [Finding::OtherCommitment { .. }]));
    let mut friend = honest.clone();
    friend.weights = vec![(4, u16::MAX)];
    assert!(matches!(compare(&reviewed, &friend)[..], [Finding::Weights { .. }]));
    let mut stranger = honest;
    stranger.registered.pop();
    assert!(compare(&reviewed, &stranger).contains(&Finding::Miners));
    assert_eq!(BlockRef { number: 200, hash: [2; 32] }.hash, reviewed.head.block_hash.0);
}
