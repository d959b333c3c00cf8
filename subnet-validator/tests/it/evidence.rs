//! Evidence in the ledger, in heads and in bundles: who is convicted earns nothing, and every reviewer sees why.

use std::fs;

use parity_scale_codec::{Decode as _, Encode as _};
use protocol::dispute::RecordBytes;
use protocol::evidence::{Evidence, Finding, SignedEvidence, ValidEvidence};
use protocol::receipt::Countersigned;
use protocol::standing::Conviction;
use subnet_validator::audit::export::export;
use subnet_validator::audit::review::{ReviewError, review};
use subnet_validator::ledger::{HeadRecord, Ledger};

use crate::heads::{head, serve};
use crate::support::{NETUID, miner_key, open_ledger, validator};

/// Bob's first two calls have one answer.
fn replay(ledger: &Ledger) -> ValidEvidence {
    let calls: Vec<Countersigned> =
        ledger.reader().from(0, 2).unwrap().into_iter().map(|stored| stored.receipt).collect();
    let evidence = Evidence {
        netuid: NETUID,
        validator: validator().public(),
        miner: miner_key("//Bob").public(),
        observed_at_ms: 7,
        finding: Finding::ReplayedAnswer(RecordBytes::of(&calls[0]), RecordBytes::of(&calls[1])),
    };
    evidence.sign(&validator()).verify().unwrap()
}

#[tokio::test]
async fn evidence_is_kept_once_and_convicts_while_the_window_holds_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..3).await;
    let found = replay(&ledger);
    for _ in 0..2 {
        ledger.put_evidence(found.clone()).await.unwrap();
    }
    drop(ledger);
    let reader = open_ledger(folder.path()).reader();
    let at_ms = found.at_ms();
    assert_eq!(reader.evidence(at_ms..at_ms + 1).unwrap(), std::slice::from_ref(&found));
    assert_eq!(reader.evidence(0..at_ms).unwrap(), []);
    assert_eq!(reader.evidence(at_ms + 1..u64::MAX).unwrap(), []);
    let conviction = Conviction { miner: found.miner(), evidence: vec![found.digest()] };
    assert_eq!(reader.standings(0..u64::MAX).unwrap().convicted, [conviction]);
}

#[tokio::test]
async fn a_conviction_goes_through_the_head_and_the_bundle_to_the_reviewer() {
    let root = tempfile::tempdir().unwrap();
    let ledger = open_ledger(&root.path().join("ledger"));
    serve(&ledger, "//Bob", 1, 0..4).await;
    serve(&ledger, "//Charlie", 1, 10..11).await;
    ledger.put_evidence(replay(&ledger)).await.unwrap();
    let record = head(&ledger, 1).await;
    let points = |hotkey| record.table.rows.iter().find(|row| row.hotkey == hotkey).unwrap().basis_points;
    assert_eq!((points(miner_key("//Bob").public()), points(miner_key("//Charlie").public())), (0, 10_000));

    let folder = root.path().join("bundle");
    let to = folder.clone();
    ledger.read(move |reader| Ok(export(reader, &validator(), None, &to, |_, _| ()))).await.unwrap().unwrap();
    let reviewed = review(&folder, None, |_, _| ()).unwrap();
    assert_eq!(reviewed.replayed.table, record.table);

    // Without the evidence the head's conviction is the validator's word alone.
    let evidence = folder.join("1").join("evidence.scale");
    let kept = fs::read(&evidence).unwrap();
    fs::write(&evidence, Vec::<SignedEvidence>::new().encode()).unwrap();
    assert!(matches!(review(&folder, None, |_, _| ()), Err(ReviewError::File { .. })));
    fs::write(&evidence, kept).unwrap();
    assert!(review(&folder, None, |_, _| ()).is_ok());
}

#[tokio::test]
async fn a_head_of_the_formats_before_convicts_or_doubts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open_ledger(folder.path());
    serve(&ledger, "//Bob", 1, 0..2).await;
    let record = head(&ledger, 1).await;
    let bytes = record.encode();
    for missing in 1..=2 {
        let (before, lists) = bytes.split_at(bytes.len() - missing);
        assert!(lists.iter().all(|list| *list == 0), "empty lists");
        assert_eq!(HeadRecord::decode(&mut &*before).unwrap(), record);
    }
}
