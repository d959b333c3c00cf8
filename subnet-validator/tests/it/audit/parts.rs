//! Bundles of following tempos in one folder: new leaves only, and reviews that go on.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use protocol::manifest::PARTS;
use subnet_validator::audit::export::{ExportError, ExportOptions, Exported, export, export_with};
use subnet_validator::audit::review::{ReviewError, ReviewOptions, Reviewed, review, review_with};
use subnet_validator::audit::seen::Seen;
use subnet_validator::audit::shelf::Bundle;
use subnet_validator::audit::verdict::Verdict;
use subnet_validator::ledger::Ledger;

use super::{bundle, manifest};
use crate::heads::{facts, head, serve};
use crate::support::{Call, miner_key, open_ledger, validator};
use protocol::ticket::Kind;

async fn written(ledger: &Ledger, folder: &Path) -> Result<Exported, ExportError> {
    let to = folder.to_owned();
    ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await.unwrap()
}

fn resumed(folder: &Path, list: &Path, see: impl FnMut() + Send) -> Result<Reviewed, ReviewError> {
    let (seen, mut see) = (Seen::open(list).unwrap(), see);
    let options = ReviewOptions { seen: Some(&seen), ..ReviewOptions::default() };
    review_with(&Bundle::at(folder).unwrap(), options, |_, _| see())
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.extend([path.display().to_string()]) }
        }
    }
    found
}

#[tokio::test]
async fn a_tempos_bundle_brings_only_the_leaves_that_earlier_ones_lack() {
    let root = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&root.path().join("ledger"));
    let folder = root.path().join("bundles");
    let mut before = BTreeSet::new();
    for (epoch_index, count) in [(1, 5), (2, 3), (3, 0), (4, 2)] {
        let first = epoch_index * 10;
        serve(&ledger, "//Bob", epoch_index, first..first + count).await;
        head(&ledger, epoch_index).await;
        let exported = written(&ledger, &folder).await.unwrap();
        assert_eq!((exported.epoch_index, exported.leaves_new), (epoch_index, count));
        let reviewed = review(&folder, None, |_, _| ()).unwrap();
        assert_eq!(
            (reviewed.head.epoch_index, reviewed.replayed.leaves),
            (epoch_index, exported.leaves),
            "the newest is reviewed, and its window is all of them"
        );
        let now = files(&folder.join(PARTS));
        assert!(now.is_superset(&before), "nothing is written again or anew");
        assert_eq!(now.len() - before.len(), usize::from(count > 0));
        before = now;
    }
    let earlier = review(&folder.join("2"), None, |_, _| ()).unwrap();
    assert_eq!((earlier.head.epoch_index, earlier.replayed.leaves), (2, 8));
}

#[tokio::test]
async fn parts_that_are_gone_or_of_another_log_are_written_again() {
    let root = tempfile::tempdir().unwrap();
    let (ledger, folder) = bundle(root.path()).await;
    fs::remove_dir_all(folder.join(PARTS)).unwrap();
    serve(&ledger, "//Bob", 3, 10..12).await;
    head(&ledger, 3).await;
    let exported = written(&ledger, &folder).await.unwrap();
    assert_eq!((exported.leaves, exported.leaves_new), (11, 11));
    assert_eq!(review(&folder, None, |_, _| ()).unwrap().replayed.leaves, 11);

    let other = open_ledger(&root.path().join("other"));
    serve(&other, "//Bob", 4, 0..3).await;
    head(&other, 4).await;
    let exported = written(&other, &folder).await.unwrap();
    assert_eq!((exported.leaves, exported.leaves_new), (3, 3));
    assert_eq!(review(&folder, None, |_, _| ()).unwrap().replayed.leaves, 3);
}

#[tokio::test]
async fn more_new_leaves_than_allowed_are_not_written() {
    let root = tempfile::tempdir().unwrap();
    let (ledger, _) = bundle(root.path()).await;
    let folder = root.path().join("limited");
    let refused = ledger.read(move |reader| {
        let options = ExportOptions { epoch_index: None, folder: &folder, leaves_max: 8 };
        Ok(export_with(reader, &validator(), options, |_, _| ()))
    });
    assert!(matches!(refused.await.unwrap(), Err(ExportError::TooMany { leaves: 9, max: 8 })));
}

#[tokio::test]
async fn a_review_that_was_stopped_goes_on_and_the_next_tempos_verifies_new_parts_only() {
    let root = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&root.path().join("ledger"));
    let (folder, list) = (root.path().join("bundles"), root.path().join("seen"));
    for epoch_index in 1..=3 {
        serve(&ledger, "//Bob", epoch_index, epoch_index * 10..epoch_index * 10 + 4).await;
        head(&ledger, epoch_index).await;
        written(&ledger, &folder).await.unwrap();
    }
    // The second slice's first receipt is shown before the slice is on the list.
    let mut shown = 0;
    let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        resumed(&folder, &list, || {
            shown += 1;
            assert!(shown < 2, "killed here");
        })
    }));
    assert!(stopped.is_err());
    assert_eq!(Seen::open(&list).unwrap().len(), 1, "one slice of three was done");

    let whole = review(&folder, None, |_, _| ()).unwrap();
    assert_eq!(resumed(&folder, &list, || ()).unwrap(), whole);
    assert_eq!(Seen::open(&list).unwrap().len(), 3);
    serve(&ledger, "//Bob", 4, 90..92).await;
    head(&ledger, 4).await;
    written(&ledger, &folder).await.unwrap();
    assert_eq!(resumed(&folder, &list, || ()).unwrap(), review(&folder, None, |_, _| ()).unwrap());
    assert_eq!(Seen::open(&list).unwrap().len(), 4);
}

#[tokio::test]
async fn a_part_that_was_seen_is_still_read_and_hashed() {
    let root = tempfile::tempdir().unwrap();
    let (_ledger, folder) = bundle(root.path()).await;
    let list = root.path().join("seen");
    resumed(&folder, &list, || ()).unwrap();
    for (_, part) in manifest(&folder).manifest.parts() {
        let place = folder.join(PARTS).join(part.path());
        let good = fs::read(&place).unwrap();
        let mut altered = good.clone();
        let middle = altered.len() / 3;
        altered[middle] ^= 1;
        fs::write(&place, altered).unwrap();
        assert!(resumed(&folder, &list, || ()).is_err());
        fs::write(&place, good).unwrap();
    }
    resumed(&folder, &list, || ()).unwrap();
}

#[tokio::test]
async fn a_bounty_that_is_paid_to_a_friend_as_well_makes_the_review_disagree() {
    for (friend, agreed) in [("//Bob", true), ("//Charlie", false)] {
        let root = tempfile::tempdir().unwrap();
        let ledger = open_ledger(&root.path().join("ledger"));
        let folder = root.path().join("bundles");
        for (name, sequence) in [("//Bob", 0), (friend, 1)] {
            let issued_at_ms = facts(1).timestamp_ms - 50_000 + sequence;
            let call =
                Call { issued_at_ms, kind: Kind::BountyClaim, ..Call::new(&miner_key(name), sequence) };
            ledger.append(call.sign()).await.unwrap();
        }
        head(&ledger, 1).await;
        written(&ledger, &folder).await.unwrap();
        let verdict = Verdict::of_reviewed(&review(&folder, None, |_, _| ()).unwrap(), None);
        assert_eq!(verdict.agreed, agreed, "{:?}", verdict.findings);
        assert!(agreed || verdict.findings[0].contains("paid to"), "{:?}", verdict.findings);
    }
}
