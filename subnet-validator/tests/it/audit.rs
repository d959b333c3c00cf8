//! Bundles: written from a ledger, reviewed from the files alone, and every spoiled leaf named.

mod parts;
mod shards;
mod stored;

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;

use chain_client::BlockRef;
use protocol::digest::Digest;
use protocol::manifest::{PARTS, Part, SignedManifest};
use protocol::merkle;
use protocol::receipt::UncheckedCountersigned;
use protocol::scoring::weights;
use subnet_validator::audit::chain::{ChainFacts, Finding, compare};
use subnet_validator::audit::export::{ExportError, export};
use subnet_validator::audit::fetch::{FetchError, fetch};
use subnet_validator::audit::leaves::{LeafReader, LeafWriter, Row};
use subnet_validator::audit::review::{ReviewError, ReviewOptions, Reviewed, review, review_with};
use subnet_validator::audit::shelf::Bundle;
use subnet_validator::ledger::{Ledger, Reader};

use crate::heads::{head, serve};
use crate::support::miner::{Manner, TestMiner};
use crate::support::stand::Stand;
use crate::support::{Ask, miner_key, open_ledger, owner, validator};

/// Two tempos of two miners, the second one's bundle: parts of two hours and two miners.
pub async fn bundle(root: &Path) -> (Ledger, std::path::PathBuf) {
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

/// Reviewed all at once and in short runs, which must not matter.
fn check(folder: &Path) -> Result<Reviewed, ReviewError> {
    let whole = review(folder, Some(&validator().public()), |_, _| ());
    for leaves in [1, 2, 5] {
        let validator = validator().public();
        let options = ReviewOptions {
            validator: Some(&validator),
            threads: NonZeroUsize::new(1),
            run_leaves: NonZeroU64::new(leaves),
            ..ReviewOptions::default()
        };
        let bundle = Bundle::at(folder).unwrap();
        let runs = review_with(&bundle, options, |_, _| ());
        match (&whole, runs) {
            (Ok(whole), runs) => assert_eq!(runs.unwrap(), *whole, "in runs of {leaves}"),
            (Err(fault), runs) => {
                let found = runs.unwrap_err();
                let named = fault.leaf().or(found.leaf());
                assert_eq!(found.leaf(), named, "in runs of {leaves}: {found:?}, else {fault:?}");
            }
        }
    }
    whole
}

/// The newest tempo's folder in a folder of bundles.
pub fn tempo(folder: &Path) -> std::path::PathBuf {
    folder.join("2")
}

pub fn manifest(folder: &Path) -> SignedManifest {
    serde_json::from_slice(&fs::read(tempo(folder).join("manifest.json")).unwrap()).unwrap()
}

/// Every leaf in the log's order, with the number of the part that it lies in.
fn rows(folder: &Path) -> Vec<(usize, Row)> {
    let manifest = manifest(folder).manifest;
    let mut rows = Vec::new();
    for (number, (_, part)) in manifest.parts().enumerate() {
        let bytes = fs::read(folder.join(PARTS).join(part.path())).unwrap();
        let mut file = LeafReader::new(bytes.into(), part.rows).unwrap();
        // A few at a time, as reviewers do.
        let read = std::iter::from_fn(|| Some(file.read(2).unwrap()).filter(|rows| !rows.is_empty()));
        rows.extend(read.flatten().map(|row| (number, row)));
    }
    rows.sort_by_key(|(_, row)| row.index);
    rows
}

/// Writes the leaves anew; `sign` makes the manifest true of them again, as only the validator could.
fn rewrite(folder: &Path, rows: &[(usize, Row)], sign: bool) {
    let filler = &self::rows(folder)[0].1.record;
    let filler = UncheckedCountersigned::from_bytes(filler).unwrap().verify().unwrap();
    let mut signed = manifest(folder);
    let mut parts: Vec<&mut Part> =
        signed.manifest.slices.iter_mut().flat_map(|slice| &mut slice.parts).collect();
    for (number, part) in parts.iter_mut().enumerate() {
        let mut bytes = Vec::new();
        let mut writer = LeafWriter::new(&mut bytes).unwrap();
        let own = rows.iter().filter(|(of, _)| *of == number);
        let mut count = 0;
        for (_, row) in own {
            writer.push(row.clone(), filler.clone()).unwrap();
            count += 1;
        }
        writer.finish().unwrap();
        if sign {
            let sha256 = Digest::of(&bytes);
            **part = Part { rows: count, bytes: bytes.len() as u64, sha256, ..(**part).clone() };
        }
        fs::write(folder.join(PARTS).join(part.path()), bytes).unwrap();
    }
    if sign {
        let signed = signed.manifest.sign(&validator());
        fs::write(tempo(folder).join("manifest.json"), serde_json::to_vec(&signed).unwrap()).unwrap();
    }
}

/// Puts each of two neighbours where the other one lay.
fn swap(rows: &mut [(usize, Row)], at: usize) {
    let (left, right) = rows.split_at_mut(at + 1);
    std::mem::swap(&mut left[at].1, &mut right[0].1);
}

pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
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
    assert!(matches!(again, Err(ExportError::Exists(_))), "{again:?}");
    let none = export(&reader, &validator(), Some(9), &root.path().join("third"), |_, _| ());
    assert!(matches!(none, Err(ExportError::NoHead { epoch_index: 9 })), "{none:?}");
}

#[tokio::test]
async fn every_altered_dropped_doubled_or_swapped_leaf_is_named() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, good) = bundle(root.path()).await;
    let honest = rows(&good);
    let mut cases: Vec<(usize, Vec<(usize, Row)>)> = Vec::new();
    for at in 0..honest.len() {
        let mut altered = honest.clone();
        altered[at].1.record[90] ^= 1;
        cases.push((at, altered));
        let mut hash = honest.clone();
        hash[at].1.leaf.0[0] ^= 1;
        cases.push((at, hash));
        let mut dropped = honest.clone();
        dropped.remove(at);
        cases.push((at, dropped));
        let mut doubled = honest.clone();
        doubled.insert(at, doubled[at].clone());
        cases.push((at + 1, doubled));
        if at + 1 < honest.len() {
            let mut swapped = honest.clone();
            swap(&mut swapped, at);
            cases.push((at, swapped));
        }
        // In the file of another miner or hour.
        let mut moved = honest.clone();
        moved[at].0 = (moved[at].0 + 1) % 3;
        cases.push((at, moved));
    }
    let spoiled = root.path().join("spoiled");
    for (leaf, rows) in cases {
        for sign in [false, true] {
            let _ = fs::remove_dir_all(&spoiled);
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
                let byte = (random >> 40) as usize % rows[at].1.record.len();
                rows[at].1.record[byte] ^= 1 << (random >> 60 & 7);
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
                swap(&mut rows, at);
                at
            }
        };
        let _ = fs::remove_dir_all(&spoiled);
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
    copy(&good, &published);
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
    for (index, (_, row)) in (0..).zip(&mut rows) {
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
    let small = ["heads.scale", "policy.scale", "miners.scale", "frontier.scale", "manifest.json"];
    let parts = manifest(&good)
        .manifest
        .parts()
        .map(|(_, part)| format!("../{PARTS}/{}", part.path()))
        .collect::<Vec<_>>();
    assert_eq!(parts.len(), 3);
    for name in small.into_iter().map(str::to_owned).chain(parts) {
        copy(&good, &spoiled);
        fs::remove_file(tempo(&spoiled).join(&name)).unwrap();
        assert!(check(&spoiled).is_err(), "{name} missing");
        copy(&good, &spoiled);
        let mut bytes = fs::read(tempo(&spoiled).join(&name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(tempo(&spoiled).join(&name), bytes).unwrap();
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
    let published = stand.folder.path().join("audit");
    copy(&good, &published);
    let fetched = here.path().join("fetched");
    let part = manifest(&good).manifest.parts().next().unwrap().1.path();
    let half = fs::read(good.join(PARTS).join(&part)).unwrap();
    let begun = fetched.join(PARTS).join(format!("{part}.part"));
    fs::create_dir_all(begun.parent().unwrap()).unwrap();
    fs::write(begun, &half[..half.len() / 2]).unwrap();
    let mut last = (0, 0);
    let got = fetch(&gateway, None, &fetched, |done, total| last = (done, total)).await.unwrap();
    assert_eq!(last.0, last.1);
    assert_eq!(got.bytes_new, got.bytes - half.len() as u64 / 2, "half of a part was there");
    assert_eq!(check(&fetched).unwrap().head.epoch_index, 2);
    assert_eq!(fetch(&gateway, None, &fetched, |_, _| ()).await.unwrap().bytes_new, 0);

    let mut altered = half.clone();
    altered[100] ^= 1;
    fs::write(published.join(PARTS).join(&part), altered).unwrap();
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
